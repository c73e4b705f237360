/* Directory streams: cookies, fences, slots (PROTOCOL section 8). */
#include <stdarg.h>

#include "../cm.h"

#define MANY	500

/* A stream with its state; reads a few entries at a time. */
struct stream {
	struct fx *fx;
	struct vfs_id dir;
	uint64_t cookie, fence;
	unsigned room;			/* entries of one call */
	bool eof;
	unsigned n;
	char got[MANY * 2][24];
	uint64_t cookies[MANY * 2];
	unsigned left;			/* of this call */
};

static bool
take(void *arg, const struct vfs_dirent *e)
{
	struct stream *s = arg;

	if (s->left == 0)
		return false;
	s->left--;
	assert_true(s->n < MANY * 2);
	snprintf(s->got[s->n], sizeof s->got[0], "%.*s", (int)e->name.n,
	    (const char *)e->name.p);
	s->cookies[s->n++] = e->cookie;
	return true;
}

static int
read_some(struct stream *s)
{
	struct vfs_dir_read q = { .dir = s->dir, .cookie = s->cookie,
	    .fence = s->fence };
	struct vfs_dir_read_reply r = { .entries = { take, s } };
	int err;

	s->left = s->room;
	if ((err = fx_op_dir_read(s->fx, &q, &r)) < 0)
		return err;
	s->cookie = r.next_cookie;
	s->fence = r.fence;
	s->eof = r.eof;
	return 0;
}

static void
read_rest(struct stream *s)
{
	while (!s->eof)
		assert_err(read_some(s), OK);
}

static struct stream *
open_dir(struct fx *fx, const char *path, unsigned room)
{
	struct stream *s = test_calloc(1, sizeof *s);

	s->fx = fx;
	s->dir = fx_id(fx, path);
	s->room = room;
	return s;
}

static unsigned
times(const struct stream *s, const char *name)
{
	unsigned i, n = 0;

	for (i = 0; i < s->n; i++)
		n += strcmp(s->got[i], name) == 0;
	return n;
}

/* The names after "." and "..", in order, each followed by a space. */
static const char *
listing(struct fx *fx, const char *path)
{
	static char buf[4096];
	struct stream *s = open_dir(fx, path, 3);
	unsigned i;

	read_rest(s);
	buf[0] = '\0';
	for (i = 2; i < s->n; i++)
		strcat(strcat(buf, s->got[i]), " ");
	test_free(s);
	return buf;
}

static void
make(struct fx *fx, const char *names)
{
	char path[] = "/d/?";

	for (; *names; names++) {
		path[3] = *names;
		assert_err(fx_create(fx, path, 0644), OK);
	}
}

static int
with_dir(void **state)
{
	fx_setup(state);
	return fx_mkdir(*state, "/d", 0755);
}

static void
dir_read__empty__dots_then_end(void **state)
{
	struct fx *fx = *state;
	struct stream *s = open_dir(fx, "/d", 10);

	assert_err(read_some(s), OK);
	assert_true(s->eof);
	assert_int_equal(s->n, 2);
	assert_string_equal(s->got[0], ".");
	assert_string_equal(s->got[1], "..");
	assert_int_equal(s->cookies[0], 1);
	assert_int_equal(s->cookies[1], 2);
	test_free(s);
}

static void
dir_read__any_room__every_name_once_in_order(void **state)
{
	struct fx *fx = *state;
	unsigned room, i;

	make(fx, "abcdefghij");
	for (room = 1; room < 14; room++) {
		struct stream *s = open_dir(fx, "/d", room);

		read_rest(s);
		assert_int_equal(s->n, 12);
		for (i = 2; i < 12; i++)
			assert_int_equal(s->got[i][0], 'a' + (int)i - 2);
		test_free(s);
	}
}

static bool
take_attr(void *arg, const struct vfs_dirent *e)
{
	unsigned *n = arg;

	assert_non_null(e->attr);
	assert_int_equal(e->attr->id.n, e->id.n);
	assert_int_equal(VFS_MODE_TYPE(e->attr->mode), e->type);
	++*n;
	return true;
}

static void
dir_read__attributes_wanted__every_entry_has_them(void **state)
{
	struct fx *fx = *state;
	struct vfs_dir_read q = { .dir = fx_id(fx, "/d"),
	    .want = VFS_WANT_ATTR };
	unsigned n = 0;
	struct vfs_dir_read_reply r = { .entries = { take_attr, &n } };

	make(fx, "ab");
	assert_err(fx_symlink(fx, "t", "/d/l"), OK);
	assert_err(fx_op_dir_read(fx, &q, &r), OK);
	assert_int_equal(n, 5);
}

static void
dir_read__cookie_at_limit__one_more_is_bad(void **state)
{
	struct fx *fx = *state;
	struct stream *s = open_dir(fx, "/d", 10);

	s->cookie = VFS_SLOT_MAX;
	assert_err(read_some(s), OK);
	assert_true(s->eof);
	assert_int_equal(s->n, 0);
	s->cookie = VFS_SLOT_MAX + 1;
	assert_err(read_some(s), BAD_COOKIE);
	s->cookie = 0;
	s->dir.n = 999;
	assert_err(read_some(s), NO_SUCH_ID);
	test_free(s);
}

static void
stream__own_entry_deleted_and_restart__goes_on_behind_it(void **state)
{
	struct fx *fx = *state;
	struct stream *s = open_dir(fx, "/d", 4);

	make(fx, "abcdef");
	assert_err(read_some(s), OK);	/* . .. a b */
	assert_string_equal(s->got[3], "b");
	assert_err(fx_unlink(fx, "/d/b"), OK);
	fx_restart(fx);
	assert_err(fx_unlink(fx, "/d/c"), OK);
	fx_reopen(fx);
	read_rest(s);
	assert_int_equal(s->n, 7);
	assert_string_equal(s->got[4], "d");
	test_free(s);
}

static void
stream__names_created_meanwhile__not_seen_and_it_ends(void **state)
{
	struct fx *fx = *state;
	struct stream *s = open_dir(fx, "/d", 1);
	char path[32];
	unsigned i = 0;

	make(fx, "abc");
	while (!s->eof) {
		assert_err(read_some(s), OK);
		snprintf(path, sizeof path, "/d/new%u", i++);
		assert_err(fx_create(fx, path, 0644), OK);
		assert_true(i < 20);
	}
	assert_int_equal(s->n, 5);	/* the fence was set when it began */
	test_free(s);

	s = open_dir(fx, "/d", 1);
	assert_err(read_some(s), OK);
	assert_err(fx_create(fx, "/d/late", 0644), OK);
	read_rest(s);
	assert_int_equal(s->n, 2 + 3 + i);
	assert_int_equal(times(s, "late"), 0);
	test_free(s);
}

static void
slot__each_rename__as_the_rules_say(void **state)
{
	struct fx *fx = *state;

	assert_err(fx_mkdir(fx, "/o", 0755), OK);
	make(fx, "abcd");
	assert_err(fx_rename(fx, "/d/b", "/d/x", 0), OK);	/* (i) */
	assert_string_equal(listing(fx, "/d"), "a x c d ");
	assert_err(fx_rename(fx, "/d/d", "/d/x", 0), OK);	/* (ii) */
	assert_string_equal(listing(fx, "/d"), "a x c ");
	assert_err(fx_rename(fx, "/d/a", "/d/c", VFS_RENAME_EXCHANGE), OK);
	assert_string_equal(listing(fx, "/d"), "a x c ");	/* (iii) */
	assert_err(fx_create(fx, "/o/m", 0644), OK);
	assert_err(fx_rename(fx, "/o/m", "/d/m", 0), OK);	/* (iv) */
	assert_string_equal(listing(fx, "/d"), "a x c m ");
	assert_err(fx_create(fx, "/o/n", 0644), OK);
	assert_err(fx_rename(fx, "/o/n", "/d/a", 0), OK);
	assert_string_equal(listing(fx, "/d"), "a x c m ");
	assert_err(fx_unlink(fx, "/d/a"), OK);			/* (v) */
	assert_err(fx_create(fx, "/d/a", 0644), OK);
	assert_string_equal(listing(fx, "/d"), "x c m a ");
	assert_int_equal(fx_check(fx), 0);
}

/*
 * Whatever happens between two reads of a stream, a name that is there
 * all the time is returned exactly once (others are renamed, replaced,
 * moved in, unlinked, created around it).
 */
static void
stream__random_changes__stable_names_exactly_once(void **state)
{
	struct fx *fx = *state;
	unsigned seed, round, i;
	char a[32], b[32];
	const char *env = getenv("SEED");

	seed = env ? (unsigned)strtoul(env, NULL, 0) : 1;
	assert_err(fx_mkdir(fx, "/o", 0755), OK);
	for (i = 0; i < 40; i++) {
		snprintf(a, sizeof a, i % 2 ? "/d/keep%u" : "/d/v%u", i);
		assert_err(fx_create(fx, a, 0644), OK);
	}
	for (round = 0; round < 30; round++) {
		struct stream *s = open_dir(fx, "/d",
		    1 + (unsigned)rand_r(&seed) % 4);

		while (!s->eof) {
			assert_err(read_some(s), OK);
			snprintf(a, sizeof a, "/%c/v%u",
			    "do"[rand_r(&seed) % 2],
			    (unsigned)rand_r(&seed) % 50);
			snprintf(b, sizeof b, "/%c/v%u",
			    "do"[rand_r(&seed) % 2],
			    (unsigned)rand_r(&seed) % 50);
			switch (rand_r(&seed) % 4) {
			case 0:
				(void)fx_create(fx, a, 0644);
				break;
			case 1:
				(void)fx_unlink(fx, a);
				break;
			default:
				(void)fx_rename(fx, a, b, (uint32_t)
				    (rand_r(&seed) % 3));
				break;
			}
		}
		for (i = 1; i < 40; i += 2) {
			snprintf(a, sizeof a, "keep%u", i);
			assert_int_equal(times(s, a), 1);
		}
		test_free(s);
	}
	assert_int_equal(fx_check(fx), 0);
}

/* --- PATHS_OF ------------------------------------------------------------- */

static bool
take_path(void *arg, const struct vfs_dirent *e)
{
	char *buf = arg;

	sprintf(buf + strlen(buf), "%.*s ", (int)e->name.n,
	    (const char *)e->name.p);
	return true;
}

static void
paths_of__three_links__all_three(void **state)
{
	struct fx *fx = *state;
	char buf[100] = "";
	struct vfs_paths_of q;
	struct vfs_paths_of_reply r = { .links = { take_path, buf } };

	make(fx, "a");
	assert_err(fx_link(fx, "/d/a", "/d/b"), OK);
	assert_err(fx_link(fx, "/d/a", "/c"), OK);
	assert_err(fx_rename(fx, "/d/b", "/d/e", 0), OK);
	q.id = fx_id(fx, "/c");
	assert_err(fx_op_paths_of(fx, &q, &r), OK);
	assert_string_equal(buf, "c a e ");
	q.id.n = VFS_ID_ROOT;
	buf[0] = '\0';
	assert_err(fx_op_paths_of(fx, &q, &r), OK);
	assert_string_equal(buf, "");
	q.id.n = 12345;
	assert_err(fx_op_paths_of(fx, &q, &r), NO_SUCH_ID);
}

#define DIR_TEST(f)	cmocka_unit_test_setup_teardown(f, with_dir, fx_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		DIR_TEST(dir_read__empty__dots_then_end),
		DIR_TEST(dir_read__any_room__every_name_once_in_order),
		DIR_TEST(dir_read__attributes_wanted__every_entry_has_them),
		DIR_TEST(dir_read__cookie_at_limit__one_more_is_bad),
		DIR_TEST(
		    stream__own_entry_deleted_and_restart__goes_on_behind_it),
		DIR_TEST(
		    stream__names_created_meanwhile__not_seen_and_it_ends),
		DIR_TEST(slot__each_rename__as_the_rules_say),
		DIR_TEST(stream__random_changes__stable_names_exactly_once),
		DIR_TEST(paths_of__three_links__all_three),
	};

	return cmocka_run_group_tests_name("core_dir", tests, NULL, NULL);
}

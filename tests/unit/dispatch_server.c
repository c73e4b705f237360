/*
 * The dispatcher: publish points, holders, recovery of what the last
 * daemon left, and writes that readers see in whole.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "../../vfsd/server/dispatch.h"
#include "../../vfsd/server/why.h"
#include "../cm.h"

#define PATIENCE_MS	10000

struct rig {
	struct fx *fx;
	struct server *s;
};

static void
start(struct rig *r)
{
	struct server_conf conf = { .engine = r->fx->e };

	assert_int_equal(server_new(&conf, &r->s), 0);
}

static int
rig_setup(void **state)
{
	struct rig *r = calloc(1, sizeof *r);

	r->fx = fx_open();
	start(r);
	*state = r;
	return 0;
}

static int
rig_teardown(void **state)
{
	struct rig *r = *state;

	server_free(r->s);
	fx_close(r->fx);
	free(r);
	return 0;
}

static struct vfs_id
create(struct rig *r, const char *name)
{
	struct vfs_create q = { .dir = { VFS_ID_ROOT },
		.mode = VFS_TYPE_MODE(VFS_REG) | 0644,
		.flags = VFS_CREATE_EXCL, .name = { name, strlen(name) } };
	struct vfs_create_reply a;

	assert_int_equal(dispatch(r->s, VFS_OP_CREATE, &r->fx->env, &q, &a),
	    0);
	return a.attr.id;
}

static int
put(struct rig *r, struct vfs_id id, uint64_t off, const void *p, size_t n)
{
	struct vfs_write q = { .id = id, .off = off, .data = { p, n } };
	struct vfs_write_reply a;

	return dispatch(r->s, VFS_OP_WRITE, &r->fx->env, &q, &a);
}

static int64_t
get(struct rig *r, struct vfs_id id, uint64_t off, void *p, size_t n)
{
	struct vfs_read q = { .id = id, .off = off, .count = (uint32_t)n };
	struct vfs_read_reply a = { .data = { p, n, 0 } };
	int err = dispatch(r->s, VFS_OP_READ, &r->fx->env, &q, &a);

	return err < 0 ? err : (int64_t)a.data.n;
}

static int
stat_id(struct rig *r, struct vfs_id id)
{
	struct vfs_stat q = { .id = id };
	struct vfs_stat_reply a;

	return dispatch(r->s, VFS_OP_STAT, &r->fx->env, &q, &a);
}

static int
unlink_name(struct rig *r, const char *name)
{
	struct vfs_unlink q = { .dir = { VFS_ID_ROOT },
		.flags = VFS_UNLINK_FILE, .name = { name, strlen(name) } };
	struct vfs_unlink_reply a;

	return dispatch(r->s, VFS_OP_UNLINK, &r->fx->env, &q, &a);
}

static uint64_t
drafts(struct rig *r)
{
	struct engine_status st;

	engine_status(r->fx->e, &st);
	return st.drafts;
}

static void
nap(void)
{
	struct timespec ts = { 0, 1000000 };

	nanosleep(&ts, NULL);
}

/* --- publish points ----------------------------------------------------- */

static void
write__left_quiet__is_published(void **state)
{
	struct rig *r = *state;
	struct vfs_id id = create(r, "f");
	int ms = 0, i;

	for (i = 0; i < 3; i++) {	/* from asleep, and while ticking */
		assert_int_equal(put(r, id, 0, "abc", 3), 0);
		while (drafts(r) > 0 && ms++ < PATIENCE_MS)
			nap();
		assert_int_equal(drafts(r), 0);
	}
}

static void
write__handle_released__is_published(void **state)
{
	struct rig *r = *state;
	struct vfs_id id = create(r, "f");

	assert_int_equal(put(r, id, 0, "abc", 3), 0);
	server_released(r->s, id);
	assert_int_equal(drafts(r), 0);
	server_released(r->s, id);	/* nothing to do */
}

static void
write__synced__is_published_and_durable(void **state)
{
	struct rig *r = *state;
	struct vfs_id id = create(r, "f");
	struct vfs_sync q = { .id = id };
	struct vfs_sync_reply a;
	struct engine_status st;

	assert_int_equal(put(r, id, 0, "abc", 3), 0);
	assert_int_equal(dispatch(r->s, VFS_OP_SYNC, &r->fx->env, &q, &a), 0);
	engine_status(r->fx->e, &st);
	assert_int_equal(st.drafts, 0);
	assert_true(st.seq_durable.n >= st.seq.n);
	assert_true(a.seq >= st.seq.n);
}

static void
writes__server_ends__are_published(void **state)
{
	struct rig *r = *state;
	char name[8];
	int i;

	for (i = 0; i < 600; i++) {	/* more than one batch */
		snprintf(name, sizeof name, "f%d", i);
		assert_int_equal(put(r, create(r, name), 0, "abc", 3), 0);
	}
	server_free(r->s);
	assert_int_equal(drafts(r), 0);
	start(r);
}

static void
write__sync_all__is_durable_at_once(void **state)
{
	struct rig *r = *state;
	struct server_conf conf = { .engine = r->fx->e, .sync_all = true };
	struct engine_status st;
	struct vfs_id id;

	server_free(r->s);
	assert_int_equal(server_new(&conf, &r->s), 0);
	id = create(r, "f");
	assert_int_equal(put(r, id, 0, "abc", 3), 0);
	engine_status(r->fx->e, &st);
	assert_int_equal(st.drafts, 0);
	assert_true(st.seq_durable.n >= st.seq.n);
}

static void
start__drafts_and_orphans_left__settled(void **state)
{
	struct rig *r = *state;
	struct vfs_id f = create(r, "f"), g = create(r, "g");
	char buf[8];

	/* A daemon that dies does nothing at its end: none at all here. */
	server_free(r->s);
	assert_int_equal(fx_unlink(r->fx, "/g"), 0);
	assert_int_equal(fx_write(r->fx, "/f", 0, "abc", 3), 0);
	assert_int_equal(drafts(r), 1);
	fx_reopen(r->fx);
	start(r);
	assert_int_equal(drafts(r), 0);
	assert_int_equal(get(r, f, 0, buf, 8), 3);
	assert_err(stat_id(r, g), NO_SUCH_ID);
}

/* --- more than one record holds ----------------------------------------- */

/* A block here, a hole there: as many rows as blocks. */
static void
scattered__large_file__published_and_reclaimed(void **state)
{
	struct rig *r = *state;
	struct vfs_id f = create(r, "f"), g = create(r, "g");
	struct vfs_copy_range q = { .src = f, .dst = g };
	struct vfs_copy_range_reply a;
	uint8_t b[4096];
	uint64_t i;
	int calls = 0;

	for (i = 0; i < 10000; i++) {
		memset(b, (int)i, sizeof b);
		assert_int_equal(put(r, f, i * 8192, b, sizeof b), 0);
	}
	server_released(r->s, f);
	assert_int_equal(drafts(r), 0);
	for (i = 0; i < 10000 * 8192 - 4096; i += a.copied, calls++) {
		q.src_off = q.dst_off = i;
		q.len = UINT64_MAX / 2;
		assert_int_equal(dispatch(r->s, VFS_OP_COPY_RANGE,
		    &r->fx->env, &q, &a), 0);
		assert_true(a.copied > 0);
	}
	assert_true(calls > 1);
	for (i = 0; i < 10000; i += 999) {
		assert_int_equal(get(r, g, i * 8192, b, sizeof b), 4096);
		assert_int_equal(b[77], (uint8_t)i);
	}
	assert_int_equal(unlink_name(r, "f"), 0);
	assert_int_equal(unlink_name(r, "g"), 0);
	assert_err(stat_id(r, f), NO_SUCH_ID);
	assert_err(stat_id(r, g), NO_SUCH_ID);
	assert_int_equal(fx_check(r->fx), 0);
}

/* --- holders ------------------------------------------------------------ */

/* More extents than one commit can delete: refused when it is asked, not when
 * it has been acknowledged. */
static void
truncate__many_extents__refused_and_whole(void **state)
{
	struct rig *r = *state;
	struct vfs_open q = { .flags = VFS_OPEN_WRITE | VFS_OPEN_TRUNC };
	struct vfs_open_reply a;
	struct vfs_id id;
	uint8_t b[VFS_BLOCK];
	unsigned i;

	server_free(r->s);
	fx_close(r->fx);
	r->fx = fx_open_log(4 << 20);
	r->fx->quiet = true;
	start(r);
	q.id = id = create(r, "f");
	memset(b, 1, sizeof b);
	for (i = 0; i < 50000; i++)
		assert_int_equal(put(r, id, 2ull * VFS_BLOCK * i, b,
		    sizeof b), 0);
	assert_int_equal(dispatch_sync(r->s, &r->fx->env, id, 0, NULL), 0);
	assert_err(dispatch(r->s, VFS_OP_OPEN, &r->fx->env, &q, &a), TX_LIMIT);
	assert_int_equal(drafts(r), 0);
	assert_int_equal(get(r, id, 2ull * VFS_BLOCK * 49999, b, sizeof b),
	    sizeof b);
	assert_int_equal(b[0], 1);
}

static void
unlink__nobody_holds__reclaimed(void **state)
{
	struct rig *r = *state;
	struct vfs_id id = create(r, "f");

	assert_int_equal(unlink_name(r, "f"), 0);
	assert_err(stat_id(r, id), NO_SUCH_ID);
}

static void
unlink__held__reclaimed_with_the_last_holder(void **state)
{
	struct rig *r = *state;
	struct vfs_id id = create(r, "f");
	char buf[8];

	server_hold(r->s, id, 1);
	server_hold(r->s, id, 2);
	assert_int_equal(unlink_name(r, "f"), 0);
	assert_int_equal(put(r, id, 0, "abc", 3), 0);
	assert_int_equal(get(r, id, 0, buf, 8), 3);
	server_drop(r->s, id, 2);
	assert_int_equal(stat_id(r, id), 0);
	server_drop(r->s, id, 1);
	assert_err(stat_id(r, id), NO_SUCH_ID);
}

static void
drop__has_names__stays(void **state)
{
	struct rig *r = *state;
	struct vfs_id id = create(r, "f");

	server_hold(r->s, id, 1);
	server_drop(r->s, id, 1);
	assert_int_equal(stat_id(r, id), 0);
}

static void
rename_over__nobody_holds__reclaimed(void **state)
{
	struct rig *r = *state;
	struct vfs_id f = create(r, "f"), g = create(r, "g");
	struct vfs_rename q = { .dir = { VFS_ID_ROOT }, .dir2 = { VFS_ID_ROOT },
		.name = { "f", 1 }, .name2 = { "g", 1 } };
	struct vfs_rename_reply a;

	assert_int_equal(dispatch(r->s, VFS_OP_RENAME, &r->fx->env, &q, &a),
	    0);
	assert_int_equal(stat_id(r, f), 0);
	assert_err(stat_id(r, g), NO_SUCH_ID);
}

static void
tmpfile__dropped_or_linked__goes_or_stays(void **state)
{
	struct rig *r = *state;
	struct vfs_tmpfile q = { .dir = { VFS_ID_ROOT },
		.mode = VFS_TYPE_MODE(VFS_REG) | 0600 };
	struct vfs_tmpfile_reply a, b;
	struct vfs_link l = { .dir = { VFS_ID_ROOT }, .name = { "t", 1 } };
	struct vfs_link_reply lr;

	assert_int_equal(dispatch(r->s, VFS_OP_TMPFILE, &r->fx->env, &q, &a),
	    0);
	assert_int_equal(dispatch(r->s, VFS_OP_TMPFILE, &r->fx->env, &q, &b),
	    0);
	server_hold(r->s, a.attr.id, 1);
	server_hold(r->s, b.attr.id, 1);
	l.target = b.attr.id;
	assert_int_equal(dispatch(r->s, VFS_OP_LINK, &r->fx->env, &l, &lr),
	    0);
	server_drop(r->s, a.attr.id, 1);
	server_drop(r->s, b.attr.id, 1);
	assert_err(stat_id(r, a.attr.id), NO_SUCH_ID);
	assert_int_equal(stat_id(r, b.attr.id), 0);
}

/* --- many threads ------------------------------------------------------- */

#define WRITERS		3
#define SPAN		(3 * 4096 + 100)	/* unaligned: three edges */

struct crowd {
	struct rig *r;
	struct vfs_id id;
	_Atomic bool stop;
	_Atomic unsigned torn, errors;
	int me;
};

static void *
writer(void *arg)
{
	struct crowd *c = arg;
	uint8_t buf[SPAN];
	int i;

	for (i = 0; i < 400; i++) {
		memset(buf, 1 + (i & 63), sizeof buf);
		if (put(c->r, c->id, 50, buf, sizeof buf) < 0)
			c->errors++;
	}
	return NULL;
}

static void *
reader(void *arg)
{
	struct crowd *c = arg;
	uint8_t buf[SPAN];
	int i;

	while (!c->stop) {
		if (get(c->r, c->id, 50, buf, sizeof buf) != SPAN)
			c->errors++;
		for (i = 1; i < SPAN; i++)
			if (buf[i] != buf[0]) {
				c->torn++;
				break;
			}
	}
	return NULL;
}

static void *
releaser(void *arg)
{
	struct crowd *c = arg;

	while (!c->stop)
		server_released(c->r->s, c->id);
	return NULL;
}

static void
writes__many_threads__never_seen_in_part(void **state)
{
	struct rig *r = *state;
	struct crowd c = { .r = r };
	pthread_t w[WRITERS], rd, rel;
	uint8_t buf[SPAN] = { 0 };
	int i;

	r->fx->conf.no_threads = false;
	server_free(r->s);
	fx_restart(r->fx);
	start(r);
	c.id = create(r, "f");
	assert_int_equal(put(r, c.id, 50, buf, sizeof buf), 0);
	for (i = 0; i < WRITERS; i++)
		pthread_create(&w[i], NULL, writer, &c);
	pthread_create(&rd, NULL, reader, &c);
	pthread_create(&rel, NULL, releaser, &c);
	for (i = 0; i < WRITERS; i++)
		pthread_join(w[i], NULL);
	c.stop = true;
	pthread_join(rd, NULL);
	pthread_join(rel, NULL);
	assert_int_equal(c.torn, 0);
	assert_int_equal(c.errors, 0);
	assert_int_equal(fx_check(r->fx), 0);
}

/* --- counters ----------------------------------------------------------- */

static void
counts__calls_and_errors__counted(void **state)
{
	struct rig *r = *state;
	struct op_count c[VFS_OP_COUNT];

	create(r, "f");
	assert_err(unlink_name(r, "g"), NOENT);
	assert_err(dispatch(r->s, VFS_OP_COUNT, &r->fx->env, NULL, NULL),
	    UNKNOWN_OP);
	server_counts(r->s, c);
	assert_int_equal(c[VFS_OP_CREATE].calls, 1);
	assert_int_equal(c[VFS_OP_CREATE].errors, 0);
	assert_int_equal(c[VFS_OP_UNLINK].calls, 1);
	assert_int_equal(c[VFS_OP_UNLINK].errors, 1);
	assert_true(c[VFS_OP_CREATE].ns_max <= c[VFS_OP_CREATE].ns_total);
}

/* --- why ---------------------------------------------------------------- */

/* How many records there are of the answer. */
static size_t
asked_xattr(struct rig *r, bool from_kernel, const char *name)
{
	static uint64_t trace;
	static struct why_rec rec[WHY_FOUND_MAX];
	struct vfs_xattr_get q = { .id = { VFS_ID_ROOT },
		.name = { name, strlen(name) } };
	char value[8];
	struct vfs_xattr_get_reply a = {
		.value = { value, sizeof value, 0 } };
	struct req_env env = r->fx->env;

	env.from_kernel = from_kernel;
	env.trace_id = ++trace;
	assert_err(dispatch(r->s, VFS_OP_XATTR_GET, &env, &q, &a), NOXATTR);
	return why_find(server_why(r->s), trace, 0, rec);
}

static void
why__asked_by_the_kernel_itself__not_kept(void **state)
{
	struct rig *r = *state;

	assert_int_equal(asked_xattr(r, true, "security.capability"), 0);
	assert_int_equal(asked_xattr(r, true, "system.posix_acl_access"), 0);
	assert_int_equal(asked_xattr(r, true, "user.mime_type"), 1);
	assert_int_equal(asked_xattr(r, false, "security.capability"), 1);
}

#define RIG_TEST(f)	cmocka_unit_test_setup_teardown(f, rig_setup, \
			    rig_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(write__left_quiet__is_published),
		RIG_TEST(write__handle_released__is_published),
		RIG_TEST(write__synced__is_published_and_durable),
		RIG_TEST(writes__server_ends__are_published),
		RIG_TEST(write__sync_all__is_durable_at_once),
		RIG_TEST(start__drafts_and_orphans_left__settled),
		RIG_TEST(scattered__large_file__published_and_reclaimed),
		RIG_TEST(truncate__many_extents__refused_and_whole),
		RIG_TEST(unlink__nobody_holds__reclaimed),
		RIG_TEST(unlink__held__reclaimed_with_the_last_holder),
		RIG_TEST(drop__has_names__stays),
		RIG_TEST(rename_over__nobody_holds__reclaimed),
		RIG_TEST(tmpfile__dropped_or_linked__goes_or_stays),
		RIG_TEST(writes__many_threads__never_seen_in_part),
		RIG_TEST(counts__calls_and_errors__counted),
		RIG_TEST(why__asked_by_the_kernel_itself__not_kept),
	};

	return cmocka_run_group_tests_name("dispatch", tests, NULL, NULL);
}

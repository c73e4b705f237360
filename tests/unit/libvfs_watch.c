/* libvfs: the journal, watches, and whole trees. */
#include <poll.h>

#include "../cm.h"
#include "../vfs_proxy.h"
#include "../vfs_rig.h"

#define OK(call)	assert_int_equal((call), 0)
#define ROOT		VFS_RIG_ROOT

static struct vfs_id
dir(struct vfs *v, struct vfs_id in, const char *name)
{
	struct vfs_attr a;

	OK(vfs_mkdir(v, NULL, in, name, 0755, &a));
	return a.id;
}

static struct vfs_id
file(struct vfs *v, struct vfs_id in, const char *name)
{
	struct vfs_attr a;

	OK(vfs_create(v, NULL, in, name, 0644, 0, &a, NULL));
	OK(vfs_write(v, NULL, a.id, 0, "bytes", 5));
	return a.id;
}

/* What was told, as text: kind, name and name2. */
struct told {
	char text[2000];
	unsigned n, stop_at;
	uint64_t seq;
};

static bool
note(void *arg, const struct vfs_change *c)
{
	struct told *t = arg;
	size_t at = strlen(t->text);

	assert_true(c->at.seq >= t->seq);
	t->seq = c->at.seq;
	snprintf(t->text + at, sizeof t->text - at, "%d:%.*s%s%.*s ",
	    (int)c->kind, (int)c->name.n, (const char *)c->name.p,
	    c->name2.n > 0 ? ">" : "", (int)c->name2.n,
	    (const char *)c->name2.p);
	return ++t->n != t->stop_at;
}

/* --- reading ------------------------------------------------------------------ */

static void
changes__since_a_cursor__are_told_once(void **state)
{
	struct vfs *v = ((struct vfs_rig *)*state)->v;
	struct vfs_cursor c, now;
	struct told t = { .n = 0 };
	struct vfs_id d;

	OK(vfs_settle(v, &c));
	d = dir(v, ROOT, "d");
	OK(vfs_symlink(v, NULL, d, "s", "x", NULL));
	OK(vfs_rename_path(v, NULL, ROOT, "d/s", "t", 0));
	OK(vfs_chmod(v, NULL, d, 0700));
	OK(vfs_unlink_path(v, NULL, ROOT, "t", VFS_UNLINK_FILE));
	OK(vfs_settle(v, &now));
	assert_true(vfs_changes(v, NULL, &c, note, &t) >= 5);
	assert_non_null(strstr(t.text, "1:d "));
	assert_non_null(strstr(t.text, "1:s "));
	assert_non_null(strstr(t.text, "4:s>t "));
	assert_non_null(strstr(t.text, "7:"));
	assert_non_null(strstr(t.text, "3:t "));
	assert_int_equal(c.seq, now.seq);
	assert_int_equal(c.idx, now.idx);
	assert_int_equal(vfs_changes(v, NULL, &c, note, &t), 0);
}

static void
changes__one_at_a_time__are_all_of_them(void **state)
{
	struct vfs *v = ((struct vfs_rig *)*state)->v;
	struct vfs_cursor c, begin;
	struct told all = { .n = 0 }, t = { .n = 0 };
	char name[20];
	unsigned i;

	OK(vfs_settle(v, &begin));
	for (i = 0; i < 30; i++) {
		snprintf(name, sizeof name, "d%u", i);
		dir(v, ROOT, name);
	}
	c = begin;
	assert_true(vfs_changes(v, NULL, &c, note, &all) >= 30);
	for (c = begin; ; ) {
		t.stop_at = t.n + 1;
		if (vfs_changes(v, NULL, &c, note, &t) == 0)
			break;
	}
	assert_string_equal(t.text, all.text);
}

static void
filters__by_subtree_name_and_kind__choose(void **state)
{
	struct vfs *v = ((struct vfs_rig *)*state)->v;
	struct vfs_id a, b;
	struct vfs_cursor begin, c;
	struct told t = { .n = 0 };
	struct vfs_filter f = { .kinds =
	    VFS_CHANGE_BIT(VFS_CHANGE_CREATE) };

	a = dir(v, ROOT, "a");
	b = dir(v, ROOT, "b");
	OK(vfs_settle(v, &begin));
	file(v, a, "one.c");
	file(v, a, "two.h");
	file(v, b, "three.c");
	OK(vfs_settle(v, &c));
	c = begin;
	assert_int_equal(vfs_changes(v, &f, &c, note, &t), 3);
	f.subtree = a;
	c = begin;
	t = (struct told){ .n = 0 };
	assert_int_equal(vfs_changes(v, &f, &c, note, &t), 2);
	f.pattern = "*.c";
	c = begin;
	t = (struct told){ .n = 0 };
	assert_int_equal(vfs_changes(v, &f, &c, note, &t), 1);
	assert_string_equal(t.text, "1:one.c ");
	f = (struct vfs_filter){ .collapse = true };
	c = begin;
	t = (struct told){ .n = 0 };
	assert_true(vfs_changes(v, &f, &c, note, &t) >= 3);
}

static void
cursor__of_nowhere__is_expired(void **state)
{
	struct vfs *v = ((struct vfs_rig *)*state)->v;
	struct vfs_cursor c = { 12345678901234, 3 }, now;
	struct told t = { .n = 0 };
	struct vfs_seq oldest;

	OK(vfs_journal_pos(v, &now, &oldest));
	assert_true(oldest.n <= now.seq);
	assert_err((int)vfs_changes(v, NULL, &c, note, &t), CURSOR_EXPIRED);
	assert_int_equal(t.n, 0);
}

/* --- being told ------------------------------------------------------------------ */

static void
watch__of_a_subtree__is_told_on_the_descriptor(void **state)
{
	struct vfs_rig *r = *state;
	struct vfs *w = vfs_rig_peer(r, NULL);
	struct vfs_id a = dir(w, ROOT, "a"), b = dir(w, ROOT, "b");
	struct vfs_cursor c;
	struct told t = { .n = 0 };
	struct pollfd p;
	struct vfs_seq seq;
	uint64_t watch;

	OK(vfs_settle(r->v, &c));
	OK(vfs_watch(r->v, a, c, 0, &watch));
	assert_int_equal(vfs_changed(r->v, &seq), 0);
	dir(w, b, "elsewhere");
	assert_int_equal(vfs_changed_wait(r->v, 60, &seq), 0);
	dir(w, a, "here");
	p = (struct pollfd){ .fd = vfs_fd(r->v), .events = vfs_events(r->v) };
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_int_equal(vfs_changed(r->v, &seq), 1);
	assert_true(seq.n > c.seq);
	assert_true(vfs_changes(r->v, NULL, &c, note, &t) >= 2);
	dir(w, a, "again");
	assert_int_equal(vfs_changed_wait(r->v, 5000, &seq), 1);
	OK(vfs_unwatch(r->v, watch));
	assert_err(vfs_unwatch(r->v, watch), NOENT);
	vfs_disconnect(w);
}

/* Plain and blocking calls beside each other lose no notice. */
static void
notice__between_answers__is_kept(void **state)
{
	struct vfs_rig *r = *state;
	struct vfs *w = vfs_rig_peer(r, NULL);
	struct vfs_cursor c;
	struct vfs_seq seq;
	uint64_t watch;
	unsigned i;

	OK(vfs_settle(r->v, &c));
	OK(vfs_watch(r->v, ROOT, c, 0, &watch));
	dir(w, ROOT, "a");
	for (i = 0; i < 3000; i++)
		OK(vfs_stat(r->v, NULL, ROOT, NULL));
	assert_int_equal(vfs_changed_wait(r->v, 5000, &seq), 1);
	vfs_disconnect(w);
}

static void
watch__connection_lost__goes_on(void **state)
{
	struct vfs_rig *r = *state;
	struct vfs_cursor c;
	struct vfs_seq seq;
	struct proxy p;
	struct vfs *v;
	uint64_t watch;

	proxy_open(&p, r->dir.path);
	OK(vfs_connect(p.where, NULL, &v));
	OK(vfs_settle(v, &c));
	OK(vfs_watch(v, ROOT, c, 0, &watch));
	proxy_lose(&p, PROXY_REPLY, VFS_OP_STATFS);
	OK(vfs_statfs(v, ROOT, &(struct vfs_statfs_reply){ 0 }));
	/* Something may have happened meanwhile. */
	assert_int_equal(vfs_changed_wait(v, 5000, &seq), 1);
	dir(r->v, ROOT, "a");
	assert_int_equal(vfs_changed_wait(v, 5000, &seq), 1);
	assert_true(seq.n > c.seq);
	OK(vfs_unwatch(v, watch));
	vfs_disconnect(v);
	proxy_close(&p);
}

/* --- trees ------------------------------------------------------------------------- */

static int
look(struct vfs *v, const char *path)
{
	struct vfs_attr a;

	return vfs_resolve(v, NULL, ROOT, path, 0, &a);
}

static void
trees__published_cloned_removed__in_one_step_each(void **state)
{
	struct vfs *v = ((struct vfs_rig *)*state)->v;
	struct vfs_id d = dir(v, ROOT, "new"), e, none = { 0 };
	struct vfs_move m = { .dir = ROOT, .dir2 = ROOT, .name = "new",
		.name2 = "live" };
	struct vfs_attr a;
	struct vfs_seq seq = { 0 };
	uint64_t objects = 0;
	char got[10];
	int err;

	file(v, dir(v, d, "sub"), "f");
	m.flags = VFS_RENAME_NOREPLACE;
	OK(vfs_tree_publish(v, NULL, &m, &seq));
	assert_true(seq.n > 0);
	e = dir(v, ROOT, "new");
	file(v, e, "g");
	assert_err(vfs_tree_publish(v, NULL, &m, NULL), EXIST);
	m.flags = VFS_TREE_REPLACE;
	m.expect2 = e;
	assert_err(vfs_tree_publish(v, NULL, &m, NULL), PRECOND);
	m.expect2 = d;
	OK(vfs_tree_publish(v, NULL, &m, NULL));
	OK(look(v, "live/g"));
	assert_err(look(v, "live/sub/f"), NOENT);
	err = vfs_tree_clone(v, NULL, e, ROOT, "copy", &a, &objects, &seq);
	if (err != -VFS_UNKNOWN_OP) {
		OK(err);
		assert_true(a.id.n != e.n && objects == 2);
		OK(vfs_resolve(v, NULL, a.id, "g", 0, &a));
		assert_int_equal(vfs_read(v, NULL, a.id, 0, got, 10), 5);
	}
	OK(vfs_tree_remove(v, NULL, ROOT, "live", none, &seq));
	assert_err(look(v, "live"), NOENT);
}

static void
trees__in_a_pack__are_made_and_published_at_once(void **state)
{
	static uint8_t buf[65536];
	struct vfs *v = ((struct vfs_rig *)*state)->v;
	struct vfs_move m = { .dir = ROOT, .dir2 = ROOT, .name = ".new",
		.name2 = "live", .flags = VFS_TREE_REPLACE };
	struct vfs_pack p;
	struct vfs_id d;

	file(v, dir(v, ROOT, "live"), "old");
	vfs_pack_begin(&p, v, buf, sizeof buf, NULL, 0);
	d = vfs_pack_mkdir(&p, ROOT, ".new", 0755);
	vfs_pack_file(&p, d, "f", 0644, "x", 1);
	vfs_pack_publish(&p, &m);
	OK(vfs_pack_exec(&p, 0, NULL, NULL, 0, NULL));
	OK(look(v, "live/f"));
	assert_err(look(v, "live/old"), NOENT);
	assert_err(look(v, ".new"), NOENT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		VFS_TEST(changes__since_a_cursor__are_told_once),
		VFS_TEST(changes__one_at_a_time__are_all_of_them),
		VFS_TEST(filters__by_subtree_name_and_kind__choose),
		VFS_TEST(cursor__of_nowhere__is_expired),
		VFS_TEST(watch__of_a_subtree__is_told_on_the_descriptor),
		VFS_TEST(notice__between_answers__is_kept),
		VFS_TEST(watch__connection_lost__goes_on),
		VFS_TEST(trees__published_cloned_removed__in_one_step_each),
		VFS_TEST(trees__in_a_pack__are_made_and_published_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

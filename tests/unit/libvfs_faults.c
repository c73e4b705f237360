/* libvfs: every request for memory fails once, and what a call costs. */
#include "../../libvfs/vfs_in.h"
#include "../cm.h"
#include "../vfs_rig.h"

#define OK(call)	assert_int_equal((call), 0)
#define ROOT		VFS_RIG_ROOT

/* --- memory -------------------------------------------------------------------- */

static bool
any_path(void *arg, const char *path, size_t n)
{
	(void)arg, (void)path, (void)n;
	return true;
}

/* Things that need memory on this side; each undoes itself. */
static int
f_open(struct vfs *v)
{
	struct vfs_id h[20];
	int err = 0;
	size_t n;

	for (n = 0; err == 0 && n < 20; n++)
		err = vfs_open_id(v, ROOT, 0, &h[n], NULL);
	vfs_close_batch(v, h, err == 0 ? n : n - 1);
	return err;
}

static int
f_lookups(struct vfs *v)
{
	struct vfs_place p[2] = { { ROOT, "f" }, { ROOT, "g" } };
	struct vfs_found f[2];

	return vfs_lookup_batch(v, NULL, p, 2, VFS_WANT_STAT, f);
}

static int
f_reads(struct vfs *v)
{
	char buf[8];
	struct vfs_range r = { .id = ROOT, .p = buf, .count = 8 };

	return vfs_read_batch(v, NULL, &r, 1);
}

static int
f_paths(struct vfs *v)
{
	struct vfs_attr a;
	int err = vfs_lookup(v, NULL, ROOT, "f", &a);

	return err < 0 ? err : vfs_paths(v, NULL, a.id, any_path, NULL);
}

static int
f_tx(struct vfs *v)
{
	struct vfs_tx *tx;
	int err = vfs_tx_begin(v, &tx);

	if (err == 0)
		vfs_tx_abort(tx);
	return err;
}

/* In parts. */
static int
f_pack(struct vfs *v)
{
	static uint8_t room[512];
	struct vfs_pack p;
	char name[4];
	unsigned i;
	int err;

	vfs_pack_begin(&p, v, room, sizeof room, NULL, 0);
	for (i = 0; i < 30; i++) {
		snprintf(name, sizeof name, "p%u", i);
		vfs_pack_mkdir(&p, ROOT, name, 0755);
	}
	err = p.err;
	vfs_pack_end(&p);
	return err;
}

static int
f_watch(struct vfs *v)
{
	struct vfs_cursor c;
	uint64_t w;
	int err;

	if ((err = vfs_journal_pos(v, &c, NULL)) < 0 ||
	    (err = vfs_watch(v, ROOT, c, 0, &w)) < 0)
		return err;
	return vfs_unwatch(v, w);
}

static int
f_connect(struct vfs *v)
{
	const char *dir = v->where;
	struct vfs *w;
	int err = vfs_connect(dir, NULL, &w);

	if (err == 0)
		vfs_disconnect(w);
	return err;
}

static void
calls__any_failed_allocation__leave_the_connection_whole(void **state)
{
	static int (*const calls[])(struct vfs *) = { f_lookups, f_reads,
		f_paths, f_tx, f_pack, f_watch, f_connect };
	struct vfs_rig *r = *state;
	unsigned i, n;
	int err;

	OK(vfs_create(r->v, NULL, ROOT, "f", 0644, 0, NULL, NULL));
	for (i = 0; i < sizeof calls / sizeof calls[0]; i++) {
		for (n = 0; ; n++) {
			fault_arm(n, 1);
			err = calls[i](r->v);
			if (!fault_disarm())
				break;
			assert_err(err, NOMEM);
			OK(vfs_stat(r->v, NULL, ROOT, NULL));
		}
		OK(err);
		assert_true(n > 0);
	}
}

/* The table of handles: its places grow with the first one. */
static void
handles__any_failed_allocation__lose_none(void **state)
{
	struct vfs_rig *r = *state;
	struct vfs *v;
	unsigned n;
	int err;

	for (n = 0; ; n++) {
		v = vfs_rig_peer(r, NULL);
		fault_arm(n, 1);
		err = f_open(v);
		if (!fault_disarm())
			break;
		assert_err(err, NOMEM);
		OK(f_open(v));
		assert_int_equal(v->handles.used, 0);
		vfs_disconnect(v);
	}
	OK(err);
	assert_true(n > 0);
	vfs_disconnect(v);
}

/* --- messages ------------------------------------------------------------------ */

/* How many requests a call takes. */
#define COST(v, call) ({ \
	uint64_t before = (v)->req_id; \
	OK(call); \
	(v)->req_id - before; \
})

static bool
any_entry(void *arg, const struct vfs_dirent *e)
{
	++*(unsigned *)arg;
	return e->id.n != 0;
}

static void
calls__cost_as_few_messages__as_they_say(void **state)
{
	enum { N = 500 };
	static struct vfs_id ids[N];
	static struct vfs_place places[N];
	static struct vfs_range ranges[N];
	static struct vfs_found found[N];
	static char names[N][12], bytes[N][16];
	static uint8_t room[VFS_MSG_MAX];
	struct vfs *v = ((struct vfs_rig *)*state)->v;
	struct vfs_result res[2 * N];
	struct vfs_attr a;
	struct vfs_pack p;
	unsigned i, n = 0;

	vfs_pack_begin(&p, v, room, sizeof room, NULL, 0);
	for (i = 0; i < N; i++) {
		snprintf(names[i], sizeof names[i], "n%u", i);
		vfs_pack_file(&p, ROOT, names[i], 0644, names[i], 4);
		places[i] = (struct vfs_place){ ROOT, names[i] };
	}
	assert_int_equal(COST(v, vfs_pack_exec(&p, 0, NULL, res, 2 * N,
	    NULL)), 1);
	for (i = 0; i < N; i++) {
		ids[i] = res[2 * i].id;
		ranges[i] = (struct vfs_range){ .id = ids[i], .p = bytes[i],
			.count = 16 };
	}
	assert_int_equal(COST(v, vfs_stat_batch(v, NULL, ids, N,
	    VFS_WANT_STAT, found)), 1);
	assert_int_equal(found[N - 1].attr.id.n, ids[N - 1].n);
	assert_int_equal(COST(v, vfs_lookup_batch(v, NULL, places, N,
	    VFS_WANT_BRIEF, found)), 1);
	assert_int_equal(found[N - 1].attr.id.n, ids[N - 1].n);
	assert_int_equal(COST(v, vfs_read_batch(v, NULL, ranges, N)), 1);
	assert_memory_equal(bytes[N - 1], names[N - 1], 4);
	assert_in_range(COST(v, vfs_list(v, NULL, ROOT, VFS_WANT_ATTR,
	    any_entry, &n)), 1, 3);
	assert_int_equal(n, N);
	OK(vfs_mkdir(v, NULL, ROOT, "a", 0755, &a));
	OK(vfs_mkdir(v, NULL, a.id, "b", 0755, NULL));
	assert_int_equal(COST(v, vfs_resolve(v, NULL, ROOT, "a/b/../b/..", 0,
	    &a)), 1);
	assert_int_equal(COST(v, vfs_stat(v, NULL, ROOT, &a)), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		VFS_TEST(
		    calls__any_failed_allocation__leave_the_connection_whole),
		VFS_TEST(handles__any_failed_allocation__lose_none),
		VFS_TEST(calls__cost_as_few_messages__as_they_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * A session with a root: what lies outside cannot be named, reached,
 * changed, or told from what does not exist.
 */
#include "../cm.h"
#include "jail_fx.h"

/* --- one thing after the other ------------------------------------------------ */

static void
outside__by_id_or_name__is_not_there(void **state)
{
	struct srig *x = *state;
	struct tree t;
	struct session *s = plant(x, &t);
	struct vfs_id got;
	struct vfs_attr a;
	uint64_t h;

	assert_err(s_stat(x, s, t.subf, NULL), OK);
	assert_err(s_stat(x, s, t.outf, NULL), NO_SUCH_ID);
	assert_err(s_stat(x, s, t.out, NULL), NO_SUCH_ID);
	assert_err(s_stat(x, s, ROOT, NULL), NO_SUCH_ID);
	assert_err(s_open(x, s, t.outf, VFS_OPEN_READ, &h), NO_SUCH_ID);
	assert_int_equal(s_read(x, s, t.outf, 0, 1), -VFS_NO_SUCH_ID);
	assert_err(s_lookup(x, s, t.out, "f", NULL), NO_SUCH_ID);
	assert_err(s_lookup(x, s, t.jail, "..", &got), OK);
	assert_int_equal(got.n, t.jail.n);
	assert_err(s_lookup(x, s, t.sub, "..", &got), OK);
	assert_int_equal(got.n, t.jail.n);
	assert_err(s_walk(x, s, t.sub, "../../../out/f", 0, &h), NOENT);
	assert_err(s_walk(x, s, t.sub, "../../../f", 0, &h), OK);
	assert_err(s_stat(x, s, H(h), &a), OK);
	assert_int_equal(a.id.n, t.f.n);
	assert_err(s_stat(x, s, t.jail, &a), OK);
	assert_int_equal(a.parent.n, t.jail.n);
	srig_end(s);
}

static void
across__rename_link_copy__are_impossible(void **state)
{
	struct srig *x = *state;
	struct tree t;
	struct session *s = plant(x, &t);
	struct vfs_copy_range cq = { .src = t.outf, .dst = t.f, .len = 1 };
	struct vfs_copy_range_reply cr;
	struct vfs_link lq = { t.jail, t.outf, { "stolen", 6 } };
	struct vfs_link_reply lr;
	struct vfs_rename rq = { .dir = t.jail, .dir2 = t.out,
		.flags = VFS_RENAME_EXCHANGE, .name = { "f", 1 },
		.name2 = { "f", 1 } };
	struct vfs_rename_reply rr;

	assert_err(s_rename(x, s, t.out, "f", t.jail, "g"), NO_SUCH_ID);
	assert_err(s_rename(x, s, t.jail, "f", t.out, "g"), NO_SUCH_ID);
	assert_err(srig_run(x, s, VFS_OP_RENAME, &rq, &rr), NO_SUCH_ID);
	assert_err(srig_run(x, s, VFS_OP_LINK, &lq, &lr), NO_SUCH_ID);
	lq = (struct vfs_link){ t.out, t.f, { "gift", 4 } };
	assert_err(srig_run(x, s, VFS_OP_LINK, &lq, &lr), NO_SUCH_ID);
	assert_err(srig_run(x, s, VFS_OP_COPY_RANGE, &cq, &cr), NO_SUCH_ID);
	cq = (struct vfs_copy_range){ .src = t.f, .dst = t.outf, .len = 1 };
	assert_err(srig_run(x, s, VFS_OP_COPY_RANGE, &cq, &cr), NO_SUCH_ID);
	srig_end(s);
}

static void
handle__moved_out__is_lost_for_good(void **state)
{
	struct srig *x = *state;
	struct tree t;
	struct session *s = plant(x, &t);
	uint64_t d, f, kept;

	assert_err(s_walk(x, s, t.sub, "", 0, &d), OK);
	assert_err(s_open(x, s, t.subf, VFS_OPEN_READ | VFS_OPEN_WRITE, &f),
	    OK);
	assert_err(s_open(x, s, t.f, VFS_OPEN_READ, &kept), OK);
	assert_err(s_rename(x, x->own, t.jail, "sub", t.out, "sub"), OK);
	assert_err(s_lookup(x, s, H(d), "f", NULL), NO_SUCH_ID);
	assert_int_equal(s_read(x, s, H(f), 0, 1), -VFS_NO_SUCH_ID);
	assert_err(s_write(x, s, H(f), 0, "x", 0), NO_SUCH_ID);
	assert_err(s_create(x, s, H(d), "g", FILE_MODE, NULL), NO_SUCH_ID);
	/* Not even when its name goes, which makes it nobody's. */
	assert_err(s_unlink(x, x->own, t.sub, "f"), OK);
	assert_int_equal(s_read(x, s, H(f), 0, 1), -VFS_NO_SUCH_ID);
	/* What is unlinked inside stays open. */
	assert_err(s_unlink(x, x->own, t.jail, "f"), OK);
	assert_int_equal(s_read(x, s, H(kept), 0, 1), 0);
	assert_err(s_stat(x, s, t.f, NULL), OK);	/* it has it open */
	assert_err(s_close(x, s, kept), OK);
	assert_err(s_stat(x, s, t.f, NULL), NO_SUCH_ID);
	srig_end(s);
}

/* Somebody else's file without a name is no way in. */
static void
orphan__of_others__is_not_there(void **state)
{
	struct srig *x = *state;
	struct tree t;
	struct session *s = plant(x, &t);
	struct vfs_tmpfile q = { .dir = t.out, .mode = FILE_MODE };
	struct vfs_tmpfile_reply r;
	uint64_t h;

	assert_err(s_open(x, x->own, t.outf, VFS_OPEN_READ, &h), OK);
	assert_err(s_unlink(x, x->own, t.out, "f"), OK);
	assert_err(s_stat(x, s, t.outf, NULL), NO_SUCH_ID);
	assert_err(srig_run(x, x->own, VFS_OP_TMPFILE, &q, &r), OK);
	assert_err(s_stat(x, s, r.attr.id, NULL), NO_SUCH_ID);
	assert_int_equal(s_read(x, s, r.attr.id, 0, 1), -VFS_NO_SUCH_ID);
	q.dir = t.jail;
	assert_err(srig_run(x, s, VFS_OP_TMPFILE, &q, &r), OK);
	assert_err(s_write(x, s, H(r.handle), 0, "mine", 0), OK);
	assert_err(s_stat(x, s, r.attr.id, NULL), OK);
	srig_end(s);
}

static void
names__of_a_file_with_one_outside__only_those_inside(void **state)
{
	struct srig *x = *state;
	struct tree t;
	struct session *s = plant(x, &t);
	struct vfs_link lq = { t.jail, t.outf, { "in", 2 } };
	struct vfs_link_reply lr;
	struct vfs_paths_of q = { .id = t.outf };
	struct vfs_paths_of_reply r;
	struct vfs_dirent e;
	struct vfs_attr a;
	struct rbuf b;

	assert_err(srig_run(x, x->own, VFS_OP_LINK, &lq, &lr), OK);
	assert_err(s_stat(x, s, t.outf, &a), OK);
	assert_int_equal(a.parent.n, 0);	/* it was made elsewhere */
	assert_err(srig_run(x, s, VFS_OP_PATHS_OF, &q, &r), OK);
	assert_int_equal(x->entries.count, 1);
	proto_list_read(&b, (struct vfs_slice){ x->entries.p,
	    x->entries.n });
	assert_int_equal(proto_dirent_next(&b, &e, &a), 0);
	assert_int_equal(e.dir.n, t.jail.n);
	assert_int_equal(e.name.n, 2);
	q.id = t.jail;
	assert_err(srig_run(x, s, VFS_OP_PATHS_OF, &q, &r), OK);
	assert_int_equal(x->entries.count, 0);
	q.id = t.out;
	assert_err(srig_run(x, s, VFS_OP_PATHS_OF, &q, &r), NO_SUCH_ID);
	srig_end(s);
}

/* Names of commits are the root's own. */
static void
tx_status__of_others__never_seen(void **state)
{
	struct srig *x = *state;
	struct tree t;
	struct session *s = plant(x, &t), *two = srig_token(x, t.out, 0);
	uint8_t id[VFS_TX_ID_BYTES] = "the same for all";
	struct vfs_tx_exec q = { .nops = 1, .tx_id = { id, sizeof id } };
	struct vfs_tx_status sq = { { id, sizeof id } };
	struct vfs_tx_status_reply sr;
	struct vfs_tx_exec_reply r;

	rig_new(x->r);
	rig_create(x->r, t.out, "made", FILE_MODE);
	q.ops = (struct vfs_slice){ x->r->ops, x->r->nops_bytes };
	assert_err(srig_run(x, s, VFS_OP_TX_EXEC, &q, &r), NO_SUCH_ID);
	assert_err(srig_run(x, two, VFS_OP_TX_EXEC, &q, &r), OK);
	assert_err(srig_run(x, two, VFS_OP_TX_STATUS, &sq, &sr), OK);
	assert_int_equal(sr.state, VFS_TX_COMMITTED);
	assert_err(srig_run(x, x->own, VFS_OP_TX_STATUS, &sq, &sr), OK);
	assert_int_equal(sr.state, VFS_TX_NEVER_SEEN);
	assert_err(srig_run(x, two, VFS_OP_TX_EXEC, &q, &r), OK);
	assert_int_equal(r.repeated, 1);
	srig_end(s);
	srig_end(two);
}

/* A move that comes between an operation in a transaction and its commit. */
static void
transaction__directory_moves_out__does_not_commit(void **state)
{
	struct srig *x = *state;
	struct tree t;
	struct session *s = plant(x, &t);
	struct vfs_tx_begin bq = { 0 };
	struct vfs_tx_begin_reply br;
	struct vfs_tx_commit cq = { 0 };
	struct vfs_tx_commit_reply cr;

	assert_err(srig_run(x, s, VFS_OP_TX_BEGIN, &bq, &br), OK);
	x->tx = cq.tx = br.tx;
	assert_err(s_create(x, s, t.out, "g", FILE_MODE, NULL), NO_SUCH_ID);
	assert_err(s_create(x, s, t.sub, "g", FILE_MODE, NULL), OK);
	x->tx = 0;
	assert_err(s_rename(x, x->own, t.jail, "sub", t.out, "sub"), OK);
	assert_err(srig_run(x, s, VFS_OP_TX_COMMIT, &cq, &cr), CONFLICT);
	assert_err(s_lookup(x, x->own, t.sub, "g", NULL), NOENT);
	srig_end(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		S_TEST(outside__by_id_or_name__is_not_there),
		S_TEST(across__rename_link_copy__are_impossible),
		S_TEST(handle__moved_out__is_lost_for_good),
		S_TEST(orphan__of_others__is_not_there),
		S_TEST(names__of_a_file_with_one_outside__only_those_inside),
		S_TEST(tx_status__of_others__never_seen),
		S_TEST(transaction__directory_moves_out__does_not_commit),
	};

	return cmocka_run_group_tests_name("sessions: a root", tests, NULL,
	    NULL);
}

/* libvfs: transactions of one message, and the staged form. */
#include <poll.h>
#include <sys/socket.h>

#include "../../libvfs/vfs_in.h"
#include "../cm.h"
#include "../vfs_rig.h"

#define OK(call)	assert_int_equal((call), 0)
#define ROOT		VFS_RIG_ROOT

static uint8_t buf[VFS_MSG_MAX], pre[4096];

static void
pack(struct vfs_pack *p, struct vfs *v, size_t cap)
{
	vfs_pack_begin(p, v, buf, cap, pre, sizeof pre);
}

static int
look(struct vfs *v, const char *path)
{
	struct vfs_attr a;

	return vfs_resolve(v, NULL, ROOT, path, 0, &a);
}

static void
pack__a_whole_tree__comes_at_once(void **state)
{
	struct vfs *v = ((struct vfs_rig *)*state)->v;
	struct vfs_result res[64];
	struct vfs_pack p;
	struct vfs_seq seq = { 0 };
	char got[20];

	pack(&p, v, sizeof buf);
	vfs_rig_pack(&p, "t", 20);
	OK(vfs_pack_exec(&p, VFS_TX_STABLE, NULL, res, 64, &seq));
	assert_true(seq.n > 0);
	OK(look(v, "t/f19"));
	assert_int_equal(res[40].size, 10);
	assert_int_equal(vfs_read(v, NULL, res[40].id, 0, got, 20), 10);
	assert_memory_equal(got, "some bytes", 10);
}

static void
pack__that_fails__has_done_nothing(void **state)
{
	struct vfs *v = ((struct vfs_rig *)*state)->v;
	struct vfs_pack p;

	pack(&p, v, sizeof buf);
	vfs_rig_pack(&p, "t", 3);
	vfs_pack_mkdir(&p, ROOT, "t", 0755);
	assert_err(vfs_pack_exec(&p, 0, NULL, NULL, 0, NULL), EXIST);
	assert_int_equal(vfs_failure(v)->op_index, 7);
	assert_err(look(v, "t"), NOENT);
	/* an error while packing sticks */
	pack(&p, v, 64);
	vfs_pack_file(&p, ROOT, "x", 0644, "much too long for the room", 26);
	vfs_pack_mkdir(&p, ROOT, "t", 0755);
	assert_err(vfs_pack_exec(&p, 0, NULL, NULL, 0, NULL), TOO_BIG);
	assert_err(look(v, "t"), NOENT);
}

static void
pack__with_preconditions__holds_them(void **state)
{
	struct vfs *v = ((struct vfs_rig *)*state)->v;
	struct vfs_attr a, d;
	struct vfs_pack p;

	OK(vfs_create(v, NULL, ROOT, "f", 0644, 0, &a, NULL));
	pack(&p, v, sizeof buf);
	vfs_pack_if_name(&p, ROOT, "f", a.id);
	vfs_pack_if_version(&p, a.id, a.data_version, a.meta_version);
	vfs_pack_if_absent(&p, ROOT, "t");
	OK(vfs_stat(v, NULL, ROOT, &d));
	vfs_pack_if_dir_version(&p, ROOT, d.data_version);
	vfs_rig_pack(&p, "t", 1);
	OK(vfs_pack_exec(&p, 0, NULL, NULL, 0, NULL));
	pack(&p, v, sizeof buf);
	vfs_pack_if_name(&p, ROOT, "f", a.id);
	vfs_pack_if_absent(&p, ROOT, "t");
	vfs_rig_pack(&p, "u", 1);
	assert_err(vfs_pack_exec(&p, 0, NULL, NULL, 0, NULL), PRECOND);
	assert_int_equal(vfs_failure(v)->op_index, 1);
	assert_int_equal(vfs_failure(v)->object.n, 1);
	assert_string_equal(vfs_failure(v)->name, "t");
	assert_err(look(v, "u"), NOENT);
}

static void
pack__twice_under_one_name__is_done_once(void **state)
{
	struct vfs *v = ((struct vfs_rig *)*state)->v;
	struct vfs_tx_name name;
	struct vfs_seq first, second, third;
	struct vfs_pack p;
	uint32_t st;

	OK(vfs_tx_name_new(v, &name));
	OK(vfs_tx_status(v, &name, &st, &third));
	assert_int_equal(st, VFS_TX_NEVER_SEEN);
	pack(&p, v, sizeof buf);
	vfs_rig_pack(&p, "t", 3);
	OK(vfs_pack_exec(&p, 0, &name, NULL, 0, &first));
	pack(&p, v, sizeof buf);
	vfs_rig_pack(&p, "t", 3);
	OK(vfs_pack_exec(&p, 0, &name, NULL, 0, &second));
	assert_int_equal(first.n, second.n);
	OK(vfs_tx_status(v, &name, &st, &third));
	assert_int_equal(st, VFS_TX_COMMITTED);
	assert_int_equal(first.n, third.n);
	pack(&p, v, sizeof buf);
	vfs_rig_pack(&p, "other", 3);
	assert_err(vfs_pack_exec(&p, 0, &name, NULL, 0, NULL), INVAL);
}

/* Ten times what the room holds: parts, and still one commit. */
static void
pack__longer_than_its_room__is_staged(void **state)
{
	struct vfs *v = ((struct vfs_rig *)*state)->v, *w;
	static struct vfs_result res[500];
	struct vfs_attr a;
	struct vfs_pack p;
	char got[20];

	w = vfs_rig_peer(*state, NULL);
	pack(&p, v, 4096);
	vfs_rig_pack(&p, "t", 200);
	assert_non_null(p.tx);
	assert_err(look(w, "t"), NOENT);
	OK(vfs_pack_exec(&p, 0, NULL, res, 500, NULL));
	OK(vfs_resolve(w, NULL, ROOT, "t/f199", 0, &a));
	assert_int_equal(a.id.n, res[400].id.n);
	assert_int_equal(vfs_read(v, NULL, a.id, 0, got, 20), 10);
	vfs_disconnect(w);
}

static void
staged__precondition_fails__nothing_is_done(void **state)
{
	struct vfs *v = ((struct vfs_rig *)*state)->v;
	struct vfs_pack p;
	int err;

	pack(&p, v, sizeof buf);
	vfs_rig_pack(&p, "t", 0);
	OK(vfs_pack_exec(&p, 0, NULL, NULL, 0, NULL));
	pack(&p, v, 4096);
	vfs_pack_if_absent(&p, ROOT, "t");
	vfs_rig_pack(&p, "u", 200);
	err = vfs_pack_exec(&p, 0, NULL, NULL, 0, NULL);
	if (err == -VFS_UNSUPPORTED_EXT)
		skip();
	assert_err(err, PRECOND);
	assert_err(look(v, "u"), NOENT);
}

/* --- a part under way -------------------------------------------------------- */

/* Packs until a part was sent, and leaves it under way. */
static void
begin_part(struct vfs_pack *p, struct vfs *v, const char *name)
{
	pack(p, v, 4096);
	vfs_rig_pack(p, name, 60);
	assert_int_equal(p->err, 0);
	assert_true(p->sent > 0 && p->ops > 0);
}

/* Who polls for calls of his own is told of these only. */
static void
part__under_way__is_nobody_elses(void **state)
{
	struct vfs *v = ((struct vfs_rig *)*state)->v;
	struct vfs_stat q = { .id = ROOT };
	struct vfs_stat_reply r;
	struct vfs_call c = { .op = VFS_OP_STAT, .q = &q, .r = &r }, *got;
	struct vfs_pack p;
	struct pollfd pf;

	begin_part(&p, v, "t");
	assert_int_equal(v->waiting, 1);
	assert_int_equal(vfs_pending(v), 0);
	while (v->waiting > 0) {	/* its answer comes */
		pf = (struct pollfd){ .fd = vfs_fd(v),
			.events = vfs_events(v) };
		assert_true(poll(&pf, 1, vfs_timeout(v)) >= 0);
		assert_int_equal(vfs_complete(v, &got), 0);
	}
	assert_int_equal(vfs_pending(v), 0);
	vfs_rig_pack(&p, "u", 60);
	OK(vfs_submit(v, &c));
	assert_int_equal(vfs_pending(v), 1);
	OK(vfs_pack_exec(&p, 0, NULL, NULL, 0, NULL));
	assert_int_equal(vfs_pending(v), 1);
	assert_int_equal(v->waiting_own, 0);
	while (vfs_complete(v, &got) == 0)
		;
	assert_ptr_equal(got, &c);
	OK(c.err);
	OK(look(v, "u/f59"));
}

/* What it leaves in the output would wait until the caller comes again. */
static void
part__longer_than_a_socket_takes__is_sent_whole(void **state)
{
	struct vfs *v = ((struct vfs_rig *)*state)->v;
	static uint8_t data[VFS_IO_MAX / 2];
	int little = 4096;
	struct vfs_pack p;

	OK(setsockopt(vfs_fd(v), SOL_SOCKET, SO_SNDBUF, &little,
	    sizeof little));
	pack(&p, v, sizeof buf);
	while (p.sent == 0)
		vfs_pack_write(&p, vfs_pack_file(&p, ROOT, p.ops == 0 ? "a" :
		    "b", 0644, NULL, 0), 0, data, sizeof data);
	OK(p.err);
	assert_int_equal(v->out_n, 0);
	vfs_pack_end(&p);
}

/* With preconditions its operations run at once, and fail. */
static void
part__that_fails__is_told_once_and_by_number(void **state)
{
	struct vfs *v = ((struct vfs_rig *)*state)->v;
	struct vfs_pack p;
	uint32_t bad;

	pack(&p, v, 4096);
	vfs_pack_if_absent(&p, ROOT, "t");
	vfs_rig_pack(&p, "t", 60);
	assert_true(p.sent > 0);
	bad = p.sent + p.ops;
	vfs_pack_mkdir(&p, ROOT, "t", 0755);
	vfs_rig_pack(&p, "u", 200);
	assert_int_equal(p.err, -VFS_EXIST);
	assert_err(vfs_pack_exec(&p, 0, NULL, NULL, 0, NULL), EXIST);
	assert_int_equal(vfs_failure(v)->op_index, bad);
	assert_err(look(v, "t"), NOENT);
	/* the last one, which nothing but the commit follows */
	pack(&p, v, 4096);
	vfs_pack_if_absent(&p, ROOT, "t");
	vfs_rig_pack(&p, "t", 60);
	bad = p.sent + p.ops;
	vfs_pack_mkdir(&p, ROOT, "t", 0755);
	assert_int_equal(p.err, 0);
	assert_err(vfs_pack_exec(&p, 0, NULL, NULL, 0, NULL), EXIST);
	assert_int_equal(vfs_failure(v)->op_index, bad);
	assert_err(look(v, "t"), NOENT);
	assert_int_equal(vfs_pending(v), 0);
}

static void
part__of_a_pack_that_ends__leaves_nothing(void **state)
{
	struct vfs *v = ((struct vfs_rig *)*state)->v;
	uint32_t i, max = vfs_peer(v)->max_tx_open;
	struct vfs_pack p;

	for (i = 0; i < 2 * max; i++) {
		begin_part(&p, v, "t");
		vfs_pack_end(&p);
		assert_int_equal(vfs_pending(v), 0);
	}
	assert_err(look(v, "t"), NOENT);
	assert_int_equal(v->waiting_own, 0);
}

/* Then it waits as any call would. */
static void
part__without_credit__is_sent_all_the_same(void **state)
{
	struct vfs *v = ((struct vfs_rig *)*state)->v;
	struct vfs_pack p;
	unsigned i;

	pack(&p, v, 4096);
	for (i = 0; i < 5; i++) {
		vfs_rig_pack(&p, (char[]){ (char)('a' + i), 0 }, 30);
		v->credits = v->waiting > 0 ? v->credits : 0;
	}
	OK(vfs_pack_exec(&p, 0, NULL, NULL, 0, NULL));
	OK(look(v, "a/f29"));
	OK(look(v, "e/f29"));
}

/* Large contents are cut into several writes. */
static void
pack__of_a_large_file__is_whole(void **state)
{
	struct vfs *v = ((struct vfs_rig *)*state)->v;
	size_t n = 3 * VFS_IO_MAX + 11, i;
	uint8_t *p = malloc(n), *q = malloc(n);
	struct vfs_attr a;
	struct vfs_pack k;

	for (i = 0; i < n; i++)
		p[i] = (uint8_t)(i * 3 + i / 1000);
	pack(&k, v, sizeof buf);
	vfs_pack_file(&k, ROOT, "big", 0644, p, n);
	OK(vfs_pack_exec(&k, 0, NULL, NULL, 0, NULL));
	OK(vfs_resolve(v, NULL, ROOT, "big", 0, &a));
	assert_int_equal(a.size, n);
	assert_int_equal(vfs_read(v, NULL, a.id, 0, q, n), n);
	assert_memory_equal(p, q, n);
	free(p);
	free(q);
}

static void
pack__if_the_content_is_this__is_done(void **state)
{
	struct vfs *v = ((struct vfs_rig *)*state)->v;
	uint8_t hash[32];
	struct vfs_attr a;
	struct vfs_pack p;

	OK(vfs_create(v, NULL, ROOT, "f", 0644, 0, &a, NULL));
	OK(vfs_write(v, NULL, a.id, 0, "text", 4));
	assert_int_equal(vfs_hash(v, a.id, VFS_HASH_SHA256, hash, 32, NULL),
	    32);
	pack(&p, v, sizeof buf);
	vfs_pack_if_hash(&p, a.id, VFS_HASH_SHA256, hash, 32);
	vfs_pack_mkdir(&p, ROOT, "d", 0755);
	OK(vfs_pack_exec(&p, 0, NULL, NULL, 0, NULL));
	hash[31] ^= 1;
	pack(&p, v, sizeof buf);
	vfs_pack_if_hash(&p, a.id, VFS_HASH_SHA256, hash, 32);
	vfs_pack_mkdir(&p, ROOT, "e", 0755);
	assert_err(vfs_pack_exec(&p, 0, NULL, NULL, 0, NULL), PRECOND);
	assert_int_equal(vfs_failure(v)->object.n, a.id.n);
	assert_err(look(v, "e"), NOENT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		VFS_TEST(pack__a_whole_tree__comes_at_once),
		VFS_TEST(pack__that_fails__has_done_nothing),
		VFS_TEST(pack__with_preconditions__holds_them),
		VFS_TEST(pack__twice_under_one_name__is_done_once),
		VFS_TEST(pack__longer_than_its_room__is_staged),
		VFS_TEST(staged__precondition_fails__nothing_is_done),
		VFS_TEST(part__under_way__is_nobody_elses),
		VFS_TEST(part__longer_than_a_socket_takes__is_sent_whole),
		VFS_TEST(part__that_fails__is_told_once_and_by_number),
		VFS_TEST(part__of_a_pack_that_ends__leaves_nothing),
		VFS_TEST(part__without_credit__is_sent_all_the_same),
		VFS_TEST(pack__of_a_large_file__is_whole),
		VFS_TEST(pack__if_the_content_is_this__is_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

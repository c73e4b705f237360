/* libvfs: interactive transactions, answers that get lost, new
 * connections. */
#include "../../libvfs/vfs_in.h"
#include "../../vfsd/server/dispatch.h"
#include "../../vfsd/server/why.h"
#include "../cm.h"
#include "../vfs_proxy.h"
#include "../vfs_rig.h"

#define OK(call)	assert_int_equal((call), 0)
#define ROOT		VFS_RIG_ROOT

static int
look(struct vfs *v, struct vfs_tx *tx, const char *name)
{
	struct vfs_attr a;

	return vfs_lookup(v, tx, ROOT, name, &a);
}

static struct vfs_id
make(struct vfs *v, const char *name, const char *text)
{
	struct vfs_attr a;

	OK(vfs_create(v, NULL, ROOT, name, 0644, 0, &a, NULL));
	OK(vfs_write(v, NULL, a.id, 0, text, strlen(text)));
	return a.id;
}

/* --- what a transaction is -------------------------------------------------- */

static void
tx__until_it_commits__is_private(void **state)
{
	struct vfs_rig *r = *state;
	struct vfs *w = vfs_rig_peer(r, NULL);
	struct vfs_tx *tx;
	struct vfs_seq seq;
	struct vfs_attr a;
	char got[10];

	OK(vfs_tx_begin(r->v, &tx));
	OK(vfs_mkdir(r->v, tx, ROOT, "d", 0755, &a));
	OK(vfs_create(r->v, tx, a.id, "f", 0644, 0, &a, NULL));
	OK(vfs_write(r->v, tx, a.id, 0, "inside", 6));
	assert_int_equal(vfs_read(r->v, tx, a.id, 0, got, 10), 6);
	OK(vfs_resolve(r->v, tx, ROOT, "d/f", 0, &a));
	assert_err(look(w, NULL, "d"), NOENT);
	assert_err(look(r->v, NULL, "d"), NOENT);
	OK(vfs_tx_commit(tx, VFS_TX_STABLE, &seq));
	OK(look(w, NULL, "d"));
	OK(vfs_wait(w, seq, VFS_WAIT_STABLE));
	OK(vfs_tx_begin(r->v, &tx));
	OK(vfs_mkdir(r->v, tx, ROOT, "e", 0755, NULL));
	vfs_tx_abort(tx);
	vfs_tx_abort(NULL);
	assert_err(look(r->v, NULL, "e"), NOENT);
	vfs_disconnect(w);
}

static void
tx__back_to_a_savepoint__keeps_what_was_before(void **state)
{
	struct vfs_rig *r = *state;
	struct vfs_tx *tx;
	uint32_t sp;

	OK(vfs_tx_begin(r->v, &tx));
	OK(vfs_mkdir(r->v, tx, ROOT, "one", 0755, NULL));
	OK(vfs_tx_savepoint(tx, &sp));
	OK(vfs_mkdir(r->v, tx, ROOT, "two", 0755, NULL));
	OK(vfs_tx_rollback(tx, sp));
	assert_err(look(r->v, tx, "two"), NOENT);
	OK(vfs_tx_commit(tx, 0, NULL));
	OK(look(r->v, NULL, "one"));
	assert_err(look(r->v, NULL, "two"), NOENT);
}

static void
conflict__tells_the_loser_object_and_name(void **state)
{
	struct vfs_rig *r = *state;
	struct vfs *w = vfs_rig_peer(r, NULL);
	struct vfs_id f = make(r->v, "f", "x");
	struct vfs_tx *tx;

	OK(vfs_tx_begin(r->v, &tx));
	OK(vfs_mkdir(r->v, tx, ROOT, "name", 0755, NULL));
	OK(vfs_mkdir(w, NULL, ROOT, "name", 0755, NULL));
	assert_err(vfs_tx_commit(tx, 0, NULL), CONFLICT);
	assert_int_equal(vfs_failure(r->v)->object.n, 1);
	assert_string_equal(vfs_failure(r->v)->name, "name");
	OK(vfs_tx_begin(r->v, &tx));
	OK(vfs_stat(r->v, tx, f, NULL));
	OK(vfs_mkdir(r->v, tx, ROOT, "other", 0755, NULL));
	OK(vfs_chmod(w, NULL, f, 0600));
	assert_err(vfs_tx_commit(tx, 0, NULL), CONFLICT);
	assert_int_equal(vfs_failure(r->v)->object.n, f.n);
	vfs_disconnect(w);
}

/* What vfsctl why would tell of the last failure, if it has this text. */
static bool
why_has(struct vfs_rig *r, const char *text)
{
	static struct why_rec rec[WHY_FOUND_MAX];
	uint64_t trace_id = vfs_failure(r->v)->trace_id;

	assert_true(trace_id != 0);
	assert_int_equal(why_find(server_why(r->server), trace_id, 0, rec),
	    1);
	assert_int_equal(rec[0].err, vfs_failure(r->v)->err);
	if (strcmp(rec[0].text, text) != 0)
		print_message("\"%s\" is not \"%s\"\n", rec[0].text, text);
	return strcmp(rec[0].text, text) == 0;
}

static void
conflict__why_tells_what_of_which_object(void **state)
{
	struct vfs_rig *r = *state;
	struct vfs *w = vfs_rig_peer(r, NULL);
	struct vfs_id f = make(r->v, "f", "x");
	struct vfs_tx *tx;
	char text[80], got[4];

	OK(vfs_tx_begin(r->v, &tx));
	assert_int_equal(vfs_read(r->v, tx, f, 0, got, 1), 1);
	OK(vfs_mkdir(r->v, tx, ROOT, "d", 0755, NULL));
	OK(vfs_write(w, NULL, f, 0, "y", 1));
	OK(vfs_sync(w, f, false, NULL));
	assert_err(vfs_tx_commit(tx, 0, NULL), CONFLICT);
	snprintf(text, sizeof text, "object %llu: content",
	    (unsigned long long)f.n);
	assert_true(why_has(r, text));
	OK(vfs_tx_begin(r->v, &tx));
	OK(vfs_mkdir(r->v, tx, ROOT, "name", 0755, NULL));
	OK(vfs_mkdir(w, NULL, ROOT, "name", 0755, NULL));
	assert_err(vfs_tx_commit(tx, 0, NULL), CONFLICT);
	assert_true(why_has(r, "directory 1: name \"name\""));
	vfs_disconnect(w);
}

static void
conflict__while_run_again__why_tells_the_operation(void **state)
{
	struct vfs_rig *r = *state;
	struct vfs *w = vfs_rig_peer(r, NULL);
	struct vfs_attr a, b;
	struct vfs_tx *tx;

	OK(vfs_mkdir(w, NULL, ROOT, "a", 0755, &a));
	OK(vfs_mkdir(w, NULL, ROOT, "b", 0755, &b));
	OK(vfs_tx_begin(r->v, &tx));
	OK(vfs_mkdir(r->v, tx, ROOT, "other", 0755, NULL));
	OK(vfs_rename(r->v, tx, &(struct vfs_move){ .dir = ROOT,
	    .name = "a", .dir2 = b.id, .name2 = "x" }));
	OK(vfs_rename(w, NULL, &(struct vfs_move){ .dir = ROOT,
	    .name = "b", .dir2 = a.id, .name2 = "y" }));
	assert_err(vfs_tx_commit(tx, 0, NULL), CONFLICT);
	assert_true(why_has(r, "operation 1, RENAME, now fails: invalid "
	    "argument"));
	vfs_disconnect(w);
}

static void
failure__of_a_transaction__why_knows_it(void **state)
{
	struct vfs_rig *r = *state;
	static struct why_rec rec[WHY_FOUND_MAX];
	struct vfs_tx *tx;

	OK(vfs_tx_begin(r->v, &tx));
	assert_err(look(r->v, tx, "none"), NOENT);
	assert_true(why_has(r, ""));
	assert_int_equal(why_find(server_why(r->server),
	    vfs_failure(r->v)->trace_id, 0, rec), 1);
	assert_int_equal(rec[0].op, VFS_OP_LOOKUP);
	assert_int_equal(rec[0].id, 1);
	vfs_tx_abort(tx);
}

static void
precondition__why_tells_what_of_which_object(void **state)
{
	struct vfs_rig *r = *state;
	uint8_t buf[1024], pre[1024];
	struct vfs_pack p;

	make(r->v, "f", "x");
	vfs_pack_begin(&p, r->v, buf, sizeof buf, pre, sizeof pre);
	vfs_pack_if_absent(&p, ROOT, "f");
	vfs_pack_mkdir(&p, ROOT, "d", 0755);
	assert_err(vfs_pack_exec(&p, 0, NULL, NULL, 0, NULL), PRECOND);
	assert_true(why_has(r, "precondition 0: directory 1: name \"f\""));
}

struct contend {
	struct vfs *other;
	struct vfs_id f;
	unsigned runs, spoil;		/* the first so many */
};

static int
contended(struct vfs *v, struct vfs_tx *tx, void *arg)
{
	struct contend *c = arg;
	char got[4];
	int64_t n = vfs_read(v, tx, c->f, 0, got, sizeof got);

	if (n < 0)
		return (int)n;
	if (c->runs++ < c->spoil)
		OK(vfs_write(c->other, NULL, c->f, 0, "spoilt", 6));
	return vfs_write(v, tx, c->f, 0, "won", 3);
}

static void
run__while_others_are_faster__tries_again(void **state)
{
	struct vfs_rig *r = *state;
	struct contend c = { .spoil = 3 };
	struct vfs_seq seq;

	c.other = vfs_rig_peer(r, NULL);
	c.f = make(r->v, "f", "x");
	OK(vfs_tx_run(r->v, 0, contended, &c, &seq));
	assert_int_equal(c.runs, 4);
	c.runs = 0;
	c.spoil = 1000;
	assert_err(vfs_tx_run(r->v, 0, contended, &c, &seq), CONFLICT);
	assert_int_equal(c.runs, VFS_TX_TRIES);
	assert_int_equal(vfs_failure(r->v)->object.n, c.f.n);
	vfs_disconnect(c.other);
}

/* --- lost answers ---------------------------------------------------------------- */

struct lossy {
	struct vfs_rig *r;
	struct proxy p;
	struct vfs *v;
};

static void
lossy_open(struct lossy *l, void **state)
{
	struct vfs_conf conf = { .retry_ms = 5000 };

	l->r = *state;
	proxy_open(&l->p, l->r->dir.path);
	OK(vfs_connect(l->p.where, &conf, &l->v));
}

static void
lossy_close(struct lossy *l)
{
	vfs_disconnect(l->v);
	proxy_close(&l->p);
}

/* mkdir in a transaction; how its commit ended. */
static int
commit(struct lossy *l, const char *name, enum proxy_loses loses,
    struct vfs_tx_name *tx_name)
{
	struct vfs_tx *tx;
	struct vfs_seq seq = { 0 };
	unsigned lost = l->p.lost;
	int err;

	OK(vfs_tx_begin(l->v, &tx));
	OK(vfs_mkdir(l->v, tx, ROOT, name, 0755, NULL));
	if (tx_name != NULL)
		*tx_name = vfs_tx_name(tx);
	proxy_lose(&l->p, loses, VFS_OP_TX_COMMIT);
	err = vfs_tx_commit(tx, VFS_TX_STABLE, &seq);
	assert_int_equal(l->p.lost, lost + 1);
	assert_true((err == 0) == (seq.n != 0));
	return err;
}

static void
commit__answer_lost__is_found(void **state)
{
	struct vfs_tx_name name;
	struct lossy l;
	struct vfs_seq seq;
	uint32_t st;

	lossy_open(&l, state);
	OK(commit(&l, "d", PROXY_REPLY, &name));
	OK(look(l.v, NULL, "d"));
	OK(vfs_tx_status(l.v, &name, &st, &seq));
	assert_int_equal(st, VFS_TX_COMMITTED);
	lossy_close(&l);
}

static void
commit__request_lost__has_not_happened(void **state)
{
	struct vfs_tx_name name;
	struct lossy l;
	uint32_t st;

	lossy_open(&l, state);
	assert_err(commit(&l, "d", PROXY_REQUEST, &name), ABORTED);
	assert_err(look(l.v, NULL, "d"), NOENT);
	OK(vfs_tx_status(l.v, &name, &st, NULL));
	assert_int_equal(st, VFS_TX_ABORTED);
	lossy_close(&l);
}

/* The daemon gets it after the client was told that it did not happen. */
static void
commit__that_comes_late__is_barred(void **state)
{
	struct lossy l;

	lossy_open(&l, state);
	assert_err(commit(&l, "d", PROXY_LATE, NULL), ABORTED);
	assert_int_equal(l.p.lost, 1);
	assert_true(proxy_late(&l.p) != 0);
	assert_err(look(l.v, NULL, "d"), NOENT);
	lossy_close(&l);
}

static void
pack__answer_or_request_lost__is_done_once(void **state)
{
	static uint8_t buf[4096];
	struct vfs_pack p;
	struct vfs_seq seq;
	struct lossy l;

	lossy_open(&l, state);
	vfs_pack_begin(&p, l.v, buf, sizeof buf, NULL, 0);
	vfs_pack_mkdir(&p, ROOT, "d", 0755);
	proxy_lose(&l.p, PROXY_REPLY, VFS_OP_TX_EXEC);
	OK(vfs_pack_exec(&p, 0, NULL, NULL, 0, &seq));
	vfs_pack_begin(&p, l.v, buf, sizeof buf, NULL, 0);
	vfs_pack_mkdir(&p, ROOT, "e", 0755);
	proxy_lose(&l.p, PROXY_REQUEST, VFS_OP_TX_EXEC);
	OK(vfs_pack_exec(&p, 0, NULL, NULL, 0, &seq));
	assert_int_equal(l.p.lost, 2);
	OK(look(l.v, NULL, "e"));
	lossy_close(&l);
}

static void
part__lost_while_under_way__aborts_the_pack(void **state)
{
	static const enum proxy_loses how[] = { PROXY_REQUEST, PROXY_REPLY };
	static uint8_t buf[4096];
	struct vfs_tx_name name;
	struct vfs_pack p;
	struct lossy l;
	uint32_t st;
	unsigned i;

	lossy_open(&l, state);
	for (i = 0; i < 4; i++) {
		OK(vfs_tx_name_new(l.v, &name));
		vfs_pack_begin(&p, l.v, buf, sizeof buf, NULL, 0);
		proxy_lose(&l.p, how[i % 2], VFS_OP_TX_ADD);
		vfs_rig_pack(&p, "d", 60);
		/* another call may find out, and connect again */
		if (i >= 2)
			OK(look(l.v, NULL, "."));
		assert_err(vfs_pack_exec(&p, 0, &name, NULL, 0, NULL),
		    ABORTED);
		assert_int_equal(vfs_failure(l.v)->err, -VFS_ABORTED);
		assert_false(vfs_failure(l.v)->unsure);
		assert_int_equal(l.p.lost, i + 1);
		assert_err(look(l.v, NULL, "d"), NOENT);
		OK(vfs_tx_status(l.v, &name, &st, NULL));
		assert_int_equal(st, VFS_TX_NEVER_SEEN);
	}
	vfs_pack_begin(&p, l.v, buf, sizeof buf, NULL, 0);
	vfs_rig_pack(&p, "d", 60);
	OK(vfs_pack_exec(&p, 0, NULL, NULL, 0, NULL));
	OK(look(l.v, NULL, "d"));
	lossy_close(&l);
}

/* Its number would mean something else there. */
static void
tx__connection_lost_before_it_was_asked__is_not_asked_on_the_next(
    void **state)
{
	static uint8_t buf[4096];
	struct vfs_pack p;
	struct vfs_tx *tx;
	struct lossy l;
	uint32_t sp;

	lossy_open(&l, state);
	OK(vfs_tx_begin(l.v, &tx));
	l.v->credits = 0;		/* so credits are asked for first */
	proxy_lose(&l.p, PROXY_REQUEST, VFS_OP_CREDIT);
	assert_err(vfs_tx_savepoint(tx, &sp), ABORTED);
	assert_int_equal(l.p.lost, 1);
	vfs_tx_abort(tx);
	vfs_pack_begin(&p, l.v, buf, sizeof buf, NULL, 0);
	OK(look(l.v, NULL, "."));
	OK(vfs_tx_begin(l.v, &p.tx));
	vfs_pack_mkdir(&p, ROOT, "d", 0755);
	l.v->credits = 0;
	proxy_lose(&l.p, PROXY_REQUEST, VFS_OP_CREDIT);
	assert_err(vfs_pack_exec(&p, 0, NULL, NULL, 0, NULL), ABORTED);
	assert_int_equal(l.p.lost, 2);
	assert_err(look(l.v, NULL, "d"), NOENT);
	lossy_close(&l);
}

static void
calls__answer_lost__are_asked_again_if_harmless(void **state)
{
	struct vfs_attr a;
	struct lossy l;

	lossy_open(&l, state);
	proxy_lose(&l.p, PROXY_REPLY, VFS_OP_STAT);
	OK(vfs_stat(l.v, NULL, ROOT, &a));
	proxy_lose(&l.p, PROXY_REPLY, VFS_OP_CREATE);
	assert_err(vfs_mkdir(l.v, NULL, ROOT, "d", 0755, NULL),
	    SESSION_CLOSED);
	assert_true(vfs_failure(l.v)->unsure);
	OK(look(l.v, NULL, "d"));
	assert_int_equal(l.p.lost, 2);
	lossy_close(&l);
}

/* --- new connections ----------------------------------------------------------------- */

static void
tx__connection_lost__is_aborted(void **state)
{
	struct vfs_tx *tx;
	struct lossy l;

	lossy_open(&l, state);
	OK(vfs_tx_begin(l.v, &tx));
	OK(vfs_mkdir(l.v, tx, ROOT, "d", 0755, NULL));
	proxy_lose(&l.p, PROXY_REPLY, VFS_OP_STAT);
	assert_err(vfs_stat(l.v, tx, ROOT, NULL), ABORTED);
	assert_err(vfs_mkdir(l.v, tx, ROOT, "e", 0755, NULL), ABORTED);
	assert_err(vfs_tx_commit(tx, 0, NULL), ABORTED);
	assert_err(look(l.v, NULL, "d"), NOENT);
	lossy_close(&l);
}

static void
handles__connection_lost__are_opened_again(void **state)
{
	struct vfs_id f, g, h[40], dup;
	struct vfs_found found[2];
	struct vfs_id two[2];
	struct lossy l;
	char got[8];
	unsigned i;

	lossy_open(&l, state);
	f = make(l.v, "f", "file f");
	g = make(l.v, "g", "file g");
	for (i = 0; i < 40; i++)
		OK(vfs_open(l.v, NULL, i % 2 ? f : g,
		    VFS_OPEN_READ | VFS_OPEN_WRITE, &h[i], NULL));
	OK(vfs_dup(l.v, h[1], 0, &dup));
	for (i = 2; i < 40; i += 3)
		OK(vfs_close(l.v, h[i]));
	assert_err(vfs_stat(l.v, NULL, h[2], NULL), BAD_HANDLE);
	proxy_lose(&l.p, PROXY_REPLY, VFS_OP_STATFS);
	OK(vfs_statfs(l.v, ROOT, &(struct vfs_statfs_reply){ 0 }));
	assert_int_equal(vfs_read(l.v, NULL, h[1], 0, got, 8), 6);
	assert_memory_equal(got, "file f", 6);
	assert_int_equal(vfs_read(l.v, NULL, h[0], 0, got, 8), 6);
	assert_memory_equal(got, "file g", 6);
	assert_int_equal(vfs_read(l.v, NULL, dup, 0, got, 8), 6);
	assert_memory_equal(got, "file f", 6);
	assert_err(vfs_stat(l.v, NULL, h[2], NULL), BAD_HANDLE);
	two[0] = h[0];
	two[1] = h[1];
	OK(vfs_stat_batch(l.v, NULL, two, 2, VFS_WANT_STAT, found));
	assert_int_equal(found[0].attr.id.n, g.n);
	assert_int_equal(found[1].attr.id.n, f.n);
	OK(vfs_close(l.v, dup));
	lossy_close(&l);
}

/* Until the daemon has noticed the loss the file is there: it was held by the
 * session before. */
static void
handle__whose_object_has_gone__says_so(void **state)
{
	struct vfs_id f, h, none = { 0 };
	struct lossy l;
	char got[8];
	int64_t n = 1;
	unsigned i;

	lossy_open(&l, state);
	for (i = 0; i < 20 && n == 1; i++) {
		f = make(l.v, "f", "x");
		OK(vfs_open(l.v, NULL, f, VFS_OPEN_READ, &h, NULL));
		OK(vfs_unlink(l.v, NULL, ROOT, "f", VFS_UNLINK_FILE, none));
		assert_int_equal(vfs_read(l.v, NULL, h, 0, got, 8), 1);
		proxy_lose(&l.p, PROXY_REPLY, VFS_OP_STATFS);
		OK(vfs_statfs(l.v, ROOT, &(struct vfs_statfs_reply){ 0 }));
		n = vfs_read(l.v, NULL, h, 0, got, 8);
		OK(vfs_close(l.v, h));
	}
	assert_err((int)n, GONE);
	lossy_close(&l);
}

static void
daemon__started_again__is_found(void **state)
{
	struct vfs_rig *r = *state;
	struct vfs_id f = make(r->v, "f", "text"), h;
	char got[8];

	OK(vfs_open(r->v, NULL, f, VFS_OPEN_READ, &h, NULL));
	vfs_rig_stop(r);
	vfs_rig_start(r);
	assert_int_equal(vfs_read(r->v, NULL, h, 0, got, 8), 4);
	OK(look(r->v, NULL, "f"));
}

static void
daemon__that_is_gone__ends_the_trying(void **state)
{
	struct vfs_rig *r = *state;
	struct vfs_conf conf = { .retry_ms = 100 }, once = { .once = true };
	struct vfs *v = vfs_rig_peer(r, &conf), *w = vfs_rig_peer(r, &once);

	vfs_rig_stop(r);
	assert_err(look(v, NULL, "f"), OFFLINE);
	assert_err(look(w, NULL, "f"), SESSION_CLOSED);
	vfs_rig_start(r);
	assert_err(look(v, NULL, "f"), NOENT);
	assert_err(look(w, NULL, "f"), SESSION_CLOSED);
	OK(vfs_reconnect(w));
	assert_err(look(w, NULL, "f"), NOENT);
	vfs_disconnect(v);
	vfs_disconnect(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		VFS_TEST(tx__until_it_commits__is_private),
		VFS_TEST(tx__back_to_a_savepoint__keeps_what_was_before),
		VFS_TEST(conflict__tells_the_loser_object_and_name),
		VFS_TEST(conflict__why_tells_what_of_which_object),
		VFS_TEST(conflict__while_run_again__why_tells_the_operation),
		VFS_TEST(failure__of_a_transaction__why_knows_it),
		VFS_TEST(precondition__why_tells_what_of_which_object),
		VFS_TEST(run__while_others_are_faster__tries_again),
		VFS_TEST(commit__answer_lost__is_found),
		VFS_TEST(commit__request_lost__has_not_happened),
		VFS_TEST(commit__that_comes_late__is_barred),
		VFS_TEST(pack__answer_or_request_lost__is_done_once),
		VFS_TEST(part__lost_while_under_way__aborts_the_pack),
		VFS_TEST(
tx__connection_lost_before_it_was_asked__is_not_asked_on_the_next),
		VFS_TEST(calls__answer_lost__are_asked_again_if_harmless),
		VFS_TEST(tx__connection_lost__is_aborted),
		VFS_TEST(handles__connection_lost__are_opened_again),
		VFS_TEST(handle__whose_object_has_gone__says_so),
		VFS_TEST(daemon__started_again__is_found),
		VFS_TEST(daemon__that_is_gone__ends_the_trying),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "../../protocol/mem.h"

#include "cases_in.h"

#define ENTRIES		5000u		/* of the listing */
#define TX_OPS		64u
#define CHANGES		300u
#define FAR_AWAY	(UINT64_MAX >> 8)	/* no commit has this number */

bool
case_failed(struct cases *k, unsigned line, int got, int want)
{
	k->line = line;
	k->got = got;
	k->want = want;
	return false;
}

struct vfs_slice
case_slice(const char *s)
{
	struct vfs_slice r = { s, 0 };

	while (s[r.n] != 0)
		r.n++;
	return r;
}

/* "f00042" */
static struct vfs_slice
number(char *to, char letter, unsigned n)
{
	unsigned i;

	to[0] = letter;
	for (i = 5; i > 0; i--, n /= 10)
		to[i] = (char)('0' + n % 10);
	return (struct vfs_slice){ to, 6 };
}

int
case_make(struct cases *k, struct vfs_id dir, struct vfs_slice name,
    uint32_t mode, struct vfs_id *id)
{
	struct vfs_create q = { .dir = dir, .mode = mode, .name = name,
		.flags = VFS_CREATE_EXCL };
	struct vfs_create_reply r;
	int err = client_call(k->c, VFS_OP_CREATE, &q, &r);

	if (err == 0)
		*id = r.attr.id;
	return err;
}

static int
find(struct cases *k, struct vfs_id dir, struct vfs_slice name,
    struct vfs_attr *a)
{
	struct vfs_lookup q = { .dir = dir, .name = name };
	struct vfs_lookup_reply r;
	int err = client_call(k->c, VFS_OP_LOOKUP, &q, &r);

	if (err == 0)
		*a = r.attr;
	return err;
}

static int
drop(struct cases *k, struct vfs_id dir, struct vfs_slice name,
    uint32_t flags)
{
	struct vfs_unlink q = { .dir = dir, .name = name, .flags = flags };
	struct vfs_unlink_reply r;

	return client_call(k->c, VFS_OP_UNLINK, &q, &r);
}

bool
case_setup(struct cases *k)
{
	MUST(case_make(k, (struct vfs_id){ VFS_ID_ROOT }, case_slice(k->name),
	    040755, &k->dir), 0);
	return true;
}

/* --- names of 255 bytes ---------------------------------------------- */

static bool
long_names(struct cases *k)
{
	char a[VFS_NAME_MAX + 1], b[VFS_NAME_MAX];
	struct vfs_slice na = { a, VFS_NAME_MAX }, nb = { b, VFS_NAME_MAX };
	struct vfs_rename q = { .dir = k->dir, .dir2 = k->dir, .name = na,
		.name2 = nb };
	struct vfs_rename_reply r;
	struct vfs_attr at;
	struct vfs_id id;

	memset(a, 'a', sizeof a);
	memset(b, 'b', sizeof b);
	MUST(case_make(k, k->dir, na, 0100644, &id), 0);
	MUST(find(k, k->dir, na, &at), 0);
	TRUE(at.id.n == id.n);
	MUST(client_call(k->c, VFS_OP_RENAME, &q, &r), 0);
	MUST(find(k, k->dir, na, &at), -VFS_NOENT);
	MUST(find(k, k->dir, nb, &at), 0);
	TRUE(at.id.n == id.n);
	na.n++;
	MUST(case_make(k, k->dir, na, 0100644, &id), -VFS_NAMETOOLONG);
	MUST(drop(k, k->dir, nb, VFS_UNLINK_FILE), 0);
	return true;
}

/* --- a listing of 5,000 ----------------------------------------------- */

static int
tx_begin(struct cases *k, uint64_t *tx)
{
	struct vfs_tx_begin q = { 0 };
	struct vfs_tx_begin_reply r;
	int err = client_call(k->c, VFS_OP_TX_BEGIN, &q, &r);

	if (err == 0)
		*tx = r.tx;
	return err;
}

static int
tx_commit(struct cases *k, uint64_t tx)
{
	struct vfs_tx_commit q = { .tx = tx };
	struct vfs_tx_commit_reply r;

	return client_call(k->c, VFS_OP_TX_COMMIT, &q, &r);
}

/* Some creates in one TX_ADD: from number n on, as many as fit a message
 * of 2 KiB. */
static int
add_some(struct cases *k, uint64_t tx, struct vfs_id dir, unsigned *n)
{
	struct vfs_create c = { .dir = dir, .mode = 0100600 };
	struct vfs_tx_add q = { .tx = tx };
	struct vfs_tx_add_reply r;
	char name[8];
	size_t used = 0;

	while (*n < ENTRIES && used < 2048) {
		c.name = number(name, 'f', *n);
		if (proto_tx_op_put(VFS_OP_CREATE, &c, k->room, k->room_n,
		    &used) < 0)
			return -VFS_TOO_BIG;
		q.nops++;
		++*n;
	}
	q.ops = (struct vfs_slice){ k->room, used };
	return client_call(k->c, VFS_OP_TX_ADD, &q, &r);
}

/* What a listing has shown: each once, in order of creation. */
struct seen {
	unsigned n, wrong;
};

static bool
see(void *arg, const struct vfs_dirent *e)
{
	struct seen *s = arg;
	char want[8];

	if (e->cookie < VFS_SLOT_FIRST)
		return true;		/* "." and ".." */
	number(want, 'f', s->n++);
	s->wrong += e->name.n != 6 || memcmp(e->name.p, want, 6) != 0 ||
	    e->type != VFS_REG;
	return true;
}

static bool
listing(struct cases *k)
{
	struct vfs_dir_read q = { .max_bytes = 4000 };
	struct vfs_dir_read_reply r;
	struct seen s = { 0, 0 };
	uint64_t tx;
	unsigned n = 0, calls = 0;

	MUST(case_make(k, k->dir, case_slice("big"), 040755, &q.dir), 0);
	MUST(tx_begin(k, &tx), 0);
	while (n < ENTRIES)
		MUST(add_some(k, tx, q.dir, &n), 0);
	MUST(tx_commit(k, tx), 0);
	do {
		r.entries = (struct vfs_sink){ see, &s };
		MUST(client_call(k->c, VFS_OP_DIR_READ, &q, &r), 0);
		q.cookie = r.next_cookie;
		q.fence = r.fence;
		calls++;
	} while (r.eof == 0 && calls < ENTRIES);
	MUST((int)s.n, ENTRIES);
	MUST((int)s.wrong, 0);
	TRUE(calls > 10);
	return true;
}

/* --- a transaction of 64, staged ---------------------------------------- */

static bool
stage(struct cases *k, size_t n)
{
	struct vfs_stage q = { .off = 0 };
	struct vfs_stage_reply r;
	size_t piece;

	while (q.off < n) {
		piece = n - q.off < 448 ? n - q.off : 448;
		q.data = (struct vfs_slice){ k->room + q.off, piece };
		MUST(client_call(k->c, VFS_OP_STAGE, &q, &r), 0);
		q.off += piece;
		TRUE(r.staged == q.off);
	}
	return true;
}

/* Half of them directories, each in the one before; a file in each. */
static int
put_tree(struct cases *k, size_t *used)
{
	struct vfs_create c = { .dir = k->dir };
	char name[8];
	unsigned i;
	int err = 0;

	for (i = 0; i < TX_OPS && err == 0; i++) {
		if (i > 0)
			c.dir.n = VFS_TX_RESULT | (i - (i % 2 ? 1 : 2));
		c.mode = i % 2 ? 0100600 : 040700;
		c.name = number(name, i % 2 ? 'f' : 'd', i / 2);
		err = proto_tx_op_put(VFS_OP_CREATE, &c, k->room, k->room_n,
		    used);
	}
	return err;
}

static bool
staged(struct cases *k)
{
	struct vfs_tx_add q = { .nops = TX_OPS };
	struct vfs_tx_add_reply r;
	struct client_far far = { .blob = 0, .kind = PROTO_STAGED };
	struct vfs_attr at = { .id = k->dir };
	char name[8];
	size_t used = 0;
	unsigned i;

	MUST(put_tree(k, &used), 0);
	if (!stage(k, used))
		return false;
	MUST(tx_begin(k, &q.tx), 0);
	far.n = (uint32_t)used;
	MUST(client_call_far(k->c, VFS_OP_TX_ADD, &q, &far, &r), 0);
	MUST((int)r.nresults, TX_OPS);
	MUST(find(k, k->dir, number(name, 'd', 0), &at), -VFS_NOENT);
	MUST(tx_commit(k, q.tx), 0);
	for (i = 0, at.id = k->dir; i < TX_OPS / 2; i++)
		MUST(find(k, at.id, number(name, 'd', i), &at), 0);
	MUST(find(k, at.id, number(name, 'f', TX_OPS / 2 - 1), &at), 0);
	/* a repeated use of what was staged: it is used up, or as it was */
	MUST(client_call_far(k->c, VFS_OP_TX_ADD, &q, &far, &r) < 0, 1);
	return true;
}

/* All or nothing: the last of the operations cannot be. */
static bool
nothing(struct cases *k)
{
	struct vfs_create c = { .dir = k->dir, .mode = 0100600,
		.name = { "tx-a", 4 } };
	struct vfs_unlink u = { .dir = k->dir, .name = { "tx-none", 7 },
		.flags = VFS_UNLINK_FILE };
	struct vfs_tx_exec q = { .nops = 2 };
	struct vfs_tx_exec_reply r;
	struct vfs_attr at;
	size_t used = 0;

	MUST(proto_tx_op_put(VFS_OP_CREATE, &c, k->room, k->room_n, &used),
	    0);
	MUST(proto_tx_op_put(VFS_OP_UNLINK, &u, k->room, k->room_n, &used),
	    0);
	q.ops = (struct vfs_slice){ k->room, used };
	MUST(client_call(k->c, VFS_OP_TX_EXEC, &q, &r), -VFS_NOENT);
	MUST((int)k->c->e.op_index, 1);
	MUST(find(k, k->dir, c.name, &at), -VFS_NOENT);
	return true;
}

/* --- following the journal ---------------------------------------------- */

/* Changes that are there to read, from a cursor on. */
static int
read_changes(struct cases *k, struct vfs_journal_read *q, unsigned *creates)
{
	struct vfs_journal_read_reply r;
	struct proto_change ch;
	struct rbuf b;
	int err;

	do {
		err = client_call(k->c, VFS_OP_JOURNAL_READ, q, &r);
		if (err < 0)
			return err;
		proto_list_read(&b, (struct vfs_slice){ r.records.p,
		    r.records.n });
		while (proto_list_more(&b)) {
			if ((err = proto_change_next(&b, &ch)) < 0)
				return err;
			*creates += ch.kind == PROTO_CHANGE_CREATE &&
			    ch.parent.n == k->dir.n;
		}
		q->seq = r.seq;
		q->idx = r.idx;
	} while (r.more != 0);
	return 0;
}

/* There is no clock here, but the daemon has one: waits for what does not
 * come. */
static int
nap(struct cases *k, uint32_t ms)
{
	struct vfs_wait q = { .seq = FAR_AWAY };
	struct vfs_wait_reply r;
	int err;

	k->c->deadline_ms = ms;
	err = client_call(k->c, VFS_OP_WAIT, &q, &r);
	k->c->deadline_ms = 0;
	return err;
}

/* Until somebody tells, or it is clear that nobody does. */
static bool
told(struct cases *k)
{
	unsigned i;

	for (i = 0; i < 2000 && !k->c->changed; i++)
		MUST(nap(k, 5), -VFS_DEADLINE);
	TRUE(k->c->changed);
	k->c->changed = false;
	return true;
}

static bool
follow(struct cases *k)
{
	struct vfs_journal_pos pq = { 0 };
	struct vfs_journal_pos_reply pr;
	struct vfs_watch w = { .subtree = k->dir };
	struct vfs_watch_reply wr;
	struct vfs_journal_read q = { .subtree = k->dir, .max = 20 };
	struct vfs_unwatch u;
	struct vfs_unwatch_reply ur;
	struct vfs_id id;
	char name[8];
	unsigned i, creates = 0;

	MUST(client_call(k->c, VFS_OP_JOURNAL_POS, &pq, &pr), 0);
	w.seq = q.seq = pr.seq;
	w.idx = q.idx = pr.idx;
	k->c->changed = false;
	MUST(client_call(k->c, VFS_OP_WATCH, &w, &wr), 0);
	for (i = 0; i < CHANGES; i++) {
		MUST(case_make(k, k->dir, number(name, 'c', i), 0100600,
		    &id), 0);
		if (i % 100 == 50 && !told(k))
			return false;
		if (i % 100 == 50)
			MUST(read_changes(k, &q, &creates), 0);
	}
	if (!told(k))
		return false;
	MUST(read_changes(k, &q, &creates), 0);
	MUST((int)creates, CHANGES);
	u.watch = wr.watch;
	MUST(client_call(k->c, VFS_OP_UNWATCH, &u, &ur), 0);
	return true;
}

/* --- what is refused, and how ------------------------------------------- */

static bool
errors(struct cases *k)
{
	struct vfs_stat q = { .id = { 999999999 } };
	struct vfs_stat_reply r;
	struct vfs_ping pq = { 5 };
	struct vfs_ping_reply pr;
	struct vfs_attr at;
	struct vfs_id id;

	MUST(find(k, k->dir, case_slice("none"), &at), -VFS_NOENT);
	TRUE(k->c->e.trace_id != 0);
	MUST(client_call(k->c, VFS_OP_STAT, &q, &r), -VFS_NO_SUCH_ID);
	MUST(case_make(k, k->dir, case_slice("twice"), 040700, &id), 0);
	MUST(case_make(k, k->dir, case_slice("twice"), 040700, &id),
	    -VFS_EXIST);
	MUST(case_make(k, id, case_slice("in"), 0100600, &id), 0);
	MUST(drop(k, k->dir, case_slice("twice"), VFS_UNLINK_DIR),
	    -VFS_NOTEMPTY);
	MUST(case_make(k, k->dir, case_slice("a/b"), 0100600, &id), -VFS_NAME);
	MUST(case_make(k, k->dir, (struct vfs_slice){ "", 0 }, 0100600, &id),
	    -VFS_NAME);
	MUST(client_call(k->c, VFS_OP_PUBLISH, &(struct vfs_publish){ 0 },
	    &(struct vfs_publish_reply){ 0 }), -VFS_UNKNOWN_OP);
	MUST(client_call(k->c, VFS_OP_PING, &pq, &pr), 0);
	TRUE(pr.cookie == 5);
	return true;
}

/* Waits for what does not come, and is called back. */
static bool
cancel(struct cases *k)
{
	struct vfs_wait q = { .seq = FAR_AWAY };
	struct vfs_wait_reply r;
	struct vfs_cancel cq;
	struct vfs_cancel_reply cr = { .state = 99 };
	struct proto_hdr h;
	struct rbuf b;
	unsigned replies;
	int waited = 99;

	MUST(client_send(k->c, VFS_OP_WAIT, &q), 0);
	cq.req = k->c->req_id;
	MUST(client_send(k->c, VFS_OP_CANCEL, &cq), 0);
	for (replies = 0; replies < 2; replies++) {
		MUST(client_next(k->c, true, &h, &b), 0);
		if (h.req_id == cq.req)
			waited = client_reply(k->c, VFS_OP_WAIT, &h, &b, &r);
		else
			MUST(client_reply(k->c, VFS_OP_CANCEL, &h, &b, &cr),
			    0);
	}
	/* it may be running already, and hears of it there */
	TRUE(cr.state == VFS_CANCEL_DONE || cr.state == VFS_CANCEL_TOO_LATE);
	MUST(waited, -VFS_CANCELLED);
	cq.req = k->c->req_id + 1000;
	MUST(client_call(k->c, VFS_OP_CANCEL, &cq, &cr), 0);
	MUST((int)cr.state, VFS_CANCEL_UNKNOWN);
	return true;
}

static bool
deadline(struct cases *k)
{
	MUST(nap(k, 30), -VFS_DEADLINE);
	return true;
}

/* Many under way at once; every one is answered. */
static bool
under_way(struct cases *k)
{
	struct vfs_lookup q = { .dir = k->dir, .name = { "none", 4 } };
	struct vfs_lookup_reply r;
	struct proto_hdr h;
	struct rbuf b;
	unsigned i, j;

	for (i = 0; i < 10; i++) {
		for (j = 0; j < 32; j++)
			MUST(client_send(k->c, VFS_OP_LOOKUP, &q), 0);
		for (j = 0; j < 32; j++) {
			MUST(client_next(k->c, true, &h, &b), 0);
			MUST(client_reply(k->c, VFS_OP_LOOKUP, &h, &b, &r),
			    -VFS_NOENT);
		}
	}
	return true;
}

const struct case_row case_rows[] = {
	{ "names_of_255_bytes", long_names },
	{ "listing_of_5000_as_a_stream", listing },
	{ "transaction_of_64_staged", staged },
	{ "transaction_that_fails_leaves_nothing", nothing },
	{ "file_of_1_MiB_in_pieces", case_big_file },
	{ "file_of_1_MiB_beside_the_messages", case_granted },
	{ "journal_followed", follow },
	{ "errors", errors },
	{ "cancel", cancel },
	{ "deadline", deadline },
	{ "many_under_way", under_way },
};
const unsigned case_rows_n = sizeof case_rows / sizeof case_rows[0];

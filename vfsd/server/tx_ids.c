/*
 * tx_ids.c - which commits were asked for under which name
 *
 * A row that came with the commit tells what became of it, across
 * restarts.  VFS_TX_IDS_MAX are kept of root and the store's owner, the
 * newest, and as many of all others together: of those the one who has most
 * loses his oldest, so nobody's are forgotten because of what others do.
 * What failed is only kept in memory: after a restart it was never seen,
 * which means the same to whoever asks.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../core/txid.h"
#include "tx_in.h"

#define FAILED_MAX	256u
#define RESULTS_MAX	4096u		/* that a row keeps */

struct known {
	uint8_t id[16];
	uint64_t seq;
	uint32_t whose;
};

struct share {
	uint32_t whose, n;
};

struct pool {
	struct known *v;		/* a ring, oldest at first */
	size_t first, n;
	struct share *shares;		/* of everybody who has any */
	size_t nshares;
};

struct failed {
	uint8_t id[16];
	int err;
	uint32_t op_index;
	struct vfs_id object;
	size_t name_n;
	char name[VFS_NAME_MAX];
};

struct txids {
	pthread_mutex_t lock;		/* commits under a name, pools */
	struct pool own, others;
	pthread_mutex_t failed_lock;	/* what is below */
	struct failed *failed;		/* a ring */
	uint64_t nfailed;
};

int
txid_of(struct vfs_slice s, const uint8_t **out)
{
	static const uint8_t zero[VFS_TX_ID_BYTES];

	if (s.n != 0 && s.n != VFS_TX_ID_BYTES)
		return -VFS_INVAL;
	*out = s.n == 0 || memcmp(s.p, zero, s.n) == 0 ? NULL : s.p;
	return 0;
}

/* --- which are kept ------------------------------------------------------ */

static int
pool_new(struct pool *p)
{
	p->v = calloc(VFS_TX_IDS_MAX, sizeof *p->v);
	p->shares = calloc(VFS_TX_IDS_MAX, sizeof *p->shares);
	return p->v == NULL || p->shares == NULL ? -VFS_NOMEM : 0;
}

static void
pool_free(struct pool *p)
{
	free(p->v);
	free(p->shares);
}

static struct pool *
pool_of(struct txids *x, uint32_t whose)
{
	return whose == 0 ? &x->own : &x->others;
}

static struct known *
pool_at(const struct pool *p, size_t i)
{
	return &p->v[(p->first + i) % VFS_TX_IDS_MAX];
}

static struct share *
share_find(const struct pool *p, uint32_t whose)
{
	size_t i;

	for (i = 0; i < p->nshares && p->shares[i].whose != whose; i++)
		;
	return i < p->nshares ? &p->shares[i] : NULL;
}

static void
pool_add(struct pool *p, const struct known *k)
{
	struct share *s = share_find(p, k->whose);

	assert(p->n < VFS_TX_IDS_MAX);
	if (s == NULL) {
		s = &p->shares[p->nshares++];
		*s = (struct share){ .whose = k->whose };
	}
	s->n++;
	*pool_at(p, p->n++) = *k;
}

/* Which one makes room for one more of this owner. */
static size_t
pool_victim(const struct pool *p, uint32_t whose)
{
	uint32_t most = 0, of = whose, n;
	size_t i;

	for (i = 0; i < p->nshares; i++) {
		n = p->shares[i].n + (p->shares[i].whose == whose);
		if (n > most) {
			most = n;
			of = p->shares[i].whose;
		}
	}
	for (i = 0; pool_at(p, i)->whose != of; i++)
		assert(i < p->n);
	return i;
}

/* Those before it move up: of who has most it is one of the first. */
static void
pool_del(struct pool *p, size_t i)
{
	struct share *s = share_find(p, pool_at(p, i)->whose);

	if (--s->n == 0)
		*s = p->shares[--p->nshares];
	for (; i > 0; i--)
		*pool_at(p, i) = *pool_at(p, i - 1);
	p->first = (p->first + 1) % VFS_TX_IDS_MAX;
	p->n--;
}

/* --- at the start -------------------------------------------------------- */

static int
by_seq(const void *a, const void *b)
{
	const struct known *x = a, *y = b;

	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static int
load_row(struct txids *x, struct txn *t, struct vfs_slice key,
    struct vfs_slice val)
{
	struct rec_txid rec;
	struct pool *p;
	struct known k;

	if (rec_txid_decode(val, &rec) < 0)
		return fault(t, -VFS_CORRUPT, "the answer to a commit");
	memcpy(k.id, (const uint8_t *)key.p + 1, 16);
	k.seq = rec.seq.n;
	k.whose = rec.whose;
	p = pool_of(x, k.whose);
	if (p->n < VFS_TX_IDS_MAX)
		pool_add(p, &k);
	return 0;
}

static int
load(struct txids *x, struct txn *t)
{
	struct vfs_slice key, val;
	struct row_parts parts;
	struct row_key k;
	struct txn_cur *c;
	int err;

	row_key_id2(&k, ROW_TXID, 0, 0);
	if ((err = txn_cur_open(t, &c)) < 0)
		return err;
	err = txn_cur_seek(c, row_key_slice(&k), &key, &val);
	while (err == 0 && row_key_parse(key, &parts) == 0 &&
	    parts.kind == ROW_TXID) {
		(void)load_row(x, t, key, val);	/* one is as if never seen */
		err = txn_cur_next(c, &key, &val);
	}
	txn_cur_close(c);
	qsort(x->own.v, x->own.n, sizeof *x->own.v, by_seq);
	qsort(x->others.v, x->others.n, sizeof *x->others.v, by_seq);
	return err == -VFS_NOENT ? 0 : err;
}

int
txids_new(struct engine *e, struct txids **out)
{
	struct txids *x = calloc(1, sizeof *x);
	struct txn *t;
	int err = -VFS_NOMEM;

	if (x == NULL)
		return err;
	pthread_mutex_init(&x->lock, NULL);
	pthread_mutex_init(&x->failed_lock, NULL);
	x->failed = calloc(FAILED_MAX, sizeof *x->failed);
	if (x->failed == NULL || pool_new(&x->own) < 0 ||
	    pool_new(&x->others) < 0)
		goto out;
	if ((err = txn_begin(e, TXN_READ, NULL, &t)) < 0)
		goto out;
	err = load(x, t);
	txn_abort(t);
	if (err < 0)
		goto out;
	*out = x;
	x = NULL;
out:
	txids_free(x);
	return err;
}

void
txids_free(struct txids *x)
{
	if (x == NULL)
		return;
	pthread_mutex_destroy(&x->lock);
	pthread_mutex_destroy(&x->failed_lock);
	pool_free(&x->own);
	pool_free(&x->others);
	free(x->failed);
	free(x);
}

/* --- commits ------------------------------------------------------------- */

void
txids_lock(struct txids *x)
{
	pthread_mutex_lock(&x->lock);
}

void
txids_unlock(struct txids *x)
{
	pthread_mutex_unlock(&x->lock);
}

static void
results_get(const struct rec_txid *rec, struct tx_verdict *v)
{
	size_t i, n = rec->results.n / TXID_BRIEF;
	struct rbuf b;

	rbuf_init(&b, rec->results.p, rec->results.n, 0);
	for (i = 0; i < n && i < v->cap; i++)
		proto_brief_decode(&b, &v->results[i]);
	v->nresults = n;
}

int
txids_find(struct txn *t, const uint8_t id[16], uint64_t digest[2],
    struct tx_verdict *v)
{
	struct vfs_slice val;
	struct rec_txid rec;
	struct row_key k;
	int err;

	txid_key(&k, id);
	err = txn_get(t, row_key_slice(&k), &val);
	if (err < 0)
		return err == -VFS_NOENT ? 0 : err;
	if (rec_txid_decode(val, &rec) < 0)
		return fault(t, -VFS_CORRUPT, "the answer to a commit");
	v->seq = rec.seq;
	digest[0] = rec.digest[0];
	digest[1] = rec.digest[1];
	results_get(&rec, v);
	return 1;
}

static size_t
results_put(const struct tx_verdict *v, uint8_t *p)
{
	size_t n = v->nresults < v->cap ? v->nresults : v->cap, i;
	struct wbuf w;

	if (n > RESULTS_MAX)
		n = RESULTS_MAX;
	wbuf_init(&w, p, n * TXID_BRIEF, 0, n * TXID_BRIEF);
	for (i = 0; i < n; i++)
		proto_brief_encode(&v->results[i], &w);
	return n * TXID_BRIEF;
}

/* Its row, and the end of another one. */
size_t
txids_row(size_t n)
{
	return 256 + TXID_FIXED + TXID_BRIEF *
	    (n < RESULTS_MAX ? n : RESULTS_MAX);
}

/* The row goes with the commit; another one makes room for it. */
int
txids_put(struct txids *x, struct txn *t, const struct commit *c,
    const struct tx_verdict *v)
{
	const struct pool *p = pool_of(x, c->env->whose);
	struct rec_txid rec = { .seq = v->seq, .when = c->env->now,
		.whose = c->env->whose,
		.digest = { c->digest[0], c->digest[1] },
		.nresults = (uint32_t)v->nresults };
	size_t room = v->nresults * TXID_BRIEF + TXID_FIXED;
	uint8_t *results, *val;
	struct row_key k;
	int err = 0;

	if (p->n == VFS_TX_IDS_MAX) {
		txid_key(&k, pool_at(p, pool_victim(p,
		    c->env->whose))->id);
		err = txn_del(t, row_key_slice(&k));
	}
	if (err < 0)
		return err;
	if ((results = malloc(2 * room)) == NULL)
		return -VFS_NOMEM;
	val = results + room;
	rec.results = (struct vfs_slice){ results, results_put(v, results) };
	txid_key(&k, c->tx_id);
	err = txn_put(t, row_key_slice(&k),
	    (struct vfs_slice){ val, rec_txid_encode(&rec, val) });
	free(results);
	return err;
}

void
txids_committed(struct txids *x, const struct commit *c)
{
	struct known k = { .whose = c->env->whose };
	struct pool *p = pool_of(x, k.whose);

	if (p->n == VFS_TX_IDS_MAX)
		pool_del(p, pool_victim(p, k.whose));
	memcpy(k.id, c->tx_id, 16);
	pool_add(p, &k);
}

/* --- failures ------------------------------------------------------------ */

void
txids_failed(struct txids *x, const uint8_t id[16], int err,
    const struct tx_verdict *v)
{
	struct failed *f;

	pthread_mutex_lock(&x->failed_lock);
	f = &x->failed[x->nfailed++ % FAILED_MAX];
	memcpy(f->id, id, 16);
	f->err = err;
	f->op_index = v->op_index;
	f->object = v->object;
	f->name_n = v->name_n;
	memcpy(f->name, v->name, v->name_n);
	pthread_mutex_unlock(&x->failed_lock);
}

bool
txids_find_failed(struct txids *x, const uint8_t id[16],
    struct tx_verdict *v)
{
	uint64_t i, oldest;
	bool found = false;

	pthread_mutex_lock(&x->failed_lock);
	oldest = x->nfailed > FAILED_MAX ? x->nfailed - FAILED_MAX : 0;
	for (i = x->nfailed; i > oldest && !found; i--) {
		const struct failed *f = &x->failed[(i - 1) % FAILED_MAX];

		if (memcmp(f->id, id, 16) != 0)
			continue;
		found = true;
		v->err = f->err;
		v->op_index = f->op_index;
		v->object = f->object;
		v->name_n = f->name_n;
		memcpy(v->name, f->name, f->name_n);
	}
	pthread_mutex_unlock(&x->failed_lock);
	return found;
}

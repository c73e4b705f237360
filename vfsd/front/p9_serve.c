/*
 * p9_serve.c - a message's way: begun, decoded, answered, and the Tflushes
 * and the Tversion that wait for its end
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../core/le.h"
#include "p9_in.h"

#define SMALL		4096u		/* size of most messages' buffers */
#define ANSWER_MAX	512u		/* of one that comes later */

/* --- requests ----------------------------------------------------------- */

static struct p9_req *
spare(struct p9_conn *c, size_t n)
{
	struct p9_req **at, *q;

	pthread_mutex_lock(&c->lock);
	for (at = &c->spare; (q = *at) != NULL; at = &q->next)
		if (q->cap >= n) {
			*at = q->next;
			c->nspare--;
			break;
		}
	pthread_mutex_unlock(&c->lock);
	return q;
}

struct p9_req *
p9_req_new(struct p9_conn *c, size_t n)
{
	struct p9_req *q = spare(c, n);
	size_t cap = q != NULL ? q->cap : n <= SMALL ? SMALL :
	    atomic_load(&c->msize);
	uint8_t *p;

	if (cap < n)
		cap = n;
	if (q == NULL && (q = calloc(1, sizeof *q)) == NULL)
		return NULL;
	if (q->p == NULL && (q->p = malloc(cap)) == NULL) {
		free(q);
		return NULL;
	}
	p = q->p;
	*q = (struct p9_req){ .p = p, .cap = cap, .n = n,
	    .serial = p9_serial(c->p9), .c = c };
	return q;
}

/* Its connection's reference goes too. */
static void
req_end(struct p9_req *q)
{
	struct p9_conn *c = q->c;

	p9_fid_drop(q->fid);
	pthread_mutex_lock(&c->lock);
	if (c->nspare < P9_SPARE_MAX) {
		q->next = c->spare;
		c->spare = q;
		c->nspare++;
		q = NULL;
	}
	pthread_mutex_unlock(&c->lock);
	if (q != NULL) {
		free(q->p);
		free(q);
	}
	p9_conn_drop(c);
}

void
p9_begin(struct p9_req *q)
{
	struct p9_conn *c = p9_conn_hold(q->c);
	struct p9_hdr h;

	p9_hdr_decode(q->p, &h);
	q->type = h.type;
	q->tag = h.tag;
	atomic_fetch_add(&c->p9->messages, 1);
	pthread_mutex_lock(&c->lock);
	q->prev = NULL;
	q->next = c->active;
	if (q->next != NULL)
		q->next->prev = q;
	c->active = q;
	c->nactive++;
	if (q->type == P9_TVERSION)
		c->version = q;		/* no other is read from now on */
	pthread_mutex_unlock(&c->lock);
}

/* No longer active.  *quiet: the answer is no longer wanted. */
static struct p9_req *
leave(struct p9_req *q, bool *quiet)
{
	struct p9_conn *c = q->c;
	struct p9_req *flushes;

	pthread_mutex_lock(&c->lock);
	if (q->prev != NULL)
		q->prev->next = q->next;
	else
		c->active = q->next;
	if (q->next != NULL)
		q->next->prev = q->prev;
	c->nactive--;
	if (q->waits)
		c->nwaits--;
	flushes = q->flushes;
	*quiet = c->version != NULL && c->version != q;
	pthread_mutex_unlock(&c->lock);
	return flushes;
}

/* --- answers ------------------------------------------------------------ */

static size_t
encode_error(struct p9_req *q, int err, uint8_t *p, size_t cap)
{
	union p9_r r = { .ecode = (uint32_t)(err > 0 ? err :
	    vfs_err_errno(err)) };

	atomic_fetch_add(&q->c->p9->errors, 1);
	return p9_r_encode(P9_RLERROR, q->tag, &r, p, cap);
}

static size_t
encode_answer(struct p9_req *q, int err, const union p9_r *r, uint8_t *p,
    size_t cap)
{
	size_t n = 0;

	if (err == 0)
		n = p9_r_encode((uint8_t)(q->type + 1), q->tag, r, p, cap);
	return n > 0 ? n : encode_error(q, err != 0 ? err : -VFS_IO, p, cap);
}

static void run_version(struct p9_conn *c);

/* Its end, and that of the Tflushes that waited for it; n 0: it is not
 * answered at all. */
static void
finish(struct p9_req *q, const uint8_t *p, size_t n)
{
	struct p9_conn *c = p9_conn_hold(q->c);
	struct p9_req *more, **tail, *list = q;
	uint8_t flushed[P9_HDR];
	bool quiet;

	q->flush_next = NULL;
	while ((q = list) != NULL) {
		more = leave(q, &quiet);
		if (n > 0 && !quiet)
			p9_conn_send(c, p, n);
		list = q->flush_next;
		for (tail = &list; *tail != NULL; tail = &(*tail)->flush_next)
			;
		*tail = more;
		req_end(q);
		if (list == NULL)
			break;
		p = flushed;
		n = p9_r_encode(P9_RFLUSH, list->tag, &(union p9_r){ 0 },
		    flushed, sizeof flushed);
	}
	run_version(c);
	p9_conn_drop(c);
}

/* Flushed, and without effect: then only the flush is answered. */
static void
end(struct p9_req *q, int err, const union p9_r *r, uint8_t *out, size_t cap)
{
	if (err == -VFS_INTR && atomic_load(&q->flushed))
		finish(q, NULL, 0);
	else
		finish(q, out, encode_answer(q, err, r, out, cap));
}

void
p9_answer(struct p9_req *q, int err, const union p9_r *r)
{
	uint8_t out[ANSWER_MAX];

	end(q, err, r, out, sizeof out);
}

/* --- a new start -------------------------------------------------------- */

void
p9_interrupt(struct p9_conn *c)
{
	struct p9_req *q;
	uint64_t serial;

	for (;;) {
		serial = 0;
		pthread_mutex_lock(&c->lock);
		for (q = c->active; q != NULL && serial == 0; q = q->next)
			if (q->waits && !atomic_load(&q->flushed)) {
				atomic_store(&q->flushed, true);
				serial = q->serial;
			}
		pthread_mutex_unlock(&c->lock);
		if (serial == 0)
			return;
		locks_interrupt(c->p9->locks, serial);
	}
}

/* Tversion ends all that was: it runs when nothing else does. */
static void
run_version(struct p9_conn *c)
{
	uint8_t out[64];
	struct p9_req *q = NULL;
	union p9_t t;
	union p9_r r = { 0 };
	int err;

	pthread_mutex_lock(&c->lock);
	if (c->version != NULL && c->nactive == 1 && !c->version_runs) {
		q = c->version;
		c->version_runs = true;
	}
	pthread_mutex_unlock(&c->lock);
	if (q == NULL)
		return;
	err = p9_t_decode(q->p, q->n, &t);
	if (err == 0)
		err = p9_do_version(q, &t.version, &r.version);
	pthread_mutex_lock(&c->lock);
	c->version = NULL;
	c->version_runs = false;
	pthread_mutex_unlock(&c->lock);
	finish(q, out, encode_answer(q, err, &r, out, sizeof out));
	p9_conn_arm(c);
}

/* --- one ---------------------------------------------------------------- */

#define P9(n, NAME, name, req, rep) \
	static int \
	call_##name(struct p9_req *q, const union p9_t *m, union p9_r *a) \
	{ \
		return p9_do_##name(q, &m->name, &a->name); \
	}
#include "p9_msg.def"
#undef P9

static int (*const handlers[256])(struct p9_req *, const union p9_t *,
    union p9_r *) = {
#define P9(n, NAME, name, req, rep) [n] = call_##name,
#include "p9_msg.def"
#undef P9
};

void
p9_serve(struct p9_req *q, uint8_t *out)
{
	union p9_t t;
	union p9_r r;
	int err;

	if (q->type == P9_TVERSION) {
		struct p9_conn *c = p9_conn_hold(q->c);

		p9_interrupt(c);
		run_version(c);
		p9_conn_drop(c);
		return;
	}
	q->out = out;
	err = p9_t_decode(q->p, q->n, &t);
	if (err == -VFS_UNKNOWN_OP)
		err = EOPNOTSUPP;	/* Linux asks in an older way */
	else if (err == -VFS_MALFORMED)
		atomic_fetch_add(&q->c->p9->malformed, 1);
	else if (!atomic_load(&q->c->versioned))
		err = -VFS_VERSION;
	memset(&r, 0, sizeof r);
	if (err == 0)
		err = handlers[q->type](q, &t, &r);
	if (err == P9_LATER)
		return;
	end(q, err, &r, out, P9_OUT);
}

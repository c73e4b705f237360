#include <errno.h>
#include <liburing.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fuse_uring.h"

#define THREADS_EACH	6u		/* of a queue: how many may wait */
#define ROOM_HEAD	4096u		/* before the payload */
#define RING_ENTRIES	4u

/* --- the kernel's words ---------------------------------------------- */

#define RING_HEADER	128u
#define RING_OP		128u
#define CMD_REGISTER	1u
#define CMD_COMMIT	2u		/* answer, and take the next one */

struct ring_head {
	uint8_t header[RING_HEADER];	/* fuse_in_header, fuse_out_header */
	uint8_t op[RING_OP];		/* the request's fixed part */
	struct {
		uint64_t flags, commit_id;
		uint32_t payload, padding;
		uint64_t reserved;
	} entry;
};

struct ring_cmd {
	uint64_t flags, commit_id;
	uint16_t queue;
	uint8_t padding[6];
};

/* --- one thread ------------------------------------------------------ */

struct fuse_ring {
	struct fuse_worker w;
	struct io_uring ur;
	bool set_up;
	uint16_t queue;			/* the number of its CPU */
	struct ring_head *head;
	uint8_t *room;			/* ROOM_HEAD, FUSE_BUF */
	struct iovec lent[2];
	uint64_t commit_id;
	bool answered;
};

struct fuse_rings {
	pthread_mutex_t lock;		/* guards the rest */
	pthread_cond_t cond;
	unsigned n, ready, failed, serving;
	bool go, stop;
	struct fuse_ring *v[FUSE_THREADS_MAX];
};

static void
submit(struct fuse_ring *r, uint32_t op, uint64_t commit_id)
{
	struct io_uring_sqe *s = io_uring_get_sqe(&r->ur);
	struct ring_cmd c = { .commit_id = commit_id, .queue = r->queue };

	if (s == NULL)
		return;			/* never: one at a time */
	memset(s, 0, 2 * sizeof *s);	/* SQE128 */
	s->opcode = IORING_OP_URING_CMD;
	s->fd = r->w.fd;
	if (op == CMD_REGISTER) {
		s->addr = (uint64_t)(uintptr_t)r->lent;
		s->len = 2;
	}
	memcpy(&s->off, &op, sizeof op);	/* cmd_op */
	memcpy(&s->addr3, &c, sizeof c);	/* where the command begins */
	io_uring_submit(&r->ur);
}

void
fuse_ring_put(struct fuse_ring *r, uint64_t unique, int os,
    const struct iovec *body, int nbody)
{
	struct fuse_out_header h = { .error = -os, .unique = unique };
	uint8_t *to = r->room + ROOM_HEAD;
	int i;

	for (i = 0; i < nbody; i++) {
		memmove(to, body[i].iov_base, body[i].iov_len);
		to += body[i].iov_len;
	}
	r->head->entry.payload = (uint32_t)(to - r->room - ROOM_HEAD);
	h.len = (uint32_t)sizeof h + r->head->entry.payload;
	memcpy(r->head->header, &h, sizeof h);
	r->answered = true;
	submit(r, CMD_COMMIT, r->commit_id);
}

/* The request in one piece: its head is put before the payload. */
static void
serve(struct fuse_ring *r)
{
	struct fuse_in_header h;
	size_t op;
	uint8_t *p;

	memcpy(&h, r->head->header, sizeof h);
	r->commit_id = r->head->entry.commit_id;
	r->answered = false;
	op = h.len - sizeof h - r->head->entry.payload;
	if (op <= RING_OP) {
		p = r->room + ROOM_HEAD - op - sizeof h;
		memcpy(p, &h, sizeof h);
		memcpy(p + sizeof h, r->head->op, op);
		fuse_serve(&r->w, p, h.len);
	}
	if (!r->answered)		/* its entry must not be lost */
		fuse_ring_put(r, h.unique, EIO, NULL, 0);
}

/* 1: there is a request; 0: not yet; -1: the session is over. */
static int
await(struct fuse_ring *r)
{
	struct io_uring_cqe *c;
	int rc = io_uring_submit_and_wait(&r->ur, 1);

	if (io_uring_peek_cqe(&r->ur, &c) != 0)
		return rc == -EINTR || rc >= 0 ? 0 : -1;
	rc = c->res;
	io_uring_cqe_seen(&r->ur, c);
	return rc == 0 ? 1 : -1;
}

/* A ring that takes commands of FUSE and nothing else: no way around the
 * list of allowed system calls. */
static bool
ring_make(struct fuse_ring *r)
{
	struct io_uring_params p = { .flags = IORING_SETUP_SQE128 |
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
		IORING_SETUP_R_DISABLED };
	struct io_uring_restriction only = {
		.opcode = IORING_RESTRICTION_SQE_OP,
		.sqe_op = IORING_OP_URING_CMD };

	r->set_up = io_uring_queue_init_params(RING_ENTRIES, &r->ur,
	    &p) == 0;
	/* By hand: Debian's liburing does not export the two. */
	return r->set_up && syscall(SYS_io_uring_register, r->ur.ring_fd,
	    IORING_REGISTER_RESTRICTIONS, &only, 1) == 0 &&
	    syscall(SYS_io_uring_register, r->ur.ring_fd,
	    IORING_REGISTER_ENABLE_RINGS, NULL, 0) == 0;
}

static bool
set_up(struct fuse_ring *r)
{
	struct fuse_rings *rs = r->w.f->rings;
	bool made = ring_make(r), go;

	pthread_mutex_lock(&rs->lock);
	*(made ? &rs->ready : &rs->failed) += 1;
	pthread_cond_broadcast(&rs->cond);
	while (!rs->go && !rs->stop)
		pthread_cond_wait(&rs->cond, &rs->lock);
	go = rs->go && !rs->stop && made;
	pthread_mutex_unlock(&rs->lock);
	return go;
}

static void
pin_to(unsigned cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	/* Slower where it is not allowed; not wrong. */
	(void)pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

static void *
ring_main(void *arg)
{
	struct fuse_ring *r = arg;
	struct fuse_front *f = r->w.f;
	int rc = 0;

	pin_to(r->queue);
	if (!set_up(r))
		return NULL;
	submit(r, CMD_REGISTER, 0);
	while (!atomic_load(&f->stopping) && (rc = await(r)) >= 0)
		if (rc == 1)
			serve(r);
	fuse_worker_ended(f);
	return NULL;
}

/* --- all of them ----------------------------------------------------- */

unsigned
fuse_ring_queues(void)
{
	FILE *t = fopen("/sys/devices/system/cpu/possible", "re");
	unsigned first, last = 0;
	int n;

	if (t == NULL)
		return 0;
	n = fscanf(t, "%u-%u", &first, &last);
	fclose(t);
	return n < 1 || first != 0 ? 0 : n == 1 ? 1 : last + 1;
}

static void
ring_free(struct fuse_ring *r)
{
	if (r == NULL)
		return;
	if (r->set_up)
		io_uring_queue_exit(&r->ur);
	if (r->room != NULL)
		munmap(r->room, ROOM_HEAD + FUSE_BUF);
	if (r->w.out != NULL)
		munmap(r->w.out, FUSE_BUF);
	free(r->head);
	free(r);
}

static void *
pages(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* n is among all threads of the front, the queue's CPU its own. */
static struct fuse_ring *
ring_new(struct fuse_front *f, unsigned n, unsigned queue)
{
	struct fuse_ring *r = calloc(1, sizeof *r);

	if (r == NULL)
		return NULL;
	r->w.f = f;
	r->w.n = n;
	r->w.fd = f->worker[n % f->nworkers]->fd;
	r->w.ring = r;
	r->queue = (uint16_t)queue;
	r->head = calloc(1, sizeof *r->head);
	r->room = pages(ROOM_HEAD + FUSE_BUF);
	r->w.out = pages(FUSE_BUF);
	if (r->head == NULL || r->room == NULL || r->w.out == NULL) {
		ring_free(r);
		return NULL;
	}
	r->lent[0] = (struct iovec){ r->head, sizeof *r->head };
	r->lent[1] = (struct iovec){ r->room + ROOM_HEAD, FUSE_BUF };
	return r;
}

static bool
threads_start(struct fuse_front *f, struct fuse_rings *rs)
{
	unsigned q, i, nq = f->conf.ring_queues, each = 0;
	struct fuse_ring *r;

	if (nq > 0 && f->nworkers < FUSE_THREADS_MAX)
		each = (FUSE_THREADS_MAX - f->nworkers) / nq;
	if (each > THREADS_EACH)
		each = THREADS_EACH;
	for (q = 0; each > 0 && q < nq; q++)
		for (i = 0; i < each; i++) {
			r = ring_new(f, f->nworkers + rs->n, q);
			if (r == NULL)
				return false;
			if (pthread_create(&r->w.thread, NULL, ring_main,
			    r) != 0) {
				ring_free(r);
				return false;
			}
			r->w.started = true;
			rs->v[rs->n++] = r;
		}
	return rs->n > 0;
}

void
fuse_rings_start(struct fuse_front *f)
{
	struct fuse_rings *rs = calloc(1, sizeof *rs);
	bool ok;

	if (rs == NULL)
		return;
	pthread_mutex_init(&rs->lock, NULL);
	pthread_cond_init(&rs->cond, NULL);
	f->rings = rs;
	ok = threads_start(f, rs);
	pthread_mutex_lock(&rs->lock);
	while (rs->ready + rs->failed < rs->n)
		pthread_cond_wait(&rs->cond, &rs->lock);
	ok = ok && rs->failed == 0;
	pthread_mutex_unlock(&rs->lock);
	if (!ok)
		fuse_rings_stop(f);
}

void
fuse_rings_go(struct fuse_front *f)
{
	struct fuse_rings *rs = f->rings;

	pthread_mutex_lock(&rs->lock);
	rs->go = true;
	rs->serving = rs->n;
	atomic_fetch_add(&f->alive, rs->n);
	pthread_cond_broadcast(&rs->cond);
	pthread_mutex_unlock(&rs->lock);
}

void
fuse_rings_stop(struct fuse_front *f)
{
	struct fuse_rings *rs = f->rings;
	unsigned i;

	if (rs == NULL)
		return;
	pthread_mutex_lock(&rs->lock);
	rs->stop = true;
	pthread_cond_broadcast(&rs->cond);
	pthread_mutex_unlock(&rs->lock);
	for (i = 0; i < rs->n; i++)
		fuse_worker_join(&rs->v[i]->w);
	for (i = 0; i < rs->n; i++)
		ring_free(rs->v[i]);
	pthread_cond_destroy(&rs->cond);
	pthread_mutex_destroy(&rs->lock);
	free(rs);
	f->rings = NULL;
}

unsigned
fuse_rings_serving(const struct fuse_front *f)
{
	return f->rings != NULL ? f->rings->serving : 0;
}

void
fuse_rings_each(struct fuse_front *f,
    void (*fn)(void *arg, struct fuse_worker *w), void *arg)
{
	unsigned i;

	for (i = 0; f->rings != NULL && i < f->rings->n; i++)
		fn(arg, &f->rings->v[i]->w);
}

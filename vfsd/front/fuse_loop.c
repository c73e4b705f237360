/*
 * fuse_loop.c - the threads that read requests, and what they count
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "fuse_dir.h"
#include "fuse_uring.h"

#define THREADS_MIN	4u

struct fuse_row {
	const char *name;
	size_t fixed;			/* least length after the header */
	bool opened;
	fuse_handler *run;
};

static const struct fuse_row rows[FUSE_OP_COUNT] = {
#define FUSE_OP(n, NAME, name, fixed, opened) \
	[n] = { #NAME, fixed, opened, fuse_do_##name },
#include "fuse_ops.def"
#undef FUSE_OP
};

const char *
fuse_op_name(unsigned opcode)
{
	return opcode < FUSE_OP_COUNT ? rows[opcode].name : NULL;
}

static void
env_fill(struct req_env *e, const struct fuse_front *f,
    const struct fuse_in_header *h)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	*e = (struct req_env){
		.now = { ts.tv_sec, (uint32_t)ts.tv_nsec },
		.uid = h->uid, .gid = h->gid, .pid = h->pid,
		.from_kernel = true, .kernel_checked = !f->conf.own_checks,
		.privileged = h->uid == 0, .trace_id = h->unique,
	};
	fuse_groups(f, e);
}

void
fuse_serve(struct fuse_worker *w, const uint8_t *p, size_t n)
{
	const struct fuse_in_header *h = (const void *)p;
	struct freq q = { .f = w->f, .w = w, .h = h };
	const struct fuse_row *row;
	size_t ext;
	int err;

	if (n < sizeof *h || h->len != n) {
		atomic_fetch_add(&w->malformed, 1);
		return;
	}
	row = h->opcode < FUSE_OP_COUNT ? &rows[h->opcode] : NULL;
	if (row == NULL || row->run == NULL) {
		atomic_fetch_add(&w->unknown, 1);
		freq_errno(&q, ENOSYS);
		return;
	}
	q.body = p + sizeof *h;
	q.n = n - sizeof *h;
	ext = h->total_extlen * (size_t)8;
	if (ext > q.n || q.n - ext < row->fixed) {
		atomic_fetch_add(&w->malformed, 1);
		freq_errno(&q, EINVAL);
		return;
	}
	q.n -= ext;
	q.t0_ns = clock_ns();
	env_fill(&q.env, w->f, h);
	q.env.no_modes = row->opened;
	err = row->run(&q);
	if (err < 0)
		freq_errno(&q, vfs_err_errno(err));
	if (q.watched)
		visible_leave(w->f->visible, w->n);
	if (!q.later)
		freq_count(&q);
}

static void *
worker_main(void *arg)
{
	struct fuse_worker *w = arg;
	size_t n;

	while ((n = fuse_turn_read(w)) > 0)
		fuse_serve(w, w->in, n);
	fuse_worker_ended(w->f);
	return NULL;
}

void
fuse_worker_ended(struct fuse_front *f)
{
	if (atomic_fetch_sub(&f->alive, 1) == 1 && f->conf.ended != NULL)
		f->conf.ended(f->conf.arg);
}

static void
on_wake(int sig)
{
	(void)sig;			/* read() returns EINTR, no more */
}

unsigned
fuse_front_threads(void)
{
	cpu_set_t set;
	unsigned n = 0;

	if (sched_getaffinity(0, sizeof set, &set) == 0)
		n = (unsigned)CPU_COUNT(&set);
	if (n > FUSE_THREADS_MAX)
		return FUSE_THREADS_MAX;
	/* One may wait for a flush, others for a disk. */
	return n < THREADS_MIN ? THREADS_MIN : n;
}

static uint8_t *
buffer_new(void)
{
	void *p = mmap(NULL, FUSE_BUF, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void
worker_free(struct fuse_worker *w)
{
	if (w == NULL)
		return;
	if (w->in != NULL)
		munmap(w->in, FUSE_BUF);
	if (w->out != NULL)
		munmap(w->out, FUSE_BUF);
	close(w->fd);
	free(w);
}

static struct fuse_worker *
worker_new(struct fuse_front *f, unsigned n, int fd)
{
	struct fuse_worker *w = calloc(1, sizeof *w);

	if (w == NULL)
		return NULL;
	w->f = f;
	w->n = n;
	w->fd = fd;
	(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	w->in = buffer_new();
	w->out = buffer_new();
	if (w->in == NULL || w->out == NULL) {
		worker_free(w);
		return NULL;
	}
	return w;
}

static int
workers_start(struct fuse_front *f, const int *fds)
{
	struct sigaction sa = { .sa_handler = on_wake };
	unsigned i;

	sigaction(SIGUSR1, &sa, NULL);	/* no SA_RESTART */
	for (i = 0; i < f->conf.nfds; i++) {
		if ((f->worker[i] = worker_new(f, i, fds[i])) == NULL)
			return -VFS_NOMEM;
		f->nworkers = i + 1;
	}
	if (f->conf.ring_queues > 0 && f->locks == NULL)	/* a lock answers later */
		fuse_rings_start(f);
	atomic_store(&f->alive, f->nworkers);
	for (i = 0; i < f->nworkers; i++) {
		if (pthread_create(&f->worker[i]->thread, NULL, worker_main,
		    f->worker[i]) != 0)
			return -VFS_NOMEM;
		f->worker[i]->started = true;
	}
	return 0;
}

int
fuse_front_start(const struct fuse_front_conf *conf, struct fuse_front **out)
{
	struct fuse_front *f;
	int err = -VFS_NOMEM;

	if (conf->nfds == 0 || conf->nfds > FUSE_THREADS_MAX)
		return -VFS_INVAL;
	if ((f = calloc(1, sizeof *f)) == NULL)
		return -VFS_NOMEM;
	f->conf = *conf;
	fuse_turn_init(&f->turn);
	f->visible = server_visible(conf->server);
	f->notice_fd = conf->notice_fd > 0 ? conf->notice_fd : conf->fds[0];
	f->conf.fds = NULL;		/* the caller's array */
	if (conf->store != NULL && (f->store = strdup(conf->store)) == NULL)
		goto out;
	if ((err = fuse_handles_new(&f->handles)) < 0 ||
	    (err = fuse_groups_read(f)) < 0)
		goto out;
	if (conf->shared_locks)
		f->locks = server_locks(conf->server);
	if ((err = fuse_notify_start(f)) < 0 ||	/* before the first reply */
	    (err = fuse_ahead_start(f)) < 0)
		goto out;
	if ((err = workers_start(f, conf->fds)) < 0)
		goto out;
	*out = f;
	f = NULL;
out:
	fuse_front_stop(f);
	return err;
}

/* A thread between its look at stopping and its read misses a signal, so
 * it gets them until it is gone. */
void
fuse_worker_join(struct fuse_worker *w)
{
	struct timespec until;

	if (w == NULL || !w->started)
		return;
	do {
		pthread_kill(w->thread, SIGUSR1);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += 5000000;
		if (until.tv_nsec >= 1000000000) {
			until.tv_nsec -= 1000000000;
			until.tv_sec++;
		}
	} while (pthread_timedjoin_np(w->thread, NULL, &until) != 0);
}

void
fuse_front_stop(struct fuse_front *f)
{
	unsigned i;

	if (f == NULL)
		return;
	fuse_notify_stop(f);
	atomic_store(&f->stopping, true);
	fuse_turn_end(&f->turn);
	locks_interrupt_all(f->locks);
	for (i = 0; i < f->nworkers; i++)
		fuse_worker_join(f->worker[i]);
	locks_interrupt_all(f->locks);	/* they may have begun to wait */
	while (atomic_load(&f->later) > 0)
		usleep(1000);		/* flushes under way end by themselves */
	fuse_rings_stop(f);
	fuse_notify_free(f);
	fuse_ahead_stop(f);
	for (i = 0; i < f->nworkers; i++)
		worker_free(f->worker[i]);
	if (f->conf.notice_fd > 0)
		close(f->conf.notice_fd);
	fuse_handles_free(f->handles);
	fuse_turn_destroy(&f->turn);
	free(f->store);
	free(f->groups);
	free(f);
}

static void
add_up(struct fuse_count *to, struct counter *c)
{
	uint64_t max = atomic_load(&c->ns_max);

	to->calls += atomic_load(&c->calls);
	to->errors += atomic_load(&c->errors);
	to->ns_total += atomic_load(&c->ns_total);
	if (max > to->ns_max)
		to->ns_max = max;
}

static void
add_worker(void *arg, struct fuse_worker *w)
{
	struct fuse_stats *out = arg;
	unsigned i;

	for (i = 0; i < FUSE_OP_COUNT; i++)
		add_up(&out->op[i], &w->count[i]);
	out->unknown += atomic_load(&w->unknown);
	out->malformed += atomic_load(&w->malformed);
}

void
fuse_front_stats(struct fuse_front *f, struct fuse_stats *out)
{
	unsigned i;

	*out = (struct fuse_stats){
		.handles = fuse_handles_open(f->handles),
		.minor = atomic_load(&f->minor),
		.flags = atomic_load(&f->flags),
		.threads = f->nworkers,
		.rings = fuse_rings_serving(f),
	};
	fuse_ahead_count(f, out);
	for (i = 0; i < f->nworkers; i++)
		add_worker(out, f->worker[i]);
	fuse_rings_each(f, add_worker, out);
}

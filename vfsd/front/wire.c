/*
 * wire.c - start and end; the threads, and who polls
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "../addr.h"
#include "closer.h"
#include "quiet.h"
#include "wire_in.h"

#define STREAK_MAX	8u		/* requests between two polls */

void
wire_poke(struct wire *w)
{
	uint64_t one = 1;

	while (write(w->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
		;
}

/* --- who does what -------------------------------------------------------- */

void
wire_wake(struct wire *w)
{
	if (w->idle == 0)
		return;
	w->idle--;
	w->tickets++;
	w->n.wakes++;
	pthread_cond_signal(&w->wake);
}

static bool
woken(const struct wire *w)
{
	return w->tickets > 0 || w->quit;
}

/* Waits for a ticket, but not for ever. */
static void
doze(struct wire *w)
{
	struct timespec until = clock_at(clock_ns() +
	    WIRE_WATCH_MS * 1000000u);

	while (!woken(w) && pthread_cond_clockwait(&w->wake, &w->lock,
	    CLOCK_MONOTONIC, &until) == 0)
		;
}

/*
 * As long as the poller runs requests itself, one idle thread looks now
 * and then whether it is still at the same one: what should not block may
 * do so all the same, when a page has to come from a slow disk.  True: it
 * polls no more.
 */
static bool
watch_poller(struct wire *w)
{
	bool stuck = false;

	w->watching = true;
	while (!stuck && !woken(w) && w->watched != w->inline_runs) {
		w->watched = w->inline_runs;
		doze(w);
		stuck = w->inline_ms != 0 && w->watched == w->inline_runs &&
		    w->inline_ms + WIRE_WATCH_MS <= clock_ms();
	}
	w->watching = false;
	return stuck;
}

static void
rest(struct wire *w)
{
	w->idle++;
	while (!woken(w)) {
		if (w->watching || w->watched == w->inline_runs) {
			pthread_cond_wait(&w->wake, &w->lock);
		} else if (watch_poller(w) && !woken(w)) {
			w->poller = NULL;
			w->inline_ms = 0;
			w->n.handovers++;
			w->idle--;
			return;
		}
	}
	if (w->tickets > 0)
		w->tickets--;
}

/* The poller is about to run a request itself. */
static void
inline_begin(struct wire *w)
{
	w->inline_ms = clock_ms();
	w->inline_runs++;
	if (!w->watching)
		wire_wake(w);		/* to watch */
}

static void
run_job(struct wire *w, struct wire_req *q)
{
	bool chore = q->chore != NULL;

	q->job(q);
	if (!chore) {
		pthread_mutex_lock(&w->lock);
		wire_settle(q);
		pthread_mutex_unlock(&w->lock);
		w->reap = true;
		wire_poke(w);
	}
	wire_req_free(q);
}

/* Called and returns with w->lock held. */
static void
run_one(struct wire_work *k, struct wire_req *q)
{
	struct wire *w = k->w;
	bool lane = q->class == WIRE_LANE, waits = q->class == WIRE_WAIT;

	if (w->poller == k && q->class == WIRE_QUICK) {
		inline_begin(w);
	} else if (w->poller == k) {
		w->poller = NULL;	/* wire_pick saw an idle one */
		w->n.handovers += q->job == NULL;
		wire_wake(w);
	}
	w->ordinary += !lane;
	w->waiting += waits;
	if (!lane)
		k->turn = wire_turn_of(q);
	pthread_mutex_unlock(&w->lock);
	if (q->job != NULL)
		run_job(w, q);
	else
		wire_run(k, q);
	pthread_mutex_lock(&w->lock);
	if (w->poller == k)
		w->inline_ms = 0;
	w->ordinary -= !lane;
	w->waiting -= waits;
	k->turn = (struct wire_turn){ 0 };
}

/* Between long rows of quick requests the control lane is looked at. */
static bool
must_poll(struct wire_work *k)
{
	if (k->w->poller != k || ++k->streak <= STREAK_MAX)
		return false;
	k->streak = 0;
	return true;
}

static void
poll_unlocked(struct wire_work *k, bool wait)
{
	pthread_mutex_unlock(&k->w->lock);
	wire_poll(k, wait);
	pthread_mutex_lock(&k->w->lock);
}

static void *
thread(void *arg)
{
	struct wire_work *k = arg;
	struct wire *w = k->w;
	struct wire_req *q;

	pthread_mutex_lock(&w->lock);
	while (!w->quit) {
		if (w->poller == NULL)
			w->poller = k;
		if (must_poll(k)) {
			poll_unlocked(k, false);
		} else if ((q = wire_pick(w, k)) != NULL) {
			run_one(k, q);
		} else if (w->poller == k) {
			k->streak = 0;
			poll_unlocked(k, true);
		} else {
			rest(w);
		}
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

void
wire_drain(struct wire_work *k)
{
	struct wire *w = k->w;
	struct wire_req *q;

	pthread_mutex_lock(&w->lock);
	while ((q = wire_pick(w, k)) != NULL)
		run_one(k, q);
	pthread_mutex_unlock(&w->lock);
}

/* --- the store's own socket --------------------------------------------------- */

/* Its address through the directory's descriptor: a path of any length
 * fits. */
static socklen_t
address(struct wire *w, struct sockaddr_un *sa)
{
	if (w->conf.no_file)
		return (socklen_t)addr_abstract(w->conf.store_dirfd, sa);
	memset(sa, 0, sizeof *sa);
	sa->sun_family = AF_UNIX;
	snprintf(sa->sun_path, sizeof sa->sun_path, "/proc/self/fd/%d/%s",
	    w->conf.store_dirfd, WIRE_SOCK);
	return sizeof *sa;
}

static int
listen_store(struct wire *w)
{
	struct sockaddr_un sa;
	socklen_t n = address(w, &sa);
	int fd;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	w->store = (struct listener){ .kind = &listen_unix, .fd = fd,
		.shown = "store" };
	if (fd < 0 || (!w->conf.no_file && unlinkat(w->conf.store_dirfd,
	    WIRE_SOCK, 0) < 0 && errno != ENOENT))
		return vfs_err_from_os(errno);
	fchmod(fd, 0600);
	if (bind(fd, (struct sockaddr *)&sa, n) < 0)
		return vfs_err_from_os(errno);
	w->bound = !w->conf.no_file;
	return listen(fd, 128) < 0 ? vfs_err_from_os(errno) : 0;
}

static int
open_places(struct wire *w)
{
	unsigned i;
	int err;

	if (w->conf.nlisteners > WIRE_PLACES_MAX ||
	    w->conf.nothers > WIRE_PLACES_MAX)
		return -VFS_INVAL;
	for (i = 0; i < w->conf.nothers; i++)
		w->others[w->nothers++] = w->conf.others[i];
	w->places[w->nplaces++] = &w->store;
	for (i = 0; i < w->conf.nlisteners; i++)
		w->places[w->nplaces++] = w->conf.listeners[i];
	if ((err = listen_store(w)) < 0)
		return err;
	return wire_watch_places(w);
}

/* --- start and end -------------------------------------------------------------- */

int
wire_work_init(struct wire *w, struct wire_work *k)
{
	k->w = w;
	k->msg = malloc(VFS_MSG_MAX);
	k->room = malloc(VFS_IO_MAX);
	k->status = malloc(sizeof *k->status);
	return k->msg == NULL || k->room == NULL || k->status == NULL ?
	    -VFS_NOMEM : 0;
}

void
wire_work_fini(struct wire_work *k)
{
	free(k->msg);
	free(k->room);
	free(k->status);
}

int
wire_init(struct wire *w, const struct wire_conf *conf)
{
	unsigned p;

	w->conf = *conf;
	w->store.fd = -1;
	w->trace = (uint64_t)time(NULL) << 24;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wake, NULL);
	TAILQ_INIT(&w->lane);
	for (p = 0; p < WIRE_PRIOS; p++)
		TAILQ_INIT(&w->prio[p]);
	w->nthreads = conf->threads != 0 ? conf->threads : WIRE_THREADS;
	w->stall_ms = conf->stall_ms != 0 ? conf->stall_ms : VFS_STALL_MS;
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->epoll_fd < 0 || w->wake_fd < 0)
		return vfs_err_from_os(errno);
	return w->nthreads > WIRE_SPARE && w->nthreads <= WIRE_THREADS_MAX ?
	    0 : -VFS_INVAL;
}

void
wire_fini(struct wire *w)
{
	unsigned i;

	for (i = 0; i < WIRE_CONNS_MAX; i++) {
		if (w->conns[i] == NULL)
			continue;
		pthread_mutex_destroy(&w->conns[i]->send_lock);
		free(w->conns[i]);
	}
	if (w->epoll_fd >= 0)
		close(w->epoll_fd);
	if (w->wake_fd >= 0)
		close(w->wake_fd);
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
}

static int
start_threads(struct wire *w)
{
	unsigned i;
	int os = 0;

	for (i = 0; i < w->nthreads && os == 0; i++) {
		os = quiet_create(&w->work[i].thread, thread, &w->work[i]);
		w->work[i].started = os == 0;
	}
	return os == 0 ? 0 : vfs_err_from_os(os);
}

int
wire_start(const struct wire_conf *conf, struct wire **out)
{
	struct wire *w = calloc(1, sizeof *w);
	unsigned i;
	int err;

	if (w == NULL)
		return -VFS_NOMEM;
	err = wire_init(w, conf);
	for (i = 0; i < w->nthreads && i < WIRE_THREADS_MAX && err == 0; i++)
		err = wire_work_init(w, &w->work[i]);
	if (err == 0)
		err = wire_check_start(&w->check,
		    server_engine(conf->server));
	if (err == 0)
		err = closer_start(&w->closer);
	if (err == 0)
		err = open_places(w);
	if (err == 0)
		err = start_threads(w);
	if (err < 0) {
		wire_stop(w);
		return err;
	}
	*out = w;
	return 0;
}

/* Requests that run are asked to stop, threads to end. */
static void
stop_threads(struct wire *w)
{
	struct wire_req *q;
	unsigned i;

	pthread_mutex_lock(&w->lock);
	w->quit = true;
	for (i = 0; i < WIRE_CONNS_MAX; i++)
		if (w->conns[i] != NULL)
			TAILQ_FOREACH(q, &w->conns[i]->reqs, in_conn)
				if (!q->queued)
					q->stop = -VFS_SESSION_CLOSED;
	pthread_cond_broadcast(&w->wake);
	pthread_mutex_unlock(&w->lock);
	wire_poke(w);
	for (i = 0; i < WIRE_THREADS_MAX; i++)
		if (w->work[i].started)
			pthread_join(w->work[i].thread, NULL);
	w->poller = NULL;
}

/* What was not begun is answered, and why it ends is told. */
static void
end_conn(struct wire_work *k, struct wire_conn *c)
{
	struct wire_queue drop = TAILQ_HEAD_INITIALIZER(drop);
	unsigned i;

	pthread_mutex_lock(&c->w->lock);
	for (i = 0; i < WIRE_SESSIONS; i++)
		wire_sess_end(&c->sess[i], NULL, &drop);
	pthread_mutex_unlock(&c->w->lock);
	wire_refuse_all(k, &drop, -VFS_SESSION_CLOSED);
	wire_farewell(c, -VFS_SESSION_CLOSED);
	pthread_mutex_lock(&c->w->lock);
	wire_conn_end(c);
	pthread_mutex_unlock(&c->w->lock);
}

static void
end_conns(struct wire *w)
{
	struct wire_work *k = &w->work[0];
	unsigned i;

	for (i = 0; i < WIRE_CONNS_MAX; i++)
		if (w->conns[i] != NULL && w->conns[i]->used)
			end_conn(k, w->conns[i]);
	wire_drain(k);
	wire_reap(w);
}

void
wire_stop(struct wire *w)
{
	unsigned i;

	if (w == NULL)
		return;
	stop_threads(w);
	if (w->bound)
		unlinkat(w->conf.store_dirfd, WIRE_SOCK, 0);
	if (w->work[0].started)		/* else nobody has come */
		end_conns(w);
	wire_check_stop(&w->check);
	closer_stop(w->closer);
	if (w->store.fd >= 0)
		close(w->store.fd);
	for (i = 0; i < WIRE_THREADS_MAX; i++)
		wire_work_fini(&w->work[i]);
	wire_fini(w);
	free(w);
}

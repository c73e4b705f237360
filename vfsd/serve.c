/*
 * serve.c - the server process: store, dispatcher, fronts
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "boot.h"
#include "core/core.h"
#include "server/dispatch.h"
#include "front/fuse.h"
#include "front/fronts.h"
#include "front/fuse_stats.h"
#include "front/wire.h"
#include "launch.h"
#include "sandbox.h"
#include "server/session.h"
#include "server/visible.h"

/* The sanitizers' runtimes want calls of their own. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED	true
#else
#define SANITIZED	false
#endif

struct serve {
	const struct conf *c;
	struct storedir *d;
	struct report *r;
	struct places *places;
	int sock;			/* to the launcher */
	int sigfd;
	int ready_fd, ended_fd;		/* eventfds, for the front */
	int null;			/* opened before the sandbox */
	unsigned ring_queues;		/* as null; 0 without option uring */
	bool by_root;			/* who started us */
	_Atomic int init_err;
	struct engine *engine;
	struct server *server;
	struct sessions *sessions;
	_Atomic(struct fuse_front *) fuse;	/* status looks, too */
	struct wire *wire;
	char *options;			/* that hold, for status */
	struct users *users;		/* read before the sandbox */
	void *fronts[FRONTS_MAX];	/* by row of fronts.c */
};

/* One line for the user, through the launcher. */
static int
failed(struct serve *s, const char *fmt, ...)
{
	char text[LAUNCH_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	launch_send(s->sock, LAUNCH_FAILED, text, NULL, 0);
	return -1;
}

/* --- the store ----------------------------------------------------- */

static const char *
advice(int err, const struct engine_lost *lost)
{
	if (lost != NULL && lost->what != NULL)
		return ": vfsctl check --repair makes a new one, but what was "
		    "acknowledged since the last checkpoint may be lost";
	switch (-err) {
	case VFS_NOSPC:
		return ": make room on the disk and try again";
	case VFS_CORRUPT:
		return ": see vfsctl check, or restore the store from a copy";
	case VFS_ROFS:
		return ": the disk is read-only, mount with -o ro";
	default:
		return "";
	}
}

static int
open_engine(struct serve *s, const struct core_root *root,
    const uint64_t boot[2])
{
	struct engine_lost lost = { NULL, NULL };
	struct engine_conf ec = {
		.dirfd = s->d->fd, .create = s->d->fresh,
		.rdonly = s->c->rdonly, .sync_all = s->c->sync_all,
		.journal_bytes_max = s->c->journal_max,
		.boot = { boot[0], boot[1] },
		.lost = &lost,
		.report = report_fault, .report_arg = s->r,
		.format = core_format, .format_arg = root,
	};
	struct engine_status st;
	struct timespec ts;
	int err;

	clock_gettime(CLOCK_REALTIME, &ts);
	ec.now = (struct vfs_time){ ts.tv_sec, (uint32_t)ts.tv_nsec };
	if (s->d->fresh && storedir_begin(s->d) != 0)
		return failed(s, "%s: cannot make the store: %s", s->c->store,
		    strerror(errno));
	s->r->quiet = true;		/* one line, ours */
	err = engine_open(&ec, &s->engine);
	s->r->quiet = false;
	if (err < 0)
		return failed(s, "%s: cannot %s the store: %s (%s)%s",
		    s->c->store, s->d->fresh ? "make" : "open",
		    s->r->last[0] ? s->r->last : "it failed",
		    vfs_err_text(err), advice(err, &lost));
	if (!s->d->fresh)
		return 0;
	engine_status(s->engine, &st);
	if (storedir_ready(s->d, st.uuid) != 0)
		return failed(s, "%s: cannot make the store: %s", s->c->store,
		    strerror(errno));
	return 0;
}

static void
on_denied(void *arg, const char *line)
{
	struct serve *s = arg;

	report_line(s->r, REPORT_NOTICE, "%s: %s", s->c->store, line);
}

static int
open_store(struct serve *s)
{
	struct core_root root = {
		.uid = getuid(), .gid = getgid(), .mode = 0755
	};
	struct server_conf sc = { .sync_all = s->c->sync_all };
	struct stat st = { .st_uid = getuid() };
	char why[256];
	uint64_t boot[2];
	int err;

	boot_id(boot);
	s->by_root = geteuid() == 0;
	if (sandbox_become_owner(s->d->fd, why, sizeof why) != 0)
		return failed(s, "%s: %s", s->c->store, why);
	prctl(PR_SET_PDEATHSIG, SIGKILL);	/* a new owner loses it */
	if (!s->c->no_sandbox &&
	    sandbox_files(s->d->fd, s->c->rdonly, why, sizeof why) != 0 &&
	    s->c->require_sandbox)
		return failed(s, "cannot confine: %s", why);
	if (open_engine(s, &root, boot) != 0)
		return -1;
	sc.engine = s->engine;
	if ((err = server_new(&sc, &s->server)) < 0)
		return failed(s, "%s: cannot serve the store: %s%s",
		    s->c->store, vfs_err_text(err), advice(err, NULL));
	(void)fstat(s->d->fd, &st);
	if ((err = sessions_new(s->server, st.st_uid, s->c->allow_peers,
	    &s->sessions)) < 0)
		return failed(s, "%s: cannot read the grants: %s",
		    s->c->store, vfs_err_text(err));
	sessions_on_denied(s->sessions, on_denied, s);
	return 0;
}

/* --- the fronts ---------------------------------------------------- */

static void
poke(int fd)
{
	uint64_t one = 1;

	if (write(fd, &one, sizeof one) != sizeof one)
		return;			/* it is awake already */
}

static void
on_ready(void *arg, int err)
{
	struct serve *s = arg;

	s->init_err = err;
	poke(s->ready_fd);
}

static void
on_ended(void *arg)
{
	struct serve *s = arg;

	poke(s->ended_fd);
}

static void
visible_status(struct serve *s, wire_put *put, void *to)
{
	struct visible_counts n;

	visible_counts(server_visible(s->server), &n);
	put(to, "visible.commits", n.commits);
	put(to, "visible.objects", n.objects);
	put(to, "visible.names", n.names);
	put(to, "visible.pages", n.pages);
	put(to, "visible.again", n.again);
	put(to, "visible.late", n.late);
	put(to, "visible.marks", n.marks);
}

/* What vfsctl status shows beside the engine's and dispatcher's. */
static void
more_status(void *arg, wire_put *put, void *to)
{
	struct serve *s = arg;
	struct fuse_stats st;
	char name[64];
	unsigned i;

	put(to, "pid", (uint64_t)getpid());
	for (i = 0; i < fronts_n; i++)
		if (s->fronts[i] != NULL && fronts[i].status != NULL)
			fronts[i].status(s->fronts[i], put, to);
	if (s->fuse == NULL)
		return;
	visible_status(s, put, to);
	fuse_front_stats(s->fuse, &st);
	put(to, "fuse.minor", st.minor);
	put(to, "fuse.flags", st.flags);
	put(to, "fuse.threads", st.threads);
	put(to, "fuse.rings", st.rings);
	put(to, "fuse.handles", st.handles);
	put(to, "fuse.pages_ahead", st.pages_ahead);
	put(to, "fuse.pages_sent", st.pages_sent);
	put(to, "fuse.pages_stale", st.pages_stale);
	put(to, "fuse.malformed", st.malformed);
	put(to, "fuse.unknown", st.unknown);
	for (i = 0; i < FUSE_OP_COUNT; i++) {
		if (st.op[i].calls == 0)
			continue;
		snprintf(name, sizeof name, "fuse.%s.calls", fuse_op_name(i));
		put(to, name, st.op[i].calls);
		snprintf(name, sizeof name, "fuse.%s.errors", fuse_op_name(i));
		put(to, name, st.op[i].errors);
		snprintf(name, sizeof name, "fuse.%s.ns", fuse_op_name(i));
		put(to, name, st.op[i].ns_total);
		snprintf(name, sizeof name, "fuse.%s.ns_max", fuse_op_name(i));
		put(to, name, st.op[i].ns_max);
	}
}

/* The last one is for notices. */
static int
start_fuse(struct serve *s, const int *fds, unsigned nfds)
{
	struct fuse_front_conf fc = {
		.server = s->server, .fds = fds, .nfds = nfds - 1,
		.notice_fd = fds[nfds - 1],
		.store = s->c->store, .direct = s->c->direct,
		.direct_new = s->c->direct_new,
		.ring_queues = s->ring_queues,
		.shared_locks = s->c->shared_locks,
		.own_checks = s->c->own_checks,
		.atime = s->c->atime && !s->c->rdonly,
		.ready = on_ready, .ended = on_ended, .arg = s,
	};
	struct fuse_front *f = NULL;
	int err = fuse_front_start(&fc, &f);

	s->fuse = f;
	if (err < 0)
		return failed(s, "cannot serve %s: %s", s->c->mountpoint,
		    vfs_err_text(err));
	return 0;
}

/* The listeners of one front, or (but) of all others; "" is the wire. */
static unsigned
places_of(struct serve *s, const char *front, bool but,
    struct listener *out[])
{
	unsigned i, n = 0;

	for (i = 0; i < s->places->n; i++)
		if ((strcmp(s->places->v[i]->front, front) == 0) != but)
			out[n++] = s->places->v[i];
	return n;
}

static int
start_wire(struct serve *s)
{
	struct listener *v[CONF_LISTEN_MAX], *others[CONF_LISTEN_MAX];
	struct wire_conf wc = {
		.server = s->server, .sessions = s->sessions,
		.store_dirfd = s->d->fd,
		.options = s->options,
		.more = more_status, .more_arg = s,
		.no_file = s->c->rdonly,	/* a socket would be a write */
		.listeners = v, .nlisteners = places_of(s, "", false, v),
		.others = others, .nothers = places_of(s, "", true, others),
	};
	int err;

	if ((err = wire_start(&wc, &s->wire)) < 0)
		return failed(s, "%s: cannot make the control socket: %s%s",
		    s->c->store, vfs_err_text(err), advice(err, NULL));
	return 0;
}

static int
start_fronts(struct serve *s)
{
	struct listener *v[CONF_LISTEN_MAX];
	struct front_conf fc = {
		.server = s->server, .sessions = s->sessions,
		.others = s->c->allow_peers,
		.listeners = v,
		.atime = s->c->atime && !s->c->rdonly, .users = s->users,
	};
	struct stat st;
	unsigned i;
	int err;

	if (fstat(s->d->fd, &st) == 0)
		fc.owner = st.st_uid;
	for (i = 0; i < fronts_n; i++) {
		fc.nlisteners = places_of(s, fronts[i].name, false, v);
		if (fc.nlisteners == 0)
			continue;
		if ((err = fronts[i].start(&fc, &s->fronts[i])) < 0)
			return failed(s, "cannot serve %s: %s",
			    v[0]->shown, vfs_err_text(err));
	}
	return 0;
}

/* All threads exist: close the last door, and say that we serve. */
static int
settle(struct serve *s)
{
	char why[256];

	if (s->init_err == -VFS_UNSUPPORTED)
		return failed(s, "nodefault_permissions needs FUSE 7.44 "
		    "(Linux 6.16)");
	if (s->init_err < 0)
		return failed(s, "this kernel's FUSE is too old: 7.%d or "
		    "newer is needed (Linux 5.4)", 31);
	if (!s->c->foreground) {
		report_to_syslog(s->r);
		dup2(s->null, STDIN_FILENO);
		dup2(s->null, STDOUT_FILENO);
		dup2(s->null, STDERR_FILENO);
	}
	if (s->by_root)
		sandbox_hide();
	if (!s->c->no_sandbox && !SANITIZED &&
	    sandbox_calls(why, sizeof why) != 0 &&
	    s->c->require_sandbox)
		return failed(s, "cannot confine: %s", why);
	launch_send(s->sock, LAUNCH_READY, NULL, NULL, 0);
	return 0;
}

/* --- the loop ------------------------------------------------------ */

/* 1: go on; 0: end; -1: end, badly. */
static int
on_launcher(struct serve *s)
{
	struct launch_msg m;
	int fds[FUSE_THREADS_MAX];
	unsigned n;

	if (launch_recv(s->sock, &m, fds, &n) != 1 || m.word == LAUNCH_QUIT)
		return 0;
	if (m.word != LAUNCH_SESSION || s->fuse != NULL)
		return 1;
	if (n < 2)
		return failed(s, "cannot serve %s: too many open files",
		    s->c->mountpoint);
	if (start_wire(s) != 0 || start_fronts(s) != 0 ||
	    start_fuse(s, fds, n) != 0)
		return -1;
	return 1;
}

static int
loop(struct serve *s)
{
	struct signalfd_siginfo si;
	struct pollfd p[4] = {
		{ .fd = s->sock, .events = POLLIN },
		{ .fd = s->ready_fd, .events = POLLIN },
		{ .fd = s->ended_fd, .events = POLLIN },
		{ .fd = s->sigfd, .events = POLLIN },
	};
	int rc;

	for (;;) {
		if (poll(p, 4, -1) <= 0)
			continue;
		if (p[2].revents != 0) {
			launch_send(s->sock, LAUNCH_ENDED, NULL, NULL, 0);
			return 0;
		}
		if (p[0].revents != 0 && (rc = on_launcher(s)) != 1)
			return rc;
		if (p[1].revents != 0) {
			p[1].fd = -1;	/* once */
			if (settle(s) != 0)
				return -1;
		}
		if (p[3].revents != 0 &&
		    read(s->sigfd, &si, sizeof si) == sizeof si)
			launch_send(s->sock, LAUNCH_UNMOUNT, NULL, NULL, 0);
	}
}

static int
start(struct serve *s)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGPIPE);
	sigprocmask(SIG_SETMASK, &set, NULL);
	sigdelset(&set, SIGPIPE);
	s->sigfd = signalfd(-1, &set, SFD_CLOEXEC);
	s->ready_fd = eventfd(0, EFD_CLOEXEC);
	s->ended_fd = eventfd(0, EFD_CLOEXEC);
	s->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	s->options = conf_options(s->c);
	if (s->c->uring)
		s->ring_queues = fuse_ring_queues();
	if (s->sigfd < 0 || s->ready_fd < 0 || s->ended_fd < 0 || s->null < 0)
		return failed(s, "cannot start: %s", strerror(errno));
	if (s->places->n > 0 && users_read("/etc/passwd", "/etc/group",
	    &s->users) < 0)
		return failed(s, "cannot start: %s",
		    vfs_err_text(-VFS_NOMEM));
	return open_store(s);
}

int
serve_run(const struct conf *c, struct storedir *d, struct report *r,
    struct places *places, int sock)
{
	struct serve s = { .c = c, .d = d, .r = r, .places = places,
		.sock = sock };
	unsigned i;
	int rc, err = 0;

	rc = start(&s);
	if (rc == 0 && c->mount_arg == NULL)
		rc = start_wire(&s) != 0 || start_fronts(&s) != 0 ? -1 :
		    settle(&s);
	else if (rc == 0)
		launch_send(sock, LAUNCH_OPENED, NULL, NULL, 0);
	if (rc == 0)
		rc = loop(&s);
	for (i = 0; i < fronts_n; i++)
		if (s.fronts[i] != NULL)
			fronts[i].stop(s.fronts[i]);
	wire_stop(s.wire);
	fuse_front_stop(s.fuse);
	sessions_free(s.sessions);
	server_free(s.server);
	users_free(s.users);
	free(s.options);
	if (s.engine != NULL)
		err = engine_close(s.engine);
	if (err < 0)
		report_line(r, REPORT_ERROR, "%s: closing: %s", c->store,
		    vfs_err_text(err));
	return rc < 0 || err < 0 ? 1 : 0;
}

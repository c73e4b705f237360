#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "front/fuse.h"
#include "launch.h"
#include "mount.h"

/* How long a busy mount's open files are still served once it was told
 * to end. */
#define LINGER_MS	5000

struct launch {
	const struct conf *c;
	struct report *r;
	struct storedir *d;
	struct mount mount;
	struct places places;
	bool served, mounted, ending, busy, failed;
	bool quit;			/* the server was told to */
	int sock, sigfd, ready;
	int heir;			/* a clone of the session, for when the
					 * server dies and we may not force an
					 * unmount; -1: none */
	pid_t server;
	int timeout_ms;
};

int
launch_send(int sock, enum launch_word word, const char *text,
    const int *fds, unsigned nfds)
{
	struct launch_msg m = { .word = (char)word };
	char room[CMSG_SPACE(sizeof(int) * FUSE_THREADS_MAX)] = { 0 };
	struct iovec v = { &m, sizeof m };
	struct msghdr h = { .msg_iov = &v, .msg_iovlen = 1 };
	struct cmsghdr *cm;

	if (text != NULL)
		snprintf(m.text, sizeof m.text, "%s", text);
	if (nfds > 0) {
		h.msg_control = room;
		h.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		cm = CMSG_FIRSTHDR(&h);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(cm), fds, sizeof(int) * nfds);
	}
	return sendmsg(sock, &h, MSG_NOSIGNAL) == sizeof m ? 0 : -1;
}

int
launch_recv(int sock, struct launch_msg *m, int *fds, unsigned *nfds)
{
	char room[CMSG_SPACE(sizeof(int) * FUSE_THREADS_MAX)];
	struct iovec v = { m, sizeof *m };
	struct msghdr h = { .msg_iov = &v, .msg_iovlen = 1,
	    .msg_control = room, .msg_controllen = sizeof room };
	struct cmsghdr *cm;
	ssize_t n;

	do
		n = recvmsg(sock, &h, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	*nfds = 0;
	if (n == 0)
		return 0;
	if (n != sizeof *m)
		return -1;
	cm = CMSG_FIRSTHDR(&h);
	if (cm != NULL && cm->cmsg_type == SCM_RIGHTS) {
		*nfds = (unsigned)((cm->cmsg_len - CMSG_LEN(0)) /
		    sizeof(int));
		memcpy(fds, CMSG_DATA(cm), *nfds * sizeof(int));
	}
	return 1;
}

static void
hand_over(struct launch *l, int session)
{
	int fds[FUSE_THREADS_MAX];
	unsigned i, n = fuse_front_threads();

	if (n == FUSE_THREADS_MAX)
		n--;
	fds[0] = session;
	for (i = 1; i < n + 1; i++)	/* and one for notices */
		if ((fds[i] = mount_clone(session)) < 0)
			break;
	n = i;
	if (launch_send(l->sock, LAUNCH_SESSION, NULL, fds, n) != 0)
		l->failed = true;
	/* Ours are closed, so that the server's end is the session's. */
	for (i = 0; i < n; i++)
		close(fds[i]);
}

static void
quit(struct launch *l)
{
	launch_send(l->sock, LAUNCH_QUIT, NULL, NULL, 0);
	l->quit = true;
	l->timeout_ms = -1;
}

static void
do_mount(struct launch *l)
{
	struct mount_conf mc = {
		.source = l->c->fsname[0] ? l->c->fsname : l->c->store,
		.path = l->c->mountpoint, .flags = l->c->mount_flags,
		.allow_other = l->c->allow_other,
		.own_checks = l->c->own_checks,
	};
	char why[512];
	int fd;

	if (mount_attach(&mc, &l->mount, &fd, why, sizeof why) != 0) {
		report_line(l->r, REPORT_ERROR, "%s", why);
		l->failed = true;
		quit(l);
		return;
	}
	l->mounted = true;
	if (l->mount.helper)
		l->heir = mount_clone(fd);
	hand_over(l, fd);
}

/* Asked to end: the first time politely, then at once. */
static void
do_end(struct launch *l)
{
	char why[512] = "";
	int rc;

	if (!l->served && l->ready >= 0)
		report_line(l->r, REPORT_NOTICE, "%s: told to end before it "
		    "was ready", l->c->store);
	if (l->ending || !l->mounted) {
		quit(l);
		return;
	}
	l->ending = true;
	rc = mount_detach(&l->mount, false, why, sizeof why);
	if (rc == 1) {
		report_line(l->r, REPORT_NOTICE, "%s is busy: taken away; "
		    "open files are served for %d more seconds", l->mount.path,
		    LINGER_MS / 1000);
		rc = mount_detach(&l->mount, true, why, sizeof why);
		l->busy = true;
	}
	if (rc == 0) {
		l->timeout_ms = LINGER_MS;
	} else {
		report_line(l->r, REPORT_ERROR, "%s", why);
		quit(l);
	}
}

/* systemd's Type=notify; without a socket of that name, nothing. */
static void
notify_systemd(void)
{
	static const char text[] = "READY=1";
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	size_t n = path != NULL ? strlen(path) : 0;
	int s;

	if (n < 2 || n >= sizeof a.sun_path)
		return;
	memcpy(a.sun_path, path, n);
	if (path[0] == '@')
		a.sun_path[0] = '\0';	/* an abstract name */
	s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s < 0)
		return;
	(void)sendto(s, text, sizeof text - 1, MSG_NOSIGNAL, (void *)&a,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
	close(s);
}

static void
do_ready(struct launch *l)
{
	l->served = true;
	notify_systemd();
	/* If nobody waits any more, loop is about to see that. */
	if (l->ready >= 0)
		(void)!write(l->ready, "r", 1);
}

/* Whoever waited for the mount has our word, or was told to end. */
static void
on_waiter(struct launch *l)
{
	char byte;

	if (read(l->ready, &byte, 1) == 1)
		report_to_syslog(l->r);
	else
		do_end(l);
	close(l->ready);
	l->ready = -1;
	/* Nobody waits for our words any more. */
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		close(null);
	}
}

/* Rather no mount than one that answers ENOTCONN. */
static void
take_away(struct launch *l)
{
	char why[512];

	if (mount_detach(&l->mount, true, why, sizeof why) == 0)
		return;
	report_line(l->r, REPORT_ERROR, "%s", why);
	l->failed = true;
}

/* Unmounted, most of the time; who aborts a session leaves the mount there. */
static void
on_end(struct launch *l)
{
	l->mounted = false;
	l->timeout_ms = -1;
	if (mount_is_dead(&l->mount))
		take_away(l);
}

/*
 * The server's files are closed, so it is dead or about to be, unless one
 * of its threads is held up in the kernel by somebody who waits for an
 * answer (front/fuse_tell.h).  Root ends the session; others answer.
 */
static void
on_death(struct launch *l)
{
	close(l->sock);			/* its SIGCHLD is on the way */
	l->sock = -1;
	if (!l->mounted || mount_abort(&l->mount) || l->heir < 0)
		return;
	mount_answer(l->heir, l->sigfd);
}

static void
on_message(struct launch *l)
{
	struct launch_msg m;
	int fds[FUSE_THREADS_MAX];
	unsigned n;

	if (launch_recv(l->sock, &m, fds, &n) != 1) {
		on_death(l);
		return;
	}
	m.text[sizeof m.text - 1] = '\0';
	switch (m.word) {
	case LAUNCH_OPENED:
		if (!l->quit)
			do_mount(l);
		break;
	case LAUNCH_READY:
		do_ready(l);
		break;
	case LAUNCH_FAILED:
		report_line(l->r, REPORT_ERROR, "%s", m.text);
		l->failed = true;
		break;
	case LAUNCH_UNMOUNT:
		do_end(l);
		break;
	case LAUNCH_ENDED:
		on_end(l);
		break;
	}
}

/* false: the server is gone; *status is how. */
static bool
on_signal(struct launch *l, int *status)
{
	struct signalfd_siginfo si;

	if (read(l->sigfd, &si, sizeof si) != sizeof si)
		return true;
	if (si.ssi_signo != SIGCHLD) {
		do_end(l);
		return true;
	}
	/* The helper's end is reaped where it was started. */
	return waitpid(l->server, status, WNOHANG) != l->server;
}

/* It was unmounted, and the session goes on. */
static void
on_timeout(struct launch *l)
{
	if (l->mounted && !l->busy)
		report_line(l->r, REPORT_NOTICE, "%s is in use still (by open "
		    "files, or a copy in another mount namespace): no longer "
		    "served", l->mount.path);
	quit(l);
}

static int
loop(struct launch *l)
{
	struct pollfd p[3];
	int status = 0, n;

	for (;;) {
		p[0] = (struct pollfd){ .fd = l->sigfd, .events = POLLIN };
		p[1] = (struct pollfd){ .fd = l->sock, .events = POLLIN };
		p[2] = (struct pollfd){ .fd = l->ready, .events = POLLIN };
		n = poll(p, 3, l->timeout_ms);
		if (n == 0)
			on_timeout(l);
		if (n <= 0)
			continue;
		if (p[1].revents != 0)
			on_message(l);
		else if (p[0].revents != 0 && !on_signal(l, &status))
			return status;
		else if (p[2].revents != 0)
			on_waiter(l);
	}
}

/* As who started us, and before anything is confined. */
static int
open_places(struct launch *l)
{
	struct listen_conf lc = { .others = l->c->allow_peers };
	char why[PATH_MAX + 256];
	struct stat st;
	unsigned i;

	if (fstat(l->d->fd, &st) == 0) {
		lc.owner = st.st_uid;
		lc.group = st.st_gid;
	}
	for (i = 0; i < l->c->nlisten; i++) {
		if (strcmp(l->c->listen[i], "store") == 0)
			continue;
		if (listen_open(l->c->listen[i], &lc,
		    &l->places.v[l->places.n], why, sizeof why) != 0) {
			report_line(l->r, REPORT_ERROR, "%s", why);
			return -1;
		}
		l->places.n++;
	}
	return 0;
}

/* The server has its own; ours would keep a dead one's places open. */
static void
leave_places(struct launch *l)
{
	unsigned i;

	for (i = 0; i < l->places.n; i++) {
		close(l->places.v[i]->fd);
		l->places.v[i]->fd = -1;
	}
}

static void
close_places(struct launch *l)
{
	while (l->places.n > 0)
		listen_close(l->places.v[--l->places.n], true);
}

static int
epilogue(struct launch *l, int status)
{
	bool killed = WIFSIGNALED(status);

	close_places(l);
	/* A new store that never served: nothing is left of it. */
	if (!l->served && l->d->fresh)
		storedir_undo(l->d, l->c->store);
	if (killed) {
		report_line(l->r, REPORT_ERROR, "%s: the server was killed by "
		    "signal %d; nothing acknowledged is lost, start it again",
		    l->c->store, WTERMSIG(status));
		l->failed = true;
	}
	if (l->mounted)
		take_away(l);
	if (l->failed)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static void
ends(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
}

void
launch_signals(void)
{
	sigset_t set;

	ends(&set);
	sigaddset(&set, SIGPIPE);	/* who waits may be gone */
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static int
signals(void)
{
	sigset_t set;

	ends(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

int
launch_run(const struct conf *c, struct storedir *d, struct report *r,
    int ready)
{
	struct launch l = { .c = c, .r = r, .d = d, .ready = ready,
	    .heir = -1, .timeout_ms = -1 };
	pid_t me = getpid();
	int pair[2];

	if (open_places(&l) != 0)
		return epilogue(&l, W_EXITCODE(1, 0));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0 ||
	    (l.sigfd = signals()) < 0) {
		report_line(r, REPORT_ERROR, "cannot start: %s",
		    strerror(errno));
		return epilogue(&l, W_EXITCODE(1, 0));
	}
	l.sock = pair[0];
	l.server = fork();
	if (l.server == 0) {
		/* Out of the terminal's group: Ctrl-C is the launcher's. */
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != me)
			_exit(1);
		close(pair[0]);
		close(l.sigfd);
		if (ready >= 0)
			close(ready);
		_exit(serve_run(c, d, r, &l.places, pair[1]));
	}
	close(pair[1]);
	leave_places(&l);
	if (l.server < 0) {
		report_line(r, REPORT_ERROR, "cannot fork: %s",
		    strerror(errno));
		return epilogue(&l, W_EXITCODE(1, 0));
	}
	return epilogue(&l, loop(&l));
}

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../report.h"
#include "fronts.h"
#include "listen.h"

#define BACKLOG	128

static const struct listen_kind *const kinds[] = {
	&listen_unix, &listen_tcp, &listen_serial, &listen_ipc,
};
#define NKINDS	(sizeof kinds / sizeof kinds[0])

/* --- a socket file ----------------------------------------------------- */

/* The directory is held open: a path of any length fits, and what is
 * removed later is what was made. */
static int
hold_dir(struct listener *l, const char *path, char *why, size_t cap)
{
	char copy[LISTEN_SPEC_MAX], *slash;
	const char *dir = ".", *base = copy;

	snprintf(copy, sizeof copy, "%s", path);
	if ((slash = strrchr(copy, '/')) != NULL) {
		*slash = '\0';
		dir = slash == copy ? "/" : copy;
		base = slash + 1;
	}
	/* /proc/self/fd/N/ has to fit before it. */
	if (*base == '\0' || strlen(base) > LISTEN_BASE_MAX)
		return report_why(why, cap, "listen=unix:%s: not a name for a "
		    "socket, or too long", path);
	memcpy(l->base, base, strlen(base) + 1);
	l->dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (l->dirfd < 0)
		return report_why(why, cap, "listen=unix:%s: %s", path,
		    strerror(errno));
	return 0;
}

static void
address(const struct listener *l, struct sockaddr_un *sa)
{
	memset(sa, 0, sizeof *sa);
	sa->sun_family = AF_UNIX;
	snprintf(sa->sun_path, sizeof sa->sun_path, "/proc/self/fd/%d/%s",
	    l->dirfd, l->base);
}

/* Does nobody listen there any more? */
static bool
is_dead(const struct listener *l)
{
	struct sockaddr_un sa;
	bool dead;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);

	address(l, &sa);
	dead = fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof sa) < 0 &&
	    errno == ECONNREFUSED;
	if (fd >= 0)
		close(fd);
	return dead;
}

/* What a dead daemon left goes; anything else stays, and stops us. */
static int
make_room(struct listener *l, const char *path, char *why, size_t cap)
{
	struct stat st;

	if (fstatat(l->dirfd, l->base, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : report_why(why, cap,
		    "listen=unix:%s: %s", path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return report_why(why, cap,
		    "listen=unix:%s: there is something that "
		    "is no socket", path);
	if (!is_dead(l))
		return report_why(why, cap,
		    "listen=unix:%s: somebody serves there "
		    "already", path);
	if (geteuid() != 0 && st.st_uid != geteuid())
		return report_why(why, cap,
		    "listen=unix:%s: a socket of another "
		    "user is there", path);
	if (unlinkat(l->dirfd, l->base, 0) < 0 && errno != ENOENT)
		return report_why(why, cap, "listen=unix:%s: %s", path,
		    strerror(errno));
	return 0;
}

/*
 * The directory may be somebody else's, who puts there what he likes: what
 * is given to the store's owner is a socket of ours, and has no other name.
 */
static int
give_away(struct listener *l)
{
	struct stat st;
	int fd, rc;

	fd = openat(l->dirfd, l->base, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if ((rc = fstat(fd, &st)) == 0 && (!S_ISSOCK(st.st_mode) ||
	    st.st_nlink != 1 || st.st_uid != geteuid())) {
		errno = EEXIST;
		rc = -1;
	}
	if (rc == 0 && geteuid() == 0)
		rc = fchownat(fd, "", l->owner, l->group, AT_EMPTY_PATH);
	if (rc == 0) {
		l->dev = st.st_dev;
		l->ino = st.st_ino;
	}
	close(fd);
	return rc;
}

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS	83		/* Linux 6.16 */
#endif

/*
 * Whoever reads no descriptors must not be sent any: the kernel closes them
 * beneath our read, and a socket's close may take as long as its owner likes.
 * The peers that are accepted have it from here.
 */
static void
no_rights(int fd)
{
	int zero = 0;

	(void)setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &zero, sizeof zero);
}

/* The file is made with the socket's own mode: by name it might be another
 * one's afterwards. */
static int
bind_at(struct listener *l)
{
	struct sockaddr_un sa;
	mode_t mask;
	int rc;

	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);
	if (l->fd < 0)
		return -1;
	if (l->kind != &listen_unix || l->front[0] != '\0')
		no_rights(l->fd);
	address(l, &sa);
	fchmod(l->fd, l->others ? 0666 : 0600);
	mask = umask(0);
	rc = bind(l->fd, (struct sockaddr *)&sa, sizeof sa);
	umask(mask);
	if (rc < 0 || give_away(l) < 0)
		return -1;
	return listen(l->fd, BACKLOG);
}

/* Whoever reads it stands in another directory. */
static void
unix_shown(struct listener *l)
{
	char link[40], dir[LISTEN_SPEC_MAX / 2];
	ssize_t n;

	snprintf(link, sizeof link, "/proc/self/fd/%d", l->dirfd);
	n = readlink(link, dir, sizeof dir - 1);
	if (n <= 0 || (size_t)n == sizeof dir - 1)
		return;			/* as it was written, then */
	dir[n] = '\0';
	snprintf(l->shown, sizeof l->shown, "%s%s%s:%s/%s", l->front,
	    l->front[0] != '\0' ? ":" : "", l->kind->name,
	    n == 1 ? "" : dir, l->base);
}

int
listen_unix_open(struct listener *l, const char *path, char *why,
    size_t cap)
{
	if (hold_dir(l, path, why, cap) != 0 ||
	    make_room(l, path, why, cap) != 0)
		return -1;
	if (bind_at(l) < 0)
		return report_why(why, cap, "listen=unix:%s: %s", path,
		    strerror(errno));
	unix_shown(l);
	return 0;
}

static int
accept_fd(struct listener *l, int *out)
{
	int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return errno == EAGAIN || errno == EINTR ||
		    errno == ECONNABORTED ? -VFS_AGAIN :
		    vfs_err_from_os(errno);
	*out = fd;
	return 0;
}

static int
unix_accept(struct listener *l, const struct link_frame *frame,
    struct link **out)
{
	struct link *k;
	int err, fd = -1;

	if ((err = accept_fd(l, &fd)) < 0 ||
	    (err = link_stream_new(fd, &link_unix, frame, &k)) < 0)
		return err;
	if ((err = link_peer(k, fd)) < 0) {
		k->ops->close(k);
		return err;
	}
	*out = k;
	return 0;
}

const struct listen_kind listen_unix = {
	.name = "unix", .open = listen_unix_open, .accept = unix_accept
};

/* --- TCP, on this machine only ----------------------------------------- */

struct tcp_at {
	union {
		struct sockaddr sa;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	};
	socklen_t n;
};

static bool
loopback(const char *host, struct tcp_at *a)
{
	memset(a, 0, sizeof *a);
	if (strcmp(host, "localhost") == 0)
		host = "127.0.0.1";
	if (inet_pton(AF_INET, host, &a->v4.sin_addr) == 1) {
		a->v4.sin_family = AF_INET;
		a->n = sizeof a->v4;
		return ntohl(a->v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	}
	if (inet_pton(AF_INET6, host, &a->v6.sin6_addr) == 1) {
		a->v6.sin6_family = AF_INET6;
		a->n = sizeof a->v6;
		return IN6_IS_ADDR_LOOPBACK(&a->v6.sin6_addr);
	}
	return false;
}

static int
tcp_parse(const char *where, struct tcp_at *a, char *why, size_t cap)
{
	char host[64] = "", *end;
	const char *colon = strrchr(where, ':');
	unsigned long port;

	if (colon == NULL || colon[1] < '0' || colon[1] > '9')
		return report_why(why, cap,
		    "listen=tcp:%s: an address and a port are "
		    "needed, as in 127.0.0.1:5640", where);
	port = strtoul(colon + 1, &end, 10);
	if (*end != '\0' || port > 65535)
		return report_why(why, cap, "listen=tcp:%s: not a port", where);
	if (where[0] == '[' && colon > where + 1 && colon[-1] == ']')
		snprintf(host, sizeof host, "%.*s", (int)(colon - where - 2),
		    where + 1);
	else
		snprintf(host, sizeof host, "%.*s", (int)(colon - where),
		    where);
	if (!loopback(host, a))
		return report_why(why, cap,
		    "listen=tcp:%s: only this machine's own "
		    "addresses are listened at, as 127.0.0.1 or [::1]: what "
		    "is sent is not encrypted", where);
	if (a->sa.sa_family == AF_INET)
		a->v4.sin_port = htons((uint16_t)port);
	else
		a->v6.sin6_port = htons((uint16_t)port);
	return 0;
}

/* Port 0 was any: say which. */
static void
tcp_shown(struct listener *l, struct tcp_at *a)
{
	char host[INET6_ADDRSTRLEN] = "?";
	bool v4 = a->sa.sa_family == AF_INET;

	getsockname(l->fd, &a->sa, &a->n);
	if (v4)
		inet_ntop(AF_INET, &a->v4.sin_addr, host, sizeof host);
	else
		inet_ntop(AF_INET6, &a->v6.sin6_addr, host, sizeof host);
	snprintf(l->shown, sizeof l->shown, v4 ? "%s%stcp:%s:%u" :
	    "%s%stcp:[%s]:%u", l->front, l->front[0] != '\0' ? ":" : "", host,
	    ntohs(v4 ? a->v4.sin_port : a->v6.sin6_port));
}

static int
tcp_open(struct listener *l, const char *where, char *why, size_t cap)
{
	struct tcp_at a;
	int one = 1;

	if (tcp_parse(where, &a, why, cap) != 0)
		return -1;
	l->fd = socket(a.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0);
	if (l->fd < 0 || setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one,
	    sizeof one) < 0 || bind(l->fd, &a.sa, a.n) < 0 ||
	    listen(l->fd, BACKLOG) < 0)
		return report_why(why, cap, "listen=tcp:%s: %s", where,
		    strerror(errno));
	tcp_shown(l, &a);
	return 0;
}

static int
tcp_accept(struct listener *l, const struct link_frame *frame,
    struct link **out)
{
	int err, fd = -1, one = 1;

	if ((err = accept_fd(l, &fd)) < 0)
		return err;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if ((err = link_stream_new(fd, &link_tcp, frame, out)) == 0)
		(*out)->token_first = true;
	return err;
}

const struct listen_kind listen_tcp = {
	.name = "tcp", .open = tcp_open, .accept = tcp_accept
};

/* --- all of them ------------------------------------------------------- */

/* "word:" at the front of s?  Then behind it. */
static const char *
after_word(const char *s, const char *word)
{
	size_t n = strlen(word);

	return strncmp(s, word, n) == 0 && s[n] == ':' ? s + n + 1 : NULL;
}

/* The kind, which front, and what is behind them. */
static int
parse(const char *spec, const char **front, const struct listen_kind **kind,
    const char **where, char *why, size_t cap)
{
	const char *rest = spec, *p;
	size_t i;

	*front = "";
	*kind = NULL;
	for (i = 0; i < fronts_n; i++) {
		if ((p = after_word(spec, fronts[i].name)) == NULL)
			continue;
		if (fronts[i].start == NULL)
			return report_why(why, cap,
			    "listen=%s: %s is not built into "
			    "this vfsd", spec, fronts[i].name);
		*front = fronts[i].name;
		rest = p;
	}
	for (i = 0; i < NKINDS; i++) {
		if ((*where = after_word(rest, kinds[i]->name)) == NULL)
			continue;
		*kind = kinds[i];
		return **where != '\0' ? 0 : report_why(why, cap,
		    "listen=%s: where?",
		    spec);
	}
	return report_why(why, cap,
	    "listen=%s: not a place to listen: unix:PATH, "
	    "tcp:127.0.0.1:PORT, serial:PATH, ipc:PATH or store; 9p: may "
	    "stand before unix and tcp", spec);
}

int
listen_check(const char *spec, char *why, size_t cap)
{
	const struct listen_kind *kind;
	const char *front, *where;
	struct tcp_at a;

	if (strcmp(spec, "store") == 0)
		return 0;
	if (strlen(spec) >= LISTEN_SPEC_MAX)
		return report_why(why, cap, "a place to listen at is too long");
	if (parse(spec, &front, &kind, &where, why, cap) != 0)
		return -1;
	return kind == &listen_tcp ? tcp_parse(where, &a, why, cap) : 0;
}

int
listen_open(const char *spec, const struct listen_conf *conf,
    struct listener **out, char *why, size_t cap)
{
	const struct listen_kind *kind;
	const char *front, *where;
	struct listener *l;

	if (parse(spec, &front, &kind, &where, why, cap) != 0)
		return -1;
	if ((l = calloc(1, sizeof *l)) == NULL)
		return report_why(why, cap, "out of memory");
	l->kind = kind;
	l->fd = l->dirfd = -1;
	l->others = conf->others;
	l->owner = conf->owner;
	l->group = conf->group;
	snprintf(l->front, sizeof l->front, "%s", front);
	snprintf(l->shown, sizeof l->shown, "%s", spec);
	if (kind->open(l, where, why, cap) != 0) {
		listen_close(l, true);
		return -1;
	}
	*out = l;
	return 0;
}

int
listen_accept(struct listener *l, const struct link_frame *frame,
    struct link **out)
{
	return l->kind->accept(l, frame, out);
}

void
listen_close(struct listener *l, bool remove)
{
	struct stat st;

	if (l == NULL)
		return;
	if (l->kind->close != NULL)
		l->kind->close(l);
	if (remove && l->ino != 0 && fstatat(l->dirfd, l->base, &st,
	    AT_SYMLINK_NOFOLLOW) == 0 && st.st_dev == l->dev &&
	    st.st_ino == l->ino)
		unlinkat(l->dirfd, l->base, 0);
	if (l->dirfd >= 0)
		close(l->dirfd);
	if (l->fd >= 0)
		close(l->fd);
	free(l);
}

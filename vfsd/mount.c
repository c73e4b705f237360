#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../protocol/limits.h"
#include "front/fuse_abi.h"
#include "mount.h"
#include "report.h"

#define DEV	"/dev/fuse"
#define HELPER	"fusermount3"
#define REQUEST_MAX	(VFS_IO_MAX + 8192u)	/* as in front/fuse_req.h */

/* --- /proc/self/mountinfo ------------------------------------------ */

/* Blanks and backslashes are \ooo there. */
static void
unescape(char *s)
{
	char *to = s;

	for (; *s != '\0'; to++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' &&
		    s[2] != '\0' && s[3] != '\0') {
			*to = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 |
			    (s[3] - '0'));
			s += 4;
		} else {
			*to = *s++;
		}
	}
	*to = '\0';
}

/* A line of /proc/self/mountinfo. */
struct entry {
	unsigned dev_major, dev_minor;
	const char *path, *type;
};

static bool
entry_parse(char *line, struct entry *e)
{
	char *at, *end, *t;
	int pos;

	if (sscanf(line, "%*d %*d %u:%u %*s %n", &e->dev_major, &e->dev_minor,
	    &pos) != 2)
		return false;
	at = line + pos;
	if ((end = strchr(at, ' ')) == NULL ||
	    (t = strstr(end + 1, " - ")) == NULL)
		return false;
	*end = '\0';
	unescape(at);
	t += 3;
	t[strcspn(t, " ")] = '\0';
	e->path = at;
	e->type = t;
	return true;
}

/* Calls each with every mount there is. */
static void
entries(void (*each)(void *arg, const struct entry *e), void *arg)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	struct entry e;
	char *line = NULL;
	size_t n = 0;

	while (f != NULL && getline(&line, &n, f) > 0)
		if (entry_parse(line, &e))
			each(arg, &e);
	free(line);
	if (f != NULL)
		fclose(f);
}

/* The last at a path: on top, unless it was moved there. */
struct top {
	const char *path;
	bool found;
	char type[64];
};

static void
top_look(void *arg, const struct entry *e)
{
	struct top *t = arg;

	if (strcmp(e->path, t->path) != 0)
		return;
	t->found = true;
	snprintf(t->type, sizeof t->type, "%s", e->type);
}

int
mount_type_at(const char *path, char *type, size_t cap)
{
	struct top t = { .path = path };

	entries(top_look, &t);
	if (t.found)
		snprintf(type, cap, "%s", t.type);
	return t.found;
}

/* --- which one is ours ----------------------------------------------- */

#define LOOK_ONLY	(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | \
	AT_STATX_DONT_SYNC)
#define MNT_ID_UNIQUE	0x4000u		/* statx's, Linux 6.8 */
#define SYS_STATMOUNT	457		/* the same everywhere, Linux 6.8 */

/* Newer than the headers of Debian 12. */
struct statmount_req {
	uint32_t size, spare;
	uint64_t mnt_id, param;
};

static bool
is_listed(uint64_t id)
{
	/* It says the device number; what counts is that it answers. */
	struct statmount_req q = { sizeof q, 0, id, 1 };
	uint64_t out[256];

	return syscall(SYS_STATMOUNT, &q, out, sizeof out, 0) == 0;
}

/* Nothing is asked of the daemon, which may not answer yet, or any more. */
static void
identify(struct mount *m)
{
	struct statx sx;

	if (statx(AT_FDCWD, m->path, LOOK_ONLY, MNT_ID_UNIQUE, &sx) != 0)
		return;
	m->dev_major = sx.stx_dev_major;
	m->dev_minor = sx.stx_dev_minor;
	if (sx.stx_mask & MNT_ID_UNIQUE && is_listed(sx.stx_mnt_id))
		m->id = sx.stx_mnt_id;
}

/* What is seen at path: it may be hidden by a mount on top, or above. */
static bool
is_seen(const struct mount *m, const char *path)
{
	struct statx sx;

	return statx(AT_FDCWD, path, LOOK_ONLY, 0, &sx) == 0 &&
	    sx.stx_dev_major == m->dev_major &&
	    sx.stx_dev_minor == m->dev_minor;
}

/* Where our mount is and its copies are. */
struct copies {
	const struct mount *m;
	char **v;
	size_t n;
};

static void
copies_look(void *arg, const struct entry *e)
{
	struct copies *p = arg;
	const struct mount *m = p->m;
	char **v;

	if (e->dev_major != m->dev_major || e->dev_minor != m->dev_minor ||
	    strcmp(e->type, MOUNT_TYPE) != 0 ||
	    (m->id == 0 && strcmp(e->path, m->path) != 0) ||
	    !is_seen(m, e->path))
		return;
	if ((v = realloc(p->v, (p->n + 1) * sizeof *v)) == NULL)
		return;
	p->v = v;
	if ((v[p->n] = strdup(e->path)) != NULL)
		p->n++;
}

/*
 * It may have been moved or bound elsewhere, and directories renamed.  A
 * device number is given again as soon as the last of them has gone, so it
 * says nothing when ours has.  Ours is first, as they are listed by age.
 */
static void
copies_find(struct copies *p, const struct mount *m)
{
	*p = (struct copies){ .m = m };
	if (m->id == 0 || is_listed(m->id))
		entries(copies_look, p);
}

static void
copies_free(struct copies *p)
{
	while (p->n > 0)
		free(p->v[--p->n]);
	free(p->v);
}

/* A child asks: nothing can be done about a question once it is asked. */
int
mount_ask(const char *path)
{
	struct statfs sf;
	unsigned ms;
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return errno;
	if (pid == 0)
		_exit(statfs(path, &sf) == 0 ? 0 : errno);
	for (ms = 0; ms < MOUNT_SILENT_MS; ms += ms < 10 ? 1 : 10) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
		usleep(ms < 10 ? 1000 : 10000);
	}
	kill(pid, SIGKILL);		/* it may not die before the mount */
	return ETIMEDOUT;
}

/* --- the helper ---------------------------------------------------- */

/* Run fusermount3; its stderr, one line, into said. */
static int
helper_run(char *const argv[], int commfd, char *said, size_t cap)
{
	int p[2], status = -1;
	size_t n = 0;
	ssize_t got;
	char num[16];
	pid_t pid;

	said[0] = '\0';
	if (pipe2(p, O_CLOEXEC) != 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		dup2(p[1], STDERR_FILENO);
		if (commfd >= 0) {
			snprintf(num, sizeof num, "%d", commfd);
			setenv("_FUSE_COMMFD", num, 1);
			fcntl(commfd, F_SETFD, 0);
		}
		execvp(HELPER, argv);
		dprintf(STDERR_FILENO, HELPER ": %s (package fuse3)",
		    strerror(errno));
		_exit(127);
	}
	close(p[1]);
	while (pid > 0 && n + 1 < cap &&
	    (got = read(p[0], said + n, cap - 1 - n)) > 0)
		n += (size_t)got;
	close(p[0]);
	said[n] = '\0';
	said[strcspn(said, "\n")] = '\0';
	if (pid > 0)
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	return status == 0 ? 0 : -1;
}

static int
recv_fd(int sock)
{
	char byte, room[CMSG_SPACE(sizeof(int))];
	struct iovec v = { &byte, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1,
	    .msg_control = room, .msg_controllen = sizeof room };
	struct cmsghdr *c;
	int fd;

	if (recvmsg(sock, &m, MSG_CMSG_CLOEXEC) <= 0 ||
	    (c = CMSG_FIRSTHDR(&m)) == NULL || c->cmsg_type != SCM_RIGHTS)
		return -1;
	memcpy(&fd, CMSG_DATA(c), sizeof fd);
	return fd;
}

static const struct {
	unsigned long flag;
	const char *on;
} words[] = {
	{ MS_RDONLY, "ro" }, { MS_NOSUID, "nosuid" }, { MS_NODEV, "nodev" },
	{ MS_NOEXEC, "noexec" }, { MS_SYNCHRONOUS, "sync" },
	{ MS_DIRSYNC, "dirsync" }, { MS_NOATIME, "noatime" },
};

/* Who may use it, and who says so. */
static const char *
whose(const struct mount_conf *c)
{
	if (c->own_checks)
		return "";
	return c->allow_other ? ",default_permissions,allow_other" :
	    ",default_permissions";
}

/* name=value with what the helper would split at escaped. */
static void
put_escaped(FILE *f, const char *s)
{
	for (; *s != '\0'; s++) {
		if (*s == ',' || *s == '\\')
			fputc('\\', f);
		fputc(*s, f);
	}
}

static int
attach_helper(const struct mount_conf *c, int *fd, char *why, size_t cap)
{
	char said[256], *opts = NULL;
	size_t n, i;
	int pair[2];
	FILE *f = open_memstream(&opts, &n);

	if (f == NULL)
		return report_why(why, cap, "out of memory");
	fputs("subtype=vfsd,fsname=", f);
	put_escaped(f, c->source);
	for (i = 0; i < sizeof words / sizeof words[0]; i++)
		if (c->flags & words[i].flag)
			fprintf(f, ",%s", words[i].on);
	fputs(whose(c), f);
	fclose(f);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
		free(opts);
		return report_why(why, cap, "socketpair: %s", strerror(errno));
	}
	char *argv[] = { HELPER, "-o", opts, "--",
	    (char *)(uintptr_t)c->path, NULL };
	*fd = -1;
	if (helper_run(argv, pair[0], said, sizeof said) == 0)
		*fd = recv_fd(pair[1]);
	free(opts);
	close(pair[0]);
	close(pair[1]);
	if (*fd >= 0)
		return 0;
	return report_why(why, cap, "cannot mount on %s: %s", c->path,
	    said[0] != '\0' ? said : HELPER " failed");
}

/* --- mount(2) ------------------------------------------------------ */

static int
attach_direct(const struct mount_conf *c, int *out, char *why, size_t cap)
{
	char data[160];
	int fd, e;

	fd = open(DEV, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		e = errno;
		report_why(why, cap, DEV ": %s%s", strerror(e), e == ENOENT ||
		    e == ENODEV ? " (is the fuse module there?)" : "");
		errno = e;
		return -1;
	}
	snprintf(data, sizeof data, "fd=%d,rootmode=40000,user_id=%u,"
	    "group_id=%u%s", fd, getuid(), getgid(), whose(c));
	if (mount(c->source, c->path, MOUNT_TYPE, c->flags, data) != 0) {
		e = errno;
		close(fd);
		report_why(why, cap,
		    "cannot mount on %s: %s", c->path, strerror(e));
		errno = e;
		return -1;
	}
	*out = fd;
	return 0;
}

int
mount_attach(const struct mount_conf *c, struct mount *out, int *fd,
    char *why, size_t cap)
{
	memset(out, 0, sizeof *out);
	snprintf(out->path, sizeof out->path, "%s", c->path);
	if (attach_direct(c, fd, why, cap) != 0) {
		if (errno != EPERM && errno != EACCES)
			return -1;
		if (attach_helper(c, fd, why, cap) != 0)
			return -1;
		out->helper = true;
	}
	identify(out);
	return 0;
}

int
mount_clone(int session)
{
	uint32_t n = (uint32_t)session;
	int fd = open(DEV, O_RDWR | O_CLOEXEC);

	if (fd >= 0 && ioctl(fd, FUSE_DEV_IOC_CLONE, &n) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	/* Slower (the threads share one queue), not wrong. */
	return fcntl(session, F_DUPFD_CLOEXEC, 0);
}

static int
detach_path(const char *path, bool lazy, bool dead, char *why, size_t cap)
{
	char said[256];
	char *argv[] = { HELPER, "-u", lazy ? "-z" : "-q", "--",
	    (char *)(uintptr_t)path, NULL };

	if (umount2(path, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0) |
	    (dead ? MNT_FORCE : 0)) == 0)
		return 0;
	if (errno == EBUSY)
		return 1;
	if (errno != EPERM)
		return report_why(why, cap, "cannot unmount %s: %s", path,
		    strerror(errno));
	if (helper_run(argv, -1, said, sizeof said) == 0)
		return 0;
	if (!lazy)
		return 1;		/* it does not say why */
	return report_why(why, cap, "cannot unmount %s: %s", path, said);
}

/*
 * Ours goes last: without it we do not know its copies any more.  One that
 * cannot be taken away keeps the others not from it.
 */
int
mount_detach(const struct mount *m, bool lazy, char *why, size_t cap)
{
	struct copies p;
	bool any = false, bad = false;
	int rc = 0;
	size_t i;

	copies_find(&p, m);
	for (i = p.n; i-- > 0 && rc != 1;) {
		rc = detach_path(p.v[i], lazy, false, why, cap);
		any |= rc == 0;
		bad |= rc < 0;
	}
	copies_free(&p);
	return rc == 1 ? 1 : bad && !any ? -1 : 0;
}

bool
mount_is_dead(const struct mount *m)
{
	struct copies p;
	bool dead = false;
	size_t i;

	copies_find(&p, m);
	for (i = p.n; i-- > 0 && !dead;)
		dead = mount_ask(p.v[i]) == ENOTCONN;
	copies_free(&p);
	return dead;
}

bool
mount_abort(const struct mount *m)
{
	struct copies p;
	bool done = false;
	size_t i;

	copies_find(&p, m);
	for (i = p.n; i-- > 0;)
		done |= umount2(p.v[i], UMOUNT_NOFOLLOW | MNT_FORCE |
		    MNT_DETACH) == 0;
	copies_free(&p);
	return done;
}

static bool
wants_answer(const struct fuse_in_header *h)
{
	return h->opcode != FUSE_FORGET && h->opcode != FUSE_BATCH_FORGET &&
	    h->opcode != FUSE_INTERRUPT;
}

void
mount_answer(int fd, int until)
{
	struct pollfd p[2] = { { .fd = fd, .events = POLLIN },
		{ .fd = until, .events = POLLIN } };
	struct fuse_out_header out = { .len = sizeof out,
		.error = -ENOTCONN };
	struct fuse_in_header in;
	char *buf = malloc(REQUEST_MAX);
	ssize_t n;

	while (buf != NULL && poll(p, 2, -1) > 0 && p[1].revents == 0 &&
	    (p[0].revents & POLLERR) == 0) {
		if ((n = read(fd, buf, REQUEST_MAX)) < (ssize_t)sizeof in)
			continue;
		memcpy(&in, buf, sizeof in);
		out.unique = in.unique;
		if (wants_answer(&in) && write(fd, &out, sizeof out) < 0)
			continue;	/* whoever asked has gone */
	}
	free(buf);
}

int
mount_clear(const char *path, char *why, size_t cap)
{
	char type[64];

	if (!mount_type_at(path, type, sizeof type))
		return report_why(why, cap,
		    "%s: the daemon that served it is dead, "
		    "and it is not known as a mount point here", path);
	if (strcmp(type, MOUNT_TYPE) != 0)
		return report_why(why, cap,
		    "%s is a dead mount of type %s: unmount "
		    "it first", path, type);
	return detach_path(path, true, true, why, cap) == 0 ? 0 : -1;
}

/*
 * main.c - vfsd: mount a store, or serve it
 *
 * Checks all it can before anything is changed, then leaves the work to
 * launch.c and serve.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "conf.h"
#include "launch.h"
#include "mount.h"
#include "report.h"
#include "storedir.h"

/* realpath, but the last component need not exist or answer; silent: do
 * not even ask. */
static int
absolute(char path[PATH_MAX], bool silent)
{
	char dir[PATH_MAX], whole[PATH_MAX], *last;
	size_t n = strlen(path);

	if (!silent && realpath(path, whole) != NULL) {
		strcpy(path, whole);
		return 0;
	}
	if (!silent && errno != ENOENT && errno != ENOTCONN)
		return -1;
	while (n > 1 && path[n - 1] == '/')
		path[--n] = '\0';
	last = strrchr(path, '/');
	if (last == NULL) {
		if (realpath(".", dir) == NULL)
			return -1;
		last = path;
	} else {
		*last++ = '\0';
		if (realpath(*path == '\0' ? "/" : path, dir) == NULL)
			return -1;
	}
	if (strcmp(last, "..") == 0 || strcmp(last, ".") == 0 ||
	    (size_t)snprintf(whole, sizeof whole, "%s/%s",
	    strcmp(dir, "/") == 0 ? "" : dir, last) >= sizeof whole) {
		errno = ENOENT;
		return -1;
	}
	strcpy(path, whole);
	return 0;
}

/* Is a below b, or the same? */
static bool
within(const char *a, const char *b)
{
	size_t n = strlen(b);

	if (strcmp(b, "/") == 0)
		return true;
	return strncmp(a, b, n) == 0 && (a[n] == '\0' || a[n] == '/');
}

static int
no(struct report *r, const char *fmt, ...)
{
	char line[PATH_MAX + 512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	report_line(r, REPORT_ERROR, "%s", line);
	return -1;
}

/*
 * A mount point that answers ENOTCONN is what a dead daemon left; so is
 * one that says nothing, if it is ours.  A stat may come from the kernel's
 * memory, so it is asked for something that does not.
 */
static int
check_mountpoint(struct conf *c, struct report *r, bool *dead)
{
	struct stat st;
	char type[64];
	int os = mount_ask(c->mount_arg);

	*dead = os == ENOTCONN || os == ECONNABORTED || os == ETIMEDOUT;
	snprintf(c->mountpoint, sizeof c->mountpoint, "%s", c->mount_arg);
	if (absolute(c->mountpoint, *dead) != 0)
		return no(r, "mount point %s: %s", c->mount_arg,
		    strerror(errno));
	if (*dead)
		return 0;
	if (stat(c->mountpoint, &st) != 0)
		return no(r, "mount point %s: %s%s", c->mountpoint,
		    strerror(errno), errno == ENOENT ?
		    ": make the directory first" : "");
	if (!S_ISDIR(st.st_mode))
		return no(r, "mount point %s is not a directory",
		    c->mountpoint);
	if (mount_type_at(c->mountpoint, type, sizeof type) &&
	    strcmp(type, MOUNT_TYPE) == 0)
		return no(r, "%s is a mount of vfsd already: unmount it "
		    "first, or choose another place", c->mountpoint);
	return 0;
}

static int
check_paths(struct conf *c, struct report *r, bool *dead)
{
	if (absolute(c->store, false) != 0)
		return no(r, "store %s: %s", c->store_arg, strerror(errno));
	if (c->mount_arg == NULL)
		return 0;
	if (check_mountpoint(c, r, dead) != 0)
		return -1;
	if (within(c->mountpoint, c->store))
		return no(r, "mount point %s is inside the store %s: choose "
		    "a place outside", c->mountpoint, c->store);
	if (within(c->store, c->mountpoint))
		return no(r, "store %s is inside the mount point %s, which "
		    "would hide it: choose another place", c->store,
		    c->mountpoint);
	return 0;
}

/*
 * The process that the user started waits until the mount is ready; its
 * child goes on.  Returns -1 in the child, with a socket in *ready; in
 * the parent the exit status.  It is told, and answers when nothing can
 * end it any more: who gets its status and the daemon agree.
 */
static int
background(int *ready)
{
	int p[2];
	char byte;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p) != 0 ||
	    (pid = fork()) < 0) {
		perror("vfsd: cannot start");
		return 1;
	}
	if (pid == 0) {
		close(p[0]);
		setsid();
		*ready = p[1];
		return -1;
	}
	close(p[1]);
	if (read(p[0], &byte, 1) != 1)
		return 1;
	launch_signals();
	return write(p[0], &byte, 1) == 1 ? 0 : 1;
}

/* Each peer takes some, and 1,024 is only what select(2) can bear. */
static void
want_files(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < l.rlim_max) {
		l.rlim_cur = l.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &l);
	}
}

static int
run(struct conf *c, struct report *r)
{
	struct storedir d;
	struct stat st;
	char why[PATH_MAX + 512];
	int ready = -1, status;
	bool dead = false;

	if (check_paths(c, r, &dead) != 0)
		return 1;
	if (!c->foreground && (status = background(&ready)) >= 0)
		return status;
	launch_signals();
	want_files();
	if (storedir_open(c->store, true, c->rdonly, &d, why,
	    sizeof why) != 0) {
		no(r, "%s", why);
		return 1;
	}
	if (fstat(d.fd, &st) == 0)
		conf_owner(c, st.st_uid);
	if (dead && mount_clear(c->mountpoint, why, sizeof why) != 0) {
		no(r, "%s", why);
		if (d.made)
			storedir_undo(&d, c->store);
		return 1;
	}
	return launch_run(c, &d, r, ready);
}

/* 0 to 2 are open, so that nothing of ours becomes them. */
static void
open_std(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int
main(int argc, char **argv)
{
	struct report r;
	struct conf c;
	char why[512];

	open_std();
	signal(SIGXFSZ, SIG_IGN);	/* a full disk, told where it is met */
	report_open(&r);
	if (conf_parse(argc, argv, &c, why, sizeof why) != 0) {
		no(&r, "%s", why);
		return 2;
	}
	if (!c.help && !c.version)
		return run(&c, &r);
	if (c.help)
		conf_usage(stdout);
	else
		printf("vfsd %s\n", VFSD_VERSION);
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	perror("vfsd: standard output");
	return 1;
}

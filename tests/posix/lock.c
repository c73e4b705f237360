/*
 * lock.c - flock, fcntl and OFD locks
 */
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "posix.h"

static int
lock(int fd, int cmd, int type, off_t from, off_t len)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET,
		.l_start = from, .l_len = len };

	return fcntl(fd, cmd, &l);
}

/* Another process asks: 0 or the errno. */
static int
ask(struct px *px, int cmd, int type, off_t from, off_t len)
{
	int status;
	pid_t pid = CALL(px, fork());

	if (pid == 0) {
		int fd = open("f", O_RDWR);

		_exit(lock(fd, cmd, type, from, len) < 0 ? errno : 0);
	}
	CALL(px, waitpid(pid, &status, 0));
	CHECK(px, WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
fcntl_ranges(struct px *px)
{
	struct flock l = { .l_type = F_WRLCK, .l_len = 0 };
	int fd = CALL(px, open("f", O_CREAT | O_RDWR, 0600)), status;
	pid_t pid;

	CALL(px, lock(fd, F_SETLK, F_WRLCK, 10, 10));
	EQUAL(px, ask(px, F_SETLK, F_RDLCK, 0, 10), 0);
	EQUAL(px, ask(px, F_SETLK, F_RDLCK, 0, 11), EAGAIN);
	EQUAL(px, ask(px, F_SETLK, F_WRLCK, 19, 1), EAGAIN);
	EQUAL(px, ask(px, F_SETLK, F_WRLCK, 20, 0), 0);
	CALL(px, lock(fd, F_SETLK, F_RDLCK, 10, 10));
	EQUAL(px, ask(px, F_SETLK, F_RDLCK, 0, 0), 0);
	EQUAL(px, ask(px, F_SETLK, F_WRLCK, 0, 0), EAGAIN);
	CALL(px, lock(fd, F_SETLK, F_UNLCK, 12, 2));
	EQUAL(px, ask(px, F_SETLK, F_WRLCK, 12, 2), 0);
	EQUAL(px, ask(px, F_SETLK, F_WRLCK, 11, 1), EAGAIN);
	pid = CALL(px, fork());
	if (pid == 0) {
		CALL(px, fcntl(fd, F_GETLK, &l));
		EQUAL(px, l.l_type, F_RDLCK);
		EQUAL(px, l.l_start, 10);
		EQUAL(px, l.l_len, 2);
		EQUAL(px, l.l_pid, getppid());
		_exit(0);
	}
	CALL(px, waitpid(pid, &status, 0));
	if (status != 0)
		_exit(1);
}

static void
fcntl_second_close(struct px *px)
{
	int fd = CALL(px, open("f", O_CREAT | O_RDWR, 0600)), second;

	CALL(px, lock(fd, F_SETLK, F_WRLCK, 0, 0));
	EQUAL(px, ask(px, F_SETLK, F_WRLCK, 0, 0), EAGAIN);
	/* any descriptor of the file that closes drops the locks */
	second = CALL(px, open("f", O_RDONLY));
	CALL(px, close(second));
	EQUAL(px, ask(px, F_SETLK, F_WRLCK, 0, 0), 0);
}

static void
fcntl_fork(struct px *px)
{
	int fd = CALL(px, open("f", O_CREAT | O_RDWR, 0600)), status;
	pid_t pid;

	CALL(px, lock(fd, F_SETLK, F_WRLCK, 0, 0));
	pid = CALL(px, fork());
	if (pid == 0)		/* a child has none of them */
		_exit(lock(fd, F_SETLK, F_WRLCK, 0, 0) < 0 ? errno : 0);
	CALL(px, waitpid(pid, &status, 0));
	EQUAL(px, WEXITSTATUS(status), EAGAIN);
	EQUAL(px, ask(px, F_SETLK, F_WRLCK, 0, 0), EAGAIN);
}

static void
fcntl_modes(struct px *px)
{
	int r, w;

	px_do(px, "file f");
	r = CALL(px, open("f", O_RDONLY));
	w = CALL(px, open("f", O_WRONLY));
	ERRNO(px, lock(r, F_SETLK, F_WRLCK, 0, 0), EBADF);
	ERRNO(px, lock(w, F_SETLK, F_RDLCK, 0, 0), EBADF);
	CALL(px, lock(r, F_SETLK, F_RDLCK, 0, 0));
	CALL(px, lock(w, F_SETLK, F_WRLCK, 0, 0));
}

static void
ofd(struct px *px)
{
	int a = CALL(px, open("f", O_CREAT | O_RDWR, 0600));
	int b = CALL(px, open("f", O_RDWR)), c;

	CALL(px, lock(a, F_OFD_SETLK, F_WRLCK, 0, 10));
	ERRNO(px, lock(b, F_OFD_SETLK, F_RDLCK, 5, 10), EAGAIN);
	CALL(px, lock(b, F_OFD_SETLK, F_RDLCK, 10, 10));
	ERRNO(px, lock(b, F_SETLK, F_RDLCK, 0, 1), EAGAIN);
	/* the description, not the descriptor */
	c = CALL(px, dup(a));
	CALL(px, close(a));
	ERRNO(px, lock(b, F_OFD_SETLK, F_RDLCK, 5, 10), EAGAIN);
	CALL(px, close(c));
	CALL(px, lock(b, F_OFD_SETLK, F_RDLCK, 5, 10));
}

static void
flocks(struct px *px)
{
	int a = CALL(px, open("f", O_CREAT | O_RDWR, 0600));
	int b = CALL(px, open("f", O_RDWR)), c;

	CALL(px, flock(a, LOCK_EX | LOCK_NB));
	ERRNO(px, flock(b, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	CALL(px, flock(a, LOCK_SH | LOCK_NB));
	CALL(px, flock(b, LOCK_SH | LOCK_NB));
	ERRNO(px, flock(a, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	CALL(px, flock(b, LOCK_UN));
	CALL(px, flock(a, LOCK_EX | LOCK_NB));
	c = CALL(px, dup(a));
	CALL(px, close(a));
	ERRNO(px, flock(b, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	CALL(px, close(c));
	CALL(px, flock(b, LOCK_EX | LOCK_NB));
	/* flock and fcntl do not see each other on local filesystems */
	EQUAL(px, ask(px, F_SETLK, F_WRLCK, 0, 0), 0);
}

static void
flock_fork(struct px *px)
{
	int a = CALL(px, open("f", O_CREAT | O_RDWR, 0600)), status, b;
	pid_t pid;

	CALL(px, flock(a, LOCK_EX));
	pid = CALL(px, fork());
	if (pid == 0)
		_exit(flock(a, LOCK_EX | LOCK_NB) < 0);
	CALL(px, waitpid(pid, &status, 0));
	EQUAL(px, status, 0);
	b = CALL(px, open("f", O_RDWR));
	ERRNO(px, flock(b, LOCK_EX | LOCK_NB), EWOULDBLOCK);
}

static void
on_alarm(int sig)
{
	(void)sig;
}

/* A waiter can be interrupted, and gets the lock when it is free. */
static void
waiting(struct px *px)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	int a = CALL(px, open("f", O_CREAT | O_RDWR, 0600));
	int b = CALL(px, open("f", O_RDWR)), status;
	pid_t pid;

	sigaction(SIGALRM, &sa, NULL);
	CALL(px, flock(a, LOCK_EX));
	ualarm(50000, 0);
	ERRNO(px, flock(b, LOCK_EX), EINTR);
	CALL(px, lock(a, F_OFD_SETLK, F_WRLCK, 0, 0));
	ualarm(50000, 0);
	ERRNO(px, lock(b, F_OFD_SETLKW, F_WRLCK, 0, 0), EINTR);
	CALL(px, lock(a, F_OFD_SETLK, F_UNLCK, 0, 0));
	CALL(px, lock(a, F_SETLK, F_WRLCK, 0, 0));
	alarm(20);
	pid = CALL(px, fork());
	if (pid == 0)
		_exit(lock(b, F_SETLKW, F_WRLCK, 0, 0) < 0);
	px_tick();
	CALL(px, lock(a, F_SETLK, F_UNLCK, 0, 0));
	CALL(px, waitpid(pid, &status, 0));
	EQUAL(px, status, 0);
}

/* A lock goes with its process. */
static void
killed(struct px *px)
{
	int fd = CALL(px, open("f", O_CREAT | O_RDWR, 0600)), p[2], status;
	char c;
	pid_t pid;

	CALL(px, pipe(p));
	pid = CALL(px, fork());
	if (pid == 0) {
		int own = open("f", O_RDWR);

		lock(own, F_SETLK, F_WRLCK, 0, 0);
		flock(own, LOCK_EX);
		CALL(px, write(p[1], "x", 1));
		pause();
	}
	EQUAL(px, read(p[0], &c, 1), 1);
	ERRNO(px, flock(fd, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	ERRNO(px, lock(fd, F_SETLK, F_WRLCK, 0, 0), EAGAIN);
	kill(pid, SIGKILL);
	CALL(px, waitpid(pid, &status, 0));
	CALL(px, flock(fd, LOCK_EX | LOCK_NB));
	CALL(px, lock(fd, F_SETLK, F_WRLCK, 0, 0));
}

static void
leases(struct px *px)
{
	int fd = CALL(px, open("f", O_CREAT | O_RDWR, 0600));

	/* after unlink and rename the lock is still the file's */
	CALL(px, lock(fd, F_SETLK, F_WRLCK, 0, 0));
	CALL(px, rename("f", "g"));
	CALL(px, link("g", "f"));
	EQUAL(px, ask(px, F_SETLK, F_WRLCK, 0, 0), EAGAIN);
	CALL(px, unlink("f"));
	px_do(px, "file f");
	EQUAL(px, ask(px, F_SETLK, F_WRLCK, 0, 0), 0);
}

static const struct test lock_tests[] = {
	{ "fcntl: ranges, upgrades, who holds", fcntl_ranges, 0, false },
	{ "fcntl: closing a second descriptor drops them",
	    fcntl_second_close, 0, false },
	{ "fcntl: not inherited", fcntl_fork, 0, false },
	{ "fcntl: the mode of the descriptor", fcntl_modes, 0, false },
	{ "OFD: belong to the description", ofd, 0, false },
	{ "flock: shared, exclusive, dup", flocks, 0, false },
	{ "flock: inherited", flock_fork, 0, false },
	{ "waiting is interruptible and ends", waiting, 0, false },
	{ "gone with the process", killed, 0, false },
	{ "follow the file, not the name", leases, 0, false },
	{ 0 },
};

const struct family f_lock = { "lock", NULL, lock_tests };

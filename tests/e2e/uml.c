/*
 * A path from Linux in user mode to a unix socket of the host, without a
 * network: the guest mounts its serial line.  The line discipline stalls
 * when about 4 KiB wait to be read, so whoever stands between makes the
 * guest's reads short, and pauses when more than that is on its way: who
 * asks for more has taken what was there.
 *
 *	probe uml-host SECONDS SOCKET LINUX ARGS...
 *	probe uml-mount DIR OPTIONS	(in the guest)
 *	probe uml-insmod FILE...
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "probe.h"

#define GUEST_FD	9		/* what LINUX calls its ssl0 */
#define READ_MAX	1500u		/* bytes of one Tread or Treaddir */
#define SLICE		1520u
#define PAUSE_US	3000		/* for the guest to take them */
#define MSG_MAX		(1u << 20)
#define TREAD		116
#define TREADDIR	40
#define COUNT_AT	19u		/* in both */

static void
put_all(int fd, const void *p, size_t n)
{
	const char *q = p;
	ssize_t k;

	for (; n > 0; q += k, n -= (size_t)k)
		if ((k = write(fd, q, n)) <= 0)
			exit(0);
}

static void
get_all(int fd, void *p, size_t n)
{
	char *q = p;
	ssize_t k;

	for (; n > 0; q += k, n -= (size_t)k)
		if ((k = read(fd, q, n)) <= 0)
			exit(0);
}

static void
one_request(int line, int sock, uint8_t *buf)
{
	uint32_t n, count;

	get_all(line, buf, 4);
	memcpy(&n, buf, 4);		/* both ends are of this machine */
	if (n < 7 || n > MSG_MAX)
		exit(1);
	get_all(line, buf + 4, n - 4);
	if ((buf[4] == TREAD || buf[4] == TREADDIR) && n >= COUNT_AT + 4) {
		memcpy(&count, buf + COUNT_AT, 4);
		if (count > READ_MAX)
			count = READ_MAX;
		memcpy(buf + COUNT_AT, &count, 4);
	}
	put_all(sock, buf, n);
}

static void
relay(int line, int sock)
{
	uint8_t *buf = malloc(MSG_MAX);
	struct pollfd p[2] = { { .fd = line, .events = POLLIN },
	    { .fd = sock, .events = POLLIN } };
	size_t sent = 0;
	ssize_t n;

	signal(SIGPIPE, SIG_IGN);
	while (poll(p, 2, -1) > 0) {
		if (p[0].revents != 0) {
			one_request(line, sock, buf);
			sent = 0;
		}
		if (p[1].revents == 0)
			continue;
		if ((n = read(sock, buf, SLICE)) <= 0)
			break;
		if (sent + (size_t)n > SLICE) {
			usleep(PAUSE_US);
			sent = 0;
		}
		put_all(line, buf, (size_t)n);
		sent += (size_t)n;
	}
	exit(0);
}

static int
connect_to(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path, sizeof sa.sun_path, "%s", path);
	if (connect(fd, (void *)&sa, sizeof sa) < 0)
		die(path);
	return fd;
}

/* Linux puts itself into a process group of its own. */
int
uml_host(int argc, char **argv)
{
	time_t until;
	int line[2], sock;
	pid_t pid, relayer;

	if (argc < 4)
		return 2;
	until = time(NULL) + atoi(argv[1]);
	sock = connect_to(argv[2]);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, line) < 0)
		die("socketpair");
	if ((pid = fork()) == 0) {
		dup2(line[1], GUEST_FD);
		execv(argv[3], argv + 3);
		die(argv[3]);
	}
	close(line[1]);
	if ((relayer = fork()) == 0)
		relay(line[0], sock);
	while (waitpid(pid, NULL, WNOHANG) == 0 && time(NULL) < until)
		usleep(50000);
	kill(-pid, SIGKILL);
	kill(pid, SIGKILL);
	kill(relayer, SIGKILL);
	return time(NULL) >= until;
}

int
uml_mount(int argc, char **argv)
{
	char opts[4096];
	struct termios t;
	int line;

	if (argc != 3)
		return 2;
	line = open("/dev/ttyS0", O_RDWR | O_NOCTTY);
	if (line < 0 || tcgetattr(line, &t) < 0)
		die("/dev/ttyS0");
	cfmakeraw(&t);
	if (tcsetattr(line, TCSANOW, &t) < 0)
		die("/dev/ttyS0");
	snprintf(opts, sizeof opts, "trans=fd,rfdno=%d,wfdno=%d,%s", line,
	    line, argv[2]);
	execlp("mount", "mount", "-t", "9p", "-o", opts, "vfsd", argv[1],
	    (char *)NULL);
	die("mount");
}

int
uml_insmod(int argc, char **argv)
{
	int i, fd;

	for (i = 1; i < argc; i++) {
		fd = open(argv[i], O_RDONLY | O_CLOEXEC);
		if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) < 0 &&
		    errno != EEXIST))
			die(argv[i]);
		close(fd);
	}
	return 0;
}

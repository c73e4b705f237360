/*
 * p9 - sequential bytes through 9P, the same client for every server
 *
 *	p9 NAME MB ANAME unix:PATH MSIZE...
 *	p9 NAME MB ANAME fd:COMMAND MSIZE...	a server on descriptor 3
 *
 * Prints "NAME MSIZE write|read MB/s" and "NAME MSIZE getattr us", the
 * best of three.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../p9c.h"
#include "times.h"

#define ROUNDS	3
#define CALLS	2000

static double
now(void)
{
	return (double)clock_ns() / 1e9;
}

static void
must(int rc, const char *what)
{
	if (rc == 0)
		return;
	fprintf(stderr, "p9: %s: %s\n", what, rc > 0 ? strerror(rc) :
	    "no answer");
	exit(1);
}

static struct p9c *
to_command(const char *command)
{
	int fd[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd),
	    "socketpair");
	if (fork() == 0) {
		dup2(fd[1], 3);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	close(fd[1]);
	return p9c_new(fd[0]);
}

static struct p9c *
to_server(const char *where)
{
	struct p9c *c;

	if (strncmp(where, "fd:", 3) == 0)
		return to_command(where + 3);
	c = p9c_connect(where + 5, 0);
	must(c == NULL ? -1 : 0, where);
	return c;
}

/* MB per second. */
static double
move(struct p9c *c, bool out, uint8_t *buf, uint64_t size)
{
	uint32_t step = c->msize - P9_IOHDR, n;
	double start = now();
	uint64_t at;

	for (at = 0; at < size; at += n) {
		n = size - at < step ? (uint32_t)(size - at) : step;
		must(out ? p9c_write(c, 1, at, buf, &n) :
		    p9c_read(c, 1, at, buf, &n), out ? "write" : "read");
		must(n > 0 ? 0 : -1, "bytes");
	}
	return (double)size / (now() - start) / 1e6;
}

static double
getattrs(struct p9c *c)
{
	struct p9_rgetattr a;
	double start = now();
	unsigned i;

	for (i = 0; i < CALLS; i++)
		must(p9c_getattr(c, 1, &a), "getattr");
	return (now() - start) / CALLS * 1e6;
}

static void
measure(const char *name, uint64_t size, const char *aname,
    const char *where, uint32_t msize)
{
	double out = 0, in = 0, us = 1e9, x;
	uint8_t *buf = calloc(1, msize);
	struct p9c *c = to_server(where);
	/* not by name, which older servers do not know */
	union p9_t t = { .remove = { 1 } };
	union p9_r r;
	int i;

	must(p9c_version(c, msize), "version");
	must(p9c_attach(c, 0, aname, getuid()), "attach");
	for (i = 0; i < ROUNDS; i++) {
		must(p9c_walk(c, 0, 1, ""), "walk");
		must(p9c_create(c, 1, "bench", P9_O_RDWR | P9_O_TRUNC, 0600),
		    "create");
		if ((x = move(c, true, buf, size)) > out)
			out = x;
		if ((x = move(c, false, buf, size)) > in)
			in = x;
		if ((x = getattrs(c)) < us)
			us = x;
		must(p9c_call(c, P9_TREMOVE, &t, &r), "remove");
	}
	printf("%s %u write %.0f\n%s %u read %.0f\n%s %u getattr %.1f\n",
	    name, msize, out, name, msize, in, name, msize, us);
	p9c_free(c);
	free(buf);
	while (waitpid(-1, NULL, 0) > 0)
		;
}

int
main(int argc, char **argv)
{
	int i;

	for (i = 5; i < argc; i++)
		measure(argv[1], strtoull(argv[2], NULL, 10) << 20, argv[3],
		    argv[4], (uint32_t)atol(argv[i]));
	return argc <= 5;
}

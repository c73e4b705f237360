/*
 * calls.c - what one small call costs, on each way to a daemon
 *
 *	calls loop MOUNTPOINT		an empty FUSE round trip: statfs
 *	calls vfsd SOCKET MAILBOX	STAT over a unix socket, a ring in
 *					shared memory, bounded IPC; and with
 *					64 requests under way
 *
 * The round trip is printed under the name of each call that stands beside
 * it.  A time is the median over single calls, one after the other.
 */
#include <sys/vfs.h>

#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../host.h"
#include "times.h"

#define CALLS		20000u
#define WARM		2000u
#define FLIGHT		64u
#define MESSAGE		65536u

static const char *const ways[] = { "unix", "ring", "ipc" };
static const char *const names[] = { "call_socket", "call_ring", "call_ipc" };
#define WAYS	(sizeof ways / sizeof ways[0])

static uint8_t out[MESSAGE], in[2 * MESSAGE];
static uint64_t t[CALLS];

static void
must(int e, const char *what)
{
	if (e < 0)
		errx(1, "%s: %s", what, vfs_err_text(e));
}

static void
loop(const char *path)
{
	struct statfs st;
	uint64_t t0;
	unsigned i;
	double us;

	for (i = 0; i < WARM + CALLS; i++) {
		t0 = clock_ns();
		if (statfs(path, &st) < 0)
			err(1, "%s", path);
		t[i % CALLS] = clock_ns() - t0;
	}
	us = (double)median(t, CALLS) / 1000;
	for (i = 0; i < WAYS; i++)
		printf("%s %.3f us\n", names[i], us);
}

static void
one_by_one(struct client *c, const char *name)
{
	struct vfs_stat q = { { VFS_ID_ROOT } };
	struct vfs_stat_reply r;
	uint64_t t0;
	unsigned i;

	for (i = 0; i < WARM + CALLS; i++) {
		t0 = clock_ns();
		must(client_call(c, VFS_OP_STAT, &q, &r), name);
		t[i % CALLS] = clock_ns() - t0;
	}
	printf("%s %.3f us\n", name, (double)median(t, CALLS) / 1000);
}

/* So many are always under way. */
static void
many(struct client *c, const char *name)
{
	struct vfs_stat q = { { VFS_ID_ROOT } };
	struct vfs_stat_reply r;
	struct proto_hdr h;
	struct rbuf b;
	uint64_t t0 = clock_ns();
	unsigned sent, done;

	for (sent = 0; sent < FLIGHT; sent++)
		must(client_send(c, VFS_OP_STAT, &q), name);
	for (done = 0; done < 5 * CALLS; done++) {
		must(client_next(c, true, &h, &b), name);
		must(client_reply(c, VFS_OP_STAT, &h, &b, &r), name);
		if (sent++ < 5 * CALLS)
			must(client_send(c, VFS_OP_STAT, &q), name);
	}
	printf("%s %.0f req/s\n", name, (double)done * 1e9 /
	    (double)(clock_ns() - t0));
}

static void
vfsd(const char *sock, const char *mail)
{
	struct vfs_hello_reply hr;
	struct client c;
	struct host h;
	unsigned i;

	for (i = 0; i < WAYS; i++) {
		must(host_open(&h, ways[i], strcmp(ways[i], "ipc") == 0 ?
		    mail : sock), ways[i]);
		client_init(&c, &h.pipe, out, sizeof out, in, sizeof in);
		must(client_hello(&c, "calls", &hr), ways[i]);
		one_by_one(&c, names[i]);
		if (strcmp(ways[i], "unix") == 0)
			many(&c, "socket_64");
		if (strcmp(ways[i], "ring") == 0)
			many(&c, "ring_64");
		host_close(&h);
	}
}

int
main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "loop") == 0)
		loop(argv[2]);
	else if (argc == 4 && strcmp(argv[1], "vfsd") == 0)
		vfsd(argv[2], argv[3]);
	else
		errx(2, "usage: calls loop MOUNTPOINT | "
		    "calls vfsd SOCKET MAILBOX");
	return 0;
}

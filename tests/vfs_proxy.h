/*
 * vfs_proxy.h - a socket between a client and a daemon, which loses things
 *
 * Passes messages on, one connection after the other, until the operation
 * comes that it was set for; then, once, it does what it was told.
 */
#ifndef TESTS_VFS_PROXY_H
#define TESTS_VFS_PROXY_H

#include <pthread.h>

#include "../protocol/codec.h"

enum proxy_loses {
	PROXY_NOTHING,
	PROXY_REQUEST,			/* it never gets there */
	PROXY_REPLY,			/* it does, its answer does not */
	PROXY_LATE,			/* the request is kept, proxy_late */
};

struct proxy {
	char dir[128], where[200];	/* where: for vfs_connect */
	int listen_fd;
	pthread_t thread;
	_Atomic enum proxy_loses loses;
	_Atomic uint32_t op;		/* number of the operation */
	_Atomic unsigned lost;		/* how often it did */
	/* what was kept */
	int late_fd;
	uint8_t *late;
	size_t late_n;
};

/* To the store's socket in dir. */
void proxy_open(struct proxy *p, const char *dir);
void proxy_close(struct proxy *p);
void proxy_lose(struct proxy *p, enum proxy_loses loses, enum vfs_op op);
/* Sends what was kept, on its connection: the reply's error. */
int proxy_late(struct proxy *p);

#endif

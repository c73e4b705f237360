/*
 * host.h - the five ways to a daemon, for protocol/client.h
 *
 * What a host with a kernel below it has to supply: bytes in, bytes out,
 * sleep.  The freestanding hosts have their own (tests/guest,
 * tests/hostsim).
 */
#ifndef HOST_H
#define HOST_H

#include "../protocol/client.h"
#include "../protocol/cobs.h"
#include "../protocol/ipc.h"
#include "../protocol/ring.h"

#define HOST_SLOTS	64u

struct host {
	struct client_pipe pipe;
	int fd;				/* socket, or tty */
	int pass;			/* goes with the next bytes; else -1 */
	int other;			/* serial: kept open; else -1 */
	struct ring ring;
	struct ipc ipc;
	struct cobs cobs;
	void *region;
	size_t region_n;
	uint64_t bells, calls;		/* counted: signals sent, sleeps */
	int patience_ms;		/* nobody answers: ended */
	bool *changed;			/* ipc: set when its bit is */
};

/* where: a socket's path; 127.0.0.1:PORT; a tty.  0, or -errno. */
int host_unix(struct host *h, const char *where);
int host_tcp(struct host *h, const char *where);
int host_ring(struct host *h, const char *where);
int host_ipc(struct host *h, const char *where);
int host_serial(struct host *h, const char *where);
/* The same by name ("ring"); -ENOENT if there is none. */
int host_open(struct host *h, const char *kind, const char *where);
void host_close(struct host *h);

/* A ring on a connected unix socket, which it takes. */
int host_ring_on(struct host *h, int fd, uint32_t slots);
/* The mailbox that the server hands over on a connected socket. */
int host_ipc_on(struct host *h, int fd);
/* A line whose other end serves; takes the tty. */
int host_serial_on(struct host *h, int tty, uint32_t epoch);

/* What is sent next brings this descriptor, which is borrowed until then;
 * on sockets and rings. */
int host_pass_fd(struct host *h, int fd);

/* A memfd of n bytes, sealed unless told not to, mapped at *p. */
int host_memfd(size_t n, bool sealed, void **p);
/* One byte (a bell, or more) with a descriptor, if that is not -1. */
int host_send_fd(int sock, const void *p, size_t n, int fd);

#endif

/*
 * stall.c - peers that owe something, and what they are told in the end
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "hostile.h"

#define PATIENCE_MS	(3 * (int)VFS_STALL_MS)
#define STALLS_MAX	(3 * FRONTS_MAX)

enum way {
	SILENT,				/* connected, no more */
	UNKNOWN,			/* said what it speaks, not who it is */
	HALF,				/* of a message */
};
static const char *const way_name[] = { "silent", "unknown", "half" };

struct one {
	char kind[16];
	enum way way;
	struct host h;
	struct client c;
	struct p9c *p9;
	uint8_t out[4096], in[4096];
};

static bool
is_p9(const struct one *o)
{
	return strncmp(o->kind, "9p", 2) == 0;
}

static int
begin_p9(struct one *o, const char *where)
{
	static const uint8_t half[] = { 100, 0, 0, 0, P9_TWRITE };
	const char *colon = strrchr(where, ':');

	o->p9 = strcmp(o->kind, "9p-tcp") == 0 && colon != NULL ?
	    p9c_connect(NULL, (unsigned)atoi(colon + 1)) :
	    p9c_connect(where, 0);
	if (o->p9 == NULL)
		return -1;
	if (o->way == HALF)
		return send(o->p9->fd, half, sizeof half, 0) == sizeof half ?
		    0 : -1;
	return o->way == UNKNOWN ? p9c_version(o->p9, 65536) : 0;
}

static int
begin_vfp(struct one *o, const char *where)
{
	static const uint8_t half[] = { 64, 0, 0, 0, 4, 0, 0, 4 };
	struct vfs_hello_reply r;
	int err = host_open(&o->h, o->kind, where);

	if (err < 0)
		return err;
	client_init(&o->c, &o->h.pipe, o->out, sizeof o->out, o->in,
	    sizeof o->in);
	if (o->way != SILENT)
		err = client_hello(&o->c, "stall", &r);
	if (err == 0 && o->way == HALF)
		err = o->h.pipe.put(o->h.pipe.arg, half, sizeof half) > 0 ?
		    0 : -1;
	return err;
}

/* Until it ends: the reason, as far as it can be told; 0: it does not. */
static int
end_of(struct one *o)
{
	struct pollfd p = { .events = POLLIN };
	struct proto_hdr h;
	struct rbuf b;
	int err;

	if (is_p9(o)) {
		p.fd = o->p9->fd;
		return poll(&p, 1, PATIENCE_MS) == 1 && recv(p.fd, o->in, 1,
		    0) <= 0 ? -VFS_SESSION_CLOSED : 0;
	}
	o->h.patience_ms = PATIENCE_MS;
	err = client_next(&o->c, true, &h, &b);
	return o->c.ended != 0 ? o->c.ended : err;
}

/* Whom the transport names may be idle; half a message is one anywhere,
 * but for TCP those who have not attached are ended for that. */
static bool
owes(const char *kind, enum way way)
{
	bool strange = strcmp(kind, "tcp") == 0;

	if (strcmp(kind, "mount") == 0 || strcmp(kind, "serial") == 0)
		return false;
	return way == HALF || strange || strncmp(kind, "9p", 2) == 0;
}

int
stall(unsigned n, char **spec)
{
	static struct one o[STALLS_MAX];
	unsigned i, k = 0, bad = 0, way;
	int err;

	for (i = 0; i < 3 * n; i++) {
		way = i % 3;
		snprintf(o[k].kind, sizeof o[k].kind, "%.*s",
		    (int)strcspn(spec[i / 3], "="), spec[i / 3]);
		if (!owes(o[k].kind, way))
			continue;
		o[k].way = way;
		err = is_p9(&o[k]) ?
		    begin_p9(&o[k], strchr(spec[i / 3], '=') + 1) :
		    begin_vfp(&o[k], strchr(spec[i / 3], '=') + 1);
		if (err != 0)
			printf("# %s, %s: cannot begin: %d\n", o[k].kind,
			    way_name[way], err);
		bad += err != 0;
		k += err == 0;
	}
	for (i = 0; i < k; i++) {
		err = end_of(&o[i]);
		bad += err == 0;
		printf("# %s, %s: %s\n", o[i].kind, way_name[o[i].way],
		    err == 0 ? "is not ended" : vfs_err_name(err));
	}
	return bad > 0;
}

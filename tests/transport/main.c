/*
 * transport - the cases over one transport of a running daemon
 *
 *	transport KIND WHERE [TOKEN [DIR]]	unix, tcp, ring, ipc, serial
 *	transport token SOCKET		make a token, print it
 *	transport ptys [SEED]		ptys.c
 *
 * Prints TAP.  TOKEN is 64 hexadecimal digits.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../host.h"
#include "cases.h"
#include "ptys.h"

#define MESSAGE	65536u

static uint8_t out[MESSAGE], in[2 * MESSAGE], room[MESSAGE];

static int
come_in(struct client *c, const char *hex)
{
	struct vfs_hello_reply hr;
	struct vfs_attach_reply ar;
	uint8_t token[VFS_TOKEN_BYTES];
	unsigned i, byte;
	int err = client_hello(c, "transport", &hr);

	if (err < 0 || hex == NULL)
		return err;
	for (i = 0; i < sizeof token; i++) {
		if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
			return -VFS_INVAL;
		token[i] = (uint8_t)byte;
	}
	return client_attach(c, token, sizeof token, &ar);
}

static unsigned
run_all(struct cases *k, const char *kind)
{
	unsigned i, bad = 0;

	printf("1..%u\n", case_rows_n);
	for (i = 0; i < case_rows_n; i++) {
		k->skipped = false;
		if (case_rows[i].run(k)) {
			printf("ok %u - %s: %s%s\n", i + 1, kind,
			    case_rows[i].name, k->skipped ?
			    " # SKIP no memory is shared here" : "");
			continue;
		}
		bad++;
		printf("not ok %u - %s: %s\n# cases*.c:%u: %d (%s), not %d\n",
		    i + 1, kind, case_rows[i].name, k->line, k->got,
		    vfs_err_name(k->got), k->want);
	}
	return bad;
}

/* All rights of whoever runs this, for ten minutes. */
static int
token(const char *where)
{
	struct vfs_grant q = { .root = { VFS_ID_ROOT }, .ttl_s = 600,
		.rights = VFS_RIGHTS_ALL, .label = { "transport", 9 } };
	struct vfs_grant_reply r;
	struct host h;
	struct client c;
	size_t i;
	int err = host_unix(&h, where);

	if (err == 0) {
		client_init(&c, &h.pipe, out, sizeof out, in, sizeof in);
		err = client_call(&c, VFS_OP_GRANT, &q, &r);
	}
	if (err < 0) {
		fprintf(stderr, "transport: %s: %s\n", where,
		    vfs_err_text(err));
		return 1;
	}
	for (i = 0; i < r.token.n; i++)
		printf("%02x", ((uint8_t *)r.token.p)[i]);
	printf("\n");
	return 0;
}

/* Descriptor and memory stay until we end. */
static int
share(struct cases *k, size_t n, void **p)
{
	int fd = host_memfd(n, true, p);

	return fd < 0 ? -VFS_NOMEM : host_pass_fd(k->host, fd);
}

static int
run(const char *kind, const char *where, const char *hex, const char *dir)
{
	struct host h;
	struct client c;
	struct cases k = { .c = &c, .room = room, .room_n = sizeof room };
	char name[32];
	int err;
	unsigned bad;

	if ((err = host_open(&h, kind, where)) < 0) {
		printf("not ok 1 - %s: %s: %d\n", kind, where, err);
		return 1;
	}
	client_init(&c, &h.pipe, out, sizeof out, in, sizeof in);
	h.changed = &c.changed;
	snprintf(name, sizeof name, "t-%s", kind);
	k.name = dir != NULL ? dir : name;
	k.host = &h;
	if (strcmp(kind, "ring") == 0 || strcmp(kind, "unix") == 0)
		k.share = share;
	if ((err = come_in(&c, hex)) < 0 || !case_setup(&k)) {
		printf("not ok 1 - %s: %s\n", kind,
		    vfs_err_text(err < 0 ? err : k.got));
		return 1;
	}
	bad = run_all(&k, kind);
	printf("# %s: %llu requests, %llu bells rung, slept %llu times\n",
	    kind, (unsigned long long)c.req_id, (unsigned long long)h.bells,
	    (unsigned long long)h.calls);
	host_close(&h);
	return bad > 0;
}

int
main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (strcmp(what, "ptys") == 0)
		return ptys_main(argc > 2 ? argv[2] : NULL);
	if (strcmp(what, "token") == 0 && argc == 3)
		return token(argv[2]);
	if (argc >= 3 && argc <= 5)
		return run(what, argv[2], argc > 3 ? argv[3] : NULL,
		    argc > 4 ? argv[4] : NULL);
	fprintf(stderr, "usage: transport KIND WHERE [TOKEN [DIR]]\n");
	return 2;
}

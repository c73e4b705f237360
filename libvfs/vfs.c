/* vfs.c - a connection's life */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vfs_in.h"

#define BACKOFF_MS	20u		/* between attempts, at first */
#define BACKOFF_MS_MAX	500u

/* --- memory ------------------------------------------------------------------ */

static void
conf_defaults(struct vfs_conf *c)
{
	if (c->deadline_ms == 0)
		c->deadline_ms = VFS_DEADLINE_MS;
	if (c->retry_ms == 0)
		c->retry_ms = VFS_RETRY_MS;
	if (c->max_msg == 0 || c->max_msg > VFS_MSG_MAX)
		c->max_msg = VFS_MSG_MAX;
	c->max_msg &= ~7u;
	if (c->prio == 0)
		c->prio = VFS_PRIO;
}

static int
conf_take(struct vfs *v, const struct vfs_conf *conf)
{
	static const struct vfs_conf none;
	size_t n;

	v->conf = conf != NULL ? *conf : none;
	conf_defaults(&v->conf);
	if (v->conf.prio > 7 || v->conf.max_msg < PROTO_MSG_MIN)
		return -VFS_INVAL;
	n = v->conf.client != NULL ? strlen(v->conf.client) : 0;
	if (n >= sizeof v->client)
		n = sizeof v->client - 1;
	memcpy(v->client, n > 0 ? v->conf.client : "", n);
	if (v->conf.token != NULL) {
		memcpy(v->token, v->conf.token, sizeof v->token);
		v->has_token = true;
	}
	v->conf.client = NULL;		/* the caller's, and copied */
	v->conf.token = NULL;
	return 0;
}

static char *
copy(const char *s)
{
	size_t n = strlen(s) + 1;
	char *p = malloc(n);

	return p == NULL ? NULL : memcpy(p, s, n);
}

static int
new_vfs(const struct vfs_conf *conf, const char *where, struct vfs **out)
{
	struct vfs *v = calloc(1, sizeof *v);
	int err;

	if (v == NULL)
		return -VFS_NOMEM;
	v->fd = -1;
	v->lost = -VFS_OFFLINE;
	v->done_end = &v->done;
	v->root.n = VFS_ID_ROOT;
	v->rights = VFS_RIGHTS_ALL;
	if (getrandom(&v->random, sizeof v->random, GRND_NONBLOCK) < 0)
		v->random = lv_now_ms() ^ (uint64_t)getpid() << 32;
	v->random |= 1;
	if ((err = conf_take(v, conf)) == 0) {
		v->out = malloc(v->conf.max_msg);
		v->in = malloc(VFS_IN_BYTES);
		v->msg = malloc(v->conf.max_msg);
		v->where = where != NULL ? copy(where) : NULL;
		if (v->out == NULL || v->in == NULL || v->msg == NULL ||
		    (where != NULL && v->where == NULL))
			err = -VFS_NOMEM;
	}
	if (err < 0)
		vfs_disconnect(v);
	else
		*out = v;
	return err;
}

/* Nobody hears of them any more. */
static void
calls_drop(struct vfs *v)
{
	while (v->done != NULL)
		lv_done_take(v, v->done);
}

void
vfs_disconnect(struct vfs *v)
{
	if (v == NULL)
		return;
	lv_lose(v, -VFS_SESSION_CLOSED);
	calls_drop(v);
	lv_handles_free(v);
	lv_watches_free(v);
	free(v->where);
	free(v->out);
	free(v->in);
	free(v->msg);
	explicit_bzero(v->token, sizeof v->token);
	free(v);
}

/* --- the first words ------------------------------------------------------------ */

static void
fresh(struct vfs *v, int fd)
{
	v->fd = fd;
	v->lost = 0;
	v->epoch++;
	v->credits = 0;
	v->control = VFS_CREDITS_CONTROL;
	v->out_at = v->out_n = v->in_at = v->in_n = 0;
	v->rx = (struct rx){ .on = false };
	v->forgotten = 0;
	v->bytes = v->forgotten_bytes = 0;
	v->max_bytes = UINT64_MAX;
	v->max_credits = UINT32_MAX;
	v->expires_ms = 0;
	memset(v->cancels, 0, sizeof v->cancels);
	v->peer.max_msg = PROTO_MSG_MIN;
}

/* What the daemon says of itself may be nonsense. */
static int
hello_check(struct vfs *v, const struct vfs_hello_reply *r)
{
	if (r->version != PROTO_VERSION)
		return -VFS_VERSION;
	if (r->max_msg < PROTO_MSG_MIN || r->uuid.n != sizeof v->uuid ||
	    r->server.n >= sizeof v->server)
		return -VFS_MALFORMED;
	if (v->known && memcmp(v->uuid, r->uuid.p, sizeof v->uuid) != 0)
		return -VFS_NO_SUCH_ID;
	return 0;
}

static void
hello_keep(struct vfs *v, const struct vfs_hello_reply *r)
{
	v->peer = *r;
	memcpy(v->uuid, r->uuid.p, sizeof v->uuid);
	memcpy(v->server, r->server.p, r->server.n);
	v->server[r->server.n] = 0;
	v->peer.uuid = (struct vfs_buf){ v->uuid, sizeof v->uuid,
		sizeof v->uuid };
	v->peer.server = (struct vfs_buf){ v->server, r->server.n,
		r->server.n };
	v->known = true;
	v->credits = r->credits;
	v->max_bytes = r->max_bytes;
}

static int
hello(struct vfs *v)
{
	struct vfs_hello q = { .magic = PROTO_MAGIC,
		.version_min = PROTO_VERSION, .version_max = PROTO_VERSION,
		.max_msg = v->conf.max_msg, .nonce = v->random,
		.client = lv_str(v->client) };
	struct vfs_hello_reply r;
	struct vfs_call c = { .op = VFS_OP_HELLO, .q = &q, .r = &r,
		.prio = 7 };
	int err;

	if ((err = lv_run_once(v, &c)) < 0 ||
	    (err = hello_check(v, &r)) < 0)
		return err;
	hello_keep(v, &r);
	return 0;
}

/* By token, or by who we are: what that allows, and where it begins.  The
 * root's id is good for everybody, so its handle is not kept. */
static int
attach(struct vfs *v)
{
	struct vfs_attach q = { .token = { v->token,
		v->has_token ? sizeof v->token : 0 } };
	struct vfs_attach_reply r;
	struct vfs_call c = { .op = VFS_OP_ATTACH, .q = &q, .r = &r };
	struct handle *h;
	int err = lv_run_once(v, &c);

	if (err == -VFS_UNKNOWN_OP && !v->has_token)
		return 0;		/* a daemon that has no sessions */
	if (err < 0)
		return err;
	v->rights = r.rights;
	v->root = r.root_id;
	v->max_credits = r.max_credits;
	if (r.max_bytes < v->max_bytes)
		v->max_bytes = r.max_bytes;
	if ((h = lv_handle_find(v, r.root)) != NULL)
		lv_handle_drop(v, h);
	return 0;
}

static int
begin(struct vfs *v, int fd)
{
	int err;

	fresh(v, fd);
	if ((err = hello(v)) == 0)
		err = attach(v);
	if (err < 0)
		lv_lose(v, err);
	return err;
}

static int
dial(struct vfs *v)
{
	bool tcp;
	int fd = lv_addr_connect(v->where, v->conf.deadline_ms, &tcp);

	if (fd >= 0 && tcp && !v->has_token) {
		close(fd);
		return -VFS_ACCESS;
	}
	return fd < 0 ? fd : begin(v, fd);
}

int
vfs_connect(const char *where, const struct vfs_conf *conf,
    struct vfs **out)
{
	struct vfs *v;
	int err = new_vfs(conf, where, &v);

	if (err < 0)
		return err;
	if ((err = dial(v)) < 0)
		vfs_disconnect(v);
	else
		*out = v;
	return err;
}

int
vfs_connect_fd(int fd, const struct vfs_conf *conf, struct vfs **out)
{
	struct vfs *v = NULL;
	int err = new_vfs(conf, NULL, &v);

	if (err < 0) {
		close(fd);
		return err;
	}
	if ((err = begin(v, fd)) < 0)
		vfs_disconnect(v);
	else
		*out = v;
	return err;
}

/* --- again ------------------------------------------------------------------ */

/* May the next attempt fare better? */
static bool
passes(int err)
{
	return err == -VFS_OFFLINE || err == -VFS_SESSION_CLOSED ||
	    err == -VFS_BUSY || err == -VFS_AGAIN;
}

int
vfs_reconnect(struct vfs *v)
{
	uint64_t until = lv_now_ms() + v->conf.retry_ms;
	uint32_t pause = BACKOFF_MS;
	int err;

	if (v->where == NULL)
		return lv_fail(v, v->lost != 0 ? v->lost : -VFS_UNSUPPORTED);
	lv_lose(v, -VFS_SESSION_CLOSED);
	for (;;) {
		if ((err = dial(v)) == 0 &&
		    (err = lv_handles_reopen(v)) == 0 &&
		    (err = lv_watches_again(v)) == 0)
			return 0;
		if (!passes(err) || lv_now_ms() >= until)
			return lv_fail(v, err);
		lv_sleep_ms(v, pause);
		pause = pause < BACKOFF_MS_MAX ? 2 * pause : pause;
	}
}

/* --- tokens ------------------------------------------------------------------- */

static int
digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' :
	    c >= 'a' && c <= 'f' ? c - 'a' + 10 :
	    c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int
vfs_token_parse(const char *text, uint8_t token[VFS_TOKEN_BYTES])
{
	uint8_t t[VFS_TOKEN_BYTES];
	unsigned i;
	int a, b;

	for (i = 0; i < VFS_TOKEN_BYTES; i++) {
		if ((a = digit(text[2 * i])) < 0 ||
		    (b = digit(text[2 * i + 1])) < 0)
			return -VFS_INVAL;
		t[i] = (uint8_t)(a << 4 | b);
	}
	if (text[2 * i] != 0 && (text[2 * i] != '\n' ||
	    text[2 * i + 1] != 0))
		return -VFS_INVAL;
	memcpy(token, t, sizeof t);
	return 0;
}

/* --- what is known ------------------------------------------------------------ */

const struct vfs_hello_reply *
vfs_peer(const struct vfs *v)
{
	return &v->peer;
}

struct vfs_id
vfs_root(const struct vfs *v)
{
	return v->root;
}

uint32_t
vfs_rights(const struct vfs *v)
{
	return v->rights;
}

void
vfs_set_deadline(struct vfs *v, uint32_t ms)
{
	v->conf.deadline_ms = ms > 0 ? ms : VFS_DEADLINE_MS;
}

void
vfs_set_priority(struct vfs *v, uint8_t prio)
{
	v->conf.prio = prio > 7 ? 7 : prio;
}

const struct vfs_failure *
vfs_failure(const struct vfs *v)
{
	return &v->failure;
}

const char *
vfs_strerror(int err)
{
	return vfs_err_text(err);
}

int
vfs_errno(int err)
{
	return vfs_err_errno(err);
}

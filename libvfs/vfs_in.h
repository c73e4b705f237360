/*
 * vfs_in.h - what the files of libvfs share; lv_ is not exported
 *
 * vfs.c	a connection's life
 * addr.c	where the daemon is
 * stream.c	bytes to and from the socket
 * submit.c	requests under way
 * handle.c	the caller's handles, which outlive connections
 * call.c	blocking: one request, again if need be
 */
#ifndef VFS_IN_H
#define VFS_IN_H

#include "../protocol/codec.h"
#include "../protocol/tx.h"
#include "vfs.h"

#define VFS_BUCKETS	64u
#define VFS_IN_BYTES	65536u		/* read at once */
#define VFS_NOTE_MAX	4096u		/* longest notification */
#define VFS_CANCELS	4u		/* without an answer so far */
#define VFS_RESULT_BYTES PROTO_BRIEF
#define VFS_REPLY_FIXED	512u		/* more than any fixed part */
#define VFS_MSG_FIXED	128u		/* than that of messages with bytes */

/* States of a call; done ones are in a list unless they are our own. */
enum { CALL_IDLE, CALL_WAITS, CALL_DONE, CALL_OWN_DONE };

/* An open handle, or a place for one. */
struct handle {
	uint64_t real;			/* the daemon's; 0: gone */
	struct vfs_id id;
	uint64_t gen;			/* odd: in use */
	uint32_t flags, rights;		/* to open it with, again */
	enum vfs_op op;			/* OPEN or OPEN_ID */
	uint32_t next;			/* of the free ones: index + 1 */
};

struct handles {
	struct handle *v;
	uint32_t n, cap, used;		/* used: promised ones too */
	uint32_t free;			/* index + 1; 0: none */
};

/* A reply that is being received. */
struct rx {
	struct proto_hdr h;
	bool on;			/* a header was read */
	struct vfs_call *call;		/* NULL: nobody wants it */
	uint8_t *to;			/* NULL: it is skipped */
	size_t got;
};

struct watch {
	uint64_t number, real;		/* ours, the daemon's (0: not now) */
	struct vfs_id subtree;
	struct vfs_cursor cursor;
	uint32_t mask;
	struct watch *next;
};

struct vfs {
	int fd;				/* -1: lost */
	int lost;			/* why; 0: it is not */
	char *where;			/* NULL: cannot be made again */
	struct vfs_conf conf;
	char client[VFS_CLIENT_MAX + 1];
	uint8_t token[VFS_TOKEN_BYTES];
	bool has_token;
	uint32_t epoch;			/* counts connections */

	/* what HELLO and ATTACH said */
	struct vfs_hello_reply peer;
	uint8_t uuid[16];
	char server[64];
	bool known;			/* the uuid is */
	uint32_t rights;
	struct vfs_id root;

	/* requests */
	uint64_t req_id;		/* the last */
	uint32_t credits, control;	/* left */
	uint32_t max_credits;		/* of this session */
	uint64_t bytes, max_bytes;	/* of those that wait; of all */
	uint64_t forgotten_bytes;	/* until none is forgotten */
	uint32_t waiting, waiting_normal, waiting_own, ndone;
	struct vfs_call *bucket[VFS_BUCKETS];
	struct vfs_call *done, **done_end;
	uint64_t expires_ms;		/* of the first, about; 0: none */
	uint32_t forgotten;		/* replies that nobody waits for */
	uint64_t cancels[VFS_CANCELS];

	/* bytes */
	uint8_t *out;
	size_t out_at, out_n;
	uint8_t *in;
	size_t in_at, in_n;
	struct rx rx;

	struct handles handles;

	/* journal */
	bool changed;			/* N_CHANGED since the last question */
	uint64_t changed_seq, watch_number;
	struct watch *watches;

	/* blocking */
	uint8_t *msg;			/* room for replies: max_msg */
	struct vfs_failure failure;
	uint64_t random;
};

/* addr.c: a connected socket, or a negative vfs_err. */
int lv_addr_connect(const char *where, uint32_t wait_ms, bool *tcp);

/* stream.c */
uint64_t lv_now_ms(void);
/* Sends and receives once, without waiting: 0, or v->lost. */
int lv_pump(struct vfs *v);
int lv_pump_out(struct vfs *v);
/* The connection is of no more use; every call is done. */
int lv_lose(struct vfs *v, int err);

/* submit.c */
/* As vfs_submit, for one that vfs_complete must not give to anybody. */
int lv_submit_own(struct vfs *v, struct vfs_call *c);
struct vfs_call *lv_call_find(struct vfs *v, uint64_t req_id);
/* A reply is in c->buf (or not: err). */
void lv_call_finish(struct vfs *v, struct vfs_call *c,
    const struct proto_hdr *h, const uint8_t *msg);
/* Done without a reply. */
void lv_call_fail(struct vfs *v, struct vfs_call *c, int err);
void lv_calls_fail(struct vfs *v, int err);
void lv_calls_expire(struct vfs *v, uint64_t now_ms);
/* Takes c off the done ones. */
void lv_done_take(struct vfs *v, struct vfs_call *c);
bool lv_is_control(enum vfs_op op);
/* A reply to one that nobody waits for. */
void lv_forgotten(struct vfs *v);
/* A reply brings credits. */
void lv_pay(struct vfs *v, enum vfs_op op, const struct proto_hdr *h);
int lv_err_of_status(uint32_t status);

/* handle.c */
bool lv_gives_handle(enum vfs_op op, const void *q);
/* A place for the handle that a request will give: 1 + its slot. */
int lv_handle_promise(struct vfs *v, enum vfs_op op, const void *q,
    uint32_t *given);
void lv_handle_unpromise(struct vfs *v, uint32_t given);
/* The reply's handle becomes one of ours. */
void lv_handle_take(struct vfs *v, const struct vfs_call *c, void *r);
/* In an encoded request, ours become the daemon's. */
int lv_handles_put(struct vfs *v, enum vfs_op op, uint8_t *msg, size_t n);
/* CLOSE was accepted: they are free. */
void lv_handles_closed(struct vfs *v, struct vfs_slice list);
void lv_handle_drop(struct vfs *v, struct handle *h);
int lv_handles_reopen(struct vfs *v);
void lv_handles_free(struct vfs *v);
struct handle *lv_handle_find(struct vfs *v, uint64_t n);

/* call.c: one request and its reply, as often as it takes.  c->buf NULL:
 * v->msg, so what r borrows is good until the next call. */
int lv_run(struct vfs *v, struct vfs_call *c);
int lv_call(struct vfs *v, struct vfs_tx *tx, enum vfs_op op,
    const void *q, void *r);
/*
 * Sends a request whose reply lv_run waits for, later, or vfs_forget does
 * away with; q stays until then.  It is idle still if not now.  Its reply
 * goes to v->msg, too, but not before somebody waits.
 */
void lv_ahead(struct vfs *v, struct vfs_call *c);
/*
 * The same for longer than the caller's call: neither vfs_complete nor
 * vfs_pending knows of it, and its reply has room of its own.  All of it is
 * sent, as nobody knows when the caller comes by again.
 */
void lv_ahead_own(struct vfs *v, struct vfs_call *c);
/* No retry, no new connection: for making one. */
int lv_run_once(struct vfs *v, struct vfs_call *c);
int lv_fail(struct vfs *v, int err);
void lv_sleep_ms(struct vfs *v, uint32_t most);
uint64_t lv_random(struct vfs *v);

/* What the wire has for what a caller may say: 0 is either. */
uint32_t lv_unlink_flags(uint32_t flags);

static inline struct vfs_slice
lv_str(const char *s)
{
	size_t n = 0;

	while (s != NULL && s[n] != 0)
		n++;
	return (struct vfs_slice){ s, n };
}

/* attr.c: bytes of a reply into the caller's room: how many; how many
 * results of a batch were told; how many fit one message. */
int64_t lv_bytes_out(struct vfs *v, const struct vfs_buf *got, void *p,
    size_t cap);
int64_t lv_found_take(struct vfs *v, struct vfs_slice list, uint32_t want,
    struct vfs_found *out, size_t n);
size_t lv_found_max(const struct vfs *v, uint32_t want);

/* Bytes that one message can carry, whatever else is in it. */
static inline size_t
lv_payload(const struct vfs *v)
{
	size_t peer = v->peer.max_msg, mine = v->conf.max_msg;

	return (peer < mine ? peer : mine) - VFS_MSG_FIXED;
}

/* tx.c */
struct vfs_tx {
	struct vfs *v;
	uint64_t n;			/* the daemon's number */
	uint32_t epoch;			/* of the connection it lives on */
	uint32_t max_ops;
	uint64_t seq;			/* the snapshot */
	uint8_t id[VFS_TX_ID_BYTES];
	struct part *part;		/* of a pack, under way; or NULL */
};

/* pack.c: lets go of it. */
void lv_part_free(struct vfs_tx *tx);

/* vfs_tx_commit; *results is good until the next call. */
int lv_tx_commit(struct vfs_tx *tx, uint32_t durability, struct vfs_seq *seq,
    struct vfs_buf *results);
/* After a commit that failed: who was faster, and where. */
void lv_tx_explain(struct vfs *v, const uint8_t id[VFS_TX_ID_BYTES]);

/* watch.c */
int lv_watches_again(struct vfs *v);
void lv_watches_free(struct vfs *v);

#endif

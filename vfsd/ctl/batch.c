#include <stdlib.h>
#include <string.h>

#include "../../protocol/tx.h"
#include "batch.h"

#define LIST_MAX	(VFS_IO_MAX - (64u << 10))	/* bytes of a message */
#define OPS_MAX		1024u
#define OP_ROOM		2048u		/* of one, besides its bytes */
#define A_FEW		16u		/* operations of one object */

struct op {
	struct vfs_id *id;
	char *about;
};

struct batch {
	struct ctl *k;
	uint8_t *list;
	size_t n;
	struct op ops[OPS_MAX];
	uint32_t nops;
};

int
batch_new(struct ctl *k, struct batch **out)
{
	struct batch *b = calloc(1, sizeof *b);

	if (b == NULL || (b->list = malloc(LIST_MAX)) == NULL) {
		free(b);
		return -VFS_NOMEM;
	}
	b->k = k;
	*out = b;
	return 0;
}

static void
forget(struct batch *b)
{
	while (b->nops > 0)
		free(b->ops[--b->nops].about);
	b->n = 0;
}

void
batch_free(struct batch *b)
{
	if (b == NULL)
		return;
	forget(b);
	free(b->list);
	free(b);
}

int
batch_room(struct batch *b, size_t bytes)
{
	if (b->nops + A_FEW <= OPS_MAX &&
	    b->n + bytes + A_FEW * OP_ROOM <= LIST_MAX)
		return 0;
	return batch_send(b);
}

int
batch_add(struct batch *b, enum vfs_op op, const void *q, const char *about,
    struct vfs_id *id)
{
	struct op *o = &b->ops[b->nops];
	int err;

	if (b->nops == OPS_MAX)
		return -VFS_TOO_BIG;
	err = proto_tx_op_put(op, q, b->list, LIST_MAX, &b->n);
	if (err < 0) {
		ctl_fail(about, err);
		return err;
	}
	if ((o->about = strdup(about)) == NULL)
		return -VFS_NOMEM;
	o->id = id;
	if (id != NULL)
		id->n = VFS_TX_RESULT | b->nops;
	b->nops++;
	return 0;
}

void
batch_forget(struct batch *b, const struct vfs_id *id)
{
	uint32_t i;

	for (i = b->nops; i > 0; i--)
		if (b->ops[i - 1].id == id)
			b->ops[i - 1].id = NULL;
}

static int
results(struct batch *b, const struct vfs_tx_exec_reply *r)
{
	struct proto_brief brief;
	struct rbuf rb;
	uint32_t i;

	if (r->nresults != b->nops ||
	    r->results.n != (size_t)b->nops * PROTO_BRIEF)
		return -VFS_MALFORMED;
	rbuf_init(&rb, r->results.p, r->results.n, 0);
	for (i = 0; i < b->nops; i++) {
		proto_brief_decode(&rb, &brief);
		if (b->ops[i].id != NULL)
			*b->ops[i].id = brief.id;
	}
	return rb.err;
}

int
batch_send(struct batch *b)
{
	struct vfs_tx_exec q = { .nops = b->nops, .ops = { b->list, b->n } };
	struct vfs_tx_exec_reply r;
	uint32_t at;
	int err;

	if (b->nops == 0)
		return 0;
	err = ctl_call(b->k, VFS_OP_TX_EXEC, &q, &r);
	at = b->k->error.op_index;
	if (err == 0)
		err = results(b, &r);
	if (err < 0)
		ctl_fail(b->ops[at < b->nops ? at : 0].about, err);
	forget(b);
	return err;
}

/* Steps: in words, and run. */
#include <stdio.h>
#include <string.h>

#include "../../../vfsd/core/token.h"
#include "life.h"

static uint8_t data_buf[STEP_DATA_MAX];
static uint8_t xattr_buf[4096];
static struct vfs_id reap_buf[VFS_REAP_MAX];
static uint8_t token_buf[REC_TOKEN_MAX];

void
step_data(uint32_t seed, uint8_t *buf, size_t n)
{
	struct rng r = { seed };
	uint64_t v;
	size_t i;

	for (i = 0; i < n; i += 8) {
		v = rng_u64(&r);
		memcpy(buf + i, &v, n - i < 8 ? n - i : 8);
	}
}

static const char *const op_names[VFS_OP_COUNT] = {
#define OP(n, N, name, mode, lock, req, rep) [VFS_OP_##N] = #name,
#include "../../../protocol/ops.def"
#undef OP
};

static const char *const act_names[] = { "op", "tx", "drop", "release",
    "checkpoint", "step", "reader", "POWER CUT", "KILL -9", "close" };

static void
describe_tx(const struct step_tx *x, char *t, size_t n)
{
	static const char *const how[] = { "exec", "staged", "open" };
	size_t at;
	int i;

	at = (size_t)snprintf(t, n, "tx %s%s", how[x->how],
	    x->stable ? " stable" : "");
	for (i = 0; i < x->n + x->fails && at < n; i++)
		at += (size_t)snprintf(t + at, n - at, "%s %s",
		    i == x->n ? "; fails:" : i ? "," : ":",
		    op_names[x->sub[i].op]);
}

void
step_describe(struct step *st)
{
	const struct step *s = st;
	char *t = st->text;
	size_t n = sizeof(st->text);

#define U(x)	((unsigned long long)(x))
	if (s->act == ACT_TX && s->tx) {
		describe_tx(s->tx, t, n);
		return;
	}
	if (s->act != ACT_OP) {
		snprintf(t, n, "%s %llu", act_names[s->act], U(s->id));
		return;
	}
	switch (s->op) {
	case VFS_OP_WRITE:
		snprintf(t, n, "write %llu off %llu n %zu%s", U(s->q.write.id.n),
		    U(s->q.write.off), s->ndata,
		    s->q.write.flags ? " append" : "");
		break;
	case VFS_OP_CREATE:
		snprintf(t, n, "create %llu/%s %o", U(s->q.create.dir.n),
		    s->name, s->q.create.mode);
		break;
	case VFS_OP_TMPFILE:
		snprintf(t, n, "tmpfile %llu %o", U(s->q.tmpfile.dir.n),
		    s->q.tmpfile.mode);
		break;
	case VFS_OP_RENAME:
		snprintf(t, n, "rename %llu/%s %llu/%s flags %u",
		    U(s->q.rename.dir.n), s->name, U(s->q.rename.dir2.n),
		    s->name2, s->q.rename.flags);
		break;
	case VFS_OP_SETATTR:
		snprintf(t, n, "setattr %llu valid %x size %llu",
		    U(s->q.setattr.id.n), s->q.setattr.valid,
		    U(s->q.setattr.size));
		break;
	case VFS_OP_ALLOCATE:
		snprintf(t, n, "allocate %llu off %llu len %llu flags %x",
		    U(s->q.allocate.id.n), U(s->q.allocate.off),
		    U(s->q.allocate.len), s->q.allocate.flags);
		break;
	case VFS_OP_COPY_RANGE:
		snprintf(t, n, "copy_range %llu@%llu %llu@%llu len %llu",
		    U(s->q.copy_range.src.n), U(s->q.copy_range.src_off),
		    U(s->q.copy_range.dst.n), U(s->q.copy_range.dst_off),
		    U(s->q.copy_range.len));
		break;
	case VFS_OP_TREE_PUBLISH:
		snprintf(t, n, "tree_publish %llu/%s %llu/%s flags %u",
		    U(s->q.rename.dir.n), s->name, U(s->q.rename.dir2.n),
		    s->name2, s->q.tree_publish.flags);
		break;
	case VFS_OP_TREE_CLONE:
		snprintf(t, n, "tree_clone %llu as %llu/%s",
		    U(s->q.tree_clone.src.n), U(s->q.tree_clone.dir.n),
		    s->name);
		break;
	case VFS_OP_REAP:
		snprintf(t, n, "reap %llu max %u held %zu", U(s->q.reap.id.n),
		    s->q.reap.max, s->q.reap.held.n / sizeof(struct vfs_id));
		break;
	case VFS_OP_TOKEN:
		snprintf(t, n, "token %llu is %u", U(s->q.token.number),
		    s->seed);
		break;
	case VFS_OP_LINK:
		snprintf(t, n, "link %llu as %llu/%s", U(s->q.link.target.n),
		    U(s->q.link.dir.n), s->name);
		break;
	default:		/* their first field is the object */
		snprintf(t, n, "%s %llu %s", op_names[s->op],
		    U(s->q.stat.id.n), s->name);
	}
#undef U
}

/* --- running -------------------------------------------------------- */

static struct vfs_slice
token_row(uint32_t seed)
{
	struct rec_token rec = { .root = { VFS_ID_ROOT },
		.uid = seed, .label = { "rig", 3 } };

	memset(rec.hash, (int)seed, sizeof rec.hash);
	return (struct vfs_slice){ token_buf,
	    seed > 0 ? rec_token_encode(&rec, token_buf) : 0 };
}
/* Bytes that the request borrows: made again each time from the seed. */
void
step_lend(struct step *st)
{
	if (st->op == VFS_OP_WRITE) {
		step_data(st->seed, data_buf, st->ndata);
		st->q.write.data = (struct vfs_slice){ data_buf, st->ndata };
	} else if (st->op == VFS_OP_XATTR_SET) {
		st->q.xattr_set.value = (struct vfs_slice){ xattr_buf,
		    model_xattr(st->seed, xattr_buf) };
	} else if (st->op == VFS_OP_TOKEN) {
		st->q.token.row = token_row(st->seed);
	}
	/* the step may have been copied: its names are in it */
	switch (st->op) {
	case VFS_OP_CREATE:
		st->q.create.name.p = st->name;
		st->q.create.target.p = st->name2;
		break;
	case VFS_OP_LINK:
		st->q.link.name.p = st->name;
		break;
	case VFS_OP_UNLINK:
		st->q.unlink.name.p = st->name;
		break;
	case VFS_OP_RENAME:
	case VFS_OP_TREE_PUBLISH:
		st->q.rename.name.p = st->name;
		st->q.rename.name2.p = st->name2;
		break;
	case VFS_OP_TREE_CLONE:
		st->q.tree_clone.name.p = st->name;
		break;
	case VFS_OP_TREE_REMOVE:
		st->q.tree_remove.name.p = st->name;
		break;
	case VFS_OP_XATTR_SET:
		st->q.xattr_set.name.p = st->name;
		break;
	case VFS_OP_XATTR_REMOVE:
		st->q.xattr_remove.name.p = st->name;
		break;
	default:
		break;
	}
}

int
step_run(struct server *s, struct step *st, const struct req_env *env)
{
	switch (st->act) {
	case ACT_OP:
		step_lend(st);
		memset(&st->r, 0, sizeof(st->r));
		if (st->op == VFS_OP_REAP)
			st->r.reap.orphans = (struct vfs_buf){
			    .p = reap_buf, .cap = sizeof(reap_buf) };
		return dispatch(s, st->op, env, &st->q, &st->r);
	case ACT_TX:
		return step_run_tx(s, st, env);
	case ACT_DROP:
		server_drop(s, (struct vfs_id){ st->id }, 1);
		return 0;
	case ACT_RELEASE:
		server_released(s, (struct vfs_id){ st->id });
		return 0;
	case ACT_CHECKPOINT:
		return engine_checkpoint(server_engine(s));
	case ACT_STEP:
		return engine_step(server_engine(s));
	default:
		return 0;
	}
}

/*
 * vfsctl publish: a directory of the host appears in a store in one step
 *
 * It is copied into a staging directory, which has no name and goes with
 * this connection, and put in place in one commit.
 */
#include <string.h>
#include <unistd.h>

#include "../../protocol/tx.h"
#include "at.h"
#include "batch.h"
#include "copy.h"

enum { NOREPLACE, REPLACE, EXCHANGE, EXCHANGE_AS, DURABLE, QUIET, NFLAGS };
static const char *const flags[] = { "--noreplace", "--replace",
    "--exchange", "--exchange=", "--durable", "-q", NULL };

struct publish {
	struct ctl k;
	struct ctl_at at;
	const char *dst;
	uint32_t mode;			/* TREE_PUBLISH flag */
	char old[VFS_NAME_MAX + 8];	/* EXCHANGE: the old one's new name */
	bool durable, show;
	struct vfs_id staging, keep;	/* keep: the handle, or 0 */
	struct vfs_id replaced;
	uint64_t seq;
	struct copy_sum sum;
};

static struct vfs_slice
str(const char *s)
{
	return (struct vfs_slice){ s, strlen(s) };
}

/* --- options ------------------------------------------------------------- */

static bool
parse(const struct ctl_args *a, struct publish *p)
{
	int n = a->flag[NOREPLACE] + a->flag[REPLACE] +
	    (a->flag[EXCHANGE] || a->flag[EXCHANGE_AS]);

	p->mode = a->flag[REPLACE] ? VFS_TREE_REPLACE :
	    a->flag[EXCHANGE] || a->flag[EXCHANGE_AS] ?
	    VFS_RENAME_EXCHANGE : VFS_RENAME_NOREPLACE;
	p->durable = a->flag[DURABLE];
	p->show = !a->flag[QUIET] && !a->json && isatty(STDERR_FILENO);
	if (a->flag[EXCHANGE_AS])
		snprintf(p->old, sizeof p->old, "%s", a->value[EXCHANGE_AS]);
	return n <= 1;
}

/* --- before -------------------------------------------------------------- */

static int
exists(struct publish *p, const char *name)
{
	struct vfs_lookup q = { .dir = p->at.dir, .name = str(name) };
	struct vfs_lookup_reply r;

	return ctl_call(&p->k, VFS_OP_LOOKUP, &q, &r);
}

/* What is bound to fail fails before anything is copied. */
static int
look_first(struct publish *p)
{
	int err = exists(p, p->at.name);

	if (err < 0 && err != -VFS_NOENT)
		return ctl_fail(p->dst, err), err;
	if (err == 0 && p->mode == VFS_RENAME_NOREPLACE) {
		fprintf(stderr, "vfsctl: %s: exists (--replace or --exchange "
		    "would take its place)\n", p->dst);
		return -VFS_EXIST;
	}
	if (p->mode != VFS_RENAME_EXCHANGE)
		return 0;
	if (err < 0)
		return ctl_fail(p->dst, err), err;
	if (p->old[0] == 0)
		snprintf(p->old, sizeof p->old, "%s.old", p->at.name);
	if ((err = exists(p, p->old)) == -VFS_NOENT)
		return 0;
	ctl_fail(p->old, err == 0 ? -VFS_EXIST : err);
	return err == 0 ? -VFS_EXIST : err;
}

/* What new objects would inherit is not what is copied. */
static int
stage(struct publish *p)
{
	struct vfs_tmpfile q = { .dir = p->at.dir,
		.mode = VFS_TYPE_MODE(VFS_DIR) | 0700 };
	struct vfs_xattr_remove xq = { .name =
	    str("system.posix_acl_default") };
	struct vfs_xattr_remove_reply xr;
	struct vfs_tmpfile_reply r;
	int err;

	if ((err = ctl_call(&p->k, VFS_OP_TMPFILE, &q, &r)) < 0)
		return ctl_fail(p->dst, err), err;
	p->keep.n = r.handle;
	p->staging = r.handle != 0 ? p->keep : r.attr.id;
	xq.id = p->staging;
	err = ctl_call(&p->k, VFS_OP_XATTR_REMOVE, &xq, &xr);
	if (err < 0 && err != -VFS_NOXATTR)
		return ctl_fail(p->dst, err), err;
	return 0;
}

/* --- in place ------------------------------------------------------------ */

static int
put_in_place(struct publish *p)
{
	struct vfs_tree_publish q = { .dir = p->staging, .dir2 = p->at.dir,
		.expect = p->sum.top, .flags = p->mode, .name = str("top"),
		.name2 = str(p->at.name) };
	struct vfs_tree_publish_reply r;
	int err;

	if ((err = ctl_call(&p->k, VFS_OP_TREE_PUBLISH, &q, &r)) < 0)
		return ctl_fail(p->dst, err), err;
	p->replaced = r.replaced;
	p->seq = r.seq;
	return 0;
}

/* The old tree, which an exchange leaves in the staging directory, gets a
 * name outside in the same commit. */
static int
exchange(struct publish *p)
{
	struct vfs_tree_publish in = { .dir = p->staging, .dir2 = p->at.dir,
		.expect = p->sum.top, .flags = VFS_RENAME_EXCHANGE,
		.name = str("top"), .name2 = str(p->at.name) };
	struct vfs_tree_publish out = { .dir = p->staging,
		.dir2 = p->at.dir, .flags = VFS_RENAME_NOREPLACE,
		.name = str("top"), .name2 = str(p->old) };
	uint8_t list[2048];
	struct vfs_tx_exec q = { .nops = 2 };
	struct vfs_tx_exec_reply r;
	size_t n = 0;
	int err;

	if ((err = proto_tx_op_put(VFS_OP_TREE_PUBLISH, &in, list,
	    sizeof list, &n)) == 0)
		err = proto_tx_op_put(VFS_OP_TREE_PUBLISH, &out, list,
		    sizeof list, &n);
	q.ops = (struct vfs_slice){ list, n };
	if (err == 0)
		err = ctl_call(&p->k, VFS_OP_TX_EXEC, &q, &r);
	if (err < 0)
		return ctl_fail(p->k.error.op_index == 1 ? p->old : p->dst,
		    err), err;
	p->seq = r.seq;
	return 0;
}

static int
make_durable(struct publish *p)
{
	struct vfs_sync q = { .id = { 0 } };
	struct vfs_sync_reply r;
	int err;

	if (!p->durable)
		return 0;
	if ((err = ctl_call(&p->k, VFS_OP_SYNC, &q, &r)) < 0)
		ctl_fail("it is in place, but not on stable media", err);
	return err;
}

static int
run(struct publish *p, const char *src)
{
	int err;

	if ((err = look_first(p)) < 0 || (err = stage(p)) < 0 ||
	    (err = copy_tree(&p->k, src, p->staging, "top", p->show,
	    &p->sum)) < 0)
		return err;
	err = p->mode == VFS_RENAME_EXCHANGE ? exchange(p) : put_in_place(p);
	return err < 0 ? err : make_durable(p);
}

/* --- the command --------------------------------------------------------- */

static void
show(const struct publish *p)
{
	struct json j = { .to = stdout };

	json_begin(&j, NULL, '{');
	json_num(&j, "id", p->sum.top.n);
	json_num(&j, "seq", p->seq);
	json_num(&j, "replaced", p->replaced.n);
	json_num(&j, "files", p->sum.files);
	json_num(&j, "directories", p->sum.dirs);
	json_num(&j, "links", p->sum.links);
	json_num(&j, "others", p->sum.others);
	json_num(&j, "bytes", p->sum.bytes);
	json_end(&j, '}');
	putchar('\n');
}

int
ctl_publish(const struct ctl_cmd *cmd, int argc, char **argv)
{
	struct publish p = { .durable = false };
	struct ctl_args a;
	int err;

	if (!ctl_parse(cmd, argc, argv, flags, 2, 2, &a))
		return CTL_USAGE;
	if (!parse(&a, &p)) {
		fprintf(stderr, "vfsctl publish: --noreplace, --replace and "
		    "--exchange exclude each other\n");
		return CTL_USAGE;
	}
	p.dst = a.arg[1];
	if (ctl_at(p.dst, false, &p.k, &p.at) < 0)
		return CTL_FAILED;
	err = run(&p, a.arg[0]);
	ctl_close(&p.k);
	if (err < 0)
		return CTL_FAILED;
	if (a.json)
		show(&p);
	return CTL_OK;
}

/*
 * image.h - a store in memory that may hold anything, and its use
 *
 * For the targets that fill one: rows (image.c), the log (log.c).
 */
#ifndef FUZZ_IMAGE_H
#define FUZZ_IMAGE_H

#include "../backends/mem/mem.h"
#include "../vfsd/check_store.h"
#include "../vfsd/core/core.h"
#include "../vfsd/core/le.h"
#include "../vfsd/engine/engine.h"

#define DIR_FD		(-77)
#define VAL_MAX		4096u

static const struct core_root image_root = { .mode = 0755 };

static struct engine_conf
image_conf(bool rdonly)
{
	return (struct engine_conf){ .dirfd = DIR_FD, .create = !rdonly,
		.rdonly = rdonly, .damaged_ok = true, .no_threads = true,
		.log_bytes = 1 << 20, .now = { 1704067200, 0 },
		.boot = { 1, 1 }, .store = &be_store_mem,
		.log = &be_log_mem, .data = &be_data_mem,
		.format = core_format, .format_arg = &image_root };
}

static bool
image_entry(void *arg, const struct vfs_dirent *e)
{
	(void)e;
	return ++*(unsigned *)arg < 100;
}

/* What a reader does with every object it meets. */
static void
image_read(struct engine *e, uint64_t id)
{
	static uint8_t room[65536];
	struct req_env env = { .kernel_checked = true };
	struct vfs_stat sq = { .id = { id } };
	struct vfs_stat_reply sr;
	struct vfs_read rq = { .id = { id }, .count = sizeof room };
	struct vfs_read_reply rr = { .data = { room, sizeof room, 0 } };
	struct vfs_readlink lq = { .id = { id } };
	struct vfs_readlink_reply lr = { .target = { room, sizeof room, 0 } };
	struct vfs_xattr_list xq = { .id = { id } };
	struct vfs_xattr_list_reply xr = { .names = { room, sizeof room, 0 } };
	struct vfs_seek kq = { .id = { id }, .whence = VFS_SEEK_HOLE };
	struct vfs_seek_reply kr;
	unsigned n = 0;
	struct vfs_dir_read dq = { .dir = { id }, .want = VFS_WANT_ATTR };
	struct vfs_dir_read_reply dr = { .entries = { image_entry, &n } };
	struct vfs_paths_of pq = { .id = { id } };
	struct vfs_paths_of_reply pr = { .links = { image_entry, &n } };
	struct vfs_journal_read jq = { .pattern = { "*a[b]?", 6 },
		.max = 100 };
	struct vfs_journal_read_reply jr = {
		.records = { room, sizeof room, 0 } };
	struct txn *t;

	if (txn_begin(e, TXN_READ, &env, &t) < 0)
		return;
	(void)op_stat(t, &sq, &sr);
	(void)op_read(t, &rq, &rr);
	(void)op_readlink(t, &lq, &lr);
	(void)op_xattr_list(t, &xq, &xr);
	(void)op_seek(t, &kq, &kr);
	(void)op_dir_read(t, &dq, &dr);
	(void)op_paths_of(t, &pq, &pr);
	jq.subtree.n = id;
	jq.flags = id % 2 ? VFS_JOURNAL_COLLAPSE : 0;
	(void)op_journal_read(t, &jq, &jr);
	txn_abort(t);
}

static void
image_use(bool repair)
{
	struct engine_conf conf = image_conf(!repair);
	struct check_conf cc = { .bytes = true, .repair = repair,
		.still = true };
	struct check_sum sum;
	struct engine *e;
	uint64_t id;

	if (engine_open(&conf, &e) < 0)
		return;
	(void)check_store(e, &cc, &sum);
	for (id = 0; id < 24; id++)
		image_read(e, id);
	engine_kill(e);
}

#endif

/*
 * Any rows, with right checksums, in a store: opened, checked, read and
 * repaired, nothing may crash.  Input: rows of u8 key length, u16 value
 * length, key, value.
 */
#include <stdlib.h>
#include <string.h>

#include "../backends/mem/mem.h"
#include "../vfsd/check_store.h"
#include "../vfsd/core/core.h"
#include "../vfsd/core/le.h"
#include "../vfsd/engine/engine.h"
#include "fuzz.h"

#define DIR_FD		(-77)
#define ROWS_IN		512u
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

static void
image_put(void *store, const uint8_t *key, size_t nkey, const uint8_t *val,
    size_t nval)
{
	uint8_t buf[VAL_MAX + 8];
	struct vfs_slice k = { key, nkey };
	struct store_row row = { k, { buf, nval + 8 } };
	struct store_batch b = { &row, 1 };

	memcpy(buf, val, nval);
	le_put64(buf + nval, sum_row(k, (struct vfs_slice){ buf, nval }));
	be_store_mem.apply(store, &b);
}

static void
image_rows(const uint8_t *p, size_t n)
{
	unsigned rows;
	void *store;
	size_t nkey, nval;

	if (be_store_mem.open(DIR_FD, false, false, &store) < 0)
		abort();
	for (rows = 0; n >= 3 && rows < ROWS_IN; rows++) {
		nkey = p[0];
		nval = le_get16(p + 1);
		p += 3;
		n -= 3;
		if (nkey == 0 || nval > VAL_MAX || nkey + nval > n)
			break;
		image_put(store, p, nkey, p + nkey, nval);
		p += nkey + nval;
		n -= nkey + nval;
	}
	be_store_mem.close(store);
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

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct engine_conf conf = image_conf(false);
	struct engine *e;

	if (engine_open(&conf, &e) < 0 || engine_close(e) < 0)
		abort();
	image_rows(p, n);
	image_use(false);
	image_use(true);
	be_mem_forget(DIR_FD);
	return 0;
}

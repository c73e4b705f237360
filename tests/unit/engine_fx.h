/*
 * engine_fx.h - an engine on a directory of its own, and rows in it
 *
 * Rows are INODE rows whose payload is one number and some filling.
 */
#ifndef TESTS_UNIT_ENGINE_FX_H
#define TESTS_UNIT_ENGINE_FX_H

#include <assert.h>
#include <ftw.h>

#include "../../backends/mem/mem.h"

struct fx {
	char dir[64];
	struct engine_conf conf;
	struct engine *e;
	unsigned fill;			/* bytes of filling per row */
};

static inline void
fx_report(void *arg, const struct fault_rec *f)
{
	(void)arg;
	if (getenv("FX_VERBOSE") != NULL)
		fprintf(stderr, "# %s:%d %s\n", f->file, f->line, f->text);
}

/* Fill in the conf; the caller may change it before fx_start. */
static inline void
fx_init(struct fx *fx, bool mem)
{
	memset(fx, 0, sizeof(*fx));
	strcpy(fx->dir, "/tmp/vfsd-engine-XXXXXX");
	assert_non_null(mkdtemp(fx->dir));
	fx->fill = 100;
	fx->conf.dirfd = open(fx->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fx->conf.dirfd >= 0);
	fx->conf.create = true;
	fx->conf.log_bytes = 4u << 20;
	fx->conf.boot[0] = 11;
	fx->conf.boot[1] = 12;
	fx->conf.now.sec = 1700000000;
	fx->conf.report = fx_report;
	if (mem) {
		fx->conf.store = &be_store_mem;
		fx->conf.log = &be_log_mem;
		fx->conf.data = &be_data_mem;
	}
}

static inline void
fx_start(struct fx *fx)
{
	fx->conf.now.sec++;	/* or ids would wait for the clock */
	assert_int_equal(engine_open(&fx->conf, &fx->e), 0);
}

static inline void
fx_open(struct fx *fx, bool mem)
{
	fx_init(fx, mem);
	fx_start(fx);
}

static inline int
fx_rm(const char *path, const struct stat *st, int flag, struct FTW *f)
{
	(void)st, (void)flag, (void)f;
	return remove(path);
}

static inline void
fx_stop(struct fx *fx, bool kill)
{
	if (kill)
		engine_kill(fx->e);
	else
		assert_int_equal(engine_close(fx->e), 0);
	fx->e = NULL;
}

static inline void
fx_fini(struct fx *fx)
{
	be_mem_forget(fx->conf.dirfd);
	close(fx->conf.dirfd);
	nftw(fx->dir, fx_rm, 8, FTW_DEPTH | FTW_PHYS);
}

static inline void
fx_close(struct fx *fx)
{
	fx_stop(fx, false);
	fx_fini(fx);
}

static inline void
fx_reopen(struct fx *fx, bool kill)
{
	fx_stop(fx, kill);
	fx_start(fx);
}

static inline struct txn *
fx_begin(struct fx *fx, enum txn_mode mode)
{
	struct txn *t = NULL;

	assert_int_equal(txn_begin(fx->e, mode, NULL, &t), 0);
	return t;
}

static inline int
fx_row(struct fx *fx, struct txn *t, enum row_kind kind, uint64_t id,
    uint32_t num)
{
	uint8_t b[4096];
	struct row_key k;

	row_key_id(&k, kind, id);
	memset(b, (int)num, sizeof(b));
	memcpy(b, &num, 4);
	return txn_put(t, row_key_slice(&k),
	    (struct vfs_slice){ b, 4 + fx->fill });
}

static inline void
fx_put(struct fx *fx, uint64_t id, uint32_t num)
{
	struct txn *t = fx_begin(fx, TXN_WRITE);

	assert_int_equal(fx_row(fx, t, ROW_INODE, id, num), 0);
	assert_int_equal(txn_commit(t, NULL), 0);
}

static inline void
fx_draft(struct fx *fx, uint64_t id, uint32_t num)
{
	struct txn *t = fx_begin(fx, TXN_WRITE);

	txn_set_draft(t);
	assert_int_equal(fx_row(fx, t, ROW_DRAFT, id, num), 0);
	assert_int_equal(txn_commit(t, NULL), 0);
}

static inline int
fx_del_once(struct fx *fx, uint64_t id)
{
	struct txn *t = fx_begin(fx, TXN_WRITE);
	struct row_key k;

	row_key_id(&k, ROW_INODE, id);
	assert_int_equal(txn_del(t, row_key_slice(&k)), 0);
	return txn_commit(t, NULL);
}

static inline void
fx_del(struct fx *fx, uint64_t id)
{
	int err = fx_del_once(fx, id);

	if (err == -VFS_AGAIN)		/* as the dispatcher does */
		err = fx_del_once(fx, id);
	assert_int_equal(err, 0);
}

/* -1 where there is none. */
static inline int
fx_see(struct txn *t, enum row_kind kind, uint64_t id)
{
	struct vfs_slice val;
	struct row_key k;
	uint32_t num;
	int err;

	row_key_id(&k, kind, id);
	err = txn_get(t, row_key_slice(&k), &val);
	if (err == -VFS_NOENT)
		return -1;
	assert_int_equal(err, 0);
	memcpy(&num, val.p, 4);
	return (int)num;
}

static inline int
fx_get(struct fx *fx, uint64_t id)
{
	struct txn *t = fx_begin(fx, TXN_READ);
	int num = fx_see(t, ROW_INODE, id);

	txn_abort(t);
	return num;
}

/* How many INODE rows a walk finds, in order. */
static inline unsigned
fx_count(struct fx *fx)
{
	struct txn *t = fx_begin(fx, TXN_READ);
	struct vfs_slice key, val;
	struct row_parts parts;
	struct txn_cur *c = NULL;
	uint64_t last = 0;
	unsigned n = 0;
	uint8_t kind = ROW_INODE;
	int err;

	assert_int_equal(txn_cur_open(t, &c), 0);
	err = txn_cur_seek(c, (struct vfs_slice){ &kind, 1 }, &key, &val);
	while (err == 0 && row_key_parse(key, &parts) == 0 &&
	    parts.kind == ROW_INODE) {
		assert_true(n == 0 || parts.a > last);
		last = parts.a;
		n++;
		err = txn_cur_next(c, &key, &val);
	}
	txn_abort(t);
	return n;
}

#endif

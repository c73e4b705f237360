/*
 * create.c - an empty store
 *
 * Everything is durable before the log's header is put; that makes the
 * store exist.  A creation that was cut short is done again.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/statvfs.h>

#include "../core/le.h"
#include "engine_impl.h"

#define LOG_MIN		(4u << 20)
#define LOG_MAX		(128u << 20)
#define FORMAT_ROWS_MAX	64u

/* An eighth of what is free, within bounds. */
uint64_t
create_ring_size(const struct engine *e)
{
	struct statvfs st;
	uint64_t n = LOG_MAX;

	if (e->conf.log_bytes != 0)
		return e->conf.log_bytes;
	if (e->conf.dirfd >= 0 && fstatvfs(e->conf.dirfd, &st) == 0)
		n = (uint64_t)st.f_bavail * st.f_frsize / 8;
	n = n < LOG_MIN ? LOG_MIN : n > LOG_MAX ? LOG_MAX : n;
	return n & ~(uint64_t)4095;
}

static int
backends_make(struct engine *e)
{
	int fd = e->conf.dirfd, err;

	if ((err = e->sops->open(fd, true, false, &e->store)) < 0)
		return efault(e, err, "make the row store");
	if ((err = e->dops->open(fd, true, false, &e->data)) < 0)
		return efault(e, err, "make the data file");
	if (e->log == NULL && (err = e->lops->open(fd, true, false,
	    create_ring_size(e), &e->log)) < 0)
		return efault(e, err, "make the log");
	return 0;
}

/* Rows in a store without a log: somebody lost the log. */
static int
refuse_rows(struct engine *e)
{
	struct store_usage u;
	int err = e->sops->usage(e->store, &u);

	if (err == 0 && u.rows > FORMAT_ROWS_MAX)
		err = efault(e, -VFS_CORRUPT,
		    "the row store has rows, but there is no log");
	return err;
}

/* The rows of the transaction, with checksums, into the store at once. */
static int
rows_apply(struct engine *e, struct overlay *ws)
{
	struct store_row row[FORMAT_ROWS_MAX + 2];
	uint8_t buf[FORMAT_ROWS_MAX][REC_JOURNAL_MAX + ROW_SUM];
	struct ckpt_mark mark = { .boot = { e->conf.boot[0],
	    e->conf.boot[1] }, .sum = le_get64(e->head.uuid) };
	struct meta_row m, f;
	struct ov_key *k = overlay_seek(ws, (struct vfs_slice){ "", 0 });
	size_t n = 2, i;

	format_row(e, &f);
	row[1] = meta_store_row(&f);
	for (; k != NULL; k = overlay_next(ws, k), n++) {
		const struct ov_ver *v = overlay_at(k, OV_TICK_MAX);
		struct vfs_slice val = { v->b, v->n };

		i = n - 2;
		if (i == FORMAT_ROWS_MAX || v->n > REC_JOURNAL_MAX)
			return -VFS_TX_LIMIT;
		memcpy(buf[i], v->b, v->n);
		le_put64(buf[i] + v->n, sum_row(overlay_key(k), val));
		row[n] = (struct store_row){ overlay_key(k),
		    { buf[i], v->n + ROW_SUM } };
		journal_tally(overlay_key(k), v->n + ROW_SUM, &mark);
	}
	mark_row(&mark, &m);
	row[0] = meta_store_row(&m);
	return e->sops->apply(e->store, &(struct store_batch){ row, n });
}

static int
format_rows(struct engine *e)
{
	struct req_env env = { .now = e->conf.now };
	struct txn *t;
	int err;

	if ((err = txn_begin_inner(e, TXN_WRITE, &env, &t)) < 0)
		return err;
	if (e->conf.format != NULL)
		err = e->conf.format(t, e->conf.format_arg);
	if (err == 0 && (err = rows_apply(e, t->ws)) < 0)
		efault(e, err, "write the first rows");
	txn_abort(t);
	return err;
}

int
versions_make(struct engine *e)
{
	struct overlay *active = NULL;
	int err;

	if ((err = overlay_new(true, &active)) < 0)
		return err;
	if ((err = version_first(e, active)) < 0)
		overlay_free(active);
	else
		overlay_drop(active);
	return err;
}

int
store_create(struct engine *e)
{
	int err;

	if ((err = backends_make(e)) < 0 || (err = refuse_rows(e)) < 0)
		return err;
	memset(&e->head, 0, sizeof(e->head));
	if (getrandom(e->head.uuid, sizeof(e->head.uuid), 0) !=
	    (ssize_t)sizeof(e->head.uuid))
		return efault(e, -VFS_IO, "no random numbers for the uuid");
	e->head.uuid[6] = (e->head.uuid[6] & 15) | 0x40;
	e->head.uuid[8] = (e->head.uuid[8] & 63) | 0x80;
	marks_start(e);
	atomic_store(&e->id_lease, UINT64_MAX);
	atomic_store(&e->seq_lease, UINT64_MAX);
	if ((err = versions_make(e)) < 0)
		return err;
	err = format_rows(e);
	versions_close(e);
	if (err < 0)
		return err;
	e->head.id_mark = atomic_load(&e->id_now);
	e->head.seq_mark = atomic_load(&e->seq_now) + 1;
	e->head.clean = true;
	return head_write(e);
}

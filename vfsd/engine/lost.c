/*
 * lost.c - the log is missing, or is not whole
 *
 * Nobody serves such a store: what it has promised may be gone.  A repair
 * makes the log anew.  The rows have the store's uuid and say where replay
 * starts, and a record is known by its checksum, so what the ring still has
 * is replayed.  What it does not have is gone, and nobody knows how much
 * that was: so the journal begins anew, which the new header asks for until
 * it has happened, and numbers go on from where the lost ones cannot have
 * come to.
 */
#include "engine_impl.h"

/* Further than 256 openings step beyond a clock that is behind. */
#define LOST_STEP	(1ull << 44)

/* --- what the rows tell -------------------------------------------- */

static void
grow(uint64_t *top, uint64_t n)
{
	if (n > *top)
		*top = n;
}

/* The numbers that a row has been given: ids and commits count alike. */
static void
row_top(const struct row_parts *p, struct vfs_slice val, uint64_t *top)
{
	struct rec_inode in;
	struct rec_journal j;

	grow(top, p->a);
	if (p->kind == ROW_INODE && rec_inode_decode(val, &in) == 0) {
		grow(top, in.data_version);
		grow(top, in.meta_version);
	} else if (p->kind == ROW_JOURNAL &&
	    rec_journal_decode(val, &j) == 0) {
		grow(top, j.id.n);
	}
}

/* A damaged row may say anything: it is passed over. */
static int
kind_top(struct txn *t, enum row_kind kind, uint64_t *top)
{
	const uint8_t first = (uint8_t)kind;
	struct vfs_slice key = { NULL, 0 }, val;
	struct txn_cur *c = NULL;
	struct row_parts p;
	int err;

	if ((err = txn_cur_open(t, &c)) < 0)
		return err;
	err = txn_cur_seek(c, (struct vfs_slice){ &first, 1 }, &key, &val);
	while ((err == 0 || (err == -VFS_CORRUPT && key.p != NULL)) &&
	    *(const uint8_t *)key.p == first) {
		if (err == 0 && row_key_parse(key, &p) == 0)
			row_top(&p, val, top);
		key.p = NULL;
		err = txn_cur_next(c, &key, &val);
	}
	txn_cur_close(c);
	return err == -VFS_NOENT || err == -VFS_CORRUPT ? 0 : err;
}

static int
rows_top(struct engine *e, uint64_t *top)
{
	struct txn *t;
	int err;

	*top = e->mark.seq;
	grow(top, e->mark.journal_floor.seq);
	if ((err = txn_begin_inner(e, TXN_READ, NULL, &t)) < 0)
		return err;
	err = kind_top(t, ROW_INODE, top);
	if (err == 0)
		err = kind_top(t, ROW_JOURNAL, top);
	txn_abort(t);
	return err;
}

/*
 * Where numbers start: at the clock, as at every opening, or behind it by
 * more than what the lost log can have given out.
 */
static void
head_guess(struct engine *e, uint64_t top, struct head *h)
{
	uint64_t mark = top + 1;

	if (!marks_clock_past(e, mark))
		mark += LOST_STEP;
	h->id_mark = h->seq_mark = mark;
}

/* --- made anew ----------------------------------------------------- */

static int
rows_tell(struct engine *e, struct head *h)
{
	uint64_t top;
	int err;

	if ((err = versions_make(e)) < 0)
		return err;
	if ((err = format_uuid(e, h->uuid)) == 0 &&
	    (err = mark_read(e, &e->mark)) == 0 &&
	    (err = rows_top(e, &top)) == 0)
		head_guess(e, top, h);
	versions_close(e);
	return err;
}

static int
file_anew(struct engine *e, const struct head *h)
{
	uint8_t b[LOG_HEAD_MAX];
	size_t n = head_encode(h, b);
	int err;

	err = e->lops->anew(e->conf.dirfd, create_ring_size(e), b, n,
	    &e->lost.kept);
	if (err == -VFS_EXIST)
		return efault(e, err, "%s is of an earlier repair: move it "
		    "away first", e->lost.kept);
	return err < 0 ? efault(e, err, "make the log anew") : 0;
}

static int
log_anew(struct engine *e)
{
	struct head h = { .anew = true };
	int err;

	if ((err = e->sops->open(e->conf.dirfd, false, false, &e->store)) < 0)
		return efault(e, err, "open the row store");
	e->lops->close(e->log);
	e->log = NULL;
	if ((err = rows_tell(e, &h)) < 0 || (err = file_anew(e, &h)) < 0)
		return err;
	err = e->lops->open(e->conf.dirfd, false, false, 0, &e->log);
	if (err < 0 || (err = head_read(e, &e->head)) < 0)
		return efault(e, err, "open the new log");
	return 0;
}

/* --- opening ------------------------------------------------------- */

static int
log_find(struct engine *e)
{
	int err = e->lops->open(e->conf.dirfd, false, e->conf.rdonly, 0,
	    &e->log);

	if (err == -VFS_NOENT)
		e->lost.what = "the log is missing";
	else if (err == -VFS_CORRUPT)
		e->lost.what = "the log has not the size that it was made with";
	else if (err < 0)
		return efault(e, err, "open the log");
	else if ((err = head_read(e, &e->head)) == -VFS_NOENT)
		e->lost.what = "the log has no header";
	else if (err == -VFS_CORRUPT)
		e->lost.what = "the log's header is damaged";
	return err;
}

/* The log tells whether there is a store. */
int
log_open(struct engine *e)
{
	int err = log_find(e);

	if (err == -VFS_NOENT && e->conf.create && !e->conf.rdonly) {
		e->lost.what = NULL;
		return store_create(e);
	}
	if (e->lost.what == NULL)
		return err;
	if (e->conf.log_anew && !e->conf.rdonly && e->lops->anew != NULL)
		return log_anew(e);
	return efault(e, -VFS_CORRUPT, "%s", e->lost.what);
}

/* A checkpoint had put rows of what is gone.  Its mark stays until the journal
 * has begun anew: a repair that was cut short is not taken for done. */
int
log_ends_short(struct engine *e, uint64_t upto)
{
	if (e->lost.what == NULL)
		e->lost.what = "the log ends before what a checkpoint has "
		    "seen of it";
	if (e->conf.log_anew && !e->conf.rdonly) {
		e->mark.upto = 0;
		e->head.anew = true;
		return 0;
	}
	return efault(e, -VFS_CORRUPT, "the log ends at %llu, but a "
	    "checkpoint had synced it up to %llu",
	    (unsigned long long)atomic_load(&e->log_end),
	    (unsigned long long)upto);
}

/* --- opened --------------------------------------------------------- */

int
lost_journal(struct engine *e)
{
	int err;

	if (!e->head.anew)
		return 0;
	if ((err = engine_journal_forget(e)) < 0)
		return err;
	pthread_mutex_lock(&e->head_lock);
	e->head.anew = false;
	err = head_write(e);
	pthread_mutex_unlock(&e->head_lock);
	return err;
}

/*
 * engine.c - opening and closing
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "../clock.h"
#include "../core/le.h"
#include "engine_impl.h"

#define TABLE_BYTES	(32u << 20)
#define TABLE_ROWS	200000u

/* --- making the struct --------------------------------------------- */

static int
slots_make(struct engine *e)
{
	unsigned i, n = e->conf.readers_max;

	e->nslots = n == 0 || n >= SLOTS_MAX ? SLOTS_MAX : n + 1;
	e->slots = aligned_alloc(64, e->nslots * sizeof(*e->slots));
	if (e->slots == NULL)
		return -VFS_NOMEM;
	memset(e->slots, 0, e->nslots * sizeof(*e->slots));
	for (i = 0; i < e->nslots; i++) {
		atomic_init(&e->slots[i].tick, UINT64_MAX);
		e->slots[i].txn.e = e;
		e->slots[i].txn.slot = i;
	}
	return 0;
}

static void
locks_make(struct engine *e)
{
	pthread_mutex_init(&e->serial, NULL);
	pthread_mutex_init(&e->vlock, NULL);
	pthread_mutex_init(&e->store_lock, NULL);
	pthread_mutex_init(&e->ckpt_lock, NULL);
	pthread_mutex_init(&e->head_lock, NULL);
	pthread_mutex_init(&e->fault.lock, NULL);
	pthread_mutex_init(&e->sync.lock, NULL);
	pthread_cond_init(&e->slot_free, NULL);
	pthread_cond_init(&e->sync.done, NULL);
	pthread_cond_init(&e->sync.wake, NULL);
	bg_init(e);
}

static int
engine_new(const struct engine_conf *conf, struct engine **out)
{
	struct engine *e = calloc(1, sizeof(*e));
	int err;

	if (e == NULL)
		return -VFS_NOMEM;
	e->conf = *conf;
	e->lock_fd = -1;
	if (e->conf.table_bytes_max == 0)
		e->conf.table_bytes_max = TABLE_BYTES;
	if (e->conf.table_rows_max == 0)
		e->conf.table_rows_max = TABLE_ROWS;
	if (e->conf.journal_bytes_max == 0)
		e->conf.journal_bytes_max = VFS_JOURNAL_BYTES;
	e->sops = conf->store != NULL ? conf->store : backends_store[0];
	e->lops = conf->log != NULL ? conf->log : backends_log[0];
	e->dops = conf->data != NULL ? conf->data : backends_data[0];
	locks_make(e);
	*out = e;
	if ((err = slots_make(e)) < 0 ||
	    (err = overlay_new(false, &e->ws)) < 0)
		return err;
	return 0;
}

static void
slots_free(struct engine *e)
{
	unsigned i;

	for (i = 0; e->slots != NULL && i < e->nslots; i++) {
		struct txn *t = &e->slots[i].txn;

		assert(t->v == NULL);	/* every txn has ended */
		free(t->did.frees.p);
		free(t->did.carried.p);
		free(t->did.carry_buf.p);
	}
	free(e->slots);
}

/* Forget everything; nothing is written. */
static void
engine_free(struct engine *e)
{
	if (e == NULL)
		return;
	versions_close(e);
	slots_free(e);
	space_free(e->space);
	if (e->store != NULL)
		e->sops->close(e->store);
	if (e->log != NULL)
		e->lops->close(e->log);
	if (e->data != NULL)
		e->dops->close(e->data);
	overlay_free(e->ws);
	free(e->rec.p);
	free(e->dead.p);
	free(e->carried);
	free(e->carried_buf);
#ifdef PLANT_ACK_BEFORE_APPEND
	free(e->held.p);
#endif
	if (e->lock_fd >= 0)
		close(e->lock_fd);
	free(e);
}

/* --- opening ------------------------------------------------------- */

static int
rest_open(struct engine *e)
{
	bool ro = e->conf.rdonly;
	int fd = e->conf.dirfd, err;

	if (e->store == NULL &&
	    (err = e->sops->open(fd, false, ro, &e->store)) < 0)
		return efault(e, err, "open the row store");
	if (e->data == NULL &&
	    (err = e->dops->open(fd, false, ro, &e->data)) < 0)
		return efault(e, err, "open the data file");
	return space_new(e->dops, e->data, ro, &e->space);
}

/* Leave a record with the boot id, so that what follows differs from
 * whatever stands in the ring from before. */
static int
log_opening(struct engine *e)
{
	struct redo_head h = { .type = REDO_OPEN };
	uint8_t *p = redo_start(e, REDO_OPEN_BODY);
	uint64_t nonce;

	if (p == NULL)
		return -VFS_NOMEM;
	if (getrandom(&nonce, sizeof(nonce), 0) != (ssize_t)sizeof(nonce))
		return efault(e, -VFS_IO, "no random numbers");
	le_put64(p, e->conf.boot[0]);
	le_put64(p + 8, e->conf.boot[1]);
	le_put64(p + 16, e->head.opens);
	le_put64(p + 24, nonce);
	return redo_append(e, &h);
}

static int
recover(struct engine *e)
{
	struct ckpt_mark mark;
	uint64_t from = clock_ms();
	int err;

	if ((err = versions_make(e)) < 0 || (err = format_check(e)) < 0 ||
	    (err = mark_read(e, &mark)) < 0)
		return err;
	atomic_store(&e->log_start, mark.pos);
	atomic_store(&e->ckpt_seq, mark.seq);
	e->mark = mark;
	atomic_store(&e->journal.rows, mark.journal_rows);
	atomic_store(&e->journal.bytes, mark.journal_bytes);
	atomic_store(&e->journal.floor, mark.journal_floor.seq);
	rows_applied(e);
	atomic_store(&e->tick, 1);
	if ((err = replay(e, &mark)) < 0 || (err = claim_space(e)) < 0)
		return err;
	if (e->places_end > 0 && !e->conf.rdonly &&
	    (err = space_hold_free(e->space, e->places_end,
	    atomic_load(&e->tick))) < 0)
		return err;
	/* Generations in draft rows of earlier openings are below these;
	 * nothing is known to be synced until the first sync. */
	atomic_store(&e->sync.data_gen, (e->head.opens + 1) << 40);
	atomic_store(&e->sync.data_need, (e->head.opens + 1) << 40);
	table_size(e);
	err = journal_open(e);
	e->recovered_ms = clock_ms() - from;
	return err;
}

static int
open_all(struct engine *e)
{
	int err;

	if ((err = lock_take(e)) < 0 || (err = log_open(e)) < 0)
		return err;
	atomic_store(&e->log_size, e->lops->size(e->log));
	e->recovered_unclean = !e->head.clean;
	if (e->recovered_unclean && !e->conf.damaged_ok &&
	    (err = verify_store(e)) < 0)
		return err;
	if ((err = rest_open(e)) < 0 || (err = recover(e)) < 0 ||
	    (err = marks_open(e)) < 0)
		return err;
	if (e->conf.rdonly)
		return 0;
	if ((err = log_opening(e)) < 0 ||
	    (!e->conf.no_threads && (err = bg_start(e)) < 0))
		return err;
	return lost_journal(e);
}

int
engine_open(const struct engine_conf *conf, struct engine **out)
{
	struct engine *e = NULL;
	int err;

	if ((err = engine_new(conf, &e)) == 0)
		err = open_all(e);
	if (e != NULL && conf->lost != NULL)
		*conf->lost = e->lost;
	if (err < 0) {
		engine_free(e);
		return err;
	}
	*out = e;
	return 0;
}

/* --- closing ------------------------------------------------------- */

int
engine_close(struct engine *e)
{
	int err = 0;

	if (e == NULL)
		return 0;
	bg_stop(e);
	if (!e->conf.rdonly && (err = atomic_load(&e->latched)) == 0) {
		err = engine_checkpoint(e);
		if (err == 0)
			err = engine_sync(e);
		if (atomic_load(&e->drafts) == 0)
			e->head.clean = true;
		e->head.id_mark = atomic_load(&e->id_now);
		e->head.seq_mark = atomic_load(&e->seq_now);
		if (err == 0)
			err = head_write(e);
	}
	engine_free(e);
	return err;
}

void
engine_kill(struct engine *e)
{
	if (e == NULL)
		return;
	bg_stop(e);
	engine_free(e);
}

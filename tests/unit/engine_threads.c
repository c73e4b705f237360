/*
 * Snapshot isolation while tables turn over: writers move amounts between
 * rows, readers find the same sum in every view, by get and by walk; and
 * syncers share flushes.
 */
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../vfsd/core/record.h"
#include "../../vfsd/engine/engine.h"
#include "engine_fx.h"

#define ROWS	64u
#define EACH	1000u
#define MOVES	2000u
#define THREADS	3u

struct shared {
	struct fx fx;
	atomic_bool stop;
	atomic_uint wrong, views, answers;
};

static unsigned
draw(uint64_t *s, unsigned below)
{
	*s = *s * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(*s >> 33) % below;
}

/* cmocka's asserts belong to the main thread; here we only count. */
static int
amount(struct txn *t, uint64_t id)
{
	struct vfs_slice val;
	struct row_key k;
	uint32_t n;

	row_key_id(&k, ROW_INODE, id);
	if (txn_get(t, row_key_slice(&k), &val) < 0 || val.n < 4)
		return -1000000;
	memcpy(&n, val.p, 4);
	return (int)n;
}

/* Drafts come and go in pairs, so every view has an even number. */
static void
flip_pair(struct shared *s, uint64_t *seed)
{
	uint64_t id = 1000 + draw(seed, 50);
	struct vfs_slice val;
	struct row_key k;
	struct txn *t;
	bool there;
	unsigned i;

	if (txn_begin(s->fx.e, TXN_WRITE, NULL, &t) < 0)
		return;
	txn_set_draft(t);
	row_key_id(&k, ROW_DRAFT, id);
	there = txn_get(t, row_key_slice(&k), &val) == 0;
	for (i = 0; i < 2; i++) {
		row_key_id(&k, ROW_DRAFT, id + 1000 * i);
		if (there)
			txn_del(t, row_key_slice(&k));
		else
			fx_row(&s->fx, t, ROW_DRAFT, id + 1000 * i, 1);
	}
	if (txn_commit(t, NULL) < 0)
		s->wrong++;
}

static unsigned
count_drafts(struct txn *t)
{
	struct vfs_slice key, val;
	struct txn_cur *c;
	uint8_t kind = ROW_DRAFT;
	unsigned n = 0;
	int err;

	if (txn_cur_open(t, &c) < 0)
		return 1;
	err = txn_cur_seek(c, (struct vfs_slice){ &kind, 1 }, &key, &val);
	for (; err == 0 && *(const uint8_t *)key.p == kind; n++)
		err = txn_cur_next(c, &key, &val);
	txn_cur_close(c);
	return n;
}

static void *
mover(void *arg)
{
	struct shared *s = arg;
	uint64_t seed = (uintptr_t)&seed;
	unsigned i;

	for (i = 0; i < MOVES; i++) {
		unsigned a = draw(&seed, ROWS), b = draw(&seed, ROWS), n;
		struct txn *t;

		if (a == b || txn_begin(s->fx.e, TXN_WRITE, NULL, &t) < 0)
			continue;
		n = draw(&seed, (unsigned)amount(t, a) + 1);
		fx_row(&s->fx, t, ROW_INODE, b, (uint32_t)amount(t, b) + n);
		fx_row(&s->fx, t, ROW_INODE, a, (uint32_t)amount(t, a) - n);
		if (i % 7 == 0)
			txn_abort(t);
		else if (txn_commit(t, NULL) < 0)
			s->wrong++;
		flip_pair(s, &seed);
		if (i % 100 == 0 && engine_sync(s->fx.e) < 0)
			s->wrong++;
	}
	return NULL;
}

static uint64_t
sum_walk(struct txn *t)
{
	struct vfs_slice key, val;
	struct txn_cur *c;
	uint8_t kind = ROW_INODE;
	uint64_t sum = 0;
	uint32_t n;
	int err;

	if (txn_cur_open(t, &c) < 0)
		return 0;
	err = txn_cur_seek(c, (struct vfs_slice){ &kind, 1 }, &key, &val);
	while (err == 0 && *(const uint8_t *)key.p == kind) {
		memcpy(&n, val.p, 4);
		sum += n;
		err = txn_cur_next(c, &key, &val);
	}
	txn_cur_close(c);
	return sum;
}

static void *
reader(void *arg)
{
	struct shared *s = arg;
	uint64_t sum;
	struct txn *t;
	unsigned i;

	while (!s->stop) {
		if (txn_begin(s->fx.e, TXN_READ, NULL, &t) < 0)
			continue;
		for (sum = 0, i = 0; i < ROWS; i++)
			sum += (uint64_t)amount(t, i);
		if (sum != (uint64_t)ROWS * EACH || sum_walk(t) != sum)
			s->wrong++;
		if (count_drafts(t) % 2 != 0)
			s->wrong++;
		s->views++;
		txn_abort(t);
	}
	return NULL;
}

static void
isolation(bool mem)
{
	struct shared s = { .stop = false };
	pthread_t w[THREADS], r[THREADS];
	struct engine_status st;
	unsigned i;

	fx_init(&s.fx, mem);
	s.fx.conf.log_bytes = 1u << 20;
	s.fx.conf.table_rows_max = 400;
	s.fx.conf.table_bytes_max = 64u << 10;
	fx_start(&s.fx);
	for (i = 0; i < ROWS; i++)
		fx_put(&s.fx, i, EACH);
	for (i = 0; i < THREADS; i++) {
		pthread_create(&r[i], NULL, reader, &s);
		pthread_create(&w[i], NULL, mover, &s);
	}
	for (i = 0; i < THREADS; i++)
		pthread_join(w[i], NULL);
	s.stop = true;
	for (i = 0; i < THREADS; i++)
		pthread_join(r[i], NULL);
	engine_status(s.fx.e, &st);
	print_message("# %u views, %lu checkpoints, %lu waits\n", s.views,
	    (unsigned long)st.checkpoints, (unsigned long)st.waits);
	assert_int_equal(s.wrong, 0);
	assert_true(st.checkpoints > 2);
	fx_close(&s.fx);
}

static void
threads__moves_and_checkpoints__every_view_adds_up(void **state)
{
	(void)state;
	isolation(true);
	isolation(false);
}

/* --- group commit -------------------------------------------------- */

static void
answered(void *arg, int err)
{
	struct shared *s = arg;

	if (err < 0)
		s->wrong++;
	s->answers++;
}

static void *
syncer(void *arg)
{
	struct shared *s = arg;
	struct sync_call c = { .done = answered, .arg = s };
	unsigned i;
	int err;

	for (i = 0; i < 100; i++) {
		fx_put(&s->fx, i, i);
		err = engine_sync_shared(s->fx.e, &c);
		if (err < 0)
			s->wrong++;
		if (err == 0)
			s->answers++;
	}
	return NULL;
}

static void
sync_shared__many_threads__each_is_answered_once(void **state)
{
	struct shared s = { .stop = false };
	struct engine_status st;
	pthread_t t[8];
	unsigned i;

	(void)state;
	fx_open(&s.fx, false);
	for (i = 0; i < 8; i++)
		pthread_create(&t[i], NULL, syncer, &s);
	for (i = 0; i < 8; i++)
		pthread_join(t[i], NULL);
	engine_sync(s.fx.e);
	for (i = 0; i < 5000 && s.answers < 800; i++)
		usleep(1000);		/* the thread is about to */
	engine_status(s.fx.e, &st);
	print_message("# 800 syncs, %lu flushes\n",
	    (unsigned long)st.log_syncs);
	assert_int_equal(s.wrong, 0);
	assert_int_equal(s.answers, 800);
	assert_true(st.log_syncs < 800);
	assert_int_equal(st.seq_durable.n, st.seq.n);
	fx_close(&s.fx);
}

/* A log whose flushes wait for a permit each. */
static sem_t permits, flushing;

static int
slow_sync(void *self)
{
	(void)self;
	sem_post(&flushing);
	sem_wait(&permits);
	return 0;
}

static void *
first_syncer(void *arg)
{
	struct shared *s = arg;
	struct sync_call c = { .done = answered, .arg = s };

	fx_put(&s->fx, 1, 1);
	if (engine_sync_shared(s->fx.e, &c) != 0)
		s->wrong++;
	return NULL;
}

static void
slow_open(struct shared *s, struct log_ops *slow)
{
	*slow = be_log_mem;
	sem_init(&permits, 0, 1000);	/* to open it */
	sem_init(&flushing, 0, 0);
	slow->sync = slow_sync;
	fx_init(&s->fx, false);
	s->fx.conf.log = slow;
	fx_start(&s->fx);
	while (sem_trywait(&permits) == 0)
		;
	while (sem_trywait(&flushing) == 0)
		;
}

/* It flushes as it likes from now on. */
static void
let_flush(struct shared *s, unsigned answers)
{
	unsigned i;

	for (i = 0; i < 1000; i++)
		sem_post(&permits);
	for (i = 0; i < 5000 && s->answers < answers; i++)
		usleep(1000);
}

static uint64_t
log_syncs(struct shared *s)
{
	struct engine_status st;

	engine_status(s->fx.e, &st);
	return st.log_syncs;
}

static void
sync_shared__others_queue__the_first_is_not_kept(void **state)
{
	struct shared s = { .stop = false };
	struct sync_call c = { .done = answered, .arg = &s };
	struct timespec until;
	struct log_ops slow;
	pthread_t t;
	int kept;

	(void)state;
	slow_open(&s, &slow);
	pthread_create(&t, NULL, first_syncer, &s);
	sem_wait(&flushing);
	fx_put(&s.fx, 2, 2);
	assert_int_equal(engine_sync_shared(s.fx.e, &c), 1);
	sem_post(&permits);		/* for the first's flush only */
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 5;
	kept = pthread_timedjoin_np(t, NULL, &until);
	sem_wait(&flushing);		/* somebody flushes for the second */
	assert_int_equal(s.answers, 0);
	let_flush(&s, 1);
	assert_int_equal(kept, 0);
	assert_int_equal(s.answers, 1);
	assert_int_equal(s.wrong, 0);
	fx_close(&s.fx);
}

/* By somebody who is about to sync. */
static void
put_stable(struct fx *fx, uint64_t id, unsigned n)
{
	struct txn *t = fx_begin(fx, TXN_WRITE);

	txn_set_stable(t);
	while (n-- > 0)
		assert_int_equal(fx_row(fx, t, ROW_INODE, id++, n), 0);
	assert_int_equal(txn_commit(t, NULL), 0);
}

static void
sync__large_commit_that_is_followed_by_one__has_begun_it(void **state)
{
	struct log_ops slow = be_log_mem;
	struct engine_status st;
	struct timespec until;
	uint64_t before;
	struct fx fx;

	(void)state;
	sem_init(&permits, 0, 1000);	/* to open it */
	sem_init(&flushing, 0, 0);
	slow.sync = slow_sync;
	fx_init(&fx, false);
	fx.conf.log = &slow;
	fx.conf.log_bytes = 16 << 20;
	fx.fill = 4000;
	fx_start(&fx);
	assert_int_equal(engine_sync(fx.e), 0);
	while (sem_trywait(&flushing) == 0)
		;
	engine_status(fx.e, &st);
	before = st.log_syncs;
	put_stable(&fx, 1000, 500);	/* 2 MB */
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 2;		/* before anybody does it by the clock */
	assert_int_equal(sem_timedwait(&flushing, &until), 0);
	assert_int_equal(engine_sync(fx.e), 0);
	engine_status(fx.e, &st);
	assert_int_equal(st.log_syncs, before + 1);
	assert_int_equal(st.seq_durable.n, st.seq.n);
	fx_close(&fx);
}

static void
sync_shared__many_come_during_a_flush__one_more_serves_them(void **state)
{
	struct shared s = { .stop = false };
	struct sync_call c = { .done = answered, .arg = &s };
	struct log_ops slow;
	uint64_t before;
	unsigned i;
	pthread_t t;

	(void)state;
	slow_open(&s, &slow);
	before = log_syncs(&s);
	pthread_create(&t, NULL, first_syncer, &s);
	sem_wait(&flushing);
	for (i = 1; i <= 16; i++) {
		fx_put(&s.fx, i, 2);
		assert_int_equal(engine_sync_shared(s.fx.e, &c), 1);
	}
	let_flush(&s, 16);
	pthread_join(t, NULL);
	assert_int_equal(s.answers, 16);
	assert_int_equal(s.wrong, 0);
	assert_int_equal(log_syncs(&s) - before, 2);
	fx_close(&s.fx);
}

static void
leads(void *arg)
{
	struct shared *s = arg;

	s->views++;
}

/* Whoever is alone flushes and is not handed to the thread. */
static void
sync_shared__one_after_another__each_leads(void **state)
{
	struct shared s = { .stop = false };
	struct sync_call c = { .done = answered, .leads = leads, .arg = &s };
	unsigned i;

	(void)state;
	fx_open(&s.fx, false);
	for (i = 1; i <= 100; i++) {
		fx_put(&s.fx, i, 1);
		assert_int_equal(engine_sync_shared(s.fx.e, &c), 0);
	}
	assert_int_equal(s.views, 100);
	assert_int_equal(s.answers, 0);
	fx_close(&s.fx);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    threads__moves_and_checkpoints__every_view_adds_up),
		cmocka_unit_test(
		    sync_shared__many_threads__each_is_answered_once),
		cmocka_unit_test(
		    sync_shared__others_queue__the_first_is_not_kept),
		cmocka_unit_test(
		    sync__large_commit_that_is_followed_by_one__has_begun_it),
		cmocka_unit_test(
		    sync_shared__many_come_during_a_flush__one_more_serves_them),
		cmocka_unit_test(sync_shared__one_after_another__each_leads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

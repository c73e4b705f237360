/*
 * Every row backend keeps store.h: snapshots and cursors, beside applies.
 */
#include "store_fx.h"

/* --- snapshots and cursors ----------------------------------------- */

static void
store__snapshot__does_not_see_later_applies(void **state)
{
	struct fx *fx = *state;
	void *before, *after;

	put_ok(fx, "a", "1");
	put_ok(fx, "b", "1");
	before = snap(fx);
	put_ok(fx, "a", "2");
	put_ok(fx, "b", NULL);
	put_ok(fx, "c", "2");
	after = snap(fx);
	assert_get(fx, before, "a", "1");
	assert_keys(fx, before, "", "a b ");
	assert_get(fx, after, "a", "2");
	assert_keys(fx, after, "", "a c ");
	fx->ops->snap_end(after);
	assert_get(fx, before, "b", "1");
	fx->ops->snap_end(before);
}

static void
store__lent_memory__is_good_until_the_snapshot_ends(void **state)
{
	struct fx *fx = *state;
	struct vfs_slice val;
	char key[8];
	void *sn;
	int i;

	put_ok(fx, "a", "lent");
	sn = snap(fx);
	assert_int_equal(fx->ops->get(sn, str("a"), &val), 0);
	for (i = 0; i < 50; i++) {
		snprintf(key, sizeof key, "k%d", i);
		put_ok(fx, "a", key);
		put_ok(fx, key, "x");
	}
	assert_slice(val, str("lent"));
	fx->ops->snap_end(sn);
}

static void
store__snapshots_at_limit__begin_and_past_it_not(void **state)
{
	struct fx *fx = *state;
	void *sn[STORE_SNAPS_MAX], *more;
	char val[16];
	size_t i;

	for (i = 0; i < STORE_SNAPS_MAX; i++) {
		if (i % 10 == 0) {
			snprintf(val, sizeof val, "%zu", i);
			put_ok(fx, "a", val);
		}
		sn[i] = snap(fx);
	}
	assert_int_equal(fx->ops->snap_begin(fx->b, &more), -VFS_BUSY);
	if (on_disk(fx))	/* takes a look at the free list */
		assert_int_equal(fx->ops->reserve(fx->b, 4 << 20), 0);
	for (i = 0; i < STORE_SNAPS_MAX; i++) {
		snprintf(val, sizeof val, "%zu", i / 10 * 10);
		assert_get(fx, sn[i], "a", val);
	}
	for (i = 0; i < STORE_SNAPS_MAX; i++)
		fx->ops->snap_end(sn[(i * 7) % STORE_SNAPS_MAX]);
	assert_now(fx, "a", val);
}

/* As keys of objects are; an odd one has a longer one behind it. */
#define NUMBERS	400u
#define NUMBER_IS(n)	((n) % 7 != 3)

static struct vfs_slice
number_key(uint8_t *p, char kind, unsigned n, bool longer)
{
	memset(p, 0, 10);
	p[0] = (uint8_t)kind;
	p[7] = (uint8_t)(n >> 8);
	p[8] = (uint8_t)n;
	return (struct vfs_slice){ p, longer ? 10 : 9 };
}

static void
put_numbers(struct fx *fx)
{
	static uint8_t key[2 * NUMBERS][10];
	static uint32_t val[2 * NUMBERS];
	struct store_row rows[2 * NUMBERS];
	struct store_batch b = { rows, 0 };
	unsigned i, n;

	for (i = 0; i < 2 * NUMBERS; i++) {
		n = i / 2;
		if (!NUMBER_IS(n) || (i % 2 != 0 && n % 2 == 0))
			continue;
		val[i] = i;
		rows[b.nrows].key = number_key(key[i], 'B', n, i % 2 != 0);
		rows[b.nrows++].val = (struct vfs_slice){ &val[i], 4 };
	}
	assert_int_equal(fx->ops->apply(fx->b, &b), 0);
}

static void
look_number(struct fx *fx, void *sn, char kind, unsigned n)
{
	uint32_t want = 2 * n;
	struct vfs_slice val;
	uint8_t key[10];
	int err = fx->ops->get(sn, number_key(key, kind, n, false), &val);

	if (kind != 'B' || n >= NUMBERS || !NUMBER_IS(n)) {
		assert_int_equal(err, -VFS_NOENT);
		return;
	}
	assert_int_equal(err, 0);
	assert_slice(val, ((struct vfs_slice){ &want, 4 }));
}

static void
store__numbered_keys__are_found_in_any_order(void **state)
{
	struct fx *fx = *state;
	unsigned step, n;
	void *sn;

	put_numbers(fx);
	sn = snap(fx);
	for (step = 1; step < 7; step++) {
		for (n = 0; n < NUMBERS + 8; n += step)
			look_number(fx, sn, 'B', n);
		while (n > step)
			look_number(fx, sn, 'B', n -= step);
		for (n = 0; n < NUMBERS; n += step) {
			look_number(fx, sn, 'B', n);
			look_number(fx, sn, 'C', n + 1);
			look_number(fx, sn, 'B', n + 2);
		}
	}
	fx->ops->snap_end(sn);
}

static void
store__cursor__seeks_to_the_next_key(void **state)
{
	struct fx *fx = *state;
	void *sn;

	put_ok(fx, "b", "1");
	put_ok(fx, "d", "1");
	put_ok(fx, "dd", "1");
	sn = snap(fx);
	assert_keys(fx, sn, "a", "b d dd ");
	assert_keys(fx, sn, "b", "b d dd ");
	assert_keys(fx, sn, "bb", "d dd ");
	assert_keys(fx, sn, "d", "d dd ");
	assert_keys(fx, sn, "da", "dd ");
	assert_keys(fx, sn, "e", "");
	fx->ops->snap_end(sn);
}

static void
store__cursor_at_end__stays_there(void **state)
{
	struct fx *fx = *state;
	struct vfs_slice key, val;
	void *sn, *cur;

	put_ok(fx, "a", "1");
	put_ok(fx, "b", "2");
	sn = snap(fx);
	assert_int_equal(fx->ops->cur_open(sn, &cur), 0);
	assert_int_equal(fx->ops->cur_next(cur, &key, &val), -VFS_NOENT);
	assert_int_equal(fx->ops->cur_seek(cur, str("b"), &key, &val), 0);
	assert_int_equal(fx->ops->cur_next(cur, &key, &val), -VFS_NOENT);
	assert_int_equal(fx->ops->cur_next(cur, &key, &val), -VFS_NOENT);
	assert_int_equal(fx->ops->cur_seek(cur, str("c"), &key, &val),
	    -VFS_NOENT);
	assert_int_equal(fx->ops->cur_next(cur, &key, &val), -VFS_NOENT);
	assert_int_equal(fx->ops->cur_seek(cur, str("a"), &key, &val), 0);
	assert_int_equal(fx->ops->cur_next(cur, &key, &val), 0);
	assert_slice(key, str("b"));
	assert_slice(val, str("2"));
	fx->ops->cur_close(cur);
	fx->ops->snap_end(sn);
}

static void
store__two_cursors__move_apart(void **state)
{
	struct fx *fx = *state;
	struct vfs_slice key, val, first;
	void *sn, *c1, *c2;

	put_ok(fx, "a", "1");
	put_ok(fx, "b", "2");
	sn = snap(fx);
	assert_int_equal(fx->ops->cur_open(sn, &c1), 0);
	assert_int_equal(fx->ops->cur_open(sn, &c2), 0);
	assert_int_equal(fx->ops->cur_seek(c1, str(""), &first, &val), 0);
	assert_int_equal(fx->ops->cur_seek(c2, str("b"), &key, &val), 0);
	assert_int_equal(fx->ops->cur_next(c1, &key, &val), 0);
	assert_slice(key, str("b"));
	assert_slice(first, str("a"));
	fx->ops->cur_close(c1);
	fx->ops->cur_close(c2);
	fx->ops->snap_end(sn);
}

/* --- threads ------------------------------------------------------- */

#define READERS		3
#define THREAD_ROWS	64
#define THREAD_APPLIES	150

struct reader {
	struct fx *fx;
	pthread_t thread;
	const bool *stop;
	unsigned scans, bad;
};

/* One snapshot: every row has the number of one and the same apply. */
static bool
scan_is_one_apply(struct fx *fx, void *sn, char seen[16])
{
	struct vfs_slice key, val;
	unsigned n = 0;
	bool good = true;
	void *cur;
	int err;

	if (fx->ops->cur_open(sn, &cur) < 0)
		return false;
	for (err = fx->ops->cur_seek(cur, str(""), &key, &val); err == 0;
	    err = fx->ops->cur_next(cur, &key, &val)) {
		if (n++ == 0)
			snprintf(seen, 16, "%.*s", (int)val.n,
			    (const char *)val.p);
		good = good && val.n == strlen(seen) &&
		    memcmp(val.p, seen, val.n) == 0;
	}
	fx->ops->cur_close(cur);
	return good && err == -VFS_NOENT && n == THREAD_ROWS;
}

static void *
read_on(void *arg)
{
	struct reader *r = arg;
	char one[16], two[16];
	int last = 0;
	void *sn;

	while (!__atomic_load_n(r->stop, __ATOMIC_ACQUIRE)) {
		if (r->fx->ops->snap_begin(r->fx->b, &sn) < 0) {
			r->bad++;
			continue;
		}
		__atomic_fetch_add(&r->scans, 1, __ATOMIC_RELAXED);
		r->bad += !scan_is_one_apply(r->fx, sn, one);
		r->bad += !scan_is_one_apply(r->fx, sn, two);
		r->bad += strcmp(one, two) != 0 || atoi(one) < last;
		last = atoi(one);
		r->fx->ops->snap_end(sn);
	}
	return NULL;
}

static bool
all_scan(const struct reader *r)
{
	unsigned i, n = 0;

	for (i = 0; i < READERS; i++)
		n += __atomic_load_n(&r[i].scans, __ATOMIC_RELAXED) > 2;
	return n == READERS;
}

static int
put_generation(struct fx *fx, unsigned gen)
{
	struct store_row rows[THREAD_ROWS];
	struct store_batch b = { rows, THREAD_ROWS };
	char keys[THREAD_ROWS][8], val[16];
	unsigned i;

	snprintf(val, sizeof val, "%u", gen);
	for (i = 0; i < THREAD_ROWS; i++) {
		snprintf(keys[i], sizeof keys[i], "%04u", i);
		rows[i] = (struct store_row){ str(keys[i]), str(val) };
	}
	return fx->ops->apply(fx->b, &b);
}

static void
store__readers_beside_applies__see_whole_batches(void **state)
{
	struct fx *fx = *state;
	struct reader r[READERS] = { 0 };
	bool stop = false;
	unsigned i, bad = 0;
	int err = 0;

	assert_int_equal(put_generation(fx, 1), 0);
	for (i = 0; i < READERS; i++) {
		r[i].fx = fx;
		r[i].stop = &stop;
		assert_int_equal(pthread_create(&r[i].thread, NULL, read_on,
		    &r[i]), 0);
	}
	for (i = 2; err == 0 && (i < THREAD_APPLIES || !all_scan(r)); i++)
		err = put_generation(fx, i);
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	for (i = 0; i < READERS; i++) {
		pthread_join(r[i].thread, NULL);
		bad += r[i].bad;
	}
	assert_int_equal(err, 0);
	assert_int_equal(bad, 0);
}

/* --- every case on every backend ----------------------------------- */

static const struct contract_case cases[] = {
	CASE(store__snapshot__does_not_see_later_applies),
	CASE(store__lent_memory__is_good_until_the_snapshot_ends),
	CASE(store__snapshots_at_limit__begin_and_past_it_not),
	CASE(store__numbered_keys__are_found_in_any_order),
	CASE(store__cursor__seeks_to_the_next_key),
	CASE(store__cursor_at_end__stays_there),
	CASE(store__two_cursors__move_apart),
	CASE(store__readers_beside_applies__see_whole_batches),
};

int
main(void)
{
	return every_backend(cases, sizeof cases / sizeof cases[0]);
}

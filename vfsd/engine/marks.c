/*
 * marks.c - the log's header; ids and sequence numbers never given twice
 *
 * Both start at max(mark, milliseconds since 2020 << 13) at each open and
 * are handed out below a mark that is durable before.  So an older copy of
 * the store that is put back starts beyond what the newer one gave out,
 * as long as numbers do not run ahead of the clock: 8192 a millisecond.
 * Where they do, since the clock was wrong once, chance has to part the two.
 */
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "../core/le.h"
#include "engine_impl.h"
#include "plants.h"

#define HEAD_MAGIC	"vfsdlog2"
#define HEAD_SIZE	80u
#define YEAR_2020	1577836800ll
#define YEAR_2050	2524608000ll
#define CLOCK_SHIFT	13
#define WAIT_MS_MAX	200u
#define STEP_BITS	36		/* two hours of the clock */
#define STEP_YEARS	10		/* ahead of it: no more steps */

/* --- the header ---------------------------------------------------- */

/* 0 magic, 8 uuid, 24 boot id, 40 id mark, 48 seq mark, 56 opens,
 * 64 clean, 65 anew; the rest is spare. */
int
head_read(struct engine *e, struct head *h)
{
	uint8_t b[LOG_HEAD_MAX];
	size_t n;
	int err = e->lops->head_get(e->log, b, sizeof(b), &n);

	if (err == -VFS_NOENT || err == -VFS_CORRUPT)
		return err;
	if (err < 0)
		return efault(e, err, "header of the log");
	if (n < HEAD_SIZE || memcmp(b, HEAD_MAGIC, 7) != 0)
		return efault(e, -VFS_INVAL, "the log is not one of vfsd");
	if (memcmp(b, HEAD_MAGIC, 8) != 0)
		return efault(e, -VFS_VERSION,
		    "the log has format %.8s, we know %s", b, HEAD_MAGIC);
	memcpy(h->uuid, b + 8, sizeof(h->uuid));
	h->boot[0] = le_get64(b + 24);
	h->boot[1] = le_get64(b + 32);
	h->id_mark = le_get64(b + 40);
	h->seq_mark = le_get64(b + 48);
	h->opens = le_get64(b + 56);
	h->clean = b[64] != 0;
	h->anew = b[65] != 0;
	return 0;
}

size_t
head_encode(const struct head *h, uint8_t b[LOG_HEAD_MAX])
{
	memset(b, 0, HEAD_SIZE);
	memcpy(b, HEAD_MAGIC, 8);
	memcpy(b + 8, h->uuid, sizeof(h->uuid));
	le_put64(b + 24, h->boot[0]);
	le_put64(b + 32, h->boot[1]);
	le_put64(b + 40, h->id_mark);
	le_put64(b + 48, h->seq_mark);
	le_put64(b + 56, h->opens);
	b[64] = h->clean;
	b[65] = h->anew;
	return HEAD_SIZE;
}

/* Under head_lock, or before there are threads. */
int
head_write(struct engine *e)
{
	uint8_t b[LOG_HEAD_MAX];
	int err = e->lops->head_put(e->log, b, head_encode(&e->head, b));

	return err < 0 ? latch(e, err, "write the log's header") : 0;
}

/* --- leases -------------------------------------------------------- */

/* 0 if the clock cannot be right. */
static uint64_t
clock_mark(const struct vfs_time *now)
{
	uint64_t ms;

	if (now->sec < YEAR_2020 || now->sec >= YEAR_2050)
		return 0;
	ms = (uint64_t)(now->sec - YEAR_2020) * 1000 + now->nsec / 1000000;
	return ms << CLOCK_SHIFT;
}

bool
marks_clock_past(const struct engine *e, uint64_t n)
{
	return clock_mark(&e->conf.now) >= n;
}

/* Let the clock come up to where numbers start. */
static void
wait_clock(uint64_t clock, uint64_t start)
{
	uint64_t ms = (start - clock + (1u << CLOCK_SHIFT) - 1) >>
	    CLOCK_SHIFT;
	struct timespec ts;

	if (clock == 0 || start <= clock)
		return;
	ms = ms < WAIT_MS_MAX ? ms : WAIT_MS_MAX;
	ts = (struct timespec){ 0, (long)ms * 1000000 };
	nanosleep(&ts, NULL);
}

static uint64_t
max64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Where the numbers of this opening start; e->head is what the log had. */
void
marks_start(struct engine *e)
{
	uint64_t clock = clock_mark(&e->conf.now);
	const struct head *h = &e->head;

	e->id_now = max64(h->id_mark, max64(clock, VFS_ID_FIRST));
	e->seq_now = max64(h->seq_mark, max64(clock, 1));
#ifdef PLANT_REISSUE_ID
	e->id_now = max64(h->id_mark > LEASE ? h->id_mark - LEASE : 0,
	    VFS_ID_FIRST);
#endif
#ifdef PLANT_REISSUE_SEQ
	e->seq_now = max64(h->seq_mark > LEASE ? h->seq_mark - LEASE : 0, 1);
#endif
}

/* Does the clock not part this opening from that of another copy? */
static bool
is_ahead(uint64_t clock, uint64_t start)
{
	const uint64_t year = 365ull * 86400 * 1000 << CLOCK_SHIFT;

	return start > clock + ((uint64_t)WAIT_MS_MAX << CLOCK_SHIFT) &&
	    start < clock + STEP_YEARS * year;
}

/* Numbers of a million and of another step meet once in 30,000 times. */
static int
step(struct engine *e)
{
	uint64_t by[2];

	if (getrandom(by, sizeof by, 0) != (ssize_t)sizeof by)
		return efault(e, -VFS_IO, "no random numbers");
	e->id_now += by[0] >> (64 - STEP_BITS);
	e->seq_now += by[1] >> (64 - STEP_BITS);
	return 0;
}

int
marks_open(struct engine *e)
{
	uint64_t clock = clock_mark(&e->conf.now);
	struct head *h = &e->head;
	uint64_t start;
	int err;

	if (clock == 0)
		efault(e, 0, "the clock is before 2020 or after 2050 and "
		    "is ignored for ids");
	marks_start(e);
	start = max64(h->id_mark, h->seq_mark);
	if (!e->conf.rdonly && !e->conf.no_threads) {
		wait_clock(clock, start);
		if (is_ahead(clock, start) && (err = step(e)) < 0)
			return err;
	}
	e->seq_opened = e->seq_now;
	if (e->conf.rdonly)
		return 0;
	h->id_mark = e->id_now + LEASE;
	h->seq_mark = e->seq_now + LEASE;
	h->boot[0] = e->conf.boot[0];
	h->boot[1] = e->conf.boot[1];
	h->opens++;
	h->clean = false;
	if ((err = head_write(e)) < 0)
		return err;
	atomic_store(&e->id_lease, h->id_mark);
	atomic_store(&e->seq_lease, h->seq_mark);
	return 0;
}

bool
marks_due(struct engine *e)
{
	return atomic_load(&e->id_lease) - atomic_load(&e->id_now) <
	    LEASE / 2 || atomic_load(&e->seq_lease) -
	    atomic_load(&e->seq_now) < LEASE / 2;
}

/* Lease beyond what is handed out now; any thread. */
int
marks_renew(struct engine *e)
{
	uint64_t id, seq;
	int err;

	pthread_mutex_lock(&e->head_lock);
	id = max64(atomic_load(&e->id_now) + LEASE, e->head.id_mark);
	seq = max64(atomic_load(&e->seq_now) + LEASE, e->head.seq_mark);
	e->head.id_mark = id;
	e->head.seq_mark = seq;
	if ((err = head_write(e)) == 0) {
		atomic_store(&e->id_lease, id);
		atomic_store(&e->seq_lease, seq);
	}
	pthread_mutex_unlock(&e->head_lock);
	return err;
}

/* At the serial point: numbers may be taken, a whole commit's worth. */
int
marks_need(struct engine *e)
{
	if (atomic_load_explicit(&e->id_now, memory_order_relaxed) <
	    atomic_load_explicit(&e->id_lease, memory_order_relaxed) &&
	    atomic_load_explicit(&e->seq_now, memory_order_relaxed) <
	    atomic_load_explicit(&e->seq_lease, memory_order_relaxed))
		return 0;
	return marks_renew(e);
}

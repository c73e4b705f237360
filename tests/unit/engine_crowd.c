/*
 * When the next flush begins: threads that ask for one again and again are
 * played on a clock of ours, and the flushes counted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "../../vfsd/engine/crowd.h"

#define THREADS_MAX	32u
#define US		1000u
#define NEVER		UINT64_MAX

enum state { WORKS, WAITS, SERVED, ENDED };

struct play {
	struct crowd c;
	unsigned n;			/* threads */
	uint64_t work_ns, flush_ns;	/* before it asks; of a flush */
	uint64_t now, began, free;	/* a processor does one's work */
	bool flushing;
	enum state state[THREADS_MAX];
	uint64_t asks[THREADS_MAX];	/* when it does */
	unsigned left[THREADS_MAX];
	unsigned flushes, waits;	/* held up, though there was one */
	uint64_t waited_ns;		/* the longest */
};

/* One thread's work after another's, as on one processor. */
static void
works(struct play *p, unsigned i)
{
	if (p->left[i]-- == 0) {
		p->state[i] = ENDED;
		return;
	}
	p->free = (p->free > p->now ? p->free : p->now) + p->work_ns;
	p->state[i] = WORKS;
	p->asks[i] = p->free;
}

static void
flush_begins(struct play *p)
{
	unsigned i;

	crowd_takes(&p->c);
	for (i = 0; i < p->n; i++)
		if (p->state[i] == WAITS)
			p->state[i] = SERVED;
	p->flushing = true;
	p->began = p->now;
	p->flushes++;
}

static void
flush_ends(struct play *p)
{
	unsigned i, n = 0;

	p->flushing = false;
	for (i = 0; i < p->n; i++)
		if (p->state[i] == SERVED) {
			works(p, i);
			n++;
		}
	crowd_served(&p->c, n, p->began, p->now);
}

static unsigned
waiting(const struct play *p)
{
	unsigned i, n = 0;

	for (i = 0; i < p->n; i++)
		n += p->state[i] == WAITS;
	return n;
}

/* Who asks next, or p->n. */
static unsigned
first(const struct play *p)
{
	unsigned i, k = p->n;

	for (i = 0; i < p->n; i++)
		if (p->state[i] == WORKS &&
		    (k == p->n || p->asks[i] < p->asks[k]))
			k = i;
	return k;
}

/* A flush, if one may begin; else until when it waits. */
static uint64_t
look(struct play *p)
{
	uint64_t until;

	if (p->flushing)
		return p->began + p->flush_ns;
	if (waiting(p) == 0)
		return NEVER;
	if (crowd_waits(&p->c, p->now, &until)) {
		p->waits++;
		if (until - p->now > p->waited_ns)
			p->waited_ns = until - p->now;
		return until;
	}
	flush_begins(p);
	return p->began + p->flush_ns;
}

static void
run(struct play *p, unsigned each)
{
	uint64_t next;
	unsigned i;

	for (i = 0; i < p->n; i++) {
		p->left[i] = each;
		works(p, i);
	}
	for (;;) {
		next = look(p);
		i = first(p);
		if (i == p->n && next == NEVER)
			return;
		if (i < p->n && p->asks[i] <= next) {
			p->now = p->asks[i];
			p->state[i] = WAITS;
			crowd_asks(&p->c, i + 1, p->now);
			crowd_joins(&p->c);
		} else {
			p->now = next;
			if (p->flushing)
				flush_ends(p);
		}
	}
}

static void
crowd__one_thread__never_waits(void **state)
{
	struct play p = { .n = 1, .work_ns = 50 * US, .flush_ns = 200 * US };

	(void)state;
	run(&p, 1000);
	assert_int_equal(p.flushes, 1000);
	assert_int_equal(p.waits, 0);
}

/* One that has always another name: a process for each file. */
static void
crowd__one_at_a_time__never_waits(void **state)
{
	struct crowd c = { 0 };
	uint64_t now = 1, until;
	unsigned i;

	(void)state;
	for (i = 0; i < 1000; i++, now += 50 * US) {
		crowd_asks(&c, i, now);
		assert_false(crowd_waits(&c, now, &until));
		crowd_joins(&c);
		assert_int_equal(crowd_takes(&c), 1);
		crowd_served(&c, 1, now, now + 200 * US);
		now += 200 * US;
	}
}

/* 16 threads, however fast the disk is beside them. */
static void
crowd__sixteen_threads__share_flushes(void **state)
{
	static const unsigned flush_us[] = { 50, 100, 200, 400, 800 };
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof flush_us / sizeof flush_us[0]; i++) {
		struct play p = { .n = 16, .work_ns = 45 * US,
			.flush_ns = flush_us[i] * US };

		run(&p, 100);
		print_message("# %u us: %u flushes for 1600\n", flush_us[i],
		    p.flushes);
		assert_true(p.flushes <= 300);
		assert_true(p.waited_ns <= p.flush_ns);
	}
}

/* Those who have gone hold nobody up for longer than a flush. */
static void
crowd__most_are_gone__the_rest_goes_on(void **state)
{
	struct play p = { .n = 16, .work_ns = 45 * US, .flush_ns = 100 * US };
	uint64_t t0;

	(void)state;
	run(&p, 100);
	t0 = p.now;
	p.flushes = 0;
	p.waits = 0;
	p.n = 2;
	run(&p, 1000);
	print_message("# %u flushes, %u waits\n", p.flushes, p.waits);
	assert_true(p.waits < 50);
	assert_true(p.now - t0 < 1050 * 2 * 145 * US);
}

/* A flush of seconds is nothing to wait that long for again. */
static void
crowd__slow_disk__waits_at_most_a_moment(void **state)
{
	struct crowd c = { 0 };
	uint64_t now = 1, until = 0;
	unsigned i;

	(void)state;
	for (i = 0; i < 16; i++)
		crowd_asks(&c, i, now);
	crowd_served(&c, 16, now, now + CROWD_LATELY_NS - 2);
	now += CROWD_LATELY_NS - 2;
	assert_true(crowd_waits(&c, now, &until));
	assert_int_equal(until, now + CROWD_WAIT_NS);
	assert_true(crowd_waits(&c, until - 1, &until));
	assert_false(crowd_waits(&c, until, &until));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crowd__one_thread__never_waits),
		cmocka_unit_test(crowd__one_at_a_time__never_waits),
		cmocka_unit_test(crowd__sixteen_threads__share_flushes),
		cmocka_unit_test(crowd__most_are_gone__the_rest_goes_on),
		cmocka_unit_test(crowd__slow_disk__waits_at_most_a_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

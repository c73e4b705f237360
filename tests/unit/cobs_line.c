/*
 * Two ends of a line that loses, spoils, doubles and makes up bytes: what
 * is read is what was written, or the line has ended with a reason.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "../../protocol/cobs.h"

#define STREAM	60000u

static uint64_t seed;

static uint64_t
rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* One end, what it writes and has read. */
struct end {
	struct cobs c;
	uint8_t text[STREAM], got[STREAM];
	size_t written, read;
};

/* How bad the line is: one in so many frames suffers each. */
struct ills {
	unsigned flip, cut, twice, garbage;
	bool dead;
};

static struct end a, b;
static uint64_t now;

static void
rig(uint32_t epoch)
{
	size_t i;

	memset(&a, 0, sizeof a);
	memset(&b, 0, sizeof b);
	now = 1000;
	for (i = 0; i < STREAM; i++) {
		a.text[i] = (uint8_t)rnd();
		b.text[i] = (uint8_t)(rnd() % 3);	/* many zeroes */
	}
	cobs_start(&a.c, epoch, now);
	cobs_start(&b.c, 0, now);
}

static bool
one_in(unsigned n)
{
	return n != 0 && rnd() % n == 0;
}

/* What one end sends now reaches the other, more or less. */
static void
carry(struct end *from, struct end *to, const struct ills *ills)
{
	uint8_t line[COBS_FRAME], noise[40];
	const uint8_t *p;
	size_t n, i;

	while (p = cobs_output(&from->c, &n, now), n > 0) {
		memcpy(line, p, n);
		cobs_sent(&from->c, n);
		if (ills->dead)
			continue;
		if (one_in(ills->flip))
			line[rnd() % n] ^= (uint8_t)(1 << rnd() % 8);
		if (one_in(ills->cut))
			n = rnd() % n;
		for (i = 0; i < sizeof noise; i++)
			noise[i] = (uint8_t)rnd();
		if (one_in(ills->garbage))
			cobs_input(&to->c, noise, rnd() % sizeof noise, now);
		cobs_input(&to->c, line, n, now);
		if (one_in(ills->twice))
			cobs_input(&to->c, line, n, now);
	}
}

static void
talk(struct end *e)
{
	e->written += cobs_write(&e->c, e->text + e->written,
	    rnd() % 3000 % (STREAM - e->written + 1));
	e->read += cobs_read(&e->c, e->got + e->read,
	    rnd() % 3000 % (STREAM - e->read + 1));
}

static bool
done(void)
{
	return a.read == STREAM && b.read == STREAM;
}

static void
run(const struct ills *ills, unsigned rounds)
{
	while (rounds-- > 0 && !done() && a.c.state != COBS_ENDED &&
	    b.c.state != COBS_ENDED) {
		talk(&a);
		talk(&b);
		carry(&a, &b, ills);
		carry(&b, &a, ills);
		now += rnd() % 30;
	}
}

static void
must_agree(void)
{
	assert_memory_equal(a.got, b.text, a.read);
	assert_memory_equal(b.got, a.text, b.read);
}

static void
crc_and_cobs__known_bytes__known_results(void **state)
{
	static const struct {
		uint8_t plain[4], n, coded[6], m;
	} rows[] = {
		{ { 0 }, 1, { 1, 1 }, 2 },
		{ { 0, 0 }, 2, { 1, 1, 1 }, 3 },
		{ { 0x11, 0x22, 0, 0x33 }, 4, { 3, 0x11, 0x22, 2, 0x33 }, 5 },
		{ { 0x11, 0, 0, 0 }, 4, { 2, 0x11, 1, 1, 1 }, 5 },
	};
	uint8_t buf[1200], back[1200], plain[1000];
	size_t i, n;

	(void)state;
	assert_int_equal(cobs_crc("123456789", 9), 0xe3069283);
	for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		n = cobs_encode(rows[i].plain, rows[i].n, buf);
		assert_int_equal(n, rows[i].m);
		assert_memory_equal(buf, rows[i].coded, n);
	}
	seed = 5;
	for (i = 0; i < sizeof plain; i++)
		plain[i] = (uint8_t)(rnd() % 7 ? 1 + i % 200 : 0);
	for (i = 1; i < sizeof plain; i++) {
		memset(plain + i / 2, 1, i < 600 ? i / 2 : 0);
		n = cobs_encode(plain, i, buf);
		assert_true(n <= i + i / 254 + 1);
		assert_null(memchr(buf, 0, n));
		memcpy(back, buf, n);
		assert_int_equal(cobs_decode(back, n), i);
		assert_memory_equal(back, plain, i);
	}
}

static void
line__sound__carries_both_streams_without_resending(void **state)
{
	static const struct ills none;

	(void)state;
	seed = 1;
	rig(7);
	run(&none, 4000);
	assert_true(done());
	must_agree();
	assert_int_equal(a.c.bad + b.c.bad, 0);
	assert_int_equal(a.c.dup + b.c.dup, 0);
}

/* Any mix of ills: exactly once and in order, and it gets through. */
static void
line__bad__carries_both_streams_all_the_same(void **state)
{
	struct ills ills;
	const char *s = getenv("SEED");
	uint64_t first = s ? strtoull(s, NULL, 0) : (uint64_t)time(NULL);
	unsigned i;

	(void)state;
	printf("# SEED=%llu\n", (unsigned long long)first);
	for (i = 0; i < 40; i++) {
		seed = (first + i) * 0x9e3779b97f4a7c15 | 1;
		ills = (struct ills){ 5 + rnd() % 30, 5 + rnd() % 30,
			3 + rnd() % 30, 3 + rnd() % 30, false };
		rig((uint32_t)rnd() | 1);
		run(&ills, 100000);
		must_agree();
		assert_true(done());
		assert_true(a.c.bad + b.c.bad > 0);
	}
}

static void
line__dead_from_some_point_on__ends_with_a_reason(void **state)
{
	static const struct ills none, dead = { .dead = true };
	unsigned i;

	(void)state;
	seed = 3;
	rig(9);
	run(&none, 20);
	must_agree();
	assert_false(done());
	for (i = 0; i < 10000 && a.c.state != COBS_ENDED; i++) {
		talk(&a);
		carry(&a, &b, &dead);
		now += 10;
	}
	assert_int_equal(a.c.state, COBS_ENDED);
	assert_int_equal(a.c.reason, COBS_SILENT);
	assert_int_equal(cobs_write(&a.c, "x", 1), 0);
}

static void
knock__nobody_there__ends_with_a_reason(void **state)
{
	static const struct ills dead = { .dead = true };
	unsigned i;

	(void)state;
	rig(9);
	for (i = 0; i < 10000 && a.c.state != COBS_ENDED; i++) {
		carry(&a, &b, &dead);
		now += 10;
	}
	assert_int_equal(a.c.reason, COBS_SILENT);
}

/* A client that begins anew ends what was; the server lets it in. */
static void
client__begins_anew__nothing_of_the_old_epoch_is_seen(void **state)
{
	static const struct ills none;
	static uint8_t rest[64];

	(void)state;
	seed = 4;
	rig(9);
	run(&none, 20);
	assert_int_equal(b.c.state, COBS_UP);
	cobs_write(&a.c, "old", 3);
	cobs_start(&a.c, 10, now);
	carry(&a, &b, &none);
	assert_int_equal(b.c.state, COBS_ENDED);
	assert_int_equal(b.c.reason, COBS_AGAIN);
	assert_int_equal(cobs_readable(&b.c), 0);
	cobs_start(&b.c, 0, now);
	assert_int_equal(b.c.state, COBS_UP);
	carry(&b, &a, &none);
	assert_int_equal(a.c.state, COBS_UP);
	assert_int_equal(cobs_write(&a.c, "new", 3), 3);
	carry(&a, &b, &none);
	assert_int_equal(cobs_read(&b.c, rest, sizeof rest), 3);
	assert_memory_equal(rest, "new", 3);
}

/* A server that begins anew knows nothing of the epoch and says so. */
static void
server__begins_anew__client_hears_of_it(void **state)
{
	static const struct ills none;

	(void)state;
	seed = 5;
	rig(9);
	run(&none, 20);
	memset(&b, 0, sizeof b);
	cobs_start(&b.c, 0, now);
	cobs_write(&a.c, "more", 4);
	carry(&a, &b, &none);
	carry(&b, &a, &none);
	assert_int_equal(a.c.state, COBS_ENDED);
	assert_int_equal(a.c.reason, COBS_PEER);
	assert_int_equal(cobs_readable(&b.c), 0);
}

/* A reader that takes nothing for long: the writer waits, nothing is
 * lost, and the window is never exceeded. */
static void
reader__slow__writer_waits(void **state)
{
	static const struct ills none;
	size_t n = 0, k;
	unsigned i;

	(void)state;
	seed = 6;
	rig(9);
	for (i = 0; i < 3000; i++) {
		a.written += cobs_write(&a.c, a.text + a.written,
		    STREAM - a.written);
		carry(&a, &b, &none);
		carry(&b, &a, &none);
		now += 10;
		assert_true(a.c.state != COBS_ENDED);
	}
	assert_true(a.written <= 2 * COBS_WINDOW * COBS_PAYLOAD);
	assert_int_equal(a.c.tries, 0);
	for (i = 0; i < 3000 && n < STREAM; i++) {
		k = cobs_read(&b.c, b.got + n, 700);
		n += k;
		a.written += cobs_write(&a.c, a.text + a.written,
		    STREAM - a.written);
		carry(&b, &a, &none);
		carry(&a, &b, &none);
		now += 10;
	}
	assert_int_equal(n, STREAM);
	assert_memory_equal(b.got, a.text, STREAM);
}

static void
frame__sound_but_senseless__ends_it(void **state)
{
	static const uint8_t heads[][8] = {
		{ 4, 0, 9, 4, 9 },		/* acknowledges what never went */
		{ 4, 0, 0, 5, 9 },		/* more room than there is */
		{ 3, 0, 0, 4, 9 },		/* empty data */
		{ 8, 0, 0, 4, 9 },		/* no such kind */
		{ 3, 77, 0, 4, 9 },		/* beyond the window */
	};
	static const struct ills none;
	uint8_t raw[32], line[64];
	unsigned i;
	size_t n;
	uint32_t crc;

	(void)state;
	for (i = 0; i < sizeof heads / sizeof heads[0]; i++) {
		rig(9);
		carry(&a, &b, &none);
		assert_int_equal(b.c.state, COBS_UP);
		memcpy(raw, heads[i], 8);
		crc = cobs_crc(raw, 8);
		memcpy(raw + 8, &crc, 4);
		n = cobs_encode(raw, 12, line);
		line[n] = 0;
		cobs_input(&b.c, line, n + 1, now);
		assert_int_equal(b.c.state, COBS_ENDED);
		assert_int_equal(b.c.reason, COBS_BROKEN);
		carry(&b, &a, &none);
		carry(&b, &a, &none);
		assert_int_equal(a.c.reason, COBS_PEER);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc_and_cobs__known_bytes__known_results),
		cmocka_unit_test(
		    line__sound__carries_both_streams_without_resending),
		cmocka_unit_test(line__bad__carries_both_streams_all_the_same),
		cmocka_unit_test(
		    line__dead_from_some_point_on__ends_with_a_reason),
		cmocka_unit_test(knock__nobody_there__ends_with_a_reason),
		cmocka_unit_test(
		    client__begins_anew__nothing_of_the_old_epoch_is_seen),
		cmocka_unit_test(server__begins_anew__client_hears_of_it),
		cmocka_unit_test(reader__slow__writer_waits),
		cmocka_unit_test(frame__sound_but_senseless__ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

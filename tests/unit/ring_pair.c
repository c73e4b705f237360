/*
 * Rings and letters between two threads that sleep, and against a peer
 * that writes what it likes into the shared memory.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../protocol/err.h"
#include "../../protocol/ipc.h"
#include "../../protocol/ring.h"

#define SLOTS	4u
#define STREAM	400000u

/* One side: reads what the other wrote, and writes, until both are done. */
struct side {
	struct ring ring;
	struct ipc ipc;
	bool by_ipc;
	uint64_t seed;
	int bell, other;		/* eventfds: mine, the peer's */
	size_t in, out;
	unsigned waits, late, wrong;
};

static uint8_t
text(bool server, size_t at)
{
	return (uint8_t)((at * 2654435761u) >> 13) ^ (server ? 0x55 : 0);
}

static void
ring_bell_of(int fd)
{
	uint64_t one = 1;

	assert_int_equal(write(fd, &one, sizeof one), sizeof one);
}

/* Sleeps until the bell; a wakeup that was lost shows as a timeout. */
static void
wait_bell(struct side *s)
{
	struct pollfd p = { .fd = s->bell, .events = POLLIN };
	uint64_t n;

	s->waits++;
	if (poll(&p, 1, 2000) != 1)
		s->late++;
	else if (read(s->bell, &n, sizeof n) != sizeof n)
		s->late++;
}

static size_t
some(struct side *s, size_t left)
{
	size_t n;

	s->seed = s->seed * 6364136223846793005u + 1442695040888963407u;
	n = 1 + (s->seed >> 33) % 2500;
	return n < left ? n : left;
}

static bool
step(struct side *s, bool server)
{
	uint8_t buf[2500];
	size_t n, k, i;
	bool moved = false, bell = false;

	n = some(s, sizeof buf);
	k = s->by_ipc ? ipc_read(&s->ipc, buf, n, &bell) :
	    ring_read(&s->ring, buf, n);
	for (i = 0; i < k; i++)
		s->wrong += buf[i] != text(!server, s->in + i);
	s->in += k;
	moved |= k > 0;
	n = some(s, STREAM - s->out);
	for (i = 0; i < n; i++)
		buf[i] = text(server, s->out + i);
	k = s->by_ipc ? ipc_write(&s->ipc, buf, n, &bell) :
	    ring_write(&s->ring, buf, n);
	s->out += k;
	moved |= k > 0;
	if (s->by_ipc ? bell : moved && ring_bell(&s->ring))
		ring_bell_of(s->other);
	return moved;
}

static void
side_run(struct side *s, bool server)
{
	while ((s->in < STREAM || s->out < STREAM) && s->late == 0) {
		if (step(s, server))
			continue;
		if (s->by_ipc ? ipc_noticed(&s->ipc) == 0 :
		    ring_sleep(&s->ring, s->in < STREAM, s->out < STREAM))
			wait_bell(s);
	}
}

static void *
server_run(void *arg)
{
	side_run(arg, true);
	return NULL;
}

static void
both(void *region, size_t n, bool by_ipc)
{
	struct side a = { .by_ipc = by_ipc, .seed = 1 }, b = a;
	pthread_t t;

	b.seed = 2;
	a.bell = b.other = eventfd(0, 0);
	b.bell = a.other = eventfd(0, 0);
	if (by_ipc) {
		assert_int_equal(ipc_attach(&a.ipc, region, n, false), 0);
		assert_int_equal(ipc_attach(&b.ipc, region, n, true), 0);
	} else {
		assert_int_equal(ring_attach(&a.ring, region, n, false), 0);
		assert_int_equal(ring_attach(&b.ring, region, n, true), 0);
	}
	assert_int_equal(pthread_create(&t, NULL, server_run, &b), 0);
	side_run(&a, false);
	pthread_join(t, NULL);
	assert_int_equal(a.late + b.late, 0);
	assert_int_equal(a.wrong + b.wrong, 0);
	assert_int_equal(a.in, STREAM);
	assert_int_equal(b.in, STREAM);
	assert_true(a.waits + b.waits > 0);
	close(a.bell);
	close(b.bell);
}

static void *
region_new(uint32_t slots)
{
	size_t n = (ring_bytes(slots) + 63) & ~(size_t)63;
	void *p = aligned_alloc(64, n);

	assert_non_null(p);
	memset(p, 0, n);
	ring_format(p, slots);
	return p;
}

static void
rings__two_threads_that_sleep__lose_no_byte_and_no_wakeup(void **state)
{
	void *p = region_new(SLOTS);

	(void)state;
	both(p, ring_bytes(SLOTS), false);
	free(p);
}

static void *
page_new(void)
{
	void *p = aligned_alloc(64, IPC_PAGE);

	assert_non_null(p);
	memset(p, 0, IPC_PAGE);
	ipc_format(p);
	return p;
}

static void
letters__two_threads_that_sleep__lose_no_byte_and_no_wakeup(void **state)
{
	void *p = page_new();

	(void)state;
	both(p, IPC_PAGE, true);
	free(p);
}

static void
ring_bytes__limits__at_and_one_past(void **state)
{
	(void)state;
	assert_int_equal(ring_bytes(RING_SLOTS_MIN), 1024 + 4 * 512);
	assert_int_equal(ring_bytes(RING_SLOTS_MIN - 1), 0);
	assert_int_equal(ring_bytes(3), 0);
	assert_true(ring_bytes(RING_SLOTS_MAX) > 0);
	assert_int_equal(ring_bytes(RING_SLOTS_MAX * 2), 0);
	assert_int_equal(ring_bytes(0), 0);
	assert_int_equal(ring_bytes(UINT32_MAX), 0);
}

static void
attach__region_that_lies__is_refused(void **state)
{
	static const struct {
		size_t at;
		uint32_t v;
	} rows[] = { { 0, 1 }, { 4, 2 }, { 8, 3 }, { 8, 8 }, { 12, 256 } };
	uint8_t *p = region_new(SLOTS);
	struct ring r;
	unsigned i;

	(void)state;
	assert_int_equal(ring_attach(&r, p, ring_bytes(SLOTS) - 1, true),
	    -VFS_MALFORMED);
	assert_int_equal(ring_attach(&r, p, 3, true), -VFS_MALFORMED);
	for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		memset(p, 0, RING_HEAD);
		ring_format(p, SLOTS);
		memcpy(p + rows[i].at, &rows[i].v, 4);
		assert_int_equal(ring_attach(&r, p, ring_bytes(SLOTS), true),
		    -VFS_MALFORMED);
		assert_int_equal(ring_write(&r, "x", 1), 0);
		assert_int_equal(ring_read(&r, p, 1), 0);
	}
	free(p);
}

/* Offsets as ring.h has them. */
#define IN_TAIL		64
#define OUT_HEAD	(320 + 64)

static void
put64(uint8_t *p, uint64_t v)
{
	memcpy(p, &v, sizeof v);
}

static void
tail__jumped__poisons(void **state)
{
	static const uint64_t bad[] = { SLOTS + 1, 1ull << 63, UINT64_MAX,
		1ull << 32 };
	uint8_t *p, buf[8];
	struct ring r;
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		p = region_new(SLOTS);
		assert_int_equal(ring_attach(&r, p, ring_bytes(SLOTS), true),
		    0);
		assert_int_equal(ring_read(&r, buf, 8), 0);
		assert_int_equal(r.err, 0);
		put64(p + IN_TAIL, bad[i]);
		assert_int_equal(ring_read(&r, buf, 8), 0);
		assert_int_equal(r.err, -VFS_MALFORMED);
		put64(p + IN_TAIL, 1);	/* for ever */
		assert_int_equal(ring_read(&r, buf, 8), 0);
		assert_false(ring_sleep(&r, true, true));
		free(p);
	}
}

static void
length__impossible__poisons(void **state)
{
	static const uint32_t bad[] = { 0, RING_DATA + 1, UINT32_MAX };
	uint8_t *p, buf[8];
	struct ring r;
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		p = region_new(SLOTS);
		assert_int_equal(ring_attach(&r, p, ring_bytes(SLOTS), true),
		    0);
		memcpy(p + RING_HEAD, &bad[i], 4);
		put64(p + IN_TAIL, 1);
		assert_int_equal(ring_read(&r, buf, 8), 0);
		assert_int_equal(r.err, -VFS_MALFORMED);
		free(p);
	}
}

/* The consumer of our ring says that it took more than there is, or takes
 * back what it said. */
static void
head__jumped__poisons(void **state)
{
	static uint8_t many[SLOTS * RING_DATA];
	uint8_t *p;
	struct ring r;
	unsigned i;

	(void)state;
	for (i = 0; i < 2; i++) {
		p = region_new(SLOTS);
		assert_int_equal(ring_attach(&r, p, ring_bytes(SLOTS), true),
		    0);
		assert_int_equal(ring_write(&r, many, sizeof many),
		    sizeof many);
		assert_int_equal(ring_write(&r, many, 1), 0);
		assert_int_equal(r.err, 0);
		put64(p + OUT_HEAD, 2);
		assert_int_equal(ring_write(&r, many, sizeof many),
		    2 * RING_DATA);
		put64(p + OUT_HEAD, i == 0 ? 1 : 7);
		assert_int_equal(ring_write(&r, many, 1), 0);
		assert_int_equal(r.err, -VFS_MALFORMED);
		free(p);
	}
}

/* What the peer changes after it was read is not seen again. */
static void
read__half_a_slot__length_is_not_loaded_again(void **state)
{
	uint8_t *p = region_new(SLOTS), buf[RING_DATA];
	uint32_t len = 16;
	struct ring r;

	(void)state;
	assert_int_equal(ring_attach(&r, p, ring_bytes(SLOTS), true), 0);
	memcpy(p + RING_HEAD, &len, 4);
	put64(p + IN_TAIL, 1);
	assert_int_equal(ring_read(&r, buf, 8), 8);
	len = UINT32_MAX;
	memcpy(p + RING_HEAD, &len, 4);
	put64(p + IN_TAIL, UINT64_MAX);
	assert_int_equal(ring_read(&r, buf, sizeof buf), 0);
	assert_int_equal(r.err, -VFS_MALFORMED);	/* by the tail only */
	free(p);
}

static void
letter__against_the_rules__poisons(void **state)
{
	static const struct {
		uint64_t filled, label;
	} bad[] = {
		{ 2, IPC_LABEL << 48 | 8 }, { UINT64_MAX, IPC_LABEL << 48 | 8 },
		{ 1, IPC_LABEL << 48 }, { 1, IPC_LABEL << 48 | (IPC_DATA + 1) },
		{ 1, 8 }, { 1, IPC_LABEL << 48 | 1 << 16 | 8 },
	};
	uint8_t *p, buf[8];
	bool bell = false;
	struct ipc m;
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		p = page_new();
		assert_int_equal(ipc_attach(&m, p, IPC_PAGE, true), 0);
		put64(p + 1024, bad[i].label);
		put64(p + 64, bad[i].filled);
		assert_int_equal(ipc_read(&m, buf, 8, &bell), 0);
		assert_int_equal(m.err, -VFS_MALFORMED);
		free(p);
	}
	p = page_new();
	assert_int_equal(ipc_attach(&m, p, IPC_PAGE - 1, true),
	    -VFS_MALFORMED);
	assert_int_equal(ipc_attach(&m, p, IPC_PAGE, true), 0);
	assert_int_equal(ipc_write(&m, buf, 8, &bell), 8);
	put64(p + 256 + 64, 2);		/* took what was never sent */
	assert_int_equal(ipc_write(&m, buf, 8, &bell), 0);
	assert_int_equal(m.err, -VFS_MALFORMED);
	free(p);
}

static void
notice__bits_of_several__come_together_with_one_signal(void **state)
{
	uint8_t *p = page_new();
	struct ipc a, b;

	(void)state;
	assert_int_equal(ipc_attach(&a, p, IPC_PAGE, false), 0);
	assert_int_equal(ipc_attach(&b, p, IPC_PAGE, true), 0);
	assert_true(ipc_notify(&a, IPC_CHANGED));
	assert_false(ipc_notify(&a, IPC_ROOM));
	assert_int_equal(ipc_noticed(&b), IPC_CHANGED | IPC_ROOM);
	assert_int_equal(ipc_noticed(&b), 0);
	assert_int_equal(ipc_noticed(&a), 0);
	assert_true(ipc_notify(&a, IPC_CHANGED));
	free(p);
}

/* A request is taken before it is answered: its sender, who waits for the
 * answer, need not wake up twice. */
static void
bell__who_waits_for_data__is_not_woken_by_room(void **state)
{
	_Alignas(64) static uint8_t region[RING_HEAD + 2 * SLOTS * RING_SLOT];
	struct ring client, server;
	char buf[8];

	(void)state;
	memset(region, 0, sizeof region);
	ring_format(region, SLOTS);
	assert_int_equal(ring_attach(&client, region, sizeof region, false),
	    0);
	assert_int_equal(ring_attach(&server, region, sizeof region, true),
	    0);
	assert_true(ring_sleep(&server, true, false));
	assert_int_equal(ring_write(&client, "ask", 3), 3);
	assert_true(ring_bell(&client));
	assert_false(ring_bell(&client));
	assert_true(ring_sleep(&client, true, false));
	assert_int_equal(ring_read(&server, buf, sizeof buf), 3);
	assert_false(ring_bell(&server));
	assert_int_equal(ring_write(&server, "say", 3), 3);
	assert_true(ring_bell(&server));
	assert_true(ring_sleep(&server, true, false));
	assert_int_equal(ring_read(&client, buf, sizeof buf), 3);
	assert_false(ring_bell(&client));
	while (ring_write(&client, "fill", 4) == 4)
		;
	assert_true(ring_bell(&client));
	assert_true(ring_sleep(&client, true, true));
	assert_int_equal(ring_read(&server, buf, 4), 4);
	assert_true(ring_bell(&server));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    rings__two_threads_that_sleep__lose_no_byte_and_no_wakeup),
		cmocka_unit_test(
		    letters__two_threads_that_sleep__lose_no_byte_and_no_wakeup),
		cmocka_unit_test(ring_bytes__limits__at_and_one_past),
		cmocka_unit_test(attach__region_that_lies__is_refused),
		cmocka_unit_test(tail__jumped__poisons),
		cmocka_unit_test(length__impossible__poisons),
		cmocka_unit_test(head__jumped__poisons),
		cmocka_unit_test(
		    read__half_a_slot__length_is_not_loaded_again),
		cmocka_unit_test(letter__against_the_rules__poisons),
		cmocka_unit_test(
		    notice__bits_of_several__come_together_with_one_signal),
		cmocka_unit_test(
		    bell__who_waits_for_data__is_not_woken_by_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Every file-bytes backend keeps data.h.
 */
#include <signal.h>
#include <sys/resource.h>

#include "../../protocol/limits.h"

#define CONTRACT	data
#define OPEN(ops, dirfd, create, rdonly, b) \
	(ops)->open(dirfd, create, rdonly, b)
#include "fixture.h"

#define MIB	(1ull << 20)

static int
setup_tmpfs(void **state)
{
	return fx_in(state, scratch_open_tmpfs, 8 * MIB);
}

static int
setup_ext4(void **state)
{
	return fx_in(state, scratch_open_ext4, 32 * MIB);
}

/* n bytes that depend on their place and a seed; never zero. */
static void
pattern(unsigned char *p, uint64_t off, size_t n, unsigned seed)
{
	while (n-- > 0) {
		*p++ = (unsigned char)(((off + seed) *
		    0x9e3779b97f4a7c15u) >> 56) | 1;
		off++;
	}
}

static void
write_pattern(struct fx *fx, uint64_t off, size_t n, unsigned seed)
{
	unsigned char *p = malloc(n + 1);

	pattern(p, off, n, seed);
	assert_int_equal(fx->ops->write(fx->b, off, p, n), 0);
	free(p);
}

/* seed 0: zeroes. */
static void
assert_bytes(struct fx *fx, uint64_t off, size_t n, unsigned seed)
{
	unsigned char *want = calloc(1, n + 1), *got = malloc(n + 1);

	if (seed)
		pattern(want, off, n, seed);
	memset(got, 0xee, n + 1);
	assert_int_equal(fx->ops->read(fx->b, off, got, n), 0);
	assert_memory_equal(got, want, n);
	assert_int_equal(got[n], 0xee);
	free(want);
	free(got);
}

/* --- opening ------------------------------------------------------- */

static void
data__open_where_none__noent(void **state)
{
	finds_none(state);
}

static void
data__create__syncs_the_directory(void **state)
{
	(void)state;
	assert_string_equal(hostcalls_seen(), "fd");
}

static void
data__any_sync_of_create_fails__creates_nothing(void **state)
{
	creates_all_or_nothing(state);
}

static void
data__create_where_one_is__keeps_it(void **state)
{
	struct fx *fx = *state;

	write_pattern(fx, 5, 10000, 1);
	fx->ops->close(fx->b);
	hostcalls_reset();
	assert_int_equal(fx->ops->open(fx->dir.dirfd, true, false, &fx->b), 0);
	assert_string_equal(hostcalls_seen(), on_disk(fx) ? "d" : "");
	assert_bytes(fx, 5, 10000, 1);
}

static void
data__rdonly__writes_nothing(void **state)
{
	struct fx *fx = *state;
	uint64_t before;

	write_pattern(fx, 0, 10000, 1);
	fx_close(fx);
	before = scratch_digest(&fx->dir);
	assert_int_equal(fx->ops->open(fx->dir.dirfd, false, true, &fx->b), 0);
	assert_bytes(fx, 0, 10000, 1);
	assert_int_equal(fx->ops->write(fx->b, 0, "x", 1), -VFS_ROFS);
	assert_int_equal(fx->ops->reserve(fx->b, 0, MIB), -VFS_ROFS);
	assert_int_equal(fx->ops->discard(fx->b, 0, 4096), -VFS_ROFS);
	fx->ops->writeback(fx->b, 0, 4096);
	assert_int_equal(fx->ops->sync(fx->b), 0);
	fx_close(fx);
	assert_true(scratch_digest(&fx->dir) == before);
}

/* --- bytes --------------------------------------------------------- */

static void
data__never_written__reads_as_zeroes(void **state)
{
	struct fx *fx = *state;

	assert_bytes(fx, 0, 10000, 0);
	assert_bytes(fx, 1ull << 40, 10000, 0);
	write_pattern(fx, 8000, 100, 1);
	assert_bytes(fx, 0, 8000, 0);
	assert_bytes(fx, 8000, 100, 1);
	assert_bytes(fx, 8100, 50000, 0);
}

static void
data__write_and_reopen__finds_the_bytes(void **state)
{
	struct fx *fx = *state;

	write_pattern(fx, 0, VFS_IO_MAX, 1);
	write_pattern(fx, 4097, 13, 2);
	reopen(fx, false);
	assert_bytes(fx, 0, 4097, 1);
	assert_bytes(fx, 4097, 13, 2);
	assert_bytes(fx, 4110, VFS_IO_MAX - 4110, 1);
}

static void
data__far_offset__is_sparse(void **state)
{
	struct fx *fx = *state;
	uint64_t off = (8ull << 30) - 3, room, before, total;

	assert_int_equal(fx->ops->room(fx->b, &before, &total), 0);
	write_pattern(fx, off, 4096, 1);
	assert_bytes(fx, off, 4096, 1);
	assert_bytes(fx, off - 4096, 4096, 0);
	assert_int_equal(fx->ops->room(fx->b, &room, &total), 0);
	assert_true(room + (1ull << 30) > before);
}

static void
data__nothing__is_fine(void **state)
{
	struct fx *fx = *state;

	assert_int_equal(fx->ops->write(fx->b, 77, "", 0), 0);
	assert_int_equal(fx->ops->read(fx->b, 77, NULL, 0), 0);
	assert_int_equal(fx->ops->reserve(fx->b, 77, 0), 0);
	assert_int_equal(fx->ops->discard(fx->b, 77, 0), 0);
}

static void
data__sync__syncs_the_file(void **state)
{
	struct fx *fx = *state;

	write_pattern(fx, 0, 10000, 1);
	fx->ops->writeback(fx->b, 0, 10000);
	hostcalls_reset();
	assert_int_equal(fx->ops->sync(fx->b), 0);
	assert_string_equal(hostcalls_seen(), on_disk(fx) ? "f" : "");
	assert_bytes(fx, 0, 10000, 1);
}

static void
data__failed_sync__latches(void **state)
{
	struct fx *fx = *state;

	hostcalls_fail_sync(0, EIO);
	assert_int_equal(fx->ops->sync(fx->b), -VFS_IO);
	hostcalls_reset();
	assert_int_equal(fx->ops->sync(fx->b), -VFS_IO);
	assert_string_equal(hostcalls_seen(), "");
	reopen(fx, false);
	assert_int_equal(fx->ops->sync(fx->b), 0);
}

/* --- room ---------------------------------------------------------- */

static void
data__room__is_what_the_host_has(void **state)
{
	struct fx *fx = *state;
	uint64_t room, total;

	if (!fx->b)
		skip();
	assert_int_equal(fx->ops->room(fx->b, &room, &total), 0);
	assert_true(room > 0 && room <= total);
	assert_true(total <= 8 * MIB);
}

static void
data__discard__reads_as_zeroes(void **state)
{
	struct fx *fx = *state;

	write_pattern(fx, 0, 40000, 1);
	assert_int_equal(fx->ops->discard(fx->b, 4096, 8192), 0);
	assert_bytes(fx, 0, 4096, 1);
	assert_bytes(fx, 4096, 8192, 0);
	assert_bytes(fx, 12288, 40000 - 12288, 1);
	assert_int_equal(fx->ops->discard(fx->b, 20000, 10), 0);
	assert_bytes(fx, 19990, 10, 1);
	assert_bytes(fx, 20000, 10, 0);
	assert_bytes(fx, 20010, 10, 1);
	assert_int_equal(fx->ops->discard(fx->b, 36864, 1 << 20), 0);
	assert_bytes(fx, 36864, 10000, 0);
	write_pattern(fx, 4096, 4096, 2);
	assert_bytes(fx, 4096, 4096, 2);
}

static void
data__discard__gives_room_back(void **state)
{
	struct fx *fx = *state;
	uint64_t before, written, after, total;

	if (!fx->b)
		skip();
	assert_int_equal(fx->ops->room(fx->b, &before, &total), 0);
	write_pattern(fx, 0, 4 * MIB, 1);
	assert_int_equal(fx->ops->room(fx->b, &written, &total), 0);
	assert_true(written + 4 * MIB <= before);
	assert_int_equal(fx->ops->discard(fx->b, MIB, 3 * MIB), 0);
	assert_int_equal(fx->ops->room(fx->b, &after, &total), 0);
	assert_true(after >= written + 3 * MIB);
}

/* What was promised and never written, too: ext4 punches no holes behind the
 * file's end. */
static void
data__discard_of_reserved__gives_room_back(void **state)
{
	struct fx *fx = *state;
	uint64_t before, after, total;

	if (!fx->b)
		skip();
	assert_int_equal(fx->ops->reserve(fx->b, MIB, 8 * MIB), 0);
	assert_int_equal(fx->ops->room(fx->b, &before, &total), 0);
	assert_int_equal(fx->ops->discard(fx->b, MIB, 8 * MIB), 0);
	assert_int_equal(fx->ops->room(fx->b, &after, &total), 0);
	assert_true(after >= before + 8 * MIB);
}

static void
data__reserve__changes_no_bytes(void **state)
{
	struct fx *fx = *state;

	write_pattern(fx, 4096, 4096, 1);
	assert_int_equal(fx->ops->reserve(fx->b, 0, MIB), 0);
	assert_bytes(fx, 0, 4096, 0);
	assert_bytes(fx, 4096, 4096, 1);
	assert_bytes(fx, 8192, MIB, 0);
}

static void
reserve_then_fill(void **state)
{
	struct fx *fx = *state;
	uint64_t off;

	if (!fx->b)
		skip();
	write_pattern(fx, 0, MIB, 1);
	assert_int_equal(fx->ops->reserve(fx->b, MIB, 2 * MIB), 0);
	fill_disk(fx);
	assert_int_equal(fx->ops->reserve(fx->b, 3 * MIB, 64 * MIB),
	    -VFS_NOSPC);
	for (off = MIB; off < 3 * MIB; off += 65536)
		write_pattern(fx, off, 65536, 2);
	assert_int_equal(fx->ops->sync(fx->b), 0);
	reopen(fx, false);
	assert_bytes(fx, 0, MIB, 1);
	assert_bytes(fx, MIB, 2 * MIB, 2);
}

static void
data__reserved_then_disk_full_tmpfs__writes(void **state)
{
	reserve_then_fill(state);
}

static void
data__reserved_then_disk_full_ext4__writes(void **state)
{
	reserve_then_fill(state);
}

static void
data__write_without_room__nospc(void **state)
{
	struct fx *fx = *state;
	unsigned char *p = calloc(1, 12 * MIB);

	if (!fx->b) {
		free(p);
		skip();
	}
	memset(p, 1, 12 * MIB);
	assert_int_equal(fx->ops->write(fx->b, 0, p, 12 * MIB), -VFS_NOSPC);
	assert_int_equal(fx->ops->discard(fx->b, 0, 12 * MIB), 0);
	assert_int_equal(fx->ops->write(fx->b, 0, p, MIB), 0);
	assert_int_equal(fx->ops->sync(fx->b), 0);
	free(p);
}

/* --- model --------------------------------------------------------- */

#define MODEL_BYTES	300000u
#define MODEL_STEPS	1500

static void
data__random_operations__match_the_model(void **state)
{
	struct fx *fx = *state;
	unsigned char *m = calloc(1, MODEL_BYTES), *got = malloc(MODEL_BYTES);
	uint64_t rnd = scratch_seed();
	size_t off, n;
	unsigned i;

	for (i = 0; i < MODEL_STEPS; i++) {
		off = scratch_random(&rnd) % MODEL_BYTES;
		n = scratch_random(&rnd) % 3 ? 20000 : 100;
		n = scratch_random(&rnd) % (MODEL_BYTES - off < n ?
		    MODEL_BYTES - off + 1 : n);
		switch (scratch_random(&rnd) % 8) {
		case 0: case 1: case 2:
			pattern(m + off, off, n, i);
			assert_int_equal(fx->ops->write(fx->b, off, m + off,
			    n), 0);
			break;
		case 3:
			memset(m + off, 0, n);
			assert_int_equal(fx->ops->discard(fx->b, off, n), 0);
			break;
		case 4:
			assert_int_equal(fx->ops->reserve(fx->b, off, n), 0);
			break;
		case 5:
			fx->ops->writeback(fx->b, off, n);
			if (i % 50 == 0)
				reopen(fx, false);
			break;
		default:
			assert_int_equal(fx->ops->read(fx->b, off, got, n), 0);
			assert_memory_equal(got, m + off, n);
		}
	}
	assert_int_equal(fx->ops->read(fx->b, 0, got, MODEL_BYTES), 0);
	assert_memory_equal(got, m, MODEL_BYTES);
	free(m);
	free(got);
}

/* --- threads ------------------------------------------------------- */

#define WRITERS		4

struct writer {
	struct fx *fx;
	pthread_t thread;
	unsigned no, bad;
};

static void *
write_own(void *arg)
{
	struct writer *w = arg;
	unsigned char out[3000], in[3000];
	uint64_t off = w->no * MIB;
	unsigned i;

	for (i = 1; i < 200; i++, off += 1500) {
		pattern(out, off, sizeof out, w->no * 1000 + i);
		w->bad += w->fx->ops->write(w->fx->b, off, out, sizeof out) < 0;
		w->fx->ops->writeback(w->fx->b, off, sizeof out);
		w->bad += w->fx->ops->read(w->fx->b, off, in, sizeof in) < 0;
		w->bad += memcmp(in, out, sizeof in) != 0;
		if (i % 60 == 0)
			w->bad += w->fx->ops->sync(w->fx->b) < 0;
	}
	return NULL;
}

static void
data__threads_on_own_ranges__do_not_meet(void **state)
{
	struct fx *fx = *state;
	struct writer w[WRITERS] = { 0 };
	unsigned i;

	for (i = 0; i < WRITERS; i++) {
		w[i].fx = fx;
		w[i].no = i;
		assert_int_equal(pthread_create(&w[i].thread, NULL, write_own,
		    &w[i]), 0);
	}
	for (i = 0; i < WRITERS; i++)
		pthread_join(w[i].thread, NULL);
	for (i = 0; i < WRITERS; i++)
		assert_int_equal(w[i].bad, 0);
}

/* As on a full disk: ulimit -f, and where a filesystem has its largest
 * file. */
static void
data__file_may_not_grow__nospc(void **state)
{
	struct rlimit few = { MIB, RLIM_INFINITY }, old;
	struct fx *fx = *state;
	int reserve, across, beyond;

	signal(SIGXFSZ, SIG_IGN);
	write_pattern(fx, 0, MIB / 2, 1);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	few.rlim_max = old.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &few), 0);
	reserve = fx->ops->reserve(fx->b, MIB - 4096, 8192);
	across = fx->ops->write(fx->b, MIB - 1, "xy", 2);
	beyond = fx->ops->write(fx->b, 2 * MIB, "x", 1);
	write_pattern(fx, MIB / 2, MIB / 2, 2);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(reserve, on_disk(fx) ? -VFS_NOSPC : 0);
	assert_int_equal(across, on_disk(fx) ? -VFS_NOSPC : 0);
	assert_int_equal(beyond, on_disk(fx) ? -VFS_NOSPC : 0);
	write_pattern(fx, 2 * MIB, 4096, 3);
	assert_int_equal(fx->ops->sync(fx->b), 0);
	assert_bytes(fx, MIB / 2, MIB / 2, 2);
}

/* --- every case on every backend ----------------------------------- */

static const struct contract_case cases[] = {
	CASE(data__open_where_none__noent),
	CASE_DISK(data__create__syncs_the_directory),
	CASE(data__any_sync_of_create_fails__creates_nothing),
	CASE(data__create_where_one_is__keeps_it),
	CASE(data__rdonly__writes_nothing),
	CASE(data__never_written__reads_as_zeroes),
	CASE(data__write_and_reopen__finds_the_bytes),
	CASE(data__far_offset__is_sparse),
	CASE(data__nothing__is_fine),
	CASE(data__sync__syncs_the_file),
	CASE_DISK(data__failed_sync__latches),
	CASE_ON(tmpfs, data__room__is_what_the_host_has),
	CASE(data__discard__reads_as_zeroes),
	CASE_ON(tmpfs, data__discard__gives_room_back),
	CASE_ON(ext4, data__discard_of_reserved__gives_room_back),
	CASE(data__reserve__changes_no_bytes),
	CASE_ON(tmpfs, data__reserved_then_disk_full_tmpfs__writes),
	CASE_ON(ext4, data__reserved_then_disk_full_ext4__writes),
	CASE_ON(tmpfs, data__write_without_room__nospc),
	CASE(data__file_may_not_grow__nospc),
	CASE(data__random_operations__match_the_model),
	CASE(data__threads_on_own_ranges__do_not_meet),
};

int
main(void)
{
	return every_backend(cases, sizeof cases / sizeof cases[0]);
}

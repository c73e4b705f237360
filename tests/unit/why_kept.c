/*
 * What why keeps of errors: which push out which, and who finds them.
 */
#include "../../vfsd/server/why.h"
#include "../cm.h"

static struct why_rec found[WHY_FOUND_MAX];
static uint64_t trace;

static int
setup(void **state)
{
	trace = 0;
	return why_new((struct why **)state);
}

static int
teardown(void **state)
{
	why_free(*state);
	return 0;
}

/* The trace id of it. */
static uint64_t
note(struct why *w, uint32_t pid, int err, const char *text)
{
	struct req_env env = { .trace_id = ++trace, .pid = pid,
		.now = { 7, 0 } };

	why_note(w, &env, (struct why_what){ .op = VFS_OP_READ, .id = 5,
	    .err = err, .text = text });
	return trace;
}

static void
note_many(struct why *w, int err, unsigned n)
{
	while (n-- > 0)
		note(w, 1, err, NULL);
}

static bool
is_known(struct why *w, uint64_t trace_id)
{
	size_t n = why_find(w, trace_id, 0, found);

	assert_true(n <= 1);
	return n == 1 && found[0].trace_id == trace_id;
}

static void
note__one__all_of_it_is_found(void **state)
{
	struct why *w = *state;
	uint64_t id = note(w, 3, -VFS_CONFLICT, "object 5: content");

	assert_true(is_known(w, id));
	assert_int_equal(found[0].pid, 3);
	assert_int_equal(found[0].op, VFS_OP_READ);
	assert_int_equal(found[0].id, 5);
	assert_int_equal(found[0].err, -VFS_CONFLICT);
	assert_int_equal(found[0].when.sec, 7);
	assert_string_equal(found[0].text, "object 5: content");
}

static void
note__a_place_used_before__has_no_old_text(void **state)
{
	struct why *w = *state;

	note(w, 3, -VFS_CONFLICT, "object 5: content");
	note_many(w, -VFS_CONFLICT, WHY_KEPT);
	assert_true(is_known(w, trace));
	assert_string_equal(found[0].text, "");
	assert_false(is_known(w, 1));
}

static void
note__as_many_as_are_kept__the_first_is_found(void **state)
{
	struct why *w = *state;
	uint64_t id = note(w, 3, -VFS_NOENT, NULL);

	note_many(w, -VFS_NOENT, WHY_KEPT - 1);
	assert_true(is_known(w, id));
	note_many(w, -VFS_NOENT, 1);
	assert_false(is_known(w, id));
}

/* The later of two never pushes out the former. */
static void
note__commoner_answers__rarer_ones_stay(void **state)
{
	static const struct {
		int rare, common;
	} v[] = {
		{ -VFS_CORRUPT, -VFS_NOSPC }, { -VFS_IO, -VFS_ROFS },
		{ -VFS_CORRUPT, -VFS_CONFLICT }, { -VFS_CORRUPT, -VFS_NOENT },
		{ -VFS_NOSPC, -VFS_ACCESS }, { -VFS_QUOTA, -VFS_NOENT },
		{ -VFS_ROFS, -VFS_EXIST }, { -VFS_CONFLICT, -VFS_NOXATTR },
		{ -VFS_ACCESS, -VFS_NOENT }, { -VFS_ACCESS, -VFS_NOXATTR },
	};
	struct why *w = *state;
	uint64_t id;
	size_t i;

	for (i = 0; i < sizeof v / sizeof v[0]; i++) {
		id = note(w, 1, v[i].rare, NULL);
		note_many(w, v[i].common, WHY_KEPT + 1);
		assert_true(is_known(w, id));
	}
}

static void
find__all__newest_first_so_many_of_each(void **state)
{
	struct why *w = *state;
	size_t i, n;

	for (i = 0; i < WHY_TOLD + 1; i++) {
		note(w, 1, -VFS_CORRUPT, NULL);
		note(w, 1, -VFS_NOSPC, NULL);
		note(w, 1, -VFS_ACCESS, NULL);
		note(w, 1, -VFS_NOENT, NULL);
	}
	n = why_find(w, 0, 0, found);
	assert_int_equal(n, WHY_FOUND_MAX);
	for (i = 0; i < n; i++)
		assert_int_equal(found[i].trace_id, trace - i);
}

static void
find__of_a_process__among_others(void **state)
{
	struct why *w = *state;
	uint64_t ids[2];

	assert_int_equal(why_find(w, 0, 9, found), 0);
	ids[0] = note(w, 9, -VFS_NOENT, NULL);
	note_many(w, -VFS_NOENT, 100);
	ids[1] = note(w, 9, -VFS_CORRUPT, NULL);
	assert_int_equal(why_find(w, 0, 9, found), 2);
	assert_int_equal(found[0].trace_id, ids[1]);
	assert_int_equal(found[1].trace_id, ids[0]);
}

#define T(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(note__one__all_of_it_is_found),
		T(note__a_place_used_before__has_no_old_text),
		T(note__as_many_as_are_kept__the_first_is_found),
		T(note__commoner_answers__rarer_ones_stay),
		T(find__all__newest_first_so_many_of_each),
		T(find__of_a_process__among_others),
	};

	return cmocka_run_group_tests_name("why", tests, NULL, NULL);
}

/*
 * Commits that the kernel is told of, without a kernel: an ear that notes
 * what it is told, in which order, and what the state was then.
 */
#include <unistd.h>

#include "../../vfsd/server/visible.h"
#include "../tx_rig.h"
#include "../cm.h"

#define FILE_MODE	0100644u
#define DIR_MODE	0040755u
#define SAID_MAX	64u
#define NOBODY_S	0u		/* the thread that stands for a worker */

enum said_what { OBJECT, PAGES, NAME };

struct said {
	enum said_what what;
	struct vfs_id id;
	char name[32];
	uint32_t mode;			/* of watched, as others see it */
	bool kept;			/* could replies about it be kept? */
};

struct ear {
	struct rig *r;
	struct visible *v;
	struct said said[SAID_MAX];
	size_t n, names;
	struct vfs_id watched;
	unsigned absent;		/* say so often that it is not there */
	unsigned moves;			/* renames to come, at names */
	struct vfs_id unseen;		/* an answer about it is on its way */
	void (*then)(struct ear *e);	/* once, at the first thing told */
};

static struct said *
note(struct ear *e, enum said_what what, struct vfs_id id)
{
	static struct said spare;
	struct said *s = e->n < SAID_MAX ? &e->said[e->n] : &spare;
	void (*then)(struct ear *) = e->then;
	struct vfs_attr a = { 0 };

	e->n++;
	e->then = NULL;
	if (then != NULL)
		then(e);
	if (e->watched.n != 0)
		(void)do_stat(e->r, 0, e->watched, &a);
	*s = (struct said){ .what = what, .id = id, .mode = a.mode & 07777 };
	return s;
}

static int
on_object(void *arg, struct vfs_id id, bool pages)
{
	struct ear *e = arg;

	note(e, pages ? PAGES : OBJECT, id)->kept = visible_keeps(e->v, id);
	if (e->absent > 0) {
		e->absent--;
		return -VFS_NOENT;
	}
	return 0;
}

static bool
on_unseen(void *arg, struct vfs_id id, uint64_t since_ns)
{
	const struct ear *e = arg;

	return since_ns > 0 && id.n == e->unseen.n;
}

static void
on_name(void *arg, struct vfs_id dir, struct vfs_slice name)
{
	struct ear *e = arg;
	struct said *s = note(e, NAME, dir);

	e->names++;
	snprintf(s->name, sizeof s->name, "%.*s", (int)name.n,
	    (const char *)name.p);
	s->kept = visible_keeps_name(e->v, dir, name);
	if (e->moves > 0) {
		e->moves--;
		visible_moves(e->v, dir, name);
	}
}

static int
setup(void **state)
{
	struct ear *e = calloc(1, sizeof *e);
	struct visible_ear ear = { .object = on_object, .name = on_name,
		.unseen = on_unseen, .arg = e };

	e->r = rig_open(96u << 20);
	e->v = server_visible(e->r->s);
	e->r->fx->env.from_kernel = e->r->fx->env.kernel_checked = false;
	visible_listen(e->v, &ear);
	*state = e;
	return 0;
}

static int
teardown(void **state)
{
	struct ear *e = *state;
	struct visible_counts n;

	visible_listen(e->v, NULL);
	visible_counts(e->v, &n);
	assert_int_equal(n.marks, 0);
	rig_close(e->r);
	free(e);
	return 0;
}

static struct vfs_id
file(struct ear *e, const char *name)
{
	struct vfs_id id;

	assert_int_equal(do_create(e->r, 0, ROOT, name, FILE_MODE, &id), 0);
	e->n = e->names = 0;
	return id;
}

/* Told of that, with this state and its mark on. */
static void
assert_said(const struct ear *e, size_t i, enum said_what what,
    struct vfs_id id, const char *name)
{
	assert_true(i < e->n);
	assert_int_equal(e->said[i].what, what);
	assert_int_equal(e->said[i].id.n, id.n);
	if (name != NULL)
		assert_string_equal(e->said[i].name, name);
	assert_false(e->said[i].kept);
}

/* --- when, and in which order ----------------------------------------------- */

static void
visible__attributes_of_a_held_file__told_before_they_change(void **state)
{
	struct ear *e = *state;

	e->watched = file(e, "f");
	server_kernel_hold(e->r->s, e->watched, 1);
	assert_int_equal(do_chmod(e->r, 0, e->watched, 0600), 0);
	assert_int_equal(e->n, 1);
	assert_said(e, 0, OBJECT, e->watched, NULL);
	assert_int_equal(e->said[0].mode, 0644);
	assert_true(visible_keeps(e->v, e->watched));
	server_kernel_drop(e->r->s, e->watched, 1);
}

/* It is told of, and then taken up all the same. */
static void
visible__run_before_its_commit__told_before_they_change(void **state)
{
	struct ear *e = *state;
	uint64_t tx = rig_begin(e->r);
	struct tx_counts n;
	struct vfs_attr a;
	uint32_t first;

	e->watched = file(e, "f");
	server_kernel_hold(e->r->s, e->watched, 1);
	rig_new(e->r);
	rig_add(e->r, VFS_OP_SETATTR, &(struct vfs_setattr){
	    .id = e->watched, .valid = VFS_SET_MODE, .mode = 0600 });
	assert_int_equal(rig_part(e->r, tx, VFS_TX_LATER, &first), 0);
	assert_int_equal(rig_commit_as(e->r, tx, 7), 0);
	assert_int_equal(e->n, 1);
	assert_said(e, 0, OBJECT, e->watched, NULL);
	assert_int_equal(e->said[0].mode, 0644);
	assert_int_equal(do_stat(e->r, 0, e->watched, &a), 0);
	assert_int_equal(a.mode & 07777, 0600);
	assert_int_equal(rig_status(e->r, 7), 0);
	assert_int_equal(e->r->v.state, VFS_TX_COMMITTED);
	assert_int_equal(e->r->v.nresults, 1);
	tx_counts(e->r->s, &n);
	assert_int_equal(n.speculated, 1);
	server_kernel_drop(e->r->s, e->watched, 1);
}

static void
visible__content__told_before_and_pages_after(void **state)
{
	struct ear *e = *state;
	struct vfs_attr a;

	e->watched = file(e, "f");
	server_kernel_hold(e->r->s, e->watched, 1);
	assert_int_equal(do_write(e->r, 0, e->watched, 0, "hello", 5), 0);
	assert_int_equal(e->n, 2);
	assert_said(e, 0, OBJECT, e->watched, NULL);
	assert_said(e, 1, PAGES, e->watched, NULL);
	assert_int_equal(do_stat(e->r, 0, e->watched, &a), 0);
	assert_int_equal(a.size, 5);
}

static void
visible__replaced_name__objects_first_then_the_names(void **state)
{
	struct ear *e = *state;
	struct vfs_id f = file(e, "f"), g = file(e, "g");

	server_kernel_hold(e->r->s, f, 1);
	server_kernel_hold(e->r->s, g, 1);
	e->watched = ROOT;
	assert_int_equal(do_rename(e->r, 0, ROOT, "f", ROOT, "g"), 0);
	assert_int_equal(e->n, 5);
	assert_said(e, 0, OBJECT, ROOT, NULL);
	assert_said(e, 1, OBJECT, f, NULL);
	assert_said(e, 2, OBJECT, g, NULL);
	assert_said(e, 3, NAME, ROOT, "f");
	assert_said(e, 4, NAME, ROOT, "g");
}

static void
visible__the_kernels_own_change__is_not_told(void **state)
{
	struct ear *e = *state;
	struct vfs_id f = file(e, "f");

	server_kernel_hold(e->r->s, f, 1);
	e->r->fx->env.from_kernel = true;
	assert_int_equal(do_chmod(e->r, 0, f, 0600), 0);
	assert_int_equal(do_rename(e->r, 0, ROOT, "f", ROOT, "g"), 0);
	assert_int_equal(e->n, 0);
}

/* --- only what the kernel holds ----------------------------------------------- */

static void
visible__many_creates_in_a_strange_directory__tell_nothing(void **state)
{
	struct ear *e = *state;
	struct vfs_id d, f;
	char name[32];
	int i;

	assert_int_equal(do_create(e->r, 0, ROOT, "d", DIR_MODE, &d), 0);
	server_kernel_hold(e->r->s, file(e, "other"), 1);
	rig_new(e->r);
	for (i = 0; i < 10000; i++) {
		snprintf(name, sizeof name, "f%d", i);
		rig_create(e->r, d, name, FILE_MODE);
	}
	assert_int_equal(rig_exec(e->r, 0), 0);
	assert_int_equal(do_lookup(e->r, 0, d, "f9999", &f), 0);
	assert_int_equal(do_chmod(e->r, 0, f, 0600), 0);
	assert_int_equal(do_write(e->r, 0, f, 0, "x", 1), 0);
	assert_int_equal(e->n, 0);
}

static void
visible__transaction__each_thing_is_told_once(void **state)
{
	struct ear *e = *state;
	struct vfs_id f = file(e, "f"), g = file(e, "g"), h = file(e, "h");
	uint64_t tx = rig_begin(e->r);

	server_kernel_hold(e->r->s, f, 1);
	server_kernel_hold(e->r->s, h, 1);
	e->watched = f;
	assert_int_equal(do_chmod(e->r, tx, f, 0600), 0);
	assert_int_equal(do_chmod(e->r, tx, f, 0640), 0);
	assert_int_equal(do_chmod(e->r, tx, g, 0600), 0);
	assert_int_equal(do_unlink(e->r, tx, ROOT, "g"), 0);
	assert_int_equal(e->n, 0);
	assert_int_equal(rig_commit(e->r, tx), 0);
	assert_int_equal(e->n, 3);
	assert_said(e, 0, OBJECT, ROOT, NULL);
	assert_said(e, 1, OBJECT, f, NULL);
	assert_said(e, 2, NAME, ROOT, "g");
	assert_int_equal(e->said[2].mode, 0644);
}

static void
visible__transaction_that_fails__is_unmarked(void **state)
{
	struct ear *e = *state;
	struct vfs_id f = file(e, "f");
	uint64_t tx = rig_begin(e->r);

	server_kernel_hold(e->r->s, f, 1);
	assert_int_equal(do_chmod(e->r, tx, f, 0600), 0);
	assert_int_equal(do_unlink(e->r, 0, ROOT, "f"), 0);
	e->n = 0;
	assert_err(rig_commit(e->r, tx), CONFLICT);
	assert_int_equal(e->n, 0);
	assert_true(visible_keeps(e->v, f));
}

/* --- races ----------------------------------------------------------------------- */

static void
visible__request_that_began_before__keeps_nothing_of_it(void **state)
{
	struct ear *e = *state;
	struct vfs_id f = file(e, "f"), g = file(e, "g");

	server_kernel_hold(e->r->s, f, 1);
	visible_enter(e->v, NOBODY_S);	/* and has read the old state */
	assert_int_equal(do_rename(e->r, 0, ROOT, "f", ROOT, "h"), 0);
	assert_false(visible_keeps(e->v, f));
	assert_false(visible_keeps_name(e->v, ROOT, ((struct vfs_slice){ "f", sizeof "f" - 1 })));
	assert_false(visible_keeps_name(e->v, ROOT, ((struct vfs_slice){ "h", sizeof "h" - 1 })));
	assert_true(visible_keeps(e->v, g));
	assert_true(visible_keeps_name(e->v, ROOT, ((struct vfs_slice){ "g", sizeof "g" - 1 })));
	visible_leave(e->v, NOBODY_S);
	visible_enter(e->v, NOBODY_S);
	assert_true(visible_keeps(e->v, f));
	assert_true(visible_keeps_name(e->v, ROOT, ((struct vfs_slice){ "h", sizeof "h" - 1 })));
	visible_leave(e->v, NOBODY_S);
}

static void
visible__kernel_renames_meanwhile__all_is_told_again(void **state)
{
	struct ear *e = *state;
	struct vfs_id f = file(e, "f");
	struct visible_counts n;

	server_kernel_hold(e->r->s, f, 1);
	e->moves = 2;
	assert_int_equal(do_rename(e->r, 0, ROOT, "f", ROOT, "g"), 0);
	visible_counts(e->v, &n);
	assert_int_equal(n.again, 1);
	assert_int_equal(e->names, 4);
	assert_int_equal(n.late, 0);
}

static void
visible__kernel_renames_without_end__it_is_told_after_as_well(void **state)
{
	struct ear *e = *state;
	struct vfs_id f = file(e, "f"), g;
	struct visible_counts n;

	server_kernel_hold(e->r->s, f, 1);
	e->moves = UINT32_MAX;
	assert_int_equal(do_rename(e->r, 0, ROOT, "f", ROOT, "g"), 0);
	visible_counts(e->v, &n);
	assert_int_equal(n.late, 1);
	assert_int_equal(n.again, VISIBLE_TRIES - 1);
	assert_int_equal(do_lookup(e->r, 0, ROOT, "g", &g), 0);
}

static void
visible__object_on_its_way_in__is_told_when_it_is_there(void **state)
{
	struct ear *e = *state;

	e->watched = file(e, "f");
	server_kernel_hold(e->r->s, e->watched, 1);
	e->absent = 3;
	assert_int_equal(do_chmod(e->r, 0, e->watched, 0600), 0);
	assert_int_equal(e->n, 4);
	assert_int_equal(e->said[3].mode, 0644);
}

static void
visible__answer_that_is_taken_unseen__is_in_before_anything_is_kept(
    void **state)
{
	struct ear *e = *state;
	struct vfs_id f = file(e, "f");

	server_kernel_hold(e->r->s, f, 1);
	e->watched = e->unseen = f;
	assert_int_equal(do_chmod(e->r, 0, f, 0600), 0);
	assert_int_equal(e->n, 2);
	assert_said(e, 0, OBJECT, f, NULL);
	assert_int_equal(e->said[0].mode, 0644);
	assert_said(e, 1, OBJECT, f, NULL);
	assert_int_equal(e->said[1].mode, 0600);
	assert_true(visible_keeps(e->v, f));
}

static void
drop_watched(struct ear *e)
{
	server_kernel_drop(e->r->s, e->watched, 1);
}

static void
visible__object_on_its_way_out__is_waited_for_no_longer(void **state)
{
	struct ear *e = *state;

	e->watched = file(e, "f");
	server_kernel_hold(e->r->s, e->watched, 1);
	e->absent = UINT32_MAX;
	e->then = drop_watched;
	assert_int_equal(do_chmod(e->r, 0, e->watched, 0600), 0);
	assert_int_equal(e->n, 1);
}

static void
make_more(struct ear *e)
{
	/* By another: what the commit touches is more than it was. */
	struct req_env env = e->r->fx->env;

	e->r->fx->env.from_kernel = true;
	assert_int_equal(do_create(e->r, 0, ROOT, "g", FILE_MODE, NULL), 0);
	e->r->fx->env = env;
}

static void
visible__touches_more_the_second_time__that_is_told_too(void **state)
{
	struct ear *e = *state;
	struct vfs_id f = file(e, "f"), g;

	server_kernel_hold(e->r->s, f, 1);
	e->then = make_more;
	assert_int_equal(do_rename(e->r, 0, ROOT, "f", ROOT, "g"), 0);
	assert_int_equal(do_lookup(e->r, 0, ROOT, "g", &g), 0);
	assert_int_equal(g.n, f.n);	/* it replaced what came between */
	assert_int_equal(e->n, 4);	/* which the kernel does not hold */
}

static void
visible__first_answers_after_a_commit__are_not_kept(void **state)
{
	struct ear *e = *state;
	struct vfs_id f = file(e, "f"), g = file(e, "g");
	struct visible_ear ear = { .object = on_object, .name = on_name,
		.arg = e, .wary_ns = UINT32_MAX };
	unsigned i;

	visible_listen(e->v, &ear);
	server_kernel_hold(e->r->s, f, 1);
	for (i = 0; i < 2; i++) {	/* each commit, anew */
		assert_int_equal(do_chmod(e->r, 0, f, 0600), 0);
		assert_int_equal(do_chmod(e->r, 0, g, 0600), 0);
		assert_true(visible_keeps(e->v, g));	/* nobody has it */
		assert_true(visible_keeps_pages(e->v, f));
		assert_false(visible_keeps_answer(e->v, f, 7));
		assert_false(visible_keeps_answer(e->v, f, 8));
		assert_false(visible_keeps_answer(e->v, f, 8));
		assert_false(visible_keeps_answer(e->v, f, 8));
		assert_false(visible_keeps_answer(e->v, f, 7));
		assert_false(visible_keeps(e->v, f));
		assert_true(visible_keeps_answer(e->v, f, 7));
		assert_true(visible_keeps_answer(e->v, f, 8));
		assert_true(visible_keeps(e->v, f));
	}
}

static void
visible__first_answer__is_waited_for_and_then_a_while(void **state)
{
	struct ear *e = *state;
	struct vfs_id f = file(e, "f");
	struct visible_ear ear = { .object = on_object, .name = on_name,
		.arg = e, .wary_ns = 1000000 };

	visible_listen(e->v, &ear);
	server_kernel_hold(e->r->s, f, 1);
	assert_int_equal(do_chmod(e->r, 0, f, 0600), 0);
	usleep(3000);
	assert_false(visible_keeps(e->v, f));
	assert_false(visible_keeps_answer(e->v, f, 0));
	usleep(3000);
	assert_true(visible_keeps_answer(e->v, f, 0));
}

/* With more objects than there are places, time must do. */
static void
visible__first_answers_about_many__are_not_kept(void **state)
{
	struct ear *e = *state;
	struct visible_ear ear = { .object = on_object, .name = on_name,
		.arg = e, .wary_ns = UINT64_MAX / 4 };
	struct vfs_id id[1200];
	unsigned i, n = sizeof id / sizeof id[0];
	char name[16];

	for (i = 0; i < n; i++) {
		snprintf(name, sizeof name, "f%u", i);
		id[i] = file(e, name);
		server_kernel_hold(e->r->s, id[i], 1);
	}
	visible_listen(e->v, &ear);
	for (i = 0; i < n; i++)
		assert_int_equal(do_chmod(e->r, 0, id[i], 0600), 0);
	for (i = 0; i < n; i++)
		assert_false(visible_keeps_answer(e->v, id[i], 7));
}

static void
visible__few_names__told_once_more_when_it_is_done(void **state)
{
	struct ear *e = *state;
	struct vfs_id f = file(e, "f");
	struct visible_ear ear = { .object = on_object, .name = on_name,
		.arg = e, .names_after = 2 };

	visible_listen(e->v, &ear);
	server_kernel_hold(e->r->s, f, 1);
	assert_int_equal(do_rename(e->r, 0, ROOT, "f", ROOT, "g"), 0);
	assert_int_equal(e->names, 4);
	assert_int_equal(e->n, 6);
	assert_said(e, 4, NAME, ROOT, "f");	/* its mark is still on */
	assert_said(e, 5, NAME, ROOT, "g");
	e->names = 0;
	ear.names_after = 1;
	visible_listen(e->v, &ear);
	assert_int_equal(do_rename(e->r, 0, ROOT, "g", ROOT, "f"), 0);
	assert_int_equal(e->names, 2);
}

/* --- bounds ------------------------------------------------------------------------ */

static struct vfs_id bystander;		/* of see_all */

static void
see_all(struct ear *e)
{
	assert_false(visible_keeps(e->v, bystander));
	assert_false(visible_keeps_name(e->v, ROOT, ((struct vfs_slice){ "nothing", sizeof "nothing" - 1 })));
}

static void
visible__more_than_is_marked_one_by_one__all_is_marked(void **state)
{
	struct ear *e = *state;
	char name[32];
	unsigned i;

	bystander = file(e, "f");
	rig_new(e->r);
	for (i = 0; i <= VISIBLE_MARKS; i++) {
		snprintf(name, sizeof name, "f%u", i);
		rig_create(e->r, ROOT, name, FILE_MODE);
	}
	e->then = see_all;
	assert_int_equal(rig_exec(e->r, 0), 0);
	assert_null(e->then);
	assert_int_equal(e->names, VISIBLE_MARKS + 1);
	assert_true(visible_keeps(e->v, bystander));
}

static void
visible__nobody_listens__nothing_is_asked_of_it(void **state)
{
	struct ear *e = *state;
	struct vfs_id f = file(e, "f");

	visible_listen(e->v, NULL);
	server_kernel_hold(e->r->s, f, 1);
	assert_int_equal(do_chmod(e->r, 0, f, 0600), 0);
	assert_int_equal(e->n, 0);
}

#define TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(visible__attributes_of_a_held_file__told_before_they_change),
		TEST(visible__run_before_its_commit__told_before_they_change),
		TEST(visible__content__told_before_and_pages_after),
		TEST(visible__replaced_name__objects_first_then_the_names),
		TEST(visible__the_kernels_own_change__is_not_told),
		TEST(visible__many_creates_in_a_strange_directory__tell_nothing),
		TEST(visible__transaction__each_thing_is_told_once),
		TEST(visible__transaction_that_fails__is_unmarked),
		TEST(visible__request_that_began_before__keeps_nothing_of_it),
		TEST(visible__kernel_renames_meanwhile__all_is_told_again),
		TEST(visible__kernel_renames_without_end__it_is_told_after_as_well),
		TEST(visible__object_on_its_way_in__is_told_when_it_is_there),
		TEST(visible__answer_that_is_taken_unseen__is_in_before_anything_is_kept),
		TEST(visible__object_on_its_way_out__is_waited_for_no_longer),
		TEST(visible__touches_more_the_second_time__that_is_told_too),
		TEST(visible__first_answers_after_a_commit__are_not_kept),
		TEST(visible__first_answer__is_waited_for_and_then_a_while),
		TEST(visible__first_answers_about_many__are_not_kept),
		TEST(visible__few_names__told_once_more_when_it_is_done),
		TEST(visible__more_than_is_marked_one_by_one__all_is_marked),
		TEST(visible__nobody_listens__nothing_is_asked_of_it),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

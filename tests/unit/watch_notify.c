/* Who watches is told once, of what passes his filter, and of nothing
 * else. */
#include <pthread.h>
#include <time.h>

#include "../cm.h"
#include "../tx_rig.h"
#include "../../vfsd/server/watch.h"

#define DIR_MODE	(VFS_TYPE_MODE(VFS_DIR) | 0755)
#define FILE_MODE	(VFS_TYPE_MODE(VFS_REG) | 0644)
#define WAIT_S		20

struct ear {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	unsigned told;
	uint64_t seq, number;
};

static void
ear_init(struct ear *e)
{
	*e = (struct ear){ .told = 0 };
	pthread_mutex_init(&e->lock, NULL);
	pthread_cond_init(&e->cond, NULL);
}

static void
hear(void *arg, uint64_t seq)
{
	struct ear *e = arg;

	pthread_mutex_lock(&e->lock);
	e->told++;
	e->seq = seq;
	pthread_cond_signal(&e->cond);
	pthread_mutex_unlock(&e->lock);
}

/* Until it was told so often. */
static bool
heard(struct ear *e, unsigned times)
{
	struct timespec ts;
	int rc = 0;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += WAIT_S;
	pthread_mutex_lock(&e->lock);
	while (rc == 0 && e->told < times)
		rc = pthread_cond_timedwait(&e->cond, &e->lock, &ts);
	pthread_mutex_unlock(&e->lock);
	return rc == 0 && e->told == times;
}

static struct vfs_settle_reply
settled(struct rig *r)
{
	struct vfs_settle q = { 0 };
	struct vfs_settle_reply rep;

	assert_err(dispatch(r->s, VFS_OP_SETTLE, &r->fx->env, &q, &rep), OK);
	return rep;
}

static void
add(struct rig *r, struct ear *e, struct vfs_id subtree, uint32_t mask)
{
	struct vfs_settle_reply at = settled(r);
	struct watch_conf c = { .subtree = subtree, .seq = at.seq,
		.idx = at.idx, .mask = mask, .notify = hear, .arg = e };

	ear_init(e);
	assert_err(watch_add(r->s, &c, &e->number), OK);
}

static void
arm(struct rig *r, struct ear *e)
{
	struct vfs_settle_reply at = settled(r);

	assert_err(watch_arm(r->s, e->number, at.seq, at.idx), OK);
}

static void
watch__a_change__is_told_once_until_armed_again(void **state)
{
	struct rig *r = *state;
	struct ear e, last;
	struct vfs_id f;

	add(r, &e, ROOT, 0);
	add(r, &last, ROOT, 0);		/* looked at behind e */
	assert_int_equal(do_create(r, 0, ROOT, "f", FILE_MODE, &f), 0);
	assert_true(heard(&e, 1));
	assert_true(heard(&last, 1));
	assert_int_equal(e.seq, settled(r).seq);
	arm(r, &last);
	assert_int_equal(do_chmod(r, 0, f, 0600), 0);
	assert_true(heard(&last, 2));
	assert_int_equal(e.told, 1);
	arm(r, &e);
	assert_int_equal(do_chmod(r, 0, f, 0644), 0);
	assert_true(heard(&e, 2));
	assert_err(watch_del(r->s, e.number), OK);
	assert_err(watch_del(r->s, e.number), NOENT);
	assert_err(watch_arm(r->s, e.number, 0, 0), NOENT);
	arm(r, &last);
	assert_int_equal(do_chmod(r, 0, f, 0600), 0);
	assert_true(heard(&last, 3));
	assert_int_equal(e.told, 2);
	assert_err(watch_del(r->s, last.number), OK);
}

/* However the rest falls into a look that is under way. */
static void
watch__at_rest__says_nothing_of_its_old_cursor(void **state)
{
	struct rig *r = *state;
	struct ear e;
	struct vfs_id f;
	unsigned i, told;

	add(r, &e, ROOT, 0);
	assert_int_equal(do_create(r, 0, ROOT, "f", FILE_MODE, &f), 0);
	for (i = 0; i < 200; i++) {
		arm(r, &e);
		assert_int_equal(do_chmod(r, 0, f, 0600 + i % 8), 0);
		watch_rest(r->s, e.number);
		pthread_mutex_lock(&e.lock);
		told = e.told;
		pthread_mutex_unlock(&e.lock);
		nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
		assert_int_equal(e.told, told);
	}
	arm(r, &e);
	assert_int_equal(do_chmod(r, 0, f, 0644), 0);
	assert_true(heard(&e, told + 1));
	assert_err(watch_del(r->s, e.number), OK);
}

static void
watch__outside_of_the_filter__nobody_is_told(void **state)
{
	struct rig *r = *state;
	struct ear sub, kind, all;
	struct vfs_id a, b, f;

	assert_int_equal(do_create(r, 0, ROOT, "a", DIR_MODE, &a), 0);
	assert_int_equal(do_create(r, 0, ROOT, "b", DIR_MODE, &b), 0);
	add(r, &sub, a, 0);
	add(r, &kind, ROOT, 1u << PROTO_CHANGE_UNLINK);
	add(r, &all, ROOT, 0);
	assert_int_equal(do_create(r, 0, b, "f", FILE_MODE, &f), 0);
	assert_true(heard(&all, 1));
	assert_int_equal(sub.told, 0);
	assert_int_equal(kind.told, 0);
	assert_int_equal(do_rename(r, 0, b, "f", a, "f"), 0);
	assert_true(heard(&sub, 1));
	assert_int_equal(kind.told, 0);
	assert_int_equal(do_unlink(r, 0, a, "f"), 0);
	assert_true(heard(&kind, 1));
	assert_int_equal(sub.told, 1);
}

static void
watch__records_behind_the_cursor_already__are_told_at_once(void **state)
{
	struct rig *r = *state;
	struct vfs_settle_reply at = settled(r);
	struct watch_conf c = { .seq = at.seq, .idx = at.idx,
		.notify = hear };
	struct ear e, old;

	ear_init(&e);
	assert_int_equal(do_create(r, 0, ROOT, "f", FILE_MODE, NULL), 0);
	c.arg = &e;
	assert_err(watch_add(r->s, &c, &e.number), OK);
	assert_true(heard(&e, 1));
	/* And that there is no such cursor. */
	ear_init(&old);
	c.arg = &old;
	c.seq = 5;
	assert_err(watch_add(r->s, &c, &old.number), OK);
	assert_true(heard(&old, 1));
}

/* What is written and left alone is published, and heard of. */
static void
watch__a_quiet_draft__is_told_when_published(void **state)
{
	struct rig *r = *state;
	struct vfs_id f;
	struct ear e;

	assert_int_equal(do_create(r, 0, ROOT, "f", FILE_MODE, &f), 0);
	add(r, &e, ROOT, 1u << PROTO_CHANGE_DATA);
	assert_int_equal(do_write(r, 0, f, 0, "x", 1), 0);
	assert_true(heard(&e, 1));
}

static void
settle__a_draft__is_in_the_journal_before_the_cursor(void **state)
{
	struct rig *r = *state;
	struct vfs_settle_reply was = settled(r), at;
	struct vfs_settle bad = { 1 };
	struct vfs_journal_read q = { .seq = was.seq, .idx = was.idx,
		.mask = 1u << PROTO_CHANGE_DATA };
	struct vfs_journal_read_reply rep = { 0 };
	uint8_t page[500];
	struct vfs_id f;

	assert_int_equal(do_create(r, 0, ROOT, "f", FILE_MODE, &f), 0);
	assert_int_equal(do_write(r, 0, f, 0, "x", 1), 0);
	at = settled(r);
	rep.records = (struct vfs_buf){ page, sizeof page, 0 };
	assert_err(dispatch(r->s, VFS_OP_JOURNAL_READ, &r->fx->env, &q,
	    &rep), OK);
	assert_int_equal(rep.n, 1);
	assert_int_equal(rep.seq, at.seq);
	assert_int_equal(rep.idx, at.idx);
	at = settled(r);
	assert_int_equal(rep.seq, at.seq);
	assert_err(dispatch(r->s, VFS_OP_SETTLE, &r->fx->env, &bad, &at),
	    INVAL);
}

static void
watch__at_the_limit__works_and_one_past_does_not(void **state)
{
	struct rig *r = *state;
	struct watch_conf c = { .notify = hear };
	uint64_t number, first = 0;
	struct ear e;
	unsigned i;

	ear_init(&e);
	c.arg = &e;
	c.seq = settled(r).seq;
	for (i = 0; i < VFS_WATCHES_MAX; i++) {
		assert_err(watch_add(r->s, &c, &number), OK);
		first = i == 0 ? number : first;
	}
	assert_err(watch_add(r->s, &c, &number), TX_LIMIT);
	assert_err(watch_del(r->s, first), OK);
	assert_err(watch_add(r->s, &c, &number), OK);
	assert_true(number != first);
	assert_int_equal(do_create(r, 0, ROOT, "f", FILE_MODE, NULL), 0);
	assert_true(heard(&e, VFS_WATCHES_MAX));
}

/* Commits, arming and deleting at once: nobody waits in vain. */
struct storm {
	struct rig *r;
	struct vfs_id f;
	_Atomic bool stop;
};

static void *
storm_main(void *arg)
{
	struct storm *s = arg;
	uint32_t i;

	for (i = 0; !s->stop; i++)
		assert_int_equal(do_chmod(s->r, 0, s->f, i & 0777), 0);
	return NULL;
}

static void
watch__under_many_commits__each_arming_is_answered(void **state)
{
	struct rig *r = *state;
	struct storm s = { .r = r };
	pthread_t t;
	struct ear e;
	unsigned i;

	assert_int_equal(do_create(r, 0, ROOT, "f", FILE_MODE, &s.f), 0);
	add(r, &e, ROOT, 0);
	assert_int_equal(pthread_create(&t, NULL, storm_main, &s), 0);
	for (i = 1; i <= 200; i++) {
		assert_true(heard(&e, i));
		arm(r, &e);
	}
	assert_err(watch_del(r->s, e.number), OK);
	s.stop = true;
	pthread_join(t, NULL);
}

#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(watch__a_change__is_told_once_until_armed_again),
		RIG_TEST(watch__at_rest__says_nothing_of_its_old_cursor),
		RIG_TEST(watch__outside_of_the_filter__nobody_is_told),
		RIG_TEST(watch__records_behind_the_cursor_already__are_told_at_once),
		RIG_TEST(watch__a_quiet_draft__is_told_when_published),
		RIG_TEST(settle__a_draft__is_in_the_journal_before_the_cursor),
		RIG_TEST(watch__at_the_limit__works_and_one_past_does_not),
		RIG_TEST(watch__under_many_commits__each_arming_is_answered),
	};

	return cmocka_run_group_tests_name("watch_notify", tests, NULL,
	    NULL);
}

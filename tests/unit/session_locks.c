/* Sessions: LOCK and LOCK_TEST, and who lets go of what when. */
#include <pthread.h>
#include <sha2.h>
#include <time.h>

#include "../cm.h"
#include "../session_rig.h"

#define FILE_MODE	0100644u

/* --- locks -------------------------------------------------------------------- */

static int
lock(struct srig *x, struct session *s, struct vfs_id id, uint64_t owner,
    uint64_t start, uint64_t len, uint32_t type, uint32_t flags)
{
	struct vfs_lock q = { .id = id, .owner = owner, .start = start,
		.len = len, .type = type, .flags = flags };
	struct vfs_lock_reply r;

	return srig_run(x, s, VFS_OP_LOCK, &q, &r);
}

static void
lock__two_sessions__owners_are_their_own(void **state)
{
	struct srig *x = *state;
	struct session *two = srig_user(x, SRIG_OWNER, SRIG_OWNER);
	struct vfs_lock_test tq = { .owner = 1, .start = 5, .len = 1,
		.type = VFS_LOCK_SHARED };
	struct vfs_lock_test_reply tr;
	struct vfs_id f;

	assert_err(s_create(x, x->own, ROOT, "f", FILE_MODE, &f), OK);
	assert_err(lock(x, x->own, f, 1, 0, 10, VFS_LOCK_EXCLUSIVE, 0), OK);
	assert_err(lock(x, two, f, 1, 9, 1, VFS_LOCK_SHARED, 0), LOCKED);
	assert_err(lock(x, two, f, 1, 10, 0, VFS_LOCK_EXCLUSIVE, 0), OK);
	tq.id = f;
	assert_err(srig_run(x, two, VFS_OP_LOCK_TEST, &tq, &tr), OK);
	assert_int_equal(tr.type, VFS_LOCK_EXCLUSIVE);
	assert_int_equal(tr.start, 0);
	assert_int_equal(tr.len, 10);
	assert_err(srig_run(x, x->own, VFS_OP_LOCK_TEST, &tq, &tr), OK);
	assert_int_equal(tr.type, VFS_LOCK_NONE);
	/* A session's locks go with it. */
	session_close(two);
	assert_err(lock(x, x->own, f, 1, 0, 0, VFS_LOCK_EXCLUSIVE, 0), OK);
	session_drop(two);
	assert_err(lock(x, x->own, f, 1, 0, 0, 9, 0), INVAL);
	assert_err(lock(x, x->own, f, 1, 1, 0, VFS_LOCK_SHARED,
	    VFS_LOCK_WHOLE), INVAL);
	assert_err(lock(x, x->own, f, 1, 0, 0, VFS_LOCK_SHARED,
	    VFS_LOCK_WHOLE), OK);
	assert_err(lock(x, x->own, (struct vfs_id){ 99999 }, 1, 0, 0,
	    VFS_LOCK_SHARED, 0), NO_SUCH_ID);
}

struct waiting {
	struct server *server;
	struct session *s;
	struct vfs_id f;
	_Atomic int stop, err;
	_Atomic bool asked;
};

static int
waiting_stop(void *arg)
{
	struct waiting *w = arg;

	w->asked = true;
	return w->stop;
}

static void *
wait_for_it(void *arg)
{
	struct waiting *w = arg;
	struct req_env env = { .pid = 5 };
	struct session_call k = { .s = w->s, .env = &env, .room = 65536,
		.stop = waiting_stop, .stop_arg = w };
	struct vfs_lock q = { .id = w->f, .owner = 9, .type =
		VFS_LOCK_EXCLUSIVE, .flags = VFS_LOCK_WAIT };
	struct vfs_lock_reply r;

	w->err = session_run(&k, VFS_OP_LOCK, &q, &r);
	return NULL;
}

static void
lock__waits__until_unlocked_cancelled_or_revoked(void **state)
{
	struct srig *x = *state;
	struct session *two = srig_user(x, SRIG_OWNER, SRIG_OWNER);
	struct session *three = srig_user(x, SRIG_OWNER, SRIG_OWNER);
	struct waiting w = { .s = two }, w3 = { .s = three };
	pthread_t t;

	assert_err(s_create(x, x->own, ROOT, "f", FILE_MODE, &w.f), OK);
	w3.f = w.f;
	assert_err(lock(x, x->own, w.f, 1, 0, 0, VFS_LOCK_EXCLUSIVE, 0),
	    OK);
	pthread_create(&t, NULL, wait_for_it, &w);
	while (!w.asked)
		sched_yield();
	assert_err(lock(x, x->own, w.f, 1, 0, 0, VFS_LOCK_NONE, 0), OK);
	pthread_join(t, NULL);
	assert_err(w.err, OK);
	assert_err(lock(x, x->own, w.f, 1, 0, 0, VFS_LOCK_EXCLUSIVE, 0),
	    LOCKED);

	pthread_create(&t, NULL, wait_for_it, &w3);
	while (!w3.asked)
		sched_yield();
	w3.stop = -VFS_CANCELLED;
	pthread_join(t, NULL);
	assert_err(w3.err, CANCELLED);

	w3.stop = 0;
	pthread_create(&t, NULL, wait_for_it, &w3);
	session_close(three);
	pthread_join(t, NULL);
	assert_err(w3.err, SESSION_CLOSED);
	session_close(two);
	assert_err(lock(x, x->own, w.f, 1, 0, 0, VFS_LOCK_EXCLUSIVE, 0),
	    OK);
	session_drop(two);
	session_drop(three);
}

/* --- whose file it is ------------------------------------------------------ */

static int
lock_test(struct srig *x, struct session *s, struct vfs_id id)
{
	struct vfs_lock_test q = { .id = id, .type = VFS_LOCK_EXCLUSIVE };
	struct vfs_lock_test_reply r;

	return srig_run(x, s, VFS_OP_LOCK_TEST, &q, &r);
}

/* Errors of a shared and of an exclusive range, of the whole file. */
static void
assert_locks(struct srig *x, struct session *s, struct vfs_id id,
    int shared, int excl, int whole)
{
	assert_int_equal(lock(x, s, id, 1, 0, 1, VFS_LOCK_SHARED, 0), shared);
	assert_int_equal(lock(x, s, id, 1, 0, 1, VFS_LOCK_EXCLUSIVE, 0), excl);
	assert_int_equal(lock(x, s, id, 1, 0, 0, VFS_LOCK_SHARED,
	    VFS_LOCK_WHOLE), whole);
	assert_int_equal(lock(x, s, id, 1, 0, 0, VFS_LOCK_EXCLUSIVE,
	    VFS_LOCK_WHOLE), whole);
	assert_int_equal(lock_test(x, s, id), whole);
	assert_err(lock(x, s, id, 1, 0, 0, VFS_LOCK_NONE, 0), OK);
	assert_err(lock(x, s, id, 1, 0, 0, VFS_LOCK_NONE, VFS_LOCK_WHOLE),
	    OK);
}

/* As fcntl(2) and flock(2) have it of a file that is not open yet. */
static void
lock__by_another_user__as_the_mode_allows(void **state)
{
	static const struct {
		uint32_t mode;
		int shared, excl, whole;
	} rules[] = {
		{ 0100600, -VFS_ACCESS, -VFS_ACCESS, -VFS_ACCESS },
		{ 0100711, -VFS_ACCESS, -VFS_ACCESS, -VFS_ACCESS },
		{ 0100604, 0, -VFS_ACCESS, 0 },
		{ 0100602, -VFS_ACCESS, 0, 0 },
		{ 0100606, 0, 0, 0 },
	};
	struct srig *x = *state;
	struct session *s = srig_user(x, 4000, 4000);
	uint64_t h;
	size_t i;

	for (i = 0; i < sizeof rules / sizeof rules[0]; i++) {
		assert_err(s_create(x, x->own, ROOT, "f", rules[i].mode,
		    NULL), OK);
		assert_err(s_walk(x, s, ROOT, "f", 0, &h), OK);
		assert_locks(x, s, H(h), rules[i].shared, rules[i].excl,
		    rules[i].whole);
		assert_err(s_unlink(x, x->own, ROOT, "f"), OK);
	}
	srig_end(s);
	s = srig_token(x, ROOT, 0);
	assert_err(s_create(x, x->own, ROOT, "f", 0100000, NULL), OK);
	assert_err(s_walk(x, s, ROOT, "f", 0, &h), OK);
	assert_locks(x, s, H(h), 0, 0, 0);
	srig_end(s);
}

static void
lock__of_what_was_opened__as_it_was_opened(void **state)
{
	struct vfs_setattr q = { .valid = VFS_SET_MODE };
	struct vfs_setattr_reply r;
	struct srig *x = *state;
	struct session *s = srig_user(x, 4000, 4000);
	uint64_t w, hr, hw;

	assert_err(s_create(x, x->own, ROOT, "f", 0100606, &q.id), OK);
	assert_err(s_walk(x, s, ROOT, "f", 0, &w), OK);
	assert_err(s_open(x, s, H(w), VFS_OPEN_READ, &hr), OK);
	assert_err(s_open(x, s, H(w), VFS_OPEN_WRITE, &hw), OK);
	assert_err(srig_run(x, x->own, VFS_OP_SETATTR, &q, &r), OK);
	assert_locks(x, s, H(w), -VFS_ACCESS, -VFS_ACCESS, -VFS_ACCESS);
	assert_locks(x, s, H(hr), 0, -VFS_ACCESS, 0);
	assert_locks(x, s, H(hw), -VFS_ACCESS, 0, 0);
	srig_end(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		S_TEST(lock__two_sessions__owners_are_their_own),
		S_TEST(lock__waits__until_unlocked_cancelled_or_revoked),
		S_TEST(lock__by_another_user__as_the_mode_allows),
		S_TEST(lock__of_what_was_opened__as_it_was_opened),
	};

	return cmocka_run_group_tests_name("sessions: locks", tests,
	    NULL, NULL);
}

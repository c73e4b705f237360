/* libvfs: submit and complete, without waiting. */
#include <poll.h>

#include "../cm.h"
#include "../vfs_rig.h"

#define OK(call)	assert_int_equal((call), 0)
#define ROOT		VFS_RIG_ROOT

static struct vfs_id
make(struct vfs *v, const char *name, const char *text)
{
	struct vfs_attr a;

	OK(vfs_create(v, NULL, ROOT, name, 0644, 0, &a, NULL));
	OK(vfs_write(v, NULL, a.id, 0, text, strlen(text)));
	return a.id;
}

/* The next one that is finished. */
static struct vfs_call *
finish_one(struct vfs *v)
{
	struct vfs_call *c = NULL;
	struct pollfd p;
	int rc;

	while ((rc = vfs_complete(v, &c)) == 0) {
		p = (struct pollfd){ .fd = vfs_fd(v),
			.events = vfs_events(v) };
		assert_true(poll(&p, 1, 20000) == 1);
	}
	assert_int_equal(rc, 1);
	return c;
}

/* --- many at once ------------------------------------------------------------ */

#define MANY	1000u

static void
requests__more_than_there_are_credits__all_come_back(void **state)
{
	struct vfs_rig *r = *state;
	struct vfs_call *c = calloc(MANY, sizeof *c), *got;
	struct vfs_stat_reply *rep = calloc(MANY, sizeof *rep);
	struct vfs_stat q = { ROOT };
	unsigned i = 0, done = 0, again = 0;
	int err;

	while (done < MANY) {
		if (i < MANY) {
			c[i] = (struct vfs_call){ .op = VFS_OP_STAT, .q = &q,
				.r = &rep[i], .prio = (uint8_t)(i % 8),
				.user = &rep[i] };
			err = vfs_submit(r->v, &c[i]);
			if (err == 0) {
				i++;
				continue;
			}
			assert_err(err, AGAIN);
			again++;
		}
		got = finish_one(r->v);
		assert_int_equal(got->err, 0);
		assert_ptr_equal(got->user, got->r);
		assert_int_equal(((struct vfs_stat_reply *)got->r)->
		    attr.id.n, 1);
		done++;
	}
	assert_true(again > 0);
	assert_int_equal(vfs_pending(r->v), 0);
	assert_int_equal(vfs_timeout(r->v), -1);
	free(c);
	free(rep);
}

/* Requests and replies of a MiB each, in the caller's memory. */
static void
requests__long_ones__go_both_ways(void **state)
{
	enum { N = 12 };
	struct vfs_rig *r = *state;
	size_t n = VFS_IO_MAX, cap = vfs_room(VFS_OP_READ, n);
	uint8_t *data = malloc(n), *room[N];
	struct vfs_write w = { .data = { data, n } };
	struct vfs_read rd = { .count = VFS_IO_MAX };
	struct vfs_read_reply rep[N];
	struct vfs_call c[N], *got;
	unsigned i, k;
	int err;

	w.id = rd.id = make(r->v, "f", "");
	for (i = 0; i < N; i++) {
		memset(data, 'a' + (int)i, n);
		w.off = i * (uint64_t)n;
		c[i] = (struct vfs_call){ .op = VFS_OP_WRITE, .q = &w };
		while ((err = vfs_submit(r->v, &c[i])) == -VFS_AGAIN)
			assert_int_equal(finish_one(r->v)->err, 0);
		OK(err);
	}
	while (vfs_pending(r->v) > 0)
		assert_int_equal(finish_one(r->v)->err, 0);
	for (i = 0; i < N; i++) {
		room[i] = malloc(cap);
		rd.off = i * (uint64_t)n;
		c[i] = (struct vfs_call){ .op = VFS_OP_READ, .q = &rd,
			.r = &rep[i], .buf = room[i], .cap = cap };
		OK(vfs_submit(r->v, &c[i]));
	}
	for (k = 0; k < N; k++) {
		got = finish_one(r->v);
		assert_int_equal(got->err, 0);
		i = (unsigned)(got - c);
		assert_int_equal(rep[i].data.n, n);
		assert_true((uint8_t *)rep[i].data.p > room[i]);
		memset(data, 'a' + (int)i, n);
		assert_memory_equal(rep[i].data.p, data, n);
		free(room[i]);
	}
	free(data);
}

/* How many of these are taken while nothing is completed. */
static unsigned
taken_at_once(struct vfs *v, const struct vfs_call *like, struct vfs_call *c,
    unsigned n)
{
	unsigned i;
	int err;

	for (i = 0; i < n; i++) {
		c[i] = *like;
		if ((err = vfs_submit(v, &c[i])) == -VFS_AGAIN)
			break;
		OK(err);
		while (vfs_events(v) & POLLOUT)
			OK(vfs_flush(v));	/* the daemon reads on */
	}
	return i;
}

static void
all_end(struct vfs *v)
{
	while (vfs_pending(v) > 0)
		assert_int_equal(finish_one(v)->err, 0);
}

/* The daemon counts bytes, too, and refuses what goes beyond. */
static void
requests__more_bytes_than_are_taken__wait(void **state)
{
	struct vfs_rig *r = *state;
	size_t n = VFS_IO_MAX;
	uint8_t *data = calloc(1, n);
	struct vfs_write w = { .data = { data, n } };
	struct vfs_call like = { .op = VFS_OP_WRITE, .q = &w }, c[6];

	w.id = make(r->v, "f", "");
	assert_int_equal(taken_at_once(r->v, &like, c, 6), 2);
	all_end(r->v);
	assert_int_equal(taken_at_once(r->v, &like, c, 6), 2);
	vfs_forget(r->v, &c[0]);
	vfs_forget(r->v, &c[1]);
	assert_int_equal(vfs_submit(r->v, &c[2]), -VFS_AGAIN);
	OK(vfs_write(r->v, NULL, w.id, 0, data, n));
	assert_int_equal(taken_at_once(r->v, &like, c, 6), 2);
	all_end(r->v);
	free(data);
}

static void
reply__without_room__is_too_big(void **state)
{
	struct vfs_rig *r = *state;
	uint8_t room[600];
	struct vfs_read q = { .count = 5000 };
	struct vfs_call c = { .op = VFS_OP_READ, .q = &q, .buf = room,
		.cap = sizeof room };
	char text[2001];

	memset(text, 'x', 2000);
	text[2000] = 0;
	q.id = make(r->v, "f", text);
	OK(vfs_submit(r->v, &c));
	assert_ptr_equal(finish_one(r->v), &c);
	assert_err(c.err, TOO_BIG);
	q.count = 20;
	OK(vfs_submit(r->v, &c));
	assert_ptr_equal(finish_one(r->v), &c);
	assert_err(c.err, OK);
}

/* A blocking call while others are under way leaves them to the caller. */
static void
blocking__beside_plain__disturbs_nothing(void **state)
{
	struct vfs_rig *r = *state;
	struct vfs_stat q = { ROOT };
	struct vfs_call c[20];
	unsigned i;

	for (i = 0; i < 20; i++) {
		c[i] = (struct vfs_call){ .op = VFS_OP_STAT, .q = &q };
		OK(vfs_submit(r->v, &c[i]));
		OK(vfs_statfs(r->v, ROOT, &(struct vfs_statfs_reply){ 0 }));
	}
	assert_int_equal(vfs_pending(r->v), 20);
	for (i = 0; i < 20; i++)
		assert_int_equal(finish_one(r->v)->err, 0);
	assert_int_equal(vfs_pending(r->v), 0);
}

/* --- giving up ---------------------------------------------------------------- */

/* Waits for a lock that another client has. */
static void
lock_wait(struct vfs *v, struct vfs_id f, struct vfs_lock *q,
    struct vfs_call *c, uint32_t deadline_ms)
{
	*q = (struct vfs_lock){ .id = f, .owner = 1, .len = 10,
		.type = VFS_LOCK_EXCLUSIVE, .flags = VFS_LOCK_WAIT };
	*c = (struct vfs_call){ .op = VFS_OP_LOCK, .q = q,
		.deadline_ms = deadline_ms };
	OK(vfs_submit(v, c));
	OK(vfs_flush(v));
}

static void
cancel__of_one_that_waits__has_no_effect(void **state)
{
	struct vfs_rig *r = *state;
	struct vfs *w = vfs_rig_peer(r, NULL);
	struct vfs_id f = make(r->v, "f", "x");
	struct vfs_lock_test_reply t;
	struct vfs_lock q;
	struct vfs_call c;

	OK(vfs_lock(w, f, 7, 0, 5, VFS_LOCK_EXCLUSIVE, 0));
	assert_err(vfs_lock(r->v, f, 1, 0, 5, VFS_LOCK_SHARED, 0), LOCKED);
	OK(vfs_lock_test(r->v, f, 1, 0, 5, VFS_LOCK_SHARED, 0, &t));
	assert_int_equal(t.type, VFS_LOCK_EXCLUSIVE);
	lock_wait(r->v, f, &q, &c, 0);
	OK(vfs_stat(r->v, NULL, ROOT, NULL));	/* others go on */
	OK(vfs_cancel(r->v, &c));
	assert_ptr_equal(finish_one(r->v), &c);
	assert_err(c.err, CANCELLED);
	assert_false(c.unsure);
	OK(vfs_cancel(r->v, &c));	/* it is done: nothing to do */
	OK(vfs_lock(w, f, 7, 0, 5, VFS_LOCK_NONE, 0));
	OK(vfs_lock(r->v, f, 1, 0, 5, VFS_LOCK_EXCLUSIVE, 0));
	OK(vfs_lock(r->v, f, 1, 0, 0, VFS_LOCK_NONE, 0));
	vfs_disconnect(w);
}

static void
deadline__of_one_that_waits__is_the_daemons_answer(void **state)
{
	struct vfs_rig *r = *state;
	struct vfs *w = vfs_rig_peer(r, NULL);
	struct vfs_id f = make(r->v, "f", "x");
	struct vfs_lock q;
	struct vfs_call c;

	OK(vfs_lock(w, f, 7, 0, 5, VFS_LOCK_EXCLUSIVE, 0));
	lock_wait(r->v, f, &q, &c, 400);
	assert_true(vfs_timeout(r->v) > 0);
	assert_ptr_equal(finish_one(r->v), &c);
	assert_err(c.err, DEADLINE);
	assert_false(c.unsure);
	vfs_disconnect(w);
}

static void
forget__one_under_way__is_the_callers_again(void **state)
{
	struct vfs_rig *r = *state;
	struct vfs_stat q = { ROOT };
	struct vfs_call *c = malloc(sizeof *c), *got;
	unsigned i;
	int err;

	for (i = 0; i < 1000; i++) {
		*c = (struct vfs_call){ .op = VFS_OP_STAT, .q = &q };
		while ((err = vfs_submit(r->v, c)) == -VFS_AGAIN)
			assert_int_equal(vfs_complete(r->v, &got), 0);
		OK(err);
		OK(vfs_flush(r->v));
		vfs_forget(r->v, c);
		assert_int_equal(vfs_pending(r->v), 0);
	}
	free(c);
	for (i = 0; i < 100; i++)	/* its answers are skipped */
		OK(vfs_stat(r->v, NULL, ROOT, NULL));
}

/* --- what is not accepted ------------------------------------------------------- */

static void
submit__of_nonsense__is_refused(void **state)
{
	struct vfs_rig *r = *state;
	struct vfs_stat q = { { VFS_HANDLE | 5 } };
	struct vfs_call c = { .op = VFS_OP_NONE, .q = &q };
	struct vfs_publish pq = { ROOT, 0 };
	struct vfs_write w = { .id = ROOT };

	assert_err(vfs_submit(r->v, &c), INVAL);
	c.op = VFS_OP_COUNT;
	assert_err(vfs_submit(r->v, &c), INVAL);
	c = (struct vfs_call){ .op = VFS_OP_PUBLISH, .q = &pq };
	assert_err(vfs_submit(r->v, &c), INVAL);
	make(r->v, "f", "x");
	c = (struct vfs_call){ .op = VFS_OP_STAT, .q = &q };
	if (vfs_submit(r->v, &c) == 0)		/* no handle at all yet */
		assert_err(finish_one(r->v)->err, BAD_HANDLE);
	w.data = (struct vfs_slice){ calloc(1, VFS_MSG_MAX), VFS_MSG_MAX };
	c = (struct vfs_call){ .op = VFS_OP_WRITE, .q = &w };
	assert_err(vfs_submit(r->v, &c), TOO_BIG);
	free((void *)(uintptr_t)w.data.p);
	OK(vfs_stat(r->v, NULL, ROOT, NULL));
}

static void
disconnect__with_requests_under_way__forgets_them(void **state)
{
	struct vfs_rig *r = *state;
	struct vfs *w = vfs_rig_peer(r, NULL);
	struct vfs_stat q = { ROOT };
	struct vfs_call c[5];
	unsigned i;

	for (i = 0; i < 5; i++) {
		c[i] = (struct vfs_call){ .op = VFS_OP_STAT, .q = &q };
		OK(vfs_submit(w, &c[i]));
	}
	vfs_disconnect(w);
}

static void
daemon__goes_away__every_call_comes_back(void **state)
{
	struct vfs_rig *r = *state;
	struct vfs_id f = make(r->v, "f", "x");
	struct vfs *w = vfs_rig_peer(r, NULL);
	struct vfs_call c[3], *got;
	struct vfs_lock q[3];
	unsigned i;

	OK(vfs_lock(w, f, 7, 0, 10, VFS_LOCK_EXCLUSIVE, 0));
	for (i = 0; i < 3; i++)
		lock_wait(r->v, f, &q[i], &c[i], 0);
	vfs_rig_stop(r);
	for (i = 0; i < 3; i++) {
		got = finish_one(r->v);
		assert_err(got->err, SESSION_CLOSED);
	}
	assert_err(vfs_complete(r->v, &got), SESSION_CLOSED);
	assert_err(vfs_submit(r->v, &c[0]), SESSION_CLOSED);
	vfs_disconnect(w);
	vfs_rig_start(r);
	OK(vfs_reconnect(r->v));
	OK(vfs_stat(r->v, NULL, f, NULL));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		VFS_TEST(requests__more_than_there_are_credits__all_come_back),
		VFS_TEST(requests__long_ones__go_both_ways),
		VFS_TEST(requests__more_bytes_than_are_taken__wait),
		VFS_TEST(reply__without_room__is_too_big),
		VFS_TEST(blocking__beside_plain__disturbs_nothing),
		VFS_TEST(cancel__of_one_that_waits__has_no_effect),
		VFS_TEST(deadline__of_one_that_waits__is_the_daemons_answer),
		VFS_TEST(forget__one_under_way__is_the_callers_again),
		VFS_TEST(submit__of_nonsense__is_refused),
		VFS_TEST(disconnect__with_requests_under_way__forgets_them),
		VFS_TEST(daemon__goes_away__every_call_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

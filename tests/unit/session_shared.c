/*
 * One session that several threads use: what it remembers of places, what it
 * may have, what its handles are of.
 */
#include <pthread.h>

#include "../cm.h"
#include "../session_rig.h"

#define FILE_MODE	0100644u
#define DIR_MODE	0040755u
#define WORKERS		4u
#define REPLACED	5000u

static struct vfs_slice
str(const char *s)
{
	return (struct vfs_slice){ s, strlen(s) };
}

/* --- what is remembered of places ---------------------------------------- */

struct looker {
	struct session *s;
	struct vfs_id f;
	_Atomic bool stop;
	unsigned found, lost;
};

static void *
look(void *arg)
{
	struct looker *l = arg;
	union proto_req q;
	union proto_rep r;
	int err;

	while (!l->stop) {
		memset(&q, 0, sizeof q);
		q.stat.id = l->f;
		err = srig_call(l->s, VFS_OP_STAT, &q, &r, 0);
		assert_true(err == 0 || err == -VFS_NO_SUCH_ID);
		l->found += err == 0;
		l->lost += err != 0;
	}
	return NULL;
}

/* Others look all the time, so that the session remembers: after a move
 * has been answered nobody sees the old place. */
static void
move__while_others_look__is_seen_at_once(void **state)
{
	struct srig *x = *state;
	struct vfs_id jail, d, f, out;
	struct looker l[2];
	struct session *s;
	pthread_t t[2];
	unsigned i;

	assert_err(s_create(x, x->own, ROOT, "jail", DIR_MODE, &jail), OK);
	assert_err(s_create(x, x->own, ROOT, "out", DIR_MODE, &out), OK);
	assert_err(s_create(x, x->own, jail, "d", DIR_MODE, &d), OK);
	assert_err(s_create(x, x->own, d, "f", FILE_MODE, &f), OK);
	s = srig_token(x, jail, 0);
	for (i = 0; i < 2; i++) {
		l[i] = (struct looker){ .s = s, .f = f };
		pthread_create(&t[i], NULL, look, &l[i]);
	}
	for (i = 0; i < 2000; i++) {
		assert_err(s_rename(x, x->own, jail, "d", out, "d"), OK);
		assert_err(s_stat(x, s, f, NULL), NO_SUCH_ID);
		assert_err(s_rename(x, x->own, out, "d", jail, "d"), OK);
		assert_err(s_stat(x, s, f, NULL), OK);
	}
	for (i = 0; i < 2; i++) {
		l[i].stop = true;
		pthread_join(t[i], NULL);
		printf("# found %u times, not found %u\n", l[i].found,
		    l[i].lost);
	}
	srig_end(s);
}

/* --- a limit ------------------------------------------------------------- */

#define TX_LIMIT	2u
#define TX_ROUNDS	1000u

struct beginner {
	pthread_t thread;
	struct srig *x;
	struct session *s;
	pthread_barrier_t *all;
	unsigned began, over;
};

/* All at once, as near as it can be. */
static void *
begin_often(void *arg)
{
	struct beginner *b = arg;
	union proto_req q;
	union proto_rep r;
	unsigned i;
	int err;

	for (i = 0; i < TX_ROUNDS; i++) {
		memset(&q, 0, sizeof q);
		pthread_barrier_wait(b->all);
		err = srig_call(b->s, VFS_OP_TX_BEGIN, &q, &r, 0);
		pthread_barrier_wait(b->all);
		b->over += tx_open(b->x->s, session_number(b->s)) > TX_LIMIT;
		pthread_barrier_wait(b->all);
		if (err < 0)
			continue;
		b->began++;
		q.tx_abort.tx = r.tx_begin.tx;
		(void)srig_call(b->s, VFS_OP_TX_ABORT, &q, &r, 0);
	}
	return NULL;
}

static void
limit__many_begin_at_once__is_never_passed(void **state)
{
	struct srig *x = *state;
	struct vfs_grant gq = { .root = ROOT, .max_tx_open = TX_LIMIT };
	struct beginner b[WORKERS];
	pthread_barrier_t all;
	struct vfs_grant_reply gr;
	struct session *s;
	struct vfs_attach aq = { 0 };
	struct session_who who = { .transport = "test" };
	struct vfs_attach_reply ar;
	unsigned i, began = 0;

	assert_err(srig_run(x, x->own, VFS_OP_GRANT, &gq, &gr), OK);
	aq.token = (struct vfs_slice){ gr.token.p, gr.token.n };
	assert_err(session_attach(x->ss, &who, &aq, &s, &ar), OK);
	pthread_barrier_init(&all, NULL, WORKERS);
	for (i = 0; i < WORKERS; i++) {
		b[i] = (struct beginner){ .x = x, .s = s, .all = &all };
		pthread_create(&b[i].thread, NULL, begin_often, &b[i]);
	}
	for (i = 0; i < WORKERS; i++) {
		pthread_join(b[i].thread, NULL);
		assert_int_equal(b[i].over, 0);
		began += b[i].began;
	}
	pthread_barrier_destroy(&all);
	assert_int_equal(began, TX_ROUNDS * TX_LIMIT);
	srig_end(s);
}

/* --- a name that always leads to a file ----------------------------------- */

struct reader {
	pthread_t thread;
	struct session *s;
	_Atomic bool *stop;
	unsigned opened;
	int err;
};

/* What a handle is of stays, even if it has lost its name by now. */
static int
use_handle(struct session *s, uint64_t handle)
{
	union proto_req q = { .stat = { { handle } } };
	union proto_rep r;
	uint8_t list[8];
	int err, i;

	if ((err = srig_call(s, VFS_OP_STAT, &q, &r, 0)) < 0)
		return err;
	for (i = 0; i < 8; i++)
		list[i] = (uint8_t)(handle >> 8 * i);
	q.close.handles = (struct vfs_slice){ list, 8 };
	return srig_call(s, VFS_OP_CLOSE, &q, &r, 0);
}

static int
open_name(struct session *s, bool create)
{
	union proto_req q = { .walk = { .dir = { VFS_ID_ROOT },
		.flags = VFS_WALK_OPEN, .path = str("f") } };
	union proto_rep r;
	int err;

	if (create)
		q.create = (struct vfs_create){ .dir = { VFS_ID_ROOT },
		    .mode = FILE_MODE, .flags = VFS_CREATE_OPEN,
		    .name = str("f") };
	err = srig_call(s, create ? VFS_OP_CREATE : VFS_OP_WALK, &q, &r, 0);
	if (err < 0)
		return err;
	return use_handle(s, create ? r.create.handle : r.walk.handle);
}

static void *
read_on(void *arg)
{
	struct reader *d = arg;

	for (; d->err == 0 && !*d->stop; d->opened++)
		d->err = open_name(d->s, d->opened % 2);
	return NULL;
}

/* Another file gets the name, each time: the old one goes. */
static int
replace(struct session *s)
{
	union proto_req q = { .create = { .dir = { VFS_ID_ROOT },
		.mode = FILE_MODE, .flags = VFS_CREATE_EXCL,
		.name = str("new") } };
	union proto_rep r;
	int err;

	if ((err = srig_call(s, VFS_OP_CREATE, &q, &r, 0)) < 0)
		return err;
	q.rename = (struct vfs_rename){ .dir = { VFS_ID_ROOT },
	    .dir2 = { VFS_ID_ROOT }, .name = str("new"), .name2 = str("f") };
	return srig_call(s, VFS_OP_RENAME, &q, &r, 0);
}

static void
handle__its_name_is_replaced_meanwhile__of_one_or_the_other(void **state)
{
	struct srig *x = *state;
	struct session *s = srig_user(x, SRIG_OWNER, SRIG_OWNER);
	struct reader d[2] = { { 0 } };
	_Atomic bool stop = false;
	unsigned i;

	assert_err(replace(x->own), OK);
	for (i = 0; i < 2; i++) {
		d[i].s = s;
		d[i].stop = &stop;
		assert_int_equal(pthread_create(&d[i].thread, NULL, read_on,
		    &d[i]), 0);
	}
	for (i = 0; i < REPLACED; i++)
		assert_err(replace(x->own), OK);
	stop = true;
	for (i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(d[i].thread, NULL), 0);
		assert_err(d[i].err, OK);
		assert_true(d[i].opened > 0);
	}
	srig_end(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		S_TEST(move__while_others_look__is_seen_at_once),
		S_TEST(limit__many_begin_at_once__is_never_passed),
		S_TEST(
		    handle__its_name_is_replaced_meanwhile__of_one_or_the_other),
	};

	return cmocka_run_group_tests_name("sessions: shared", tests, NULL,
	    NULL);
}

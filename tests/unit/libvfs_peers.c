/* libvfs: peers that are unlucky, or never stop talking. */
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "../../protocol/codec.h"
#include "../../vfsd/clock.h"
#include "../cm.h"
#include "../vfs_proxy.h"
#include "../vfs_rig.h"

#define OK(call)	assert_int_equal((call), 0)
#define ROOT		VFS_RIG_ROOT

/* --- a flood --------------------------------------------------------------- */

#define FLOOD	(48u * 1365u)		/* bytes at a time */

/* Nothing but notices, as fast as they are taken. */
static void *
flood(void *arg)
{
	static uint8_t bytes[FLOOD];
	struct proto_hdr h = { .len = 48, .op = PROTO_N_CHANGED };
	int fd = *(int *)arg;
	unsigned i;

	for (i = 0; i < FLOOD; i += 48)
		proto_hdr_encode(&h, bytes + i);
	while (send(fd, bytes, sizeof bytes, MSG_NOSIGNAL) > 0)
		;
	return NULL;
}

static void
connect__to_a_flood__ends_at_the_deadline(void **state)
{
	struct vfs_conf conf = { .deadline_ms = 200 };
	uint64_t begun = clock_ms();
	pthread_t t;
	struct vfs *v;
	int fd[2];

	(void)state;
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, fd));
	OK(pthread_create(&t, NULL, flood, &fd[1]));
	assert_err(vfs_connect_fd(fd[0], &conf, &v), DEADLINE);
	assert_true(clock_ms() - begun < 10000);
	pthread_join(t, NULL);
	close(fd[1]);
}

/* --- a queue that is full ---------------------------------------------------- */

struct queue {
	int fd;
	struct scratch dir;
	char where[200];
	unsigned taken;
};

/* Takes them after a while, and hangs up at once. */
static void *
take(void *arg)
{
	struct queue *q = arg;
	struct timespec pause = { 0, 100000000 };
	int fd;

	nanosleep(&pause, NULL);
	while ((fd = accept(q->fd, NULL, NULL)) >= 0) {
		q->taken++;
		close(fd);
	}
	return NULL;
}

static void
connect__when_many_come_at_once__waits(void **state)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct vfs_conf conf = { .deadline_ms = 5000 };
	struct queue q = { .taken = 0 };
	int filler[8];
	pthread_t t;
	struct vfs *v;
	unsigned i;

	(void)state;
	scratch_open(&q.dir);
	snprintf(q.where, sizeof q.where, "unix:%s/s", q.dir.path);
	assert_true(strlen(q.where) < sizeof sa.sun_path);
	strcpy(sa.sun_path, q.where + strlen("unix:"));
	q.fd = socket(AF_UNIX, SOCK_STREAM, 0);
	OK(bind(q.fd, (struct sockaddr *)&sa, sizeof sa));
	OK(listen(q.fd, 0));
	for (i = 0; i < 8; i++) {
		filler[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (connect(filler[i], (struct sockaddr *)&sa,
		    sizeof sa) < 0)
			break;
	}
	assert_true(i < 8);		/* full now */
	conf.deadline_ms = 20;
	assert_err(vfs_connect(q.where, &conf, &v), BUSY);
	conf.deadline_ms = 5000;
	OK(pthread_create(&t, NULL, take, &q));
	assert_err(vfs_connect(q.where, &conf, &v), SESSION_CLOSED);
	shutdown(q.fd, SHUT_RDWR);
	pthread_join(t, NULL);
	assert_true(q.taken >= 2);
	for (;; i--) {
		close(filler[i]);
		if (i == 0)
			break;
	}
	close(q.fd);
	scratch_close(&q.dir);
}

/* --- answers that are lost ------------------------------------------------------- */

/* The last part's commit is found again, and what it gave, too. */
static void
pack__in_parts_answer_lost__has_its_results(void **state)
{
	static uint8_t buf[1024];
	struct vfs_rig *r = *state;
	struct vfs_result res[40];
	struct vfs_pack p;
	struct vfs_attr a;
	struct proxy x;
	struct vfs *v;
	char name[8];
	unsigned i;

	proxy_open(&x, r->dir.path);
	OK(vfs_connect(x.where, NULL, &v));
	vfs_pack_begin(&p, v, buf, sizeof buf, NULL, 0);
	for (i = 0; i < 40; i++) {
		snprintf(name, sizeof name, "f%u", i);
		vfs_pack_file(&p, ROOT, name, 0600, NULL, 0);
	}
	proxy_lose(&x, PROXY_REPLY, VFS_OP_TX_COMMIT);
	OK(vfs_pack_exec(&p, VFS_TX_STABLE, NULL, res, 40, NULL));
	assert_int_equal(x.lost, 1);
	for (i = 0; i < 40; i++) {
		snprintf(name, sizeof name, "f%u", i);
		OK(vfs_lookup(v, NULL, ROOT, name, &a));
		assert_int_equal(res[i].id.n, a.id.n);
		assert_int_equal(res[i].mode, 0100600);
	}
	vfs_disconnect(v);
	proxy_close(&x);
}

/* --- numbers that mean nothing any more ---------------------------------------- */

static void
handle__closed__is_not_mistaken_for_another(void **state)
{
	struct vfs *v = ((struct vfs_rig *)*state)->v;
	struct vfs_attr a;
	struct vfs_id h[8];
	unsigned i;

	for (i = 0; i < 8; i++)
		OK(vfs_open_id(v, ROOT, 0, &h[i], NULL));
	OK(vfs_close_batch(v, h, 8));
	for (i = 0; i < 8; i++)
		assert_err(vfs_stat(v, NULL, h[i], &a), BAD_HANDLE);
	/* as the daemon may number its own */
	for (i = 0; i < 64; i++)
		assert_err(vfs_stat(v, NULL, (struct vfs_id){ VFS_HANDLE |
		    (uint64_t)(i / 8) << VFS_HANDLE_SLOT_BITS | i % 8 }, &a),
		    BAD_HANDLE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connect__to_a_flood__ends_at_the_deadline),
		cmocka_unit_test(connect__when_many_come_at_once__waits),
		VFS_TEST(pack__in_parts_answer_lost__has_its_results),
		VFS_TEST(handle__closed__is_not_mistaken_for_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

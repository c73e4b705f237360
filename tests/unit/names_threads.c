/*
 * Many threads change names through the dispatcher, others look.  Each
 * answer fits some order of the operations: a rename never loses or
 * doubles an object, a stream returns what is there all the time exactly
 * once, an object that was found has its own attributes.  Worth most under
 * SAN=tsan.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "../../backends/mem/mem.h"
#include "../../vfsd/server/dispatch.h"
#include "../cm.h"

#define MOVERS		3
#define LOOKERS		2
#define DIRS		4
#define BALLS		8		/* objects that are thrown about */
#define ROUNDS		3000
#define DIRFD		(-3000)		/* the mem backends' name for it */

struct world {
	struct server *s;
	struct vfs_id dirs[DIRS];
	struct vfs_id balls[BALLS];
	atomic_uint movers;		/* still at it */
	atomic_uint bad;
};

struct worker {
	struct world *w;
	unsigned seed;
	pthread_t thread;
};

static struct req_env
env_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (struct req_env){ .now = { ts.tv_sec, (uint32_t)ts.tv_nsec },
	    .kernel_checked = true, .privileged = true };
}

static int
ask(struct world *w, enum vfs_op op, const void *q, void *r)
{
	struct req_env env = env_now();

	return dispatch(w->s, op, &env, q, r);
}

static struct vfs_slice
name_of(char *buf, char kind, unsigned i)
{
	return (struct vfs_slice){ buf, (size_t)sprintf(buf, "%c%u", kind, i) };
}

static void
bad(struct world *w, const char *what, int err)
{
	if (atomic_fetch_add(&w->bad, 1) < 5)
		print_message("%s: %s\n", what, vfs_err_name(err));
}

/* Throw a ball from one directory to another, perhaps onto nothing. */
static void
throw_ball(struct world *w, unsigned *seed)
{
	unsigned i = (unsigned)rand_r(seed) % BALLS;
	struct vfs_rename q = {
		.dir = w->dirs[rand_r(seed) % DIRS],
		.dir2 = w->dirs[rand_r(seed) % DIRS],
	};
	struct vfs_rename_reply r;
	char name[16];
	int err;

	q.name = q.name2 = name_of(name, 'b', i);
	err = ask(w, VFS_OP_RENAME, &q, &r);
	if (err < 0 && err != -VFS_NOENT)
		bad(w, "rename", err);
	if (err == 0 && r.id.n != w->balls[i].n)
		bad(w, "rename moved something else", 0);
}

static void
make_and_remove(struct world *w, unsigned *seed)
{
	struct vfs_id dir = w->dirs[rand_r(seed) % DIRS];
	struct vfs_create q = { .dir = dir, .mode = 0100644,
	    .flags = VFS_CREATE_EXCL };
	struct vfs_unlink u = { .dir = dir };
	struct vfs_create_reply cr;
	struct vfs_unlink_reply ur;
	char name[16];
	int err;

	q.name = u.name = name_of(name, 't', (unsigned)rand_r(seed) % 6);
	err = rand_r(seed) % 2 ? ask(w, VFS_OP_CREATE, &q, &cr) :
	    ask(w, VFS_OP_UNLINK, &u, &ur);
	if (err < 0 && err != -VFS_EXIST && err != -VFS_NOENT)
		bad(w, "create or unlink", err);
}

static void *
mover(void *arg)
{
	struct worker *me = arg;
	unsigned i;

	for (i = 0; i < ROUNDS; i++)
		(i % 2 ? throw_ball : make_and_remove)(me->w, &me->seed);
	atomic_fetch_sub(&me->w->movers, 1);
	return NULL;
}

/* What is seen of one directory in a whole stream. */
struct view {
	struct world *w;
	unsigned kept, room;
};

static bool
take(void *arg, const struct vfs_dirent *e)
{
	struct view *v = arg;
	const char *name = e->name.p;

	if (v->room == 0)
		return false;
	v->room--;
	v->kept += name[0] == 'k';
	if (name[0] == 'b' &&
	    e->id.n != v->w->balls[(unsigned)(name[1] - '0')].n)
		bad(v->w, "an entry has another's id", 0);
	if (e->attr == NULL || e->attr->id.n != e->id.n ||
	    VFS_MODE_TYPE(e->attr->mode) != e->type ||
	    (e->attr->nlink == 0))
		bad(v->w, "an entry has another's attributes", 0);
	return true;
}

static void
list(struct world *w, unsigned *seed)
{
	struct view v = { .w = w };
	struct vfs_dir_read q = { .dir = w->dirs[rand_r(seed) % DIRS],
	    .want = VFS_WANT_ATTR };
	struct vfs_dir_read_reply r = { .entries = { take, &v } };
	int err;

	do {
		v.room = 1 + (unsigned)rand_r(seed) % 5;
		err = ask(w, VFS_OP_DIR_READ, &q, &r);
		if (err < 0) {
			bad(w, "dir_read", err);
			return;
		}
		q.cookie = r.next_cookie;
		q.fence = r.fence;
	} while (!r.eof);
	if (v.kept != 5)
		bad(w, "a stream lost or doubled a name", 0);
}

/* A ball has one name, whenever one looks. */
static bool
count_path(void *arg, const struct vfs_dirent *e)
{
	(void)e;
	++*(unsigned *)arg;
	return true;
}

static void *
looker(void *arg)
{
	struct worker *me = arg;
	struct world *w = me->w;

	while (atomic_load(&w->movers) > 0) {
		struct vfs_paths_of q = {
			.id = w->balls[rand_r(&me->seed) % BALLS] };
		unsigned n = 0;
		struct vfs_paths_of_reply r = { .links = { count_path, &n } };
		int err = ask(w, VFS_OP_PATHS_OF, &q, &r);

		if (err < 0 || n != 1)
			bad(w, "a ball has not one name", err);
		list(w, &me->seed);
	}
	return NULL;
}

static void
fill(struct world *w)
{
	struct vfs_create q = { .dir = { VFS_ID_ROOT }, .mode = 0040755 };
	struct vfs_create_reply r;
	unsigned i, j;
	char name[16];

	for (i = 0; i < DIRS; i++) {
		q.dir.n = VFS_ID_ROOT;
		q.mode = 0040755;
		q.name = name_of(name, 'd', i);
		assert_err(ask(w, VFS_OP_CREATE, &q, &r), OK);
		w->dirs[i] = q.dir = r.attr.id;
		q.mode = 0100644;
		for (j = 0; j < 5; j++) {
			q.name = name_of(name, 'k', j);
			assert_err(ask(w, VFS_OP_CREATE, &q, &r), OK);
		}
	}
	for (i = 0; i < BALLS; i++) {
		q.dir = w->dirs[i % DIRS];
		q.name = name_of(name, 'b', i);
		assert_err(ask(w, VFS_OP_CREATE, &q, &r), OK);
		w->balls[i] = r.attr.id;
	}
}

static void
names__many_threads__every_answer_fits(void **state)
{
	struct core_root root = { .mode = 0755 };
	struct engine_conf conf = { .dirfd = DIRFD, .create = true,
	    .log_bytes = 8 << 20, .table_rows_max = 2000, .boot = { 1, 1 },
	    .now = env_now().now, .store = &be_store_mem,
	    .log = &be_log_mem, .data = &be_data_mem,
	    .format = core_format, .format_arg = &root };
	struct server_conf sc = { .sync_all = false };
	struct worker workers[MOVERS + LOOKERS];
	struct world w = { .s = NULL };
	unsigned i;

	(void)state;
	atomic_init(&w.movers, MOVERS);
	assert_err(engine_open(&conf, &sc.engine), OK);
	assert_err(server_new(&sc, &w.s), OK);
	fill(&w);
	for (i = 0; i < MOVERS + LOOKERS; i++) {
		workers[i] = (struct worker){ .w = &w, .seed = i + 1 };
		assert_int_equal(pthread_create(&workers[i].thread, NULL,
		    i < MOVERS ? mover : looker, &workers[i]), 0);
	}
	for (i = 0; i < MOVERS + LOOKERS; i++)
		pthread_join(workers[i].thread, NULL);
	assert_int_equal(atomic_load(&w.bad), 0);
	server_free(w.s);
	assert_err(engine_close(sc.engine), OK);
	be_mem_forget(DIRFD);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names__many_threads__every_answer_fits),
	};

	return cmocka_run_group_tests_name("names_threads", tests, NULL,
	    NULL);
}

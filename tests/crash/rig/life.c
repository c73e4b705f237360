#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../../vfsd/core/core.h"
#include "life_in.h"
#include "real.h"

#define BIRTHDAY	1767225600000000000ull	/* 2026-01-01, ns */

bool
life_fail(struct life *l, const char *fmt, ...)
{
	va_list ap;

	if (l->why[0])
		return false;
	va_start(ap, fmt);
	vsnprintf(l->why, sizeof(l->why), fmt, ap);
	va_end(ap);
	return false;
}

struct vfs_time
life_clock(void)
{
	return (struct vfs_time){ (int64_t)(disk_now_ns / 1000000000u),
	    (uint32_t)(disk_now_ns % 1000000000u) };
}

/* --- opening -------------------------------------------------------- */

static void
report(void *arg, const struct fault_rec *f)
{
	struct life *l = arg;

	if (f->err < 0 && disk_fault.fired == 0)
		life_fail(l, "fault reported: %s at %s:%d: %s",
		    vfs_err_text(f->err), f->file, f->line, f->text);
}

static void
hold_all(struct life *l)
{
	int i;

	for (i = 0; i < l->m.nobj; i++)
		if (l->m.obj[i].id != VFS_ID_ROOT)
			server_hold(l->s, (struct vfs_id){ l->m.obj[i].id }, 1);
}

/* Open the engine on the live disk; the recovered rows must equal want. */
bool
life_open(struct life *l, const uint64_t *want)
{
	struct engine_status es;
	struct engine *e = NULL;
	struct walk w;
	int err;

	l->conf.boot[0] = l->boot;
	l->conf.now = life_clock();
	if ((err = engine_open(&l->conf, &e)) < 0)
		return life_fail(l, "opening the live store: %s",
		    vfs_err_text(err));
	if ((err = walk_engine(e, true, &w)) < 0 || w.bad[0])
		return life_fail(l, "walking what was opened: %s, %s",
		    vfs_err_text(err), w.bad);
	if (want && w.full != *want)
		return life_fail(l, "opened to other rows than were there");
	l->e = e;
	l->dirty = false;
	engine_status(e, &es);
	l->seq_last = es.seq.n;
	return true;
}

bool
life_serve(struct life *l)
{
	struct server_conf sc = { .engine = l->e,
	    .sync_all = l->sync_all };
	char text[200];
	int err;

	l->appends = 0;
	if ((err = server_new(&sc, &l->s)) < 0)
		return life_fail(l, "server_new: %s", vfs_err_text(err));
	while ((err = server_reap(l->s)) > 0)	/* no thread does it here */
		;
	if (err < 0)
		return life_fail(l, "server_reap: %s", vfs_err_text(err));
	moment_look(l);
	model_orphans_gone(&l->m);
	if (model_check(&l->m, l->e, text) < 0)
		return life_fail(l, "after opening: %s", text);
	moment_model(l);
	l->acked = l->n;
	if (!step_tx_known(l, l->s, l->n, text))
		return life_fail(l, "after opening: %s", text);
	hold_all(l);
	return true;
}

/* --- the three ways to stop ------------------------------------------ */

void
life_reader_end(struct life *l)
{
	txn_abort(l->reader);
	l->reader = NULL;
}

static void
stop_dead(struct life *l)
{
	if (l->reader)
		life_reader_end(l);
	l->live->dead = true;
	server_free(l->s);
	engine_kill(l->e);
	l->s = NULL;
	l->e = NULL;
}

void
life_kill(struct life *l)
{
	stop_dead(l);
	disk_killed(l->live);
}

static void
publish_model(struct model *m)
{
	int i;

	for (i = 0; i < m->nobj; i++)
		model_publish(&m->obj[i]);
}

bool
life_killed(struct life *l)
{
	uint64_t want = l->at[l->n].full;

	life_kill(l);
	publish_model(&l->m);
	return life_open(l, &want) && life_serve(l);
}

int judge_where(struct life *l, const struct pick *p);

bool
life_power_cut(struct life *l)
{
	struct pick k;
	struct moment then;
	int j;

	enum_random(l->live, &l->rng, &k);
	j = judge_where(l, &k);
	if (j >= 0 && !l->at[j].known) {
		memset(k.keep, KEEP_ALL, sizeof(k.keep));
		j = judge_where(l, &k);
	}
	if (j < 0)
		return false;
	if (!l->at[j].known)
		return life_fail(l, "the state after the last operation is "
		    "not the one after it");
	stop_dead(l);
	l->live->dead = false;
	disk_cut(l->live, &k);
	then = l->at[j];
	if (l->at[l->n].cur.seq != then.cur.seq)
		l->lost = l->at[l->n].cur;
	l->at[j].known = false;
	moments_clear(l);
	step_tx_cut(l, j);
	l->n = 0;
	l->at[0] = then;
	l->at[0].full = then.pub;
	model_drop(&l->m);
	model_copy(&l->m, &then.m);
	model_undraft(&l->at[0].m);
	model_undraft(&l->m);
	l->boot++;
	return life_open(l, &then.pub) && life_serve(l);
}

bool
life_closed(struct life *l)
{
	struct engine *e = l->e;
	uint64_t want;
	int err;

	if (l->reader)
		life_reader_end(l);
	l->appends = 0;
	server_free(l->s);
	l->s = NULL;
	moment_look(l);
	publish_model(&l->m);
	moment_model(l);
	l->acked = l->n;
	want = l->at[l->n].full;
	if (l->at[l->n].pub != want)
		return life_fail(l, "drafts are left after server_free");
	l->e = NULL;
	if ((err = engine_close(e)) < 0)
		return life_fail(l, "engine_close: %s", vfs_err_text(err));
	moments_promised(l);
	judge_all(l);
	l->boot += rng_to(&l->rng, 2);
	return life_open(l, &want) && life_serve(l);
}

/* --- births ---------------------------------------------------------- */

static struct disk *
disk_at(const char *base, const char *name, bool scratch)
{
	char dir[100];

	snprintf(dir, sizeof(dir), "%s/%s", base, name);
	if (__real_mkdir(dir, 0700) < 0)
		return NULL;
	return disk_new(dir, scratch);
}

/* The model of an empty store. */
static bool
model_root(struct life *l)
{
	struct vfs_stat q = { .id = { VFS_ID_ROOT } };
	struct vfs_stat_reply r;
	int err;

	err = dispatch(l->s, VFS_OP_STAT, &walk_env, &q, &r);
	if (err < 0)
		return life_fail(l, "stat of the root: %s", vfs_err_text(err));
	model_init(&l->m, &r.attr);
	return true;
}

int
life_new(const char *base, struct tally *t, struct life **out)
{
	static const struct core_root root = { 0, 0, 0755 };
	struct life *l = calloc(1, sizeof(*l));

	if (!l)
		return -VFS_NOMEM;
	l->live = disk_at(base, "live", false);
	l->scratch = disk_at(base, "scratch", true);
	if (!l->live || !l->scratch)
		return -VFS_IO;
	l->live_fd = disk_dirfd(l->live);
	l->scratch_fd = disk_dirfd(l->scratch);
	l->at = calloc(MOMENTS_MAX, sizeof(*l->at));
	l->seen = calloc(SEEN_MAX, sizeof(*l->seen));
	l->n = -1;
	l->tally = t;
	l->random_max = 64;
	l->deep_every = 16;
	life_log = be_log_file;
	life_log.append = moment_append;
	l->conf = (struct engine_conf){
		.dirfd = l->live_fd, .log_bytes = RING_BYTES, .no_threads = true,
		.store = &be_store_lmdb, .log = &life_log,
		.data = &be_data_file, .report = report, .report_arg = l,
		.format = core_format, .format_arg = &root,
		.readers_max = 8,
	};
	l->live->told = true;
	l->live->hook = moment_at_sync;
	l->live->hook_arg = l;
	l->boot = 1;
	disk_now_ns = BIRTHDAY;
	moment_watch(l);
	*out = l;
	return 0;
}

void
life_free(struct life *l)
{
	moments_clear(l);
	step_tx_free(l);
	model_drop(&l->m);
	__wrap_close(l->live_fd);
	__wrap_close(l->scratch_fd);
	disk_free(l->live);
	disk_free(l->scratch);
	free(l->at);
	free(l->seen);
	free(l);
	moment_watch(NULL);
}

/* The first open of an empty directory, without the judge. */
bool
life_create(struct life *l)
{
	struct walk w;

	l->quiet = true;
	l->conf.create = true;
	wrap_random_seed(7);
	if (!life_open(l, NULL))
		return false;
	l->conf.create = false;
	l->n = 0;
	l->lo = 0;
	if (walk_engine(l->e, true, &w) < 0)
		return life_fail(l, "walking an empty store");
	l->at[0].pub = w.pub;
	l->at[0].full = w.full;
	l->at[0].cur = w.last;
	{
		struct server_conf sc = { .engine = l->e };

		if (server_new(&sc, &l->s) < 0)
			return life_fail(l, "server_new on an empty store");
	}
	if (!model_root(l))
		return false;
	moment_model(l);
	return true;
}

/* Append to the log until its end is near, without leaving much. */
bool
life_wind(struct life *l, uint64_t left)
{
	struct step st;
	struct rng r = { 99 };
	struct mobj *o;
	int i;

	if (!step_make(l, &r, ACT_OP, VFS_OP_TMPFILE, &st))
		return life_fail(l, "no file can be made");
	st.q.tmpfile.mode = VFS_TYPE_MODE(VFS_REG) | 0600;
	if (!life_run(l, &st))
		return false;
	o = &l->m.obj[l->m.nobj - 1];
	for (i = 0; l->logged < RING_BYTES - left; i++) {
		if (i == 5000)
			return life_fail(l, "writes do not fill the log");
		memset(&st, 0, sizeof(st));
		st.op = VFS_OP_WRITE;
		st.q.write.id.n = o->id;
		st.ndata = 1400;
		st.seed = (uint32_t)rng_u64(&r);
		if (!life_run(l, &st))
			return false;
		if (rng_to(&r, 50) == 0 && engine_checkpoint(l->e) < 0)
			return life_fail(l, "checkpoint");
		l->n = 0;	/* nobody judges; only the last counts */
		l->at[0].known = false;
		moment_model(l);
	}
	return true;
}

bool
life_begin(struct life *l, const struct image *image, uint64_t seed)
{
	struct walk w;

	disk_copy(l->live, image->disk);
	memcpy(l->starts, image->starts, sizeof(l->starts));
	l->quiet = true;
	l->why[0] = 0;
	l->rng.s = seed;
	l->id_max = l->seq_max = 0;
	l->lost.seq = 0;
	l->boot = 2;
	l->judged = 0;
	memset(&l->last, 0, sizeof(l->last));
	disk_now_ns = BIRTHDAY + 3600000000000ull;
	wrap_random_seed(seed);
	walk_trims = l->conf.journal_bytes_max > 0;
	moments_clear(l);
	step_tx_free(l);
	model_drop(&l->m);
	if (!life_open(l, NULL) || walk_engine(l->e, false, &w) < 0)
		return life_fail(l, "opening the image");
	l->n = 0;
	l->at[0].pub = w.pub;
	l->at[0].full = w.full;
	l->at[0].cur = w.last;
	{
		struct server_conf sc = { .engine = l->e,
		    .sync_all = l->sync_all };

		if (server_new(&sc, &l->s) < 0)
			return life_fail(l, "server_new on the image");
	}
	if (!model_root(l))
		return false;
	l->dirty = true;
	moment_look(l);
	moment_model(l);
	disk_flush(l->live);
	moments_promised(l);
	l->acked = l->n;
	l->quiet = false;
	return true;
}

void
life_end(struct life *l)
{
	if (!l->e)
		return;
	stop_dead(l);
	l->live->dead = false;
}

#include <stdlib.h>
#include <string.h>

#include "../../../vfsd/engine/redo.h"
#include "life_in.h"

static struct life *now_living;

void
moment_watch(struct life *l)
{
	now_living = l;
}

static void
moment_drop(struct moment *m)
{
	if (m->known)
		model_drop(&m->m);
	m->known = false;
}

void
moments_clear(struct life *l)
{
	while (l->n >= 0)
		moment_drop(&l->at[l->n--]);
	l->lo = l->acked = 0;
	memset(l->seen, 0, SEEN_MAX * sizeof(*l->seen));
}

/* The promise has moved on: nothing before this may come back. */
void
moments_promised(struct life *l)
{
	while (l->lo < l->n)
		moment_drop(&l->at[l->lo++]);
}

static bool
moment_add(struct life *l, const struct walk *w)
{
	int more = l->n < 0 ? 0 : judge_read(l->e, l->at[l->n].cur);

	if (more < 0)
		return life_fail(l, "the cursor of the last moment: %s",
		    vfs_err_text(more));
	if (l->n + 1 == MOMENTS_MAX)
		return life_fail(l, "more moments than the rig can hold");
	l->n++;
	l->at[l->n].pub = w->pub;
	l->at[l->n].full = w->full;
	l->at[l->n].cur = w->last;
	l->at[l->n].nrec = l->n == 0 ? 0 : l->at[l->n - 1].nrec +
	    (unsigned)more;
	l->at[l->n].known = false;
	return true;
}

/* If something was committed since the last look, remember the moment. */
void
moment_look(struct life *l)
{
	struct walk w;
	int err;

	if (!l->dirty || !l->e)
		return;
	l->dirty = false;
	if ((err = walk_engine(l->e, false, &w)) < 0 || w.bad[0]) {
		life_fail(l, "walking the live store: %s, %s",
		    vfs_err_text(err), w.bad);
		return;
	}
	if (w.full != l->at[l->n].full)
		moment_add(l, &w);
}

void
moment_model(struct life *l)
{
	struct moment *m = &l->at[l->n];

	moment_drop(m);
	model_copy(&m->m, &l->m);
	m->known = true;
}

/* --- the watched log ------------------------------------------------ */

bool wrap_fails(unsigned kind, const char *where);

static bool
is_commit(const void *rec)
{
	struct redo_head h;

	redo_head_get(rec, &h);
	return h.type == REDO_COMMIT || h.type == REDO_DRAFT;
}

int
moment_append(void *self, uint64_t pos, const void *p, size_t n)
{
	struct life *l = now_living;
	uint64_t at = pos % RING_BYTES / 8;
	int err;

	if (wrap_fails(FAULT_WRITE, "log append"))
		return -VFS_IO;
	if (l) {
		l->last_pos = pos;
		l->last_len = n;
		if (l->judging && l->gag)
			return 0;
	}
	if (l && !l->judging && !l->live->dead) {
		if (l->appends > 0 && (!l->quiet || l->last.act == ACT_TX))
			moment_look(l);
		l->appends += is_commit(p);
		l->dirty = true;
		l->logged += n;
		l->starts[at / 8] |= (uint8_t)(1u << at % 8);
	}
	err = be_log_file.append(self, pos, p, n);
	if (l && !l->judging)
		disk_look_at(l->live, pos % RING_BYTES, n);
	return err;
}

struct log_ops life_log;

void
moment_at_sync(void *arg, struct disk *d, bool after)
{
	struct life *l = arg;

	(void)d;
	(void)after;
	if (l->judging || l->quiet || l->why[0])
		return;
	moment_look(l);
	judge_all(l);
}

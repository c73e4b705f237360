/*
 * JOURNAL_POS, JOURNAL_READ: what has changed since.
 *
 * A cursor is the position of the last record that its owner has got.  It
 * is good if that record is still there, or is the newest of those that
 * were trimmed: so one from a history that is gone (an older copy of the
 * store was put back, a power cut took the last seconds), from another
 * store, or out of a range of numbers that was jumped over is never taken
 * for one of ours.
 *
 * A reader of a subtree is told of what was in it when it was recorded,
 * never of what was outside: a name that came from there has ENTERED, one
 * that went there has LEFT.
 */
#include <string.h>

#include "../../protocol/records.h"
#include "collapse.h"
#include "core.h"
#include "glob.h"
#include "where.h"
#include "within.h"

#define KINDS_ALL	((2u << JOURNAL_KIND_MAX) - 2)

struct scan {
	struct txn *t;
	const struct vfs_journal_read *q;
	struct txn_cur *c;
	struct proto_list list;
	struct collapse *collapse;	/* NULL: as it happened */
	struct journal_pos at;		/* the last record looked at */
	struct vfs_id top;
	bool whole;			/* of the whole tree */
	uint32_t mask, max, n;
	uint64_t work;			/* records looked at */
	struct where where;
};

/* --- which record it is ----------------------------------------------- */

static int
take(struct scan *s, int err, struct vfs_slice key, struct vfs_slice val,
    struct journal_pos *at, struct rec_journal *j)
{
	struct row_parts p;

	if (err < 0)
		return err;
	if (row_key_parse(key, &p) < 0 || p.b > UINT32_MAX ||
	    rec_journal_decode(val, j) < 0)
		return fault(s->t, -VFS_CORRUPT, "a change record");
	*at = (struct journal_pos){ p.a, (uint32_t)p.b };
	return 0;
}

static int
seek(struct scan *s, uint64_t seq, uint64_t idx, struct journal_pos *at,
    struct rec_journal *j)
{
	struct vfs_slice key, val;
	struct row_key k;
	int err;

	row_key_id2(&k, ROW_JOURNAL, seq, idx);
	err = txn_cur_seek_in(s->c, row_key_slice(&k), 1, &key, &val);
	return take(s, err, key, val, at, j);
}

/* A commit that may have had no record. */
static bool
is_known(const struct journal_info *info, struct journal_pos want)
{
	return want.idx == UINT32_MAX && want.seq >= info->opened &&
	    want.seq <= info->newest;
}

/*
 * Stand on the first record behind the cursor; -VFS_NOENT if there is
 * none.  An index of UINT32_MAX is the last of its commit.
 */
static int
start(struct scan *s, const struct journal_info *info,
    struct journal_pos *at, struct rec_journal *j)
{
	struct journal_pos want = { s->q->seq, s->q->idx };
	bool all = want.idx == UINT32_MAX;
	int err;

	s->at = want;
	if (want.seq == info->floor.seq && (all ||
	    want.idx == info->floor.idx))
		return seek(s, want.seq, (uint64_t)want.idx + 1, at, j);
	err = seek(s, want.seq, all ? 0 : want.idx, at, j);
	if (err < 0 && err != -VFS_NOENT)
		return err;
#ifdef PLANT_CURSOR_BY_NUMBER
	if (want.seq > info->floor.seq && want.seq <= info->opened)
		return seek(s, want.seq, (uint64_t)want.idx + 1, at, j);
#endif
	if (!is_known(info, want) && (err < 0 || at->seq != want.seq ||
	    (!all && at->idx != want.idx)))
		return -VFS_CURSOR_EXPIRED;
	return seek(s, want.seq, (uint64_t)want.idx + 1, at, j);
}

static int
next(struct scan *s, struct journal_pos *at, struct rec_journal *j)
{
	struct vfs_slice key, val;
	int err = txn_cur_next(s->c, &key, &val);

	return take(s, err, key, val, at, j);
}

/* --- the subtree ------------------------------------------------------ */

/* Something about the object changed, and it is in the subtree by another
 * name, or is its top: what happened outside is not told. */
static int
tell_inside(struct scan *s, const struct journal_pos *at,
    struct rec_journal *j)
{
	struct vfs_slice none = { NULL, 0 };
	uint64_t parent;
	int in = where_object(&s->where, j, *at, &parent);

	if (in <= 0)
		return in;
	if (j->kind < JOURNAL_DATA || j->kind > JOURNAL_DELETE) {
		bool gone = j->id.n == s->where.top &&
		    (j->kind == JOURNAL_UNLINK ||
		    j->kind == JOURNAL_REMOVE_TREE);

		if (!gone)
			j->kind = JOURNAL_META;
		j->name = j->name2 = none;
	}
	j->parent.n = parent;
	j->parent2.n = 0;
	return 1;
}

static int
tell_move(struct scan *s, const struct journal_pos *at,
    struct rec_journal *j)
{
	struct vfs_slice none = { NULL, 0 };
	int from, to;

	if ((from = where_dir(&s->where, j->parent.n, *at)) < 0)
		return from;
	if ((to = where_dir(&s->where, j->parent2.n, *at)) < 0)
		return to;
	if (!from && !to)
		return tell_inside(s, at, j);
	if (!from) {
		j->kind = JOURNAL_ENTERED;
		j->parent.n = 0;
		j->name = none;
	}
	if (!to) {
		j->kind = JOURNAL_LEFT;
		j->parent2.n = 0;
		j->name2 = none;
	}
	return 1;
}

/* Is it told?  What is not to be known is taken out. */
static int
tell(struct scan *s, const struct journal_pos *at, struct rec_journal *j)
{
	int in;

	if (s->whole)
		return 1;
	switch (j->kind) {
	case JOURNAL_CREATE:
	case JOURNAL_CLONE_TREE:
		return j->name.n > 0 ? where_dir(&s->where, j->parent.n, *at)
		    : 0;
	case JOURNAL_LINK:
	case JOURNAL_UNLINK:
	case JOURNAL_REMOVE_TREE:
		in = where_dir(&s->where, j->parent.n, *at);
		return in != 0 ? in : tell_inside(s, at, j);
	case JOURNAL_RENAME:
	case JOURNAL_EXCHANGE:
		return tell_move(s, at, j);
	default:
		return tell_inside(s, at, j);
	}
}

/* --- names ------------------------------------------------------------ */

/* Any name that the object has now. */
static int
name_now(struct scan *s, struct vfs_id id)
{
	struct vfs_slice key, val, skey;
	struct row_parts p;
	struct rec_slot slot;
	struct txn_cur *c;
	struct row_key k;
	int err, hit = 0;

	if ((err = txn_cur_open(s->t, &c)) < 0)
		return err;
	row_key_id(&k, ROW_LINK, id.n);
	err = txn_cur_seek_in(c, row_key_slice(&k), ROW_KEY_ID, &key, &val);
	for (; err == 0 && !hit; err = txn_cur_next(c, &key, &val)) {
		s->work++;
		if ((err = row_key_parse(key, &p)) < 0)
			break;
		row_key_id2(&k, ROW_SLOT, p.b, p.c);
		skey = row_key_slice(&k);
		if ((err = txn_get(s->t, skey, &val)) < 0 ||
		    (err = rec_slot_decode(val, &slot)) < 0)
			break;
		hit = glob_match(s->q->pattern, slot.name);
	}
	txn_cur_close(c);
	return err == 0 || err == -VFS_NOENT ? hit : err;
}

/* A record without the object's name counts by those it has now: if it
 * had another then, a record tells of the change. */
static int
matches(struct scan *s, const struct rec_journal *j)
{
	if (s->q->pattern.n == 0)
		return 1;
	if (j->kind >= JOURNAL_DATA && j->kind <= JOURNAL_DELETE)
		return name_now(s, j->id);
	return (j->name.n > 0 && glob_match(s->q->pattern, j->name)) ||
	    (j->name2.n > 0 && glob_match(s->q->pattern, j->name2));
}

/* --- the page --------------------------------------------------------- */

/* -VFS_TOO_BIG: no room for it, it comes first next time. */
static int
put(struct scan *s, const struct journal_pos *at,
    const struct rec_journal *j)
{
	struct proto_change x = {
		.seq = at->seq, .idx = at->idx, .kind = j->kind,
		.type = j->type, .id = j->id, .parent = j->parent,
		.parent2 = j->parent2, .data_version = j->data_version,
		.meta_version = j->meta_version, .name = j->name,
		.name2 = j->name2,
	};

	if (s->collapse != NULL)
		return collapse_add(s->collapse, &x,
		    (j->flags & JOURNAL_MANY) != 0);
	return proto_change_put(&s->list, &x) ? 0 : -VFS_TOO_BIG;
}

static int
one(struct scan *s, const struct journal_pos *at, struct rec_journal *j)
{
	int err;

	s->work++;
	if (s->whole && (s->mask >> j->kind & 1) == 0)
		return 0;
	if ((err = tell(s, at, j)) <= 0)
		return err;
	if ((s->mask >> j->kind & 1) == 0 || (err = matches(s, j)) <= 0)
		return (s->mask >> j->kind & 1) == 0 ? 0 : err;
	if ((err = put(s, at, j)) == 0)
		s->n++;
	return err;
}

/* 1: there is more, or may be; 0: the end. */
static int
page(struct scan *s, const struct journal_info *info)
{
	struct journal_pos at;
	struct rec_journal j;
	int err = start(s, info, &at, &j);

	while (err == 0) {
		if (s->n == s->max ||
		    s->work + s->where.work >= VFS_JOURNAL_SCAN_MAX)
			return 1;
		if ((err = one(s, &at, &j)) < 0)
			break;
		s->at = at;
		err = next(s, &at, &j);
	}
	if (err == -VFS_TOO_BIG && s->n > 0)
		return 1;
	return err == -VFS_NOENT ? 0 : err;
}

static int
run(struct scan *s, const struct journal_info *info,
    struct vfs_journal_read_reply *r)
{
	int more, err = 0;

	if ((more = page(s, info)) < 0)
		return more;
	if (s->collapse != NULL)
		err = collapse_end(s->collapse, &s->list);
	r->more = (uint32_t)more;
	r->n = s->list.count;
	r->records.n = s->list.n;
	r->seq = s->at.seq;
	r->idx = s->at.idx;
	return err;
}

/* --- the operations --------------------------------------------------- */

int
op_journal_pos(struct txn *t, const struct vfs_journal_pos *q,
    struct vfs_journal_pos_reply *r)
{
	struct journal_info info;
	int err;

	if (q->flags != 0)
		return -VFS_INVAL;
	if ((err = txn_journal_info(t, &info)) < 0)
		return err;
	*r = (struct vfs_journal_pos_reply){
		.seq = info.last.seq, .idx = info.last.idx,
		.oldest = info.floor.seq, .records = info.records,
		.bytes = info.bytes, .bytes_max = info.bytes_max,
	};
	return 0;
}

static int
check(const struct vfs_journal_read *q)
{
	if ((q->flags & ~VFS_JOURNAL_COLLAPSE) != 0 ||
	    (q->mask & ~KINDS_ALL) != 0)
		return -VFS_INVAL;
	return q->pattern.n > VFS_PATTERN_MAX ? -VFS_NAMETOOLONG : 0;
}

/* Who sees only a part of the tree follows that if nothing smaller. */
static int
confine(struct txn *t, struct scan *s)
{
	int in;

	if (s->top.n == 0 && !within_all(t)) {
		s->top.n = txn_env(t)->root;
		if ((in = within_dir(t, s->top)) <= 0)
			return in < 0 ? in : -VFS_NO_SUCH_ID;
	}
	s->whole = s->top.n == 0 || s->top.n == VFS_ID_ROOT;
	return 0;
}

int
op_journal_read(struct txn *t, const struct vfs_journal_read *q,
    struct vfs_journal_read_reply *r)
{
	struct scan s = { .t = t, .q = q, .max = q->max, .mask = q->mask,
		.top = q->subtree,
		.list = { .p = r->records.p, .cap = r->records.cap } };
	struct journal_info info;
	int err;

	if ((err = check(q)) < 0 || (err = confine(t, &s)) < 0 ||
	    (err = txn_journal_info(t, &info)) < 0)
		return err;
	r->oldest = info.floor.seq;
	if (s.mask == 0)
		s.mask = KINDS_ALL;
	if (s.max == 0 || s.max > VFS_JOURNAL_READ_MAX)
		s.max = VFS_JOURNAL_READ_MAX;
	where_init(&s.where, t, s.top);
	if ((q->flags & VFS_JOURNAL_COLLAPSE) != 0)
		err = collapse_new(s.max, r->records.cap, &s.collapse);
	if (err == 0)
		err = txn_cur_open(t, &s.c);
	if (err == 0)
		err = run(&s, &info, r);
	collapse_free(s.collapse);
	where_end(&s.where);
	txn_cur_close(s.c);
	return err;
}

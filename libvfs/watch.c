/* watch.c - the journal: reading it, and being told of it */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "vfs_in.h"

_Static_assert((int)VFS_CHANGE_CREATE == (int)PROTO_CHANGE_CREATE &&
    (int)VFS_CHANGE_CLONE_TREE == (int)PROTO_CHANGE_CLONE_TREE,
    "kinds are the wire's");

int
vfs_journal_pos(struct vfs *v, struct vfs_cursor *now,
    struct vfs_seq *oldest)
{
	struct vfs_journal_pos q = { 0 };
	struct vfs_journal_pos_reply r;
	int err = lv_call(v, NULL, VFS_OP_JOURNAL_POS, &q, &r);

	if (err < 0)
		return err;
	if (now != NULL)
		*now = (struct vfs_cursor){ r.seq, r.idx };
	if (oldest != NULL)
		oldest->n = r.oldest;
	return 0;
}

int
vfs_settle(struct vfs *v, struct vfs_cursor *now)
{
	struct vfs_settle q = { 0 };
	struct vfs_settle_reply r;
	int err = lv_call(v, NULL, VFS_OP_SETTLE, &q, &r);

	if (err == 0)
		*now = (struct vfs_cursor){ r.seq, r.idx };
	return err;
}

/* --- reading --------------------------------------------------------------- */

struct told {
	bool (*fn)(void *arg, const struct vfs_change *c);
	void *arg;
	int64_t n;
	bool stop;
};

/* A cursor is the place of the last record that was told.  One record for
 * several has not the place of all of them, so then it moves by pages. */
static int
tell(struct vfs *v, struct vfs_slice records, bool collapsed,
    struct vfs_cursor *cursor, struct told *t)
{
	struct proto_change c;
	struct vfs_change out;
	struct rbuf b;

	proto_list_read(&b, records);
	while (!t->stop && proto_list_more(&b)) {
		if (proto_change_next(&b, &c) < 0)
			return lv_fail(v, -VFS_MALFORMED);
		out = (struct vfs_change){ .at = { c.seq, c.idx },
			.kind = (enum vfs_change_kind)c.kind,
			.type = (enum vfs_type)c.type, .id = c.id,
			.parent = c.parent, .parent2 = c.parent2,
			.data_version = c.data_version,
			.meta_version = c.meta_version, .name = c.name,
			.name2 = c.name2 };
		if (!collapsed)
			*cursor = out.at;
		t->n++;
		t->stop = !t->fn(t->arg, &out);
	}
	return 0;
}

int64_t
vfs_changes(struct vfs *v, const struct vfs_filter *f,
    struct vfs_cursor *cursor,
    bool (*fn)(void *arg, const struct vfs_change *c), void *arg)
{
	static const struct vfs_filter all;
	struct vfs_journal_read q = { .max = UINT32_MAX };
	struct vfs_journal_read_reply r;
	struct told t = { .fn = fn, .arg = arg };
	struct vfs_cursor was;
	int err;

	f = f != NULL ? f : &all;
	q.subtree = f->subtree;
	q.mask = f->kinds;
	q.flags = f->collapse ? VFS_JOURNAL_COLLAPSE : 0;
	q.pattern = lv_str(f->pattern);
	do {
		was = *cursor;
		q.seq = was.seq;
		q.idx = was.idx;
		err = lv_call(v, NULL, VFS_OP_JOURNAL_READ, &q, &r);
		if (err < 0 || (err = tell(v, (struct vfs_slice){
		    r.records.p, r.records.n }, f->collapse, cursor,
		    &t)) < 0)
			return err;
		if (t.stop)
			break;
		*cursor = (struct vfs_cursor){ r.seq, r.idx };
		if (r.more && r.seq == was.seq && r.idx == was.idx)
			return lv_fail(v, -VFS_MALFORMED);
	} while (r.more);
	return t.n;
}

/* --- being told ---------------------------------------------------------------- */

/* The daemon tells all watches of a session with one notice. */
static int
watch_ask(struct vfs *v, struct watch *w, bool once)
{
	struct vfs_watch q = { .subtree = w->subtree, .seq = w->cursor.seq,
		.idx = w->cursor.idx, .mask = w->mask };
	struct vfs_watch_reply r;
	struct vfs_call c = { .op = VFS_OP_WATCH, .q = &q, .r = &r };
	int err = once ? lv_run_once(v, &c) : lv_run(v, &c);

	if (err == 0)
		w->real = r.watch;
	return err;
}

int
vfs_watch(struct vfs *v, struct vfs_id subtree, struct vfs_cursor cursor,
    uint32_t kinds, uint64_t *watch)
{
	struct watch *w = calloc(1, sizeof *w);
	int err;

	if (w == NULL)
		return lv_fail(v, -VFS_NOMEM);
	w->subtree = subtree;
	w->mask = kinds;
	w->cursor = cursor;
	if ((err = watch_ask(v, w, false)) < 0) {
		free(w);
		return err;
	}
	w->number = ++v->watch_number;
	w->next = v->watches;
	v->watches = w;
	*watch = w->number;
	return 0;
}

int
vfs_unwatch(struct vfs *v, uint64_t watch)
{
	struct watch **at = &v->watches, *w;
	struct vfs_unwatch q;

	while ((w = *at) != NULL && w->number != watch)
		at = &w->next;
	if (w == NULL)
		return lv_fail(v, -VFS_NOENT);
	*at = w->next;
	q.watch = w->real;
	free(w);
	if (q.watch == 0 || v->lost != 0)
		return 0;
	return lv_call(v, NULL, VFS_OP_UNWATCH, &q, NULL);
}

/* On a new connection; something may have happened meanwhile.  One whose
 * subtree is gone stays without an answer. */
int
lv_watches_again(struct vfs *v)
{
	struct watch *w;

	for (w = v->watches; w != NULL; w = w->next) {
		w->real = 0;
		if (watch_ask(v, w, true) < 0 && v->lost != 0)
			return v->lost;
		v->changed = true;
	}
	return 0;
}

void
lv_watches_free(struct vfs *v)
{
	struct watch *w;

	while ((w = v->watches) != NULL) {
		v->watches = w->next;
		free(w);
	}
}

int
vfs_changed(struct vfs *v, struct vfs_seq *seq)
{
	if (!v->changed)
		lv_pump(v);
	if (!v->changed)
		return v->lost;
	v->changed = false;
	if (seq != NULL)
		seq->n = v->changed_seq;
	return 1;
}

int
vfs_changed_wait(struct vfs *v, int ms, struct vfs_seq *seq)
{
	uint64_t until = ms < 0 ? 0 : lv_now_ms() + (uint64_t)ms, now;
	struct pollfd p;
	int rc;

	for (;;) {
		if (v->lost != 0 && v->conf.once)
			return lv_fail(v, v->lost);
		if (v->lost != 0 && (rc = vfs_reconnect(v)) < 0)
			return rc;
		rc = vfs_changed(v, seq);
		if (rc > 0)
			return rc;
		if (rc < 0)
			continue;	/* lost: tried again above */
		now = lv_now_ms();
		if (ms >= 0 && now >= until)
			return 0;
		p = (struct pollfd){ .fd = v->fd, .events = vfs_events(v) };
		if (poll(&p, 1, ms < 0 ? -1 : (int)(until - now)) < 0 &&
		    errno != EINTR)
			return lv_fail(v, vfs_err_from_os(errno));
	}
}

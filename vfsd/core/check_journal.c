/*
 * check_journal.c - change records, and where objects were
 */
#include <inttypes.h>
#include <string.h>

#include "check_in.h"

/* A record that tells of a directory's names has its ROW_MOVED. */
static void
compare_moved(struct check *c, const struct row_parts *p,
    const struct rec_journal *j)
{
	struct rec_moved want, got = { { 0 }, { 0 } };
	struct vfs_slice val;
	struct row_key k;
	struct fix *f;

	if (!rec_journal_moved(j, &want))
		return;
	row_key_moved(&k, j->id, p->a, p->b);
	if (check_has(c, &k, &val) && rec_moved_decode(val, &got) == 0 &&
	    got.from.n == want.from.n && got.to.n == want.to.n)
		return;
	check_found(c, ROW_MOVED, j->id.n, true, "change record %" PRIu64
	    ".%" PRIu64 " is not among those of its object", p->a, p->b);
	if ((f = check_fix_add(c, FIX_PUT, &k)) != NULL)
		f->val_n = (uint16_t)rec_moved_encode(&want, f->val);
}

/* Each sequence number's records count from 0; the oldest ones may have
 * been trimmed in the middle of a commit. */
void
check_journal(struct check *c, const struct row_parts *p,
    struct vfs_slice val)
{
	struct rec_journal j;

	if (rec_journal_decode(val, &j) < 0) {
		check_found(c, ROW_JOURNAL, p->a, true,
		    "change record does not decode");
	} else if (p->b != (c->jrows > 0 && p->a == c->jseq ? c->jidx + 1
	    : 0) && c->jrows > 0) {
		check_found(c, ROW_JOURNAL, p->a, true, "change record %"
		    PRIu64 " of commit %" PRIu64 " stands behind a gap",
		    p->b, p->a);
	} else {
		compare_moved(c, p, &j);
	}
	c->jseq = p->a;
	c->jidx = p->b;
	c->jrows++;
}

/* And nothing else has one: a trimmed record takes it along. */
void
check_moved(struct check *c, const struct row_parts *p,
    struct vfs_slice key, struct vfs_slice val)
{
	struct rec_moved m, want;
	struct rec_journal j;
	struct vfs_slice jval;
	struct row_key k;

	row_key_id2(&k, ROW_JOURNAL, p->b, p->c);
	if (rec_moved_decode(val, &m) == 0 && check_has(c, &k, &jval) &&
	    rec_journal_decode(jval, &j) == 0 && j.id.n == p->a &&
	    rec_journal_moved(&j, &want))
		return;
	check_found(c, ROW_MOVED, p->a, true, "moved by change record %"
	    PRIu64 ".%" PRIu64 ", which does not say so", p->b, p->c);
	memcpy(k.b, key.p, key.n);
	k.n = key.n;
	check_fix_del(c, &k);
}

/* attr.c - attributes, locks, and where bytes are */
#include <string.h>

#include "vfs_in.h"

int
vfs_stat(struct vfs *v, struct vfs_tx *tx, struct vfs_id id,
    struct vfs_attr *attr)
{
	struct vfs_stat q = { id };
	struct vfs_stat_reply r;
	int err = lv_call(v, tx, VFS_OP_STAT, &q, &r);

	if (err == 0 && attr != NULL)
		*attr = r.attr;
	return err;
}

/* --- many ------------------------------------------------------------------- */

int64_t
lv_found_take(struct vfs *v, struct vfs_slice list, uint32_t want,
    struct vfs_found *out, size_t n)
{
	struct proto_found f;
	struct rbuf b;
	size_t i;

	proto_list_read(&b, list);
	for (i = 0; i < n && proto_list_more(&b); i++) {
		if (proto_found_next(&b, want, &f) < 0)
			return lv_fail(v, -VFS_MALFORMED);
		out[i].err = f.err != 0 ? lv_err_of_status(f.err) : 0;
		out[i].attr = f.attr;
	}
	return i == 0 ? lv_fail(v, -VFS_MALFORMED) : (int64_t)i;
}

size_t
lv_found_max(const struct vfs *v, uint32_t want)
{
	size_t each = 8 + (want == VFS_WANT_BRIEF ? PROTO_BRIEF : PROTO_STAT);
	size_t n = lv_payload(v) / each;

	return n < VFS_BATCH_MAX ? n : VFS_BATCH_MAX;
}

/* A batch under way.  Its parts are small, so that the daemon works at one
 * while the one before is handed out. */
#define PART	1024u

struct stats {
	struct vfs *v;
	struct vfs_stat_batch q;
	struct vfs_stat_batch_reply r;
	struct vfs_call call;
	uint8_t list[8 * PART];
};

/* Asks for the first of n: how many. */
static size_t
stats_request(struct stats *s, const struct vfs_id *ids, size_t n)
{
	struct proto_list l = { .p = s->list, .cap = sizeof s->list };
	size_t max = lv_found_max(s->v, s->q.want), i;

	if (max > PART)
		max = PART;
	if (n > max)
		n = max;
	for (i = 0; i < n; i++)
		proto_id_put(&l, ids[i]);
	s->q.n = (uint32_t)n;
	s->q.ids = (struct vfs_slice){ s->list, l.n };
	s->call.q = &s->q;
	s->call.r = &s->r;
	s->call.deadline_ms = 0;
	return n;
}

/* What one request gave, with the next one under way: how many. */
static int64_t
stats_next(struct stats *s, const struct vfs_id *ids, size_t n,
    struct vfs_found *out)
{
	size_t some = s->q.n;
	struct vfs_slice got;
	int64_t did;
	int err;

	if (s->call.state == CALL_IDLE)
		some = stats_request(s, ids, n);
	if ((err = lv_run(s->v, &s->call)) < 0)
		return err;
	got = (struct vfs_slice){ s->r.results.p, s->r.results.n };
	if (s->r.n == some && some < n) {
		stats_request(s, ids + some, n - some);
		lv_ahead(s->v, &s->call);
	}
	did = lv_found_take(s->v, got, s->q.want, out, some);
	if (did >= 0 && (size_t)did < some && s->call.state != CALL_IDLE)
		return lv_fail(s->v, -VFS_MALFORMED);
	return did;
}

int
vfs_stat_batch(struct vfs *v, struct vfs_tx *tx, const struct vfs_id *ids,
    size_t n, uint32_t want, struct vfs_found *out)
{
	struct stats s = { .v = v, .q = { .want = want },
		.call = { .op = VFS_OP_STAT_BATCH, .tx = tx } };
	int64_t did = 0;

	while (n > 0) {
		did = stats_next(&s, ids, n, out);
		if (did < 0)
			break;
		ids += did;
		out += did;
		n -= (size_t)did;
	}
	vfs_forget(v, &s.call);
	return did < 0 ? (int)did : 0;
}

/* --- setting ------------------------------------------------------------------ */

int
vfs_setattr(struct vfs *v, struct vfs_tx *tx, const struct vfs_setattr *q,
    struct vfs_attr *attr)
{
	struct vfs_setattr_reply r;
	int err = lv_call(v, tx, VFS_OP_SETATTR, q, &r);

	if (err == 0 && attr != NULL)
		*attr = r.attr;
	return err;
}

int
vfs_chmod(struct vfs *v, struct vfs_tx *tx, struct vfs_id id, uint32_t mode)
{
	struct vfs_setattr q = { .id = id, .valid = VFS_SET_MODE,
		.mode = mode };

	return vfs_setattr(v, tx, &q, NULL);
}

int
vfs_chown(struct vfs *v, struct vfs_tx *tx, struct vfs_id id, uint32_t uid,
    uint32_t gid)
{
	struct vfs_setattr q = { .id = id, .uid = uid, .gid = gid };

	q.valid = (uid != VFS_KEEP ? VFS_SET_UID : 0) |
	    (gid != VFS_KEEP ? VFS_SET_GID : 0);
	return vfs_setattr(v, tx, &q, NULL);
}

int
vfs_utimens(struct vfs *v, struct vfs_tx *tx, struct vfs_id id,
    const struct vfs_time *atime, const struct vfs_time *mtime)
{
	struct vfs_setattr q = { .id = id };

	q.valid = (atime != NULL ? VFS_SET_ATIME : VFS_SET_ATIME_NOW) |
	    (mtime != NULL ? VFS_SET_MTIME : VFS_SET_MTIME_NOW);
	if (atime != NULL)
		q.atime = *atime;
	if (mtime != NULL)
		q.mtime = *mtime;
	return vfs_setattr(v, tx, &q, NULL);
}

int
vfs_truncate(struct vfs *v, struct vfs_tx *tx, struct vfs_id id,
    uint64_t size)
{
	struct vfs_setattr q = { .id = id, .valid = VFS_SET_SIZE,
		.size = size };

	return vfs_setattr(v, tx, &q, NULL);
}

int
vfs_access(struct vfs *v, struct vfs_tx *tx, struct vfs_id id, uint32_t mask)
{
	struct vfs_access q = { id, mask };
	struct vfs_access_reply r;
	int err = lv_call(v, tx, VFS_OP_ACCESS, &q, &r);

	if (err == 0 && (r.granted & mask) != mask)
		err = lv_fail(v, -VFS_ACCESS);
	return err;
}

int
vfs_statfs(struct vfs *v, struct vfs_id id, struct vfs_statfs_reply *out)
{
	struct vfs_statfs q = { id };

	return lv_call(v, NULL, VFS_OP_STATFS, &q, out);
}

/* --- extended attributes --------------------------------------------------------- */

int64_t
lv_bytes_out(struct vfs *v, const struct vfs_buf *got, void *p, size_t cap)
{
	if (cap == 0)
		return (int64_t)got->n;
	if (got->n > cap)
		return lv_fail(v, -VFS_RANGE);
	if (got->n > 0)
		memcpy(p, got->p, got->n);
	return (int64_t)got->n;
}

int64_t
vfs_getxattr(struct vfs *v, struct vfs_tx *tx, struct vfs_id id,
    const char *name, void *p, size_t cap)
{
	struct vfs_xattr_get q = { id, lv_str(name) };
	struct vfs_xattr_get_reply r;
	int err = lv_call(v, tx, VFS_OP_XATTR_GET, &q, &r);

	return err < 0 ? err : lv_bytes_out(v, &r.value, p, cap);
}

int
vfs_setxattr(struct vfs *v, struct vfs_tx *tx, struct vfs_id id,
    const char *name, const void *p, size_t n, uint32_t flags)
{
	struct vfs_xattr_set q = { id, flags, lv_str(name), { p, n } };

	return lv_call(v, tx, VFS_OP_XATTR_SET, &q, NULL);
}

int64_t
vfs_listxattr(struct vfs *v, struct vfs_tx *tx, struct vfs_id id, char *p,
    size_t cap)
{
	struct vfs_xattr_list q = { id };
	struct vfs_xattr_list_reply r;
	int err = lv_call(v, tx, VFS_OP_XATTR_LIST, &q, &r);

	return err < 0 ? err : lv_bytes_out(v, &r.names, p, cap);
}

int
vfs_removexattr(struct vfs *v, struct vfs_tx *tx, struct vfs_id id,
    const char *name)
{
	struct vfs_xattr_remove q = { id, lv_str(name) };

	return lv_call(v, tx, VFS_OP_XATTR_REMOVE, &q, NULL);
}

/* --- places, hashes, locks --------------------------------------------------------- */

int64_t
vfs_map_extents(struct vfs *v, struct vfs_id id, uint64_t off, uint64_t len,
    struct vfs_extent *out, size_t cap, uint64_t *next)
{
	struct vfs_map_extents q = { id, off, len };
	struct vfs_map_extents_reply r;
	struct proto_extent e;
	struct rbuf b;
	size_t n;
	int err;

	if ((err = lv_call(v, NULL, VFS_OP_MAP_EXTENTS, &q, &r)) < 0)
		return err;
	proto_list_read(&b, (struct vfs_slice){ r.extents.p, r.extents.n });
	for (n = 0; proto_list_more(&b); n++) {
		if (proto_extent_next(&b, &e) < 0)
			return lv_fail(v, -VFS_MALFORMED);
		if (n == cap) {
			r.next = e.off;
			break;
		}
		out[n] = (struct vfs_extent){ e.off, e.len, e.place,
			e.flags };
	}
	if (next != NULL)
		*next = r.next;
	return (int64_t)n;
}

int64_t
vfs_hash(struct vfs *v, struct vfs_id id, uint32_t alg, void *out,
    size_t cap, uint64_t *version)
{
	struct vfs_hash q = { .id = id, .alg = alg };
	struct vfs_hash_reply r;
	int err = lv_call(v, NULL, VFS_OP_HASH, &q, &r);

	if (err < 0)
		return err;
	if (version != NULL)
		*version = r.data_version;
	return lv_bytes_out(v, &r.hash, out, cap);
}

int
vfs_lock(struct vfs *v, struct vfs_id id, uint64_t owner, uint64_t start,
    uint64_t len, uint32_t type, uint32_t flags)
{
	struct vfs_lock q = { id, owner, start, len, type, flags };

	return lv_call(v, NULL, VFS_OP_LOCK, &q, NULL);
}

int
vfs_lock_test(struct vfs *v, struct vfs_id id, uint64_t owner,
    uint64_t start, uint64_t len, uint32_t type, uint32_t flags,
    struct vfs_lock_test_reply *out)
{
	struct vfs_lock_test q = { id, owner, start, len, type, flags };

	return lv_call(v, NULL, VFS_OP_LOCK_TEST, &q, out);
}

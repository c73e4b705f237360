/* Many bytes: in messages, and beside them in memory that is shared. */
#include "../../protocol/mem.h"

#include "cases_in.h"

#define BIG		(1u << 20)

/* --- 1 MiB in pieces ---------------------------------------------------- */

static size_t
piece_max(const struct cases *k)
{
	size_t n = k->c->out_cap < k->c->in_cap ? k->c->out_cap :
	    k->c->in_cap;

	n = n > 65536 ? 32768 : (n - 256) & ~(size_t)7;
	return n < k->room_n ? n : k->room_n;
}

static void
fill(uint8_t *p, uint64_t at, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		p[i] = (uint8_t)((at + i) * 2654435761u >> 11);
}

bool
case_big_file(struct cases *k)
{
	struct vfs_write w = { .off = 0 };
	struct vfs_write_reply wr;
	struct vfs_read q = { .off = 0 };
	struct vfs_read_reply r;
	size_t piece = piece_max(k);

	MUST(case_make(k, k->dir, case_slice("1m"), 0100600, &w.id), 0);
	for (q.id = w.id; w.off < BIG; w.off += w.data.n) {
		w.data.p = k->room;
		w.data.n = BIG - w.off < piece ? BIG - w.off : piece;
		fill(k->room, w.off, w.data.n);
		MUST(client_call(k->c, VFS_OP_WRITE, &w, &wr), 0);
		MUST((int)wr.count, (int)w.data.n);
	}
	while (q.off < BIG) {
		q.count = (uint32_t)piece;
		MUST(client_call(k->c, VFS_OP_READ, &q, &r), 0);
		TRUE(r.data.n > 0);
		fill(k->room, q.off, r.data.n);
		MUST(memcmp(r.data.p, k->room, r.data.n), 0);
		q.off += r.data.n;
	}
	MUST(client_call(k->c, VFS_OP_READ, &q, &r), 0);
	MUST((int)r.data.n, 0);
	return true;
}

/* --- bulk data beside the messages ---------------------------------------- */

#define FAR_SIZE	(2 * BIG + 8192)
#define FAR_OUT		(BIG + 4096)	/* where READ puts it */

static int
share(struct cases *k, uint32_t flags, size_t n, void **p, uint32_t *grant)
{
	struct vfs_grant_map q = { .flags = flags, .size = n };
	struct vfs_grant_map_reply r;
	int err = k->share(k, n, p);

	if (err == 0)
		err = client_call(k->c, VFS_OP_GRANT_MAP, &q, &r);
	if (err == 0)
		*grant = r.grant;
	return err;
}

static int
unshare(struct cases *k, uint32_t grant)
{
	struct vfs_grant_unmap q = { .grant = grant };
	struct vfs_grant_unmap_reply r;

	return client_call(k->c, VFS_OP_GRANT_UNMAP, &q, &r);
}

/* WRITE of n bytes that stand at at. */
static int
write_far(struct cases *k, struct vfs_id id, uint32_t grant, uint64_t at,
    uint32_t n)
{
	struct vfs_write q = { .id = id };
	struct vfs_write_reply r;
	struct client_far far = { .kind = PROTO_GRANT, .grant = grant,
		.off = at, .n = n };
	int err = client_call_far(k->c, VFS_OP_WRITE, &q, &far, &r);

	return err < 0 ? err : r.count != n ? -VFS_IO : 0;
}

static int
read_far(struct cases *k, struct vfs_id id, uint32_t grant, uint64_t at,
    uint32_t n)
{
	struct vfs_read q = { .id = id, .count = n, .grant = grant,
		.grant_off = at };
	struct vfs_read_reply r;
	int err = client_call(k->c, VFS_OP_READ, &q, &r);

	return err < 0 ? err : r.count != n || r.data.n != 0 ? -VFS_IO : 0;
}

/* What lies outside is refused, does nothing, and ends nothing. */
static bool
outside(struct cases *k, struct vfs_id id, uint32_t grant)
{
	MUST(write_far(k, id, grant, FAR_SIZE - 8, 16), -VFS_MALFORMED);
	MUST(write_far(k, id, grant, UINT64_MAX - 7, 16), -VFS_MALFORMED);
	MUST(write_far(k, id, grant + 1, 0, 16), -VFS_MALFORMED);
	MUST(write_far(k, id, 0, 0, 16), -VFS_MALFORMED);
	MUST(read_far(k, id, grant, FAR_SIZE - 8, 16), -VFS_MALFORMED);
	MUST(read_far(k, id, grant, UINT64_MAX - 7, 16), -VFS_MALFORMED);
	MUST(read_far(k, id, grant + 1, 0, 16), -VFS_MALFORMED);
	return true;
}

bool
case_granted(struct cases *k)
{
	struct vfs_id id, small;
	uint32_t grant, ro;
	void *mem, *lent;
	uint8_t *p;

	if ((k->skipped = k->share == NULL))
		return true;
	MUST(case_make(k, k->dir, case_slice("far"), 0100600, &id), 0);
	MUST(share(k, VFS_GRANT_WRITE, FAR_SIZE, &mem, &grant), 0);
	p = mem;
	fill(p, 0, BIG);
	memset(p + BIG, 0x5a, FAR_SIZE - BIG);
	MUST(write_far(k, id, grant, 0, BIG), 0);
	MUST(read_far(k, id, grant, FAR_OUT, BIG), 0);
	MUST(memcmp(p, p + FAR_OUT, BIG), 0);
	TRUE(p[FAR_OUT - 1] == 0x5a && p[FAR_OUT + BIG] == 0x5a);
	if (!outside(k, id, grant))
		return false;
	MUST(share(k, 0, 4096, &lent, &ro), 0);
	memset(lent, 0x17, 4096);
	MUST(case_make(k, k->dir, case_slice("lent"), 0100600, &small), 0);
	MUST(write_far(k, small, ro, 0, 4096), 0);
	MUST(read_far(k, small, ro, 0, 16), -VFS_MALFORMED);
	MUST(read_far(k, small, grant, 8, 4096), 0);
	MUST(memcmp(p + 8, lent, 4096), 0);
	MUST(unshare(k, grant), 0);
	MUST(unshare(k, grant), -VFS_INVAL);
	MUST(read_far(k, small, grant, 0, 16), -VFS_MALFORMED);
	MUST(unshare(k, ro), 0);
	return true;
}

/*
 * session_rights.c - what an operation needs
 *
 * One table: for each id field of a request, in order, the rights that
 * whatever it names must give; and what the session itself must have.
 * Rights that depend on the request's flags follow below it.  A field
 * that is only compared (within_compared) needs none.
 */
#include "session_in.h"

#define R(name)		VFS_RIGHT_##name
#define TREE_READ	(R(TRAVERSE) | R(ENUMERATE) | R(GETATTR) | R(READ) | \
	R(XATTR_R))

struct needs {
	uint32_t session, id[RUN_IDS];
};

static const struct needs table[VFS_OP_COUNT] = {
	[VFS_OP_LOOKUP] = { .id = { R(TRAVERSE) } },
	[VFS_OP_WALK] = { .id = { 0 } },	/* a name of it: see walk */
	[VFS_OP_LOOKUP_BATCH] = { .id = { R(TRAVERSE) } },
	[VFS_OP_CREATE] = { .id = { R(CREATE) } },
	[VFS_OP_TMPFILE] = { .id = { R(CREATE) } },
	[VFS_OP_LINK] = { .id = { R(LINK), R(LINK) } },
	[VFS_OP_UNLINK] = { .id = { R(DELETE) } },
	[VFS_OP_RENAME] = { .id = { R(RENAME), R(RENAME) } },
	[VFS_OP_PATHS_OF] = { .id = { R(GETATTR) | R(TRAVERSE) } },
	[VFS_OP_DIR_READ] = { .id = { R(ENUMERATE) } },
	[VFS_OP_DIR_FENCE] = { .id = { R(ENUMERATE) } },
	[VFS_OP_TREE_PUBLISH] = { .id = { R(RENAME), R(RENAME) } },
	[VFS_OP_TREE_REMOVE] = { .id = { R(DELETE) } },
	[VFS_OP_TREE_CLONE] = { .id = { R(CREATE), TREE_READ } },
	[VFS_OP_STAT] = { .id = { R(GETATTR) } },
	[VFS_OP_STAT_BATCH] = { .id = { R(GETATTR) } },
	[VFS_OP_SETATTR] = { .id = { R(SETATTR) } },
	[VFS_OP_ACCESS] = { .id = { R(GETATTR) } },
	[VFS_OP_READLINK] = { .id = { R(READ) } },
	[VFS_OP_STATFS] = { .id = { R(GETATTR) } },
	[VFS_OP_XATTR_GET] = { .id = { R(XATTR_R) } },
	[VFS_OP_XATTR_SET] = { .id = { R(XATTR_W) } },
	[VFS_OP_XATTR_LIST] = { .id = { R(XATTR_R) } },
	[VFS_OP_XATTR_REMOVE] = { .id = { R(XATTR_W) } },
	[VFS_OP_OPEN_ID] = { .session = R(OPEN_BY_ID) },
	[VFS_OP_READ] = { .id = { R(READ) } },
	[VFS_OP_READ_BATCH] = { .id = { R(READ) } },
	[VFS_OP_WRITE] = { .id = { R(WRITE) } },
	[VFS_OP_TRUNCATE] = { .id = { R(WRITE) } },
	[VFS_OP_ALLOCATE] = { .id = { R(WRITE) } },
	[VFS_OP_COPY_RANGE] = { .id = { R(READ), R(WRITE) } },
	[VFS_OP_SEEK] = { .id = { R(READ) } },
	[VFS_OP_SYNC] = { .id = { R(SYNC) } },
	[VFS_OP_MAP_EXTENTS] = { .id = { R(READ) } },
	[VFS_OP_HASH] = { .id = { R(READ) } },
	[VFS_OP_LOCK] = { .id = { R(LOCK) } },
	[VFS_OP_LOCK_TEST] = { .id = { R(LOCK) } },
	[VFS_OP_WAIT] = { .session = R(SYNC) },
	[VFS_OP_JOURNAL_POS] = { .session = R(WATCH) },
	[VFS_OP_JOURNAL_READ] = { .id = { R(WATCH) } },
	[VFS_OP_WATCH] = { .id = { R(WATCH) } },
	[VFS_OP_UNWATCH] = { .session = R(WATCH) },
	[VFS_OP_SETTLE] = { .session = R(WATCH) },
	[VFS_OP_TX_EXEC] = { .session = R(TX) },
	[VFS_OP_TX_BEGIN] = { .session = R(TX) },
	[VFS_OP_TX_ADD] = { .session = R(TX) },
	[VFS_OP_TX_COMMIT] = { .session = R(TX) },
	[VFS_OP_TX_ABORT] = { .session = R(TX) },
	[VFS_OP_TX_STATUS] = { .session = R(TX) },
	[VFS_OP_TX_SAVEPOINT] = { .session = R(TX) },
	[VFS_OP_TX_ROLLBACK_TO] = { .session = R(TX) },
	[VFS_OP_DERIVE] = { .session = R(DELEGATE) },
	[VFS_OP_GRANT] = { .session = R(ADMIN) },
	[VFS_OP_SESSIONS] = { .session = R(ADMIN) },
};

/* Who may not overwrite may still append. */
static uint32_t
write_needs(const struct vfs_write *q, uint32_t have)
{
	return (q->flags & VFS_WRITE_APPEND) && !(have & R(WRITE)) ?
	    R(APPEND) : R(WRITE);
}

static uint32_t
open_needs(const struct vfs_open *q, uint32_t have)
{
	uint32_t need = 0;

	if (q->flags & VFS_OPEN_READ)
		need |= R(READ);
	if (q->flags & VFS_OPEN_EXEC)
		need |= R(EXEC);
	if ((q->flags & VFS_OPEN_WRITE) && !(have & R(APPEND)))
		need |= R(WRITE);
	if (q->flags & VFS_OPEN_TRUNC)
		need |= R(WRITE);
	return need;
}

static uint32_t
setattr_needs(const struct vfs_setattr *q)
{
	uint32_t size = VFS_SET_SIZE | VFS_SET_KILL_SUIDGID, need = 0;

	if (q->valid & VFS_SET_SIZE)
		need |= R(WRITE);
	if ((q->valid & ~size) != 0 || need == 0)
		need |= R(SETATTR);
	return need;
}

/* Whatever has the new name is taken away. */
static uint32_t
rename_needs(uint32_t flags, unsigned n)
{
	bool keeps = (flags & (VFS_RENAME_NOREPLACE | VFS_RENAME_EXCHANGE)) &&
	    (flags & VFS_TREE_REPLACE) == 0;

	return n == 1 && !keeps ? R(DELETE) : 0;
}

uint32_t
rights_needed(enum vfs_op op, const void *q, unsigned n, uint32_t have)
{
	uint32_t need = table[op].id[n];

	switch (op) {
	case VFS_OP_WRITE:
		return write_needs(q, have);
	case VFS_OP_OPEN:
		return open_needs(q, have);
	case VFS_OP_SETATTR:
		return setattr_needs(q);
	case VFS_OP_RENAME:
		return need | rename_needs(((const struct vfs_rename *)
		    q)->flags, n);
	case VFS_OP_TREE_PUBLISH:
		return need | rename_needs(((const struct vfs_tree_publish *)
		    q)->flags, n);
	case VFS_OP_CREATE:	/* else it tells what is there */
		return need | (((const struct vfs_create *)q)->flags &
		    VFS_CREATE_EXCL ? 0 : R(TRAVERSE));
	case VFS_OP_DIR_READ:
		return need | (((const struct vfs_dir_read *)q)->want &
		    VFS_WANT_ATTR ? R(GETATTR) : 0);
	default:
		return need;
	}
}

uint32_t
rights_of_session(enum vfs_op op)
{
	return table[op].session;
}

uint32_t
rights_bytes(enum vfs_op op, const void *q, unsigned n)
{
	const struct vfs_setattr *set = q;

	switch (op) {
	case VFS_OP_READ:
	case VFS_OP_READ_BATCH:
	case VFS_OP_SEEK:
	case VFS_OP_MAP_EXTENTS:
	case VFS_OP_HASH:
	case VFS_OP_DIR_READ:
	case VFS_OP_DIR_FENCE:
		return VFS_OPEN_READ;
	case VFS_OP_WRITE:
	case VFS_OP_TRUNCATE:
	case VFS_OP_ALLOCATE:
		return VFS_OPEN_WRITE;
	case VFS_OP_SETATTR:
		return (set->valid & ~(VFS_SET_SIZE | VFS_SET_KILL_SUIDGID))
		    == 0 ? VFS_OPEN_WRITE : 0;
	case VFS_OP_COPY_RANGE:
		return n == 0 ? VFS_OPEN_READ : VFS_OPEN_WRITE;
	default:
		return 0;
	}
}

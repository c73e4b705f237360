/*
 * rights.h - what a session or a handle may do
 *
 * Effective are the session's rights and the handle's, and, where the
 * session carries a user, what the modes allow that user.  Rights only
 * ever shrink: DUP, DERIVE and opening mask them.
 */
#ifndef VFS_RIGHTS_H
#define VFS_RIGHTS_H

/* RIGHT(bit, NAME, letter or word of vfsctl grant, what it allows) */
#define VFS_RIGHTS(RIGHT) \
	RIGHT(0x000001u, TRAVERSE, "traverse", "look names up") \
	RIGHT(0x000002u, ENUMERATE, "enumerate", "list directories") \
	RIGHT(0x000004u, GETATTR, "getattr", "read attributes") \
	RIGHT(0x000008u, READ, "read", "read bytes and link targets") \
	RIGHT(0x000010u, WRITE, "write", "change bytes") \
	RIGHT(0x000020u, APPEND, "append", "write at the end only") \
	RIGHT(0x000040u, SETATTR, "setattr", "change attributes") \
	RIGHT(0x000080u, CREATE, "create", "make objects") \
	RIGHT(0x000100u, DELETE, "delete", "take names away") \
	RIGHT(0x000200u, RENAME, "rename", "rename and move") \
	RIGHT(0x000400u, LINK, "link", "make further names") \
	RIGHT(0x000800u, XATTR_R, "xattr_r", "read extended attributes") \
	RIGHT(0x001000u, XATTR_W, "xattr_w", "change extended attributes") \
	RIGHT(0x002000u, EXEC, "exec", "open for execution") \
	RIGHT(0x004000u, LOCK, "lock", "lock ranges") \
	RIGHT(0x008000u, WATCH, "watch", "read the journal, watch") \
	RIGHT(0x010000u, TX, "tx", "transactions") \
	RIGHT(0x020000u, SYNC, "sync", "flush, wait for durability") \
	RIGHT(0x040000u, OPEN_BY_ID, "open_by_id", "name objects by id") \
	RIGHT(0x080000u, DELEGATE, "delegate", "derive and revoke tokens") \
	RIGHT(0x100000u, PROVIDE, "provide", "supply content") \
	RIGHT(0x200000u, ADMIN, "admin", "status, check, grants, sessions")

enum vfs_right {
#define RIGHT(bit, NAME, word, text) VFS_RIGHT_##NAME = bit,
	VFS_RIGHTS(RIGHT)
#undef RIGHT
	VFS_RIGHTS_ALL = 0x3fffffu,
};

#endif

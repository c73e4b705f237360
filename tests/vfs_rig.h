/*
 * vfs_rig.h - a store in memory, a daemon's wire front, and a client
 *
 * The daemon's part runs in threads of this process, on a unix socket in
 * a directory of its own.
 */
#ifndef TESTS_VFS_RIG_H
#define TESTS_VFS_RIG_H

#include "../libvfs/vfs.h"
#include "fx.h"
#include "scratch.h"

struct wire;
struct sessions;

struct vfs_rig {
	struct fx *fx;
	struct server *server;
	struct sessions *sessions;
	struct scratch dir;
	struct wire *wire;
	struct vfs *v;			/* connected to dir.path */
};

/* For cmocka. */
int vfs_rig_setup(void **state);
int vfs_rig_teardown(void **state);

/* The daemon ends; it starts on what the store held then. */
void vfs_rig_stop(struct vfs_rig *r);
void vfs_rig_start(struct vfs_rig *r);

/* One more client. */
struct vfs *vfs_rig_peer(struct vfs_rig *r, const struct vfs_conf *conf);

/* A directory of the root's and so many files in it: "f0", "f1". */
void vfs_rig_pack(struct vfs_pack *p, const char *name, unsigned files);

#define VFS_RIG_ROOT	((struct vfs_id){ VFS_ID_ROOT })
#define VFS_TEST(f) \
	cmocka_unit_test_setup_teardown(f, vfs_rig_setup, vfs_rig_teardown)

#endif

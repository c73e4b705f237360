/*
 * mount.h - putting a FUSE session at a path, and taking it away
 *
 * mount(2) where we may (root, or the owner of a user namespace), else
 * the set-uid helper fusermount3.  The launcher does this; the process
 * that serves requests never needs to.
 *
 * Threads:   one.
 * Failure:   -1 with one line in why.
 */
#ifndef VFSD_MOUNT_H
#define VFSD_MOUNT_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MOUNT_TYPE	"fuse.vfsd"

struct mount {
	char path[PATH_MAX];
	bool helper;			/* fusermount3 mounted it */
	unsigned dev_major, dev_minor;
	uint64_t id;			/* never given again; 0: not known */
};

struct mount_conf {
	const char *source, *path;	/* both shown by mount(8) */
	unsigned long flags;		/* MS_* */
	bool allow_other;
	bool own_checks;		/* no default_permissions */
};

/* The session's descriptor in *fd. */
int mount_attach(const struct mount_conf *conf, struct mount *out, int *fd,
    char *why, size_t cap);

/*
 * Wherever it is, and every copy of it that we see.  0, also if it is gone or
 * only a copy is left; 1: busy (not when lazy); -1: nothing was taken away.
 * Before Linux 6.8 only where it was put, and once the session has ended it
 * may be another's that has its place and number.
 */
int mount_detach(const struct mount *m, bool lazy, char *why, size_t cap);

/* Asks the filesystem at path something: 0, an errno, or ETIMEDOUT if it
 * says nothing for MOUNT_SILENT_MS. */
#define MOUNT_SILENT_MS	5000u
int mount_ask(const char *path);

/* Is it still there, without a session? */
bool mount_is_dead(const struct mount *m);

/* Ends the session: everybody who waits for an answer gets an error, and
 * the mount goes.  false: we may not. */
bool mount_abort(const struct mount *m);

/* Answers what comes at fd with an error, until until is readable or the
 * session ends. */
void mount_answer(int fd, int until);

/* Another descriptor for the same session, to be read by its own thread. */
int mount_clone(int fd);

/* What is mounted on path now, on top: 1 and its type, or 0. */
int mount_type_at(const char *path, char *type, size_t cap);

/* Take away the mount of a dead daemon. */
int mount_clear(const char *path, char *why, size_t cap);

#endif

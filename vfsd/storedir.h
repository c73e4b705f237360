/*
 * storedir.h - a store's directory: recognized, locked, made
 *
 * A store is a directory with a small text file, STOREDIR_MARK, that says
 * what it is.  The mark is the first thing that is written into a new
 * store, as "state new", and says "state ready" only when everything else
 * is on the disk: a store whose making was cut short holds nothing that
 * was ever acknowledged and is made again.
 *
 * Whoever works on a store, the daemon or an offline check, holds an
 * exclusive flock on the directory.
 */
#ifndef VFSD_STOREDIR_H
#define VFSD_STOREDIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STOREDIR_MARK	"vfsd-store"
#define STOREDIR_FORMAT	2

struct storedir {
	int fd;				/* the directory, locked */
	bool made;			/* we made the directory */
	bool fresh;			/* there is no store in it yet */
};

/*
 * 0, or -1 with one line (it names path and says what to do) in why.  Without
 * create root has become the store's owner for good, before anything in it
 * was opened: what lies there is the owner's, links included.  Who creates
 * does that himself, in the process that opens the store.
 */
int storedir_open(const char *path, bool create, bool rdonly,
    struct storedir *out, char *why, size_t cap);
void storedir_close(struct storedir *d);
int storedir_become_owner(int dirfd, char *why, size_t cap);

/* Before and after the engine makes its files; -1 with errno. */
int storedir_begin(struct storedir *d);
int storedir_ready(struct storedir *d, const uint8_t uuid[16]);
/* The making failed: leave nothing behind. */
void storedir_undo(struct storedir *d, const char *path);

#endif

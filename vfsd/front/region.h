/*
 * region.h - memory that a peer shares with us
 *
 * Only what cannot be taken away again is mapped: a memfd that is sealed
 * against shrinking, of ordinary pages.  Then no access can fault, whatever
 * the peer does.  What it holds may change between any two loads: copy out
 * once, then look.
 */
#ifndef FRONT_REGION_H
#define FRONT_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct region {
	uint8_t *p;
	size_t n;
};

/* Maps n bytes from the start; fd is borrowed.  -VFS_INVAL: not sealed, no
 * memfd, shorter; -VFS_ACCESS: not writable, but it has to be. */
int region_map(int fd, uint64_t n, bool write, struct region *out);
void region_unmap(struct region *r);

#endif

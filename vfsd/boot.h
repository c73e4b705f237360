/*
 * boot.h - which boot of the host this is: the kernel makes a new id at each
 *
 * Drafts in the log count only if they were written under the same one.
 */
#ifndef VFSD_BOOT_H
#define VFSD_BOOT_H

#include <stdint.h>

/* Zeroes if the kernel does not say. */
void boot_id(uint64_t out[2]);

#endif

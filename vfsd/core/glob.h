/*
 * glob.h - patterns for names
 *
 * "*" is any bytes, "?" one character (of UTF-8, or a byte that is none),
 * "[a-z]" one byte of a set, "[!a-z]" one that is not; "\" takes the next
 * as it is.  A leading dot is nothing special.  A "[" without its end is
 * itself.  Takes time in proportion to both lengths, whatever they say.
 */
#ifndef CORE_GLOB_H
#define CORE_GLOB_H

#include "../../protocol/types.h"

bool glob_match(struct vfs_slice pattern, struct vfs_slice name);

#endif

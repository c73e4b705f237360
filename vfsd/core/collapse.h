/*
 * collapse.h - a page of change records as one difference
 *
 * What an object went through within the page becomes what it came to:
 *   - changes of content and attributes go into a record of the object's
 *     names, if the page has one, which has the newest versions; among
 *     themselves DATA stands before XATTR before META;
 *   - a name that was made and then moved was made where it ended up; one
 *     that moved twice moved once; one that moved and went, went from
 *     where it was;
 *   - what was made and went is not there at all.
 * A record stands where the first change in it did, and has that position.
 * Whoever keeps (directory, name) -> id, and takes a name away only if it
 * still stands for the record's object, gets the same tree.  Versions of
 * directories, which follow from names, are not told.
 * Names of objects that have several, and trees that come or go whole, or
 * enter or leave, are told as it happened, and no name from before them is
 * folded with one behind.
 */
#ifndef CORE_COLLAPSE_H
#define CORE_COLLAPSE_H

#include "../../protocol/records.h"

struct collapse;

/* max: records that will be added; room: bytes that they may take. */
int collapse_new(size_t max, size_t room, struct collapse **out);
void collapse_free(struct collapse *c);	/* NULL is fine */

/* Its names are borrowed until the end.  many: the object has, or had,
 * several.  -VFS_TOO_BIG: no room. */
int collapse_add(struct collapse *c, const struct proto_change *x,
    bool many);
int collapse_end(struct collapse *c, struct proto_list *out);

#endif

/*
 * hash.h - of bytes, as HASH and tokens have them
 *
 * Threads: a struct hash belongs to one.
 */
#ifndef VFSD_HASH_H
#define VFSD_HASH_H

#include "../../protocol/types.h"

#define HASH_MAX	32u		/* bytes of the longest */

struct hash;

/* alg: VFS_HASH_*.  -VFS_INVAL: not known; -VFS_NOMEM. */
int hash_new(uint32_t alg, struct hash **out);
void hash_free(struct hash *h);		/* NULL is fine */
void hash_add(struct hash *h, const void *p, size_t n);
/* How many bytes it has. */
size_t hash_end(struct hash *h, uint8_t out[HASH_MAX]);
/* The same without having hashed: 0 if alg is not known. */
size_t hash_size(uint32_t alg);

void hash_sha256(const void *p, size_t n, uint8_t out[HASH_MAX]);

/* Equal, in time that tells nothing of where they differ? */
bool hash_same(const uint8_t *a, const uint8_t *b, size_t n);

#endif

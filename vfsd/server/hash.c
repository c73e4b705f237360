#include <sha2.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "../../protocol/proto.h"
#include "hash.h"

struct hash {
	uint32_t alg;
	SHA2_CTX sha;
	XXH3_state_t *xxh;
};

size_t
hash_size(uint32_t alg)
{
	switch (alg) {
	case VFS_HASH_SHA256:
		return SHA256_DIGEST_LENGTH;
	case VFS_HASH_XXH3_128:
		return sizeof(XXH128_canonical_t);
	default:
		return 0;
	}
}

int
hash_new(uint32_t alg, struct hash **out)
{
	struct hash *h;

	if (hash_size(alg) == 0)
		return -VFS_INVAL;
	if ((h = calloc(1, sizeof *h)) == NULL)
		return -VFS_NOMEM;
	h->alg = alg;
	if (alg == VFS_HASH_SHA256) {
		SHA256Init(&h->sha);
	} else if ((h->xxh = XXH3_createState()) == NULL) {
		free(h);
		return -VFS_NOMEM;
	} else {
		XXH3_128bits_reset(h->xxh);
	}
	*out = h;
	return 0;
}

void
hash_free(struct hash *h)
{
	if (h == NULL)
		return;
	XXH3_freeState(h->xxh);
	free(h);
}

void
hash_add(struct hash *h, const void *p, size_t n)
{
	if (h->alg == VFS_HASH_SHA256)
		SHA256Update(&h->sha, p, n);
	else
		XXH3_128bits_update(h->xxh, p, n);
}

size_t
hash_end(struct hash *h, uint8_t out[HASH_MAX])
{
	XXH128_canonical_t c;

	if (h->alg == VFS_HASH_SHA256) {
		SHA256Final(out, &h->sha);
		return SHA256_DIGEST_LENGTH;
	}
	XXH128_canonicalFromHash(&c, XXH3_128bits_digest(h->xxh));
	memcpy(out, &c, sizeof c);
	return sizeof c;
}

void
hash_sha256(const void *p, size_t n, uint8_t out[HASH_MAX])
{
	SHA2_CTX sha;

	SHA256Init(&sha);
	SHA256Update(&sha, p, n);
	SHA256Final(out, &sha);
}

bool
hash_same(const uint8_t *a, const uint8_t *b, size_t n)
{
	uint8_t diff = 0;
	size_t i;

	for (i = 0; i < n; i++)
		diff |= a[i] ^ b[i];
	return diff == 0;
}

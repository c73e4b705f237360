/*
 * log_fx.h - a history backend, and what its suites ask of it
 */
#ifndef CONTRACT_LOG_FX_H
#define CONTRACT_LOG_FX_H

#define CONTRACT	log
#define SIZE		LOG_SIZE_MIN
#define OPEN(ops, dirfd, create, rdonly, b) \
	(ops)->open(dirfd, create, rdonly, (create) ? SIZE : 0, b)

#include "fixture.h"

/* n bytes that depend on their position only. */
static inline void
pattern(unsigned char *p, uint64_t pos, size_t n)
{
	while (n-- > 0) {
		*p++ = (unsigned char)((pos * 0x9e3779b97f4a7c15u) >> 56);
		pos++;
	}
}

static inline void
append_pattern(struct fx *fx, uint64_t pos, size_t n)
{
	unsigned char *p = malloc(n + 1);

	pattern(p, pos, n);
	assert_int_equal(fx->ops->append(fx->b, pos, p, n), 0);
	free(p);
}

static inline void
assert_pattern(struct fx *fx, uint64_t pos, size_t n)
{
	unsigned char *want = malloc(n + 1), *got = malloc(n + 1);

	pattern(want, pos, n);
	assert_int_equal(fx->ops->read(fx->b, pos, got, n), 0);
	assert_memory_equal(got, want, n);
	free(want);
	free(got);
}

static inline void
assert_head(struct fx *fx, const char *want)
{
	char got[LOG_HEAD_MAX];
	size_t n;

	assert_int_equal(fx->ops->head_get(fx->b, got, sizeof got, &n), 0);
	assert_int_equal(n, strlen(want));
	assert_memory_equal(got, want, n);
}

static inline void
put_head(struct fx *fx, const char *head)
{
	assert_int_equal(fx->ops->head_put(fx->b, head, strlen(head)), 0);
}

#endif

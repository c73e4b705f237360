/*
 * The four functions that compilers and protocol/ want from every host.
 * Built with -fno-builtin -fno-tree-loop-distribute-patterns, or they would
 * become calls of themselves.
 */
#include <stdint.h>

#include "../../protocol/mem.h"

void *
memcpy(void *restrict to, const void *restrict from, size_t n)
{
	uint8_t *t = to;
	const uint8_t *f = from;

	while (n-- > 0)
		*t++ = *f++;
	return to;
}

void *
memmove(void *to, const void *from, size_t n)
{
	uint8_t *t = to;
	const uint8_t *f = from;

	if ((uintptr_t)t <= (uintptr_t)f)
		return memcpy(to, from, n);
	while (n-- > 0)
		t[n] = f[n];
	return to;
}

void *
memset(void *p, int byte, size_t n)
{
	uint8_t *t = p;

	while (n-- > 0)
		*t++ = (uint8_t)byte;
	return p;
}

int
memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;

	for (; n > 0; n--, x++, y++)
		if (*x != *y)
			return *x < *y ? -1 : 1;
	return 0;
}

/*
 * mem.h - the only functions from outside that the codec uses
 *
 * Declared here because a freestanding host need not have string.h;
 * compilers want these four from every host anyway.
 */
#ifndef PROTO_MEM_H
#define PROTO_MEM_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *p, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);

#ifdef __cplusplus
}
#endif

#endif

/*
 * sum.h - checksums: XXH3 with 64 bits
 *
 * Of long inputs with the widest vectors that the processor has; the
 * numbers are the same.
 */
#ifndef CORE_SUM_H
#define CORE_SUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint64_t sum_bytes(const void *p, size_t n, uint64_t seed);

/* sum_wide.c: the same with AVX2, if it was built with it. */
uint64_t sum_bytes_wide(const void *p, size_t n, uint64_t seed);
extern const bool sum_wide_built;

#endif

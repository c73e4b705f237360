/*
 * cases.h - run a suite's cases on one backend after the other
 */
#ifndef CONTRACT_CASES_H
#define CONTRACT_CASES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#define CASES_MAX	64

struct contract_case {
	struct CMUnitTest test;
	bool disk;		/* says something of a disk only */
};

#define CASE(f)		{ { #f, f, setup, teardown, NULL }, false }
#define CASE_DISK(f)	{ { #f, f, setup, teardown, NULL }, true }
#define CASE_ON(fs, f)	{ { #f, f, setup_##fs, teardown, NULL }, true }

/* The number of cases that failed; ops is their initial state. */
static inline int
cases_run(const char *what, const char *name, const void *ops, bool disk,
    const struct contract_case *c, size_t n)
{
	struct CMUnitTest t[CASES_MAX];
	size_t i, m = 0;

	for (i = 0; i < n && m < CASES_MAX; i++) {
		if (c[i].disk && !disk)
			continue;
		t[m] = c[i].test;
		t[m++].initial_state = (void *)ops;
	}
	printf("# %s backend %s\n", what, name);
	fflush(stdout);
	return _cmocka_run_group_tests(name, t, m, NULL, NULL);
}

#endif

/* cm.h - cmocka, which wants others before it, and the fixture. */
#ifndef TESTS_CM_H
#define TESTS_CM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "fault.h"
#include "fx.h"

/* Shown by name: "EXIST" says more than -4. */
#define assert_err(got, want) \
	assert_string_equal(vfs_err_name(got), #want)

#define assert_time_equal(a, b) do { \
	assert_int_equal((a).sec, (b).sec); \
	assert_int_equal((a).nsec, (b).nsec); \
} while (0)

/* A test on a fresh store. */
#define FX_TEST(f)	cmocka_unit_test_setup_teardown(f, fx_setup, fx_teardown)

#endif

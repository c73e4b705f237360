/*
 * fault.h - let the n-th call to what may fail, fail
 *
 * Counted, in this thread and while armed: calls of the mem backends
 * through fault_store, fault_log, fault_data, and memory requests of our
 * code (malloc and friends, mmap; see the Makefile's --wrap).
 *
 *	for (n = 0; ; n++) {
 *		fault_arm(n, -VFS_IO);
 *		err = the operation;
 *		if (!fault_disarm())
 *			break;		... there are only n calls
 *		... err must be negative, and nothing have changed
 *	}
 */
#ifndef TESTS_FAULT_H
#define TESTS_FAULT_H

#include "../backends/backends.h"

extern const struct store_ops fault_store;
extern const struct log_ops fault_log;
extern const struct data_ops fault_data;

/* The n-th call from now on fails with err (memory: with NULL). */
void fault_arm(unsigned n, int err);

/* From the n-th call on everything fails. */
void fault_arm_forever(unsigned n, int err);

/* Calls since it was armed, as long as nothing has failed. */
unsigned fault_calls(void);

/* Stop; true if something failed. */
bool fault_disarm(void);

/* What failed, for messages: "store get", "malloc". */
const char *fault_what(void);

#endif

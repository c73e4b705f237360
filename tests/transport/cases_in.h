/*
 * cases_in.h - what the files of the cases share
 */
#ifndef TRANSPORT_CASES_IN_H
#define TRANSPORT_CASES_IN_H

#include "cases.h"

/* In a case: this call gives that, or the case has failed here. */
#define MUST(call, result) do { \
	int got_ = (call); \
	if (got_ != (result)) \
		return case_failed(k, __LINE__, got_, (result)); \
} while (0)
#define TRUE(what)	MUST((what) ? 1 : 0, 1)

bool case_failed(struct cases *k, unsigned line, int got, int want);
int case_make(struct cases *k, struct vfs_id dir, struct vfs_slice name,
    uint32_t mode, struct vfs_id *id);

bool case_big_file(struct cases *k);
bool case_granted(struct cases *k);

#endif

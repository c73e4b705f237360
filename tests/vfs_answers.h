/*
 * vfs_answers.h - a good reply to any request, whatever it asked
 *
 * For tests that play the daemon to a client.
 */
#ifndef TESTS_VFS_ANSWERS_H
#define TESTS_VFS_ANSWERS_H

#include "../protocol/codec.h"

/* The same numbers and names in all fields of both. */
void vfs_answer_fill(enum vfs_op op, union proto_req *q,
    union proto_rep *r);

/* Its length; 0: it has no room. */
size_t vfs_answer(uint8_t *p, size_t cap, enum vfs_op op, uint64_t req_id);

#endif

/*
 * hash_file.h - the hash of one version of a file's content
 *
 * Threads:   any.
 * Failure:   0 or a negative vfs_err; -VFS_BUSY: it was written to all the
 *            time; -VFS_TX_LIMIT: it has more bytes than there may be.
 */
#ifndef VFSD_HASH_FILE_H
#define VFSD_HASH_FILE_H

#include "dispatch.h"
#include "hash.h"

/* Where it is read: STAT and READ are run by this. */
struct hash_source {
	struct server *server;
	bool publishes;			/* drafts: not in a transaction */
	int (*run)(void *arg, enum vfs_op op, const void *q, void *r);
	void *arg;
	int (*stop)(void *arg);		/* now and then; NULL: never */
	void *stop_arg;
	uint64_t max;			/* bytes; 0: any number of them */
};

struct hash_result {
	uint64_t data_version, size;
	uint8_t hash[HASH_MAX];
	size_t n;
};

int hash_file(const struct hash_source *src, struct vfs_id id, uint32_t alg,
    struct hash_result *out);

/* What a precondition p says, by the dispatcher, as env's user; no more
 * than max bytes. */
int hash_file_as(struct server *s, const struct req_env *env,
    const struct vfs_tx_pre *p, uint64_t max, struct hash_result *out);

#endif

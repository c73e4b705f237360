/*
 * visible.h - parts of "probe visible"
 */
#ifndef E2E_VISIBLE_H
#define E2E_VISIBLE_H

#include <sys/stat.h>

#include "vfp.h"

/* A directory seen both ways. */
struct both {
	struct vfp c;
	const char *store, *mnt;
	struct vfs_id dir;
	int dfd;
};

void both_open(struct both *b, const char *store, const char *mnt,
    const char *name);
void both_close(struct both *b);
void wire_setattr(struct both *b, struct vfs_id id, uint32_t valid,
    uint32_t mode, int64_t mtime);
uint64_t clock_ns(void);

int visible_rounds(struct both *b, unsigned long n);
/* apart: commits go where no reader looks, to compare times. */
int visible_readers(struct both *b, unsigned ms, unsigned threads,
    bool apart);
int visible_cost(struct both *b);
int visible_bulk(struct both *b, unsigned ms);
int visible_rules(struct both *b);
int visible_trees(struct both *b, unsigned ms, unsigned threads);
int visible_own(struct both *b, unsigned ms, unsigned threads,
    const char *how);
int visible_first(struct both *b, unsigned ms, unsigned threads);
int visible_open(struct both *b, unsigned ms);

#endif

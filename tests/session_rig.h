/*
 * session_rig.h - sessions over a store in memory
 *
 * Calls copy the request, lend room for the reply's bytes (good until the
 * next call) and return 0 or a negative vfs_err.
 */
#ifndef TESTS_SESSION_RIG_H
#define TESTS_SESSION_RIG_H

#include "../protocol/codec.h"
#include "../vfsd/server/session.h"
#include "tx_rig.h"

#define SRIG_OWNER	1000u		/* whose the store is */
#define SRIG_ROOM	(1u << 20)

struct srig {
	struct rig *r;
	struct server *s;
	struct sessions *ss;
	struct session *own;		/* the owner's, by identity */
	struct proto_error e;		/* of the last call */
	uint8_t *room;			/* of the last reply's bytes */
	size_t cap;			/* of each BUF lent; SRIG_ROOM / 4 */
	struct proto_list entries;	/* its sink's */
	uint64_t tx;			/* calls run in it; 0: none */
};

struct srig *srig_open(void);
void srig_close(struct srig *x);
int srig_setup(void **state);
int srig_teardown(void **state);
#define S_TEST(f)	cmocka_unit_test_setup_teardown(f, srig_setup, \
	srig_teardown)
/* Sessions end, the daemon is killed and comes back. */
void srig_restart(struct srig *x);

/* By identity; asserts. */
struct session *srig_user(struct srig *x, uint32_t uid, uint32_t gid);
void srig_end(struct session *s);
/* By a token of that directory and those rights (0: all); asserts. */
struct session *srig_token(struct srig *x, struct vfs_id root,
    uint32_t rights);

int srig_run(struct srig *x, struct session *s, enum vfs_op op,
    const void *q, void *rep);

/* The same for several threads at once: nothing is copied or lent. */
int srig_call(struct session *s, enum vfs_op op, union proto_req *q,
    union proto_rep *r, uint64_t tx);

/* Handles, and what is done with ids or handles. */
int s_walk(struct srig *x, struct session *s, struct vfs_id dir,
    const char *path, uint32_t rights, uint64_t *h);
int s_open(struct srig *x, struct session *s, struct vfs_id id,
    uint32_t flags, uint64_t *h);
int s_close(struct srig *x, struct session *s, uint64_t h);
int s_create(struct srig *x, struct session *s, struct vfs_id dir,
    const char *name, uint32_t mode, struct vfs_id *id);
int s_lookup(struct srig *x, struct session *s, struct vfs_id dir,
    const char *name, struct vfs_id *id);
int s_unlink(struct srig *x, struct session *s, struct vfs_id dir,
    const char *name);
int s_rename(struct srig *x, struct session *s, struct vfs_id dir,
    const char *name, struct vfs_id dir2, const char *name2);
int s_stat(struct srig *x, struct session *s, struct vfs_id id,
    struct vfs_attr *a);
int s_write(struct srig *x, struct session *s, struct vfs_id id,
    uint64_t off, const char *text, uint32_t flags);
/* What was read stands in x->room. */
int64_t s_read(struct srig *x, struct session *s, struct vfs_id id,
    uint64_t off, uint32_t n);

static inline struct vfs_id
H(uint64_t handle)
{
	return (struct vfs_id){ handle };
}

#endif

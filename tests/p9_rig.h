/*
 * p9_rig.h - a store in memory, the 9P front over it, and a client
 *
 * The client has attached at the root with fid P9C_ROOT, as this process,
 * unless it is a bare one.
 */
#ifndef TESTS_P9_RIG_H
#define TESTS_P9_RIG_H

#include "../vfsd/front/p9_in.h"
#include "p9c.h"
#include "tx_rig.h"

#define P9_RIG_MSIZE	65536u

struct p9_rig {
	struct rig *r;
	struct p9 *p;
	struct p9c *c;
};

int p9_rig_setup(void **state);
int p9_rig_teardown(void **state);

/* One more connection: bare, or attached at aname. */
struct p9c *p9_rig_bare(struct p9_rig *k);
struct p9c *p9_rig_client(struct p9_rig *k, const char *aname);
/* A connection of somebody else: uid, and may it act for anybody? */
struct p9c *p9_rig_user(struct p9_rig *k, uint32_t uid, bool anybody);

/* The bytes of name below the root, and how many. */
int p9_rig_put(struct p9c *c, const char *name, const void *p, uint32_t n);

#define P9_TEST(f) \
	cmocka_unit_test_setup_teardown(f, p9_rig_setup, p9_rig_teardown)

#endif

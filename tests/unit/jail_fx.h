/*
 * jail_fx.h - a directory that is a session's root, and what lies outside
 */
#ifndef TESTS_UNIT_JAIL_FX_H
#define TESTS_UNIT_JAIL_FX_H

#include "../session_rig.h"

#define FILE_MODE	0100644u
#define DIR_MODE	0040755u

/* /jail with sub/f and f; /out with f and secret. */
struct tree {
	struct vfs_id jail, sub, subf, f, out, outf;
};

static inline struct session *
plant(struct srig *x, struct tree *t)
{
	assert_err(s_create(x, x->own, ROOT, "jail", DIR_MODE, &t->jail),
	    OK);
	assert_err(s_create(x, x->own, t->jail, "sub", DIR_MODE, &t->sub),
	    OK);
	assert_err(s_create(x, x->own, t->sub, "f", FILE_MODE, &t->subf),
	    OK);
	assert_err(s_create(x, x->own, t->jail, "f", FILE_MODE, &t->f), OK);
	assert_err(s_create(x, x->own, ROOT, "out", DIR_MODE, &t->out), OK);
	assert_err(s_create(x, x->own, t->out, "f", FILE_MODE, &t->outf),
	    OK);
	return srig_token(x, t->jail, 0);
}

#endif

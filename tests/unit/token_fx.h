/*
 * token_fx.h - tokens of a session rig: given, weakened, used, taken back
 */
#ifndef TESTS_UNIT_TOKEN_FX_H
#define TESTS_UNIT_TOKEN_FX_H

#include "../session_rig.h"

struct tok {
	uint64_t number;
	uint32_t rights;
	struct vfs_time expires;
	uint8_t bytes[VFS_TOKEN_BYTES];
};

static inline int
grant(struct srig *x, struct session *s, struct vfs_grant q, struct tok *t)
{
	struct vfs_grant_reply r;
	int err = srig_run(x, s, VFS_OP_GRANT, &q, &r);

	*t = (struct tok){ 0 };
	if (err < 0)
		return err;
	assert_int_equal(r.token.n, VFS_TOKEN_BYTES);
	*t = (struct tok){ r.number, r.rights, r.expires, { 0 } };
	memcpy(t->bytes, r.token.p, sizeof t->bytes);
	return 0;
}

static inline int
derive(struct srig *x, struct session *s, struct vfs_derive q, struct tok *t)
{
	struct vfs_derive_reply r;
	int err = srig_run(x, s, VFS_OP_DERIVE, &q, &r);

	*t = (struct tok){ 0 };
	if (err < 0)
		return err;
	*t = (struct tok){ r.number, r.rights, r.expires, { 0 } };
	memcpy(t->bytes, r.token.p, sizeof t->bytes);
	return 0;
}

static inline int
attach(struct srig *x, const struct tok *t, struct session **s,
    struct vfs_attach_reply *r)
{
	struct session_who who = { .transport = "tcp" };
	struct vfs_attach q = { .token = { t->bytes, sizeof t->bytes } };

	return session_attach(x->ss, &who, &q, s, r);
}

static inline int
revoke(struct srig *x, struct session *s, const struct tok *t, uint32_t *n)
{
	struct vfs_revoke q = { .number = t->number };
	struct vfs_revoke_reply r;
	int err = srig_run(x, s, VFS_OP_REVOKE, &q, &r);

	if (err == 0 && n != NULL)
		*n = r.revoked;
	return err;
}

#endif

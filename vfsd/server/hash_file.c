#include <stdlib.h>

#include "hash_file.h"

#define CHUNK		(256u << 10)
#define TRIES_MAX	8u

/* What was written so far gets its version. */
static int
look(const struct hash_source *src, struct vfs_id id, struct vfs_attr *a)
{
	struct vfs_stat q = { .id = id };
	struct vfs_stat_reply r;
	int err;

	if (src->publishes)
		server_released(src->server, id);
	if ((err = src->run(src->arg, VFS_OP_STAT, &q, &r)) < 0)
		return err;
	*a = r.attr;
	switch (VFS_MODE_TYPE(a->mode)) {
	case VFS_REG:
		return 0;
	case VFS_DIR:
		return -VFS_ISDIR;
	default:
		return -VFS_INVAL;
	}
}

static int
read_all(const struct hash_source *src, struct vfs_id id, struct hash *h,
    uint8_t *buf)
{
	struct vfs_read q = { .id = id, .count = CHUNK };
	struct vfs_read_reply r;
	int err;

	do {
		if (src->stop != NULL &&
		    (err = src->stop(src->stop_arg)) < 0)
			return err;
		r.data = (struct vfs_buf){ buf, CHUNK, 0 };
		if ((err = src->run(src->arg, VFS_OP_READ, &q, &r)) < 0)
			return err;
		hash_add(h, buf, r.data.n);
		q.off += r.data.n;
	} while (!r.eof && r.data.n > 0);
	return 0;
}

/* 1: it is another version by now. */
static int
try_once(const struct hash_source *src, struct vfs_id id, uint32_t alg,
    uint8_t *buf, struct hash_result *out)
{
	struct vfs_attr before, after;
	struct hash *h;
	int err;

	if ((err = look(src, id, &before)) < 0)
		return err;
	if (src->max != 0 && before.size > src->max)
		return -VFS_TX_LIMIT;
	if ((err = hash_new(alg, &h)) < 0)
		return err;
	if ((err = read_all(src, id, h, buf)) == 0 &&
	    (err = look(src, id, &after)) == 0) {
		out->data_version = after.data_version;
		out->size = after.size;
		out->n = hash_end(h, out->hash);
		err = after.data_version != before.data_version;
	}
	hash_free(h);
	return err;
}

int
hash_file(const struct hash_source *src, struct vfs_id id, uint32_t alg,
    struct hash_result *out)
{
	uint8_t *buf;
	unsigned i;
	int err = 1;

	if (hash_size(alg) == 0)
		return -VFS_INVAL;
	if ((buf = malloc(CHUNK)) == NULL)
		return -VFS_NOMEM;
	for (i = 0; err == 1 && i < TRIES_MAX; i++)
		err = try_once(src, id, alg, buf, out);
	free(buf);
	return err == 1 ? -VFS_BUSY : err;
}

struct as {
	struct server *s;
	const struct req_env *env;
};

static int
run_as(void *arg, enum vfs_op op, const void *q, void *r)
{
	const struct as *a = arg;

	return dispatch(a->s, op, a->env, q, r);
}

int
hash_file_as(struct server *s, const struct req_env *env,
    const struct vfs_tx_pre *p, uint64_t max, struct hash_result *out)
{
	struct as a = { s, env };
	struct hash_source src = { .server = s, .publishes = true,
		.run = run_as, .arg = &a, .stop = env->stop,
		.stop_arg = env->stop_arg, .max = max };

	return hash_file(&src, p->id, (uint32_t)p->a, out);
}

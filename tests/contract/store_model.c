/*
 * Every row backend keeps store.h: random operations, against a model.
 */
#include "../../protocol/limits.h"
#include "store_fx.h"

/* --- model --------------------------------------------------------- */

#define MODEL_KEYS	600
#define MODEL_SNAPS	4
#define MODEL_STEPS	400

struct model {
	uint64_t rnd;
	unsigned char key[MODEL_KEYS][VFS_KEY_MAX];
	size_t nkey[MODEL_KEYS];
	uint64_t now[MODEL_KEYS];	/* seed of the value, 0: none */
	void *snap[MODEL_SNAPS];
	uint64_t then[MODEL_SNAPS][MODEL_KEYS];
};

static unsigned
below(struct model *m, unsigned n)
{
	return (unsigned)(scratch_random(&m->rnd) >> 33) % n;
}

static struct vfs_slice
model_key(const struct model *m, unsigned i)
{
	return (struct vfs_slice){ m->key[i], m->nkey[i] };
}

static int
model_cmp(struct vfs_slice a, struct vfs_slice b)
{
	int c = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

	return c ? c : a.n < b.n ? -1 : a.n > b.n;
}

/* Ascending distinct keys of many lengths with common beginnings. */
static void
model_keys(struct model *m)
{
	unsigned i, j, n;

	for (i = 0; i < MODEL_KEYS; ) {
		n = below(m, 8) ? 1 + below(m, 12) : 1 + below(m, VFS_KEY_MAX);
		for (j = 0; j < n; j++)
			m->key[i][j] = below(m, 4) ? (unsigned char)(j & 3) :
			    (unsigned char)below(m, 256);
		m->nkey[i] = n;
		for (j = 0; j < i; j++)
			if (model_cmp(model_key(m, j), model_key(m, i)) == 0)
				break;
		if (j == i)
			i++;
	}
	for (i = 1; i < MODEL_KEYS; i++)	/* insertion sort */
		for (j = i; j > 0 && model_cmp(model_key(m, j - 1),
		    model_key(m, j)) > 0; j--) {
			unsigned char t[VFS_KEY_MAX];
			size_t tn = m->nkey[j];

			memcpy(t, m->key[j], sizeof t);
			memcpy(m->key[j], m->key[j - 1], sizeof t);
			m->nkey[j] = m->nkey[j - 1];
			memcpy(m->key[j - 1], t, sizeof t);
			m->nkey[j - 1] = tn;
		}
}

/* The value of a seed; free it. */
static struct vfs_slice
model_val(uint64_t seed)
{
	uint64_t x = seed;
	size_t i, n = scratch_random(&x) % 40 ? scratch_random(&x) % 200 :
	    scratch_random(&x) % 20000;
	unsigned char *p = malloc(n + 1);

	for (i = 0; i < n; i++)
		p[i] = (unsigned char)(scratch_random(&x) >> 56);
	return (struct vfs_slice){ p, n };
}

static void
model_apply(struct fx *fx, struct model *m)
{
	struct store_row rows[MODEL_KEYS];
	struct store_batch b = { rows, 0 };
	unsigned i, rate = 1 + below(m, 60), dels = 1 + below(m, 3);
	size_t j;

	for (i = 0; i < MODEL_KEYS; i++) {
		if (below(m, 60) >= rate)
			continue;
		m->now[i] = below(m, 4) < dels ? 0 : scratch_random(&m->rnd);
		rows[b.nrows].key = model_key(m, i);
		rows[b.nrows++].val = m->now[i] ? model_val(m->now[i]) : absent;
	}
	assert_int_equal(fx->ops->apply(fx->b, &b), 0);
	for (j = 0; j < b.nrows; j++)
		free((void *)rows[j].val.p);
}

static void
model_check_row(struct vfs_slice val, uint64_t seed)
{
	struct vfs_slice want = model_val(seed);

	assert_slice(val, want);
	free((void *)want.p);
}

static void
model_scan(struct fx *fx, struct model *m, void *sn, const uint64_t *rows)
{
	struct vfs_slice key, val;
	unsigned i = below(m, MODEL_KEYS), left = 1 + below(m, MODEL_KEYS);
	void *cur;
	int err;

	assert_int_equal(fx->ops->cur_open(sn, &cur), 0);
	err = fx->ops->cur_seek(cur, model_key(m, i), &key, &val);
	for (; left > 0; left--) {
		while (i < MODEL_KEYS && !rows[i])
			i++;
		assert_int_equal(err, i < MODEL_KEYS ? 0 : -VFS_NOENT);
		if (err < 0)
			break;
		assert_slice(key, model_key(m, i));
		model_check_row(val, rows[i++]);
		err = fx->ops->cur_next(cur, &key, &val);
	}
	fx->ops->cur_close(cur);
}

static void
model_look(struct fx *fx, struct model *m, void *sn, const uint64_t *rows)
{
	struct vfs_slice val;
	unsigned i, k;

	for (k = 0; k < 20; k++) {
		i = below(m, MODEL_KEYS);
		assert_int_equal(fx->ops->get(sn, model_key(m, i), &val),
		    rows[i] ? 0 : -VFS_NOENT);
		if (rows[i])
			model_check_row(val, rows[i]);
	}
	model_scan(fx, m, sn, rows);
}

static void
model_step(struct fx *fx, struct model *m)
{
	unsigned k = below(m, MODEL_SNAPS), i;

	switch (below(m, 8)) {
	case 0: case 1: case 2:
		model_apply(fx, m);
		break;
	case 3: case 4:
		fx->ops->snap_end(m->snap[k]);
		m->snap[k] = snap(fx);
		memcpy(m->then[k], m->now, sizeof m->now);
		break;
	case 5: case 6:
		if (m->snap[k])
			model_look(fx, m, m->snap[k], m->then[k]);
		break;
	default:
		if (below(m, 8))
			break;
		for (i = 0; i < MODEL_SNAPS; i++) {
			fx->ops->snap_end(m->snap[i]);
			m->snap[i] = NULL;
		}
		reopen(fx, false);
	}
}

static void
store__random_operations__match_the_model(void **state)
{
	struct fx *fx = *state;
	struct model *m = calloc(1, sizeof *m);
	unsigned i;

	m->rnd = scratch_seed();
	model_keys(m);
	for (i = 0; i < MODEL_STEPS; i++)
		model_step(fx, m);
	for (i = 0; i < MODEL_SNAPS; i++)
		fx->ops->snap_end(m->snap[i]);
	m->snap[0] = snap(fx);
	for (i = 0; i < 20; i++)
		model_look(fx, m, m->snap[0], m->now);
	fx->ops->snap_end(m->snap[0]);
	free(m);
}

/* --- every case on every backend ----------------------------------- */

static const struct contract_case cases[] = {
	CASE(store__random_operations__match_the_model),
};

int
main(void)
{
	return every_backend(cases, sizeof cases / sizeof cases[0]);
}

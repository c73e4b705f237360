#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "enum.h"
#include "model.h"

static struct blob *
blob_new(size_t n)
{
	struct blob *b = calloc(1, sizeof(*b) + n);

	if (!b)
		abort();
	b->refs = 1;
	b->n = n;
	return b;
}

static void
blob_drop(struct blob *b)
{
	if (b && --b->refs == 0)
		free(b);
}

static struct blob *
blob_keep(struct blob *b)
{
	if (b)
		b->refs++;
	return b;
}

void
model_init(struct model *m, const struct vfs_attr *root)
{
	memset(m, 0, sizeof(*m));
	model_add(m, root);
}

void
model_copy(struct model *to, const struct model *from)
{
	int i;

	memcpy(to, from, sizeof(*to));
	for (i = 0; i < to->nobj; i++) {
		blob_keep(to->obj[i].pub);
		blob_keep(to->obj[i].draft);
	}
}

void
model_drop(struct model *m)
{
	int i;

	for (i = 0; i < m->nobj; i++) {
		blob_drop(m->obj[i].pub);
		blob_drop(m->obj[i].draft);
	}
	m->nobj = m->nname = 0;
}

struct mobj *
model_obj(struct model *m, uint64_t id)
{
	int i;

	for (i = 0; i < m->nobj; i++)
		if (m->obj[i].id == id)
			return &m->obj[i];
	return NULL;
}

struct mname *
model_name(struct model *m, uint64_t dir, const char *name)
{
	int i;

	for (i = 0; i < m->nname; i++)
		if (m->name[i].dir == dir && strcmp(m->name[i].name, name) == 0)
			return &m->name[i];
	return NULL;
}

struct mobj *
model_add(struct model *m, const struct vfs_attr *a)
{
	struct mobj *o;

	if (m->nobj == MODEL_OBJS)
		abort();
	o = &m->obj[m->nobj++];
	memset(o, 0, sizeof(*o));
	o->id = a->id.n;
	o->type = VFS_MODE_TYPE(a->mode);
	o->mode = a->mode & VFS_MODE_PERM;
	o->uid = a->uid;
	o->gid = a->gid;
	o->nlink = o->type == VFS_DIR ? 2 : 0;
	o->pub = blob_new(0);
	return o;
}

void
model_link(struct model *m, uint64_t dir, const char *name, uint64_t id)
{
	struct mobj *o = model_obj(m, id), *d = model_obj(m, dir);
	struct mname *n;

	if (m->nname == MODEL_NAMES || !o || !d)
		abort();
	n = &m->name[m->nname++];
	n->dir = dir;
	n->id = id;
	snprintf(n->name, sizeof(n->name), "%s", name);
	if (o->type != VFS_DIR)
		o->nlink++;
	else if (d->nlink > 0)
		d->nlink++;
}

void
model_unlink(struct model *m, uint64_t dir, const char *name)
{
	struct mname *n = model_name(m, dir, name);
	struct mobj *o, *d = model_obj(m, dir);

	if (!n || !(o = model_obj(m, n->id)) || !d)
		abort();
	*n = m->name[--m->nname];
	if (o->type == VFS_DIR) {
		if (d->nlink > 0)
			d->nlink--;
		o->nlink = 0;
	} else {
		o->nlink--;
	}
}

void
model_forget(struct model *m, uint64_t id)
{
	struct mobj *o = model_obj(m, id);

	if (!o)
		return;
	blob_drop(o->pub);
	blob_drop(o->draft);
	*o = m->obj[--m->nobj];
}

const struct blob *
model_seen(const struct mobj *o)
{
	return o->draft ? o->draft : o->pub;
}

void
model_share(struct mobj *to, const struct mobj *from)
{
	blob_drop(to->pub);
	to->pub = blob_keep(from->draft ? from->draft : from->pub);
	memcpy(to->xattr, from->xattr, sizeof(to->xattr));
}

void
model_write(struct mobj *o, uint64_t off, const uint8_t *src, size_t n,
    size_t size)
{
	const struct blob *old = model_seen(o);
	struct blob *b = blob_new(size);

	memcpy(b->b, old->b, old->n < size ? old->n : size);
	if (off < size) {
		if (n > size - off)
			n = size - off;
		if (src)
			memcpy(b->b + off, src, n);
		else
			memset(b->b + off, 0, n);
	}
	blob_drop(o->draft);
	o->draft = b;
}

void
model_publish(struct mobj *o)
{
	if (!o->draft)
		return;
	blob_drop(o->pub);
	o->pub = o->draft;
	o->draft = NULL;
}

void
model_undraft(struct model *m)
{
	int i;

	for (i = 0; i < m->nobj; i++) {
		blob_drop(m->obj[i].draft);
		m->obj[i].draft = NULL;
	}
}

static bool
model_named(const struct model *m, uint64_t id)
{
	int i;

	for (i = 0; i < m->nname; i++)
		if (m->name[i].id == id)
			return true;
	return id == VFS_ID_ROOT;
}

bool
model_entries(const struct model *m, uint64_t dir)
{
	int i;

	for (i = 0; i < m->nname; i++)
		if (m->name[i].dir == dir)
			return true;
	return false;
}

/* With all that was in them. */
void
model_orphans_gone(struct model *m)
{
	bool again;
	int i, j;

	do {
		again = false;
		for (i = m->nobj - 1; i >= 0; i--) {
			uint64_t id = m->obj[i].id;

			if (model_named(m, id))
				continue;
			for (j = m->nname - 1; j >= 0; j--)
				if (m->name[j].dir == id)
					model_unlink(m, id, m->name[j].name);
			model_forget(m, id);
			again = true;
		}
	} while (again);
}

bool
model_child_of(struct model *m, uint64_t dir, uint64_t ancestor)
{
	int i, depth;

	for (depth = 0; depth < MODEL_OBJS; depth++) {
		if (dir == ancestor)
			return true;
		for (i = 0; i < m->nname; i++)
			if (m->name[i].id == dir)
				break;
		if (i == m->nname)
			return false;
		dir = m->name[i].dir;
	}
	return true;
}

size_t
model_xattr(uint32_t seed, uint8_t buf[4096])
{
	struct rng r = { seed };
	size_t i, n = rng_to(&r, seed % 3 == 0 ? 4096 : 60);

	for (i = 0; i < n; i++)
		buf[i] = (uint8_t)(seed + i);
	return n;
}

/* --- comparing ------------------------------------------------------ */

#define DIFFER(...) \
	(snprintf(text, 200, __VA_ARGS__), -VFS_CORRUPT)

static int
check_bytes(struct txn *t, const struct mobj *o, bool draft, char *text)
{
	static uint8_t buf[MODEL_FILE_MAX];
	const struct blob *want = draft ? model_seen(o) : o->pub;
	size_t n, i;
	int err;

	err = walk_content(t, (struct vfs_id){ o->id }, draft, buf,
	    sizeof(buf), &n);
	if (err < 0)
		return DIFFER("%llu: content: %s", (unsigned long long)o->id,
		    vfs_err_text(err));
	if (n != want->n)
		return DIFFER("%llu: %s size %zu, want %zu",
		    (unsigned long long)o->id, draft ? "draft" : "published",
		    n, want->n);
	for (i = 0; i < n; i++)
		if (buf[i] != want->b[i])
			return DIFFER("%llu: %s byte %zu of %zu is %02x, "
			    "want %02x", (unsigned long long)o->id,
			    draft ? "draft" : "published", i, n, buf[i],
			    want->b[i]);
	return 0;
}

static int
check_obj(struct txn *t, const struct mobj *o, char *text)
{
	struct rec_inode in;
	int err;

	err = walk_inode(t, (struct vfs_id){ o->id }, true, &in);
	if (err < 0)
		return DIFFER("%llu: inode: %s", (unsigned long long)o->id,
		    vfs_err_text(err));
	if ((in.mode & VFS_MODE_PERM) != o->mode || in.uid != o->uid ||
	    in.gid != o->gid || VFS_MODE_TYPE(in.mode) != o->type)
		return DIFFER("%llu: mode %o owner %u.%u, want %o %u.%u",
		    (unsigned long long)o->id, in.mode, in.uid, in.gid,
		    o->mode, o->uid, o->gid);
	if (in.nlink != o->nlink)
		return DIFFER("%llu: nlink %u, want %u",
		    (unsigned long long)o->id, in.nlink, o->nlink);
	if (o->type != VFS_REG)
		return 0;
	if ((err = check_bytes(t, o, false, text)) < 0)
		return err;
	return check_bytes(t, o, true, text);
}

static int
check_name(struct txn *t, const struct mname *n, char *text)
{
	struct row_key k;
	struct vfs_slice val;
	struct rec_name rec;
	int err;

	row_key_name(&k, ROW_NAME, (struct vfs_id){ n->dir },
	    (struct vfs_slice){ n->name, strlen(n->name) });
	if ((err = txn_get(t, row_key_slice(&k), &val)) == 0)
		err = rec_name_decode(val, &rec);
	if (err < 0)
		return DIFFER("name %s of %llu: %s", n->name,
		    (unsigned long long)n->dir, vfs_err_text(err));
	if (rec.id.n != n->id)
		return DIFFER("name %s of %llu is %llu, want %llu", n->name,
		    (unsigned long long)n->dir, (unsigned long long)rec.id.n,
		    (unsigned long long)n->id);
	return 0;
}

bool
model_name_stored(const struct mname *n, struct engine *e)
{
	struct vfs_slice val;
	struct row_key k;
	struct txn *t;
	int err;

	row_key_name(&k, ROW_NAME, (struct vfs_id){ n->dir },
	    (struct vfs_slice){ n->name, strlen(n->name) });
	if (txn_begin(e, TXN_READ, &walk_env, &t) < 0)
		abort();
	err = txn_get(t, row_key_slice(&k), &val);
	txn_abort(t);
	return err == 0;
}

static int
check_xattrs(struct txn *t, const struct mobj *o, char *text)
{
	struct row_key k;
	struct vfs_slice val;
	uint8_t want[4096];
	char name[12];
	size_t n;
	int i, err;

	for (i = 0; i < MODEL_XATTRS; i++) {
		snprintf(name, sizeof(name), "user.x%d", i);
		row_key_name(&k, ROW_XATTR, (struct vfs_id){ o->id },
		    (struct vfs_slice){ name, strlen(name) });
		err = txn_get(t, row_key_slice(&k), &val);
		if (err == -VFS_NOENT && o->xattr[i] == 0)
			continue;
		n = model_xattr(o->xattr[i], want);
		if (err < 0 || o->xattr[i] == 0 || val.n != n ||
		    memcmp(val.p, want, n) != 0)
			return DIFFER("%llu: xattr %s: %s",
			    (unsigned long long)o->id, name,
			    err < 0 ? vfs_err_text(err) : "another value");
	}
	return 0;
}

int
model_check(struct model *m, struct engine *e, char text[200])
{
	struct txn *t;
	struct walk w;
	int i, err;

	if ((err = txn_begin(e, TXN_READ, &walk_env, &t)) < 0)
		return DIFFER("begin: %s", vfs_err_text(err));
	for (i = 0; err == 0 && i < m->nobj; i++) {
		err = check_obj(t, &m->obj[i], text);
		if (err == 0)
			err = check_xattrs(t, &m->obj[i], text);
	}
	for (i = 0; err == 0 && i < m->nname; i++)
		err = check_name(t, &m->name[i], text);
	if (err == 0)
		err = walk_txn(t, true, &w);
	if (err == 0 && w.bad[0])
		err = DIFFER("%s", w.bad);
	if (err == 0 && w.names != (unsigned)m->nname)
		err = DIFFER("%u names, want %d", w.names, m->nname);
	txn_abort(t);
	return err;
}

/*
 * model_ops.h - operations on the model and on a store, and both compared
 *
 * For core_model.c, tree_model.c and fuzz/ops.c, behind core_model.h.
 */
#ifndef TESTS_MODEL_OPS_H
#define TESTS_MODEL_OPS_H

/* --- the dump, as fx_dump has it ------------------------------------------- */

static void
dump_obj(struct model *m, FILE *f, const char *path, struct obj *o)
{
	char sub[512];
	unsigned i;

	if (o->mark != m->mark) {
		o->mark = m->mark;
		o->number = m->numbers++;
	}
	fprintf(f, "%s %d %04o 0 0 %u #%zu", *path ? path : "/", o->type,
	    o->mode, o->nlink, o->number);
	if (o->type == VFS_REG)
		fprintf(f, " %zu %016llx", o->now.n, o->now.n == 0 ? 0 :
		    (unsigned long long)fx_hash(o->now.p, o->now.n, 0));
	if (o->type == VFS_LNK)
		fprintf(f, " -> target");
	for (i = 0; i < XATTRS; i++)
		if (o->xattr[i])
			fprintf(f, " user.%u=%016llx", i, (unsigned long long)
			    fx_hash(&o->xattr[i], 1, 0));
	putc('\n', f);
	for (i = 0; i < o->nkids; i++) {
		snprintf(sub, sizeof sub, "%s/%c", path, o->kids[i].name);
		dump_obj(m, f, sub, o->kids[i].o);
	}
}

static void
print_difference(const struct model *m, const char *want, const char *got)
{
	while (strcspn(want, "\n") == strcspn(got, "\n") &&
	    strncmp(want, got, strcspn(want, "\n") + 1) == 0) {
		want += strcspn(want, "\n") + 1;
		got += strcspn(got, "\n") + 1;
	}
	print_message("after %s\nwant %.*s\ngot  %.*s\n", m->done,
	    (int)strcspn(want, "\n"), want, (int)strcspn(got, "\n"), got);
}

static void
compare_dumps(struct model *m)
{
	char *want = NULL, *got = NULL;
	size_t n;
	FILE *f = open_memstream(&want, &n);

	m->mark++;
	m->numbers = 0;
	dump_obj(m, f, "", m->root);
	fclose(f);
	f = open_memstream(&got, &n);
	fx_dump(m->fx, f);
	fclose(f);
	if (strcmp(want, got) != 0)
		print_difference(m, want, got);
	assert_true(strcmp(want, got) == 0);
	free(want);
	free(got);
}

static void
compare(struct model *m)
{
	compare_dumps(m);
	assert_int_equal(fx_check(m->fx), 0);
}

/* --- operations on both ------------------------------------------------------ */

/* Behind its end, bytes are 0. */
static unsigned
draw(struct model *m, unsigned n)
{
	unsigned v = 0, i;

	if (m->in != NULL) {
		for (i = 0; i < (n > 256 ? 2 : 1) && m->in < m->end; i++)
			v = v << 8 | *m->in++;
		return v % n;
	}
	return (unsigned)rand_r(&m->seed) % n;
}

static void
draw_path(struct model *m, char *path)
{
	unsigned i, depth = 1 + draw(m, DEPTH);

	for (i = 0; i < depth; i++) {
		*path++ = '/';
		*path++ = (char)('a' + draw(m, NAMES));
	}
	*path = '\0';
}

static void
same(struct model *m, int got, int want)
{
	if (got != want)
		print_message("%s: %s, the model says %s\n", m->done,
		    vfs_err_name(got), vfs_err_name(want));
	assert_int_equal(got, want);
}

/* Ids only grow. */
static void
check_id(struct model *m, const char *path, int err)
{
	struct vfs_attr a;

	if (err < 0)
		return;
	assert_err(fx_stat(m->fx, path, &a), OK);
	assert_true(a.id.n > m->last_id);
	m->last_id = a.id.n;
}

static void
do_make(struct model *m, const char *path)
{
	unsigned kind = draw(m, 4);
	int err;

	snprintf(m->done, sizeof m->done, "make %u %s", kind, path);
	if (kind < 2)
		same(m, err = fx_create(m->fx, path, 0640),
		    m_make(m, path, VFS_REG, 0640));
	else if (kind == 2)
		same(m, err = fx_mkdir(m->fx, path, 0750),
		    m_make(m, path, VFS_DIR, 0750));
	else
		same(m, err = fx_symlink(m->fx, "target", path),
		    m_make(m, path, VFS_LNK, 0777));
	check_id(m, path, err);
}

static void
do_remove(struct model *m, const char *path)
{
	bool dir = draw(m, 2);

	snprintf(m->done, sizeof m->done, "%s %s", dir ? "rmdir" : "unlink",
	    path);
	same(m, (dir ? fx_rmdir : fx_unlink)(m->fx, path),
	    m_remove(m, path, dir));
}

static void
do_names(struct model *m, const char *path)
{
	uint32_t flags = draw(m, 3);
	char path2[32];

	draw_path(m, path2);
	if (draw(m, 3) == 0) {
		snprintf(m->done, sizeof m->done, "link %s %s", path, path2);
		same(m, fx_link(m->fx, path, path2),
		    m_link(m, path, path2));
		return;
	}
	snprintf(m->done, sizeof m->done, "rename %s %s %u", path, path2,
	    flags);
	same(m, fx_rename(m->fx, path, path2, flags),
	    m_rename(m, path, path2, flags));
}

static void
do_chmod(struct model *m, const char *path)
{
	uint32_t mode = draw(m, 010000);
	struct obj *o;
	int want = object(m, path, &o);

	snprintf(m->done, sizeof m->done, "chmod %s %o", path, mode);
	if (want == 0 && o->type == VFS_LNK)
		want = -VFS_UNSUPPORTED;
	same(m, fx_chmod(m->fx, path, mode), want);
	if (want == 0) {
		publish(o);
		o->mode = mode;
	}
}

static void
do_xattr(struct model *m, const char *path)
{
	unsigned i = draw(m, XATTRS);
	uint32_t flags = draw(m, 3);
	char name[8], value = (char)(1 + draw(m, 100));
	bool take = draw(m, 3) == 0;
	struct obj *o;
	int want = object(m, path, &o);

	snprintf(name, sizeof name, "user.%u", i);
	snprintf(m->done, sizeof m->done, "%s xattr %s %s %u",
	    take ? "remove" : "set", path, name, flags);
	if (want == 0 && o->type == VFS_LNK)
		want = -VFS_PERM;
	else if (want == 0 && !o->xattr[i] &&
	    (take || flags == VFS_XATTR_REPLACE))
		want = -VFS_NOXATTR;
	else if (want == 0 && !take && o->xattr[i] &&
	    flags == VFS_XATTR_CREATE)
		want = -VFS_EXIST;
	same(m, take ? fx_removexattr(m->fx, path, name) :
	    fx_setxattr(m->fx, path, name, &value, 1, flags), want);
	if (want == 0) {
		publish(o);
		o->xattr[i] = take ? 0 : value;
	}
}

static void
do_bytes(struct model *m, const char *path)
{
	static uint8_t buf[SIZE_MAX_ / 2];
	size_t off = draw(m, SIZE_MAX_ / 2), n = 1 + draw(m, draw(m, 3) ? 200 :
	    sizeof buf), i;
	struct obj *o;

	if (object(m, path, &o) < 0 || o->type != VFS_REG)
		return;
	if (draw(m, 4) == 0) {
		snprintf(m->done, sizeof m->done, "truncate %s %zu", path,
		    off);
		same(m, fx_truncate(m->fx, path, off), 0);
		if (off > o->now.n)
			memset(o->now.p + o->now.n, 0, off - o->now.n);
		o->now.n = off;
		publish(o);
		return;
	}
	snprintf(m->done, sizeof m->done, "write %s %zu %zu", path, off, n);
	for (i = 0; i < n; i++)		/* from bytes: one, and how it goes on */
		buf[i] = m->in == NULL || i == 0 ? (uint8_t)draw(m, 256) :
		    (uint8_t)(buf[i - 1] * 5 + 3);
	same(m, fx_write(m->fx, path, off, buf, n), 0);
	if (off > o->now.n)
		memset(o->now.p + o->now.n, 0, off - o->now.n);
	memcpy(o->now.p + off, buf, n);
	if (off + n > o->now.n)
		o->now.n = off + n;
}

#endif

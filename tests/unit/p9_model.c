/*
 * Random operations over 9P against the same ones by the dispatcher, on
 * two stores: same errors, same trees, bytes and attributes, same order of
 * names, and one object here for each there, through names and through
 * fids that stay open when the last name goes.
 *
 *	SEED=n OPS=n p9_model		repeats a run
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "../cm.h"
#include "../p9_rig.h"

#define NAMES		5u		/* "a" to "e" */
#define DEPTH		3u
#define OPEN		8u		/* files open at once */
#define PAIRS		16384u
#define FID		50u		/* where something was walked to */
#define FID2		51u
#define FID_OPEN	100u		/* and up: files that stay open */
#define SIZE_MAX_	20000u

struct pair {
	uint64_t path, id;		/* 9P's, the dispatcher's */
};

struct world {
	struct p9_rig *k;		/* the one side */
	struct rig *r;			/* the other */
	unsigned seed;
	struct vfs_id root;		/* of what is attached */
	struct pair pair[PAIRS];
	unsigned npairs;
	struct vfs_id open[OPEN];	/* 0: not open */
	char done[200];			/* the last one, for messages */
};

static unsigned
draw(struct world *w, unsigned n)
{
	return (unsigned)rand_r(&w->seed) % n;
}

static void
differ(struct world *w, const char *what, long a, long b)
{
	fail_msg("%s: %s: %ld over 9P, %ld by the dispatcher", w->done, what,
	    a, b);
}

static void
same(struct world *w, const char *what, long a, long b)
{
	if (a != b)
		differ(w, what, a, b);
}

/* Objects come in pairs, and none of a pair is ever another one's. */
static void
met(struct world *w, uint64_t path, uint64_t id)
{
	unsigned i;

	for (i = 0; i < w->npairs; i++) {
		if (w->pair[i].path == path && w->pair[i].id == id)
			return;
		if (w->pair[i].path == path || w->pair[i].id == id)
			differ(w, "another object", (long)path, (long)id);
	}
	assert_true(w->npairs < PAIRS);
	w->pair[w->npairs++] = (struct pair){ path, id };
}

/* --- paths ---------------------------------------------------------------------- */

/* "a/b/c", or less; last: just before the last name, which is name. */
static void
draw_path(struct world *w, char dir[16], char name[2])
{
	unsigned i, n = draw(w, DEPTH);

	dir[0] = 0;
	for (i = 0; i < n; i++)
		snprintf(dir + 2 * i, 3, "%c/", 'a' + draw(w, NAMES) % 3);
	if (n > 0)
		dir[2 * n - 1] = 0;
	name[0] = (char)('a' + draw(w, NAMES));
	name[1] = 0;
}

static int
errno_of(int err)
{
	return err < 0 ? vfs_err_errno(err) : 0;
}

static int
walk(struct world *w, const char *path, struct vfs_attr *a)
{
	struct vfs_stat sq = { .id = w->root };
	struct vfs_stat_reply sr;
	struct vfs_lookup q;
	struct vfs_lookup_reply r;
	int err = rig_op(w->r, 0, VFS_OP_STAT, &sq, &sr);

	r.attr = sr.attr;
	for (; *path != 0 && err == 0; path += path[1] == '/' ? 2 : 1) {
		q.dir = r.attr.id;
		q.name = (struct vfs_slice){ path, 1 };
		err = rig_op(w->r, 0, VFS_OP_LOOKUP, &q, &r);
	}
	if (err == 0)
		*a = r.attr;
	return err;
}

/* Both walk there; false: there is nothing, for both. */
static bool
both_walk(struct world *w, uint32_t fid, const char *path,
    struct vfs_attr *a)
{
	int rc = p9c_walk(w->k->c, P9C_ROOT, fid, path);
	int err = walk(w, path, a);

	same(w, "walking", rc != 0, err != 0);
	return rc == 0;
}

static void
done_with(struct world *w, uint32_t fid)
{
	same(w, "clunk", p9c_clunk(w->k->c, fid), 0);
}

static void
same_attr(struct world *w, uint32_t fid, const struct vfs_attr *a)
{
	struct p9_rgetattr g;

	same(w, "getattr", p9c_getattr(w->k->c, fid, &g), 0);
	met(w, g.qid.path, a->id.n);
	same(w, "mode", g.mode, (long)a->mode);
	same(w, "nlink", (long)g.nlink, a->nlink);
	same(w, "type", g.qid.type, VFS_MODE_TYPE(a->mode) == VFS_DIR ?
	    P9_QTDIR : VFS_MODE_TYPE(a->mode) == VFS_LNK ? P9_QTSYMLINK : 0);
	if (VFS_MODE_TYPE(a->mode) == VFS_REG)
		same(w, "size", (long)g.size, (long)a->size);
}

/* --- names ---------------------------------------------------------------------- */

static int
p9_symlink(struct p9c *c, uint32_t dfid, const char *name, const char *to)
{
	union p9_t t = { .symlink = { .dfid = dfid, .name = p9c_str(name),
	    .target = p9c_str(to), .gid = P9_NOUID } };
	union p9_r r;

	return p9c_call(c, P9_TSYMLINK, &t, &r);
}

static int
p9_link(struct p9c *c, uint32_t dfid, uint32_t fid, const char *name)
{
	union p9_t t = { .link = { dfid, fid, p9c_str(name) } };
	union p9_r r;

	return p9c_call(c, P9_TLINK, &t, &r);
}

static void
any_make(struct world *w, const char *dir, const char *name)
{
	static const uint32_t modes[] = { 0100640, 040750, 0120777 };
	struct vfs_create q = { .name = p9c_str(name),
		.flags = VFS_CREATE_EXCL };
	struct vfs_create_reply r;
	struct p9c *c = w->k->c;
	unsigned what = draw(w, 3);
	struct vfs_attr d;
	int rc, err;

	snprintf(w->done, sizeof w->done, "make %o %s/%s", modes[what], dir,
	    name);
	if (!both_walk(w, FID, dir, &d))
		return;
	q.dir = d.id;
	q.mode = modes[what];
	if (what == 2)
		q.target = p9c_str("some/where");
	err = rig_op(w->r, 0, VFS_OP_CREATE, &q, &r);
	rc = what == 0 ? p9c_create(c, FID, name, P9_O_RDWR | P9_O_EXCL,
	    0640) : what == 1 ? p9c_mkdir(c, FID, name, 0750) :
	    p9_symlink(c, FID, name, "some/where");
	same(w, "error", rc, errno_of(err));
	done_with(w, FID);
}

static void
any_remove(struct world *w, const char *dir, const char *name)
{
	bool is_dir = draw(w, 2);
	struct vfs_unlink q = { .name = p9c_str(name), .flags = is_dir ?
		VFS_UNLINK_DIR : VFS_UNLINK_FILE };
	struct vfs_unlink_reply r;
	struct vfs_attr d;

	snprintf(w->done, sizeof w->done, "remove %s/%s, dir %d", dir, name,
	    is_dir);
	if (!both_walk(w, FID, dir, &d))
		return;
	q.dir = d.id;
	same(w, "error", p9c_unlink(w->k->c, FID, name, is_dir ?
	    P9_REMOVEDIR : 0), errno_of(rig_op(w->r, 0, VFS_OP_UNLINK, &q,
	    &r)));
	done_with(w, FID);
}

static void
any_rename(struct world *w, const char *dir, const char *name)
{
	struct vfs_rename q = { .name = p9c_str(name) };
	struct vfs_rename_reply r;
	struct vfs_attr a, b;
	char dir2[16], name2[2];

	draw_path(w, dir2, name2);
	snprintf(w->done, sizeof w->done, "rename %s/%s %s/%s", dir, name,
	    dir2, name2);
	if (!both_walk(w, FID, dir, &a))
		return;
	if (both_walk(w, FID2, dir2, &b)) {
		q.dir = a.id;
		q.dir2 = b.id;
		q.name2 = p9c_str(name2);
		same(w, "error", p9c_rename(w->k->c, FID, name, FID2, name2),
		    errno_of(rig_op(w->r, 0, VFS_OP_RENAME, &q, &r)));
		done_with(w, FID2);
	}
	done_with(w, FID);
}

static void
any_link(struct world *w, const char *dir, const char *name)
{
	struct vfs_link q = { .name = p9c_str(name) };
	struct vfs_link_reply r;
	struct vfs_attr a, b;
	char dir2[16], name2[2], path[24];

	draw_path(w, dir2, name2);
	snprintf(path, sizeof path, "%s%s%s", dir2, dir2[0] ? "/" : "",
	    name2);
	snprintf(w->done, sizeof w->done, "link %s %s/%s", path, dir, name);
	if (!both_walk(w, FID, dir, &a))
		return;
	if (both_walk(w, FID2, path, &b)) {
		q.dir = a.id;
		q.target = b.id;
		same(w, "error", p9_link(w->k->c, FID, FID2, name),
		    errno_of(rig_op(w->r, 0, VFS_OP_LINK, &q, &r)));
		done_with(w, FID2);
	}
	done_with(w, FID);
}

/* ".." is the directory above, and at the root the root. */
static void
any_up(struct world *w, const char *dir, const char *name)
{
	struct vfs_attr a, up = { .id = { 0 } };
	char path[20];
	int rc;

	(void)name;
	snprintf(w->done, sizeof w->done, "up from %s", dir);
	if (!both_walk(w, FID, dir, &a))
		return;
	rc = p9c_walk(w->k->c, FID, FID2, "..");
	same(w, "..", rc != 0, VFS_MODE_TYPE(a.mode) != VFS_DIR);
	if (rc == 0) {
		snprintf(path, sizeof path, "%.*s", dir[0] == 0 ? 0 :
		    (int)strlen(dir) - (strlen(dir) > 1 ? 2 : 1), dir);
		same(w, "above", walk(w, path, &up), 0);
		same_attr(w, FID2, &up);
		done_with(w, FID2);
	}
	done_with(w, FID);
}

/* --- bytes and attributes --------------------------------------------------------- */

/* On what fid and id are; a fid that is open may be written. */
static void
write_both(struct world *w, uint32_t fid, struct vfs_id id)
{
	static uint8_t bytes[4096];
	struct vfs_write q = { .id = id, .off = draw(w, SIZE_MAX_ - 4096) };
	struct vfs_write_reply r;
	uint32_t n = 1 + draw(w, sizeof bytes), got = n;

	memset(bytes, (int)draw(w, 256), n);
	q.data = (struct vfs_slice){ bytes, n };
	same(w, "error", p9c_write(w->k->c, fid, q.off, bytes, &got),
	    errno_of(rig_op(w->r, 0, VFS_OP_WRITE, &q, &r)));
	same(w, "written", got, n);
}

static void
read_both(struct world *w, uint32_t fid, struct vfs_id id)
{
	static uint8_t a[8192], b[8192];
	struct vfs_read q = { .id = id, .off = draw(w, SIZE_MAX_),
		.count = 1 + draw(w, sizeof a) };
	struct vfs_read_reply r = { .data = { b, sizeof b, 0 } };
	uint32_t n = q.count;

	same(w, "error", p9c_read(w->k->c, fid, q.off, a, &n),
	    errno_of(rig_op(w->r, 0, VFS_OP_READ, &q, &r)));
	same(w, "bytes there", n, (long)r.data.n);
	same(w, "bytes", memcmp(a, b, n), 0);
}

static void
set_both(struct world *w, uint32_t fid, struct vfs_id id)
{
	bool size = draw(w, 2);
	union p9_t t = { .setattr = { .fid = fid, .valid = size ?
	    P9_SET_SIZE : P9_SET_MODE, .size = draw(w, SIZE_MAX_),
	    .mode = draw(w, 07777 + 1) } };
	struct vfs_setattr q = { .id = id, .valid = size ? VFS_SET_SIZE :
	    VFS_SET_MODE, .size = t.setattr.size, .mode = t.setattr.mode };
	struct vfs_setattr_reply r;
	union p9_r pr;

	same(w, "error", p9c_call(w->k->c, P9_TSETATTR, &t, &pr),
	    errno_of(rig_op(w->r, 0, VFS_OP_SETATTR, &q, &r)));
}

static void
attr_both(struct world *w, uint32_t fid, struct vfs_id id)
{
	struct vfs_stat q = { .id = id };
	struct vfs_stat_reply r;

	same(w, "error", 0, errno_of(rig_op(w->r, 0, VFS_OP_STAT, &q, &r)));
	same_attr(w, fid, &r.attr);
}

static void
any_something(struct world *w, const char *dir, const char *name)
{
	char path[24];
	struct vfs_attr a;

	snprintf(path, sizeof path, "%s%s%s", dir, dir[0] ? "/" : "", name);
	snprintf(w->done, sizeof w->done, "attributes of %s", path);
	if (!both_walk(w, FID, path, &a))
		return;
	attr_both(w, FID, a.id);
	if (VFS_MODE_TYPE(a.mode) != VFS_LNK)
		set_both(w, FID, a.id);
	done_with(w, FID);
}

/* --- files that stay open ---------------------------------------------------------- */

static void
open_one(struct world *w, unsigned i, const char *path)
{
	struct vfs_attr a;

	snprintf(w->done, sizeof w->done, "open %s as %u", path, i);
	if (!both_walk(w, FID_OPEN + i, path, &a))
		return;
	if (VFS_MODE_TYPE(a.mode) != VFS_REG) {
		done_with(w, FID_OPEN + i);
		return;
	}
	same(w, "open", p9c_open(w->k->c, FID_OPEN + i, P9_O_RDWR), 0);
	server_hold(w->r->s, a.id, 1);
	w->open[i] = a.id;
}

static void
close_one(struct world *w, unsigned i)
{
	struct vfs_publish q = { .id = w->open[i] };
	struct vfs_publish_reply r;

	snprintf(w->done, sizeof w->done, "close %u", i);
	done_with(w, FID_OPEN + i);
	(void)rig_op(w->r, 0, VFS_OP_PUBLISH, &q, &r);
	server_drop(w->r->s, w->open[i], 1);
	w->open[i].n = 0;
}

static void
any_open_file(struct world *w, const char *dir, const char *name)
{
	static void (*const ops[])(struct world *, uint32_t,
	    struct vfs_id) = { write_both, read_both, set_both, attr_both };
	unsigned i = draw(w, OPEN);
	char path[24];

	snprintf(path, sizeof path, "%s%s%s", dir, dir[0] ? "/" : "", name);
	if (w->open[i].n == 0) {
		open_one(w, i, path);
	} else if (draw(w, 12) == 0) {
		close_one(w, i);
	} else {
		snprintf(w->done, sizeof w->done, "open file %u", i);
		ops[draw(w, 4)](w, FID_OPEN + i, w->open[i]);
	}
}

/* From now on a directory below the root is all that there is. */
static void
go_below(struct world *w)
{
	struct p9c *c = w->k->c;

	assert_int_equal(p9c_mkdir(c, P9C_ROOT, "top", 0755), 0);
	assert_int_equal(do_create(w->r, 0, ROOT, "top", 040755, &w->root),
	    0);
	w->k->c = p9_rig_client(w->k, "top");
	p9c_free(c);
}

/* --- runs --------------------------------------------------------------------------- */

static void
compare(struct world *w)
{
	struct fx *a = w->k->r->fx, *b = w->r->fx;

	if (fx_tree_digest(a) == fx_tree_digest(b))
		return;
	fx_dump(a, stderr);
	fprintf(stderr, "--\n");
	fx_dump(b, stderr);
	differ(w, "trees", 1, 0);
}

static void
one(struct world *w)
{
	static void (*const ops[])(struct world *, const char *,
	    const char *) = {
		any_make, any_make, any_make, any_remove, any_rename, any_rename,
		any_link, any_up, any_something, any_open_file, any_open_file,
		any_open_file,
	};
	char dir[16], name[2];

	draw_path(w, dir, name);
	ops[draw(w, sizeof ops / sizeof ops[0])](w, dir, name);
	if (draw(w, 50) == 0)
		compare(w);
}

static void
run(struct p9_rig *k, unsigned seed, unsigned nops)
{
	struct world *w = calloc(1, sizeof *w);
	unsigned i;

	w->k = k;
	w->r = rig_open(0);
	w->seed = seed;
	w->root = ROOT;
	if (seed % 2 == 0)
		go_below(w);
	for (i = 0; i < nops; i++)
		one(w);
	for (i = 0; i < OPEN; i++)
		if (w->open[i].n != 0)
			close_one(w, i);
	compare(w);
	assert_int_equal(fx_check(w->r->fx), 0);
	rig_close(w->r);
	free(w);
}

static unsigned
number(const char *name, unsigned otherwise)
{
	const char *s = getenv(name);

	return s != NULL ? (unsigned)strtoul(s, NULL, 0) : otherwise;
}

static void
p9__random_operations__as_by_the_dispatcher(void **state)
{
	unsigned seed = number("SEED", 0), nops = number("OPS", 1500), i;
	void *k;

	(void)state;
	for (i = 1; i <= (seed != 0 ? 1 : 6); i++) {
		print_message("# SEED=%u OPS=%u\n", seed != 0 ? seed : i,
		    nops);
		p9_rig_setup(&k);
		run(k, seed != 0 ? seed : i, nops);
		assert_int_equal(p9_rig_teardown(&k), 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(p9__random_operations__as_by_the_dispatcher),
	};

	return cmocka_run_group_tests_name("p9_model", tests, NULL, NULL);
}

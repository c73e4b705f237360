/*
 * vfsctl id, paths: between paths of a mount and ids
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ctl.h"

#define DEPTH_MAX	1024u		/* directories above each other */
#define LINKS_MAX	65536u		/* names of one object shown */

static int
object(const char *path, const struct addr *addr, struct stat *st,
    struct vfs_attr *attr)
{
	struct vfs_stat q;
	struct vfs_stat_reply r;
	struct ctl k;
	int err;

	if ((err = ctl_open(&k, addr)) < 0)
		return ctl_fail(path, err);
	q.id.n = st->st_ino;
	err = ctl_call(&k, VFS_OP_STAT, &q, &r);
	if (err == 0)
		*attr = r.attr;
	ctl_close(&k);
	return err < 0 ? ctl_fail(path, err) : 0;
}

int
ctl_id(const struct ctl_cmd *cmd, int argc, char **argv)
{
	struct json j = { .to = stdout };
	struct vfs_attr attr = { 0 };
	struct ctl_args a;
	struct addr addr;
	struct stat st;
	int err;

	if (!ctl_parse(cmd, argc, argv, NULL, 1, 1, &a))
		return CTL_USAGE;
	if (lstat(a.arg[0], &st) < 0)
		return ctl_fail(a.arg[0], vfs_err_from_os(errno));
	if ((err = addr_find(a.arg[0], &addr)) < 0 || addr.mount[0] == 0) {
		fprintf(stderr, "vfsctl: %s: not in a mount of vfsd\n",
		    a.arg[0]);
		return CTL_FAILED;
	}
	if (addr.through && stat(a.arg[0], &st) < 0)
		return ctl_fail(a.arg[0], vfs_err_from_os(errno));
	if (!a.json) {
		printf("%" PRIu64 "\n", (uint64_t)st.st_ino);
		return CTL_OK;
	}
	if (object(a.arg[0], &addr, &st, &attr) != 0)
		return CTL_FAILED;
	json_begin(&j, NULL, '{');
	json_text(&j, "path", a.arg[0]);
	json_num(&j, "id", attr.id.n);
	json_num(&j, "parent", attr.parent.n);
	json_num(&j, "mode", attr.mode);
	json_num(&j, "nlink", attr.nlink);
	json_num(&j, "size", attr.size);
	json_num(&j, "data_version", attr.data_version);
	json_num(&j, "meta_version", attr.meta_version);
	json_text(&j, "store", addr.store);
	json_text(&j, "mount", addr.mount);
	json_end(&j, '}');
	putchar('\n');
	return CTL_OK;
}

/* --- paths ---------------------------------------------------------- */

struct link {
	uint64_t dir;
	char name[VFS_NAME_MAX + 1];
};

struct links {
	struct link *p;
	size_t n, cap;
};

static bool
keep(void *arg, const struct vfs_dirent *e)
{
	struct links *l = arg;
	struct link *p;

	if (l->n == LINKS_MAX)
		return false;
	if (l->n == l->cap) {
		l->cap = l->cap * 2 + 16;
		if ((p = realloc(l->p, l->cap * sizeof *p)) == NULL)
			return false;
		l->p = p;
	}
	p = &l->p[l->n++];
	p->dir = e->dir.n;
	memcpy(p->name, e->name.p, e->name.n);
	p->name[e->name.n] = 0;
	return true;
}

static int
links_of(struct ctl *k, uint64_t id, struct links *out)
{
	struct vfs_paths_of q = { .id = { id } };
	struct vfs_paths_of_reply r = { .links = { keep, out } };

	out->n = 0;
	return ctl_call(k, VFS_OP_PATHS_OF, &q, &r);
}

int
ctl_first_name(struct ctl *k, uint64_t id, uint64_t *dir,
    char name[VFS_NAME_MAX + 1])
{
	struct links l = { 0 };
	int err = links_of(k, id, &l);

	if (err == 0 && l.n == 0)
		err = -VFS_GONE;
	if (err == 0) {
		*dir = l.p[0].dir;
		strcpy(name, l.p[0].name);
	}
	free(l.p);
	return err;
}

int
ctl_dir_path(struct ctl *k, uint64_t dir, char *buf, size_t cap, char **out)
{
	struct links up = { 0 };
	unsigned depth;
	size_t n;
	int err = 0;

	*out = buf + cap - 1;
	**out = 0;
	for (depth = 0; err == 0 && dir != VFS_ID_ROOT; depth++) {
		err = depth == DEPTH_MAX ? -VFS_LOOP : links_of(k, dir, &up);
		if (err == 0 && up.n == 0)
			err = -VFS_GONE;
		if (err < 0)
			break;
		n = strlen(up.p[0].name) + 1;
		if (n > (size_t)(*out - buf)) {
			err = -VFS_NAMETOOLONG;
			break;
		}
		*out -= n;
		**out = '/';
		memcpy(*out + 1, up.p[0].name, n - 1);
		dir = up.p[0].dir;
	}
	free(up.p);
	return err;
}

static void
show_path(const char *path, struct json *j)
{
	if (j != NULL) {
		json_text(j, NULL, path);
	} else {
		ctl_print_text(stdout, path);
		putchar('\n');
	}
}

static int
show_paths(struct ctl *k, const struct addr *addr, uint64_t id,
    const struct links *l, struct json *j)
{
	static char buf[DEPTH_MAX * 256], whole[sizeof buf + 8192];
	char *dir;
	size_t i;
	int err;

	if (id == VFS_ID_ROOT) {
		snprintf(whole, sizeof whole, "%s/", addr->mount);
		show_path(whole, j);
	}
	for (i = 0; i < l->n; i++) {
		err = ctl_dir_path(k, l->p[i].dir, buf, sizeof buf, &dir);
		if (err < 0)
			return err;
		snprintf(whole, sizeof whole, "%s%s/%s", addr->mount, dir,
		    l->p[i].name);
		show_path(whole, j);
	}
	return 0;
}

int
ctl_paths(const struct ctl_cmd *cmd, int argc, char **argv)
{
	struct json j = { .to = stdout };
	struct links l = { 0 };
	struct ctl_args a;
	struct addr addr;
	struct ctl k;
	uint64_t id;
	int err;

	if (!ctl_parse(cmd, argc, argv, NULL, 2, 2, &a) ||
	    !ctl_number(cmd, a.arg[1], 10, UINT64_MAX, &id))
		return CTL_USAGE;
	if (ctl_reach(a.arg[0], &addr, &k) < 0)
		return CTL_FAILED;
	if (a.json) {
		json_begin(&j, NULL, '{');
		json_num(&j, "id", id);
		json_begin(&j, "paths", '[');
	}
	if ((err = links_of(&k, id, &l)) == 0)
		err = show_paths(&k, &addr, id, &l, a.json ? &j : NULL);
	if (a.json) {
		json_end(&j, ']');
		json_end(&j, '}');
		putchar('\n');
	}
	free(l.p);
	ctl_close(&k);
	return err < 0 ? ctl_fail(a.arg[1], err) : CTL_OK;
}

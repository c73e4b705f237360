/* What is there after a kill, and whether that may be. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "kill.h"

const char *
kill_path(struct rig *r, unsigned n, const char *suffix)
{
	static char b[2][4096];
	static int turn;

	turn = !turn;
	snprintf(b[turn], sizeof b[0], "%s/f%u%s", r->mnt, n, suffix);
	return b[turn];
}

static bool
is_name(const struct rig *r, const char *name)
{
	unsigned i;

	for (i = 0; i < NAMES; i++) {
		const char *p = kill_path((struct rig *)r, i, "");

		if (strcmp(strrchr(p, '/') + 1, name) == 0)
			return true;
	}
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
	    strcmp(name, "f99.tmp") == 0;
}

/* Is the file on disk f, or between f and g (a write in flight)? */
static const char *
compare(struct rig *r, unsigned n, const struct file *f,
    const struct file *g, bool mixed)
{
	static unsigned char b[BYTES + 1];
	const char *p = kill_path(r, n, "");
	struct stat st;
	char note = 0;
	ssize_t k;
	int fd;

	if (lstat(p, &st) < 0)
		return f->there ? "is gone" : NULL;
	if (!f->there)
		return "is there again";
	if ((fd = open(p, O_RDONLY)) < 0)
		return "cannot be opened";
	k = read(fd, b, sizeof b);
	close(fd);
	if (k != st.st_size)
		return "cannot be read";
	if ((st.st_mode & 07777) != f->mode)
		return "has another mode";
	if (getxattr(p, "user.note", &note, 1) < 0)
		note = 0;
	if (note != f->note)
		return "has another attribute";
	if ((size_t)k != f->size &&
	    (!mixed || (size_t)k < f->size || (size_t)k > g->size))
		return "has another size";
	while (k-- > 0) {
		if (b[k] != f->data[k] && (!mixed || b[k] != g->data[k]))
			return "has other bytes";
	}
	return NULL;
}

static const char *
compare_all(struct rig *r, const struct file *f, const struct file *g,
    bool mixed, unsigned *which)
{
	const char *why;

	for (*which = 0; *which < NAMES; ++*which) {
		why = compare(r, *which, &f[*which], &g[*which],
		    mixed);
		if (why != NULL)
			return why;
	}
	return NULL;
}

/* The tree after a crash: without or with the operation in flight.  What
 * is wrong with it, or NULL. */
const char *
kill_verify(struct rig *r, const struct op *o)
{
	static char text[300];
	bool bytes = o->what == WRITE || o->what == APPEND;
	unsigned a, b;
	const char *w1, *w2;
	struct dirent *e;
	DIR *d;

	w1 = compare_all(r, r->now, r->next, bytes, &a);
	w2 = w1 == NULL ? NULL :
	    compare_all(r, r->next, r->next, false, &b);
	if (w1 != NULL && w2 != NULL && o->what == CREATE) {
		/* open and write are two: an empty file is right */
		struct file *f = &r->now[o->a];

		f->there = true;
		f->mode = 0644;
		f->note = 0;
		f->size = 0;
		memset(f->data, 0, sizeof f->data);
		w1 = compare_all(r, r->now, r->next, true, &a);
	}
	if (w1 != NULL && w2 != NULL) {
		snprintf(text, sizeof text, "f%u %s; or else f%u %s", a, w1,
		    b, w2);
		return text;
	}
	if ((d = opendir(r->mnt)) == NULL)
		return "the root cannot be read";
	while ((e = readdir(d)) != NULL) {
		if (!is_name(r, e->d_name)) {
			snprintf(text, sizeof text, "what is %s?", e->d_name);
			closedir(d);
			return text;
		}
	}
	closedir(d);
	return NULL;
}

/*
 * state.c - what must hold after a row's call
 */
#include <dirent.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <time.h>

#include "posix.h"

static struct stat
get(struct px *px, const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		px_fail(px, "%s: %s", path, strerrorname_np(errno));
	return st;
}

static void
is_num(struct px *px, const char *what, const char *path, long long is,
    long long want)
{
	if (is != want)
		px_fail(px, "%s of %s is %lld, not %lld", what, path, is,
		    want);
}

static void
is_type(struct px *px, char **v)
{
	static const char letters[] = "pcdbfls";
	static const mode_t types[] = { S_IFIFO, S_IFCHR, S_IFDIR, S_IFBLK,
		S_IFREG, S_IFLNK, S_IFSOCK };
	const char *l = strchr(letters, v[1][0]);
	mode_t mode = get(px, v[0]).st_mode & S_IFMT;

	if (l == NULL || mode != types[l - letters])
		px_fail(px, "type of %s is %o", v[0], mode);
}

static void
is_gone(struct px *px, char **v)
{
	struct stat st;

	if (lstat(v[0], &st) == 0 || errno != ENOENT)
		px_fail(px, "%s is not gone", v[0]);
}

static void
is_mode(struct px *px, char **v)
{
	unsigned is = get(px, v[0]).st_mode & 07777;

	if (is != strtoul(v[1], NULL, 8))
		px_fail(px, "mode of %s is %04o, not %s", v[0], is, v[1]);
}

static void
is_owner(struct px *px, char **v)
{
	struct stat st = get(px, v[0]);

	is_num(px, "uid", v[0], st.st_uid, px_num(px, v[1]));
	is_num(px, "gid", v[0], st.st_gid, px_num(px, v[2]));
}

static void
is_nlink(struct px *px, char **v)
{
	is_num(px, "nlink", v[0], get(px, v[0]).st_nlink, px_num(px, v[1]));
}

static void
is_size(struct px *px, char **v)
{
	is_num(px, "size", v[0], get(px, v[0]).st_size, px_num(px, v[1]));
}

static void
is_rdev(struct px *px, char **v)
{
	dev_t d = get(px, v[0]).st_rdev;

	is_num(px, "major", v[0], major(d), px_num(px, v[1]));
	is_num(px, "minor", v[0], minor(d), px_num(px, v[2]));
}

static void
is_same(struct px *px, char **v)
{
	if (get(px, v[0]).st_ino != get(px, v[1]).st_ino)
		px_fail(px, "%s is not %s", v[0], v[1]);
}

static void
is_other(struct px *px, char **v)
{
	if (get(px, v[0]).st_ino == get(px, v[1]).st_ino)
		px_fail(px, "%s is %s", v[0], v[1]);
}

static void
is_text(struct px *px, char **v)
{
	static char b[PX_WORD];
	int fd = open(v[0], O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, b, sizeof b - 1);

	if (n < 0)
		px_fail(px, "%s: %s", v[0], strerrorname_np(errno));
	b[n] = '\0';
	close(fd);
	if ((size_t)n != strlen(v[1]) || memcmp(b, v[1], n) != 0)
		px_fail(px, "%s holds \"%.80s\" (%zd)", v[0], b, n);
}

static void
is_target(struct px *px, char **v)
{
	static char b[PX_WORD];
	ssize_t n = readlink(v[0], b, sizeof b);

	if (n < 0 || (size_t)n != strlen(v[1]) || memcmp(b, v[1], n) != 0)
		px_fail(px, "%s points elsewhere (%zd)", v[0], n);
	is_num(px, "size", v[0], get(px, v[0]).st_size, n);
}

static void
is_count(struct px *px, char **v)
{
	DIR *d = opendir(v[0]);
	long long n = 0;

	if (d == NULL)
		px_fail(px, "%s: %s", v[0], strerrorname_np(errno));
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	is_num(px, "entries", v[0], n - 2, px_num(px, v[1]));
}

/* times PATH LETTERS: exactly these changed since stamp ("-": none). */
static void
is_times(struct px *px, char **v)
{
	struct px_stamp *s;
	struct stat st;
	char is[4], *p = is;
	unsigned i;

	for (i = 0; i < px->nstamps; i++) {
		s = &px->stamp[i];
		if (get(px, v[0]).st_ino == s->st.st_ino)
			break;
	}
	if (i == px->nstamps)
		px_fail(px, "%s has no stamp", v[0]);
	st = get(px, v[0]);
#define DIFFER(x) (memcmp(&st.x, &s->st.x, sizeof st.x) != 0)
	if (DIFFER(st_atim))
		*p++ = 'a';
	if (DIFFER(st_mtim))
		*p++ = 'm';
	if (DIFFER(st_ctim))
		*p++ = 'c';
#undef DIFFER
	if (p == is)
		*p++ = '-';
	*p = '\0';
	if (strcmp(is, v[1]) != 0)
		px_fail(px, "of %s changed %s, not %s", v[0], is, v[1]);
}

static void
is_time(struct px *px, const char *path, struct timespec t, const char *want)
{
	char is[64];

	snprintf(is, sizeof is, "%lld.%ld", (long long)t.tv_sec, t.tv_nsec);
	if (strcmp(is, want) != 0)
		px_fail(px, "time of %s is %s, not %s", path, is, want);
}

static void
is_atime(struct px *px, char **v)
{
	is_time(px, v[0], get(px, v[0]).st_atim, v[1]);
}

static void
is_mtime(struct px *px, char **v)
{
	is_time(px, v[0], get(px, v[0]).st_mtim, v[1]);
}

static void
is_recent(struct px *px, char **v)
{
	struct stat st = get(px, v[0]);
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (st.st_mtim.tv_sec < now.tv_sec - 60 ||
	    st.st_mtim.tv_sec > now.tv_sec + 1)
		px_fail(px, "mtime of %s is not now", v[0]);
}

static void
is_xattr(struct px *px, char **v)
{
	static char b[65536];
	ssize_t n = lgetxattr(v[0], v[1], b, sizeof b);

	if (n < 0 || (size_t)n != strlen(v[2]) || memcmp(b, v[2], n) != 0)
		px_fail(px, "%s of %s is other (%zd)", v[1], v[0], n);
}

static void
is_fsize(struct px *px, char **v)
{
	struct stat st;

	CALL(px, fstat(px->fd[px_slot(px, v[0])], &st));
	is_num(px, "size", v[0], st.st_size, px_num(px, v[1]));
}

static void
is_fnlink(struct px *px, char **v)
{
	struct stat st;

	CALL(px, fstat(px->fd[px_slot(px, v[0])], &st));
	is_num(px, "nlink", v[0], st.st_nlink, px_num(px, v[1]));
}

static void
is_ftext(struct px *px, char **v)
{
	char b[512];
	ssize_t n = CALL(px, pread(px->fd[px_slot(px, v[0])], b, sizeof b - 1,
	    0));

	b[n] = '\0';
	if (strcmp(b, v[1]) != 0)
		px_fail(px, "slot %s holds \"%.80s\"", v[0], b);
}

static const struct {
	const char *name;
	int argc;
	void (*check)(struct px *px, char **v);
} states[] = {
	{ "is", 2, is_type }, { "gone", 1, is_gone }, { "mode", 2, is_mode },
	{ "own", 3, is_owner }, { "nlink", 2, is_nlink },
	{ "size", 2, is_size }, { "rdev", 3, is_rdev },
	{ "same", 2, is_same }, { "other", 2, is_other },
	{ "text", 2, is_text }, { "target", 2, is_target },
	{ "count", 2, is_count }, { "times", 2, is_times },
	{ "atime", 2, is_atime }, { "mtime", 2, is_mtime },
	{ "recent", 1, is_recent }, { "xattr", 3, is_xattr },
	{ "fsize", 2, is_fsize }, { "fnlink", 2, is_fnlink },
	{ "ftext", 2, is_ftext },
};

static void
expect_one(struct px *px, struct px_words *w)
{
	size_t i;

	for (i = 0; i < sizeof states / sizeof states[0]; i++) {
		if (strcmp(states[i].name, w->argv[0]) != 0)
			continue;
		if (w->argc - 1 != states[i].argc)
			px_fail(px, "%s: wrong words", w->argv[0]);
		states[i].check(px, w->argv + 1);
		return;
	}
	px_fail(px, "no such state: %s", w->argv[0]);
}

void
px_expect(struct px *px, const char *s)
{
	static struct px_words w;

	while (px_next(px, &s, &w))
		expect_one(px, &w);
}

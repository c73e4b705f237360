/*
 * words.c - the statements of a row
 */
#include <dirent.h>
#include <grp.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "posix.h"

static int
hex(int c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* One word from *at into out, with @N and %HH replaced. */
static char *
word(struct px *px, const char **at, char *out, const char *end)
{
	const char *p = *at;

	while (*p != '\0' && *p != ' ' && *p != ';') {
		long n = 1;
		int c = *p;

		if (p[0] == '@') {
			n = strtol(p + 1, (char **)&p, 10);
			c = 'x';
		} else if (p[0] == '%' && hex(p[1]) >= 0 && hex(p[2]) >= 0) {
			c = hex(p[1]) * 16 + hex(p[2]);
			p += 3;
		} else {
			p++;
		}
		if (out + n >= end)
			px_fail(px, "statement too long");
		memset(out, c, n);
		out += n;
	}
	*out++ = '\0';
	*at = p;
	return out;
}

bool
px_next(struct px *px, const char **at, struct px_words *w)
{
	char *out = w->room;

	while (**at == ' ' || **at == ';')
		++*at;
	if (**at == '\0')
		return false;
	w->argc = 0;
	while (**at != '\0' && **at != ';') {
		if (**at == ' ') {
			++*at;
			continue;
		}
		if (w->argc == PX_ARGS)
			px_fail(px, "too many words");
		w->argv[w->argc++] = out;
		out = word(px, at, out, w->room + sizeof w->room);
	}
	return true;
}

long long
px_num(struct px *px, const char *s)
{
	char *end;
	long long n = strtoll(s, &end, 10);

	if (strcmp(s, "max") == 0)
		return INT64_MAX;
	switch (*end) {
	case 'k':
		n <<= 10, end++;
		break;
	case 'm':
		n <<= 20, end++;
		break;
	case 'g':
		n <<= 30, end++;
		break;
	}
	if (end == s || *end != '\0')
		px_fail(px, "not a number: %s", s);
	return n;
}

int
px_slot(struct px *px, const char *s)
{
	int n = *s - '0';

	if (n < 0 || n >= PX_SLOTS || s[1] != '\0')
		px_fail(px, "not a slot: %s", s);
	return n;
}

static mode_t
mode_of(char **v, int n, int i, mode_t standard)
{
	return i < n ? strtoul(v[i], NULL, 8) : standard;
}

/* "creat,excl,rw" */
static int
flags_of(struct px *px, const char *s)
{
	static const struct {
		const char *word;
		int flag;
	} t[] = {
		{ "r", O_RDONLY }, { "w", O_WRONLY }, { "rw", O_RDWR },
		{ "creat", O_CREAT }, { "excl", O_EXCL },
		{ "trunc", O_TRUNC }, { "append", O_APPEND },
		{ "nofollow", O_NOFOLLOW }, { "dir", O_DIRECTORY },
		{ "direct", O_DIRECT }, { "path", O_PATH },
		{ "tmpfile", O_TMPFILE }, { "noatime", O_NOATIME },
		{ "sync", O_SYNC }, { "nonblock", O_NONBLOCK },
	};
	int flags = 0;

	while (*s != '\0') {
		size_t n = strcspn(s, ","), i;

		for (i = 0; i < sizeof t / sizeof t[0]; i++) {
			if (strlen(t[i].word) == n &&
			    strncmp(t[i].word, s, n) == 0)
				break;
		}
		if (i == sizeof t / sizeof t[0])
			px_fail(px, "no such flag: %s", s);
		flags |= t[i].flag;
		s += n + (s[n] == ',');
	}
	return flags;
}

static long
do_file(struct px *px, char **v, int n)
{
	int fd = open(v[0], O_CREAT | O_EXCL | O_WRONLY,
	    mode_of(v, n, 1, 0644));

	(void)px;
	return fd < 0 ? -1 : close(fd);
}

static long
do_put(struct px *px, char **v, int n)
{
	int fd = open(v[0], O_CREAT | O_WRONLY | O_TRUNC, 0644);
	long r;

	(void)px, (void)n;
	if (fd < 0)
		return -1;
	r = write(fd, v[1], strlen(v[1]));
	return close(fd) < 0 ? -1 : r;
}

static long
do_open(struct px *px, char **v, int n)
{
	int fd = open(v[0], flags_of(px, v[1]), mode_of(v, n, 2, 0644));

	return fd < 0 ? -1 : close(fd);
}

static long
do_hold(struct px *px, char **v, int n)
{
	int s = px_slot(px, v[0]);
	int fd = open(v[1], flags_of(px, v[2]), mode_of(v, n, 3, 0644));

	if (fd >= 0)
		px->fd[s] = fd;
	return fd;
}

#define SLOT px->fd[px_slot(px, v[0])]
#define NUM(i) px_num(px, v[i])
#define DO(name, expr) \
static long \
do_##name(struct px *px, char **v, int n) \
{ \
	(void)px, (void)n, (void)v; \
	return (long)(expr); \
}

DO(mkdir, mkdir(v[0], mode_of(v, n, 1, 0755)))
DO(rmdir, rmdir(v[0]))
DO(link, link(v[0], v[1]))
DO(linkf, linkat(AT_FDCWD, v[0], AT_FDCWD, v[1], AT_SYMLINK_FOLLOW))
DO(symlink, symlink(v[0], v[1]))
DO(unlink, unlink(v[0]))
DO(rename, rename(v[0], v[1]))
DO(swap, renameat2(AT_FDCWD, v[0], AT_FDCWD, v[1], RENAME_EXCHANGE))
DO(move, renameat2(AT_FDCWD, v[0], AT_FDCWD, v[1], RENAME_NOREPLACE))
DO(both, renameat2(AT_FDCWD, v[0], AT_FDCWD, v[1],
    RENAME_EXCHANGE | RENAME_NOREPLACE))
DO(mkfifo, mkfifo(v[0], mode_of(v, n, 1, 0644)))
DO(mksock, mknod(v[0], S_IFSOCK | mode_of(v, n, 1, 0644), 0))
DO(chmod, chmod(v[0], mode_of(v, n, 1, 0)))
DO(chown, chown(v[0], NUM(1), NUM(2)))
DO(lchown, lchown(v[0], NUM(1), NUM(2)))
DO(truncate, truncate(v[0], NUM(1)))
DO(access, faccessat(AT_FDCWD, v[0], (strchr(v[1], 'r') ? R_OK : 0) |
    (strchr(v[1], 'w') ? W_OK : 0) | (strchr(v[1], 'x') ? X_OK : 0),
    AT_EACCESS))
DO(chdir, chdir(v[0]))
DO(umask, (umask(mode_of(v, n, 0, 0)), 0))
DO(close, close(SLOT))
DO(wr, write(SLOT, v[1], strlen(v[1])))
DO(pwr, pwrite(SLOT, v[2], strlen(v[2]), NUM(1)))
DO(ftrunc, ftruncate(SLOT, NUM(1)))
DO(fchmod, fchmod(SLOT, mode_of(v, n, 1, 0)))
DO(fchown, fchown(SLOT, NUM(1), NUM(2)))
DO(fsync, fsync(SLOT))
DO(tick, (px_tick(), 0))

/* mknod NAME c|b|p|s|f|d MODE MAJOR MINOR */
static long
do_mknod(struct px *px, char **v, int n)
{
	static const char letters[] = "cbpsfd";
	static const mode_t types[] = { S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK,
		S_IFREG, S_IFDIR };
	const char *l = strchr(letters, v[1][0]);

	if (l == NULL)
		px_fail(px, "no such type: %s", v[1]);
	return mknod(v[0], types[l - letters] | mode_of(v, n, 2, 0644),
	    n > 4 ? makedev(px_num(px, v[3]), px_num(px, v[4])) : 0);
}

static long
do_seek(struct px *px, char **v, int n)
{
	int whence = strcmp(v[1], "data") == 0 ? SEEK_DATA :
	    strcmp(v[1], "hole") == 0 ? SEEK_HOLE : SEEK_SET;

	(void)n;
	return lseek(SLOT, NUM(2), whence) < 0 ? -1 : 0;
}

/* falloc SLOT keep|punch|zero|zerokeep|plain|punchalone OFF LEN */
static long
do_falloc(struct px *px, char **v, int n)
{
	static const struct {
		const char *word;
		int mode;
	} t[] = {
		{ "plain", 0 }, { "keep", FALLOC_FL_KEEP_SIZE },
		{ "punch", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE },
		{ "punchalone", FALLOC_FL_PUNCH_HOLE },
		{ "zero", FALLOC_FL_ZERO_RANGE },
		{ "zerokeep", FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE },
	};
	size_t i;

	(void)n;
	for (i = 0; i < sizeof t / sizeof t[0]; i++) {
		if (strcmp(t[i].word, v[1]) == 0)
			return fallocate(SLOT, t[i].mode, NUM(2), NUM(3));
	}
	px_fail(px, "no such mode: %s", v[1]);
}

static long
do_flink(struct px *px, char **v, int n)
{
	char proc[64];

	(void)n;
	snprintf(proc, sizeof proc, "/proc/self/fd/%d", SLOT);
	return linkat(AT_FDCWD, proc, AT_FDCWD, v[1], AT_SYMLINK_FOLLOW);
}

/* Reads a file, so that its access time is due. */
static long
do_read(struct px *px, char **v, int n)
{
	char b[16];
	int fd = open(v[0], O_RDONLY);
	long r;

	(void)px, (void)n;
	if (fd < 0)
		return -1;
	r = read(fd, b, sizeof b);
	close(fd);
	return r;
}

static long
do_readlink(struct px *px, char **v, int n)
{
	char b[PATH_MAX];

	(void)px, (void)n;
	return readlink(v[0], b, sizeof b);
}

static long
do_stat(struct px *px, char **v, int n)
{
	struct stat st;

	(void)px, (void)n;
	return stat(v[0], &st);
}

static long
do_list(struct px *px, char **v, int n)
{
	DIR *d = opendir(v[0]);

	(void)px, (void)n;
	if (d == NULL)
		return -1;
	errno = 0;
	while (readdir(d) != NULL)
		;
	n = errno;
	closedir(d);
	errno = n;
	return n ? -1 : 0;
}

static struct timespec
time_of(struct px *px, const char *s)
{
	struct timespec t = { 0, 0 };
	char *dot;

	if (strcmp(s, "now") == 0) {
		t.tv_nsec = UTIME_NOW;
	} else if (strcmp(s, "omit") == 0) {
		t.tv_nsec = UTIME_OMIT;
	} else {
		t.tv_sec = strtoll(s, &dot, 10);
		t.tv_nsec = *dot == '.' ? px_num(px, dot + 1) : 0;
	}
	return t;
}

static long
do_utimens(struct px *px, char **v, int n)
{
	struct timespec t[2] = { time_of(px, v[1]), time_of(px, v[2]) };

	return utimensat(AT_FDCWD, v[0], n > 3 ? NULL : t, 0);
}

static long
do_lutimens(struct px *px, char **v, int n)
{
	struct timespec t[2] = { time_of(px, v[1]), time_of(px, v[2]) };

	(void)n;
	return utimensat(AT_FDCWD, v[0], t, AT_SYMLINK_NOFOLLOW);
}

static long
do_setx(struct px *px, char **v, int n)
{
	int flags = n < 4 ? 0 : strcmp(v[3], "create") == 0 ? XATTR_CREATE :
	    XATTR_REPLACE;

	(void)px;
	return lsetxattr(v[0], v[1], v[2], strlen(v[2]), flags);
}

DO(getx, lgetxattr(v[0], v[1], NULL, 0))
DO(delx, lremovexattr(v[0], v[1]))

static long
do_copy(struct px *px, char **v, int n)
{
	int in = open(v[0], O_RDONLY), out = open(v[1], O_WRONLY);
	long r;

	(void)n;
	if (in < 0 || out < 0)
		px_fail(px, "copy: cannot open");
	r = copy_file_range(in, NULL, out, NULL, 1 << 20, 0);
	n = errno;
	close(in), close(out);
	errno = n;
	return r;
}

/* Remember the times of an object, for "times". */
static long
do_stamp(struct px *px, char **v, int n)
{
	struct px_stamp *s = &px->stamp[px->nstamps];

	(void)n;
	if (px->nstamps == PX_STAMPS || strlen(v[0]) >= sizeof s->path)
		px_fail(px, "too many stamps");
	strcpy(s->path, v[0]);
	px->nstamps++;
	return lstat(v[0], &s->st);
}

static const struct {
	const char *name;
	int min;
	long (*run)(struct px *px, char **v, int n);
} calls[] = {
#define C(name, min) { #name, min, do_##name }
	C(file, 1), C(put, 2), C(open, 2), C(hold, 3), C(mkdir, 1),
	C(rmdir, 1), C(link, 2), C(linkf, 2), C(symlink, 2), C(unlink, 1),
	C(rename, 2), C(swap, 2), C(move, 2), C(both, 2), C(mkfifo, 1),
	C(mksock, 1), C(mknod, 2), C(chmod, 2), C(chown, 3), C(lchown, 3),
	C(truncate, 2), C(access, 2), C(chdir, 1), C(umask, 1), C(close, 1),
	C(wr, 2), C(pwr, 3), C(ftrunc, 2), C(fchmod, 2), C(fchown, 3),
	C(fsync, 1), C(seek, 3), C(falloc, 4), C(flink, 2), C(read, 1),
	C(readlink, 1), C(stat, 1), C(list, 1), C(utimens, 3),
	C(lutimens, 3), C(setx, 3), C(getx, 2), C(delx, 2), C(copy, 2),
	C(stamp, 1), C(tick, 0),
#undef C
};

static long
call_words(struct px *px, char **v, int n)
{
	size_t i;

	for (i = 0; i < sizeof calls / sizeof calls[0]; i++) {
		if (strcmp(calls[i].name, v[0]) != 0)
			continue;
		if (n - 1 < calls[i].min)
			px_fail(px, "%s: too few words", v[0]);
		return calls[i].run(px, v + 1, n - 1);
	}
	px_fail(px, "no such statement: %s", v[0]);
}

/* "as=UID/GID[/GID]": become that user until user_back. */
static void
user_set(struct px *px, const char *s)
{
	unsigned u, g;
	gid_t more;
	int n = sscanf(s, "as=%u/%u/%u", &u, &g, &more);

	if (n < 2)
		px_fail(px, "not a user: %s", s);
	CALL(px, setgroups(n > 2, &more));
	CALL(px, setegid(g));
	CALL(px, seteuid(u));
}

static void
user_back(struct px *px)
{
	CALL(px, seteuid(0));
	CALL(px, setegid(0));
	CALL(px, setgroups(0, NULL));
}

int
px_call(struct px *px, const char *statement)
{
	static struct px_words w;
	bool as;
	long r;
	int err;

	if (!px_next(px, &statement, &w))
		px_fail(px, "no statement");
	as = strncmp(w.argv[0], "as=", 3) == 0;
	if (as)
		user_set(px, w.argv[0]);
	errno = 0;
	r = call_words(px, w.argv + as, w.argc - as);
	err = r < 0 ? errno : 0;
	if (as)
		user_back(px);
	return err;
}

void
px_do(struct px *px, const char *statements)
{
	while (*statements != '\0') {
		size_t n = strcspn(statements, ";");
		char one[512];
		int err;

		snprintf(one, sizeof one, "%.*s", (int)n, statements);
		if (one[strspn(one, " ")] != '\0' &&
		    (err = px_call(px, one)) != 0)
			px_fail(px, "set-up: %s: %s", one,
			    strerrorname_np(err));
		statements += n + (statements[n] == ';');
	}
}

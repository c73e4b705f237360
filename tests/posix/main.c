/*
 * posix-run DIR [WORD] - hold a directory's filesystem to the rules
 *
 * Prints TAP.  WORD keeps only the cases whose name contains it.
 */
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>

#include "posix.h"

#define TOLD_MAX	1024
#define CASE_SECONDS	60

extern const struct family f_open, f_dir, f_link, f_symlink, f_unlink,
    f_rename, f_rename_rule, f_mknod, f_chmod, f_chown, f_perm, f_times,
    f_utimens, f_truncate, f_io, f_tmpfile, f_alloc, f_copy, f_mmap, f_xattr,
    f_acl, f_lock, f_stream, f_names, f_handle, f_orphan;

static const struct family *const families[] = {
	&f_open, &f_dir, &f_link, &f_symlink, &f_unlink, &f_rename,
	&f_rename_rule, &f_mknod, &f_chmod, &f_chown, &f_perm, &f_times,
	&f_utimens, &f_truncate, &f_io, &f_tmpfile, &f_alloc, &f_copy,
	&f_mmap, &f_xattr, &f_acl, &f_lock, &f_stream, &f_names, &f_handle,
	&f_orphan,
};

struct run {
	const char *only;
	char *told;			/* shared memory */
	const char *fs;
	int top;			/* the directory under test */
	unsigned n, failed;
};

static void
tell(struct px *px, const char *fmt, va_list ap)
{
	vsnprintf(px->told, px->told_max, fmt, ap);
}

void
px_fail(struct px *px, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tell(px, fmt, ap);
	va_end(ap);
	_exit(1);
}

void
px_skip(struct px *px, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tell(px, fmt, ap);
	va_end(ap);
	_exit(77);
}

void
px_tick(void)
{
	struct timespec t = { 0, 11 * 1000 * 1000 };

	nanosleep(&t, NULL);
}

void
px_as(struct px *px, uid_t uid, gid_t gid, void (*fn)(struct px *px))
{
	int status;
	pid_t pid = CALL(px, fork());

	if (pid == 0) {
		CALL(px, setresgid(gid, gid, gid));
		CALL(px, setresuid(uid, uid, uid));
		fn(px);
		_exit(0);
	}
	CALL(px, waitpid(pid, &status, 0));
	if (WIFSIGNALED(status))
		px_fail(px, "signal %d as user %u", WTERMSIG(status), uid);
	if (WEXITSTATUS(status) != 0)
		_exit(WEXITSTATUS(status));	/* it has told why */
}

static const char *
fs_name(int fd)
{
	struct statfs s;

	if (fstatfs(fd, &s) < 0)
		return "?";
	switch ((unsigned long)s.f_type) {
	case 0xef53:
		return "ext4";
	case 0x58465342:
		return "xfs";
	case 0x01021994:
		return "tmpfs";
	case 0x65735546:
		return "fuse";
	case 0x9123683e:
		return "btrfs";
	default:
		return "?";
	}
}

/* "tmpfs=reason;xfs=reason": the reason for this one, or NULL. */
static const char *
differs(const char *not, const char *fs, char *out, size_t max)
{
	size_t n = strlen(fs);

	for (; not != NULL; not = strchr(not, ';')) {
		not += *not == ';';
		if (strncmp(not, fs, n) == 0 && not[n] == '=') {
			snprintf(out, max, "%s: %.*s", fs,
			    (int)strcspn(not + n + 1, ";"), not + n + 1);
			return out;
		}
	}
	return NULL;
}

static bool
asks_for_root(const struct row *r)
{
	const char *const w[] = { "as=", "chown ", "mknod ", "trusted.",
		"security." };
	size_t i;

	for (i = 0; i < sizeof w / sizeof w[0]; i++) {
		if (strstr(r->setup, w[i]) || strstr(r->call, w[i]))
			return true;
	}
	return false;
}

static void
row_run(struct px *px, const struct row *r)
{
	int err;

	px_do(px, r->setup);
	if (px->nstamps > 0)
		px_tick();
	err = px_call(px, r->call);
	if (err != r->err)
		px_fail(px, "got %s, not %s",
		    err ? strerrorname_np(err) : "success",
		    r->err ? strerrorname_np(r->err) : "success");
	px_expect(px, r->state);
}

static void
child(struct run *run, const char *dir, const struct row *row,
    const struct test *test)
{
	static struct px px;
	unsigned i;

	px.told = run->told;
	px.told_max = TOLD_MAX;
	px.fs = run->fs;
	for (i = 0; i < PX_SLOTS; i++)
		px.fd[i] = -1;
	umask(0);
	alarm(CASE_SECONDS);
	if (fchdir(run->top) < 0 || mkdir(dir, 0755) < 0 || chdir(dir) < 0)
		px_fail(&px, "no fresh directory: %s", strerror(errno));
	if (row != NULL)
		row_run(&px, row);
	else
		test->run(&px);
	_exit(0);
}

static void
one(struct run *run, const char *name, const struct row *row,
    const struct test *test)
{
	char dir[32], why[256];
	const char *not = row ? row->not : test->not;
	bool root = row ? asks_for_root(row) : test->root;
	int status;
	pid_t pid;

	if (run->only != NULL && strstr(name, run->only) == NULL)
		return;
	run->n++;
	if (differs(not, run->fs, why, sizeof why) != NULL ||
	    (root && geteuid() != 0 && strcpy(why, "needs root"))) {
		printf("ok %u - %s # SKIP %s\n", run->n, name, why);
		return;
	}
	snprintf(dir, sizeof dir, "t%u", run->n);
	run->told[0] = '\0';
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		child(run, dir, row, test);
	if (pid < 0 || waitpid(pid, &status, 0) < 0) {
		perror("fork");
		exit(2);
	}
	if (WIFSIGNALED(status))
		snprintf(run->told, TOLD_MAX, "signal %d", WTERMSIG(status));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		printf("ok %u - %s # SKIP %s\n", run->n, name, run->told);
	} else if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		printf("ok %u - %s\n", run->n, name);
	} else {
		run->failed++;
		printf("not ok %u - %s: %s\n", run->n, name, run->told);
	}
}

static void
family_run(struct run *run, const struct family *f)
{
	char name[512];
	const struct row *r;
	const struct test *t;

	for (r = f->rows; r != NULL && r->call != NULL; r++) {
		snprintf(name, sizeof name, "%s: %s%s%s -> %s", f->name,
		    r->setup, *r->setup ? " | " : "", r->call,
		    r->err ? strerrorname_np(r->err) : "ok");
		one(run, name, r, NULL);
	}
	for (t = f->tests; t != NULL && t->name != NULL; t++) {
		snprintf(name, sizeof name, "%s: %s", f->name, t->name);
		one(run, name, NULL, t);
	}
}

int
main(int argc, char **argv)
{
	char top[] = "posix.XXXXXX";
	struct run run = { 0 };
	size_t i;

	if (argc < 2 || chdir(argv[1]) < 0 || mkdtemp(top) == NULL ||
	    chmod(top, 0755) < 0 || (run.top = open(top, O_RDONLY)) < 0) {
		fprintf(stderr, "usage: posix-run DIR [WORD]: %s\n",
		    strerror(errno));
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	run.only = argc > 2 ? argv[2] : NULL;
	run.fs = fs_name(run.top);
	run.told = mmap(NULL, TOLD_MAX, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (run.told == MAP_FAILED)
		return 2;
	for (i = 0; i < sizeof families / sizeof families[0]; i++)
		family_run(&run, families[i]);
	printf("1..%u\n", run.n);
	printf("# %s: %u cases, %u failed; left in %s\n", run.fs, run.n,
	    run.failed, top);
	return run.failed != 0;
}

/*
 * visible_rules.c - what else the kernel keeps: permissions, access
 * lists, links, mappings, sizes; and both sides at one name or file
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "probe.h"
#include "visible.h"

#define PAGE		4096u
#define PARTS		4u
#define PART_FILES	50u

struct rules {
	struct both *b;
	unsigned n, bad;
};

static void
rule(struct rules *r, const char *name, bool ok)
{
	r->n++;
	r->bad += !ok;
	if (!ok)
		printf("# wrong: %s\n", name);
}

static void
wire_write(struct both *b, struct vfs_id id, uint64_t off, const void *p,
    size_t n, uint32_t flags)
{
	struct vfs_write q = { .id = id, .off = off, .flags = flags,
	    .data = { p, n } };
	struct vfs_write_reply w;

	vfp_do(&b->c, VFS_OP_WRITE, &q, &w);
}

static struct vfs_id
new_file(struct both *b, const char *name)
{
	return vfp_create(&b->c, b->dir, name, S_IFREG | 0644);
}

/* --- many at once ------------------------------------------------------------ */

static void
add_parts(struct both *b, uint64_t tx, struct vfs_id old)
{
	struct vfs_setattr mode = { .id = old, .valid = VFS_SET_MODE,
	    .mode = 0600 };
	char name[16];
	unsigned i, j;
	int e;

	vfp_add(&b->c, VFS_OP_SETATTR, &mode);
	for (i = 0; i < PARTS; i++) {
		for (j = 0; j < PART_FILES; j++) {
			struct vfs_create q = { .dir = b->dir,
			    .mode = S_IFREG | 0644, .flags = VFS_CREATE_EXCL };

			snprintf(name, sizeof name, "part%u.%u", i, j);
			q.name = vfp_str(name);
			vfp_add(&b->c, VFS_OP_CREATE, &q);
		}
		if ((e = vfp_add_to(&b->c, tx, VFS_TX_LATER)) < 0)
			errx(1, "TX_ADD: %s", vfs_err_text(e));
	}
}

/* The kernel knows the directory, a file, and that there is no other; and the
 * commit has a name, as each of libvfs has. */
static void
parts(struct rules *r)
{
	struct both *b = r->b;
	struct vfs_id old = new_file(b, "part.old");
	uint64_t before = vfp_status(&b->c, "tx.speculated");
	struct vfs_tx_begin bq = { 0 };
	struct vfs_tx_begin_reply br;
	struct vfs_tx_commit cq = { .tx_id = { "sixteen bytes...", 16 } };
	struct vfs_tx_commit_reply cr;
	struct stat st;

	vfp_do(&b->c, VFS_OP_TX_BEGIN, &bq, &br);
	cq.tx = br.tx;
	add_parts(b, br.tx, old);
	rule(r, "a part is not there before its commit",
	    fstatat(b->dfd, "part.old", &st, 0) == 0 &&
	    (st.st_mode & 0777) == 0644 &&
	    fstatat(b->dfd, "part0.0", &st, 0) != 0 && errno == ENOENT);
	rule(r, "parts are committed",
	    vfp_call(&b->c, VFS_OP_TX_COMMIT, &cq, &cr) == 0);
	rule(r, "then all of them are there",
	    fstatat(b->dfd, "part.old", &st, 0) == 0 &&
	    (st.st_mode & 0777) == 0600 &&
	    fstatat(b->dfd, "part0.0", &st, 0) == 0 &&
	    fstatat(b->dfd, "part3.49", &st, 0) == 0);
	/* Unless somebody else, who publishes a draft, say, was faster. */
	printf("# run before their commit: %lu of 1\n", (unsigned long)
	    (vfp_status(&b->c, "tx.speculated") - before));
}

/* --- names ------------------------------------------------------------------- */

struct race {
	struct both *b;
	_Atomic bool stop;
	_Atomic unsigned long n, failed;
};

static void *
create_too(void *arg)
{
	struct race *x = arg;
	int fd;

	while (!atomic_load(&x->stop)) {
		fd = openat(x->b->dfd, "both", O_RDWR | O_CREAT, 0644);
		atomic_fetch_add(&x->n, 1);
		if (fd < 0) {
			if (atomic_fetch_add(&x->failed, 1) < 3)
				printf("# open(O_CREAT): %s\n",
				    strerrorname_np(errno));
			continue;
		}
		close(fd);
		unlinkat(x->b->dfd, "both", 0);
	}
	return NULL;
}

static void
creates_of_one_name(struct rules *r)
{
	struct race x = { .b = r->b };
	struct vfs_create q = { .dir = r->b->dir, .mode = S_IFREG | 0644,
	    .flags = VFS_CREATE_EXCL, .name = vfp_str("both") };
	struct vfs_create_reply rep;
	pthread_t t;
	int i;

	pthread_create(&t, NULL, create_too, &x);
	for (i = 0; i < 3000; i++)
		(void)vfp_call(&r->b->c, VFS_OP_CREATE, &q, &rep);
	atomic_store(&x.stop, true);
	pthread_join(t, NULL);
	printf("# open(O_CREAT) beside CREATE: %lu, %lu failed\n",
	    (unsigned long)x.n, (unsigned long)x.failed);
	rule(r, "open(O_CREAT) where another creates", x.failed == 0);
}

static void
links(struct rules *r)
{
	struct both *b = r->b;
	struct vfs_create q = { .dir = b->dir, .mode = S_IFLNK | 0777,
	    .flags = VFS_CREATE_EXCL, .name = vfp_str("l1"),
	    .target = vfp_str("first") };
	struct vfs_create_reply rep;
	struct vfs_rename rq = { .dir = b->dir, .dir2 = b->dir,
	    .name = vfp_str("l2"), .name2 = vfp_str("l1") };
	struct vfs_rename_reply rr;
	char to[64] = { 0 };

	vfp_do(&b->c, VFS_OP_CREATE, &q, &rep);
	q.name = vfp_str("l2");
	q.target = vfp_str("second");
	vfp_do(&b->c, VFS_OP_CREATE, &q, &rep);
	rule(r, "a link is read", readlinkat(b->dfd, "l1", to, 63) == 5);
	vfp_do(&b->c, VFS_OP_RENAME, &rq, &rr);
	rule(r, "a replaced link is read anew",
	    readlinkat(b->dfd, "l1", to, 63) == 6 &&
	    memcmp(to, "second", 6) == 0);
}

/* A directory goes elsewhere under whoever stands in it. */
static void
moved_directory(struct rules *r)
{
	struct both *b = r->b;
	struct vfs_id d = vfp_create(&b->c, b->dir, "here", S_IFDIR | 0755);
	struct vfs_rename rq = { .dir = b->dir, .dir2 = b->dir,
	    .name = vfp_str("here"), .name2 = vfp_str("there") };
	struct vfs_rename_reply rr;
	struct stat st;
	int fd;

	vfp_create(&b->c, d, "f", S_IFREG | 0644);
	fd = openat(b->dfd, "here", O_RDONLY | O_DIRECTORY);
	fstatat(b->dfd, "here/f", &st, 0);
	vfp_do(&b->c, VFS_OP_RENAME, &rq, &rr);
	rule(r, "a moved directory is gone from its place",
	    fstatat(b->dfd, "here/f", &st, 0) != 0 && errno == ENOENT);
	rule(r, "what is open in it is used on",
	    fstatat(fd, "f", &st, 0) == 0);
	rule(r, "what is not in it is not there",
	    fstatat(fd, "later", &st, 0) != 0 && errno == ENOENT);
	vfp_create(&b->c, d, "later", S_IFREG | 0644);
	rule(r, "until it is made", fstatat(fd, "later", &st, 0) == 0);
	rule(r, "it is at its new place",
	    fstatat(b->dfd, "there/f", &st, 0) == 0);
	rule(r, "and made in through the open one",
	    mkdirat(fd, "new", 0755) == 0 &&
	    fstatat(b->dfd, "there/new", &st, 0) == 0);
	close(fd);
}

/* --- bytes ------------------------------------------------------------------- */

static void
mapping(struct rules *r)
{
	struct both *b = r->b;
	struct vfs_id id = new_file(b, "mapped");
	char page[PAGE];
	volatile char *p;
	int fd;

	memset(page, 'a', sizeof page);
	wire_write(b, id, 0, page, sizeof page, 0);
	fd = openat(b->dfd, "mapped", O_RDWR);
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		die("mmap");
	rule(r, "a mapping is read", p[10] == 'a');
	wire_write(b, id, 10, "b", 1, 0);
	rule(r, "a mapping is read anew", p[10] == 'b' && p[11] == 'a');
	p[20] = 'c';
	msync((void *)(uintptr_t)p, PAGE, MS_SYNC);
	wire_write(b, id, 30, "d", 1, 0);
	rule(r, "what was written to a mapping stays",
	    p[10] == 'b' && p[20] == 'c' && p[30] == 'd');
	munmap((void *)(uintptr_t)p, PAGE);
	close(fd);
}

static bool
reads(int fd, const char *want)
{
	char got[1024] = { 0 };

	return pread(fd, got, sizeof got, 0) == (ssize_t)strlen(want) &&
	    strcmp(got, want) == 0;
}

/* The kernel places an appending write by the size that it knows. */
static void
appends(struct rules *r)
{
	struct both *b = r->b;
	struct vfs_id id = new_file(b, "log");
	char text[64], want[1024] = "", got[1];
	int fd = openat(b->dfd, "log", O_RDWR | O_APPEND), i, fresh;
	bool same = true;
	struct stat st;

	for (i = 0; i < 20; i++) {
		snprintf(text, sizeof text, "wire %d\n", i);
		wire_write(b, id, 0, text, strlen(text), VFS_WRITE_APPEND);
		strcat(want, text);
		/* The page is back, and nobody has asked for the size. */
		if (i % 2 == 1 && pread(fd, got, 1, 0) != 1)
			die("pread");
		snprintf(text, sizeof text, "mount %d\n", i);
		if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
			die("append");
		strcat(want, text);
		fresh = openat(b->dfd, "log", O_RDONLY);
		same &= reads(fresh, want);
		close(fresh);
		usleep(20000);
		same &= reads(fd, want);
	}
	rule(r, "both append, and each is read", same);
	rule(r, "the size is that of both", fstat(fd, &st) == 0 &&
	    st.st_size == (off_t)strlen(want));
	close(fd);
}

static void
sizes(struct rules *r)
{
	struct both *b = r->b;
	struct vfs_id id = new_file(b, "size");
	struct vfs_setattr q = { .id = id, .valid = VFS_SET_SIZE };
	struct vfs_setattr_reply rep;
	char page[2 * PAGE], got[4 * PAGE];
	int fd;

	memset(page, 'x', sizeof page);
	wire_write(b, id, 0, page, sizeof page, 0);
	fd = openat(b->dfd, "size", O_RDONLY);
	rule(r, "whole", read(fd, got, sizeof got) == sizeof page);
	q.size = 100;
	vfp_do(&b->c, VFS_OP_SETATTR, &q, &rep);
	rule(r, "cut", pread(fd, got, sizeof got, 0) == 100 &&
	    lseek(fd, 0, SEEK_END) == 100);
	wire_write(b, id, 3 * PAGE, "y", 1, 0);
	rule(r, "longer, with a hole", pread(fd, got, sizeof got, 0) ==
	    3 * PAGE + 1 && got[99] == 'x' && got[100] == 0 &&
	    got[3 * PAGE] == 'y');
	close(fd);
}

static void *
write_too(void *arg)
{
	struct race *x = arg;
	int fd = openat(x->b->dfd, "shared", O_RDWR);
	char c = 'A';

	while (!atomic_load(&x->stop)) {
		/* Halves of pages, and the wire has the others. */
		if (pwrite(fd, &c, 1, (off_t)(x->n % 4 * PAGE)) != 1)
			atomic_fetch_add(&x->failed, 1);
		atomic_fetch_add(&x->n, 1);
		c = (char)('A' + x->n / 4 % 26);
	}
	close(fd);
	return NULL;
}

static bool
same_bytes(struct both *b, struct vfs_id id, int fd)
{
	struct vfs_read q = { .id = id, .count = 4 * PAGE };
	struct vfs_read_reply rep;
	static char got[4 * PAGE];

	vfp_do(&b->c, VFS_OP_READ, &q, &rep);
	return pread(fd, got, sizeof got, 0) == (ssize_t)rep.data.n &&
	    memcmp(got, rep.data.p, rep.data.n) == 0;
}

static void
writes_to_one_file(struct rules *r)
{
	struct race x = { .b = r->b };
	struct vfs_id id = new_file(r->b, "shared");
	static char zero[4 * PAGE];
	bool same = true;
	pthread_t t;
	int i, fd, fresh;
	char c;

	wire_write(r->b, id, 0, zero, sizeof zero, 0);
	fd = openat(r->b->dfd, "shared", O_RDONLY);
	for (i = 0; i < 20; i++) {
		unsigned k;

		atomic_store(&x.stop, false);
		pthread_create(&t, NULL, write_too, &x);
		for (k = 0; k < 100; k++) {
			c = (char)('a' + k % 26);
			wire_write(r->b, id, k % 4 * PAGE + 2000, &c, 1, 0);
		}
		atomic_store(&x.stop, true);
		pthread_join(t, NULL);
		fresh = openat(r->b->dfd, "shared", O_RDONLY);
		same &= same_bytes(r->b, id, fd) &&
		    same_bytes(r->b, id, fresh);
		close(fresh);
	}
	close(fd);
	printf("# writes to one file: 2000, and %lu through the mount\n",
	    (unsigned long)x.n);
	rule(r, "both write to one file, and see the same", same &&
	    x.failed == 0);
}

/* --- permissions ---------------------------------------------------------------- */

/* As another user: may that be opened for reading? */
static int
may_open(struct both *b, const char *name)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		if (setresgid(4321, 4321, 4321) != 0 ||
		    setresuid(4321, 4321, 4321) != 0)
			_exit(99);
		_exit(openat(b->dfd, name, O_RDONLY) >= 0 ? 0 : errno);
	}
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

static void
modes(struct rules *r)
{
	struct both *b = r->b;
	struct vfs_id d = vfp_create(&b->c, b->dir, "dir", S_IFDIR | 0755);
	struct vfs_id f = vfp_create(&b->c, d, "f", S_IFREG | 0644);

	rule(r, "readable by all", may_open(b, "dir/f") == 0);
	wire_setattr(b, f, VFS_SET_MODE, 0600, 0);
	rule(r, "no longer", may_open(b, "dir/f") == EACCES);
	wire_setattr(b, f, VFS_SET_MODE, 0644, 0);
	rule(r, "again", may_open(b, "dir/f") == 0);
	wire_setattr(b, d, VFS_SET_MODE, 0700, 0);
	rule(r, "not through its directory", may_open(b, "dir/f") == EACCES);
	wire_setattr(b, d, VFS_SET_MODE, 0755, 0);
	rule(r, "and again", may_open(b, "dir/f") == 0);
}

static void
wire_xattr(struct both *b, struct vfs_id id, const char *name,
    const void *p, size_t n)
{
	struct vfs_xattr_set q = { .id = id, .name = vfp_str(name),
	    .value = { p, n } };
	struct vfs_xattr_set_reply rep;

	vfp_do(&b->c, VFS_OP_XATTR_SET, &q, &rep);
}

/* user::rw-, user:4321:PERM, group::---, mask::rw-, other::--- */
static void
wire_acl(struct both *b, struct vfs_id id, uint16_t perm)
{
	struct {
		uint32_t version;
		struct {
			uint16_t tag, perm;
			uint32_t id;
		} e[5];
	} acl = { 2, {
		{ 1, 6, ~0u }, { 2, perm, 4321 }, { 4, 0, ~0u },
		{ 16, 6, ~0u }, { 32, 0, ~0u },
	} };

	wire_xattr(b, id, "system.posix_acl_access", &acl, sizeof acl);
}

static void
access_lists(struct rules *r)
{
	struct both *b = r->b;
	struct vfs_id f = new_file(b, "acl");
	int i;

	wire_setattr(b, f, VFS_SET_MODE, 0600, 0);
	rule(r, "closed", may_open(b, "acl") == EACCES);
	for (i = 0; i < 20; i++) {
		wire_acl(b, f, 4);
		rule(r, "opened by a list", may_open(b, "acl") == 0);
		wire_acl(b, f, 0);
		rule(r, "closed by a list", may_open(b, "acl") == EACCES);
	}
}

static void
xattrs(struct rules *r)
{
	struct both *b = r->b;
	/* cap_net_raw, version 2 */
	static const uint32_t cap[5] = { 0x02000001, 1u << 13, 0, 0, 0 };
	struct vfs_id f = new_file(b, "caps");
	char path[64], got[64];
	int fd = openat(b->dfd, "caps", O_RDWR);

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	rule(r, "no xattr", getxattr(path, "user.a", got, 64) < 0);
	wire_xattr(b, f, "user.a", "1", 1);
	rule(r, "an xattr", getxattr(path, "user.a", got, 64) == 1);
	if (write(fd, "x", 1) != 1)
		die("write");
	wire_xattr(b, f, "security.capability", cap, sizeof cap);
	rule(r, "a capability",
	    getxattr(path, "security.capability", got, 64) == sizeof cap);
	if (write(fd, "x", 1) != 1)
		die("write");
	rule(r, "a capability goes when the file is written",
	    getxattr(path, "security.capability", got, 64) < 0);
	close(fd);
}

int
visible_rules(struct both *b)
{
	static void (*const all[])(struct rules *) = {
		parts, creates_of_one_name, links, moved_directory, mapping,
		appends, sizes, writes_to_one_file, xattrs,
	};
	static void (*const root[])(struct rules *) = { modes, access_lists };
	struct rules r = { .b = b };
	size_t i;

	for (i = 0; i < sizeof all / sizeof all[0]; i++)
		all[i](&r);
	for (i = 0; geteuid() == 0 && i < sizeof root / sizeof root[0]; i++)
		root[i](&r);
	printf("rules %u\nwrong %u\n", r.n, r.bad);
	return r.bad > 0;
}

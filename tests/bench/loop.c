/*
 * loop.c - the yardstick: an empty FUSE loop in memory
 *
 *   loop MOUNTPOINT
 *
 * One directory level of flat names in a hash table, no contents (reads
 * give zeroes), the same negotiation and cache times as vfsd, one pinned
 * thread per CPU.  What a request costs here is what the kernel costs; a
 * real filesystem can only come near.  As root; ends on SIGTERM.
 */
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <linux/fuse.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NODES	(1u << 20)	/* also the table's size */
#define BUF	((1u << 20) + 4096)
#define FOREVER	1000000000u

struct node {			/* nodeid is the index */
	bool live;
	uint64_t parent;
	uint32_t mode;
	uint64_t size;
	char name[64];
};

struct loop {
	int fd;
	pthread_mutex_t mu;	/* guards all below */
	struct node *nodes;
	uint32_t *table;	/* name hash -> node, open addressing */
	uint64_t next;
};

struct worker {
	struct loop *l;
	int fd, cpu;
	char *in, *out;
};

static uint32_t
slot_of(struct loop *l, uint64_t dir, const char *name)
{
	uint64_t h = dir * 0x9e3779b97f4a7c15u;
	const char *p;
	uint32_t i;

	for (p = name; *p; p++)
		h = (h ^ (unsigned char)*p) * 0x100000001b3u;
	h ^= h >> 29;
	for (i = (uint32_t)h & (NODES - 1); l->table[i];
	    i = (i + 1) & (NODES - 1)) {
		struct node *n = &l->nodes[l->table[i]];

		if (n->parent == dir && strcmp(n->name, name) == 0)
			break;
	}
	return i;
}

static uint64_t
find(struct loop *l, uint64_t dir, const char *name)
{
	uint64_t id = l->table[slot_of(l, dir, name)];

	return id && l->nodes[id].live ? id : 0;
}

static void
enter(struct loop *l, uint64_t id, uint64_t dir, const char *name)
{
	struct node *n = &l->nodes[id];

	n->live = true;
	n->parent = dir;
	snprintf(n->name, sizeof n->name, "%s", name);
	l->table[slot_of(l, dir, name)] = (uint32_t)id;
}

static void
attr_of(struct loop *l, uint64_t id, struct fuse_attr *a)
{
	*a = (struct fuse_attr){ .ino = id, .mode = l->nodes[id].mode,
	    .nlink = 1, .size = l->nodes[id].size, .blksize = 65536,
	    .blocks = (l->nodes[id].size + 511) / 512 };
}

static size_t
entry_out(struct loop *l, uint64_t id, void *out)
{
	struct fuse_entry_out *e = out;

	*e = (struct fuse_entry_out){ .nodeid = id, .entry_valid = FOREVER,
	    .attr_valid = FOREVER };
	if (id != 0)
		attr_of(l, id, &e->attr);
	return sizeof *e;
}

static int
make(struct loop *l, uint64_t dir, const char *name, uint32_t mode,
    uint64_t *id)
{
	if (l->next >= NODES / 2)
		return -ENOSPC;
	*id = l->next++;
	l->nodes[*id].mode = mode;
	enter(l, *id, dir, name);
	return 0;
}

static size_t
readdir_plus(struct loop *l, uint64_t dir, const struct fuse_read_in *r,
    char *out)
{
	size_t n = 0, len;
	uint64_t id;
	struct fuse_direntplus *d;

	for (id = r->offset < 2 ? 2 : r->offset + 1; id < l->next; id++) {
		if (!l->nodes[id].live || l->nodes[id].parent != dir)
			continue;
		len = strlen(l->nodes[id].name);
		d = (struct fuse_direntplus *)(out + n);
		if (n + FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET_DIRENTPLUS + len) >
		    r->size)
			break;
		entry_out(l, id, &d->entry_out);
		d->dirent.ino = id;
		d->dirent.off = id;
		d->dirent.namelen = (uint32_t)len;
		d->dirent.type = l->nodes[id].mode >> 12;
		memcpy(d->dirent.name, l->nodes[id].name, len);
		n += FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET_DIRENTPLUS + len);
	}
	return n;
}

static size_t
init_out(void *out)
{
	struct fuse_init_out *o = out;
	uint64_t flags = FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC |
	    FUSE_BIG_WRITES | FUSE_DO_READDIRPLUS | FUSE_PARALLEL_DIROPS |
	    FUSE_HANDLE_KILLPRIV_V2 | FUSE_MAX_PAGES | FUSE_POSIX_ACL |
	    FUSE_CACHE_SYMLINKS | FUSE_DONT_MASK | FUSE_INIT_EXT;

	*o = (struct fuse_init_out){ .major = 7, .minor = 40,
	    .max_readahead = 1 << 20, .flags = (uint32_t)flags,
	    .max_background = 64, .congestion_threshold = 48,
	    .max_write = 1 << 20, .time_gran = 1, .max_pages = 256 };
	return sizeof *o;
}

/* The reply's length, or a negative errno; 1 means no reply. */
static long
serve(struct loop *l, const struct fuse_in_header *h, const char *in,
    char *out)
{
	uint64_t id = h->nodeid;
	int rc;

	switch (h->opcode) {
	case FUSE_INIT:
		return (long)init_out(out);
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		return 1;
	case FUSE_LOOKUP:
		return (long)entry_out(l, find(l, id, in), out);
	case FUSE_GETATTR: {
		struct fuse_attr_out *o = (void *)out;

		*o = (struct fuse_attr_out){ .attr_valid = FOREVER };
		attr_of(l, id, &o->attr);
		return sizeof *o;
	}
	case FUSE_MKDIR: {
		const struct fuse_mkdir_in *m = (const void *)in;

		rc = make(l, id, in + sizeof *m, S_IFDIR | m->mode, &id);
		return rc < 0 ? rc : (long)entry_out(l, id, out);
	}
	case FUSE_CREATE: {
		const struct fuse_create_in *c = (const void *)in;
		struct fuse_open_out *o;
		size_t n;

		rc = make(l, id, in + sizeof *c, c->mode, &id);
		if (rc < 0)
			return rc;
		n = entry_out(l, id, out);
		o = (void *)(out + n);
		*o = (struct fuse_open_out){ .fh = id,
		    .open_flags = FOPEN_NOFLUSH | FOPEN_KEEP_CACHE };
		return (long)(n + sizeof *o);
	}
	case FUSE_OPEN:
	case FUSE_OPENDIR: {
		struct fuse_open_out *o = (void *)out;

		*o = (struct fuse_open_out){ .fh = id,
		    .open_flags = FOPEN_NOFLUSH | FOPEN_KEEP_CACHE };
		return sizeof *o;
	}
	case FUSE_READ: {
		const struct fuse_read_in *r = (const void *)in;
		uint64_t size = l->nodes[id].size;
		uint64_t n = r->offset >= size ? 0 : size - r->offset;

		n = n > r->size ? r->size : n;
		memset(out, 0, n);
		return (long)n;
	}
	case FUSE_WRITE: {
		const struct fuse_write_in *w = (const void *)in;
		struct fuse_write_out *o = (void *)out;

		if (w->offset + w->size > l->nodes[id].size)
			l->nodes[id].size = w->offset + w->size;
		*o = (struct fuse_write_out){ .size = w->size };
		return sizeof *o;
	}
	case FUSE_READDIRPLUS:
		return (long)readdir_plus(l, id, (const void *)in, out);
	case FUSE_UNLINK:
	case FUSE_RMDIR:
		if ((id = find(l, id, in)) == 0)
			return -ENOENT;
		l->nodes[id].live = false;
		return 0;
	case FUSE_RENAME:
	case FUSE_RENAME2: {
		uint64_t dir2 = *(const uint64_t *)(const void *)in;
		const char *name = in + (h->opcode == FUSE_RENAME ?
		    sizeof(struct fuse_rename_in) :
		    sizeof(struct fuse_rename2_in));
		uint64_t who = find(l, id, name);

		if (who == 0)
			return -ENOENT;
		/* the old cell stays as a dead copy, so probing goes on */
		if (l->next >= NODES / 2)
			return -ENOSPC;
		l->nodes[l->next] = l->nodes[who];
		l->nodes[l->next].live = false;
		l->table[slot_of(l, id, name)] = (uint32_t)l->next++;
		enter(l, who, dir2, name + strlen(name) + 1);
		return 0;
	}
	case FUSE_GETXATTR:
		return -ENODATA;
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
	case FUSE_FSYNC:
	case FUSE_FLUSH:
	case FUSE_SETATTR:
		if (h->opcode == FUSE_SETATTR)
			return -EPERM;
		return 0;
	case FUSE_STATFS:
		memset(out, 0, sizeof(struct fuse_statfs_out));
		return sizeof(struct fuse_statfs_out);
	default:
		return -ENOSYS;
	}
}

static void *
work(void *arg)
{
	struct worker *w = arg;
	struct fuse_out_header oh;
	struct iovec iov[2];
	cpu_set_t set;
	ssize_t got;
	long n;

	CPU_ZERO(&set);
	CPU_SET(w->cpu, &set);
	pthread_setaffinity_np(pthread_self(), sizeof set, &set);
	for (;;) {
		const struct fuse_in_header *h = (const void *)w->in;

		got = read(w->fd, w->in, BUF);
		if (got < 0 && (errno == EINTR || errno == ENOENT))
			continue;
		if (got < (ssize_t)sizeof *h)
			break;
		pthread_mutex_lock(&w->l->mu);
		n = serve(w->l, h, w->in + sizeof *h, w->out);
		pthread_mutex_unlock(&w->l->mu);
		if (n == 1)
			continue;
		oh = (struct fuse_out_header){ .unique = h->unique,
		    .error = n < 0 ? (int)n : 0,
		    .len = (uint32_t)(sizeof oh + (n > 0 ? (size_t)n : 0)) };
		iov[0] = (struct iovec){ &oh, sizeof oh };
		iov[1] = (struct iovec){ w->out, n > 0 ? (size_t)n : 0 };
		if (writev(w->fd, iov, 2) < 0 && errno != ENOENT)
			warn("reply to %u", h->opcode);
	}
	return NULL;
}

int
main(int argc, char **argv)
{
	struct loop l = { .mu = PTHREAD_MUTEX_INITIALIZER, .next = 2 };
	long i, n = sysconf(_SC_NPROCESSORS_ONLN);
	struct worker w;
	char opts[128];
	sigset_t set;
	int sig, fd;
	uint32_t from;
	pthread_t t;

	if (argc != 2)
		errx(2, "usage: loop MOUNTPOINT");
	l.nodes = calloc(NODES, sizeof *l.nodes);
	l.table = calloc(NODES, sizeof *l.table);
	if (l.nodes == NULL || l.table == NULL)
		err(1, NULL);
	l.nodes[1].mode = S_IFDIR | 0755;
	l.fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (l.fd < 0)
		err(1, "/dev/fuse");
	snprintf(opts, sizeof opts, "fd=%d,rootmode=40000,user_id=0,"
	    "group_id=0,default_permissions,allow_other", l.fd);
	if (mount("loop", argv[1], "fuse.loop", MS_NOSUID | MS_NODEV,
	    opts) < 0)
		err(1, "mount %s", argv[1]);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	for (i = 0; i < n; i++) {
		struct worker *p = malloc(sizeof *p);

		from = (uint32_t)l.fd;
		fd = i == 0 ? l.fd : open("/dev/fuse", O_RDWR | O_CLOEXEC);
		if (i > 0 && ioctl(fd, FUSE_DEV_IOC_CLONE, &from) < 0)
			err(1, "clone");
		w = (struct worker){ &l, fd, (int)i, NULL, NULL };
		w.in = aligned_alloc(4096, BUF + 4096);
		w.out = aligned_alloc(4096, BUF + 4096);
		if (p == NULL || w.in == NULL || w.out == NULL)
			err(1, NULL);
		*p = w;
		if (pthread_create(&t, NULL, work, p) != 0)
			errx(1, "no thread");
	}
	sigwait(&set, &sig);
	umount2(argv[1], MNT_DETACH);
	return 0;
}

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "disk_in.h"
#include "real.h"

struct disk *disks[DISKS_MAX];

void
disk_die(const char *what)
{
	fprintf(stderr, "# simulated disk: %s (errno %d)\n", what, errno);
	abort();
}

static void *
lazy(size_t n)
{
	void *p = __real_mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE |
	    MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		disk_die("mmap");
	return p;
}

struct disk *
disk_new(const char *dir, bool scratch)
{
	struct disk *d = calloc(1, sizeof(*d));
	int i;

	if (!d)
		disk_die("memory");
	snprintf(d->dir, sizeof(d->dir), "%s", dir);
	d->dirlen = strlen(d->dir);
	d->scratch = scratch;
	for (i = 0; i < DISKS_MAX && disks[i]; i++)
		;
	if (i == DISKS_MAX)
		disk_die("too many disks");
	disks[i] = d;
	return d;
}

void
pends_drop(struct disk *d)
{
	int i;

	for (i = 0; i < d->npend; i++) {
		free(d->pend[i].bytes);
		free(d->pend[i].hash);
	}
	d->npend = 0;
}

void
disk_free(struct disk *d)
{
	char cmd[200];
	int i;

	pends_drop(d);
	for (i = 0; i < d->nfiles; i++) {
		struct dfile *f = &d->file[i];

		if (f->dur)
			__real_munmap(f->dur, DISK_FILE_MAX);
		if (f->cur)
			__real_munmap(f->cur, DISK_FILE_MAX);
		if (f->img)
			__real_munmap(f->img, DISK_FILE_MAX);
		if (f->stamp)
			__real_munmap(f->stamp, SECTORS_MAX * 4);
		if (f->stale)
			__real_munmap(f->stale, PAGES_MAX);
		free(f->stalev);
		if (f->fd >= 0)
			__real_close(f->fd);
	}
	for (i = 0; i < DISKS_MAX; i++)
		if (disks[i] == d)
			disks[i] = NULL;
	snprintf(cmd, sizeof(cmd), "rm -rf %s", d->dir);
	if (system(cmd) != 0)
		fprintf(stderr, "# could not remove %s\n", d->dir);
	free(d);
}

int
disk_dirfd(struct disk *d)
{
	int fd = __real_open(d->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		disk_die("open directory");
	return wrap_adopt_dir(d, fd);
}

struct disk *
disk_of_path(const char *abs, const char **rel)
{
	int i;

	for (i = 0; i < DISKS_MAX; i++) {
		struct disk *d = disks[i];

		if (!d || strncmp(abs, d->dir, d->dirlen) != 0)
			continue;
		if (abs[d->dirlen] != '/' && abs[d->dirlen] != 0)
			continue;
		if (rel)
			*rel = abs + d->dirlen + (abs[d->dirlen] == '/');
		return d;
	}
	return NULL;
}

/* --- names ---------------------------------------------------------- */

struct dname *
name_find(struct dname *v, int n, const char *rel)
{
	int i;

	for (i = 0; i < n; i++)
		if (strcmp(v[i].path, rel) == 0)
			return &v[i];
	return NULL;
}

void
name_set(struct dname *v, int *n, const char *rel, int file)
{
	struct dname *e = name_find(v, *n, rel);

	if (!e) {
		if (*n == DISK_FILES_MAX)
			disk_die("too many names");
		e = &v[(*n)++];
		snprintf(e->path, sizeof(e->path), "%s", rel);
	}
	e->file = file;
}

static void
name_del(struct dname *v, int *n, const char *rel)
{
	struct dname *e = name_find(v, *n, rel);

	if (e)
		*e = v[--*n];
}

void
name_apply(struct dname *v, int *n, const struct pend *p)
{
	struct dname *e;
	int f;

	switch (p->kind) {
	case PEND_LINK:
		name_set(v, n, p->path, p->file);
		break;
	case PEND_MKDIR:
		name_set(v, n, p->path, -1);
		break;
	case PEND_UNLINK:
		name_del(v, n, p->path);
		break;
	case PEND_RENAME:
		if ((e = name_find(v, *n, p->path))) {
			f = e->file;
			name_del(v, n, p->path);
			name_set(v, n, p->path2, f);
		}
		break;
	default:
		break;
	}
}

int
disk_file_named(struct disk *d, const char *rel)
{
	struct dname *e = name_find(d->cname, d->ncname, rel);

	return e ? e->file : -1;
}

int
file_new(struct disk *d)
{
	struct dfile *f;

	if (d->nfiles == DISK_FILES_MAX)
		disk_die("too many files");
	f = &d->file[d->nfiles];
	memset(f, 0, sizeof(*f));
	f->fd = -1;
	f->origin = -1;
	if (d->scratch) {
		f->stale = lazy(PAGES_MAX);
		f->stalev = malloc(PAGES_MAX * sizeof(*f->stalev));
		f->stale_all = true;
	} else {
		f->dur = lazy(DISK_FILE_MAX);
		f->cur = lazy(DISK_FILE_MAX);
		f->stamp = lazy(SECTORS_MAX * 4);
	}
	return d->nfiles++;
}

int
disk_file_add(struct disk *d, const char *rel)
{
	int f = d->scratch ? img_slot(d) : file_new(d);

	if (d->scratch)
		name_set(d->cname, &d->ncname, rel, f);
	else
		disk_note_name(d, PEND_LINK, rel, NULL);
	return f;
}

struct pend *
pend_add(struct disk *d, enum pend_kind kind, int file)
{
	struct pend *p;

	if (d->npend == DISK_PENDS_MAX)
		disk_die("too many pending writes");
	p = &d->pend[d->npend++];
	memset(p, 0, sizeof(*p));
	p->kind = kind;
	p->file = file;
	return p;
}

void
disk_note_name(struct disk *d, enum pend_kind k, const char *a, const char *b)
{
	struct pend tmp = { .kind = k, .file = d->nfiles - 1 }, *p;

	snprintf(tmp.path, sizeof(tmp.path), "%s", a);
	if (b)
		snprintf(tmp.path2, sizeof(tmp.path2), "%s", b);
	name_apply(d->cname, &d->ncname, &tmp);
	if (d->scratch)
		return;
	p = pend_add(d, k, tmp.file);
	*p = tmp;
}

/* --- syncs ---------------------------------------------------------- */

void
pend_apply(struct disk *d, const struct pend *p)
{
	switch (p->kind) {
	case PEND_WRITE:
		dur_apply(d, p->file, p->off, p->bytes, p->nsect, p->hash);
		if (p->end > d->file[p->file].dsize)
			dur_resize(d, p->file, p->end);
		break;
	case PEND_SIZE:
		dur_resize(d, p->file, p->end);
		break;
	default:
		name_apply(d->dname, &d->ndname, p);
	}
}

/* What an older entry holds of these sectors is history now. */
static void
pend_refresh(struct disk *d, int older, const struct pend *p)
{
	struct pend *o = &d->pend[older];
	uint64_t at, a = o->off / DISK_SECTOR, b = p->off / DISK_SECTOR;
	uint32_t s;

	if (o->kind != PEND_WRITE || o->file != p->file)
		return;
	for (s = 0; s < p->nsect; s++) {
		at = b + s;
		if (at < a || at >= a + o->nsect)
			continue;
		memcpy(o->bytes + (at - a) * DISK_SECTOR,
		    p->bytes + s * DISK_SECTOR, DISK_SECTOR);
		o->hash[at - a] = p->hash[s];
	}
}

void
pends_out(struct disk *d, int n)
{
	int i;

	for (i = 0; i < n; i++) {
		pend_apply(d, &d->pend[i]);
		free(d->pend[i].bytes);
		free(d->pend[i].hash);
	}
	d->npend -= n;
	memmove(&d->pend[0], &d->pend[n], (size_t)d->npend * sizeof(d->pend[0]));
}

static void
pend_settle(struct disk *d, int i)
{
	int j;

	for (j = 0; d->pend[i].kind == PEND_WRITE && j < i; j++)
		pend_refresh(d, j, &d->pend[i]);
	pend_apply(d, &d->pend[i]);
	free(d->pend[i].bytes);
	free(d->pend[i].hash);
	memmove(&d->pend[i], &d->pend[i + 1],
	    (size_t)(d->npend - i - 1) * sizeof(d->pend[0]));
	d->npend--;
}

static bool
in_dir(const char *path, const char *dir)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;

	return strlen(dir) == n && strncmp(path, dir, n) == 0;
}

void
disk_note_range_sync(struct disk *d, int f, int from)
{
	int i;

	for (i = d->npend - 1; i >= from; i--)
		if (d->pend[i].kind <= PEND_SIZE && d->pend[i].file == f)
			break;
	/* in order: entries of one file may overlap */
	for (i = from; i < d->npend; )
		if (d->pend[i].kind <= PEND_SIZE && d->pend[i].file == f)
			pend_settle(d, i);
		else
			i++;
}

void
disk_note_sync(struct disk *d, int f, const char *dir)
{
	int i;

	if (f >= 0) {
		disk_note_range_sync(d, f, 0);
		return;
	}
	for (i = 0; i < d->npend; )
		if (d->pend[i].kind >= PEND_LINK && in_dir(d->pend[i].path, dir))
			pend_settle(d, i);
		else
			i++;
}

void
disk_flush(struct disk *d)
{
	disk_look(d);
	while (d->npend > 0)
		pend_settle(d, 0);
}

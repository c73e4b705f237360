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

static uint64_t
mix(uint64_t x)
{
	x ^= x >> 31;
	x *= 0x7FB5D329728EA185ull;
	x ^= x >> 27;
	x *= 0x81DADEF4BC2DD44Dull;
	return x ^ (x >> 33);
}

/* Does sector s of entry i reach the medium under this pick? */
static bool
sector_kept(const struct pick *k, int i, const struct pend *p, uint32_t s)
{
	switch (k->keep[i]) {
	case KEEP_ALL:
		return true;
	case KEEP_TORN:
		return mix(k->seed + (uint64_t)i * 1000 + s) & 1;
	case KEEP_TORN_PAGES:
		return mix(k->seed + (uint64_t)i * 1000 +
		    (p->off / DISK_SECTOR + s) / (DISK_PAGE / DISK_SECTOR)) & 1;
	case KEEP_HEAD:
		return s + 1 < p->nsect;
	default:
		return false;
	}
}

/* The size the file has under a pick. */
static uint64_t
pick_size(struct disk *d, const struct pick *k, int fi)
{
	uint64_t size = d->file[fi].dsize;
	int i;

	for (i = 0; i < k->n; i++) {
		const struct pend *p = &d->pend[i];

		if (p->file != fi || k->keep[i] == KEEP_NONE)
			continue;
		if (p->kind == PEND_SIZE)
			size = p->end;
		else if (p->kind == PEND_WRITE && p->end > size)
			size = p->end;
	}
	return size;
}

/* Cuts of size forget what was written beyond; rare, so simply exact. */
static bool
has_shrink(struct disk *d, const struct pick *k)
{
	int i;

	for (i = 0; i < k->n; i++)
		if (d->pend[i].kind == PEND_SIZE && k->keep[i] &&
		    d->pend[i].end < d->file[d->pend[i].file].csize)
			return true;
	return false;
}

static int
pick_names(struct disk *d, const struct pick *k, struct dname *v)
{
	int i, n = d->ndname;

	memcpy(v, d->dname, sizeof(d->dname));
	for (i = 0; i < k->n; i++)
		if (d->pend[i].kind >= PEND_LINK && k->keep[i])
			name_apply(v, &n, &d->pend[i]);
	return n;
}

uint64_t
disk_hash(struct disk *d, const struct pick *k)
{
	struct dname names[DISK_FILES_MAX];
	int i, n = pick_names(d, k, names);
	uint64_t h = 0;
	uint32_t s;

	if (has_shrink(d, k))
		h = mix((uint64_t)k->seed + 77);
	d->stamp++;
	for (i = 0; i < n; i++) {
		const char *c = names[i].path;
		uint64_t x = 5381;

		while (*c)
			x = x * 33 + (unsigned char)*c++;
		h += mix(x);
		if (names[i].file < 0)
			continue;
		h += d->file[names[i].file].hash +
		    size_hash(names[i].file, pick_size(d, k, names[i].file)) -
		    size_hash(names[i].file, d->file[names[i].file].dsize);
	}
	for (i = k->n - 1; i >= 0; i--) {
		const struct pend *p = &d->pend[i];
		struct dfile *f = &d->file[p->file < 0 ? 0 : p->file];
		uint64_t at = p->off / DISK_SECTOR;

		if (p->kind != PEND_WRITE || k->keep[i] == KEEP_NONE)
			continue;
		for (s = 0; s < p->nsect; s++) {
			if (f->stamp[at + s] == d->stamp ||
			    !sector_kept(k, i, p, s))
				continue;
			f->stamp[at + s] = d->stamp;
			h += p->hash[s] - sector_hash(p->file, at + s,
			    f->dur + p->off + s * DISK_SECTOR);
		}
	}
	return mix(h);
}

static void
img_resize(struct dfile *t, uint64_t size)
{
	if (t->csize == size)
		return;
	if (__real_ftruncate(t->fd, (off_t)size) < 0)
		disk_die("ftruncate image");
	t->csize = size;
}

/* Bring a scratch file to the origin's durable state. */
static void
img_base(struct dfile *t, const struct dfile *o)
{
	uint64_t at, n;
	uint32_t i;

	if (t->stale_all) {
		if (__real_ftruncate(t->fd, 0) < 0)
			disk_die("ftruncate image");
		t->csize = 0;
		img_resize(t, o->dsize);
		memcpy(t->img, o->dur, o->dsize);
		for (i = 0; i < t->nstale; i++)
			t->stale[t->stalev[i]] = false;
		t->nstale = 0;
		t->stale_all = false;
		return;
	}
	/* the code may have made it longer: ask */
	t->csize = UINT64_MAX;
	img_resize(t, o->dsize);
	for (i = 0; i < t->nstale; i++) {
		t->stale[t->stalev[i]] = false;
		at = (uint64_t)t->stalev[i] * DISK_PAGE;
		if (at >= o->dsize)
			continue;
		n = o->dsize - at < DISK_PAGE ? o->dsize - at : DISK_PAGE;
		memcpy(t->img + at, o->dur + at, n);
	}
	t->nstale = 0;
}

static void
img_open(struct disk *s, int ti)
{
	struct dfile *t = &s->file[ti];

	own_fd(s, ti, O_CREAT);
	if (t->img)
		return;
	t->img = __real_mmap(NULL, DISK_FILE_MAX, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_NORESERVE, t->fd, 0);
	if (t->img == MAP_FAILED)
		disk_die("mmap image");
}

static void
img_forget(struct dfile *t)
{
	if (t->img)
		__real_munmap(t->img, DISK_FILE_MAX);
	t->img = NULL;
	if (t->fd >= 0)
		__real_close(t->fd);
	t->fd = -1;
	t->map = NULL;
	t->stale_all = true;
	t->origin = -1;
	t->from = NULL;
}

static void
img_drop(struct disk *s, int i)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/%s", s->dir, s->cname[i].path);
	if (s->cname[i].file < 0) {
		rmdir(path);
	} else {
		__real_unlink(path);
		img_forget(&s->file[s->cname[i].file]);
	}
	s->cname[i] = s->cname[--s->ncname];
}

/* A scratch file slot that no name uses. */
int
img_slot(struct disk *s)
{
	int i, j;

	for (i = 0; i < s->nfiles; i++) {
		for (j = 0; j < s->ncname; j++)
			if (s->cname[j].file == i)
				break;
		if (j == s->ncname) {
			img_forget(&s->file[i]);
			return i;
		}
	}
	return file_new(s);
}

static void
img_names(struct disk *s, const struct dname *want, int n)
{
	char path[400];
	int i;

	for (i = s->ncname - 1; i >= 0; i--)
		if (!name_find((struct dname *)want, n, s->cname[i].path) &&
		    strchr(s->cname[i].path, '/'))
			img_drop(s, i);
	for (i = s->ncname - 1; i >= 0; i--)
		if (!name_find((struct dname *)want, n, s->cname[i].path))
			img_drop(s, i);
	for (i = 0; i < n; i++) {
		if (name_find(s->cname, s->ncname, want[i].path))
			continue;
		snprintf(path, sizeof(path), "%s/%.*s", s->dir, DISK_PATH_MAX,
		    want[i].path);
		if (want[i].file < 0 && __real_mkdir(path, 0700) < 0 &&
		    errno != EEXIST)
			disk_die("mkdir image");
		name_set(s->cname, &s->ncname, want[i].path,
		    want[i].file < 0 ? -1 : img_slot(s));
	}
}

static void
img_fill(struct disk *d, const struct pick *k, int fi, struct dfile *t)
{
	uint64_t off;
	uint32_t s;
	int i;

	for (i = 0; i < k->n; i++) {
		const struct pend *p = &d->pend[i];

		if (p->file != fi || k->keep[i] == KEEP_NONE)
			continue;
		if (p->kind == PEND_SIZE) {
			stale_range(t, p->end, t->csize > p->end ?
			    t->csize - p->end : 0);
			img_resize(t, p->end);
		}
		if (p->kind != PEND_WRITE)
			continue;
		if (p->end > t->csize)
			img_resize(t, p->end);
		for (s = 0; s < p->nsect; s++) {
			if (!sector_kept(k, i, p, s))
				continue;
			off = p->off + s * DISK_SECTOR;
			memcpy(t->img + off, p->bytes + s * DISK_SECTOR,
			    t->csize - off < DISK_SECTOR ? t->csize - off :
			    DISK_SECTOR);
		}
		stale_range(t, p->off, (uint64_t)p->nsect * DISK_SECTOR);
	}
}

void
disk_make(struct disk *d, const struct pick *k, struct disk *s)
{
	struct dname names[DISK_FILES_MAX];
	int i, n = pick_names(d, k, names);

	img_names(s, names, n);
	for (i = 0; i < n; i++) {
		struct dname *e = name_find(s->cname, s->ncname, names[i].path);
		struct dfile *t;

		if (names[i].file < 0)
			continue;
		t = &s->file[e->file];
		img_open(s, e->file);
		if (t->origin != names[i].file)
			t->stale_all = true;
		t->origin = names[i].file;
		t->from = &d->file[names[i].file];
		if (t->map)
			map_stale(t);
		t->map = NULL;
		img_base(t, &d->file[names[i].file]);
		img_fill(d, k, names[i].file, t);
	}
}

static void
real_fill(struct dfile *f, const uint8_t *p, uint64_t n)
{
	if (__real_ftruncate(f->fd, (off_t)n) < 0 ||
	    __real_pwrite(f->fd, p, n, 0) != (ssize_t)n)
		disk_die("restoring a file");
}

void
disk_killed(struct disk *d)
{
	int i;

	d->dead = false;
	for (i = 0; i < d->nfiles; i++)
		d->file[i].map = NULL;
	for (i = 0; i < d->ncname; i++) {
		int fi = d->cname[i].file;

		if (fi < 0)
			continue;
		own_fd(d, fi, O_CREAT);
		real_fill(&d->file[fi], d->file[fi].cur, d->file[fi].csize);
	}
}

/* Make the real files, and the cache image, equal the durable state. */
static void
real_files(struct disk *d)
{
	char path[400];
	int i;

	for (i = d->ncname - 1; i >= 0; i--) {
		if (name_find(d->dname, d->ndname, d->cname[i].path))
			continue;
		snprintf(path, sizeof(path), "%s/%s", d->dir, d->cname[i].path);
		if (d->cname[i].file < 0)
			rmdir(path);
		else
			__real_unlink(path);
		d->cname[i] = d->cname[--d->ncname];
	}
	for (i = 0; i < d->ndname; i++) {
		int fi = d->dname[i].file;
		struct dfile *f = &d->file[fi < 0 ? 0 : fi];

		name_set(d->cname, &d->ncname, d->dname[i].path, fi);
		snprintf(path, sizeof(path), "%s/%s", d->dir, d->dname[i].path);
		if (fi < 0) {
			__real_mkdir(path, 0700);
			continue;
		}
		if (f->fd < 0)
			own_fd(d, fi, O_CREAT);
		if (f->csize > f->dsize)
			memset(f->cur + f->dsize, 0, f->csize - f->dsize);
		memcpy(f->cur, f->dur, f->dsize);
		f->csize = f->dsize;
		real_fill(f, f->dur, f->dsize);
	}
}

void
disk_cut(struct disk *d, const struct pick *k)
{
	struct pick kk = *k;
	uint32_t s;
	int i;

	for (i = 0; i < kk.n; i++) {
		struct pend *p = &d->pend[i];

		if (kk.keep[i] == KEEP_NONE)
			continue;
		if (p->kind != PEND_WRITE) {
			pend_apply(d, p);
			continue;
		}
		for (s = 0; s < p->nsect; s++)
			if (sector_kept(&kk, i, p, s))
				dur_apply(d, p->file,
				    p->off + s * DISK_SECTOR,
				    p->bytes + s * DISK_SECTOR, 1,
				    &p->hash[s]);
		if (p->end > d->file[p->file].dsize)
			dur_resize(d, p->file, p->end);
	}
	pends_drop(d);
	for (i = 0; i < d->nfiles; i++)
		d->file[i].map = NULL;
	real_files(d);
}

void
disk_copy(struct disk *d, const struct disk *from)
{
	struct pick none = { .n = 0 };
	int i;

	pends_drop(d);
	while (d->nfiles < from->nfiles)
		file_new(d);
	memcpy(d->dname, from->dname, sizeof(d->dname));
	d->ndname = from->ndname;
	for (i = 0; i < from->nfiles; i++) {
		struct dfile *t = &d->file[i];
		const struct dfile *o = &from->file[i];

		if (t->dsize > o->dsize)
			memset(t->dur + o->dsize, 0, t->dsize - o->dsize);
		dur_changed(i, 0, t->dsize > o->dsize ? t->dsize : o->dsize);
		memcpy(t->dur, o->dur, o->dsize);
		t->dsize = o->dsize;
		t->hash = o->hash;
	}
	disk_cut(d, &none);
}

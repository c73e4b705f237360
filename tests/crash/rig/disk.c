#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "disk.h"
#include "real.h"

#define DISKS_MAX	8
#define SECTORS_MAX	(DISK_FILE_MAX / DISK_SECTOR)
#define PAGES_MAX	(DISK_FILE_MAX / DISK_PAGE)

static struct disk *disks[DISKS_MAX];

static void
die(const char *what)
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
		die("mmap");
	return p;
}

struct disk *
disk_new(const char *dir, bool scratch)
{
	struct disk *d = calloc(1, sizeof(*d));
	int i;

	if (!d)
		die("memory");
	snprintf(d->dir, sizeof(d->dir), "%s", dir);
	d->dirlen = strlen(d->dir);
	d->scratch = scratch;
	for (i = 0; i < DISKS_MAX && disks[i]; i++)
		;
	if (i == DISKS_MAX)
		die("too many disks");
	disks[i] = d;
	return d;
}

static void
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
		die("open directory");
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

static struct dname *
name_find(struct dname *v, int n, const char *rel)
{
	int i;

	for (i = 0; i < n; i++)
		if (strcmp(v[i].path, rel) == 0)
			return &v[i];
	return NULL;
}

static void
name_set(struct dname *v, int *n, const char *rel, int file)
{
	struct dname *e = name_find(v, *n, rel);

	if (!e) {
		if (*n == DISK_FILES_MAX)
			die("too many names");
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

static void
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

static int
file_new(struct disk *d)
{
	struct dfile *f;

	if (d->nfiles == DISK_FILES_MAX)
		die("too many files");
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

static int img_slot(struct disk *s);

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

static struct pend *
pend_add(struct disk *d, enum pend_kind kind, int file)
{
	struct pend *p;

	if (d->npend == DISK_PENDS_MAX)
		die("too many pending writes");
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

/* --- contents ------------------------------------------------------- */

static uint64_t
sector_hash(int file, uint64_t s, const uint8_t *p)
{
	static const uint8_t zero[DISK_SECTOR];

	if (memcmp(p, zero, DISK_SECTOR) == 0)
		return 0;
	return XXH3_64bits_withSeed(p, DISK_SECTOR,
	    s * 1000003 + (uint64_t)file * 7919 + 1);
}

static uint64_t
size_hash(int file, uint64_t size)
{
	return (size + 1) * 0x9E3779B97F4A7C15ull *
	    (2 * (uint64_t)file + 3);
}

static void
stale_page(struct dfile *f, uint64_t page)
{
	if (page >= PAGES_MAX)
		die("file too large");
	if (f->stale[page])
		return;
	f->stale[page] = true;
	f->stalev[f->nstale++] = (uint32_t)page;
}

static void
stale_range(struct dfile *f, uint64_t off, uint64_t n)
{
	uint64_t p;

	if (n > 0)
		for (p = off / DISK_PAGE; p <= (off + n - 1) / DISK_PAGE; p++)
			stale_page(f, p);
}

/* Every scratch that shows this file's durable state must be told. */
static void
dur_changed(int file, uint64_t off, uint64_t n)
{
	int i, j;

	for (i = 0; i < DISKS_MAX; i++) {
		if (!disks[i] || !disks[i]->scratch)
			continue;
		for (j = 0; j < disks[i]->nfiles; j++)
			if (disks[i]->file[j].origin == file)
				stale_range(&disks[i]->file[j], off, n);
	}
}

static void
dur_apply(struct disk *d, int fi, uint64_t off, const uint8_t *p, uint32_t ns,
    const uint64_t *hash)
{
	struct dfile *f = &d->file[fi];
	uint64_t s = off / DISK_SECTOR;
	uint32_t i;

	for (i = 0; i < ns; i++) {
		uint8_t *at = f->dur + off + i * DISK_SECTOR;

		f->hash += hash[i] - sector_hash(fi, s + i, at);
		memcpy(at, p + i * DISK_SECTOR, DISK_SECTOR);
	}
	dur_changed(fi, off, (uint64_t)ns * DISK_SECTOR);
}

static void
dur_resize(struct disk *d, int fi, uint64_t size)
{
	struct dfile *f = &d->file[fi];
	uint64_t s, at;

	f->hash += size_hash(fi, size) - size_hash(fi, f->dsize);
	for (s = size / DISK_SECTOR; s * DISK_SECTOR < f->dsize; s++) {
		at = s * DISK_SECTOR;
		f->hash -= sector_hash(fi, s, f->dur + at);
		memset(f->dur + (at < size ? size : at), 0,
		    DISK_SECTOR - (at < size ? size - at : 0));
		f->hash += sector_hash(fi, s, f->dur + at);
	}
	if (size < f->dsize)
		dur_changed(fi, size, f->dsize - size);
	f->dsize = size;
}

static void pends_out(struct disk *d, int n);

/* Store in the cache image what the real file now holds there, and list
 * the sectors. */
static void
note_bytes(struct disk *d, int fi, uint64_t off, uint64_t n, const uint8_t *src)
{
	struct dfile *f = &d->file[fi];
	uint64_t first = off & ~(uint64_t)(DISK_SECTOR - 1);
	uint64_t last = (off + n + DISK_SECTOR - 1) & ~(uint64_t)(DISK_SECTOR - 1);
	struct pend *p;
	uint32_t i;

	if (last > DISK_FILE_MAX)
		die("file too large");
	/* Nothing says that writes wait for a sync: the oldest go out. */
	if (d->npend > DISK_PENDS_MAX - 40)
		pends_out(d, 100);
	if (src)
		memcpy(f->cur + off, src, n);
	else if (__real_pread(f->fd, f->cur + off, n, (off_t)off) != (ssize_t)n)
		die("reading back a write");
	if (off + n > f->csize)
		f->csize = off + n;
	p = pend_add(d, PEND_WRITE, fi);
	p->off = first;
	p->nsect = (uint32_t)((last - first) / DISK_SECTOR);
	p->end = off + n;
	p->bytes = malloc(last - first);
	p->hash = malloc(p->nsect * sizeof(*p->hash));
	memcpy(p->bytes, f->cur + first, last - first);
	for (i = 0; i < p->nsect; i++)
		p->hash[i] = sector_hash(fi, first / DISK_SECTOR + i,
		    p->bytes + i * DISK_SECTOR);
	d->writes++;
}

static void
own_fd(struct disk *d, int fi, int flags)
{
	struct dfile *f = &d->file[fi];
	char path[400];
	int i;

	if (f->fd >= 0)
		return;
	for (i = 0; i < d->ncname; i++)
		if (d->cname[i].file == fi)
			break;
	if (i == d->ncname)
		die("file without a name");
	snprintf(path, sizeof(path), "%s/%s", d->dir, d->cname[i].path);
	f->fd = __real_open(path, O_RDWR | O_CLOEXEC | flags, 0600);
	if (f->fd < 0)
		die(path);
}

void
disk_note_write(struct disk *d, int fi, uint64_t off, uint64_t n)
{
	if (d->dead)
		return;
	if (d->scratch) {
		d->writes++;
		stale_range(&d->file[fi], off, n);
		return;
	}
	own_fd(d, fi, 0);
	note_bytes(d, fi, off, n, NULL);
}

void
disk_note_size(struct disk *d, int fi, uint64_t size)
{
	struct dfile *f = &d->file[fi];

	if (d->dead)
		return;
	if (d->scratch) {
		f->stale_all = true;
		return;
	}
	if (size < f->csize)
		memset(f->cur + size, 0, f->csize - size);
	f->csize = size;
	pend_add(d, PEND_SIZE, fi)->end = size;
}

/* Sectors of a watched mapping that changed since the last look. */
static void
look_file(struct disk *d, int fi)
{
	struct dfile *f = &d->file[fi];
	uint64_t o, from = UINT64_MAX, n = f->map_len;

	if (f->map_off + n > f->csize)
		n = f->csize > f->map_off ? f->csize - f->map_off : 0;
	for (o = 0; o < n; o += 65536) {
		uint64_t m = n - o < 65536 ? n - o : 65536, s;

		if (memcmp(f->map + o, f->cur + f->map_off + o, m) == 0) {
			if (from != UINT64_MAX)
				note_bytes(d, fi, f->map_off + from, o - from,
				    f->map + from);
			from = UINT64_MAX;
			continue;
		}
		for (s = o; s < o + m; s += DISK_SECTOR) {
			bool same = memcmp(f->map + s, f->cur + f->map_off + s,
			    DISK_SECTOR) == 0;

			if (!same && from == UINT64_MAX)
				from = s;
			if (same && from != UINT64_MAX) {
				note_bytes(d, fi, f->map_off + from, s - from,
				    f->map + from);
				from = UINT64_MAX;
			}
		}
	}
	if (from != UINT64_MAX)
		note_bytes(d, fi, f->map_off + from, n - from, f->map + from);
}

void
disk_look_at(struct disk *d, uint64_t off, uint64_t n)
{
	struct dfile *f;
	uint64_t o, end;
	int i;

	for (i = 0; i < d->nfiles && !d->file[i].map; i++)
		;
	if (i == d->nfiles || d->scratch || d->dead)
		return;
	f = &d->file[i];
	end = off + n < f->map_len ? off + n : f->map_len;
	for (o = off & ~(uint64_t)(DISK_SECTOR - 1); o < end; o += DISK_SECTOR)
		if (memcmp(f->map + o, f->cur + f->map_off + o,
		    DISK_SECTOR) != 0)
			break;
	if (o < end)
		note_bytes(d, i, f->map_off + o, end - o, f->map + o);
	if (off + n > f->map_len)	/* around the ring's end */
		disk_look_at(d, 0, off + n - f->map_len);
}

void
disk_look(struct disk *d)
{
	int i;

	if (d->scratch || d->dead || d->told)
		return;
	for (i = 0; i < d->nfiles; i++)
		if (d->file[i].map)
			look_file(d, i);
}

/* Which pages of a scratch did the code change through its mapping? */
static void
map_stale(struct dfile *t)
{
	uint64_t o, end = t->map_off + t->map_len;

	if (!t->from || !t->img) {
		t->stale_all = true;
		return;
	}
	if (end > t->from->dsize)
		end = t->from->dsize;
	/* by our own mapping of the same pages, whose faults are behind us */
	for (o = t->map_off; o < end; o += DISK_PAGE)
		if (memcmp(t->img + o, t->from->dur + o,
		    end - o < DISK_PAGE ? end - o : DISK_PAGE) != 0)
			stale_page(t, o / DISK_PAGE);
}

void disk_unmapped(void *p);

void
disk_unmapped(void *p)
{
	int i, j;

	for (i = 0; i < DISKS_MAX; i++)
		for (j = 0; disks[i] && j < disks[i]->nfiles; j++)
			if (disks[i]->file[j].map == p) {
				disk_look(disks[i]);
				if (disks[i]->scratch)
					map_stale(&disks[i]->file[j]);
				disks[i]->file[j].map = NULL;
			}
}

bool
disk_audit(struct disk *d)
{
	uint8_t buf[65536];
	int i, j;

	disk_look(d);
	for (i = 0; !d->scratch && i < d->ncname; i++) {
		struct dfile *f = &d->file[d->cname[i].file];
		struct stat st;
		uint64_t o;

		j = d->cname[i].file;
		if (j < 0)
			continue;
		own_fd(d, j, 0);
		if (fstat(f->fd, &st) < 0 || (uint64_t)st.st_size != f->csize) {
			fprintf(stderr, "# %s: size %lld, noted %llu\n",
			    d->cname[i].path, (long long)st.st_size,
			    (unsigned long long)f->csize);
			return false;
		}
		for (o = 0; o < f->csize; o += sizeof(buf)) {
			ssize_t n = __real_pread(f->fd, buf, sizeof(buf),
			    (off_t)o);

			if (n < 0 || memcmp(buf, f->cur + o, (size_t)n) != 0) {
				fprintf(stderr, "# %s: a write near %llu was "
				    "not noted\n", d->cname[i].path,
				    (unsigned long long)o);
				return false;
			}
		}
	}
	return true;
}

/* --- syncs ---------------------------------------------------------- */

static void
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

static void
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

/* --- images --------------------------------------------------------- */

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
		die("ftruncate image");
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
			die("ftruncate image");
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
		die("mmap image");
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
static int
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
			die("mkdir image");
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
		die("restoring a file");
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

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

uint64_t
sector_hash(int file, uint64_t s, const uint8_t *p)
{
	static const uint8_t zero[DISK_SECTOR];

	if (memcmp(p, zero, DISK_SECTOR) == 0)
		return 0;
	return XXH3_64bits_withSeed(p, DISK_SECTOR,
	    s * 1000003 + (uint64_t)file * 7919 + 1);
}

uint64_t
size_hash(int file, uint64_t size)
{
	return (size + 1) * 0x9E3779B97F4A7C15ull *
	    (2 * (uint64_t)file + 3);
}

static void
stale_page(struct dfile *f, uint64_t page)
{
	if (page >= PAGES_MAX)
		disk_die("file too large");
	if (f->stale[page])
		return;
	f->stale[page] = true;
	f->stalev[f->nstale++] = (uint32_t)page;
}

void
stale_range(struct dfile *f, uint64_t off, uint64_t n)
{
	uint64_t p;

	if (n > 0)
		for (p = off / DISK_PAGE; p <= (off + n - 1) / DISK_PAGE; p++)
			stale_page(f, p);
}

/* Every scratch that shows this file's durable state must be told. */
void
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

void
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

void
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
		disk_die("file too large");
	/* Nothing says that writes wait for a sync: the oldest go out. */
	if (d->npend > DISK_PENDS_MAX - 40)
		pends_out(d, 100);
	if (src)
		memcpy(f->cur + off, src, n);
	else if (__real_pread(f->fd, f->cur + off, n, (off_t)off) != (ssize_t)n)
		disk_die("reading back a write");
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

void
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
		disk_die("file without a name");
	snprintf(path, sizeof(path), "%s/%s", d->dir, d->cname[i].path);
	f->fd = __real_open(path, O_RDWR | O_CLOEXEC | flags, 0600);
	if (f->fd < 0)
		disk_die(path);
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
void
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

/*
 * disk_in.h - what the files of the simulated disk share
 */
#ifndef CRASH_DISK_IN_H
#define CRASH_DISK_IN_H

#include "disk.h"

#define DISKS_MAX	8
#define SECTORS_MAX	(DISK_FILE_MAX / DISK_SECTOR)
#define PAGES_MAX	(DISK_FILE_MAX / DISK_PAGE)

extern struct disk *disks[DISKS_MAX];	/* NULL: none */

/* --- disk.c: names, what is pending -------------------------------- */
void disk_die(const char *what);
struct pend *pend_add(struct disk *d, enum pend_kind kind, int file);
void pends_out(struct disk *d, int n);
void pends_drop(struct disk *d);
struct dname *name_find(struct dname *v, int n, const char *rel);
void name_set(struct dname *v, int *n, const char *rel, int file);
void name_apply(struct dname *v, int *n, const struct pend *p);
int file_new(struct disk *d);
void pend_apply(struct disk *d, const struct pend *p);

/* --- disk_bytes.c: what files hold ----------------------------------- */
void dur_apply(struct disk *d, int fi, uint64_t off, const uint8_t *p,
    uint32_t ns, const uint64_t *hash);
void dur_resize(struct disk *d, int fi, uint64_t size);
uint64_t sector_hash(int file, uint64_t s, const uint8_t *p);
uint64_t size_hash(int file, uint64_t size);
void stale_range(struct dfile *f, uint64_t off, uint64_t n);
void dur_changed(int file, uint64_t off, uint64_t n);
void own_fd(struct disk *d, int fi, int flags);
void map_stale(struct dfile *t);

/* --- disk_image.c: what a pick leaves -------------------------------- */
int img_slot(struct disk *s);

#endif

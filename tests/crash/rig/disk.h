/*
 * disk.h - a simulated disk below the real system calls
 *
 * Everything the code under test (and liblmdb.a) does to files below one
 * directory goes through the wrapped calls of wrap.c to here.  A disk keeps
 * for each file what is surely on the medium (dur), what the page cache
 * holds (cur), and in between the list of what was written and not yet
 * synced.  A power cut may keep any subset of that list: enum.c makes the
 * subsets, disk_make builds one into another disk's directory, where the
 * engine is opened again.
 *
 * Contents are kept whole sectors of 512 bytes at a time: a write's entry
 * holds the sectors it touched as they were after it, so that whatever is
 * kept, each sector is one that existed at some moment.
 *
 * Single-threaded, on purpose.
 */
#ifndef CRASH_DISK_H
#define CRASH_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define DISK_SECTOR	512u
#define DISK_PAGE	4096u
#define DISK_FILES_MAX	16
#define DISK_PENDS_MAX	320
#define DISK_FILE_MAX	(256ull << 20)	/* bytes of one file */
#define DISK_PATH_MAX	64

enum pend_kind {
	PEND_WRITE,		/* sectors of a file */
	PEND_SIZE,		/* a file's size, set exactly */
	PEND_LINK,		/* a name for a file */
	PEND_MKDIR,
	PEND_UNLINK,
	PEND_RENAME,
};

struct pend {
	enum pend_kind kind;
	int file;
	uint64_t off;		/* of the first sector */
	uint32_t nsect;
	uint64_t end;		/* file size this write implies; PEND_SIZE */
	uint8_t *bytes;
	uint64_t *hash;		/* of each sector */
	char path[DISK_PATH_MAX], path2[DISK_PATH_MAX];
};

struct dfile {
	uint8_t *dur, *cur;	/* DISK_FILE_MAX each, lazily backed */
	uint64_t dsize, csize;
	uint64_t hash;		/* of dur's sectors and size */
	int fd;			/* our own, for building images */
	uint8_t *img;		/* scratch: the file, mapped */
	bool *stale;		/* scratch: pages unlike the origin's dur */
	uint32_t *stalev;
	uint32_t nstale;
	bool stale_all;
	int origin;		/* scratch: which file's image this is */
	const struct dfile *from;
	uint32_t *stamp;	/* enum: last pick that looked at a sector */
	/* the code's own mapping, watched for stores */
	uint8_t *map;
	uint64_t map_off, map_len;
};

struct dname {
	char path[DISK_PATH_MAX];
	int file;		/* -1: a directory */
};

struct disk {
	char dir[128];
	size_t dirlen;
	bool scratch;		/* only remember which pages changed */
	bool told;		/* of every store into a mapping, by
				 * disk_look_at; disk_audit would find others */
	uint64_t room;		/* of the data file; 0: no bound */
	bool dead;		/* the process was killed: nothing counts */
	struct dfile file[DISK_FILES_MAX];
	int nfiles;
	struct dname cname[DISK_FILES_MAX], dname[DISK_FILES_MAX];
	int ncname, ndname;
	struct pend pend[DISK_PENDS_MAX];
	int npend;
	uint32_t stamp;
	/* Called before a sync takes effect, and after. */
	void (*hook)(void *arg, struct disk *d, bool after);
	void *hook_arg;
	uint64_t syncs, writes;
};

/* What a power cut leaves of each entry. */
enum {
	KEEP_NONE,
	KEEP_ALL,
	KEEP_TORN,		/* some sectors, by seed */
	KEEP_TORN_PAGES,	/* some pages */
	KEEP_HEAD,		/* all but the last sector */
	KEEP_SIZE,		/* only the size it implies */
};

struct pick {
	uint8_t keep[DISK_PENDS_MAX];
	uint32_t seed;
	int n;
};

/* dir must exist and be empty, on a tmpfs. */
struct disk *disk_new(const char *dir, bool scratch);
/* Removes what is in the directory, and it. */
void disk_free(struct disk *d);
/* A descriptor of the directory that the wraps know; close it. */
int disk_dirfd(struct disk *d);

/* The hash of the image a pick gives, without building it. */
uint64_t disk_hash(struct disk *d, const struct pick *p);
/* Build a pick of d as the files of scratch s. */
void disk_make(struct disk *d, const struct pick *p, struct disk *s);
/* The cut happened: the pick is now all there is, cache and medium. */
void disk_cut(struct disk *d, const struct pick *p);
/* kill -9 came: what the dead code wrote since dead was set is undone. */
void disk_killed(struct disk *d);
/* Everything written reaches the medium (a quiet hour). */
void disk_flush(struct disk *d);
/* Make d's state a copy of from's durable state. */
void disk_copy(struct disk *d, const struct disk *from);

/* Note stores into a mapping since the last look. */
void disk_look(struct disk *d);
/* Only these bytes of the one mapping have changed. */
void disk_look_at(struct disk *d, uint64_t off, uint64_t n);
/* Does the cache's image equal the real files?  Else a write was missed. */
bool disk_audit(struct disk *d);

/* --- for wrap.c ----------------------------------------------------- */
struct disk *disk_of_path(const char *abs, const char **rel);
int disk_file_named(struct disk *d, const char *rel);
int disk_file_add(struct disk *d, const char *rel);
void disk_note_write(struct disk *d, int f, uint64_t off, uint64_t n);
void disk_note_size(struct disk *d, int f, uint64_t size);
void disk_note_name(struct disk *d, enum pend_kind k, const char *a,
    const char *b);
void disk_note_sync(struct disk *d, int f, const char *dir);
void disk_note_range_sync(struct disk *d, int f, int from);

/* --- faults (wrap.c) ------------------------------------------------ */
enum {
	FAULT_WRITE = 1,	/* write, ftruncate, names */
	FAULT_SYNC = 2,
	FAULT_SPACE = 4,	/* fallocate */
	FAULT_READ = 8,
	FAULT_OPEN = 16,
};
struct disk_fault {
	int left;		/* calls that still succeed; < 0: off */
	int error;		/* errno */
	unsigned kinds;
	bool forever;
	int fired;		/* how many calls failed */
	const char *where;	/* the first that did */
};
extern struct disk_fault disk_fault;
/* Syncs that claim to have happened and did not: the rig's own plant. */
extern bool disk_lies;
/* The clocks that our code sees, ns since 1970; 0: the real ones.  Sleeping
 * costs nothing and moves it. */
extern uint64_t disk_now_ns;

#endif

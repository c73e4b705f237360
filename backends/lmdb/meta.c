/*
 * lmdb/meta.c - the two pages that LMDB begins with
 *
 * LMDB takes their word for how long a page is, which kind of tree rows are
 * in, and where it may write; of the two it goes on from the newer one.
 */
#include <fcntl.h>
#include <unistd.h>

#include "../dir.h"
#include "../file/fd.h"
#include "lmdb_store.h"
#include "page.h"

#define MAGIC		0xbeefc0deu
#define VERSION		1u
#define FREE_FLAGS	0x4008u		/* keys are numbers; one file */

/* As LMDB 0.9 writes them, numbers as the machine has them. */
struct tree_image {
	uint32_t page;			/* its size, in that of free pages */
	uint16_t flags, depth;
	uint64_t branches, leaves, overflows, rows, root;
};

struct meta_image {
	uint64_t no;
	uint16_t pad, flags;
	uint32_t none, magic, version;
	uint64_t at, map;
	struct tree_image free, rows;
	uint64_t last, id;
};

static bool
is_tree(const struct tree_image *t)
{
	return t->root == LMDB_NONE ? t->depth == 0 && t->rows == 0 :
	    t->depth > 0 && t->depth <= DEPTH_MAX;
}

static struct lmdb_tree
tree_of(const struct tree_image *t)
{
	return (struct lmdb_tree){ t->root, t->rows, t->depth };
}

static bool
is_meta(const struct meta_image *m, size_t page, unsigned i)
{
	return m->no == i && m->flags == META && m->magic == MAGIC &&
	    m->version == VERSION && m->free.page == page &&
	    m->free.flags == FREE_FLAGS && is_tree(&m->free) &&
	    m->rows.page == 0 && m->rows.flags == 0 && is_tree(&m->rows) &&
	    m->last > 0 && m->last < LMDB_MAP_MAX / page;
}

bool
lmdb_meta_parse(const void *p, size_t page, unsigned i, struct lmdb_meta *out)
{
	struct meta_image m;

	memcpy(&m, p, sizeof m);
	if (!is_meta(&m, page, i))
		return false;
	*out = (struct lmdb_meta){ tree_of(&m.free), tree_of(&m.rows),
	    m.last + 1, m.id };
	return true;
}

int
lmdb_meta_read(int fd, size_t page, unsigned i, struct lmdb_meta *out)
{
	uint8_t b[sizeof(struct meta_image)];
	size_t got;
	int err;

	if ((err = fd_read(fd, i * page, b, sizeof b, &got)) < 0)
		return err;
	return got == sizeof b && lmdb_meta_parse(b, page, i, out) ? 0 :
	    -VFS_CORRUPT;
}

/* How long a page is, by one of the two. */
static int
page_find(int fd, unsigned *page)
{
	struct lmdb_meta meta;
	unsigned n;

	for (n = PAGE_MIN; n <= PAGE_MAX; n *= 2)
		if (lmdb_meta_read(fd, n, 0, &meta) == 0 ||
		    lmdb_meta_read(fd, n, 1, &meta) == 0)
			return *page = n, 0;
	return -VFS_CORRUPT;
}

int
lmdb_meta_check(int dirfd, const char *name)
{
	struct lmdb_meta meta;
	unsigned page, i;
	int fd = be_dir_open(dirfd, name, O_RDONLY), err;

	if (fd < 0)
		return fd;
	err = page_find(fd, &page);
	for (i = 0; err == 0 && i < 2; i++)
		err = lmdb_meta_read(fd, page, i, &meta);
	close(fd);
	return err;
}

int
lmdb_meta_open(int dirfd, const char *name, unsigned *page)
{
	int fd = be_dir_open(dirfd, name, O_RDONLY), err;

	if (fd < 0 || (err = page_find(fd, page)) == 0)
		return fd;
	close(fd);
	return err;
}

/*
 * damage_fx.h - a row backend with something of everything, and its file
 */
#ifndef CONTRACT_DAMAGE_FX_H
#define CONTRACT_DAMAGE_FX_H

#include "../../backends/lmdb/page.h"
#include "store_fx.h"

#define FILE_NAME	"rows.mdb"
#define PAGE		4096u
#define SMALL		600u		/* rows of one line */
#define LARGE		30u		/* rows of several pages */
#define LARGE_SIZE	9000u
#define KEY_SIZE	8u
#define ROWS		(SMALL + LARGE)

/* Large ones stand between the small ones. */
static inline void
key_of(unsigned i, char key[16])
{
	snprintf(key, 16, "%08u", i < SMALL ? i * 10 : (i - SMALL) * 200 + 5);
}

/* The number that a key is; none for the empty one. */
static inline unsigned
number(struct vfs_slice key, unsigned none)
{
	char b[16] = "";

	if (key.n == 0)
		return none;
	memcpy(b, key.p, key.n < 15 ? key.n : 15);
	return (unsigned)strtoul(b, NULL, 10);
}

static inline size_t
val_of(unsigned i, char *val)
{
	size_t n = i < SMALL ? 60 + i % 50 : LARGE_SIZE + i;

	memset(val, 'a' + (int)(i % 26), n);
	return n;
}

/* Every step-th row, put or deleted in one batch. */
static inline int
try_apply(struct fx *fx, unsigned step, bool del)
{
	static char keys[ROWS][16], vals[ROWS][LARGE_SIZE + ROWS];
	static struct store_row rows[ROWS];
	struct store_batch b = { rows, 0 };
	unsigned i, k, next = 0;

	for (k = 0; k < SMALL * 10; k += 5) {
		if (k % 10 == 0)
			i = k / 10;
		else if (k % 200 == 5)
			i = SMALL + k / 200;
		else
			continue;
		if (next++ % step != 0)
			continue;
		key_of(i, keys[i]);
		rows[b.nrows++] = (struct store_row){ str(keys[i]), del ?
		    absent : (struct vfs_slice){ vals[i], val_of(i, vals[i]) } };
	}
	return fx->ops->apply(fx->b, &b);
}

static inline void
apply(struct fx *fx, unsigned step, bool del)
{
	assert_int_equal(try_apply(fx, step, del), 0);
}

/* Several times, so that there are free pages as well. */
static inline void
fill(struct fx *fx)
{
	apply(fx, 1, false);
	apply(fx, 7, true);
	apply(fx, 7, false);
	apply(fx, 3, false);
}

/* The file's bytes: closed, and taken into memory. */
static inline uint8_t *
image(struct fx *fx, size_t *n)
{
	int fd = openat(fx->dir.dirfd, FILE_NAME, O_RDONLY);
	struct stat st;
	uint8_t *b;

	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	*n = (size_t)st.st_size;
	b = malloc(*n);
	assert_int_equal(pread(fd, b, *n, 0), *n);
	close(fd);
	return b;
}

static inline void
put_image(struct fx *fx, const uint8_t *b, size_t n)
{
	int fd = openat(fx->dir.dirfd, FILE_NAME, O_WRONLY | O_TRUNC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, b, n), n);
	close(fd);
}

static inline bool
is_kind(const uint8_t *page, unsigned kind)
{
	return (u16(page + 10) & ~DIRTY) == kind;
}

#endif

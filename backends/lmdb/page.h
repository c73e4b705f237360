/*
 * lmdb/page.h - how LMDB's pages look
 *
 * As LMDB 0.9 writes them (data version 1), numbers as the machine has them:
 *
 *	page	0 its number u64, 10 flags u16, 12 end of the places u16,
 *		14 begin of the nodes u16, 16 places of the nodes, u16 each
 *	node	0 length of the value u32, 4 flags u16, 6 length of the key
 *		u16, 8 key, value; on a branch, the first six bytes are the
 *		number of a page with keys from this one on, and the first
 *		key is not used
 *	value	with the flag BIG, the number u64 of the first page of a run:
 *		0 its number, 10 flags, 12 how many pages u32, 16 the value
 *	free	a row: key u64, its transaction; value u64s: how many, pages
 */
#ifndef LMDB_PAGE_H
#define LMDB_PAGE_H

#include <stdint.h>
#include <string.h>

#define PAGE_HEAD	16u
#define PAGE_MIN	512u
#define PAGE_MAX	32768u
#define NODE_HEAD	8u
#define BRANCH		0x01u
#define LEAF		0x02u
#define OVERFLOW	0x04u
#define META		0x08u
#define DIRTY		0x10u		/* set in memory, written so */
#define BIG		0x01u		/* of a node's flags */
#define DEPTH_MAX	32u		/* LMDB's own */

static inline unsigned
u16(const uint8_t *p)
{
	uint16_t v;

	return memcpy(&v, p, sizeof v), v;
}

static inline uint32_t
u32(const uint8_t *p)
{
	uint32_t v;

	return memcpy(&v, p, sizeof v), v;
}

static inline uint64_t
u64(const uint8_t *p)
{
	uint64_t v;

	return memcpy(&v, p, sizeof v), v;
}

/* How many nodes a page has whose head was looked at. */
static inline unsigned
nodes(const uint8_t *p)
{
	return (u16(p + 12) - PAGE_HEAD) / 2;
}

#endif

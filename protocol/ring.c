#include "mem.h"

#include "err.h"
#include "ring.h"

/* fuzz/ring.c changes the shared bytes here: between any two loads. */
#ifndef RING_BETWEEN
#define RING_BETWEEN()	((void)0)
#endif

#define TO_SERVER	64u		/* where the control lines are */
#define TO_CLIENT	320u
#define TAIL		0u		/* in them */
#define HEAD		64u
#define WANT_DATA	128u
#define WANT_ROOM	192u

/* --- shared words: each is loaded or stored by exactly one of these --- */

/* Indices and wishes are one sequentially consistent order: a side that
 * moves its index and sees no wish is seen by the side that wishes. */
static uint64_t
load64(const uint8_t *p)
{
	RING_BETWEEN();
	return __atomic_load_n((const uint64_t *)(const void *)p,
	    __ATOMIC_SEQ_CST);
}

static void
store64(uint8_t *p, uint64_t v)
{
	__atomic_store_n((uint64_t *)(void *)p, v, __ATOMIC_SEQ_CST);
}

static uint32_t
load32(const uint8_t *p)
{
	RING_BETWEEN();
	return __atomic_load_n((const uint32_t *)(const void *)p,
	    __ATOMIC_SEQ_CST);
}

static void
store32(uint8_t *p, uint32_t v)
{
	__atomic_store_n((uint32_t *)(void *)p, v, __ATOMIC_SEQ_CST);
}

static void
copy_out(void *to, const uint8_t *from, size_t n)
{
	RING_BETWEEN();
	memcpy(to, from, n);
}

/* --- the region ------------------------------------------------------ */

size_t
ring_bytes(uint32_t slots)
{
	if (slots < RING_SLOTS_MIN || slots > RING_SLOTS_MAX ||
	    (slots & (slots - 1)) != 0)
		return 0;
	return RING_HEAD + 2 * (size_t)slots * RING_SLOT;
}

void
ring_format(void *region, uint32_t slots)
{
	uint8_t *p = region;

	store32(p + 4, RING_VERSION);
	store32(p + 8, slots);
	store32(p + 12, RING_SLOT);
	store32(p, RING_MAGIC);
}

static void
way(struct ring_way *w, uint8_t *region, size_t ctl, size_t slots)
{
	*w = (struct ring_way){ .ctl = region + ctl, .slots = region + slots };
}

int
ring_attach(struct ring *r, void *region, size_t n, bool server)
{
	uint8_t *p = region;
	uint32_t slots;
	size_t second;

	memset(r, 0, sizeof *r);
	r->err = -VFS_MALFORMED;
	if (n < RING_HEAD || ((uintptr_t)region & 63) != 0)
		return r->err;
	slots = load32(p + 8);
	if (load32(p) != RING_MAGIC || load32(p + 4) != RING_VERSION ||
	    load32(p + 12) != RING_SLOT || ring_bytes(slots) == 0 ||
	    ring_bytes(slots) > n)
		return r->err;
	second = RING_HEAD + (size_t)slots * RING_SLOT;
	way(server ? &r->in : &r->out, p, TO_SERVER, RING_HEAD);
	way(server ? &r->out : &r->in, p, TO_CLIENT, second);
	r->n = slots;
	return r->err = 0;
}

static uint8_t *
slot(const struct ring *r, const struct ring_way *w)
{
	return w->slots + (size_t)(w->mine & (r->n - 1)) * RING_SLOT;
}

static bool
poison(struct ring *r)
{
	r->err = -VFS_MALFORMED;
	return false;
}

/* --- reading --------------------------------------------------------- */

/* Is there a slot that was not taken? */
static bool
filled(struct ring *r)
{
	struct ring_way *w = &r->in;
	uint64_t tail;

	if (w->theirs != w->mine)
		return true;
	tail = load64(w->ctl + TAIL);
	if (tail - w->mine > r->n)
		return poison(r);
	w->theirs = tail;
	return tail != w->mine;
}

/* Stand on the next slot that has bytes. */
static bool
next_slot(struct ring *r)
{
	struct ring_way *w = &r->in;
	uint32_t len;

	if (w->at < w->len)
		return true;
	if (!filled(r))
		return false;
	len = load32(slot(r, w));
	if (len == 0 || len > RING_DATA)
		return poison(r);
	w->len = len;
	w->at = 0;
	return true;
}

size_t
ring_read(struct ring *r, void *p, size_t n)
{
	struct ring_way *w = &r->in;
	uint64_t before = w->mine;
	size_t done = 0, k;

	while (r->err == 0 && done < n && next_slot(r)) {
		k = w->len - w->at;
		if (k > n - done)
			k = n - done;
		copy_out((uint8_t *)p + done, slot(r, w) + 8 + w->at, k);
		w->at += (uint32_t)k;
		done += k;
		if (w->at == w->len)
			w->mine++;
	}
	if (w->mine != before) {
		store64(w->ctl + HEAD, w->mine);
		r->took = true;
	}
	return r->err == 0 ? done : 0;
}

/* --- writing --------------------------------------------------------- */

/* Is there a free slot? */
static bool
roomy(struct ring *r)
{
	struct ring_way *w = &r->out;
	uint64_t head;

	if (w->mine - w->theirs < r->n)
		return true;
	head = load64(w->ctl + HEAD);
	if (head - w->theirs > w->mine - w->theirs)
		return poison(r);	/* it went back, or too far */
	w->theirs = head;
	return w->mine - head < r->n;
}

size_t
ring_write(struct ring *r, const void *p, size_t n)
{
	struct ring_way *w = &r->out;
	uint64_t before = w->mine;
	size_t done = 0, k;
	uint8_t *s;

	while (r->err == 0 && done < n && roomy(r)) {
		k = n - done < RING_DATA ? n - done : RING_DATA;
		s = slot(r, w);
		memcpy(s + 8, (const uint8_t *)p + done, k);
		store32(s, (uint32_t)k);
		done += k;
		w->mine++;
	}
	if (w->mine != before) {
		store64(w->ctl + TAIL, w->mine);
		r->wrote = true;
	}
	return r->err == 0 ? done : 0;
}

/* --- bells ----------------------------------------------------------- */

/* Take a wish, if there is one. */
static bool
wish(uint8_t *p)
{
	if (load32(p) == 0)
		return false;
	store32(p, 0);
	return true;
}

bool
ring_bell(struct ring *r)
{
	bool data, room;

	if (r->err != 0)
		return true;		/* it should hear of the end */
	data = r->wrote && wish(r->out.ctl + WANT_DATA);
	room = r->took && wish(r->in.ctl + WANT_ROOM);
	r->wrote = r->took = false;
	return data || room;
}

bool
ring_sleep(struct ring *r, bool for_data, bool for_room)
{
	if (r->err != 0)
		return false;
	if (for_data)
		store32(r->in.ctl + WANT_DATA, 1);
	if (for_room)
		store32(r->out.ctl + WANT_ROOM, 1);
	/* look once more: what came before the wish rang no bell */
	return !(for_data && (r->in.at < r->in.len || filled(r))) &&
	    !(for_room && roomy(r)) && r->err == 0;
}

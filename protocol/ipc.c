#include "mem.h"

#include "err.h"
#include "ipc.h"

#define TO_SERVER	64u
#define TO_CLIENT	256u
#define FILLED		0u		/* in the control lines */
#define TAKEN		64u
#define NOTICE		128u
#define WORDS		1024u

/* fuzz/ring.c changes the shared bytes here: between any two loads. */
#ifndef IPC_BETWEEN
#define IPC_BETWEEN()	((void)0)
#endif

static uint64_t
load(const uint8_t *p)
{
	IPC_BETWEEN();
	return __atomic_load_n((const uint64_t *)(const void *)p,
	    __ATOMIC_SEQ_CST);
}

static void
store(uint8_t *p, uint64_t v)
{
	__atomic_store_n((uint64_t *)(void *)p, v, __ATOMIC_SEQ_CST);
}

void
ipc_format(void *page)
{
	store(page, IPC_MAGIC);
}

static void
way(struct ipc_way *w, uint8_t *page, size_t ctl, size_t words)
{
	*w = (struct ipc_way){ .ctl = page + ctl, .words = page + words };
}

int
ipc_attach(struct ipc *i, void *page, size_t n, bool server)
{
	memset(i, 0, sizeof *i);
	if (n < IPC_PAGE || ((uintptr_t)page & 63) != 0 ||
	    load(page) != IPC_MAGIC)
		return i->err = -VFS_MALFORMED;
	way(server ? &i->in : &i->out, page, TO_SERVER, WORDS);
	way(server ? &i->out : &i->in, page, TO_CLIENT,
	    WORDS + 8 * IPC_WORDS);
	return 0;
}

/* Or-s to a word of the peer's: true if it was asleep on it. */
bool
ipc_notify(struct ipc *i, uint64_t bits)
{
	uint64_t *word = (uint64_t *)(void *)(i->out.ctl + NOTICE);

	return __atomic_fetch_or(word, bits, __ATOMIC_SEQ_CST) == 0;
}

uint64_t
ipc_noticed(struct ipc *i)
{
	uint64_t *word = (uint64_t *)(void *)(i->in.ctl + NOTICE);

	IPC_BETWEEN();
	return __atomic_exchange_n(word, 0, __ATOMIC_SEQ_CST);
}

/* The whole letter comes out at once, then it is looked at. */
static bool
take(struct ipc *i, bool *signal)
{
	uint64_t filled = load(i->in.ctl + FILLED), label;

	if (filled == i->in.n)
		return false;
	if (filled - i->in.n > 1) {
		i->err = -VFS_MALFORMED;
		return false;
	}
	IPC_BETWEEN();
	memcpy(i->letter, i->in.words, sizeof i->letter);
	memcpy(&label, i->letter, sizeof label);
	if (label >> 16 != IPC_LABEL << 32 || (label & 0xffff) == 0 ||
	    (label & 0xffff) > IPC_DATA) {
		i->err = -VFS_MALFORMED;
		return false;
	}
	i->len = (uint16_t)(label & 0xffff);
	i->at = 0;
	store(i->in.ctl + TAKEN, ++i->in.n);
	*signal |= ipc_notify(i, IPC_ROOM);
	return true;
}

size_t
ipc_read(struct ipc *i, void *p, size_t n, bool *signal)
{
	size_t done = 0, k;

	while (i->err == 0 && done < n && (i->at < i->len ||
	    take(i, signal))) {
		k = (size_t)i->len - i->at;
		if (k > n - done)
			k = n - done;
		memcpy((uint8_t *)p + done, i->letter + 8 + i->at, k);
		i->at = (uint16_t)(i->at + k);
		done += k;
	}
	return i->err == 0 ? done : 0;
}

size_t
ipc_write(struct ipc *i, const void *p, size_t n, bool *signal)
{
	uint64_t taken, label;
	size_t k;

	if (i->err != 0 || n == 0)
		return 0;
	taken = load(i->out.ctl + TAKEN);
	if (taken != i->out.n) {
		if (i->out.n - taken > 1)
			i->err = -VFS_MALFORMED;
		return 0;
	}
	k = n < IPC_DATA ? n : IPC_DATA;
	label = IPC_LABEL << 48 | k;
	store(i->out.words, label);
	memcpy(i->out.words + 8, p, k);
	store(i->out.ctl + FILLED, ++i->out.n);
	*signal |= ipc_notify(i, IPC_LETTER);
	return k;
}

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "fault.h"

/* One thread's countdown; a test has one. */
static _Thread_local struct {
	bool armed, fired, forever;
	unsigned left, calls;
	int err;
	const char *what;
} countdown;

void
fault_arm(unsigned n, int err)
{
	countdown.armed = true;
	countdown.fired = countdown.forever = false;
	countdown.left = n;
	countdown.calls = 0;
	countdown.err = err;
	countdown.what = "nothing";
}

void
fault_arm_forever(unsigned n, int err)
{
	fault_arm(n, err);
	countdown.forever = true;
}

bool
fault_disarm(void)
{
	countdown.armed = false;
	return countdown.fired;
}

unsigned
fault_calls(void)
{
	return countdown.calls;
}

const char *
fault_what(void)
{
	return countdown.what;
}

/* 0, or the error that this call has to fail with. */
static int
hit(const char *what)
{
	if (!countdown.armed || (countdown.fired && !countdown.forever))
		return 0;
	if (countdown.left > 0) {
		countdown.left--;
		countdown.calls++;
		return 0;
	}
	if (!countdown.fired)
		countdown.what = what;
	countdown.fired = true;
	return countdown.err;
}

/* --- memory ------------------------------------------------------------ */

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_mmap(void *p, size_t n, int prot, int flags, int fd, off_t off);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_mmap(void *p, size_t n, int prot, int flags, int fd, off_t off);

static bool
no_memory(const char *what)
{
	if (hit(what) == 0)
		return false;
	errno = ENOMEM;
	return true;
}

void *
__wrap_malloc(size_t n)
{
	return no_memory("malloc") ? NULL : __real_malloc(n);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return no_memory("calloc") ? NULL : __real_calloc(n, size);
}

void *
__wrap_realloc(void *p, size_t n)
{
	return no_memory("realloc") ? NULL : __real_realloc(p, n);
}

void *
__wrap_mmap(void *p, size_t n, int prot, int flags, int fd, off_t off)
{
	return no_memory("mmap") ? MAP_FAILED :
	    __real_mmap(p, n, prot, flags, fd, off);
}

/* --- backends ---------------------------------------------------------- */

/* Each function of a table: count, then do what the mem backend does. */
#define COUNTED(be, what, name, params, args) \
	static int \
	what##_##name params \
	{ \
		int err = hit(#what " " #name); \
		return err ? err : be.name args; \
	}

COUNTED(be_store_mem, store, open,
    (int fd, bool create, bool rdonly, void **s), (fd, create, rdonly, s))
COUNTED(be_store_mem, store, apply,
    (void *s, const struct store_batch *b), (s, b))
COUNTED(be_store_mem, store, reserve, (void *s, uint64_t n), (s, n))
COUNTED(be_store_mem, store, snap_begin, (void *s, void **snap), (s, snap))
COUNTED(be_store_mem, store, get,
    (void *snap, struct vfs_slice key, struct vfs_slice *val),
    (snap, key, val))
COUNTED(be_store_mem, store, cur_open, (void *snap, void **c), (snap, c))
COUNTED(be_store_mem, store, cur_seek,
    (void *c, struct vfs_slice at, struct vfs_slice *key,
    struct vfs_slice *val), (c, at, key, val))
COUNTED(be_store_mem, store, cur_next,
    (void *c, struct vfs_slice *key, struct vfs_slice *val), (c, key, val))
COUNTED(be_store_mem, store, usage,
    (void *s, struct store_usage *out), (s, out))

COUNTED(be_store_mem, store, scan,
    (void *s, const struct store_scan *to), (s, to))

static void
store_close(void *s)
{
	be_store_mem.close(s);
}

static void
store_snap_end(void *snap)
{
	be_store_mem.snap_end(snap);
}

static void
store_cur_close(void *c)
{
	be_store_mem.cur_close(c);
}

const struct store_ops fault_store = {
	.name = "mem", .open = store_open, .close = store_close,
	.apply = store_apply, .reserve = store_reserve,
	.snap_begin = store_snap_begin, .snap_end = store_snap_end,
	.get = store_get, .cur_open = store_cur_open,
	.cur_seek = store_cur_seek, .cur_next = store_cur_next,
	.cur_close = store_cur_close, .usage = store_usage,
	.scan = store_scan,
};

COUNTED(be_log_mem, log, open,
    (int fd, bool create, bool rdonly, uint64_t size, void **s),
    (fd, create, rdonly, size, s))
COUNTED(be_log_mem, log, append,
    (void *s, uint64_t pos, const void *p, size_t n), (s, pos, p, n))
COUNTED(be_log_mem, log, sync, (void *s), (s))
COUNTED(be_log_mem, log, read,
    (void *s, uint64_t pos, void *p, size_t n), (s, pos, p, n))
COUNTED(be_log_mem, log, head_put,
    (void *s, const void *p, size_t n), (s, p, n))
COUNTED(be_log_mem, log, head_get,
    (void *s, void *p, size_t cap, size_t *n), (s, p, cap, n))

static void
log_close(void *s)
{
	be_log_mem.close(s);
}

static uint64_t
log_size(void *s)
{
	return be_log_mem.size(s);
}

const struct log_ops fault_log = {
	.name = "mem", .open = log_open, .close = log_close,
	.size = log_size, .append = log_append, .sync = log_sync,
	.read = log_read, .head_put = log_head_put,
	.head_get = log_head_get,
};

COUNTED(be_data_mem, data, open,
    (int fd, bool create, bool rdonly, void **s), (fd, create, rdonly, s))
COUNTED(be_data_mem, data, read,
    (void *s, uint64_t off, void *p, size_t n), (s, off, p, n))
COUNTED(be_data_mem, data, write,
    (void *s, uint64_t off, const void *p, size_t n), (s, off, p, n))
COUNTED(be_data_mem, data, sync, (void *s), (s))
COUNTED(be_data_mem, data, reserve,
    (void *s, uint64_t off, uint64_t n), (s, off, n))
COUNTED(be_data_mem, data, discard,
    (void *s, uint64_t off, uint64_t n), (s, off, n))
COUNTED(be_data_mem, data, room,
    (void *s, uint64_t *room, uint64_t *total), (s, room, total))

static void
data_close(void *s)
{
	be_data_mem.close(s);
}

static void
data_writeback(void *s, uint64_t off, uint64_t n)
{
	be_data_mem.writeback(s, off, n);
}

const struct data_ops fault_data = {
	.name = "mem", .open = data_open, .close = data_close,
	.read = data_read, .write = data_write,
	.writeback = data_writeback, .sync = data_sync,
	.reserve = data_reserve, .discard = data_discard,
	.room = data_room,
};

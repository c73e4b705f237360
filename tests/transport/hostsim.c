/*
 * hostsim - a task with 64 message words, no C library and no allocator
 *
 *	hostsim PATH		PATH: where a daemon listens with ipc:PATH
 *
 * Stands for a microkernel's task: it has a mailbox, a notification word
 * and a way to sleep on it (the socket's byte), and nothing else; system
 * calls are made by hand, only to come in and to print.  It runs the cases
 * that all transports have to pass, and then plays two tasks of different
 * priority, each with a mailbox of its own: what the urgent one asks is
 * answered before what the other has queued.
 */
#include "../../protocol/ipc.h"
#include "../../protocol/mem.h"
#include "cases.h"

/* --- the kernel, by hand ------------------------------------------------- */

#if defined(__x86_64__)
enum { SYS_READ = 0, SYS_WRITE = 1, SYS_POLL = 7, SYS_MMAP = 9,
	SYS_SOCKET = 41, SYS_CONNECT = 42, SYS_SENDTO = 44, SYS_RECVFROM = 45,
	SYS_RECVMSG = 47, SYS_EXIT = 60 };

static long
sys(long n, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long r;

	__asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b),
	    "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
	return r;
}

__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n"
    "\tand $-16, %rsp\n\tcall begin\n");
#else
#error hostsim knows the system calls of x86_64 only
#endif

#define AF_UNIX		1
#define MSG_DONTWAIT	0x40
#define MSG_NOSIGNAL	0x4000
#define POLLIN		1
#define WAIT_MS		30000

struct address {
	uint16_t family;
	char path[108];
};

struct vec {
	void *p;
	size_t n;
};

struct msg {
	void *name;
	uint32_t name_n;
	struct vec *v;
	size_t nv;
	void *control;
	size_t control_n;
	int flags;
};

struct control {
	size_t n;
	int level, type;
	int fd, pad;
};

struct pollfd {
	int fd;
	short events, revents;
};

/* --- a task -------------------------------------------------------------- */

struct task {
	int fd;
	struct ipc ipc;
	struct client c;
	uint8_t out[8192], in[16384];
};

static void
signal_it(struct task *t)
{
	char one = 1;

	sys(SYS_SENDTO, t->fd, (long)&one, 1, MSG_DONTWAIT | MSG_NOSIGNAL, 0,
	    0);
}

static long
get(void *arg, void *p, size_t n)
{
	struct task *t = arg;
	bool signal = false;
	size_t k = ipc_read(&t->ipc, p, n, &signal);

	if (signal)
		signal_it(t);
	return t->ipc.err < 0 ? t->ipc.err : (long)k;
}

static long
put(void *arg, const void *p, size_t n)
{
	struct task *t = arg;
	bool signal = false;
	size_t k = ipc_write(&t->ipc, p, n, &signal);

	if (signal)
		signal_it(t);
	return t->ipc.err < 0 ? t->ipc.err : (long)k;
}

/* Takes the word; sleeps until the signal if it is zero. */
static int
wait(void *arg, bool room)
{
	struct task *t = arg;
	struct pollfd p = { .fd = t->fd, .events = POLLIN };
	uint64_t bits = ipc_noticed(&t->ipc);
	uint8_t some[64];
	long k;

	(void)room;
	if ((bits & IPC_CHANGED) != 0)
		t->c.changed = true;
	if (bits != 0)
		return 0;
	if (sys(SYS_POLL, (long)&p, 1, WAIT_MS, 0, 0, 0) != 1)
		return -VFS_DEADLINE;
	k = sys(SYS_RECVFROM, t->fd, (long)some, sizeof some, MSG_DONTWAIT,
	    0, 0);
	return k > 0 ? 0 : -VFS_SESSION_CLOSED;
}

/* Comes in: the page, by descriptor, is all that it is given. */
static int
task_begin(struct task *t, const char *path)
{
	struct client_pipe pipe = { get, put, wait, t };
	struct address a = { .family = AF_UNIX };
	uint64_t words[2];
	struct vec v = { words, sizeof words };
	struct control c;
	struct msg m = { .v = &v, .nv = 1, .control = &c,
		.control_n = sizeof c };
	struct vfs_hello_reply hr;
	struct vfs_slice s = case_slice(path);
	long page;

	if (s.n >= sizeof a.path)
		return -VFS_NAMETOOLONG;
	memcpy(a.path, path, s.n);
	t->fd = (int)sys(SYS_SOCKET, AF_UNIX, 1, 0, 0, 0, 0);
	if (t->fd < 0 || sys(SYS_CONNECT, t->fd, (long)&a, sizeof a, 0, 0,
	    0) < 0 || sys(SYS_RECVMSG, t->fd, (long)&m, 0, 0, 0, 0) !=
	    sizeof words || m.control_n == 0 || words[0] != IPC_MAGIC)
		return -VFS_NXIO;
	page = sys(SYS_MMAP, 0, IPC_PAGE, 3, 1, c.fd, 0);
	if (page < 0 && page > -4096)
		return -VFS_NOMEM;
	if (ipc_attach(&t->ipc, (void *)page, IPC_PAGE, false) < 0)
		return -VFS_MALFORMED;
	client_init(&t->c, &pipe, t->out, sizeof t->out, t->in, sizeof t->in);
	return client_hello(&t->c, "hostsim", &hr);
}

/* --- printing ------------------------------------------------------------ */

static void
say(const char *s)
{
	sys(SYS_WRITE, 1, (long)s, (long)case_slice(s).n, 0, 0, 0);
}

static void
say_number(long n)
{
	char digits[24];
	unsigned at = sizeof digits;
	unsigned long v = n < 0 ? (unsigned long)-n : (unsigned long)n;

	digits[--at] = 0;
	do
		digits[--at] = (char)('0' + v % 10);
	while ((v /= 10) > 0);
	if (n < 0)
		say("-");
	say(digits + at);
}

static void
result(bool ok, unsigned n, const char *name, const struct cases *k)
{
	say(ok ? "ok " : "not ok ");
	say_number(n);
	say(" - hostsim: ");
	say(name);
	say(k->skipped ? " # SKIP no memory is shared here\n" : "\n");
	if (ok)
		return;
	say("# cases*.c:");
	say_number(k->line);
	say(": ");
	say_number(k->got);
	say(", not ");
	say_number(k->want);
	say("\n");
}

/* --- two priorities ------------------------------------------------------ */

#define QUEUED	48u

/* Replies of the slow task that are there before the urgent one's. */
static int
before_urgent(struct task *slow, struct task *urgent, struct vfs_id dir)
{
	struct vfs_dir_read q = { .dir = dir, .max_bytes = 12000,
		.want = VFS_WANT_ATTR };
	struct vfs_ping p = { 1 };
	struct vfs_ping_reply r;
	struct proto_hdr h;
	struct rbuf b;
	unsigned i, before = 0;
	int err;

	for (i = 0; i < QUEUED; i++)
		if ((err = client_send(&slow->c, VFS_OP_DIR_READ, &q)) < 0)
			return err;
	if ((err = client_call(&urgent->c, VFS_OP_PING, &p, &r)) < 0)
		return err;
	while (client_next(&slow->c, false, &h, &b) == 0)
		before++;
	for (i = before; i < QUEUED; i++)
		if ((err = client_next(&slow->c, true, &h, &b)) < 0)
			return err;
	return (int)before;
}

static struct task one, two;
static uint8_t room[8192];

static bool
priorities(struct cases *k, const char *path)
{
	struct vfs_lookup q = { .dir = k->dir, .name = { "big", 3 } };
	struct vfs_lookup_reply r;
	int before = task_begin(&two, path);

	one.c.prio = 0;
	two.c.prio = 7;
	if (before == 0)
		before = client_call(&one.c, VFS_OP_LOOKUP, &q, &r);
	if (before == 0)
		before = before_urgent(&one, &two, r.attr.id);
	say("# ");
	say_number(before);
	say(" of ");
	say_number(QUEUED);
	say(" background replies before the urgent one\n");
	k->line = __LINE__;
	k->got = before;
	return before >= 0 && before < (int)QUEUED / 2;
}

void begin(long *stack) __attribute__((noreturn));

void
begin(long *stack)
{
	struct cases k = { .c = &one.c, .name = "t-hostsim", .room = room,
		.room_n = sizeof room };
	const char *path = stack[0] > 1 ? (const char *)stack[2] : "";
	unsigned i, bad = 0;
	bool ok = task_begin(&one, path) == 0 && case_setup(&k);

	say("1..");
	say_number(case_rows_n + 2);
	say("\n");
	result(ok, 1, "comes_in", &k);
	for (i = 0; i < case_rows_n && one.c.ended == 0; i++) {
		k.skipped = false;
		ok = case_rows[i].run(&k);
		bad += !ok;
		result(ok, i + 2, case_rows[i].name, &k);
	}
	ok = one.c.ended == 0 && priorities(&k, path);
	result(ok, case_rows_n + 2, "two_priorities", &k);
	sys(SYS_EXIT, bad > 0 || !ok, 0, 0, 0, 0, 0);
	__builtin_unreachable();
}

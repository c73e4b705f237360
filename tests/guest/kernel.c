/*
 * kernel.c - a machine without an operating system uses a store
 *
 * Booted by any multiboot loader.  The command line has token=HEX (64
 * digits) and may have list=NAME, a directory below the token's to be listed.
 * It attaches over the second serial port, lists a directory as a stream,
 * makes a tree in one transaction, reads it back, follows the journal until
 * somebody else has made "from-host", and prints all that on the first.
 */
#include "../../protocol/mem.h"
#include "../../protocol/tx.h"
#include "line.h"
#include "machine.h"

#define LOADER_MAGIC	0x2badb002u
#define HAS_CMDLINE	4u
#define TREE		"guest-tree"
#define SIGNAL		"from-host"
#define TEXT		"written by a machine without an operating system\n"

static struct client client;
static struct vfs_id root;		/* the directory of the token */
static uint8_t out[4096], in[16384], room[4096];

static struct vfs_slice
text(const char *s)
{
	struct vfs_slice r = { s, 0 };

	while (s[r.n] != 0)
		r.n++;
	return r;
}

static bool
is(struct vfs_slice s, const char *want)
{
	struct vfs_slice w = text(want);

	return s.n == w.n && memcmp(s.p, w.p, w.n) == 0;
}

/* --- the command line ------------------------------------------------ */

/* What stands behind "word=", up to a space. */
static struct vfs_slice
argument(const char *line, const char *word)
{
	struct vfs_slice w = text(word), r = { "", 0 };
	size_t i;

	for (i = 0; line[i] != 0; i++) {
		if (i > 0 && line[i - 1] != ' ')
			continue;
		if (text(line + i).n < w.n || memcmp(line + i, w.p, w.n) != 0)
			continue;
		r.p = line + i + w.n;
		while (line[i + w.n + r.n] != 0 && line[i + w.n + r.n] != ' ')
			r.n++;
		break;
	}
	return r;
}

static unsigned
digit(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10) & 15;
}

static void
token_of(struct vfs_slice hex, uint8_t token[VFS_TOKEN_BYTES])
{
	const char *p = hex.p;
	unsigned i;

	for (i = 0; i < VFS_TOKEN_BYTES && 2 * i + 1 < hex.n; i++)
		token[i] = (uint8_t)(digit(p[2 * i]) << 4 |
		    digit(p[2 * i + 1]));
}

/* --- the steps ------------------------------------------------------- */

static int
attach(const char *line)
{
	uint8_t token[VFS_TOKEN_BYTES] = { 0 };
	struct vfs_slice hex = argument(line, "token=");
	struct vfs_hello_reply h;
	struct vfs_attach_reply a;
	int err;

	if ((err = client_hello(&client, "guest", &h)) < 0)
		return err;
	print("hello: version ");
	print_number(h.version);
	print(", ");
	print_bytes(h.server.p, h.server.n);
	print("\n");
	token_of(hex, token);
	if ((err = client_attach(&client, token, sizeof token, &a)) < 0)
		return err;
	root = a.root_id;
	print("attached: rights ");
	print_number(a.rights);
	print("\n");
	return 0;
}

struct listed {
	unsigned names;
	char last[VFS_NAME_MAX];
	size_t last_n;
};

static bool
list_one(void *arg, const struct vfs_dirent *e)
{
	struct listed *l = arg;

	if (e->cookie < VFS_SLOT_FIRST)
		return true;		/* "." and ".." */
	l->names++;
	memcpy(l->last, e->name.p, e->name.n);
	l->last_n = e->name.n;
	return true;
}

static int
list(const char *line)
{
	struct vfs_walk w = { .dir = root,
		.path = argument(line, "list=") };
	struct vfs_walk_reply wr;
	struct vfs_dir_read q = { .max_bytes = 4096 };
	struct vfs_dir_read_reply r;
	struct listed l = { .names = 0 };
	unsigned calls = 0;
	int err = client_call(&client, VFS_OP_WALK, &w, &wr);

	for (q.dir = wr.attr.id; err == 0; calls++) {
		r.entries = (struct vfs_sink){ list_one, &l };
		err = client_call(&client, VFS_OP_DIR_READ, &q, &r);
		if (err < 0 || r.eof != 0)
			break;
		q.cookie = r.next_cookie;
		q.fence = r.fence;
	}
	print("list: ");
	print_number(l.names);
	print(" names in ");
	print_number(calls + 1);
	print(" messages, the last is ");
	print_bytes(l.last, l.last_n);
	print("\n");
	return err;
}

static void
put_create(size_t *n, uint64_t dir, const char *name, uint32_t mode)
{
	struct vfs_create q = { .dir = { dir }, .mode = mode,
		.name = text(name) };

	proto_tx_op_put(VFS_OP_CREATE, &q, room, sizeof room, n);
}

/* A directory, one below it, a file in each with bytes: one message, one
 * commit. */
static int
make_tree(void)
{
	struct vfs_write w = { .data = text(TEXT) };
	struct vfs_tx_exec q = { .nops = 6, .durability = VFS_TX_STABLE };
	struct vfs_tx_exec_reply r;
	size_t n = 0;
	int err;

	put_create(&n, root.n, TREE, 040755);			/* 0 */
	put_create(&n, VFS_TX_RESULT | 0, "below", 040755);	/* 1 */
	put_create(&n, VFS_TX_RESULT | 0, "readme", 0100644);	/* 2 */
	put_create(&n, VFS_TX_RESULT | 1, "deep", 0100644);	/* 3 */
	w.id.n = VFS_TX_RESULT | 2;
	proto_tx_op_put(VFS_OP_WRITE, &w, room, sizeof room, &n);
	w.id.n = VFS_TX_RESULT | 3;
	proto_tx_op_put(VFS_OP_WRITE, &w, room, sizeof room, &n);
	q.ops = (struct vfs_slice){ room, n };
	if ((err = client_call(&client, VFS_OP_TX_EXEC, &q, &r)) == 0) {
		print("transaction: ");
		print_number(r.nresults);
		print(" operations in one commit\n");
	}
	return err;
}

static int
read_back(void)
{
	struct vfs_walk w = { .dir = root,
		.path = text(TREE "/below/deep") };
	struct vfs_walk_reply wr;
	struct vfs_read q = { .count = 4096 };
	struct vfs_read_reply r;
	int err = client_call(&client, VFS_OP_WALK, &w, &wr);

	if (err < 0)
		return err;
	q.id = wr.attr.id;
	if ((err = client_call(&client, VFS_OP_READ, &q, &r)) < 0)
		return err;
	if (!is((struct vfs_slice){ r.data.p, r.data.n }, TEXT))
		return -VFS_CORRUPT;
	print("read back: ");
	print_bytes(r.data.p, r.data.n);
	return 0;
}

/* --- the journal ------------------------------------------------------ */

static int
position(struct vfs_journal_read *q)
{
	struct vfs_journal_pos pq = { 0 };
	struct vfs_journal_pos_reply pr;
	struct vfs_watch w = { .subtree = root };
	struct vfs_watch_reply wr;
	int err = client_call(&client, VFS_OP_JOURNAL_POS, &pq, &pr);

	q->subtree = root;
	q->seq = w.seq = pr.seq;
	q->idx = w.idx = pr.idx;
	return err < 0 ? err : client_call(&client, VFS_OP_WATCH, &w, &wr);
}

/* 1: the change that was waited for is among them. */
static int
changes(struct vfs_journal_read *q)
{
	struct vfs_journal_read_reply r;
	struct proto_change c;
	struct rbuf b;
	int err, seen = 0;

	do {
		err = client_call(&client, VFS_OP_JOURNAL_READ, q, &r);
		if (err < 0)
			return err;
		proto_list_read(&b, (struct vfs_slice){ r.records.p,
		    r.records.n });
		while (proto_list_more(&b)) {
			if ((err = proto_change_next(&b, &c)) < 0)
				return err;
			if (c.kind != PROTO_CHANGE_CREATE)
				continue;
			print("journal: created ");
			print_bytes(c.name.p, c.name.n);
			print("\n");
			seen |= is(c.name, SIGNAL);
		}
		q->seq = r.seq;
		q->idx = r.idx;
	} while (r.more != 0);
	return seen;
}

/* Nothing is asked for until the server tells that there is something. */
static int
follow(struct vfs_journal_read *q)
{
	uint64_t until = machine_ms() + 60000;
	struct proto_hdr h;
	struct rbuf b;
	int err;

	print("waiting for " SIGNAL "\n");
	while (machine_ms() < until) {
		err = client_next(&client, false, &h, &b);
		if (err < 0 && err != -VFS_AGAIN)
			return err;
		if (!client.changed)
			continue;
		client.changed = false;
		if ((err = changes(q)) != 0)
			return err < 0 ? err : 0;
	}
	return -VFS_DEADLINE;
}

static int
run(const char *line)
{
	struct vfs_journal_read q = { 0 };
	struct client_pipe pipe;
	int err;

	if ((err = line_start(&pipe)) < 0)
		return err;
	client_init(&client, &pipe, out, sizeof out, in, sizeof in);
	if ((err = attach(line)) < 0 || (err = list(line)) < 0 ||
	    (err = position(&q)) < 0 || (err = make_tree()) < 0 ||
	    (err = read_back()) < 0 || (err = follow(&q)) < 0)
		return err;
	line_end();
	return 0;
}

void kernel(uint32_t magic, const uint32_t *info);

void
kernel(uint32_t magic, const uint32_t *info)
{
	const char *line = "";
	int err;

	machine_start();
	print("guest: no operating system, protocol/ and a serial line\n");
	if (magic == LOADER_MAGIC && (info[0] & HAS_CMDLINE) != 0)
		line = (const char *)info[4];
	err = run(line);
	if (err < 0) {
		print("failed: error ");
		print_number((uint64_t)-err);
		print("\n");
	} else {
		print("done\n");
	}
	machine_end(err == 0);
}

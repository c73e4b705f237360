/*
 * vfsctl changes: what has changed since a cursor
 */
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl.h"

#define PATHS		512u		/* directories remembered in a page */
#define PATH_BYTES	(1024u * 256u)
#define POLL_MS		200		/* where there is no WATCH */

enum { SINCE, FOLLOW, SUBTREE, KIND, NAME, COLLAPSE };

static const char *const kinds[] = {
	[PROTO_CHANGE_CREATE] = "create", [PROTO_CHANGE_LINK] = "link",
	[PROTO_CHANGE_UNLINK] = "unlink", [PROTO_CHANGE_RENAME] = "rename",
	[PROTO_CHANGE_EXCHANGE] = "exchange", [PROTO_CHANGE_DATA] = "data",
	[PROTO_CHANGE_META] = "meta", [PROTO_CHANGE_XATTR] = "xattr",
	[PROTO_CHANGE_DELETE] = "delete", [PROTO_CHANGE_ENTERED] = "entered",
	[PROTO_CHANGE_LEFT] = "left",
	[PROTO_CHANGE_REMOVE_TREE] = "remove-tree",
	[PROTO_CHANGE_CLONE_TREE] = "clone-tree",
};
#define NKINDS	(sizeof kinds / sizeof kinds[0])

static const char *
kind_name(unsigned kind)
{
	return kind < NKINDS && kinds[kind] != NULL ? kinds[kind] : "change";
}

static const char *
type_name(unsigned type)
{
	static const char *const names[] = {
		[VFS_FIFO] = "fifo", [VFS_CHR] = "char", [VFS_DIR] = "dir",
		[VFS_BLK] = "block", [VFS_REG] = "file", [VFS_LNK] = "link",
		[VFS_SOCK] = "socket",
	};

	return type <= VFS_SOCK && names[type] != NULL ? names[type] : "?";
}

struct changes {
	struct ctl k;
	struct addr addr;
	struct vfs_journal_read q;
	bool json, follow;
	int signals;
	struct known {
		uint64_t dir;		/* 0: nobody */
		char *path;		/* NULL: it has none */
	} known[PATHS];
	uint8_t *page;			/* k's replies are overwritten */
	char buf[PATH_BYTES];
};

/* --- paths -------------------------------------------------------------- */

static void
forget_paths(struct changes *c)
{
	size_t i;

	for (i = 0; i < PATHS; i++) {
		free(c->known[i].path);
		c->known[i] = (struct known){ 0, NULL };
	}
}

/* As it is today; NULL if the directory is gone. */
static const char *
dir_path(struct changes *c, uint64_t dir)
{
	struct known *d = &c->known[dir % PATHS];
	char *path;

	if (d->dir != dir) {
		free(d->path);
		*d = (struct known){ dir, NULL };
		if (ctl_dir_path(&c->k, dir, c->buf, sizeof c->buf,
		    &path) == 0)
			d->path = strdup(path);
	}
	return d->path;
}

/* "/a/b" below the mount, or "#12/b" where the directory is gone; the
 * object's own "#13" where it has no name any more. */
struct place {
	char *text;
	size_t n;
};

static void
place_of(struct changes *c, uint64_t dir, struct vfs_slice name,
    struct place *out)
{
	const char *path = dir_path(c, dir);
	FILE *f = open_memstream(&out->text, &out->n);

	if (f == NULL)
		return;
	if (path != NULL)
		fprintf(f, "%s%s/", c->addr.mount, path);
	else
		fprintf(f, "#%" PRIu64 "/", dir);
	fwrite(name.p, 1, name.n, f);
	fclose(f);
}

static void
place_now(struct changes *c, uint64_t id, struct place *out)
{
	char name[VFS_NAME_MAX + 1] = "";
	uint64_t dir = VFS_ID_ROOT;
	FILE *f;

	if (id == VFS_ID_ROOT || ctl_first_name(&c->k, id, &dir, name) == 0) {
		place_of(c, dir, (struct vfs_slice){ name, strlen(name) },
		    out);
		return;
	}
	if ((f = open_memstream(&out->text, &out->n)) != NULL) {
		fprintf(f, "#%" PRIu64, id);
		fclose(f);
	}
}

/* Where it is about; to: where a name came to. */
static void
places(struct changes *c, const struct proto_change *x, struct place *at,
    struct place *to)
{
	bool named = x->kind != PROTO_CHANGE_XATTR && x->name.n > 0;

	if (named)
		place_of(c, x->parent.n, x->name, at);
	if (x->name2.n > 0)
		place_of(c, x->parent2.n, x->name2, to);
	if (!named && x->name2.n == 0)
		place_now(c, x->id.n, at);
}

/* --- showing ------------------------------------------------------------ */

static void
print_place(const char *before, const struct place *p)
{
	if (p->text == NULL)
		return;
	fputs(before, stdout);
	ctl_print(stdout, (struct vfs_slice){ p->text, p->n });
}

static void
print_change(struct changes *c, const struct proto_change *x)
{
	struct place at = { NULL, 0 }, to = { NULL, 0 };

	places(c, x, &at, &to);
	printf("%" PRIu64 ".%" PRIu32 " %s %s %" PRIu64, x->seq, x->idx,
	    kind_name(x->kind), type_name(x->type), x->id.n);
	print_place(" ", &at);
	print_place(at.text != NULL ? " -> " : " ", &to);
	if (x->kind == PROTO_CHANGE_XATTR && x->name.n > 0) {
		fputs(" ", stdout);
		ctl_print(stdout, x->name);
	}
	putchar('\n');
	free(at.text);
	free(to.text);
}

static void
json_place(struct json *j, const char *key, const struct place *p)
{
	if (p->text != NULL)
		json_str(j, key, (struct vfs_slice){ p->text, p->n });
}

static void
json_change(struct changes *c, const struct proto_change *x)
{
	struct place at = { NULL, 0 }, to = { NULL, 0 };
	struct json j = { .to = stdout };

	places(c, x, &at, &to);
	json_begin(&j, NULL, '{');
	json_num(&j, "seq", x->seq);
	json_num(&j, "idx", x->idx);
	json_text(&j, "kind", kind_name(x->kind));
	json_text(&j, "type", type_name(x->type));
	json_num(&j, "id", x->id.n);
	json_num(&j, "parent", x->parent.n);
	json_str(&j, "name", x->name);
	json_num(&j, "parent2", x->parent2.n);
	json_str(&j, "name2", x->name2);
	json_num(&j, "data_version", x->data_version);
	json_num(&j, "meta_version", x->meta_version);
	json_place(&j, "path", &at);
	json_place(&j, "path2", &to);
	json_end(&j, '}');
	putchar('\n');
	free(at.text);
	free(to.text);
}

static void
show_cursor(const struct changes *c)
{
	printf(c->json ? "{\"cursor\":\"%" PRIu64 ".%" PRIu32 "\"}\n"
	    : "cursor %" PRIu64 ".%" PRIu32 "\n", c->q.seq, c->q.idx);
}

static int
expired(struct changes *c)
{
	struct vfs_journal_pos q = { 0 };
	struct vfs_journal_pos_reply r = { 0 };

	(void)ctl_call(&c->k, VFS_OP_JOURNAL_POS, &q, &r);
	fprintf(stderr, "vfsctl: the cursor %" PRIu64 ".%" PRIu32
	    " has expired: the journal has what came after %" PRIu64
	    ", up to %" PRIu64 ".%" PRIu32 "\n", c->q.seq, c->q.idx,
	    r.oldest, r.seq, r.idx);
	return CTL_EXPIRED;
}

/* --- reading ------------------------------------------------------------ */

static int
page(struct changes *c, uint32_t *more)
{
	struct vfs_journal_read_reply r = { 0 };
	struct proto_change x;
	struct rbuf b;
	int err;

	err = ctl_call(&c->k, VFS_OP_JOURNAL_READ, &c->q, &r);
	if (err < 0)
		return err;
	memcpy(c->page, r.records.p, r.records.n);
	proto_list_read(&b, (struct vfs_slice){ c->page, r.records.n });
	while (proto_list_more(&b) && proto_change_next(&b, &x) == 0)
		if (c->json)
			json_change(c, &x);
		else
			print_change(c, &x);
	if (b.err < 0)
		return b.err;
	forget_paths(c);
	c->q.seq = r.seq;
	c->q.idx = r.idx;
	*more = r.more;
	return 0;
}

static int
pages(struct changes *c)
{
	uint32_t more = 1;
	int err = 0;

	while (err == 0 && more != 0)
		err = page(c, &more);
	return err;
}

static bool
interrupted(const struct changes *c)
{
	struct signalfd_siginfo si;

	return read(c->signals, &si, sizeof si) > 0;
}

/* Ctrl-C is how it ends; what was shown last has a cursor. */
static int
follow(struct changes *c)
{
	struct vfs_watch w = { .subtree = c->q.subtree, .seq = c->q.seq,
		.idx = c->q.idx, .mask = c->q.mask };
	struct vfs_watch_reply wr;
	bool watch = ctl_call(&c->k, VFS_OP_WATCH, &w, &wr) == 0;
	uint64_t seq = c->q.seq;
	int err = 0;

	while (err >= 0 && !ferror(stdout)) {
		if (fflush(stdout) != 0)
			break;
		if (!c->k.changed)
			err = ctl_wait(&c->k, c->signals, watch ? -1 :
			    POLL_MS);
		if (interrupted(c))
			return 0;
		c->k.changed = false;
		if (err >= 0)
			err = pages(c);
		if (err >= 0 && c->q.seq != seq)
			show_cursor(c);
		seq = c->q.seq;
	}
	return err;
}

/* --- what is asked for -------------------------------------------------- */

/* SEQ.IDX; a bare SEQ is all of that commit. */
static bool
cursor(const char *s, struct vfs_journal_read *q)
{
	char *end = NULL;

	q->idx = UINT32_MAX;
	if (*s >= '0' && *s <= '9')
		q->seq = strtoull(s, &end, 10);
	if (end != NULL && *end == '.' && end[1] >= '0' && end[1] <= '9')
		q->idx = (uint32_t)strtoul(end + 1, &end, 10);
	if (end != NULL && *end == 0)
		return true;
	fprintf(stderr, "vfsctl changes: %s is no cursor: SEQ.IDX, as an "
	    "earlier call printed it, or oldest\n", s);
	return false;
}

static bool
mask(const char *s, uint32_t *out)
{
	size_t n, i;

	for (*out = 0; *s != 0; s += n + (s[n] == ',')) {
		n = strcspn(s, ",");
		for (i = 1; i < NKINDS; i++)
			if (kinds[i] != NULL && strlen(kinds[i]) == n &&
			    strncmp(s, kinds[i], n) == 0)
				break;
		if (i == NKINDS) {
			fprintf(stderr, "vfsctl changes: no kind of change: "
			    "%.*s\n", (int)n, s);
			return false;
		}
		*out |= 1u << i;
	}
	return true;
}

static bool
subtree(struct changes *c, const char *s)
{
	struct addr a;
	struct stat st;
	char *end;

	c->q.subtree.n = strtoull(s, &end, 10);
	if (*end == 0 && end != s)
		return true;
	if (stat(s, &st) < 0 || !S_ISDIR(st.st_mode) ||
	    addr_find(s, &a) < 0 || a.mount[0] == 0) {
		fprintf(stderr, "vfsctl: %s: no directory in a mount of "
		    "vfsd, and no id\n", s);
		return false;
	}
	c->q.subtree.n = st.st_ino;
	return true;
}

static int
asked(struct changes *c, const struct ctl_args *a)
{
	c->json = a->json;
	c->follow = a->flag[FOLLOW];
	if (a->flag[SINCE] && strcmp(a->value[SINCE], "oldest") != 0 &&
	    !cursor(a->value[SINCE], &c->q))
		return CTL_USAGE;
	if (a->flag[KIND] && !mask(a->value[KIND], &c->q.mask))
		return CTL_USAGE;
	if (a->flag[SUBTREE] && !subtree(c, a->value[SUBTREE]))
		return CTL_USAGE;
	if (a->flag[NAME])
		c->q.pattern = (struct vfs_slice){ a->value[NAME],
			strlen(a->value[NAME]) };
	if (a->flag[COLLAPSE])
		c->q.flags = VFS_JOURNAL_COLLAPSE;
	return CTL_OK;
}

/* All that was written is published; and where to begin. */
static int
start(struct changes *c, const struct ctl_args *a)
{
	struct vfs_settle q = { 0 };
	struct vfs_settle_reply r;
	struct vfs_journal_pos pq = { 0 };
	struct vfs_journal_pos_reply pr;
	int err;

	if ((err = ctl_call(&c->k, VFS_OP_SETTLE, &q, &r)) < 0)
		return err;
	if (!a->flag[SINCE]) {
		c->q.seq = r.seq;
		c->q.idx = r.idx;
	} else if (strcmp(a->value[SINCE], "oldest") == 0) {
		err = ctl_call(&c->k, VFS_OP_JOURNAL_POS, &pq, &pr);
		c->q.seq = pr.oldest;
		c->q.idx = UINT32_MAX;
	}
	return err;
}

static int
signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static int
run(struct changes *c, const struct ctl_args *a)
{
	int err = start(c, a);

	if (err == 0)
		err = pages(c);
	if (err == 0)
		show_cursor(c);
	if (err == 0 && c->follow && (c->signals = signals()) >= 0) {
		err = follow(c);
		close(c->signals);
	}
	if (err == -VFS_CURSOR_EXPIRED)
		return expired(c);
	return err < 0 ? ctl_fail(a->arg[0], err) : CTL_OK;
}

int
ctl_changes(const struct ctl_cmd *cmd, int argc, char **argv)
{
	static const char *const flags[] = { "--since=", "--follow",
		"--subtree=", "--kind=", "--name=", "--collapse", NULL };
	struct changes *c = calloc(1, sizeof *c);
	struct ctl_args a;
	int status = CTL_FAILED;

	if (!ctl_parse(cmd, argc, argv, flags, 1, 1, &a)) {
		free(c);
		return CTL_USAGE;
	}
	if (c == NULL || (c->page = malloc(VFS_MSG_MAX)) == NULL)
		status = ctl_fail(a.arg[0], -VFS_NOMEM);
	else if ((status = asked(c, &a)) == CTL_OK)
		status = ctl_reach(a.arg[0], &c->addr, &c->k) < 0 ?
		    CTL_FAILED : run(c, &a);
	if (c != NULL) {
		if (c->k.msg != NULL)
			ctl_close(&c->k);
		forget_paths(c);
		free(c->page);
	}
	free(c);
	return status;
}

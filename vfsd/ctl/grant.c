/*
 * vfsctl grant, sessions: capabilities, who has them, who was denied what
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "at.h"

/* --- words ------------------------------------------------------------- */

#define R(name)		VFS_RIGHT_##name

/* Letters for what one mostly wants; then each right's own word. */
static const struct {
	const char *word;
	uint32_t rights;
} words[] = {
	{ "r", R(TRAVERSE) | R(ENUMERATE) | R(GETATTR) | R(READ) |
	    R(XATTR_R) | R(OPEN_BY_ID) },
	{ "w", R(WRITE) | R(APPEND) | R(SETATTR) | R(CREATE) | R(DELETE) |
	    R(RENAME) | R(LINK) | R(XATTR_W) | R(TX) | R(SYNC) },
	{ "x", R(EXEC) },
	{ "all", VFS_RIGHTS_ALL },
#define RIGHT(bit, NAME, word, text) { word, bit },
	VFS_RIGHTS(RIGHT)
#undef RIGHT
};
#define NWORDS		(sizeof words / sizeof words[0])
#define FIRST_WORD	4u		/* behind the letters */

/* "r,w,delegate"; 0 if a word of it means nothing, or there is none. */
static uint32_t
parse_rights(const char *s)
{
	uint32_t rights = 0;
	size_t n, i;

	if (*s == 0)
		fprintf(stderr, "vfsctl grant: --rights needs a right\n");
	for (; *s != 0; s += n + (s[n] == ',')) {
		n = strcspn(s, ",");
		for (i = 0; i < NWORDS && (strlen(words[i].word) != n ||
		    strncmp(s, words[i].word, n) != 0); i++)
			;
		if (i == NWORDS) {
			fprintf(stderr, "vfsctl grant: no such right: %.*s\n",
			    (int)n, s);
			return 0;
		}
		rights |= words[i].rights;
	}
	return rights;
}

static void
rights_text(uint32_t rights, char *buf, size_t cap)
{
	size_t i, n = 0;

	buf[0] = 0;
	for (i = FIRST_WORD; i < NWORDS; i++)
		if ((rights & words[i].rights) != 0 && n < cap)
			n += (size_t)snprintf(buf + n, cap - n, "%s%s",
			    n > 0 ? "," : "", words[i].word);
}

/* "90", "90s", "15m", "1h", "7d": seconds, 0 if it is no time. */
static uint32_t
parse_ttl(const char *s)
{
	static const char units[] = "smhd";
	static const uint32_t sec[] = { 1, 60, 3600, 86400 };
	const char *unit;
	char *end;
	uint64_t n = strtoull(s, &end, 10);

	if (end == s || *s == '-')
		return 0;
	if (*end != 0) {
		unit = strchr(units, *end);
		if (unit == NULL || end[1] != 0)
			return 0;
		if (n > UINT32_MAX)
			return 0;
		n *= sec[unit - units];
	}
	return n > UINT32_MAX ? 0 : (uint32_t)n;
}

static bool
parse_u32(const char *s, uint32_t *out)
{
	char *end;
	uint64_t n = strtoull(s, &end, 10);

	*out = (uint32_t)n;
	return end != s && *end == 0 && *s != '-' && n <= UINT32_MAX;
}

static void
hex(const struct vfs_buf *token, char out[2 * VFS_TOKEN_BYTES + 1])
{
	const uint8_t *p = token->p;
	size_t i;

	out[0] = 0;
	for (i = 0; i < token->n && i < VFS_TOKEN_BYTES; i++)
		snprintf(out + 2 * i, 3, "%02x", p[i]);
}

/* --- grant -------------------------------------------------------------- */

enum { G_ROOT, G_RIGHTS, G_TTL, G_UID, G_GID, G_LABEL, G_MAX };
static const char *const grant_flags[] = { "--root=", "--rights=", "--ttl=",
	"--uid=", "--gid=", "--label=", "--max=", NULL };

/* "handles=64,tx=1,bytes=65536"; false if something in it means nothing.
 * 0 would be no limit of its own. */
static bool
parse_max(const char *s, struct vfs_grant *q)
{
	static const char *const names[] = { "handles", "credits", "tx",
		"bytes" };
	uint32_t *const to[] = { &q->max_handles, &q->max_credits,
		&q->max_tx_open };
	size_t i, n;
	uint64_t v;
	char *end;

	for (; *s != 0; s = end + (*end == ',')) {
		n = strcspn(s, "=");
		for (i = 0; i < 4 && (strlen(names[i]) != n ||
		    strncmp(s, names[i], n) != 0); i++)
			;
		if (i == 4 || s[n] != '=' || s[n + 1] < '0' ||
		    s[n + 1] > '9')
			return false;
		v = strtoull(s + n + 1, &end, 10);
		if (v == 0 || v > UINT32_MAX || (*end != 0 && *end != ','))
			return false;
		if (i < 3)
			*to[i] = (uint32_t)v;
		else
			q->max_bytes = v;
	}
	return true;
}

/* Everything but the root. */
static bool
grant_options(const struct ctl_args *a, struct vfs_grant *q)
{
	q->rights = parse_rights(a->flag[G_RIGHTS] ? a->value[G_RIGHTS] :
	    "r");
	if (q->rights == 0)
		return false;
	if (a->flag[G_TTL] && (q->ttl_s = parse_ttl(a->value[G_TTL])) == 0) {
		fprintf(stderr, "vfsctl grant: not a time: %s\n",
		    a->value[G_TTL]);
		return false;
	}
	if (a->flag[G_UID] != a->flag[G_GID]) {
		fprintf(stderr, "vfsctl grant: --uid and --gid go "
		    "together\n");
		return false;
	}
	if (a->flag[G_UID]) {
		q->flags = VFS_GRANT_CRED;
		if (!parse_u32(a->value[G_UID], &q->uid) ||
		    !parse_u32(a->value[G_GID], &q->gid)) {
			fprintf(stderr, "vfsctl grant: not a number: %s "
			    "or %s\n", a->value[G_UID], a->value[G_GID]);
			return false;
		}
	}
	if (a->flag[G_MAX] && !parse_max(a->value[G_MAX], q)) {
		fprintf(stderr, "vfsctl grant: not limits: %s\n",
		    a->value[G_MAX]);
		return false;
	}
	if (a->flag[G_LABEL])
		q->label = (struct vfs_slice){ a->value[G_LABEL],
			strlen(a->value[G_LABEL]) };
	if (q->label.n > VFS_LABEL_MAX)
		fprintf(stderr, "vfsctl grant: the label is longer than %u "
		    "bytes\n", VFS_LABEL_MAX);
	return q->label.n <= VFS_LABEL_MAX;
}

/* Anything else that names a directory in the store's mount: from where one
 * is, by a link. */
static bool
in_mount(const struct addr *addr, const char *dir, struct vfs_id *id)
{
	struct addr there;
	struct stat st;
	int fd;

	if (stat(dir, &st) < 0 || !S_ISDIR(st.st_mode) ||
	    addr_find(dir, &there) < 0 || there.mount[0] == 0 ||
	    strcmp(there.store, addr->store) != 0)
		return false;
	/* Does whoever mounted it serve this store, or only say so? */
	if ((fd = addr_connect(there.store, there.user)) < 0)
		return false;
	close(fd);
	id->n = st.st_ino;
	return true;
}

/* A directory of the store, or of its mount. */
static const char *
below(const struct addr *addr, const char *dir)
{
	size_t n = strlen(addr->mount);

	if (n > 0 && strncmp(dir, addr->mount, n) == 0 &&
	    (dir[n] == 0 || dir[n] == '/'))
		return dir + n;
	return dir;
}

static void
show_grant(const struct vfs_grant *q, const struct vfs_grant_reply *r,
    bool as_json)
{
	struct json j = { .to = stdout };
	char token[2 * VFS_TOKEN_BYTES + 1], rights[400];

	hex(&r->token, token);
	if (!as_json) {
		puts(token);
		return;
	}
	rights_text(r->rights, rights, sizeof rights);
	json_begin(&j, NULL, '{');
	json_text(&j, "token", token);
	json_num(&j, "number", r->number);
	json_num(&j, "root", q->root.n);
	json_text(&j, "rights", rights);
	json_int(&j, "expires", r->expires.sec);
	json_end(&j, '}');
	putchar('\n');
}

int
ctl_grant(const struct ctl_cmd *cmd, int argc, char **argv)
{
	struct vfs_grant q = { .root = { VFS_ID_ROOT } };
	struct vfs_grant_reply r;
	struct ctl_args a;
	struct addr addr;
	struct ctl k;
	const char *about;
	int err = 0;

	if (!ctl_parse(cmd, argc, argv, grant_flags, 1, 1, &a))
		return CTL_USAGE;
	if (!grant_options(&a, &q))
		return CTL_USAGE;
	if (ctl_reach(a.arg[0], &addr, &k) < 0)
		return CTL_FAILED;
	about = a.arg[0];
	if (a.flag[G_ROOT]) {
		about = a.value[G_ROOT];
		if (!in_mount(&addr, about, &q.root))
			err = ctl_walk(&k, below(&addr, about), &q.root);
	}
	if (err == 0)
		err = ctl_call(&k, VFS_OP_GRANT, &q, &r);
	if (err == 0)
		show_grant(&q, &r, a.json);
	ctl_close(&k);
	return err < 0 ? ctl_fail(about, err) : CTL_OK;
}

/* --- sessions ------------------------------------------------------------ */

static void
when(int64_t sec, char buf[32])
{
	time_t t = sec;
	struct tm tm;

	snprintf(buf, 32, "never");
	if (sec != 0 && gmtime_r(&t, &tm) != NULL)
		strftime(buf, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

/* Where its root is now, for people. */
static void
root_text(struct ctl *k, uint64_t root, char *buf, size_t cap)
{
	static char room[65536];
	char *path;

	if (root == VFS_ID_ROOT)
		snprintf(buf, cap, "/");
	else if (ctl_dir_path(k, root, room, sizeof room, &path) == 0)
		snprintf(buf, cap, "%s", path);
	else
		snprintf(buf, cap, "#%" PRIu64, root);
}

static void
print_session(struct ctl *k, const struct proto_session *s)
{
	char expires[32], rights[400], root[4096], who[48] = "-";

	when(s->expires.sec, expires);
	rights_text(s->rights, rights, sizeof rights);
	root_text(k, s->root.n, root, sizeof root);
	if (s->flags & PROTO_SESSION_CRED)
		snprintf(who, sizeof who, "%" PRIu32 ":%" PRIu32, s->uid,
		    s->gid);
	printf("%5" PRIu64 " %-7s %-11s until %-20s ", s->number,
	    s->flags & PROTO_SESSION_TOKEN ? "token" : "session", who,
	    expires);
	ctl_print_text(stdout, root);
	if (s->parent != 0)
		printf(" of %" PRIu64, s->parent);
	if (s->transport.n > 0) {
		printf(" over ");
		ctl_print(stdout, s->transport);
	}
	if ((s->flags & PROTO_SESSION_TOKEN) == 0)
		printf(" pid %" PRIu32 " handles %" PRIu32, s->pid,
		    s->handles);
	printf(" %s", rights);
	if (s->label.n > 0) {
		putchar(' ');
		ctl_print(stdout, s->label);
	}
	putchar('\n');
}

static void
json_session(struct json *j, const struct proto_session *s)
{
	bool token = (s->flags & PROTO_SESSION_TOKEN) != 0;
	char rights[400];

	rights_text(s->rights, rights, sizeof rights);
	json_begin(j, NULL, '{');
	json_num(j, "number", s->number);
	json_text(j, "kind", token ? "token" : "session");
	json_num(j, "parent", s->parent);
	json_num(j, "root", s->root.n);
	json_text(j, "rights", rights);
	json_bool(j, "cred", (s->flags & PROTO_SESSION_CRED) != 0);
	json_num(j, "uid", s->uid);
	json_num(j, "gid", s->gid);
	json_int(j, "since", s->since.sec);
	json_int(j, "expires", s->expires.sec);
	json_num(j, token ? "max_handles" : "handles", s->handles);
	if (!token) {
		json_num(j, "pid", s->pid);
		json_str(j, "transport", s->transport);
	}
	json_str(j, "label", s->label);
	json_end(j, '}');
}

/* The list is the client's message: paths are asked for afterwards. */
static int
show_page(struct ctl *k, struct vfs_slice page, struct json *j)
{
	struct proto_session s;
	struct rbuf b;
	uint8_t *copy = malloc(page.n + 1);

	if (copy == NULL)
		return -VFS_NOMEM;
	memcpy(copy, page.p, page.n);
	proto_list_read(&b, (struct vfs_slice){ copy, page.n });
	while (proto_list_more(&b) && proto_session_next(&b, &s) == 0)
		if (j != NULL)
			json_session(j, &s);
		else
			print_session(k, &s);
	free(copy);
	return b.err;
}

static int
show_sessions(struct ctl *k, bool as_json)
{
	struct json j = { .to = stdout };
	struct vfs_sessions q = { 0 };
	struct vfs_sessions_reply r;
	int err;

	if (as_json)
		json_begin(&j, NULL, '[');
	do {
		if ((err = ctl_call(k, VFS_OP_SESSIONS, &q, &r)) < 0)
			return err;
		q.after = r.next;
		err = show_page(k, (struct vfs_slice){ r.sessions.p,
		    r.sessions.n }, as_json ? &j : NULL);
	} while (err == 0 && q.after != 0);
	if (as_json) {
		json_end(&j, ']');
		putchar('\n');
	}
	return err;
}

static int
show_audit(struct ctl *k, const struct ctl_args *a)
{
	struct vfs_sessions q = { .flags = VFS_SESSIONS_AUDIT };
	struct vfs_sessions_reply r;
	int err = ctl_call(k, VFS_OP_SESSIONS, &q, &r);

	if (err == 0)
		ctl_faults(a, (struct vfs_slice){ r.sessions.p,
		    r.sessions.n });
	return err;
}

static int
take_back(struct ctl *k, uint64_t number)
{
	struct vfs_revoke q = { .number = number };
	struct vfs_revoke_reply r;
	int err = ctl_call(k, VFS_OP_REVOKE, &q, &r);

	if (err == 0)
		printf("revoked: %" PRIu32 "\n", r.revoked);
	if (err == -VFS_NOENT)
		fprintf(stderr, "vfsctl: %" PRIu64 ": no session and no token "
		    "has this number\n", number);
	else if (err < 0)
		fprintf(stderr, "vfsctl: %" PRIu64 ": %s\n", number,
		    vfs_err_text(err));
	return err;
}

int
ctl_sessions(const struct ctl_cmd *cmd, int argc, char **argv)
{
	static const char *const flags[] = { "--revoke=", "--audit", NULL };
	struct ctl_args a;
	struct addr addr;
	uint64_t number = 0;
	struct ctl k;
	int err;

	if (!ctl_parse(cmd, argc, argv, flags, 1, 1, &a) ||
	    (a.flag[0] && !ctl_number(cmd, a.value[0], 10, UINT64_MAX,
	    &number)))
		return CTL_USAGE;
	if (ctl_reach(a.arg[0], &addr, &k) < 0)
		return CTL_FAILED;
	if (a.flag[0])
		err = take_back(&k, number);
	else if (a.flag[1])
		err = show_audit(&k, &a);
	else
		err = show_sessions(&k, a.json);
	ctl_close(&k);
	if (err < 0 && !a.flag[0])
		ctl_fail(a.arg[0], err);
	return err < 0 ? CTL_FAILED : CTL_OK;
}

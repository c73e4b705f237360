#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../protocol/limits.h"
#include "conf.h"
#include "front/listen.h"
#include "report.h"

/* What an option does to conf. */
enum kind {
	K_SET,				/* bool at off becomes true */
	K_CLEAR,			/* ... false */
	K_TEXT,				/* =VALUE, copied to off */
	K_LISTEN,			/* =VALUE, one more place */
	K_JOURNAL,			/* =SIZE */
	K_OTHERS,			/* K_SET, and for sockets too */
	K_FLAG,				/* mount_flags gets arg */
	K_UNFLAG,			/* mount_flags loses arg */
	K_ATIME,			/* K_FLAG, and vfsd keeps no atime */
	K_NONE,				/* somebody else's; accepted */
};

struct option_row {
	const char *name;		/* "x=" takes a value, "x=y" is fixed */
	enum kind kind;
	size_t off;
	unsigned long arg;
	const char *help;		/* NULL: not shown */
};

#define AT(f)	offsetof(struct conf, f)
#define UNTRUSTED	(MS_NOSUID | MS_NODEV)

static const struct option_row table[] = {
	{ "ro", K_SET, AT(rdonly), 0,
	  "read-only: recover into memory, write nothing" },
	{ "rw", K_CLEAR, AT(rdonly), 0, NULL },
	{ "allow_other", K_OTHERS, AT(allow_other), true,
	  "other users may use the mount (root's default)" },
	{ "noallow_other", K_OTHERS, AT(allow_other), false,
	  "only its owner may (other users' default)" },
	{ "listen=", K_LISTEN, 0, 0,
	  "serve at unix: tcp: 9p: ipc: serial: or store, too" },
	{ "default_permissions", K_CLEAR, AT(own_checks), 0,
	  "the kernel checks permissions (default)" },
	{ "nodefault_permissions", K_SET, AT(own_checks), 0,
	  "vfsd does: faster, with noallow_other only" },
	{ "durability=process", K_CLEAR, AT(sync_all), 0,
	  "fsync is durable; kill -9 loses nothing (default)" },
	{ "durability=sync", K_SET, AT(sync_all), 0,
	  "every operation is on the disk when it returns" },
	{ "locks=local", K_CLEAR, AT(shared_locks), 0,
	  "the kernel keeps fcntl and flock locks (default)" },
	{ "locks=shared", K_SET, AT(shared_locks), 0,
	  "vfsd keeps them, for all ways into the store" },
	{ "direct", K_SET, AT(direct), 0,
	  "no page cache: each write(2) arrives whole" },
	{ "direct=new", K_SET, AT(direct_new), 0,
	  "only for who makes a file to write it" },
	{ "uring", K_SET, AT(uring), 0,
	  "by io_uring, where root has enabled that in fuse" },
	{ "relatime", K_SET, AT(atime), 0,
	  "atime at the first open after a change (default)" },
	{ "noatime", K_ATIME, AT(atime), MS_NOATIME, "never" },
	{ "journal=", K_JOURNAL, 0, 0,
	  "SIZE of change records that are kept (256M)" },
	{ "fsname=", K_TEXT, AT(fsname), 0,
	  "the name that mount(8) and df(1) show" },
	{ "require-sandbox", K_SET, AT(require_sandbox), 0,
	  "refuse to start where the kernel cannot confine" },
	{ "no-sandbox", K_SET, AT(no_sandbox), 0,
	  "do not confine (for debuggers)" },
	{ "trust-owner", K_SET, AT(trust_owner), 0,
	  "suid and dev for a store that is not root's" },

	{ "nosuid", K_FLAG, 0, MS_NOSUID, "generic options; dev and suid are" },
	{ "suid", K_UNFLAG, 0, MS_NOSUID, "root's defaults for stores of his" },
	{ "nodev", K_FLAG, 0, MS_NODEV, NULL },
	{ "dev", K_UNFLAG, 0, MS_NODEV, NULL },
	{ "noexec", K_FLAG, 0, MS_NOEXEC, NULL },
	{ "exec", K_UNFLAG, 0, MS_NOEXEC, NULL },
	{ "sync", K_FLAG, 0, MS_SYNCHRONOUS, NULL },
	{ "async", K_UNFLAG, 0, MS_SYNCHRONOUS, NULL },
	{ "dirsync", K_FLAG, 0, MS_DIRSYNC, NULL },
	{ "nodiratime", K_FLAG, 0, MS_NODIRATIME, NULL },
	{ "diratime", K_UNFLAG, 0, MS_NODIRATIME, NULL },
	{ "atime", K_SET, AT(atime), 0, NULL },
	{ "norelatime", K_NONE, 0, 0, NULL },
	{ "strictatime", K_NONE, 0, 0, NULL },
	{ "nostrictatime", K_NONE, 0, 0, NULL },
	{ "lazytime", K_NONE, 0, 0, NULL },
	{ "nolazytime", K_NONE, 0, 0, NULL },
	{ "nosymfollow", K_FLAG, 0, 256 /* MS_NOSYMFOLLOW */, NULL },
	{ "defaults", K_NONE, 0, 0, NULL },
	{ "auto", K_NONE, 0, 0, NULL },
	{ "noauto", K_NONE, 0, 0, NULL },
	{ "user", K_NONE, 0, 0, NULL },
	{ "users", K_NONE, 0, 0, NULL },
	{ "nouser", K_NONE, 0, 0, NULL },
	{ "owner", K_NONE, 0, 0, NULL },
	{ "group", K_NONE, 0, 0, NULL },
	{ "nofail", K_NONE, 0, 0, NULL },
	{ "_netdev", K_NONE, 0, 0, NULL },
	{ "subtype=vfsd", K_NONE, 0, 0, NULL },
};

#define NROWS	(sizeof table / sizeof table[0])

static const struct option_row *
option_find(const char *word)
{
	size_t i, n;

	for (i = 0; i < NROWS; i++) {
		n = strlen(table[i].name);
		if (table[i].name[n - 1] == '=' ?
		    strncmp(word, table[i].name, n) == 0 :
		    strcmp(word, table[i].name) == 0)
			return &table[i];
	}
	return NULL;
}

/* Is it a place at all?  Opening it is the launcher's. */
static int
listen_add(struct conf *c, const char *spec, char *why, size_t cap)
{
	if (c->nlisten == CONF_LISTEN_MAX)
		return report_why(why, cap, "more than %u places to listen at",
		    CONF_LISTEN_MAX);
	if (listen_check(spec, why, cap) != 0)
		return -1;
	snprintf(c->listen[c->nlisten++], PATH_MAX, "%s", spec);
	return 0;
}

/* word: NAME=VALUE. */
static int
text_copy(const struct option_row *r, char *to, const char *word, char *why,
    size_t cap)
{
	const char *value = word + strlen(r->name);

	if (*value == '\0')
		return report_why(why, cap, "%s needs something behind it",
		    r->name);
	snprintf(to, PATH_MAX, "%s", value);
	return 0;
}

/* Bytes, or with K, M, G or T behind the number. */
static int
journal_size(struct conf *c, const char *word, char *why, size_t cap)
{
	static const char units[] = "KMGT";
	const char *unit;
	uint64_t n;
	char *end;

	n = strtoull(word, &end, 10);
	if (*end != '\0' && (unit = strchr(units, *end)) != NULL) {
		unsigned shift = 10 * (unsigned)(unit - units + 1);

		n = n > UINT64_MAX >> shift ? UINT64_MAX : n << shift;
		end++;
	}
	if (*end != '\0' || n < VFS_JOURNAL_BYTES_MIN || *word == '-')
		return report_why(why, cap,
		    "journal=%s: a size of at least %uK is "
		    "needed", word, VFS_JOURNAL_BYTES_MIN >> 10);
	c->journal_max = n;
	return 0;
}

static int
option_apply(struct conf *c, const char *word, char *why, size_t cap)
{
	const struct option_row *r;
	char *field;

	if (*word == '\0' || strncmp(word, "x-", 2) == 0 ||
	    strncmp(word, "comment=", 8) == 0 ||
	    strncmp(word, "user=", 5) == 0)
		return 0;
	if ((r = option_find(word)) == NULL)
		return report_why(why, cap,
		    "unknown option '%s': vfsd --help lists "
		    "them", word);
	field = (char *)c + r->off;
	switch (r->kind) {
	case K_SET:
		*(bool *)field = true;
		break;
	case K_CLEAR:
		*(bool *)field = false;
		break;
	case K_TEXT:
		return text_copy(r, field, word, why, cap);
	case K_JOURNAL:
		return journal_size(c, word + strlen(r->name), why, cap);
	case K_LISTEN:
		return listen_add(c, word + strlen(r->name), why, cap);
	case K_OTHERS:
		*(bool *)field = c->allow_peers = r->arg;
		break;
	case K_ATIME:
		*(bool *)field = false;
		/* fall through */
	case K_FLAG:
		c->mount_flags |= r->arg;
		c->flags_said |= r->arg;
		break;
	case K_UNFLAG:
		c->mount_flags &= ~r->arg;
		c->flags_said |= r->arg;
		break;
	case K_NONE:
		break;
	}
	return 0;
}

/* Words between commas; a backslash takes the next character as it is. */
static int
options_parse(struct conf *c, const char *s, char *why, size_t cap)
{
	char word[PATH_MAX];
	size_t n = 0;

	for (;; s++) {
		if (*s == ',' || *s == '\0') {
			word[n] = '\0';
			if (option_apply(c, word, why, cap) != 0)
				return -1;
			n = 0;
			if (*s == '\0')
				return 0;
			continue;
		}
		if (*s == '\\' && s[1] != '\0')
			s++;
		if (n + 1 == sizeof word)
			return report_why(why, cap, "an option is too long");
		word[n++] = *s;
	}
}

/* STORE, or NAME:STORE unless there is something called "NAME:STORE". */
static int
store_arg(struct conf *c, char *why, size_t cap)
{
	const char *dir = c->store_arg, *colon = strchr(dir, ':');
	struct stat st;

	if (colon != NULL && colon[1] != '\0' && lstat(dir, &st) != 0 &&
	    memchr(dir, '/', (size_t)(colon - dir)) == NULL) {
		if (c->fsname[0] == '\0')
			snprintf(c->fsname, sizeof c->fsname, "%.*s",
			    (int)(colon - dir), dir);
		dir = colon + 1;
	}
	if (*dir == '\0')
		return report_why(why, cap, "the store's name is empty");
	if (strlen(dir) >= sizeof c->store)
		return report_why(why, cap,
		    "%.60s...: the name is too long", dir);
	strcpy(c->store, dir);
	return 0;
}

static int
one_arg(struct conf *c, int argc, char **argv, int *i, bool *rest,
    char *why, size_t cap)
{
	const char *a = argv[*i], *opts;

	if (*rest || a[0] != '-' || a[1] == '\0') {
		if (c->store_arg == NULL)
			c->store_arg = a;
		else if (c->mount_arg == NULL)
			c->mount_arg = a;
		else
			return report_why(why, cap, "'%s' is one argument too "
			    "many: vfsd [-f] [-o OPT,...] STORE MOUNTPOINT",
			    a);
		return 0;
	}
	if (strcmp(a, "--") == 0)
		*rest = true;
	else if (strcmp(a, "-f") == 0 || strcmp(a, "--foreground") == 0)
		c->foreground = true;
	else if (strcmp(a, "-h") == 0 || strcmp(a, "--help") == 0)
		c->help = true;
	else if (strcmp(a, "-V") == 0 || strcmp(a, "--version") == 0)
		c->version = true;
	else if (strcmp(a, "--require-sandbox") == 0)
		c->require_sandbox = true;
	else if (strncmp(a, "-o", 2) == 0) {
		opts = a[2] != '\0' ? a + 2 : ++*i < argc ? argv[*i] : NULL;
		if (opts == NULL)
			return report_why(why, cap, "-o needs an option");
		return options_parse(c, opts, why, cap);
	} else
		return report_why(why, cap, "unknown argument '%s': see vfsd "
		    "--help", a);
	return 0;
}

int
conf_parse(int argc, char **argv, struct conf *out, char *why, size_t cap)
{
	bool root = geteuid() == 0, rest = false;
	int i;

	memset(out, 0, sizeof *out);
	out->atime = true;
	out->allow_other = root;
	out->mount_flags = root ? 0 : UNTRUSTED;
	for (i = 1; i < argc; i++)
		if (one_arg(out, argc, argv, &i, &rest, why, cap) != 0)
			return -1;
	if (out->help || out->version)
		return 0;
	if (out->store_arg == NULL ||
	    (out->mount_arg == NULL && out->nlisten == 0))
		return report_why(why, cap,
		    "a store and a mount point are needed, "
		    "or a place to listen at: vfsd [-f] [-o OPT,...] STORE "
		    "MOUNTPOINT");
	if (out->mount_arg != NULL && *out->mount_arg == '\0')
		return report_why(why, cap, "the mount point's name is empty");
	if (out->rdonly)
		out->mount_flags |= MS_RDONLY;
	if (out->own_checks && out->allow_other)
		return report_why(why, cap, "nodefault_permissions needs "
		    "noallow_other: the kernel shows everybody the names "
		    "that it has cached");
	if (out->no_sandbox && out->require_sandbox)
		return report_why(why, cap, "no-sandbox and require-sandbox "
		    "exclude each other");
	return store_arg(out, why, cap);
}

void
conf_owner(struct conf *c, uint32_t store_uid)
{
	if (store_uid != 0 && !c->trust_owner)
		c->mount_flags |= UNTRUSTED & ~c->flags_said;
}

void
conf_usage(FILE *to)
{
	size_t i;

	fprintf(to, "usage: vfsd [-f] [-o OPT,...] STORE MOUNTPOINT\n"
	    "       vfsd [-f] -o listen=WHERE,... STORE\n\n"
	    "Mounts the store in the directory STORE, which is made when "
	    "there is none;\nNAME:STORE has mount(8) show NAME.  Returns "
	    "when the mount is ready.\nThe second form serves programs "
	    "without mounting.\n\n"
	    "  -f, --foreground   stay; Ctrl-C unmounts\n"
	    "  -h, --help         this\n"
	    "  -V, --version      the version\n"
	    "  -o OPT,...         options:\n");
	for (i = 0; i < NROWS; i++)
		if (table[i].help != NULL)
			fprintf(to, "      %-22s %s\n", table[i].name,
			    table[i].help);
}

/* A value with what would end it, to the parser, behind a backslash. */
static void
put_value(FILE *to, const char *name, const char *s)
{
	fprintf(to, ",%s", name);
	for (; *s != '\0'; s++) {
		if (*s == ',' || *s == '\\')
			fputc('\\', to);
		fputc(*s, to);
	}
}

static void
put_option(FILE *to, const struct conf *c, const struct option_row *r)
{
	const char *field = (const char *)c + r->off;
	unsigned i;

	switch (r->kind) {
	case K_SET:
	case K_CLEAR:
	case K_ATIME:
		if (*(const bool *)field == (r->kind == K_SET))
			put_value(to, r->name, "");
		break;
	case K_OTHERS:
		if (*(const bool *)field == (r->arg != 0))
			put_value(to, r->name, "");
		break;
	case K_TEXT:
		if (*field != '\0')
			put_value(to, r->name, field);
		break;
	case K_LISTEN:
		for (i = 0; i < c->nlisten; i++)
			put_value(to, r->name, c->listen[i]);
		break;
	case K_JOURNAL:
		fprintf(to, ",%s%" PRIu64, r->name, c->journal_max != 0 ?
		    c->journal_max : (uint64_t)VFS_JOURNAL_BYTES);
		break;
	default:
		break;			/* the kernel's, who shows them */
	}
}

char *
conf_options(const struct conf *c)
{
	char *text = NULL;
	size_t n, i;
	FILE *f = open_memstream(&text, &n);

	if (f == NULL)
		return NULL;
	fputs(c->rdonly ? "ro" : "rw", f);
	for (i = 1; i < NROWS; i++)	/* all but ro */
		if (table[i].help != NULL)
			put_option(f, c, &table[i]);
	if (fclose(f) == 0)
		return text;
	free(text);
	return NULL;
}

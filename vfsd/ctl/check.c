/*
 * vfsctl check: the daemon's checker, or our own where nobody serves
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../check_store.h"
#include "ctl.h"
#include "../engine/engine.h"

#define POLL_MS	100

enum { NO_DATA, REPAIR, QUIET };

/* How findings and the end are shown. */
struct show {
	bool json, quiet, tty, drawn;
	struct json j;
	uint64_t found;
};

static const char *
kind_name(uint32_t kind)
{
	static const char *const names[256] = {
		['A'] = "meta", ['B'] = "inode", ['C'] = "name",
		['D'] = "slot", ['E'] = "link", ['F'] = "xattr",
		['G'] = "inline", ['H'] = "extent", ['I'] = "share",
		['J'] = "orphan", ['K'] = "journal", ['L'] = "txid",
		['M'] = "token", ['N'] = "moved", ['a'] = "draft", ['b'] = "draft-inline",
		['c'] = "draft-extent",
	};

	return kind < 256 && names[kind] != NULL ? names[kind] : "row";
}

const char *
ctl_kind(uint32_t kind)
{
	return kind_name(kind);
}

static void
clear_line(struct show *s)
{
	if (s->drawn)
		fputs("\r\033[K", stderr);
	s->drawn = false;
}

static void
draw(struct show *s, uint64_t done, uint64_t total)
{
	if (!s->tty)
		return;
	fprintf(stderr, "\rchecking: %" PRIu64, done);
	if (total > 0)
		fprintf(stderr, " (%" PRIu64 " %%)",
		    done >= total ? 100 : done * 100 / total);
	fputs("\033[K", stderr);
	s->drawn = true;
}

static void
show_begin(struct show *s, const char *store, bool online)
{
	s->tty = isatty(STDERR_FILENO) == 1 && !s->quiet;
	s->j.to = stdout;
	if (!s->json)
		return;
	json_begin(&s->j, NULL, '{');
	json_text(&s->j, "store", store);
	json_bool(&s->j, "online", online);
	json_begin(&s->j, "findings", '[');
}

static void
show_finding(struct show *s, const struct proto_finding *f)
{
	clear_line(s);
	s->found++;
	if (s->json) {
		json_begin(&s->j, NULL, '{');
		json_text(&s->j, "row", kind_name(f->kind));
		json_num(&s->j, "id", f->id);
		json_str(&s->j, "path", f->path);
		json_str(&s->j, "what", f->text);
		json_end(&s->j, '}');
		return;
	}
	printf("%s", kind_name(f->kind));
	if (f->id != 0)
		printf(" %" PRIu64, f->id);
	if (f->path.n > 0) {
		putchar(' ');
		ctl_print(stdout, f->path);
	}
	printf(": ");
	ctl_print(stdout, f->text);
	putchar('\n');
}

static int
show_end(struct show *s, const struct check_sum *sum, int err)
{
	const char *word = sum->found == 0 ? "clean"
	    : sum->left == 0 ? "repaired" : "damaged";

	clear_line(s);
	if (err < 0)
		word = "not checked";
	if (s->json) {
		json_end(&s->j, ']');
		json_text(&s->j, "result", word);
		json_num(&s->j, "found", sum->found);
		json_num(&s->j, "fixed", sum->fixed);
		json_num(&s->j, "left", sum->left);
		if (err < 0)
			json_text(&s->j, "error", vfs_err_name(err));
		json_end(&s->j, '}');
		putchar('\n');
	} else if (!s->quiet && err == 0) {
		if (sum->rows > 0)
			printf("%" PRIu64 " rows, %" PRIu64 " objects, %"
			    PRIu64 " blocks: ", sum->rows, sum->objects,
			    sum->blocks);
		if (sum->found == 0)
			printf("clean\n");
		else
			printf("%s, %" PRIu64 " found, %" PRIu64 " left\n",
			    word, sum->found, sum->left);
	}
	if (err < 0)
		return CTL_NO_CHECK;
	return sum->found == 0 ? CTL_OK : sum->left == 0 ? CTL_REPAIRED
	    : CTL_DAMAGED;
}

/* --- a running daemon's --------------------------------------------- */

static void
take_findings(struct show *s, const struct vfs_check_reply *r)
{
	struct proto_finding f;
	struct rbuf b;

	proto_list_read(&b, (struct vfs_slice){ r->findings.p,
	    r->findings.n });
	while (proto_list_more(&b) && proto_finding_next(&b, &f) == 0)
		show_finding(s, &f);
}

static int
online(struct ctl *k, const struct addr *addr, struct show *s, uint32_t flags)
{
	struct timespec pause = { 0, POLL_MS * 1000000l };
	struct vfs_check q = { .action = VFS_CHECK_START, .flags = flags };
	struct vfs_check_reply r = { 0 };
	struct check_sum sum = { 0 };
	int err;

	err = ctl_call(k, VFS_OP_CHECK, &q, &r);
	if (err < 0)
		return ctl_fail(addr->store, err), CTL_NO_CHECK;
	show_begin(s, addr->store, true);
	q = (struct vfs_check){ .action = VFS_CHECK_POLL };
	for (;;) {
		err = ctl_call(k, VFS_OP_CHECK, &q, &r);
		if (err < 0)
			break;
		take_findings(s, &r);
		if (r.state != VFS_CHECK_RUNNING && r.findings.n == 0)
			break;
		if (r.findings.n == 0) {
			draw(s, r.done, r.total);
			nanosleep(&pause, NULL);
		}
		q.after = r.next;
	}
	if (err == 0 && r.result != 0)
		err = -(int)r.result;
	sum.found = sum.left = r.found;
	if (err < 0)
		ctl_fail(addr->store, err);
	return show_end(s, &sum, err);
}

/* --- our own --------------------------------------------------------- */

static void
found(void *arg, const struct check_finding *f)
{
	struct proto_finding r = { .kind = f->kind, .id = f->id,
		.path = { f->path, strlen(f->path) },
		.text = { f->text, strlen(f->text) } };

	show_finding(arg, &r);
}

static bool
progress(void *arg, uint64_t done, uint64_t total)
{
	draw(arg, done, total);
	return true;
}

/* What kept the store from being opened, or would have. */
static void
show_opening(struct show *s, const struct ctl_store *st)
{
	char text[400];
	int n = snprintf(text, sizeof text, "%s", st->why);

	if (st->lost != NULL)
		n = snprintf(text, sizeof text, "%s: what was acknowledged "
		    "since the last checkpoint, unpublished bytes included, "
		    "may be lost", st->lost);
	show_finding(s, &(struct proto_finding){ .kind = 'A',
	    .text = { text, (size_t)n } });
}

/* What the rows say, after how they are kept was looked at. */
static int
offline_rows(struct show *s, const char *store, struct ctl_store *st,
    const struct check_conf *conf, struct check_sum *sum)
{
	int err = ctl_store_load(st, conf->repair);
	bool lost = err == 0 && st->lost != NULL;

	if (err == -VFS_CORRUPT || lost)
		show_opening(s, st);
	if (err == -VFS_CORRUPT) {
		*sum = (struct check_sum){ .found = 1, .left = 1 };
		return 0;
	}
	if (err < 0) {
		fprintf(stderr, "vfsctl: %s: %s\n", store, st->why);
		return err;
	}
	err = check_store(st->engine, conf, sum);
	sum->found += lost;
	sum->fixed += lost;
	if (err < 0)
		ctl_fail(store, err);
	if (ctl_store_close(st) < 0 && conf->repair && err == 0) {
		fprintf(stderr, "vfsctl: %s: what was repaired could not be "
		    "written\n", store);
		err = -VFS_IO;
	}
	return err;
}

static int
kept_fail(const char *store, const char *kept, int err)
{
	if (err == -VFS_EXIST && kept != NULL)
		fprintf(stderr, "vfsctl: %s/%s is of an earlier repair: move "
		    "it away first\n", store, kept);
	else
		ctl_fail(store, err);
	return err;
}

static void
kept_said(const char *store, const char *kept, const char *what)
{
	if (kept != NULL)
		fprintf(stderr, "vfsctl: %s/%s holds the %s; remove it when "
		    "you do not need it\n", store, kept, what);
}

static int
offline(const char *store, struct show *s, bool bytes, bool repair)
{
	struct check_conf conf = { .bytes = bytes, .repair = repair,
		.found = found, .progress = progress, .arg = s,
		.still = true };
	struct check_sum rows = { 0 }, sum = { 0 };
	const char *kept = NULL;
	struct ctl_store st;
	int err;

	if (ctl_store_hold(store, repair, &st) < 0) {
		fprintf(stderr, "vfsctl: %s\n", st.why);
		return CTL_NO_CHECK;
	}
	show_begin(s, store, false);
	if ((err = check_kept(st.dir.fd, &conf, &sum, &kept)) < 0)
		kept_fail(store, kept, err);
	conf.anew = kept != NULL;
	if (err == 0 && sum.left == 0) {
		err = offline_rows(s, store, &st, &conf, &rows);
		rows.found += sum.found;
		rows.fixed += sum.fixed;
		sum = rows;
	}
	ctl_store_close(&st);
	if (err == 0) {
		kept_said(store, kept, "rows as they were");
		kept_said(store, st.kept, "log as it was");
	}
	return show_end(s, &sum, err);
}

int
ctl_check(const struct ctl_cmd *cmd, int argc, char **argv)
{
	static const char *const flags[] = { "--no-data", "--repair", "-q",
		NULL };
	struct show s = { 0 };
	struct ctl_args a;
	struct addr addr;
	struct ctl k;
	int err, status;

	if (!ctl_parse(cmd, argc, argv, flags, 1, 1, &a))
		return CTL_CHECK_USAGE;
	s.json = a.json;
	s.quiet = a.flag[QUIET];
	if ((err = addr_find(a.arg[0], &addr)) < 0) {
		ctl_lost(a.arg[0], &addr, err);
		return CTL_NO_CHECK;
	}
	err = ctl_open(&k, &addr);
	if (err == -VFS_OFFLINE)
		return offline(addr.store, &s, !a.flag[NO_DATA],
		    a.flag[REPAIR]);
	if (err < 0) {
		ctl_fail(a.arg[0], err);
		return CTL_NO_CHECK;
	}
	if (a.flag[REPAIR]) {
		fprintf(stderr, "vfsctl: %s: a daemon serves this store; "
		    "unmount it before a repair\n", a.arg[0]);
		status = CTL_NO_CHECK;
	} else {
		status = online(&k, &addr, &s,
		    a.flag[NO_DATA] ? 0 : VFS_CHECK_DATA);
	}
	ctl_close(&k);
	return status;
}

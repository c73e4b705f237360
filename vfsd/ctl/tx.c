/*
 * vfsctl tx: a script of operations as one transaction
 *
 * Each line is run at once, within the transaction, so that it sees what
 * those before it did, and is told what is wrong with it; nobody else sees
 * anything until all are committed.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../../protocol/tx.h"
#include "at.h"
#include "tx.h"

enum { AT, DURABLE, DRY_RUN, NFLAGS };
static const char *const flags[] = { "--at=", "--durable", "--dry-run",
    NULL };

/* --- the script ---------------------------------------------------------- */

/* All of it, before anything is run. */
static bool
syntax_ok(const struct tx *t, const struct script *s)
{
	const struct tx_command *c;
	const char *why;
	size_t i;

	for (i = 0; i < s->n; i++) {
		c = tx_command_of(&s->v[i]);
		why = c == NULL ? "no such operation" :
		    s->v[i].n < c->min ? "a word is missing" :
		    s->v[i].n > c->max ? "a word too many" : NULL;
		if (why == NULL)
			continue;
		fprintf(stderr, "vfsctl: %s:%u: %.*s: %s: ", t->file,
		    s->v[i].number, (int)s->v[i].w[0].n,
		    (const char *)s->v[i].w[0].p, why);
		if (c == NULL)
			fprintf(stderr, "vfsctl(8) has the list\n");
		else
			fprintf(stderr, "%s %s\n", c->name, c->words);
		return false;
	}
	return true;
}

/* The line, what it was about, and why it failed. */
static void
tell(const struct tx *t, int err)
{
	const struct script_line *l = t->l;
	unsigned i;

	fprintf(stderr, "vfsctl: %s:%u:", t->file, l->number);
	for (i = 0; i < l->n && (i < 3 || tx_command_of(l)->asks); i++) {
		fputc(' ', stderr);
		ctl_print(stderr, l->w[i]);
	}
	fprintf(stderr, ": %s\n", t->why != NULL ? t->why :
	    err == -VFS_PRECOND && tx_command_of(l)->asks ? "is not so" :
	    vfs_err_text(err));
}

static int
run_lines(struct tx *t, const struct script *s)
{
	size_t i;
	int err;

	for (i = 0; i < s->n; i++) {
		t->l = &s->v[i];
		t->why = NULL;
		err = t->nops == VFS_TX_OPS_MAX ? -VFS_TX_LIMIT :
		    tx_command_of(t->l)->run(t);
		if (err < 0) {
			tell(t, err);
			return err;
		}
	}
	return 0;
}

/* --- begin and end ------------------------------------------------------- */

static int
begin(struct tx *t)
{
	struct vfs_tx_begin q = { .flags = 0 };
	struct vfs_tx_begin_reply r;
	int err;

	if ((err = ctl_call(&t->k, VFS_OP_TX_BEGIN, &q, &r)) == 0)
		t->k.tx = r.tx;
	return err;
}

static int
commit(struct tx *t, bool durable)
{
	struct vfs_tx_commit q = { .tx = t->k.tx,
		.durability = durable ? VFS_TX_STABLE : VFS_TX_VISIBLE };
	struct vfs_tx_commit_reply r;
	uint32_t at;
	int err;

	t->k.tx = 0;
	if ((err = ctl_call(&t->k, VFS_OP_TX_COMMIT, &q, &r)) == 0) {
		t->seq = r.seq;
		return 0;
	}
	at = t->k.error.op_index;
	fprintf(stderr, "vfsctl: %s", t->file);
	if (at < t->nops)
		fprintf(stderr, ":%u", t->lines[at]);
	fprintf(stderr, ": %s", vfs_err_text(err));
	if (err == -VFS_CONFLICT && t->k.error.detail != 0)
		fprintf(stderr, " (object %" PRIu64
		    " changed, or a name in it)", t->k.error.detail);
	fputc('\n', stderr);
	return err;
}

static void
abort_tx(struct tx *t)
{
	struct vfs_tx_abort q = { .tx = t->k.tx };
	struct vfs_tx_abort_reply r;

	t->k.tx = 0;
	(void)ctl_call(&t->k, VFS_OP_TX_ABORT, &q, &r);
}

static int
run(struct tx *t, const struct script *s, const struct ctl_args *a)
{
	int err;

	if ((err = begin(t)) < 0)
		return ctl_fail(t->file, err), err;
	err = run_lines(t, s);
	if (err < 0 || a->flag[DRY_RUN])
		abort_tx(t);
	else
		err = commit(t, a->flag[DURABLE]);
	return err;
}

static void
show(const struct tx *t, const struct ctl_args *a)
{
	struct json j = { .to = stdout };

	if (!a->json) {
		if (!a->flag[DRY_RUN])
			printf("%" PRIu64 "\n", t->seq);
		return;
	}
	json_begin(&j, NULL, '{');
	json_num(&j, "seq", t->seq);
	json_num(&j, "operations", t->nops);
	json_bool(&j, "dry_run", a->flag[DRY_RUN]);
	json_end(&j, '}');
	putchar('\n');
}

static int
read_script(struct tx *t, struct script *s)
{
	bool in = strcmp(t->file, "-") == 0;
	FILE *f = in ? stdin : fopen(t->file, "re");
	int err;

	if (f == NULL)
		return ctl_fail(t->file, vfs_err_from_os(errno));
	if (in)
		t->file = "standard input";
	err = script_read(f, t->file, s);
	if (!in)
		fclose(f);
	if (err < 0)
		return err == -VFS_INVAL ? CTL_USAGE : CTL_FAILED;
	return syntax_ok(t, s) ? 0 : CTL_USAGE;
}

static int
serve(struct tx *t, const struct script *s, const struct ctl_args *a)
{
	struct ctl_at at;
	int err;

	if (ctl_at(a->flag[AT] ? a->value[AT] : ".", true, &t->k, &at) < 0) {
		if (!a->flag[AT])
			fprintf(stderr, "vfsctl: paths begin at the current "
			    "directory: go into a mount, or use --at\n");
		return CTL_FAILED;
	}
	t->at = at.dir;
	t->lines = malloc(VFS_TX_OPS_MAX * sizeof *t->lines);
	t->buf = malloc(VFS_IO_MAX);
	err = t->lines == NULL || t->buf == NULL ? ctl_fail(t->file,
	    -VFS_NOMEM), -VFS_NOMEM : run(t, s, a);
	free(t->lines);
	free(t->buf);
	ctl_close(&t->k);
	if (err == 0)
		show(t, a);
	if (t->mistake)
		return CTL_USAGE;
	return err == 0 ? CTL_OK : err == -VFS_PRECOND ||
	    err == -VFS_CONFLICT ? CTL_OTHERWISE : CTL_FAILED;
}

int
ctl_tx(const struct ctl_cmd *cmd, int argc, char **argv)
{
	struct script s = { NULL, 0, 0 };
	struct tx t = { .nops = 0 };
	struct ctl_args a;
	int status;

	if (!ctl_parse(cmd, argc, argv, flags, 1, 1, &a))
		return CTL_USAGE;
	t.file = a.arg[0];
	if ((status = read_script(&t, &s)) == 0)
		status = serve(&t, &s, &a);
	script_free(&s);
	return status;
}

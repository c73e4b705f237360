#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "check_store.h"
#include "engine/engine.h"

#define LEAK_LOOKS	7u		/* in 1 s, longer than most writes */
#define PASSES_MAX	8u		/* of a repair */

/* --- how the rows are kept ------------------------------------------ */

struct kept {
	const struct check_conf *conf;
	uint64_t rows, total, found;
	uint8_t buf[ENGINE_ANEW_MAX];
};

static bool
kept_row(void *arg, struct vfs_slice key, struct vfs_slice val)
{
	struct kept *k = arg;

	(void)key;
	(void)val;
	return ++k->rows % CHECK_STEP != 0 || k->conf->progress == NULL ||
	    k->conf->progress(k->conf->arg, k->rows, k->total);
}

static struct vfs_slice
kept_anew(void *arg, struct vfs_slice key, struct vfs_slice val)
{
	struct kept *k = arg;

	return engine_row_anew(key, val, k->buf);
}

/* Told as a row's that is not there any more. */
static void
kept_lost(void *arg, struct vfs_slice from, struct vfs_slice to,
    const char *why)
{
	struct row_parts first = { .kind = ROW_META }, end = { .kind = 0 };
	struct kept *k = arg;
	char text[300];
	struct check_finding f = { .path = "", .text = text, .fixable = true };

	if (from.n > 0)
		(void)row_key_parse(from, &first);
	if (to.n > 0)
		(void)row_key_parse(to, &end);
	f.kind = first.kind;
	f.id = first.a;
	k->found++;
	if (from.n == 0 && to.n == 0)
		snprintf(text, sizeof text, "%s", why);
	else if (to.n == 0)
		snprintf(text, sizeof text, "%s: rows from here to the last "
		    "are lost", why);
	else
		snprintf(text, sizeof text, "%s: rows from here up to %c %"
		    PRIu64 " are lost", why, end.kind, end.a);
	if (k->conf->found != NULL)
		k->conf->found(k->conf->arg, &f);
}

static int
kept_here(const struct store_ops *ops, int dirfd, struct kept *k)
{
	struct store_scan to = { k, kept_row, kept_lost };
	struct store_usage u;
	void *store;
	int err;

	if ((err = ops->open(dirfd, false, true, &store)) < 0)
		return err;
	if (ops->usage(store, &u) == 0)
		k->total = u.rows;
	err = ops->scan(store, &to);
	ops->close(store);
	return err;
}

int
check_kept(int dirfd, const struct check_conf *conf, struct check_sum *out,
    const char **kept)
{
	const struct store_ops *ops = backends_store[0];
	struct kept k = { .conf = conf }, again = { .conf = conf };
	struct check_conf mute = *conf;
	struct store_scan to = { &again, kept_row, kept_lost };
	int err = kept_here(ops, dirfd, &k);

	*kept = NULL;
	mute.found = NULL;		/* told once */
	again.conf = &mute;
	again.total = k.total;
	out->found = out->left = k.found;
	if (err < 0 || k.found == 0 || !conf->repair || ops->rebuild == NULL)
		return err;
	err = ops->rebuild(dirfd, &to, kept_anew, kept);
	if (err == 0) {
		out->fixed = out->found;
		out->left = 0;
	}
	return err;
}

static int
kept_there(struct engine *e, const struct check_conf *conf,
    struct check_sum *out)
{
	struct kept k = { .conf = conf, .total = conf->rows_hint };
	struct store_scan to = { &k, kept_row, kept_lost };
	int err = engine_scan(e, &to);

	out->found = out->left = k.found;
	return err;
}

/* --- what they say -------------------------------------------------- */

static void
own_env(struct req_env *env)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	*env = (struct req_env){
		.now = { ts.tv_sec, (uint32_t)ts.tv_nsec },
		.kernel_checked = true, .privileged = true,
	};
}

static int
read_rows(struct engine *e, struct check *c)
{
	struct req_env env;
	struct txn *t;
	int err;

	own_env(&env);
	if ((err = txn_begin(e, TXN_READ, &env, &t)) < 0)
		return err;
	err = check_rows(c, t);
	txn_abort(t);
	return err;
}

static int
read_bytes(struct engine *e, struct check *c)
{
	struct req_env env;
	struct txn *t;
	bool more = true;
	int err = 0;

	own_env(&env);
	while (err == 0 && more) {
		if ((err = txn_begin(e, TXN_READ, &env, &t)) < 0)
			break;
		err = check_bytes(c, t, &more);
		txn_abort(t);
	}
	return err;
}

/* What is put right has no change records: whoever reads them is told
 * first, or would never hear of it if this does not come to its end. */
static int
fix(struct engine *e, struct check *c)
{
	struct req_env env;
	struct txn *t;
	bool more = true;
	int err;

	if (!check_to_fix(c))
		return 0;
	err = engine_journal_forget(e);
	own_env(&env);
	while (err == 0 && more) {
		if ((err = txn_begin(e, TXN_WRITE, &env, &t)) < 0)
			break;
		err = check_fix(c, t, &more);
		if (err == 0)
			err = txn_commit(t, NULL);
		else
			txn_abort(t);
	}
	return err;
}

/* Space in nobody's hands may have been in somebody's a moment ago. */
static int
leaks(struct engine *e, struct check *c, bool still)
{
	struct timespec pause = { 0, 50000000 };
	struct req_env env;
	struct txn *t;
	unsigned i, looks = still ? 1 : LEAK_LOOKS;
	int err = 1;

	own_env(&env);
	for (i = 0; err == 1 && i < looks; i++) {
		if (i > 0)
			nanosleep(&pause, NULL);
		if (i > 0)
			pause.tv_nsec = pause.tv_nsec * 3 / 2;
		if ((err = txn_begin(e, TXN_READ, &env, &t)) < 0)
			break;
		err = check_leaks(c, t, i + 1 == looks);
		txn_abort(t);
	}
	return err < 0 ? err : 0;
}

static int
one_pass(struct engine *e, const struct check_conf *conf,
    struct check_sum *out)
{
	struct engine_status st;
	struct check *c;
	int err;

	if ((err = check_new(conf, &c)) < 0)
		return err;
	err = read_rows(e, c);
	if (err == -VFS_CORRUPT) {
		check_result(c, out);
		check_free(c);
		return 0;
	}
	engine_status(e, &st);
	if (err == 0)
		check_ids(c, st.next_id.n);
	if (err == 0)
		err = leaks(e, c, conf->still);
	if (err == 0 && conf->bytes)
		err = read_bytes(e, c);
	if (err == 0 && conf->repair)
		err = fix(e, c);
	check_result(c, out);
	if (err == 0 && conf->repair)
		out->fixed += out->records;
	check_free(c);
	return err;
}

int
check_store(struct engine *e, const struct check_conf *conf,
    struct check_sum *out)
{
	struct check_conf again = *conf;
	struct engine_status st;
	struct check_sum sum = { 0 };
	unsigned i;
	int err = 0;

	engine_status(e, &st);
	again.rows_hint = st.rows.rows + st.table_rows;
	/* Nobody adds to the journal since it was counted. */
	if (conf->still && !conf->anew)
		again.journal_rows = st.journal_rows;
	if (!conf->still && ((err = kept_there(e, &again, out)) < 0 ||
	    out->found > 0))
		return err;
	/* Rows that were lost, too, have no records. */
	if (conf->anew && conf->repair)
		err = engine_journal_forget(e);
	if (err == 0)
		err = one_pass(e, &again, &sum);
	*out = sum;
	again.bytes = false;
	again.journal_rows = 0;
	again.found = NULL;		/* told once */
	for (i = 0; err == 0 && conf->repair && sum.fixed > 0 &&
	    i < PASSES_MAX; i++) {
		err = one_pass(e, &again, &sum);
		out->fixed += sum.fixed;
		out->unreadable += sum.unreadable;
	}
	out->left = sum.found + (i > 0 ? out->unreadable : 0);
	return err;
}

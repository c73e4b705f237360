#include <time.h>

#include "check_store.h"
#include "engine/engine.h"

#define LEAK_LOOKS	7u		/* in 1 s, longer than most writes */
#define PASSES_MAX	8u		/* of a repair */

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

static int
fix(struct engine *e, struct check *c)
{
	struct req_env env;
	struct txn *t;
	bool more = true;
	int err = 0;

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
	int err;

	engine_status(e, &st);
	again.rows_hint = st.rows.rows + st.table_rows;
	/* Nobody adds to the journal since it was counted. */
	if (conf->still)
		again.journal_rows = st.journal_rows;
	err = one_pass(e, &again, &sum);
	*out = sum;
	again.bytes = false;
	again.journal_rows = 0;
	again.found = NULL;		/* told once */
	for (i = 0; err == 0 && conf->repair && sum.fixed > 0 &&
	    i < PASSES_MAX; i++) {
		err = one_pass(e, &again, &sum);
		out->fixed += sum.fixed;
	}
	out->left = sum.found + (i > 0 ? out->unreadable : 0);
	/* What was put right has no change records. */
	if (err == 0 && out->fixed > 0)
		err = engine_journal_forget(e);
	return err;
}

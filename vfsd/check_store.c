#include <time.h>

#include "check_store.h"
#include "engine/engine.h"

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

int
check_store(struct engine *e, const struct check_conf *conf,
    struct check_sum *out)
{
	struct check *c;
	int err;

	if ((err = check_new(conf, &c)) < 0)
		return err;
	err = read_rows(e, c);
	if (err == 0 && conf->bytes)
		err = read_bytes(e, c);
	if (err == 0 && conf->repair)
		err = fix(e, c);
	check_result(c, out);
	check_free(c);
	return err;
}

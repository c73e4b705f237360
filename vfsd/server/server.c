/*
 * server.c - the dispatcher's start and end, and what it lends
 */
#include <stdlib.h>

#include "dispatch_in.h"
#include "../engine/engine.h"
#include "holders.h"
#include "locks.h"
#include "publisher.h"
#include "reaper.h"
#include "tx.h"
#include "visible.h"
#include "watch.h"
#include "why.h"

/* Drafts that recovery kept, and objects that lost their holders with the
 * last daemon.  A store that cannot be written is served as it is, and so is
 * one with a draft that is too large for a commit. */
static int
settle(struct server *s)
{
	struct req_env env;
	int err;

	server_env(&env);
	err = server_publish_all(s, &env);
	if (err == 0 || err == -VFS_TX_LIMIT)
		err = server_reclaim_old(s);
	return err == -VFS_ROFS || err == -VFS_NOSPC ? 0 : err;
}

int
server_new(const struct server_conf *conf, struct server **out)
{
	struct server *s = calloc(1, sizeof *s);
	struct engine_status st;
	unsigned i;
	int err;

	if (s == NULL)
		return -VFS_NOMEM;
	s->engine = conf->engine;
	engine_status(s->engine, &st);
	s->draft_max = st.log_size / 4 / 4 * 3;	/* of a quarter */
	for (i = 0; i < SERVER_LOCKS; i++)
		pthread_mutex_init(&s->locks[i], NULL);
	if ((err = why_new(&s->why)) < 0 ||
	    (err = locks_new(&s->lock_table)) < 0 ||
	    (err = holders_new(&s->holders)) < 0 ||
	    (err = visible_new(s->holders, &s->visible)) < 0 ||
	    (err = publisher_new(server_publish_quiet, s,
	    &s->publisher)) < 0 ||
	    (err = reaper_new(s, &s->reaper)) < 0 ||
	    (err = settle(s)) < 0 ||
	    (err = txs_new(s, &s->txs)) < 0 ||
	    (err = watches_new(s, &s->watches)) < 0)
		goto out;
	s->sync_all = conf->sync_all;
	*out = s;
	s = NULL;
out:
	server_free(s);
	return err;
}

void
server_free(struct server *s)
{
	struct req_env env;

	if (s != NULL && s->publisher != NULL) {
		server_env(&env);
		(void)server_publish_all(s, &env);
	}
	server_kill(s);
}

void
server_kill(struct server *s)
{
	unsigned i;

	if (s == NULL)
		return;
	reaper_free(s->reaper);
	txs_free(s, s->txs);
	publisher_free(s->publisher);
	watches_free(s->watches);	/* behind the last who commits */
	visible_free(s->visible);
	holders_free(s->holders);
	why_free(s->why);
	locks_free(s->lock_table);
	for (i = 0; i < SERVER_LOCKS; i++)
		pthread_mutex_destroy(&s->locks[i]);
	free(s);
}

struct why *
server_why(struct server *s)
{
	return s->why;
}

void
server_barrier(struct server *s)
{
	struct req_env env;
	struct txn *t;

	server_env(&env);
	if (txn_begin(s->engine, TXN_WRITE, &env, &t) == 0)
		txn_abort(t);
}

struct locks *
server_locks(struct server *s)
{
	return s->lock_table;
}

struct visible *
server_visible(struct server *s)
{
	return s->visible;
}

struct engine *
server_engine(struct server *s)
{
	return s->engine;
}

bool
server_syncs_all(const struct server *s)
{
	return s->sync_all;
}

struct txs *
server_txs(struct server *s)
{
	return s->txs;
}

void
server_counts(struct server *s, struct op_count out[VFS_OP_COUNT])
{
	counts_get(&s->counts, out);
}

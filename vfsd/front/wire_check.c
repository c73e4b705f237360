/*
 * CHECK: a thread of its own reads the store while everybody goes on
 * working; peers start it, ask how far it is, and fetch what it found.
 */
#include <stdlib.h>
#include <string.h>

#include "../check_store.h"
#include "quiet.h"
#include "wire_in.h"

static void
found(void *arg, const struct check_finding *f)
{
	struct wire_check *k = arg;
	struct proto_finding r = { .kind = f->kind, .id = f->id,
		.path = { f->path, strlen(f->path) },
		.text = { f->text, strlen(f->text) } };
	uint8_t *p;
	size_t cap;

	pthread_mutex_lock(&k->lock);
	k->found++;
	if (k->list.count < WIRE_FINDINGS_MAX &&
	    !proto_finding_put(&k->list, &r)) {
		cap = k->list.cap * 2 + 65536;
		if ((p = realloc(k->list.p, cap)) != NULL) {
			k->list.p = p;
			k->list.cap = cap;
			proto_finding_put(&k->list, &r);
		}
	}
	pthread_mutex_unlock(&k->lock);
}

static bool
progress(void *arg, uint64_t done, uint64_t total)
{
	struct wire_check *k = arg;
	bool go;

	pthread_mutex_lock(&k->lock);
	k->done = done;
	k->total = total;
	go = !k->stop && !k->quit;
	pthread_mutex_unlock(&k->lock);
	return go;
}

/* Called and returns with the lock held. */
static void
run_one(struct wire_check *k)
{
	struct check_conf conf = { .found = found, .progress = progress,
		.bytes = (k->flags & VFS_CHECK_DATA) != 0, .arg = k };
	struct check_sum sum = { 0 };
	int err;

	pthread_mutex_unlock(&k->lock);
	err = check_store(k->engine, &conf, &sum);
	pthread_mutex_lock(&k->lock);
	k->result = err;
	k->state = VFS_CHECK_DONE;
}

static void *
checker(void *arg)
{
	struct wire_check *k = arg;

	pthread_mutex_lock(&k->lock);
	while (!k->quit)
		if (k->state == VFS_CHECK_RUNNING)
			run_one(k);
		else
			pthread_cond_wait(&k->wake, &k->lock);
	pthread_mutex_unlock(&k->lock);
	return NULL;
}

static int
ask_start(struct wire_check *k, uint32_t flags)
{
	if ((flags & ~VFS_CHECK_DATA) != 0)
		return -VFS_INVAL;
	if (k->state == VFS_CHECK_RUNNING)
		return -VFS_BUSY;
	k->list.n = k->list.count = 0;
	k->done = k->total = k->found = 0;
	k->stop = false;
	k->flags = flags;
	k->result = 0;
	k->state = VFS_CHECK_RUNNING;
	pthread_cond_signal(&k->wake);
	return 0;
}

/* Findings from the n-th on, as many as the reply has room for. */
static void
copy_findings(struct wire_check *k, uint64_t after, struct vfs_check_reply *r)
{
	struct proto_finding f;
	struct rbuf b;
	uint64_t i = 0;
	size_t from;

	proto_list_read(&b, (struct vfs_slice){ k->list.p, k->list.n });
	while (i < after && proto_list_more(&b)) {
		proto_finding_next(&b, &f);
		i++;
	}
	for (from = b.pos; proto_list_more(&b); i++) {
		size_t last = b.pos;

		proto_finding_next(&b, &f);
		if (b.pos - from > r->findings.cap) {
			b.pos = last;
			break;
		}
	}
	r->next = i;
	r->findings.n = b.pos - from;
	if (r->findings.n > 0)
		memcpy(r->findings.p, k->list.p + from, r->findings.n);
}

int
wire_check_ask(struct wire_check *k, const struct vfs_check *q,
    struct vfs_check_reply *r)
{
	int err = 0;

	pthread_mutex_lock(&k->lock);
	if (q->action == VFS_CHECK_START)
		err = ask_start(k, q->flags);
	else if (q->action == VFS_CHECK_STOP)
		k->stop = true;
	else if (q->action != VFS_CHECK_POLL)
		err = -VFS_INVAL;
	if (err == 0) {
		copy_findings(k, q->after, r);
		r->state = k->state;
		r->result = (uint32_t)-k->result;
		r->done = k->done;
		r->total = k->total;
		r->found = k->found;
	}
	pthread_mutex_unlock(&k->lock);
	return err;
}

int
wire_check_start(struct wire_check *k, struct engine *e)
{
	int os;

	k->engine = e;
	pthread_mutex_init(&k->lock, NULL);
	pthread_cond_init(&k->wake, NULL);
	os = quiet_create(&k->thread, checker, k);
	k->started = os == 0;
	return os == 0 ? 0 : vfs_err_from_os(os);
}

void
wire_check_stop(struct wire_check *k)
{
	if (!k->started)
		return;
	pthread_mutex_lock(&k->lock);
	k->quit = true;
	pthread_cond_signal(&k->wake);
	pthread_mutex_unlock(&k->lock);
	pthread_join(k->thread, NULL);
	pthread_mutex_destroy(&k->lock);
	pthread_cond_destroy(&k->wake);
	free(k->list.p);
	k->started = false;
}

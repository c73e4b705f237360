/*
 * faults.c - where surprises were born, and the latch
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "engine_impl.h"

static void
fault_fill(struct fault_rec *f, uint64_t trace_id, int err,
    const char *file, int line, const char *fmt, va_list ap)
{
	struct timespec ts;

	memset(f, 0, sizeof(*f));
	clock_gettime(CLOCK_REALTIME, &ts);
	f->trace_id = trace_id;
	f->err = err;
	f->file = file;
	f->line = line;
	f->when.sec = ts.tv_sec;
	f->when.nsec = (uint32_t)ts.tv_nsec;
	vsnprintf(f->text, sizeof(f->text), fmt, ap);
}

static void
fault_keep(struct engine *e, const struct fault_rec *f)
{
	pthread_mutex_lock(&e->fault.lock);
	e->fault.ring[e->fault.n++ % FAULTS_MAX] = *f;
	e->fault.corrupt += f->err == -VFS_CORRUPT;
	e->fault.io += f->err == -VFS_IO;
	pthread_mutex_unlock(&e->fault.lock);
	if (e->conf.report != NULL)
		e->conf.report(e->conf.report_arg, f);
}

int
engine_fault(struct engine *e, uint64_t trace_id, int err,
    const char *file, int line, const char *fmt, ...)
{
	struct fault_rec f;
	va_list ap;

	va_start(ap, fmt);
	fault_fill(&f, trace_id, err, file, line, fmt, ap);
	va_end(ap);
	fault_keep(e, &f);
	return err;
}

int
txn_fault(struct txn *t, int err, const char *file, int line,
    const char *fmt, ...)
{
	struct fault_rec f;
	va_list ap;

	if (t->speculative)
		return err;		/* the commit itself will meet it */
	va_start(ap, fmt);
	fault_fill(&f, t->env->trace_id, err, file, line, fmt, ap);
	va_end(ap);
	fault_keep(t->e, &f);
	return err;
}

int
engine_latch(struct engine *e, int err, const char *file, int line,
    const char *what)
{
	int none = 0;

	assert(err < 0);
	if (!atomic_compare_exchange_strong(&e->latched, &none, err))
		return err;
	engine_fault(e, 0, err, file, line,
	    "%s: %s; the store is read-only from here on", what,
	    vfs_err_text(err));
	pthread_mutex_lock(&e->fault.lock);
	e->fault.latch = e->fault.ring[(e->fault.n - 1) % FAULTS_MAX];
	pthread_mutex_unlock(&e->fault.lock);
	bg_kick(e);		/* whoever waits for room must not for ever */
	return err;
}

size_t
engine_faults(struct engine *e, uint64_t trace_id, struct fault_rec *out,
    size_t cap)
{
	size_t n = 0;
	uint64_t i;

	pthread_mutex_lock(&e->fault.lock);
	for (i = 0; i < FAULTS_MAX && i < e->fault.n && n < cap; i++) {
		const struct fault_rec *f =
		    &e->fault.ring[(e->fault.n - 1 - i) % FAULTS_MAX];

		if (trace_id == 0 || f->trace_id == trace_id)
			out[n++] = *f;
	}
	pthread_mutex_unlock(&e->fault.lock);
	return n;
}

const char *
key_text(struct vfs_slice key, char *buf, size_t cap)
{
	const uint8_t *p = key.p;
	uint64_t num;
	size_t at = 1, len, i;

	if (key.n == 0)
		return "(empty)";
	len = (size_t)snprintf(buf, cap, "%c", p[0]);
	while (p[0] != ROW_META && at + 8 <= key.n && at < 25 &&
	    len + 24 < cap) {
		for (num = 0, i = 0; i < 8; i++)
			num = num << 8 | p[at + i];
		len += (size_t)snprintf(buf + len, cap - len, " %llu",
		    (unsigned long long)num);
		at += 8;
		if ((p[0] == ROW_NAME || p[0] == ROW_XATTR))
			break;
	}
	if (at < key.n && len + 2 < cap)
		buf[len++] = ' ';
	for (; at < key.n && len + 2 < cap; at++)
		buf[len++] = p[at] >= ' ' && p[at] < 127 ? (char)p[at] : '?';
	buf[len] = '\0';
	return buf;
}

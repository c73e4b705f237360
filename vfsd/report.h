/*
 * report.h - what the daemon says: one line each, to stderr or syslog
 *
 * Threads: any, after report_open.
 */
#ifndef VFSD_REPORT_H
#define VFSD_REPORT_H

#include <stdarg.h>
#include <stdbool.h>

#include "engine/engine.h"

/* How loud a line is; syslog's numbers. */
enum {
	REPORT_ERROR = 3,
	REPORT_NOTICE = 5,
};

struct report {
	bool to_syslog;			/* in the background, once ready */
	bool quiet;			/* faults are only kept */
	char last[256];			/* the last fault's text */
};

void report_open(struct report *r);
/* From now on stderr is nobody's. */
void report_to_syslog(struct report *r);
void report_line(struct report *r, int level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Why something cannot be, into the caller's room; -1, to be returned. */
int report_why(char *why, size_t cap, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* For engine_conf.report; arg is a struct report. */
void report_fault(void *arg, const struct fault_rec *f);

#endif

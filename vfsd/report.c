#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "report.h"

void
report_open(struct report *r)
{
	memset(r, 0, sizeof *r);
	tzset();			/* reads a file; a sandbox comes */
}

void
report_to_syslog(struct report *r)
{
	openlog("vfsd", LOG_PID | LOG_NDELAY, LOG_DAEMON);
	r->to_syslog = true;
}

int
report_why(char *why, size_t cap, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, cap, fmt, ap);
	va_end(ap);
	return -1;
}

void
report_line(struct report *r, int level, const char *fmt, ...)
{
	char line[1024];
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	vsnprintf(line, sizeof line - 1, fmt, ap);
	va_end(ap);
	if (r->to_syslog) {
		syslog(level, "%s", line);
		return;
	}
	/* One write, so that lines of two processes never mix. */
	n = strlen(line);
	line[n++] = '\n';
	dprintf(STDERR_FILENO, "vfsd: %.*s", (int)n, line);
}

void
report_fault(void *arg, const struct fault_rec *f)
{
	struct report *r = arg;
	const char *base = strrchr(f->file, '/');

	if (f->err == 0) {
		report_line(r, REPORT_NOTICE, "%s", f->text);
		return;
	}
	snprintf(r->last, sizeof r->last, "%s", f->text);
	if (r->quiet)
		return;
	report_line(r, REPORT_ERROR, "%s: %s (%s:%d, trace %llx)", f->text,
	    vfs_err_text(f->err), base ? base + 1 : f->file, f->line,
	    (unsigned long long)f->trace_id);
}

/*
 * A store that no daemon serves, opened by vfsctl itself.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "../boot.h"
#include "ctl.h"
#include "../engine/engine.h"

static void
note(void *arg, const struct fault_rec *f)
{
	struct ctl_store *s = arg;

	if (f->err != 0 && s->why[0] == 0)
		snprintf(s->why, sizeof s->why, "%s (%s)", f->text,
		    vfs_err_text(f->err));
}

int
ctl_store_hold(const char *dir, bool write, struct ctl_store *out)
{
	memset(out, 0, sizeof *out);
	out->path = dir;
	if (storedir_open(dir, false, !write, &out->dir, out->why,
	    sizeof out->why) == 0)
		return 0;
	out->dir.fd = -1;
	return -VFS_BUSY;
}

int
ctl_store_load(struct ctl_store *s, bool write)
{
	struct engine_lost lost = { NULL, NULL };
	struct engine_conf conf = { .rdonly = !write, .damaged_ok = true,
		.log_anew = write, .lost = &lost,
		.journal_bytes_max = UINT64_MAX,
		.report = note, .report_arg = s };
	struct timespec ts;
	int err;

	clock_gettime(CLOCK_REALTIME, &ts);
	conf.now = (struct vfs_time){ ts.tv_sec, (uint32_t)ts.tv_nsec };
	conf.dirfd = s->dir.fd;
	boot_id(conf.boot);
	err = engine_open(&conf, &s->engine);
	s->lost = lost.what;
	s->kept = lost.kept;
	if (err == 0)
		s->why[0] = 0;
	else if (s->why[0] == 0)
		snprintf(s->why, sizeof s->why, "%s", vfs_err_text(err));
	return err;
}

int
ctl_store_open(const char *dir, bool write, struct ctl_store *out)
{
	int err;

	if ((err = ctl_store_hold(dir, write, out)) < 0) {
		fprintf(stderr, "vfsctl: %s\n", out->why);
	} else if ((err = ctl_store_load(out, write)) < 0) {
		fprintf(stderr, "vfsctl: %s: %s\n", dir, out->why);
		ctl_store_close(out);
	}
	return err;
}

int
ctl_store_close(struct ctl_store *s)
{
	int err = engine_close(s->engine);

	s->engine = NULL;
	storedir_close(&s->dir);
	return err;
}

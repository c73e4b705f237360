#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "front.h"

static const struct {
	const char *kind;
	const struct front_ops *ops;
} kinds[] = {
	{ "mount", &front_fuse }, { "unix", &front_vfp },
	{ "tcp", &front_vfp }, { "ring", &front_vfp }, { "ipc", &front_vfp },
	{ "serial", &front_vfp }, { "9p", &front_p9 }, { "9p-tcp", &front_p9 },
};

int
front_open(struct front *f, const char *spec, const char *token)
{
	const char *where = strchr(spec, '=');
	size_t i, n = where == NULL ? 0 : (size_t)(where - spec);
	int rc;

	memset(f, 0, sizeof *f);
	for (i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (strlen(kinds[i].kind) == n &&
		    memcmp(kinds[i].kind, spec, n) == 0) {
			f->ops = kinds[i].ops;
			snprintf(f->kind, sizeof f->kind, "%.*s", (int)n,
			    spec);
			break;
		}
	if (f->ops == NULL)
		return ENOENT;
	rc = f->ops->open(f, where + 1, token);
	return rc != 0 ? rc : f->ops->enter(f, 0, 0, NULL);
}

void
front_close(struct front *f)
{
	f->ops->close(f);
}

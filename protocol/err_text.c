/*
 * err_text.c - what errors are called, for hosts that show them to people
 */
#include <stddef.h>

#include "err.h"

struct err_row {
	int code;
	const char *name, *text;
};

static const struct err_row rows[] = {
	{ 0, "OK", "success" },
#define ERR(n, name, os, text) { n, #name, text },
#include "err.def"
#undef ERR
};

#define NROWS (sizeof rows / sizeof rows[0])

static const struct err_row *
find(int err)
{
	size_t i;

	if (err < 0)
		err = -err;
	for (i = 0; i < NROWS; i++)
		if (rows[i].code == err)
			return &rows[i];
	return NULL;
}

const char *
vfs_err_text(int err)
{
	const struct err_row *r = find(err);

	return r ? r->text : "unknown error";
}

const char *
vfs_err_name(int err)
{
	const struct err_row *r = find(err);

	return r ? r->name : "UNKNOWN";
}

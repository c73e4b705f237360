/*
 * verify.c - the rows as the store keeps them, before they are trusted
 *
 * A checksum shows a row that is wrong, not one that is missing, and damage
 * to a store's structure hides what lies behind it.  So after an unclean
 * stop every row is looked for first, without believing in the structure.
 */
#include <stdio.h>
#include <string.h>

#include "../core/le.h"
#include "engine_impl.h"

/* The first thing that is wrong. */
struct finding {
	int err;
	struct row_key at;		/* where; n 0: nowhere in particular */
	char what[160];
};

static void
found(struct finding *f, struct vfs_slice at, const char *what)
{
	if (f->err != 0)
		return;
	f->err = -VFS_CORRUPT;
	if (at.n <= sizeof(f->at.b) && at.n > 0)
		memcpy(f->at.b, at.p, f->at.n = at.n);
	snprintf(f->what, sizeof(f->what), "%s", what);
}

static bool
row_good(void *arg, struct vfs_slice key, struct vfs_slice raw)
{
	struct vfs_slice payload = { raw.p, raw.n - ROW_SUM };
	struct row_parts parts;

	if (row_key_parse(key, &parts) < 0)
		found(arg, key, "unknown kind of key");
	else if (raw.n < ROW_SUM || le_get64((const uint8_t *)raw.p +
	    payload.n) != sum_row(key, payload))
		found(arg, key, "its checksum is wrong");
	else
		return true;
	return false;
}

static void
lost(void *arg, struct vfs_slice from, struct vfs_slice to, const char *why)
{
	(void)to;
	found(arg, from, why);
}

int
verify_store(struct engine *e)
{
	struct finding f = { .err = 0 };
	struct store_scan to = { &f, row_good, lost };
	void *store = NULL;
	char text[96];
	int err;

	err = e->sops->open(e->conf.dirfd, false, true, &store);
	if (err < 0)
		return efault(e, err, "open the row store");
	err = e->sops->scan(store, &to);
	e->sops->close(store);
	if (f.err != 0 && f.at.n > 0)
		return efault(e, f.err, "the row store is damaged at row %s: "
		    "%s", key_text(row_key_slice(&f.at), text, sizeof(text)),
		    f.what);
	if (f.err != 0)
		return efault(e, f.err, "the row store is damaged: %s",
		    f.what);
	return err < 0 ? efault(e, err, "read the row store") : 0;
}

int
engine_scan(struct engine *e, const struct store_scan *to)
{
	return e->sops->scan(e->store, to);
}

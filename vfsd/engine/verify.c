/*
 * verify.c - the row store's structure, before it is trusted
 *
 * A checksum shows a row that is wrong, not one that is missing, and
 * damage inside a file that the store maps may kill whoever walks it.  So
 * after an unclean stop a child process walks every row first.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../core/le.h"
#include "engine_impl.h"

/* Shared with the child: how far it came, and what it found. */
struct finding {
	int err;
	const char *what;		/* good in both: text is not moved */
	uint64_t rows;
	struct row_key at;
};

static void
found(struct finding *f, int err, const char *what)
{
	f->err = err;
	f->what = what;
}

static int
row_good(struct finding *f, struct vfs_slice key, struct vfs_slice raw)
{
	struct vfs_slice payload = { raw.p, raw.n - ROW_SUM };
	struct row_parts parts;

	if (key.n == 0 || key.n > VFS_KEY_MAX)
		return found(f, -VFS_CORRUPT, "a key of impossible length"), 0;
	if (f->rows > 0 && slice_cmp(row_key_slice(&f->at), key) >= 0)
		return found(f, -VFS_CORRUPT, "out of order"), 0;
	memcpy(f->at.b, key.p, key.n);
	f->at.n = key.n;
	f->rows++;
	if (row_key_parse(key, &parts) < 0)
		return found(f, -VFS_CORRUPT, "unknown kind of key"), 0;
	if (raw.n < ROW_SUM || le_get64((const uint8_t *)raw.p + payload.n) !=
	    sum_row(key, payload))
		return found(f, -VFS_CORRUPT, "its checksum is wrong"), 0;
	return 1;
}

static void
walk(struct engine *e, void *store, struct finding *f)
{
	struct vfs_slice key, val;
	struct store_usage u;
	void *snap = NULL, *cur = NULL;
	int err;

	if ((err = e->sops->snap_begin(store, &snap)) < 0) {
		found(f, err, "no snapshot");
		return;
	}
	if ((err = e->sops->cur_open(snap, &cur)) == 0)
		err = e->sops->cur_seek(cur, (struct vfs_slice){ "", 0 },
		    &key, &val);
	while (err == 0 && row_good(f, key, val))
		err = e->sops->cur_next(cur, &key, &val);
	if (err < 0 && err != -VFS_NOENT)
		found(f, err, "the rows behind it cannot be read");
	if (cur != NULL)
		e->sops->cur_close(cur);
	e->sops->snap_end(snap);
	if (f->err == 0 && e->sops->usage(store, &u) == 0 &&
	    u.rows != f->rows)
		found(f, -VFS_CORRUPT, "rows are missing somewhere");
}

static void
verify(struct engine *e, struct finding *f)
{
	void *store = NULL;
	int err;

	err = e->sops->open(e->conf.dirfd, false, true, &store);
	if (err < 0) {
		found(f, err, "it cannot be opened");
		return;
	}
	walk(e, store, f);
	e->sops->close(store);
}

static int
report(struct engine *e, const struct finding *f)
{
	char text[96];

	if (f->err == 0)
		return 0;
	return efault(e, f->err, "the row store is damaged at row %s: %s",
	    f->rows > 0 ? key_text(row_key_slice(&f->at), text,
	    sizeof(text)) : "(first)", f->what);
}

static int
wait_child(pid_t pid, struct finding *f)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return vfs_err_from_os(errno);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		found(f, -VFS_CORRUPT, "reading behind it kills the reader");
	return 0;
}

static int
verify_in_child(struct engine *e, struct finding *f)
{
	pid_t pid = fork();

	if (pid < 0)
		return efault(e, vfs_err_from_os(errno), "fork");
	if (pid == 0) {
		verify(e, f);
		_exit(0);
	}
	return wait_child(pid, f);
}

int
verify_store(struct engine *e)
{
	struct finding *f;
	int err = 0;

	f = mmap(NULL, sizeof(*f), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (f == MAP_FAILED)
		return -VFS_NOMEM;
	/* Tests that open thousands of stores a second look by themselves. */
	if (e->conf.no_threads)
		verify(e, f);
	else
		err = verify_in_child(e, f);
	if (err == 0)
		err = report(e, f);
	munmap(f, sizeof(*f));
	return err;
}

/*
 * sandbox.h - giving up what the daemon does not need
 *
 * In two steps.  Before the store is opened: become the store's owner if
 * we are root, no new privileges, Landlock to the store's directory, no
 * capabilities; threads that are made later inherit all of it.  Once all
 * threads are there: a filter that knows only the system calls that
 * serving takes.
 *
 * Failure:   -1 with one line in why; the caller decides whether that
 *            matters (require-sandbox).
 */
#ifndef VFSD_SANDBOX_H
#define VFSD_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

/* Not a sandbox yet, and always done: root becomes the store's owner. */
int sandbox_become_owner(int store_dirfd, char *why, size_t cap);
/* Once the files are open, if root has started us: the store's owner, who
 * could, may not look into us, nor hold us up (ptrace(2)). */
void sandbox_hide(void);
int sandbox_files(int store_dirfd, bool rdonly, char *why, size_t cap);
int sandbox_calls(char *why, size_t cap);

#endif

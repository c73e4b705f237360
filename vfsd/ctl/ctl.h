/*
 * ctl.h - what the subcommands of vfsctl share
 *
 * A subcommand is a row of the table in vfsctl.c: run gets the arguments
 * behind its name and gives the exit status.
 */
#ifndef VFSD_CTL_H
#define VFSD_CTL_H

#include <stdbool.h>
#include <stdio.h>

#include "../../protocol/codec.h"
#include "../addr.h"
#include "../storedir.h"

enum {
	CTL_OK = 0,
	CTL_FAILED = 1,
	CTL_USAGE = 2,
	CTL_OTHERWISE = 3,		/* tx: things are not as required */
	CTL_EXPIRED = 3,		/* changes: the cursor is too old */
	/* check's, as fsck(8) */
	CTL_REPAIRED = 1,
	CTL_DAMAGED = 4,
	CTL_NO_CHECK = 8,
	CTL_CHECK_USAGE = 16,
};

struct ctl_cmd {
	const char *name, *args, *about;
	const char *options;		/* lines of --help, or NULL */
	int (*run)(const struct ctl_cmd *cmd, int argc, char **argv);
	int usage;			/* exit status of a wrong call */
};

int ctl_status(const struct ctl_cmd *, int, char **);
int ctl_check(const struct ctl_cmd *, int, char **);
int ctl_id(const struct ctl_cmd *, int, char **);
int ctl_paths(const struct ctl_cmd *, int, char **);
int ctl_changes(const struct ctl_cmd *, int, char **);
int ctl_dump(const struct ctl_cmd *, int, char **);
int ctl_why(const struct ctl_cmd *, int, char **);
int ctl_publish(const struct ctl_cmd *, int, char **);
int ctl_tx(const struct ctl_cmd *, int, char **);
int ctl_grant(const struct ctl_cmd *, int, char **);
int ctl_sessions(const struct ctl_cmd *, int, char **);
int ctl_version(const struct ctl_cmd *, int, char **);

/* Prints how cmd is called; the exit status for a wrong call. */
int ctl_usage(const struct ctl_cmd *cmd, FILE *to);

/* One line to stderr: "vfsctl: about: what"; CTL_FAILED. */
int ctl_fail(const char *about, int err);

/*
 * Options and up to two operands.  flags: names of options, NULL at the
 * end; an option that ends in '=' has a value, also given as the next
 * word.  false: usage was shown.
 */
struct ctl_args {
	bool json;
	bool flag[8];			/* as listed */
	const char *value[8];
	const char *arg[2];		/* NULL where not given */
};
bool ctl_parse(const struct ctl_cmd *cmd, int argc, char **argv,
    const char *const *flags, int need, int max, struct ctl_args *out);

/* An operand or a value that is a number from 0 to max, in this base; false:
 * it was said that it is none. */
bool ctl_number(const struct ctl_cmd *cmd, const char *s, int base,
    uint64_t max, uint64_t *out);

/* A list of fault records, as why has them. */
void ctl_faults(const struct ctl_args *a, struct vfs_slice list);

/* The daemon that serves a path; says why not. */
struct ctl;
int ctl_reach(const char *path, struct addr *addr, struct ctl *k);
/* Says why there is none: what addr_find or ctl_open found. */
int ctl_lost(const char *path, const struct addr *addr, int err);
/* Is a store in this directory?  Yes, where one may not look. */
bool ctl_is_store(const char *dir);

/* --- a daemon (client.c) ---------------------------------------- */

struct ctl {
	int fd;
	uint64_t req_id;
	uint64_t tx;			/* not 0: requests run in this one */
	uint8_t *msg;			/* what replies borrow from */
	struct proto_error error;	/* of the last refused request */
	bool changed;			/* N_CHANGED has come */
};

int ctl_open(struct ctl *k, const struct addr *a);
void ctl_close(struct ctl *k);

/* One request and its reply; what r borrows is good until the next. */
int ctl_call(struct ctl *k, enum vfs_op op, const void *q, void *r);
/* Wait for N_CHANGED, at most ms (-1: for ever), or until fd is readable.
 * 1: it came (k->changed); 0: it did not, or fd. */
int ctl_wait(struct ctl *k, int fd, int ms);

/* The path of a directory below the root, built from the end of buf; ""
 * for the root.  (paths.c) */
int ctl_dir_path(struct ctl *k, uint64_t dir, char *buf, size_t cap,
    char **out);
/* The same of any one name of an object: its directory, and the name. */
int ctl_first_name(struct ctl *k, uint64_t id, uint64_t *dir,
    char name[VFS_NAME_MAX + 1]);

/* --- a store without one (store.c) ------------------------------ */

struct engine;

struct ctl_store {
	const char *path;
	struct storedir dir;
	struct engine *engine;
	char why[300];			/* what an open said, if it failed */
	const char *lost;		/* what is wrong with the log, or was
					 * before it was made anew; NULL: all
					 * of it is there */
	const char *kept;		/* the old one's name now, or NULL */
};

/* Opens a store nobody serves, damaged or not; write only for repairs.  Says
 * why not.  -VFS_CORRUPT: it is too damaged to be opened. */
int ctl_store_open(const char *dir, bool write, struct ctl_store *out);
/* The same in two steps, its directory, and what is in it; why tells, of the
 * former with the path. */
int ctl_store_hold(const char *dir, bool write, struct ctl_store *out);
int ctl_store_load(struct ctl_store *s, bool write);
int ctl_store_close(struct ctl_store *s);

/* --- output (json.c) -------------------------------------------- */

/* Members of an object or elements of an array; key NULL in arrays. */
struct json {
	FILE *to;
	bool more;			/* the next one needs a comma */
};
void json_begin(struct json *j, const char *key, char bracket);
void json_end(struct json *j, char bracket);
void json_num(struct json *j, const char *key, uint64_t n);
void json_int(struct json *j, const char *key, int64_t n);
void json_bool(struct json *j, const char *key, bool b);
/* Bytes that are no UTF-8 become \udc80 to \udcff, as Python does; what a
 * terminal would obey is \uXXXX, in keys as well. */
void json_str(struct json *j, const char *key, struct vfs_slice s);
void json_text(struct json *j, const char *key, const char *s);

/* The name of a kind of row ("inode"); never NULL. */
const char *ctl_kind(uint32_t kind);

/* Bytes for people: what is no printable character as \ooo; so whatever comes
 * from a store or a daemon goes to a terminal.  Then blanks up to width. */
void ctl_print(FILE *to, struct vfs_slice s);
void ctl_print_in(FILE *to, struct vfs_slice s, size_t width);
void ctl_print_text(FILE *to, const char *s);

#endif

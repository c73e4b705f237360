/*
 * conf.h - what the command line asks for
 */
#ifndef VFSD_CONF_H
#define VFSD_CONF_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CONF_LISTEN_MAX	8u		/* listen= options */

struct conf {
	const char *store_arg, *mount_arg;	/* as they were given; the
					 * latter NULL: serve only */
	char store[PATH_MAX];		/* the directory, absolute */
	char mountpoint[PATH_MAX];	/* absolute */
	char fsname[PATH_MAX];		/* what mount(8) shows */
	char listen[CONF_LISTEN_MAX][PATH_MAX];	/* front/listen.h */
	unsigned nlisten;

	bool foreground;
	bool rdonly;
	bool allow_other;
	bool allow_peers;		/* ... said so: sockets too */
	bool sync_all;			/* durability=sync */
	bool shared_locks;		/* locks=shared */
	bool own_checks;		/* nodefault_permissions */
	bool direct, direct_new;
	bool uring;
	bool atime;
	bool require_sandbox, no_sandbox;
	bool trust_owner;		/* of the store, as root is trusted */
	uint64_t journal_max;		/* bytes; 0: the default */
	unsigned long mount_flags;	/* MS_* for mount(2) ... */
	unsigned long flags_said;	/* ... that an option spoke of */

	bool help, version;
};

/* 0, or -1 with one line in why.  Does not touch the filesystem. */
int conf_parse(int argc, char **argv, struct conf *out, char *why,
    size_t cap);
void conf_usage(FILE *to);
/* The options of vfsd's own that hold, the defaults as well, with commas
 * between them; the caller's, NULL without memory. */
char *conf_options(const struct conf *c);
/* Root's mounts honour set-id bits and devices; unless the option said so, not
 * those of a store that belongs to somebody else, who may make its content. */
void conf_owner(struct conf *c, uint32_t store_uid);

#endif

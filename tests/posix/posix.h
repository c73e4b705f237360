/*
 * posix.h - the rules of a filesystem as tables
 *
 * Every case runs in a child process with a fresh directory as its
 * working directory, umask 0.  Most cases are rows of words (words.c):
 *
 *	set-up        statements that must succeed
 *	call          the one statement that is asked about
 *	err           the errno it must give, 0 for success
 *	state         what must hold afterwards
 *
 * Statements are separated by ';', words by blanks.  "as=1000/1000[/7]"
 * before a statement runs it under that user and group (and one more).
 * In a word @N is N times 'x' and %HH is the byte with that hex code.
 * What words cannot say is a function, in the same list.
 *
 * not: filesystems that differ, with the reason, as in "tmpfs=why".
 */
#ifndef POSIX_H
#define POSIX_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define PX_SLOTS	8
#define PX_STAMPS	8
#define PX_ARGS		8
#define PX_WORD		8192

struct px_stamp {
	char path[64];
	struct stat st;
};

/* One running case. */
struct px {
	char *told;			/* shared with the parent */
	size_t told_max;
	const char *fs;			/* "ext4", "xfs", "tmpfs", "fuse" */
	int fd[PX_SLOTS];		/* of "hold" */
	struct px_stamp stamp[PX_STAMPS];
	unsigned nstamps;
};

struct row {
	const char *setup, *call;
	int err;
	const char *state;
	const char *not;
};

struct test {
	const char *name;
	void (*run)(struct px *px);
	const char *not;
	bool root;			/* asks for privilege */
};

struct family {
	const char *name;
	const struct row *rows;		/* up to one without call; or NULL */
	const struct test *tests;	/* up to one without name; or NULL */
};

/* End the case: it failed, or cannot run here. */
void px_fail(struct px *px, const char *fmt, ...)
    __attribute__((noreturn, format(printf, 2, 3)));
void px_skip(struct px *px, const char *fmt, ...)
    __attribute__((noreturn, format(printf, 2, 3)));

/* Run statements that must succeed; one statement: 0 or an errno. */
void px_do(struct px *px, const char *statements);
int px_call(struct px *px, const char *statement);
/* Fail unless all of this holds (state.c). */
void px_expect(struct px *px, const char *states);

/* words.c, for state.c: splits one statement, false at the end. */
struct px_words {
	int argc;
	char *argv[PX_ARGS];
	char room[2 * PX_WORD];
};
bool px_next(struct px *px, const char **at, struct px_words *w);
long long px_num(struct px *px, const char *word);
int px_slot(struct px *px, const char *word);

/* Let the clock of the coarsest filesystem move on. */
void px_tick(void);

#define CHECK(px, cond) do { \
	if (!(cond)) \
		px_fail(px, "%s:%d: %s", __FILE__, __LINE__, #cond); \
} while (0)

/* A call that gives a count or -1. */
#define CALL(px, expr) __extension__({ \
	long long r_ = (long long)(expr); \
	if (r_ < 0) \
		px_fail(px, "%s:%d: %s: %s", __FILE__, __LINE__, #expr, \
		    strerror(errno)); \
	r_; \
})

#define EQUAL(px, a, b) do { \
	long long a_ = (long long)(a), b_ = (long long)(b); \
	if (a_ != b_) \
		px_fail(px, "%s:%d: %s is %lld, not %lld (%s)", __FILE__, \
		    __LINE__, #a, a_, b_, #b); \
} while (0)

#define ERRNO(px, expr, want) do { \
	errno = 0; \
	long long r_ = (long long)(expr); \
	int e_ = r_ < 0 ? errno : 0; \
	if (e_ != (want)) \
		px_fail(px, "%s:%d: %s: %s, not %s", __FILE__, __LINE__, \
		    #expr, strerrorname_np(e_) ? strerrorname_np(e_) : "0", \
		    #want); \
} while (0)

/* Run fn in a child as another user; what it fails is failed. */
void px_as(struct px *px, uid_t uid, gid_t gid, void (*fn)(struct px *px));

#endif

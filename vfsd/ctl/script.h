/*
 * script.h - lines of words
 *
 * Words stand between blanks; one in double quotes may have blanks, and
 * \" \\ \n \t \0 and \xHH in it.  '#' begins a comment where a word could
 * begin.  A word may have any bytes in it.
 */
#ifndef VFSD_CTL_SCRIPT_H
#define VFSD_CTL_SCRIPT_H

#include <stdbool.h>
#include <stdio.h>

#include "../../protocol/types.h"

#define SCRIPT_WORDS_MAX	8u
#define SCRIPT_LINES_MAX	65536u

struct script_line {
	unsigned number;		/* in the file, from 1 */
	unsigned n;
	struct vfs_slice w[SCRIPT_WORDS_MAX];
	bool quoted[SCRIPT_WORDS_MAX];
	char *text;			/* what the words borrow */
};

struct script {
	struct script_line *v;
	size_t n, cap;
};

/* All lines that have words.  0; or what is wrong has been told, with file
 * (its name) and line: -VFS_INVAL if that is in the script. */
int script_read(FILE *in, const char *file, struct script *out);
void script_free(struct script *s);

bool script_is(struct vfs_slice word, const char *s);
/* A whole number; base 8 for modes.  false: it is none. */
bool script_number(struct vfs_slice word, unsigned base, uint64_t *out);

#endif

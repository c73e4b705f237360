#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../protocol/err.h"
#include "script.h"

struct scan {
	const char *p, *end;		/* of the line */
	char *to;			/* where the next word goes */
	const char *why;		/* of a failure */
};

static int
hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ?
	    c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Behind a backslash. */
static bool
escape(struct scan *s)
{
	static const char from[] = "\"\\nt0", to[] = "\"\\\n\t";
	const char *at;

	if (s->p == s->end)
		return false;
	if (*s->p == 'x') {
		if (s->end - s->p < 3 || hex(s->p[1]) < 0 ||
		    hex(s->p[2]) < 0)
			return false;
		*s->to++ = (char)(hex(s->p[1]) << 4 | hex(s->p[2]));
		s->p += 3;
		return true;
	}
	at = *s->p == 0 ? NULL : strchr(from, *s->p);
	if (at == NULL)
		return false;
	*s->to++ = to[at - from];	/* '0': the string's end */
	s->p++;
	return true;
}

static bool
quoted(struct scan *s)
{
	for (s->p++; s->p < s->end && *s->p != '"';) {
		if (*s->p == '\\') {
			s->p++;
			if (!escape(s)) {
				s->why = "no such escape";
				return false;
			}
		} else {
			*s->to++ = *s->p++;
		}
	}
	if (s->p == s->end) {
		s->why = "a quote is not closed";
		return false;
	}
	s->p++;
	if (s->p < s->end && !isspace((unsigned char)*s->p)) {
		s->why = "a blank is missing behind a quote";
		return false;
	}
	return true;
}

static bool
words(struct scan *s, struct script_line *l)
{
	char *from;

	for (;;) {
		while (s->p < s->end && isspace((unsigned char)*s->p))
			s->p++;
		if (s->p == s->end || *s->p == '#')
			return true;
		if (l->n == SCRIPT_WORDS_MAX) {
			s->why = "too many words";
			return false;
		}
		from = s->to;
		l->quoted[l->n] = *s->p == '"';
		if (*s->p == '"') {
			if (!quoted(s))
				return false;
		} else {
			while (s->p < s->end && !isspace((unsigned char)*s->p))
				*s->to++ = *s->p++;
		}
		l->w[l->n++] = (struct vfs_slice){ from,
		    (size_t)(s->to - from) };
	}
}

static struct script_line *
add(struct script *s)
{
	size_t cap = s->cap > 0 ? 2 * s->cap : 64;
	struct script_line *v;

	if (s->n == s->cap) {
		if ((v = realloc(s->v, cap * sizeof *v)) == NULL)
			return NULL;
		s->v = v;
		s->cap = cap;
	}
	return memset(&s->v[s->n], 0, sizeof *s->v);
}

static int
take(struct script *s, const char *text, size_t n, unsigned number,
    const char **why)
{
	struct script_line *l = add(s);
	struct scan sc = { .p = text, .end = text + n };

	*why = "out of memory";
	if (l == NULL || (l->text = malloc(n + 1)) == NULL)
		return -VFS_NOMEM;
	l->number = number;
	sc.to = l->text;
	if (!words(&sc, l) || (l->n > 0 && s->n == SCRIPT_LINES_MAX)) {
		*why = sc.why != NULL ? sc.why : "too many lines";
		free(l->text);
		return -VFS_INVAL;
	}
	if (l->n > 0)
		s->n++;
	else
		free(l->text);
	return 0;
}

int
script_read(FILE *in, const char *file, struct script *out)
{
	struct script s = { NULL, 0, 0 };
	char *line = NULL;
	const char *why;
	unsigned number = 0;
	size_t cap = 0;
	ssize_t n;
	int err = 0;

	while (err == 0 && (n = getline(&line, &cap, in)) >= 0) {
		err = take(&s, line, (size_t)n, ++number, &why);
		if (err < 0)
			fprintf(stderr, "vfsctl: %s:%u: %s\n", file, number,
			    why);
	}
	if (err == 0 && ferror(in)) {
		err = vfs_err_from_os(errno);
		fprintf(stderr, "vfsctl: %s: cannot be read: %s\n", file,
		    vfs_err_text(err));
		if (err == -VFS_INVAL)
			err = -VFS_IO;
	}
	free(line);
	if (err < 0)
		script_free(&s);
	else
		*out = s;
	return err;
}

void
script_free(struct script *s)
{
	while (s->n > 0)
		free(s->v[--s->n].text);
	free(s->v);
	*s = (struct script){ NULL, 0, 0 };
}

bool
script_is(struct vfs_slice word, const char *s)
{
	return word.n == strlen(s) && memcmp(word.p, s, word.n) == 0;
}

bool
script_number(struct vfs_slice word, unsigned base, uint64_t *out)
{
	const char *p = word.p;
	uint64_t v = 0;
	size_t i;

	for (i = 0; i < word.n; i++) {
		unsigned d = (unsigned)(p[i] - '0');

		if (d >= base || v > (UINT64_MAX - d) / base)
			return false;
		v = v * base + d;
	}
	*out = v;
	return word.n > 0;
}

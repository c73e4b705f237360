#include <inttypes.h>
#include <string.h>

#include "ctl.h"

/* Bytes of the UTF-8 character at p and which it is, 0 if it is none. */
static size_t
utf8(const uint8_t *p, size_t n, uint32_t *out)
{
	uint32_t c;
	size_t i, len;

	*out = c = p[0];
	if (c < 0x80)
		return 1;
	len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || len > n)
		return 0;
	c = p[0] & (0x7fu >> len);
	for (i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if ((len == 3 && c < 0x800) || (len == 4 && c < 0x10000) ||
	    c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	*out = c;
	return len;
}

/* Would a terminal obey it, or show what stands beside it elsewhere?  C0, C1,
 * the ends of lines, and what turns the direction of writing. */
static bool
is_command(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c ||
	    c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
	    (c >= 0x2066 && c <= 0x2069);
}

static void
quoted(struct json *j, struct vfs_slice s)
{
	const uint8_t *p = s.p;
	size_t i, n;
	uint32_t c;

	fputc('"', j->to);
	for (i = 0; i < s.n; i += n == 0 ? 1 : n) {
		n = utf8(p + i, s.n - i, &c);
		if (n == 0)
			fprintf(j->to, "\\udc%02x", p[i]);
		else if (c == '"' || c == '\\')
			fprintf(j->to, "\\%c", p[i]);
		else if (is_command(c))
			fprintf(j->to, "\\u%04" PRIx32, c);
		else
			fwrite(p + i, 1, n, j->to);
	}
	fputc('"', j->to);
}

static void
start(struct json *j, const char *key)
{
	if (j->more)
		fputc(',', j->to);
	j->more = true;
	if (key == NULL)
		return;
	quoted(j, (struct vfs_slice){ key, strlen(key) });
	fputc(':', j->to);
}

void
json_begin(struct json *j, const char *key, char bracket)
{
	start(j, key);
	fputc(bracket, j->to);
	j->more = false;
}

void
json_end(struct json *j, char bracket)
{
	fputc(bracket, j->to);
	j->more = true;
}

void
json_num(struct json *j, const char *key, uint64_t n)
{
	start(j, key);
	fprintf(j->to, "%" PRIu64, n);
}

void
json_int(struct json *j, const char *key, int64_t n)
{
	start(j, key);
	fprintf(j->to, "%" PRId64, n);
}

void
json_bool(struct json *j, const char *key, bool b)
{
	start(j, key);
	fputs(b ? "true" : "false", j->to);
}

void
json_str(struct json *j, const char *key, struct vfs_slice s)
{
	start(j, key);
	quoted(j, s);
}

void
json_text(struct json *j, const char *key, const char *s)
{
	json_str(j, key, (struct vfs_slice){ s, strlen(s) });
}

void
ctl_print(FILE *to, struct vfs_slice s)
{
	ctl_print_in(to, s, 0);
}

void
ctl_print_text(FILE *to, const char *s)
{
	ctl_print(to, (struct vfs_slice){ s, strlen(s) });
}

void
ctl_print_in(FILE *to, struct vfs_slice s, size_t width)
{
	const uint8_t *p = s.p;
	size_t i, k, n, shown = 0;
	uint32_t c;

	for (i = 0; i < s.n; i += n) {
		n = utf8(p + i, s.n - i, &c);
		if (n > 0 && !is_command(c) && c != '\\') {
			fwrite(p + i, 1, n, to);
			shown++;
			continue;
		}
		n += n == 0;
		for (k = 0; k < n; k++)
			shown += (size_t)fprintf(to, "\\%03o", p[i + k]);
	}
	for (; shown < width; shown++)
		fputc(' ', to);
}

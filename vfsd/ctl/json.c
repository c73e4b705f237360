#include <inttypes.h>
#include <string.h>

#include "ctl.h"

static void
start(struct json *j, const char *key)
{
	if (j->more)
		fputc(',', j->to);
	j->more = true;
	if (key != NULL)
		fprintf(j->to, "\"%s\":", key);
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

/* Bytes of the UTF-8 character at p, 0 if it is none. */
static size_t
utf8(const uint8_t *p, size_t n)
{
	uint32_t c;
	size_t i, len;

	if (p[0] < 0x80)
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
	return len;
}

void
json_str(struct json *j, const char *key, struct vfs_slice s)
{
	const uint8_t *p = s.p;
	size_t i, n;

	start(j, key);
	fputc('"', j->to);
	for (i = 0; i < s.n; i += n == 0 ? 1 : n) {
		n = utf8(p + i, s.n - i);
		if (n == 0)
			fprintf(j->to, "\\udc%02x", p[i]);
		else if (p[i] == '"' || p[i] == '\\')
			fprintf(j->to, "\\%c", p[i]);
		else if (p[i] < 0x20 || p[i] == 0x7f)
			fprintf(j->to, "\\u%04x", p[i]);
		else
			fwrite(p + i, 1, n, j->to);
	}
	fputc('"', j->to);
}

void
json_text(struct json *j, const char *key, const char *s)
{
	json_str(j, key, (struct vfs_slice){ s, strlen(s) });
}

void
ctl_print(FILE *to, struct vfs_slice s)
{
	const uint8_t *p = s.p;
	size_t i, n;

	for (i = 0; i < s.n; i += n == 0 ? 1 : n) {
		n = utf8(p + i, s.n - i);
		if (n == 0 || p[i] < 0x20 || p[i] == 0x7f || p[i] == '\\')
			fprintf(to, "\\%03o", p[i]);
		else
			fwrite(p + i, 1, n, to);
	}
}

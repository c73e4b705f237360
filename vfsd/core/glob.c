#include "glob.h"

/* Bytes of the character at p, of n that are left. */
static size_t
char_len(const uint8_t *p, size_t n)
{
	size_t len = *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : *p >= 0xc2 ? 2 : 1;
	size_t i;

	if (len > n || *p > 0xf4)
		return 1;
	for (i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 1;
	return len;
}

/* The set at p[0..n), '[' included: its length, 0 if it has no end. */
static size_t
set_match(const uint8_t *p, size_t n, uint8_t c, bool *hit)
{
	size_t i = 1, first;
	bool not = n > 1 && (p[1] == '!' || p[1] == '^');
	uint8_t from, to;

	*hit = false;
	i += not;
	for (first = i; i < n && (p[i] != ']' || i == first); i++) {
		if (p[i] == '\\' && i + 1 < n)
			i++;
		from = to = p[i];
		if (i + 2 < n && p[i + 1] == '-' && p[i + 2] != ']') {
			i += 2;
			if (p[i] == '\\' && i + 1 < n)
				i++;
			to = p[i];
		}
		if (c >= from && c <= to)
			*hit = true;
	}
	if (i >= n)
		return 0;
	*hit ^= not;
	return i + 1;
}

/* One step that is no star: how much of pattern and name it takes; false
 * if they differ. */
static bool
step(const uint8_t *p, size_t pn, const uint8_t *s, size_t sn, size_t *took,
    size_t *ate)
{
	bool hit;

	*took = *ate = 1;
	switch (p[0]) {
	case '?':
		*ate = char_len(s, sn);
		return true;
	case '[':
		if ((*took = set_match(p, pn, s[0], &hit)) != 0)
			return hit;
		*took = 1;
		return s[0] == '[';
	case '\\':
		if (pn > 1) {
			*took = 2;
			return p[1] == s[0];
		}
		return s[0] == '\\';
	default:
		return p[0] == s[0];
	}
}

/* Only the last star is ever tried again: what earlier ones matched can
 * stay as short as it was. */
bool
glob_match(struct vfs_slice pattern, struct vfs_slice name)
{
	const uint8_t *p = pattern.p, *s = name.p;
	size_t i = 0, k = 0, took, ate;
	size_t star = SIZE_MAX, again = 0;	/* behind it; where */

	while (k < name.n) {
		if (i < pattern.n && p[i] == '*') {
			star = ++i;
			again = k;
		} else if (i < pattern.n && step(p + i, pattern.n - i, s + k,
		    name.n - k, &took, &ate)) {
			i += took;
			k += ate;
		} else if (star != SIZE_MAX) {
			i = star;
			k = ++again;
		} else {
			return false;
		}
	}
	while (i < pattern.n && p[i] == '*')
		i++;
	return i == pattern.n;
}

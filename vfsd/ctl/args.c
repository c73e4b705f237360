#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"

/* The listed option that argv[*at] is, with its value, which may be the
 * next word; -1 if it is none. */
static int
option(int argc, char **argv, int *at, const char *const *flags,
    const char **value)
{
	const char *s = argv[*at];
	size_t n;
	int i;

	*value = NULL;
	for (i = 0; flags != NULL && flags[i] != NULL; i++) {
		n = strlen(flags[i]);
		if (flags[i][n - 1] == '=' && strlen(s) == n - 1 &&
		    strncmp(s, flags[i], n - 1) == 0 && *at + 1 < argc) {
			*value = argv[++*at];
			return i;
		}
		if (flags[i][n - 1] == '=' ? strncmp(s, flags[i], n) == 0
		    : strcmp(s, flags[i]) == 0) {
			*value = s + n;
			return i;
		}
	}
	return -1;
}

/* Is it an option that lacks its value? */
static bool
lacks_value(const char *s, const char *const *flags)
{
	size_t n = strlen(s);

	for (; flags != NULL && *flags != NULL; flags++)
		if (strncmp(s, *flags, n) == 0 && strcmp(*flags + n, "=") == 0)
			return true;
	return false;
}

bool
ctl_parse(const struct ctl_cmd *cmd, int argc, char **argv,
    const char *const *flags, int need, int max, struct ctl_args *out)
{
	const char *value;
	bool plain = false;
	int i, f, n = 0;

	memset(out, 0, sizeof *out);
	for (i = 0; i < argc; i++) {
		if (!plain && strcmp(argv[i], "--") == 0) {
			plain = true;
		} else if (!plain && strcmp(argv[i], "--json") == 0) {
			out->json = true;
		} else if (!plain && argv[i][0] == '-' && argv[i][1] != 0) {
			if ((f = option(argc, argv, &i, flags, &value)) < 0)
				break;
			out->flag[f] = true;
			out->value[f] = value;
		} else {
			if (n == max)
				break;
			out->arg[n++] = argv[i];
		}
	}
	if (i == argc && n >= need)
		return true;
	if (i < argc && !plain && lacks_value(argv[i], flags))
		fprintf(stderr, "vfsctl %s: %s needs a value\n", cmd->name,
		    argv[i]);
	else if (i < argc)
		fprintf(stderr, "vfsctl %s: unexpected: %s\n", cmd->name,
		    argv[i]);
	ctl_usage(cmd, stderr);
	return false;
}

bool
ctl_number(const struct ctl_cmd *cmd, const char *s, int base, uint64_t max,
    uint64_t *out)
{
	unsigned char c = (unsigned char)*s;
	char *end = NULL;

	errno = 0;
	if (base == 16 ? isxdigit(c) : isdigit(c))	/* no sign, no blank */
		*out = strtoull(s, &end, base);
	if (end != NULL && *end == 0 && errno == 0 && *out <= max)
		return true;
	fprintf(stderr, "vfsctl %s: not a number%s: %s\n", cmd->name,
	    base == 16 ? " in hexadecimal" : "", s);
	return false;
}

bool
ctl_is_store(const char *dir)
{
	char mark[PATH_MAX + sizeof STOREDIR_MARK + 1];

	snprintf(mark, sizeof mark, "%s/%s", dir, STOREDIR_MARK);
	return access(mark, F_OK) == 0 || errno != ENOENT;
}

int
ctl_lost(const char *path, const struct addr *addr, int err)
{
	if (err != -VFS_NOTDIR && (err != -VFS_OFFLINE ||
	    addr->mount[0] != 0 || ctl_is_store(addr->store)))
		return ctl_fail(path, err);
	fprintf(stderr, "vfsctl: %s: neither a store nor in a mount of "
	    "vfsd\n", path);
	return CTL_FAILED;
}

int
ctl_reach(const char *path, struct addr *addr, struct ctl *k)
{
	int err;

	if ((err = addr_find(path, addr)) < 0 ||
	    (err = ctl_open(k, addr)) < 0)
		ctl_lost(path, addr, err);
	return err;
}

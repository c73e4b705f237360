#include <errno.h>
#include <stddef.h>

#include "err.h"

/* Apart from the codec: not every host has an errno.h. */
static const struct {
	int code, os;
} rows[] = {
#define ERR(n, name, os, text) { n, os },
#include "err.def"
#undef ERR
};

#define NROWS (sizeof rows / sizeof rows[0])

int
vfs_err_errno(int err)
{
	size_t i;

	if (err < 0)
		err = -err;
	for (i = 0; i < NROWS; i++)
		if (rows[i].code == err)
			return rows[i].os;
	return err == 0 ? 0 : EIO;
}

int
vfs_err_from_os(int os)
{
	size_t i;

	for (i = 0; i < NROWS; i++)
		if (rows[i].os == os)
			return -rows[i].code;
	return -VFS_IO;
}

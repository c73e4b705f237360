#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "../../protocol/err.h"
#include "../../protocol/limits.h"
#include "region.h"

/* Huge pages may be missing when they are touched: a SIGBUS. */
static bool
ordinary(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
}

int
region_map(int fd, uint64_t n, bool write, struct region *out)
{
	struct stat st;
	int seals;
	void *p;

	if (n == 0 || n > VFS_GRANT_BYTES_MAX)
		return -VFS_INVAL;
	/* The seal first: after it the size only grows. */
	seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 || !ordinary(fd))
		return -VFS_INVAL;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    (uint64_t)st.st_size < n)
		return -VFS_INVAL;
	p = mmap(NULL, n, PROT_READ | (write ? PROT_WRITE : 0), MAP_SHARED,
	    fd, 0);
	if (p == MAP_FAILED)
		return errno == EACCES || errno == EPERM ? -VFS_ACCESS :
		    vfs_err_from_os(errno);
	*out = (struct region){ p, n };
	return 0;
}

void
region_unmap(struct region *r)
{
	if (r->p != NULL)
		munmap(r->p, r->n);
	*r = (struct region){ NULL, 0 };
}

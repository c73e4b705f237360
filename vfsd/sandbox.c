#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox.h"

static int
say(char *why, size_t cap, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, cap, fmt, ap);
	va_end(ap);
	return -1;
}

int
sandbox_become_owner(int store_dirfd, char *why, size_t cap)
{
	struct stat st;

	if (geteuid() != 0)
		return 0;
	if (fstat(store_dirfd, &st) != 0)
		return say(why, cap, "fstat: %s", strerror(errno));
	if (st.st_uid == 0)
		return 0;
	if (setgroups(0, NULL) != 0 ||
	    setresgid(st.st_gid, st.st_gid, st.st_gid) != 0 ||
	    setresuid(st.st_uid, st.st_uid, st.st_uid) != 0)
		return say(why, cap, "cannot become the store's owner: %s",
		    strerror(errno));
	/* Our own /proc entries stay ours. */
	prctl(PR_SET_DUMPABLE, 1);
	return 0;
}

int
sandbox_files(int store_dirfd, bool rdonly, char *why, size_t cap)
{
	(void)store_dirfd;
	(void)rdonly;
	return say(why, cap, "not built yet");
}

int
sandbox_calls(char *why, size_t cap)
{
	return say(why, cap, "not built yet");
}

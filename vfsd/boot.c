#include <fcntl.h>
#include <unistd.h>

#include "boot.h"

static int
hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' :
	    c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void
boot_id(uint64_t out[2])
{
	char text[64];
	int fd, i, digits = 0;
	ssize_t n;

	out[0] = out[1] = 0;
	fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = read(fd, text, sizeof text);
	close(fd);
	for (i = 0; i < n && digits < 32; i++)
		if (hex(text[i]) >= 0) {
			out[digits / 16] = out[digits / 16] << 4 |
			    (uint64_t)hex(text[i]);
			digits++;
		}
}

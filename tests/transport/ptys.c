/*
 * ptys [SEED] - two serial ports and a cable between them
 *
 * Prints the names of two ttys; what is written to one is read from the
 * other.  With a seed the cable is bad: bytes are changed, lost and made
 * up.  Ends when its standard input does.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "ptys.h"

static int
port(void)
{
	struct termios t;
	int fd = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK), keep;

	if (fd < 0 || grantpt(fd) != 0 || unlockpt(fd) != 0)
		return -1;
	printf("%s\n", ptsname(fd));
	/* kept open, and raw: no hang-up, no echo while nobody is there */
	keep = open(ptsname(fd), O_RDWR | O_NOCTTY);
	if (keep < 0 || tcgetattr(keep, &t) < 0)
		return -1;
	cfmakeraw(&t);
	return tcsetattr(keep, TCSANOW, &t) < 0 ? -1 : fd;
}

static uint64_t
rnd(uint64_t *s)
{
	*s = *s * 6364136223846793005u + 1442695040888963407u;
	return *s >> 33;
}

/* What a bad cable makes of some bytes: a change in one of 8 reads. */
static ssize_t
spoil(uint8_t *p, ssize_t n, uint64_t *seed)
{
	if (n <= 0 || rnd(seed) % 8 != 0)
		return n;
	switch (rnd(seed) % 3) {
	case 0:
		p[rnd(seed) % (uint64_t)n] ^= (uint8_t)(1 << rnd(seed) % 8);
		return n;
	case 1:
		return n - 1;
	default:
		p[n] = (uint8_t)rnd(seed);
		return n + 1;
	}
}

static void
write_all(int fd, const uint8_t *p, ssize_t n)
{
	struct pollfd w = { .fd = fd, .events = POLLOUT };
	ssize_t k;

	while (n > 0) {
		if ((k = write(fd, p, (size_t)n)) > 0) {
			p += k;
			n -= k;
		} else if (poll(&w, 1, 1000) != 1) {
			return;		/* nobody reads: lost */
		}
	}
}

int
ptys_main(const char *seed_text)
{
	uint64_t seed = seed_text != NULL ? strtoull(seed_text, NULL, 0) : 0;
	struct pollfd p[3] = { { 0, POLLIN, 0 }, { port(), POLLIN, 0 },
		{ port(), POLLIN, 0 } };
	bool bad = seed_text != NULL;
	uint8_t buf[1025];
	ssize_t n;
	int i;

	if (p[1].fd < 0 || p[2].fd < 0)
		return 1;
	fflush(stdout);
	while (poll(p, 3, -1) >= 0 && p[0].revents == 0)
		for (i = 1; i < 3; i++) {
			n = read(p[i].fd, buf, sizeof buf - 1);
			if (bad)
				n = spoil(buf, n, &seed);
			write_all(p[3 - i].fd, buf, n);
		}
	return 0;
}

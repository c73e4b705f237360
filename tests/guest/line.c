#include "../../protocol/cobs.h"
#include "line.h"
#include "machine.h"

#define KNOCKS		6u
#define PATIENCE_MS	30000u		/* for an answer */

static struct cobs cobs;

/* Moves what there is between the port and the frames. */
static int
pump(void)
{
	const uint8_t *p;
	uint8_t byte;
	size_t n, k;
	int c;

	while ((c = com_get(COM_LINE)) >= 0) {
		byte = (uint8_t)c;
		cobs_input(&cobs, &byte, 1, machine_ms());
	}
	while (p = cobs_output(&cobs, &n, machine_ms()), n > 0) {
		if ((k = com_put(COM_LINE, p, n)) == 0)
			break;
		cobs_sent(&cobs, k);
	}
	return cobs.state == COBS_ENDED ? -VFS_SESSION_CLOSED : 0;
}

static long
get(void *arg, void *p, size_t n)
{
	size_t k;
	int err;

	(void)arg;
	err = pump();
	k = cobs_read(&cobs, p, n);
	return k > 0 || err == 0 ? (long)k : err;
}

static long
put(void *arg, const void *p, size_t n)
{
	size_t k = cobs_write(&cobs, p, n);
	int err = pump();

	(void)arg;
	return err < 0 ? err : (long)k;
}

/* Nothing to sleep on here: it looks until something has changed. */
static int
wait(void *arg, bool room)
{
	uint64_t until = machine_ms() + PATIENCE_MS;
	int err;

	(void)arg;
	while (machine_ms() < until) {
		if (cobs_readable(&cobs) > 0 ||
		    (room && cobs_writable(&cobs)))
			return 0;
		if ((err = pump()) < 0)
			return err;
	}
	return -VFS_DEADLINE;
}

int
line_start(struct client_pipe *out)
{
	unsigned i;

	*out = (struct client_pipe){ get, put, wait, 0 };
	for (i = 0; i < KNOCKS; i++) {
		/* another epoch each time; the timer's phase is the chance */
		cobs_start(&cobs, 0x10000u * (i + 1) +
		    (uint32_t)machine_ms() + 1, machine_ms());
		while (pump() == 0)
			if (cobs.state == COBS_UP)
				return 0;
	}
	return -VFS_DEADLINE;
}

void
line_end(void)
{
	uint64_t until = machine_ms() + 1000;

	while (!cobs_idle(&cobs) && machine_ms() < until)
		pump();
	cobs_close(&cobs);
	pump();
	while (cobs.out_at < cobs.out_n && machine_ms() < until)
		pump();
}

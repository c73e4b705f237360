/*
 * A peer that changes the mailbox page between any two loads of ours: see
 * fuzz/ring.c, whose input this has too.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static void ipc_mutate(void);
#define IPC_BETWEEN()	ipc_mutate()
#include "../protocol/ipc.c"

#define STEPS	200u
#define LOADS_MAX	1000000u

static struct {
	const uint8_t *p;
	size_t n;
	uint8_t *page;
	unsigned loads;
} hand;

static unsigned
next_byte(void)
{
	if (hand.n == 0)
		return 0;
	hand.n--;
	return *hand.p++;
}

static void
ipc_mutate(void)
{
	size_t at;
	unsigned a;

	if (++hand.loads > LOADS_MAX)
		abort();		/* it gets no further */
	if (hand.n < 3 || (a = next_byte()) == 0)
		return;
	at = (a & 0x7f) << 8 | next_byte();
	at = (a & 0x80) != 0 ? at % 448 : 1024 + at % 1024;
	hand.page[at] ^= (uint8_t)next_byte();
}

static void
play(struct ipc *server, struct ipc *client)
{
	uint8_t text[700] = { 1 }, *got;
	bool signal = false;
	unsigned i, what;
	size_t k, want;

	for (i = 0; i < STEPS && hand.n > 0; i++) {
		what = next_byte();
		if ((what & 1) != 0)
			ipc_write(client, text, 8 * (1 + next_byte() % 80),
			    &signal);
		want = 1 + next_byte() * 3;
		got = malloc(want);	/* exactly: nothing beyond it */
		k = ipc_read(server, got, want, &signal);
		if (k > want || (server->err != 0 && k != 0))
			abort();
		free(got);
		if ((what & 2) != 0 && ipc_write(server, text, sizeof text,
		    &signal) > IPC_DATA)
			abort();
		if ((what & 4) != 0)
			ipc_read(client, text, sizeof text, &signal);
		if ((what & 8) != 0)
			ipc_notify(server, IPC_CHANGED);
		ipc_noticed(server);
	}
	if (server->err != 0 && (ipc_read(server, text, 1, &signal) != 0 ||
	    ipc_write(server, text, 1, &signal) != 0))
		abort();		/* for ever */
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct ipc server, client;

	hand.page = aligned_alloc(64, IPC_PAGE);
	memset(hand.page, 0, IPC_PAGE);
	hand.n = hand.loads = 0;
	ipc_format(hand.page);
	ipc_attach(&client, hand.page, IPC_PAGE, false);
	hand.p = p;
	hand.n = n;
	if (ipc_attach(&server, hand.page, IPC_PAGE, true) == 0)
		play(&server, &client);
	free(hand.page);
	return 0;
}

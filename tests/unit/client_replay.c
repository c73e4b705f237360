/* The corpus of fuzz/client.c, once through. */
#include "../../fuzz/client.c"
#include "../../fuzz/replay.h"

int
main(void)
{
	unsigned n = fuzz_replay("fuzz/corpus/client");

	printf("1..1\n%sok 1 - client_corpus__replayed__%u_inputs\n",
	    n > 0 ? "" : "not ", n);
	return n == 0;
}

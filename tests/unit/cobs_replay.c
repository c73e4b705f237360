/* The corpus of fuzz/cobs.c, once through. */
#include "../../fuzz/cobs.c"
#include "../../fuzz/replay.h"

int
main(void)
{
	unsigned n = fuzz_replay("fuzz/corpus/cobs");

	printf("1..1\n%sok 1 - cobs_corpus__replayed__%u_inputs\n",
	    n > 0 ? "" : "not ", n);
	return n == 0;
}

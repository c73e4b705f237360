/* The corpus of fuzz/ring.c, once through. */
#include "../../fuzz/ring.c"
#include "../../fuzz/replay.h"

int
main(void)
{
	unsigned n = fuzz_replay("fuzz/corpus/ring");

	printf("1..1\n%sok 1 - ring_corpus__replayed__%u_inputs\n",
	    n > 0 ? "" : "not ", n);
	return n == 0;
}

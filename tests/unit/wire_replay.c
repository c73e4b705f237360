/* The corpus of fuzz/wire.c, once through. */
#include "../../fuzz/wire.c"
#include "../../fuzz/replay.h"

int
main(void)
{
	unsigned n = fuzz_replay("fuzz/corpus/wire");

	printf("1..1\n%sok 1 - wire_corpus__replayed__%u_inputs\n",
	    n > 0 ? "" : "not ", n);
	return n == 0;
}

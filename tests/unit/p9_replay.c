/* The corpus of fuzz/p9.c, once through. */
#include "../../fuzz/p9.c"
#include "../../fuzz/replay.h"

int
main(void)
{
	unsigned n = fuzz_replay("fuzz/corpus/p9");

	printf("1..1\n%sok 1 - p9_corpus__replayed__%u_inputs\n",
	    n > 0 ? "" : "not ", n);
	return n == 0;
}

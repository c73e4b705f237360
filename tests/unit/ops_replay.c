/* The corpus of fuzz/ops.c, once through. */
#include "../../fuzz/ops.c"
#include "../../fuzz/replay.h"

int
main(void)
{
	unsigned n = fuzz_replay("fuzz/corpus/ops");

	printf("1..1\n%sok 1 - ops_corpus__replayed__%u_inputs\n",
	    n > 0 ? "" : "not ", n);
	return n == 0;
}

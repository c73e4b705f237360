/* The corpus of fuzz/log.c, once through. */
#include "../../fuzz/log.c"
#include "../../fuzz/replay.h"

int
main(void)
{
	unsigned n = fuzz_replay("fuzz/corpus/log");

	printf("1..1\n%sok 1 - log_corpus__replayed__%u_inputs\n",
	    n > 0 ? "" : "not ", n);
	return n == 0;
}

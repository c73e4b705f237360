/* The corpus of fuzz/ipc.c, once through. */
#include "../../fuzz/ipc.c"
#include "../../fuzz/replay.h"

int
main(void)
{
	unsigned n = fuzz_replay("fuzz/corpus/ipc");

	printf("1..1\n%sok 1 - ipc_corpus__replayed__%u_inputs\n",
	    n > 0 ? "" : "not ", n);
	return n == 0;
}

/* The corpus of fuzz/fuse.c, once through. */
#include "../../fuzz/fuse.c"
#include "../../fuzz/replay.h"

int
main(void)
{
	unsigned n = fuzz_replay("fuzz/corpus/fuse");

	printf("1..1\n%sok 1 - fuse_corpus__replayed__%u_inputs\n",
	    n > 0 ? "" : "not ", n);
	return n == 0;
}

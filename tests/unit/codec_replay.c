/* The corpus of fuzz/codec.c, once through. */
#include "../../fuzz/codec.c"
#include "../../fuzz/replay.h"

int
main(void)
{
	unsigned n = fuzz_replay("fuzz/corpus/codec");

	printf("1..1\n%sok 1 - codec_corpus__replayed__%u_inputs\n",
	    n > 0 ? "" : "not ", n);
	return n == 0;
}

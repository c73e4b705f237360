/* The corpus of fuzz/image.c, once through. */
#include "../../fuzz/image.c"
#include "../../fuzz/replay.h"

int
main(void)
{
	unsigned n = fuzz_replay("fuzz/corpus/image");

	printf("1..1\n%sok 1 - image_corpus__replayed__%u_inputs\n",
	    n > 0 ? "" : "not ", n);
	return n == 0;
}

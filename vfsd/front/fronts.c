#include "fronts.h"
#include "p9_front.h"

/* A row without functions: known, but not built in. */
const struct front_row fronts[] = {
	{ "9p", p9_front_start, p9_front_stop, p9_front_status },
};
const unsigned fronts_n = sizeof fronts / sizeof fronts[0];

#include <stddef.h>

#include "backends.h"

const struct store_ops *const backends_store[] = {
	&be_store_lmdb, &be_store_mem, NULL
};
const struct log_ops *const backends_log[] = {
	&be_log_file, &be_log_mem, NULL
};
const struct data_ops *const backends_data[] = {
	&be_data_file, &be_data_mem, NULL
};

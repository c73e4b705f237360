/*
 * Any rows, with right checksums, in a store: opened, checked, read and
 * repaired, nothing may crash.  Input: rows of u8 key length, u16 value
 * length, key, value.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "image.h"

#define ROWS_IN		512u

static void
image_put(void *store, const uint8_t *key, size_t nkey, const uint8_t *val,
    size_t nval)
{
	uint8_t buf[VAL_MAX + 8];
	struct vfs_slice k = { key, nkey };
	struct store_row row = { k, { buf, nval + 8 } };
	struct store_batch b = { &row, 1 };

	memcpy(buf, val, nval);
	le_put64(buf + nval, sum_row(k, (struct vfs_slice){ buf, nval }));
	be_store_mem.apply(store, &b);
}

static void
image_rows(const uint8_t *p, size_t n)
{
	unsigned rows;
	void *store;
	size_t nkey, nval;

	if (be_store_mem.open(DIR_FD, false, false, &store) < 0)
		abort();
	for (rows = 0; n >= 3 && rows < ROWS_IN; rows++) {
		nkey = p[0];
		nval = le_get16(p + 1);
		p += 3;
		n -= 3;
		if (nkey == 0 || nval > VAL_MAX || nkey + nval > n)
			break;
		image_put(store, p, nkey, p + nkey, nval);
		p += nkey + nval;
		n -= nkey + nval;
	}
	be_store_mem.close(store);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct engine_conf conf = image_conf(false);
	struct engine *e;

	if (engine_open(&conf, &e) < 0 || engine_close(e) < 0)
		abort();
	image_rows(p, n);
	image_use(false);
	image_use(true);
	be_mem_forget(DIR_FD);
	return 0;
}

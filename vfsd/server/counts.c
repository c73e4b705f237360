#include "../clock.h"
#include "counts.h"

static void
add(_Atomic uint64_t *to, uint64_t n)
{
	atomic_fetch_add_explicit(to, n, memory_order_relaxed);
}

void
counts_add(struct counts *c, enum vfs_op op, uint64_t start, int err)
{
	uint64_t ns = clock_ns() - start, max;
	_Atomic uint64_t *top = &c->op[op].ns_max;

	add(&c->op[op].calls, 1);
	add(&c->op[op].ns_total, ns);
	if (err < 0)
		add(&c->op[op].errors, 1);
	max = atomic_load_explicit(top, memory_order_relaxed);
	while (ns > max && !atomic_compare_exchange_weak_explicit(top, &max,
	    ns, memory_order_relaxed, memory_order_relaxed))
		;
}

void
counts_get(struct counts *c, struct op_count out[VFS_OP_COUNT])
{
	unsigned i;

	for (i = 0; i < VFS_OP_COUNT; i++) {
		out[i].calls = atomic_load(&c->op[i].calls);
		out[i].errors = atomic_load(&c->op[i].errors);
		out[i].ns_total = atomic_load(&c->op[i].ns_total);
		out[i].ns_max = atomic_load(&c->op[i].ns_max);
	}
}

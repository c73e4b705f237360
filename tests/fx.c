#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../backends/mem/mem.h"
#include "../vfsd/core/record.h"
#include "fault.h"
#include "fx.h"

#define TRIES_MAX	8		/* stale plans: nobody else writes */
#define YEAR_2024	1704067200

/* --- the store --------------------------------------------------------- */

static void
report(void *arg, const struct fault_rec *f)
{
	struct fx *fx = arg;

	snprintf(fx->report, sizeof fx->report, "%s", f->text);
	if (!fx->quiet && f->err < 0)
		printf("# fault: %s (%s:%d): %s\n", f->text, f->file,
		    f->line, vfs_err_name(f->err));
	fflush(stdout);
}

static void
start(struct fx *fx)
{
	int err;

	fx->env.now.sec++;
	fx->conf.now = fx->env.now;
	err = engine_open(&fx->conf, &fx->e);
	if (err < 0) {
		printf("# engine_open: %s\n", vfs_err_name(err));
		fflush(stdout);
	}
	assert(err == 0);
}

struct fx *
fx_open(void)
{
	return fx_open_log(0);
}

struct fx *
fx_open_log(uint64_t log_bytes)
{
	static int stores;
	struct fx *fx = calloc(1, sizeof *fx);

	assert(fx != NULL);
	fx->step_ns = 1000;
	fx->env.now.sec = YEAR_2024;
	fx->root = (struct core_root){ .mode = 0755 };
	fx->conf = (struct engine_conf){
		.dirfd = -2 - stores++,	/* only a name: no directory */
		.create = true,
		.log_bytes = log_bytes != 0 ? log_bytes : 4 << 20,
		.no_threads = true,
		.boot = { 1, 1 }, .store = &fault_store,
		.log = &fault_log, .data = &fault_data,
		.report = report, .report_arg = fx,
		.format = core_format, .format_arg = &fx->root,
	};
	fx_as_kernel(fx);
	start(fx);
	return fx;
}

void
fx_close(struct fx *fx)
{
	if (fx == NULL)
		return;
	engine_kill(fx->e);
	be_mem_forget(fx->conf.dirfd);
	free(fx);
}

int
fx_setup(void **state)
{
	*state = fx_open();
	return 0;
}

int
fx_teardown(void **state)
{
	fx_close(*state);
	return 0;
}

void
fx_reopen(struct fx *fx)
{
	engine_kill(fx->e);
	start(fx);
}

void
fx_reboot(struct fx *fx)
{
	fx->conf.boot[0]++;
	fx_reopen(fx);
}

void
fx_restart(struct fx *fx)
{
	int err = engine_close(fx->e);

	assert(err == 0);
	(void)err;
	start(fx);
}

/* --- who asks ---------------------------------------------------------- */

void
fx_as(struct fx *fx, uint32_t uid, uint32_t gid)
{
	fx->env.uid = uid;
	fx->env.gid = gid;
	fx->env.groups = NULL;
	fx->env.ngroups = 0;
	fx->env.from_kernel = fx->env.kernel_checked = false;
	fx->env.privileged = uid == 0;
}

void
fx_groups(struct fx *fx, uint32_t n, const uint32_t *groups)
{
	assert(n <= sizeof fx->groups / sizeof fx->groups[0]);
	memcpy(fx->groups, groups, n * sizeof *groups);
	fx->env.groups = fx->groups;
	fx->env.ngroups = n;
}

void
fx_as_kernel(struct fx *fx)
{
	fx_as(fx, 0, 0);
	fx->env.from_kernel = fx->env.kernel_checked = true;
}

static void
tick(struct fx *fx)
{
	uint64_t ns = fx->env.now.nsec + fx->step_ns;

	fx->env.now.sec += (int64_t)(ns / 1000000000);
	fx->env.now.nsec = (uint32_t)(ns % 1000000000);
}

/* --- operations -------------------------------------------------------- */

static int
prepare(struct fx *fx, enum vfs_op op, const void *q, struct plan **p)
{
	struct txn *t;
	int err;

	*p = NULL;
	if (op != VFS_OP_WRITE && op != VFS_OP_SETATTR &&
	    op != VFS_OP_ALLOCATE && op != VFS_OP_COPY_RANGE &&
	    op != VFS_OP_PUBLISH)
		return 0;
	if ((err = txn_begin(fx->e, TXN_READ, &fx->env, &t)) < 0)
		return err;
	switch (op) {
	case VFS_OP_WRITE:
		err = prep_write(t, q, p);
		break;
	case VFS_OP_SETATTR:
		err = prep_setattr(t, q, p);
		break;
	case VFS_OP_ALLOCATE:
		err = prep_allocate(t, q, p);
		break;
	case VFS_OP_COPY_RANGE:
		err = prep_copy_range(t, q, p);
		break;
	default:
		err = prep_publish(t, q, p);
		break;
	}
	txn_abort(t);
	return err;
}

static int
end_write(struct txn *t, int err)
{
	if (err < 0) {
		txn_abort(t);
		return err;
	}
	return txn_commit(t, NULL);
}

#define OP(n, NAME, name, mode, lock, req, rep) FX_##mode(NAME, name)
#define FX_READ(NAME, name) \
	int \
	fx_op_##name(struct fx *fx, const struct vfs_##name *q, \
	    struct vfs_##name##_reply *r) \
	{ \
		struct txn *t; \
		int err; \
		\
		tick(fx); \
		if (fx->via != NULL) \
			return fx->via(fx->via_arg, VFS_OP_##NAME, q, r); \
		err = txn_begin(fx->e, TXN_READ, &fx->env, &t); \
		if (err < 0) \
			return err; \
		err = op_##name(t, q, r); \
		txn_abort(t); \
		return err; \
	}
#define FX_WRITE(NAME, name) \
	static int \
	try_##name(struct fx *fx, const struct vfs_##name *q, \
	    struct vfs_##name##_reply *r) \
	{ \
		struct plan *p; \
		struct txn *t; \
		int err; \
		\
		err = prepare(fx, VFS_OP_##NAME, q, &p); \
		if (err == 0) \
			err = txn_begin(fx->e, TXN_WRITE, &fx->env, &t); \
		if (err == 0) \
			err = end_write(t, op_##name(t, q, p, r)); \
		plan_drop(fx->e, p, err == 0); \
		return err; \
	} \
	int \
	fx_op_##name(struct fx *fx, const struct vfs_##name *q, \
	    struct vfs_##name##_reply *r) \
	{ \
		int err, tries = 0; \
		\
		tick(fx); \
		if (fx->via != NULL) \
			return fx->via(fx->via_arg, VFS_OP_##NAME, q, r); \
		do \
			err = try_##name(fx, q, r); \
		while (err == -VFS_AGAIN && ++tries < TRIES_MAX); \
		return err; \
	}
#define FX_NONE(NAME, name)
#include "../protocol/ops.def"
#undef OP

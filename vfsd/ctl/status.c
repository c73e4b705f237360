/*
 * vfsctl status, why, version: what the daemon says of itself
 */
#include <inttypes.h>
#include <string.h>

#include "ctl.h"

#define NAME_WIDTH	28

static bool
is(struct vfs_slice s, const char *text)
{
	return s.n == strlen(text) && memcmp(s.p, text, s.n) == 0;
}

/* "op.LOOKUP.calls": the last of a name's three words. */
static bool
counter(struct vfs_slice name, const char **last, size_t *front)
{
	const char *p = name.p;
	size_t i, dots = 0;

	for (i = 0; i < name.n; i++)
		if (p[i] == '.') {
			dots++;
			*last = p + i + 1;
			*front = i;
		}
	return dots == 2;
}

/* The four counters of one operation make one line. */
static void
print_counter(struct vfs_slice name, uint64_t n, uint64_t *calls)
{
	const char *last = "";
	size_t front = 0;
	struct vfs_slice word;

	counter(name, &last, &front);
	word = (struct vfs_slice){ last, name.n - front - 1 };
	if (is(word, "calls")) {
		*calls = n;
		name.n = front;
		ctl_print_in(stdout, name, NAME_WIDTH);
		printf(" %12" PRIu64, n);
	} else if (is(word, "errors")) {
		printf(" %10" PRIu64, n);
	} else if (is(word, "ns")) {
		printf(" %10.1f", *calls == 0 ? 0.0
		    : (double)n / 1000 / (double)*calls);
	} else if (is(word, "ns_max")) {
		printf(" %12.1f\n", (double)n / 1000);
	}
}

static void
print_pairs(struct vfs_slice pairs)
{
	struct proto_pair p;
	const char *last;
	bool head = false;
	struct rbuf b;
	uint64_t calls = 0;
	size_t front;

	proto_list_read(&b, pairs);
	while (proto_list_more(&b) && proto_pair_next(&b, &p) == 0) {
		if (counter(p.name, &last, &front)) {
			if (!head)
				printf("%-*s %12s %10s %10s %12s\n",
				    NAME_WIDTH, "operation", "calls", "errors",
				    "mean us", "max us");
			head = true;
			print_counter(p.name, p.n, &calls);
			continue;
		}
		head = false;
		ctl_print_in(stdout, p.name, NAME_WIDTH);
		putchar(' ');
		if (p.text.n > 0) {
			ctl_print(stdout, p.text);
			putchar('\n');
		} else {
			printf("%12" PRIu64 "\n", p.n);
		}
	}
}

static void
print_status(const struct addr *a, struct vfs_slice pairs)
{
	printf("%-*s ", NAME_WIDTH, "store");
	ctl_print_text(stdout, a->store);
	putchar('\n');
	print_pairs(pairs);
}

static void
json_pairs(const struct addr *a, struct vfs_slice pairs)
{
	struct json j = { .to = stdout };
	struct proto_pair p;
	struct rbuf b;
	char name[256];

	json_begin(&j, NULL, '{');
	json_text(&j, "store", a->store);
	proto_list_read(&b, pairs);
	while (proto_list_more(&b) && proto_pair_next(&b, &p) == 0) {
		snprintf(name, sizeof name, "%.*s", (int)p.name.n,
		    (const char *)p.name.p);
		if (p.text.n > 0)
			json_str(&j, name, p.text);
		else
			json_num(&j, name, p.n);
	}
	json_end(&j, '}');
	putchar('\n');
}

int
ctl_status(const struct ctl_cmd *cmd, int argc, char **argv)
{
	struct vfs_status q = { 0 };
	struct vfs_status_reply r;
	struct vfs_slice pairs;
	struct ctl_args a;
	struct addr addr;
	struct ctl k;
	int err;

	if (!ctl_parse(cmd, argc, argv, NULL, 1, 1, &a))
		return CTL_USAGE;
	if (ctl_reach(a.arg[0], &addr, &k) < 0)
		return CTL_FAILED;
	err = ctl_call(&k, VFS_OP_STATUS, &q, &r);
	if (err == 0) {
		pairs = (struct vfs_slice){ r.pairs.p, r.pairs.n };
		if (a.json)
			json_pairs(&addr, pairs);
		else
			print_status(&addr, pairs);
	}
	ctl_close(&k);
	return err < 0 ? ctl_fail(a.arg[0], err) : CTL_OK;
}

/* --- why ------------------------------------------------------------ */

static const char *
op_name(uint32_t number)
{
	enum vfs_op op = proto_op_find(number);

	return op == VFS_OP_NONE ? "?" : proto_ops[op].name;
}

static void
print_fault(const struct proto_fault *f)
{
	printf("%" PRId64 ".%09" PRIu32 " trace %" PRIx64 " %s",
	    f->when.sec, f->when.nsec, f->trace_id,
	    vfs_err_name((int)f->err));
	if (f->pid != 0)
		printf(" pid %" PRIu32, f->pid);
	if (f->op != 0)
		printf(" %s", op_name(f->op));
	if (f->id != 0)
		printf(" id %" PRIu64, f->id);
	if (f->file.n > 0) {
		printf(" at ");
		ctl_print(stdout, f->file);
		printf(":%" PRIu32, f->line);
	}
	printf(": ");
	ctl_print(stdout, f->text);
	putchar('\n');
}

static void
json_fault(struct json *j, const struct proto_fault *f)
{
	char trace[20];

	snprintf(trace, sizeof trace, "%" PRIx64, f->trace_id);
	json_begin(j, NULL, '{');
	json_text(j, "trace", trace);
	json_int(j, "sec", f->when.sec);
	json_num(j, "nsec", f->when.nsec);
	json_text(j, "error", vfs_err_name((int)f->err));
	json_num(j, "pid", f->pid);
	json_text(j, "op", f->op == 0 ? "" : op_name(f->op));
	json_num(j, "id", f->id);
	json_str(j, "file", f->file);
	json_num(j, "line", f->line);
	json_str(j, "text", f->text);
	json_end(j, '}');
}

void
ctl_faults(const struct ctl_args *a, struct vfs_slice list)
{
	struct json j = { .to = stdout };
	struct proto_fault f;
	struct rbuf b;

	if (a->json)
		json_begin(&j, NULL, '[');
	proto_list_read(&b, list);
	while (proto_list_more(&b) && proto_fault_next(&b, &f) == 0)
		if (a->json)
			json_fault(&j, &f);
		else
			print_fault(&f);
	if (a->json) {
		json_end(&j, ']');
		putchar('\n');
	}
}

static bool
why_args(const struct ctl_cmd *cmd, const struct ctl_args *a,
    struct vfs_why *q)
{
	uint64_t pid = 0;

	if (a->arg[1] != NULL && !ctl_number(cmd, a->arg[1], 16, UINT64_MAX,
	    &q->trace_id))
		return false;
	if (a->flag[0] && !ctl_number(cmd, a->value[0], 10, UINT32_MAX, &pid))
		return false;
	q->pid = (uint32_t)pid;
	return true;
}

int
ctl_why(const struct ctl_cmd *cmd, int argc, char **argv)
{
	static const char *const flags[] = { "--pid=", NULL };
	struct vfs_why q = { 0 };
	struct vfs_why_reply r;
	struct ctl_args a;
	struct addr addr;
	struct ctl k;
	int err;

	if (!ctl_parse(cmd, argc, argv, flags, 1, 2, &a) ||
	    !why_args(cmd, &a, &q))
		return CTL_USAGE;
	if (ctl_reach(a.arg[0], &addr, &k) < 0)
		return CTL_FAILED;
	err = ctl_call(&k, VFS_OP_WHY, &q, &r);
	if (err == 0)
		ctl_faults(&a, (struct vfs_slice){ r.faults.p, r.faults.n });
	ctl_close(&k);
	if (err == -VFS_NOENT) {
		fprintf(stderr, "vfsctl: nothing is recorded of that\n");
		return CTL_FAILED;
	}
	return err < 0 ? ctl_fail(a.arg[0], err) : CTL_OK;
}

/* --- version -------------------------------------------------------- */

static int
daemon_version(const char *path, char *out, size_t cap)
{
	struct vfs_status q = { 0 };
	struct vfs_status_reply r;
	struct proto_pair p;
	struct addr addr;
	struct rbuf b;
	struct ctl k;
	int err;

	if ((err = ctl_reach(path, &addr, &k)) < 0)
		return err;
	err = ctl_call(&k, VFS_OP_STATUS, &q, &r);
	out[0] = 0;
	if (err == 0) {
		proto_list_read(&b,
		    (struct vfs_slice){ r.pairs.p, r.pairs.n });
		while (proto_list_more(&b) && proto_pair_next(&b, &p) == 0)
			if (is(p.name, "version"))
				snprintf(out, cap, "%.*s", (int)p.text.n,
				    (const char *)p.text.p);
	}
	ctl_close(&k);
	return err;
}

int
ctl_version(const struct ctl_cmd *cmd, int argc, char **argv)
{
	struct json j = { .to = stdout };
	char theirs[64] = "";
	struct ctl_args a;

	if (!ctl_parse(cmd, argc, argv, NULL, 0, 1, &a))
		return CTL_USAGE;
	if (a.arg[0] != NULL &&
	    daemon_version(a.arg[0], theirs, sizeof theirs) < 0)
		return CTL_FAILED;
	if (!a.json) {
		printf("vfsctl %s\n", VFSD_VERSION);
		if (a.arg[0] != NULL) {
			printf("vfsd ");
			ctl_print_text(stdout, theirs);
			putchar('\n');
		}
		return CTL_OK;
	}
	json_begin(&j, NULL, '{');
	json_text(&j, "vfsctl", VFSD_VERSION);
	if (a.arg[0] != NULL)
		json_text(&j, "vfsd", theirs);
	json_num(&j, "protocol", PROTO_VERSION);
	json_end(&j, '}');
	putchar('\n');
	return CTL_OK;
}

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "report.h"
#include "sandbox.h"
#include "storedir.h"

int
sandbox_become_owner(int store_dirfd, char *why, size_t cap)
{
	bool root = geteuid() == 0;

	if (storedir_become_owner(store_dirfd, why, cap) != 0)
		return -1;
	/* Our own /proc entries stay ours. */
	if (root)
		prctl(PR_SET_DUMPABLE, 1);
	return 0;
}

void
sandbox_hide(void)
{
	prctl(PR_SET_DUMPABLE, 0);
}

/* --- files: Landlock ------------------------------------------------ */

/* Facts of the kernel's interface, which is younger than our headers. */
#define LL_WRITE_FILE	(1ull << 1)
#define LL_READ_FILE	(1ull << 2)
#define LL_READ_DIR	(1ull << 3)
#define LL_REMOVE_FILE	(1ull << 5)
#define LL_MAKE_REG	(1ull << 8)
#define LL_MAKE_SOCK	(1ull << 9)
#define LL_TRUNCATE	(1ull << 14)	/* from ABI 3 */
#define LL_NET_TCP	3ull		/* bind and connect; ABI 4 */
#define LL_SCOPE	3ull		/* abstract sockets, signals; ABI 6 */
#define LL_RULE_PATH	1
#define LL_ASK_VERSION	1u

struct ll_ruleset {
	uint64_t fs, net, scoped;
};

struct ll_path {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));

/* All rights over files that this version of the interface knows. */
static uint64_t
ll_known(int abi)
{
	return abi >= 5 ? (1ull << 16) - 1 : abi >= 3 ? (1ull << 15) - 1 :
	    abi == 2 ? (1ull << 14) - 1 : (1ull << 13) - 1;
}

static int
landlock(int dirfd, uint64_t allowed)
{
	struct ll_ruleset rs = { 0 };
	struct ll_path path = { 0, dirfd };
	size_t size;
	int fd, rc, abi;

	abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LL_ASK_VERSION);
	if (abi < 1)
		return -1;
	rs.fs = ll_known(abi);
	rs.net = abi >= 4 ? LL_NET_TCP : 0;
	rs.scoped = abi >= 6 ? LL_SCOPE : 0;
	size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
	fd = (int)syscall(SYS_landlock_create_ruleset, &rs, size, 0);
	if (fd < 0)
		return -1;
	path.allowed = allowed & rs.fs;
	rc = (int)syscall(SYS_landlock_add_rule, fd, LL_RULE_PATH, &path, 0);
	if (rc == 0)
		rc = (int)syscall(SYS_landlock_restrict_self, fd, 0);
	close(fd);
	return rc;
}

static int
drop_capabilities(void)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2] = { { 0 } };

	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return (int)syscall(SYS_capset, &h, d);
}

int
sandbox_files(int store_dirfd, bool rdonly, char *why, size_t cap)
{
	uint64_t allowed = LL_READ_FILE | LL_READ_DIR;

	if (!rdonly)
		allowed |= LL_WRITE_FILE | LL_REMOVE_FILE | LL_MAKE_REG |
		    LL_MAKE_SOCK | LL_TRUNCATE;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return report_why(why, cap,
		    "no_new_privs: %s", strerror(errno));
	if (drop_capabilities() != 0)
		return report_why(why, cap, "capset: %s", strerror(errno));
	if (landlock(store_dirfd, allowed) != 0)
		return report_why(why, cap, "this kernel has no Landlock (%s)",
		    strerror(errno));
	return 0;
}

/* --- system calls: seccomp ------------------------------------------ */

#if defined(__x86_64__)
#define ARCH	AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH	AUDIT_ARCH_AARCH64
#endif

/* What serving takes.  No exec, no new process or thread, no mount. */
static const int allowed_calls[] = {
	SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_pread64,
	SYS_pwrite64, SYS_preadv, SYS_pwritev, SYS_preadv2, SYS_pwritev2,
	SYS_close, SYS_fstat, SYS_newfstatat, SYS_statx, SYS_fstatfs,
	SYS_statfs, SYS_lseek, SYS_openat, SYS_unlinkat, SYS_renameat,
	SYS_renameat2, SYS_getdents64, SYS_fcntl, SYS_flock, SYS_dup,
	SYS_dup3, SYS_fchmod, SYS_fchmodat, SYS_ftruncate, SYS_fallocate,
	SYS_fsync, SYS_fdatasync, SYS_sync_file_range, SYS_fadvise64,
	SYS_munmap, SYS_mremap, SYS_madvise, SYS_msync, SYS_mincore, SYS_brk,
	SYS_memfd_create,
	/* A thread that is there may still be in its first steps. */
	SYS_rseq, SYS_set_robust_list, SYS_set_tid_address,
	SYS_futex, SYS_membarrier, SYS_sched_yield,
	SYS_sched_getaffinity, SYS_sched_setaffinity, SYS_getcpu,
	SYS_nanosleep, SYS_clock_nanosleep, SYS_clock_gettime,
	SYS_timer_settime, SYS_timer_delete,
	SYS_gettimeofday, SYS_getrandom, SYS_getpid, SYS_gettid, SYS_getuid,
	SYS_geteuid, SYS_getgid, SYS_getegid, SYS_getppid, SYS_getrusage,
	SYS_sysinfo, SYS_uname, SYS_prlimit64,
	SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn,
	SYS_sigaltstack, SYS_tgkill, SYS_restart_syscall, SYS_exit,
	SYS_exit_group, SYS_ppoll, SYS_epoll_create1, SYS_epoll_ctl,
	SYS_epoll_pwait, SYS_eventfd2, SYS_pipe2,
	SYS_sendmsg, SYS_recvmsg, SYS_sendto, SYS_recvfrom, SYS_accept4,
	SYS_accept, SYS_listen, SYS_bind, SYS_connect, SYS_shutdown,
	/* Rings are made before, and restricted to the commands of FUSE. */
	SYS_io_uring_enter,
	SYS_getsockopt, SYS_setsockopt, SYS_getsockname, SYS_getpeername,
#ifdef __x86_64__
	SYS_poll, SYS_epoll_wait, SYS_open, SYS_stat, SYS_lstat, SYS_unlink,
	SYS_rename, SYS_dup2, SYS_time, SYS_chmod,
#endif
};
#define NALLOWED	(sizeof allowed_calls / sizeof allowed_calls[0])

#define ARG_LOW(n)	offsetof(struct seccomp_data, args[n])
#define FILTER_MAX	(2 * NALLOWED + 32)
#define FLAG_TSYNC	1u
#define FLAG_SPEC_ALLOW	4u

struct filter {
	struct sock_filter i[FILTER_MAX];
	unsigned short n;
};

static void
emit(struct filter *f, struct sock_filter i)
{
	f->i[f->n++] = i;
}

/* Call nr is allowed if its argument, under test, jumps to true. */
static void
emit_tested(struct filter *f, uint32_t nr, uint32_t arg, uint16_t test,
    uint32_t k, bool allow_if)
{
	emit(f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr,
	    0, 4));
	emit(f, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, arg));
	emit(f, (struct sock_filter)BPF_JUMP(BPF_JMP | test | BPF_K, k,
	    allow_if ? 0 : 1, allow_if ? 1 : 0));
	emit(f, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
	    SECCOMP_RET_ALLOW));
	emit(f, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
	    SECCOMP_RET_ERRNO | EPERM));
}

static void
filter_make(struct filter *f)
{
	size_t i;

	f->n = 0;
	emit(f, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
	    offsetof(struct seccomp_data, arch)));
	emit(f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH,
	    1, 0));
	emit(f, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
	    SECCOMP_RET_KILL_PROCESS));
	emit(f, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
	    offsetof(struct seccomp_data, nr)));
	for (i = 0; i < NALLOWED; i++) {
		emit(f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
		    (uint32_t)allowed_calls[i], 0, 1));
		emit(f, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
		    SECCOMP_RET_ALLOW));
	}
	emit_tested(f, SYS_mmap, ARG_LOW(2), BPF_JSET, PROT_EXEC, false);
	emit_tested(f, SYS_mprotect, ARG_LOW(2), BPF_JSET, PROT_EXEC, false);
	emit_tested(f, SYS_socket, ARG_LOW(0), BPF_JEQ, AF_UNIX, true);
	/* Not a kill: a call that we forgot must not end the daemon. */
	emit(f, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
	    SECCOMP_RET_ERRNO | EPERM));
}

int
sandbox_calls(char *why, size_t cap)
{
	struct filter f;
	struct sock_fprog prog = { .filter = f.i };

	filter_make(&f);
	prog.len = f.n;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
	    FLAG_TSYNC | FLAG_SPEC_ALLOW, &prog) != 0)
		return report_why(why, cap, "seccomp: %s", strerror(errno));
	return 0;
}

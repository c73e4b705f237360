/* listen=: what is opened, what is refused, what is left alone. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "../../vfsd/front/listen.h"
#include "../cm.h"
#include "../scratch.h"

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS	83		/* Linux 6.16 */
#endif

static char why[400];
/* Puts something in the place of what was bound, as who may write in that
 * directory can. */
static void (*swap)(int dirfd);

int
bind(int fd, const struct sockaddr *sa, socklen_t n)
{
	const struct sockaddr_un *un = (const void *)sa;
	int dir, rc = (int)syscall(SYS_bind, fd, sa, n);

	if (rc == 0 && swap != NULL && sscanf(un->sun_path,
	    "/proc/self/fd/%d/", &dir) == 1)
		swap(dir);
	return rc;
}

static int
setup(void **state)
{
	struct scratch *d = calloc(1, sizeof *d);

	swap = NULL;
	assert_int_equal(scratch_open(d), 0);
	*state = d;
	return 0;
}

static int
teardown(void **state)
{
	scratch_close(*state);
	free(*state);
	return 0;
}

static int
open_in(struct scratch *d, const char *name, bool others,
    struct listener **out)
{
	struct listen_conf lc = { .others = others, .owner = getuid(),
		.group = getgid() };
	char spec[600];

	snprintf(spec, sizeof spec, "unix:%s/%s", d->path, name);
	return listen_open(spec, &lc, out, why, sizeof why);
}

/* Does a peer's descriptor get into the queue of a place of that kind? */
static bool
may_pass(struct scratch *d, const char *kind)
{
	struct listen_conf lc = { .owner = getuid(), .group = getgid() };
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} u = { { 0 } };
	struct iovec v = { "x", 1 };
	struct msghdr h = { .msg_iov = &v, .msg_iovlen = 1,
		.msg_control = u.room, .msg_controllen = sizeof u.room };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), in;
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);
	struct listener *l;
	char spec[600];
	bool may;

	snprintf(un.sun_path, sizeof un.sun_path, "%.80s/place", d->path);
	snprintf(spec, sizeof spec, "%s:%s", kind, un.sun_path);
	assert_int_equal(listen_open(spec, &lc, &l, why, sizeof why), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&un, sizeof un), 0);
	in = accept(l->fd, NULL, NULL);
	assert_true(in >= 0);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(c), &fd, sizeof fd);
	may = sendmsg(fd, &h, MSG_NOSIGNAL) == 1;
	close(in);
	close(fd);
	listen_close(l, true);
	return may;
}

static void
unix__no_descriptors_read__none_are_sent(void **state)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), value;
	socklen_t n = sizeof value;
	bool known = getsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &value,
	    &n) == 0;

	close(fd);
	assert_true(may_pass(*state, "unix"));
	if (!known)
		skip();
	assert_false(may_pass(*state, "9p:unix"));
	assert_false(may_pass(*state, "ipc"));
}

static mode_t
mode_of(struct scratch *d, const char *name)
{
	struct stat st;

	return fstatat(d->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ?
	    st.st_mode : 0;
}

static void
unix__opened__has_the_mode_of_who_may_come(void **state)
{
	struct scratch *d = *state;
	struct listener *own, *all;
	mode_t mask = umask(077);

	assert_int_equal(open_in(d, "own", false, &own), 0);
	assert_int_equal(open_in(d, "all", true, &all), 0);
	assert_int_equal(mode_of(d, "own"), S_IFSOCK | 0600);
	assert_int_equal(mode_of(d, "all"), S_IFSOCK | 0666);
	umask(mask);
	listen_close(own, true);
	listen_close(all, true);
	assert_int_equal(scratch_count(d), 0);
}

static void
swap_for_link(int dirfd)
{
	assert_int_equal(unlinkat(dirfd, "s", 0), 0);
	assert_int_equal(symlinkat("f", dirfd, "s"), 0);
}

static void
swap_for_name(int dirfd)
{
	assert_int_equal(unlinkat(dirfd, "s", 0), 0);
	assert_int_equal(linkat(dirfd, "other", dirfd, "s", 0), 0);
}

static void
unix__another_file_is_put_there__it_is_left_alone(void **state)
{
	struct scratch *d = *state;
	struct listen_conf lc = { .others = true, .owner = 4321,
	    .group = 4321 };
	struct listener *l, *other;
	struct stat st;
	char spec[600];

	close(openat(d->dirfd, "f", O_CREAT | O_WRONLY, 0600));
	assert_int_equal(open_in(d, "other", false, &other), 0);
	snprintf(spec, sizeof spec, "unix:%s/s", d->path);
	swap = swap_for_link;
	assert_int_equal(listen_open(spec, &lc, &l, why, sizeof why), -1);
	assert_int_equal(mode_of(d, "f"), S_IFREG | 0600);
	assert_int_equal(unlinkat(d->dirfd, "s", 0), 0);
	swap = swap_for_name;
	assert_int_equal(listen_open(spec, &lc, &l, why, sizeof why), -1);
	swap = NULL;
	assert_int_equal(fstatat(d->dirfd, "other", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFSOCK | 0600);
	assert_int_equal(st.st_uid, getuid());
	listen_close(other, true);
}

static void
unix__live_socket_or_another_file__is_left_alone(void **state)
{
	struct scratch *d = *state;
	struct listener *one, *two;
	int fd;

	assert_int_equal(open_in(d, "s", false, &one), 0);
	assert_int_equal(open_in(d, "s", false, &two), -1);
	assert_non_null(strstr(why, "somebody serves there"));
	fd = openat(d->dirfd, "f", O_CREAT | O_WRONLY, 0600);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
	assert_int_equal(open_in(d, "f", false, &two), -1);
	assert_non_null(strstr(why, "no socket"));
	assert_int_equal(symlinkat("s", d->dirfd, "l"), 0);
	assert_int_equal(open_in(d, "l", false, &two), -1);
	assert_int_equal(open_in(d, "no/s", false, &two), -1);
	assert_int_equal(scratch_count(d), 3);
	listen_close(one, true);
	assert_int_equal(mode_of(d, "f"), S_IFREG | 0600);
}

static void
unix__left_by_a_dead_daemon__is_replaced(void **state)
{
	struct scratch *d = *state;
	struct listener *one, *two;

	assert_int_equal(open_in(d, "s", false, &one), 0);
	listen_close(one, false);	/* as kill -9 would */
	assert_true(S_ISSOCK(mode_of(d, "s")));
	assert_int_equal(open_in(d, "s", false, &one), 0);
	/* Somebody has put another one there: that is not ours to take. */
	assert_int_equal(unlinkat(d->dirfd, "s", 0), 0);
	assert_int_equal(open_in(d, "s", false, &two), 0);
	listen_close(one, true);
	assert_true(S_ISSOCK(mode_of(d, "s")));
	listen_close(two, true);
	assert_int_equal(scratch_count(d), 0);
}

static void
unix__a_path_of_any_length__fits(void **state)
{
	struct scratch *d = *state;
	struct listener *l;
	char name[300];

	memset(name, 'd', 200);
	name[200] = '\0';
	assert_int_equal(mkdirat(d->dirfd, name, 0700), 0);
	strcat(name, "/");
	memset(name + 201, 's', LISTEN_BASE_MAX);
	name[201 + LISTEN_BASE_MAX] = '\0';
	assert_int_equal(open_in(d, name, false, &l), 0);
	listen_close(l, true);
	strcat(name, "s");		/* one past */
	assert_int_equal(open_in(d, name, false, &l), -1);
}

static void
tcp__anything_but_loopback__is_refused(void **state)
{
	static const char *const bad[] = { "tcp:0.0.0.0:0", "tcp:10.0.0.1:0",
		"tcp:[::]:0", "tcp:example.org:80", "tcp:127.0.0.1",
		"tcp:127.0.0.1:65536", "tcp:127.0.0.1:x", "tcp::0", "tcp:",
		"udp:127.0.0.1:0", "", "unix:", "9p:store" };
	static const char *const good[] = { "tcp:127.0.0.1:0",
		"tcp:localhost:0", "tcp:127.1.2.3:0", "store", "unix:/x",
		"9p:tcp:127.0.0.1:0", "9p:unix:x", "serial:/dev/x", "ipc:x" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		why[0] = '\0';
		assert_int_equal(listen_check(bad[i], why, sizeof why), -1);
		assert_true(why[0] != '\0' && strchr(why, '\n') == NULL);
	}
	for (i = 0; i < sizeof good / sizeof good[0]; i++)
		assert_int_equal(listen_check(good[i], why, sizeof why), 0);
}

static void
tcp__any_port__is_told(void **state)
{
	struct listen_conf lc = { 0 };
	struct listener *l, *again;

	(void)state;
	assert_int_equal(listen_open("tcp:127.0.0.1:0", &lc, &l, why,
	    sizeof why), 0);
	assert_int_equal(strncmp(l->shown, "tcp:127.0.0.1:", 14), 0);
	assert_true(atoi(l->shown + 14) > 0);
	assert_int_equal(listen_open(l->shown, &lc, &again, why, sizeof why),
	    -1);			/* it is taken */
	listen_close(l, true);
}

int
main(void)
{
#define T(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(unix__opened__has_the_mode_of_who_may_come),
		T(unix__another_file_is_put_there__it_is_left_alone),
		T(unix__live_socket_or_another_file__is_left_alone),
		T(unix__left_by_a_dead_daemon__is_replaced),
		T(unix__a_path_of_any_length__fits),
		T(unix__no_descriptors_read__none_are_sent),
		T(tcp__anything_but_loopback__is_refused),
		T(tcp__any_port__is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

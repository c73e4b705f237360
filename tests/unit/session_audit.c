/*
 * What was denied is a record: whose use it was, of what, with the trace
 * id that the client got.
 */
#include "../cm.h"
#include "../session_rig.h"

#define FILE_MODE	0100644u
#define DIR_MODE	0040755u

/* The newest record; its text in buf. */
static struct proto_fault
newest(struct srig *x, char buf[400])
{
	struct vfs_sessions q = { .flags = VFS_SESSIONS_AUDIT };
	struct vfs_sessions_reply r;
	struct proto_fault f = { 0 };
	struct rbuf b;

	buf[0] = 0;
	assert_err(srig_run(x, x->own, VFS_OP_SESSIONS, &q, &r), OK);
	proto_list_read(&b, (struct vfs_slice){ r.sessions.p,
	    r.sessions.n });
	if (!proto_list_more(&b))
		return f;
	assert_int_equal(proto_fault_next(&b, &f), 0);
	snprintf(buf, 400, "%.*s", (int)f.text.n, (const char *)f.text.p);
	return f;
}

static void
denied__a_right_is_missing__a_record(void **state)
{
	struct srig *x = *state;
	struct session *s = srig_token(x, ROOT, VFS_RIGHT_TRAVERSE);
	struct proto_fault f;
	char text[400];

	x->r->fx->env.trace_id = 4711;
	assert_err(s_create(x, s, ROOT, "f", FILE_MODE, NULL), ACCESS);
	f = newest(x, text);
	assert_int_equal(f.trace_id, 4711);
	assert_int_equal(f.op, proto_ops[VFS_OP_CREATE].number);
	assert_int_equal(f.id, VFS_ID_ROOT);
	assert_int_equal(f.err, VFS_ACCESS);
	assert_non_null(strstr(text, "lacks create"));
	srig_end(s);
}

/* Who has no right to ids gets the answer of what is not there. */
static void
denied__an_id_without_the_right__a_record(void **state)
{
	struct srig *x = *state;
	struct session *s = srig_token(x, ROOT, VFS_RIGHT_TRAVERSE |
	    VFS_RIGHT_GETATTR);
	struct proto_fault f;
	struct vfs_id id;
	char text[400];

	assert_err(s_create(x, x->own, ROOT, "f", FILE_MODE, &id), OK);
	assert_err(s_stat(x, s, id, NULL), NO_SUCH_ID);
	f = newest(x, text);
	assert_int_equal(f.id, id.n);
	assert_int_equal(f.err, VFS_NO_SUCH_ID);
	assert_non_null(strstr(text, "lacks open_by_id"));
	srig_end(s);
}

/* Guessing is a denied use whether it hits something or not. */
static void
denied__an_id_outside__the_same_record_if_it_exists_or_not(void **state)
{
	struct srig *x = *state;
	struct vfs_id jail, out, id[2];
	struct proto_fault f;
	struct session *s;
	char text[2][400];
	unsigned i;

	assert_err(s_create(x, x->own, ROOT, "jail", DIR_MODE, &jail), OK);
	assert_err(s_create(x, x->own, ROOT, "out", FILE_MODE, &out), OK);
	s = srig_token(x, jail, 0);
	id[0] = out;
	id[1].n = out.n + 1000;
	for (i = 0; i < 2; i++) {
		assert_err(s_stat(x, s, id[i], NULL), NO_SUCH_ID);
		f = newest(x, text[i]);
		assert_int_equal(f.id, id[i].n);
		assert_int_equal(f.err, VFS_NO_SUCH_ID);
	}
	assert_non_null(strstr(text[0], "sees no such object"));
	assert_string_equal(text[0], text[1]);
	srig_end(s);
}

/* What is there, or is not there by name, is nobody's fault. */
static void
answered__found_or_no_such_name__no_record(void **state)
{
	struct srig *x = *state;
	struct vfs_id jail, f;
	struct session *s;
	char text[400];

	assert_err(s_create(x, x->own, ROOT, "jail", DIR_MODE, &jail), OK);
	assert_err(s_create(x, x->own, jail, "f", FILE_MODE, &f), OK);
	s = srig_token(x, jail, 0);
	assert_err(s_stat(x, s, f, NULL), OK);
	assert_err(s_lookup(x, s, jail, "g", NULL), NOENT);
	(void)newest(x, text);
	assert_string_equal(text, "");
	srig_end(s);
}

static void
denied__who_comes_in__a_record_with_its_trace(void **state)
{
	struct srig *x = *state;
	uint8_t wrong[VFS_TOKEN_BYTES] = { 1 };
	struct session_who who = { .transport = "tcp", .trace_id = 815 };
	struct vfs_attach q = { .token = { wrong, sizeof wrong } };
	struct vfs_attach_reply r;
	struct proto_fault f;
	struct session *s;
	char text[400];

	assert_err(session_attach(x->ss, &who, &q, &s, &r), ACCESS);
	f = newest(x, text);
	assert_int_equal(f.trace_id, 815);
	assert_string_equal(text, "refused nobody in particular over tcp");
}

/* --- what is said ------------------------------------------------------------ */

static void
said(void *arg, const char *line)
{
	char (*lines)[500] = arg;
	unsigned i;

	for (i = 0; i < 2 && lines[i][0] != 0; i++)
		;
	assert_true(i < 2);
	snprintf(lines[i], sizeof lines[i], "%s", line);
}

static void
denied__again_and_again__a_line_now_and_then(void **state)
{
	struct srig *x = *state;
	struct session *u = srig_user(x, 4000, 4000);
	struct vfs_grant q = { .root = ROOT };
	struct vfs_grant_reply r;
	char lines[3][500] = { "", "", "" };
	unsigned i;

	sessions_on_denied(x->ss, said, lines);
	for (i = 0; i < 100; i++)
		assert_err(srig_run(x, u, VFS_OP_GRANT, &q, &r), ACCESS);
	assert_non_null(strstr(lines[0], "uid 4000"));
	assert_non_null(strstr(lines[0], "admin"));
	assert_string_equal(lines[1], "");
	sessions_ahead(x->ss, 3600);
	assert_err(srig_run(x, u, VFS_OP_GRANT, &q, &r), ACCESS);
	assert_non_null(strstr(lines[1], "99 more"));
	srig_end(u);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		S_TEST(denied__a_right_is_missing__a_record),
		S_TEST(denied__an_id_without_the_right__a_record),
		S_TEST(
		denied__an_id_outside__the_same_record_if_it_exists_or_not),
		S_TEST(answered__found_or_no_such_name__no_record),
		S_TEST(denied__who_comes_in__a_record_with_its_trace),
		S_TEST(denied__again_and_again__a_line_now_and_then),
	};

	return cmocka_run_group_tests_name("sessions: what was denied",
	    tests, NULL, NULL);
}

/*
 * vfsctl - look at a store, or at the daemon that serves it
 */
#include <signal.h>
#include <string.h>

#include "ctl.h"

static const struct ctl_cmd cmds[] = {
	{ "status", "PATH", "sizes, sequence, what waits, counters", NULL,
	    ctl_status, CTL_USAGE },
	{ "check", "PATH", "verify everything, file bytes included",
	    "    --no-data   rows only, not the bytes of files\n"
	    "    --repair    put right what can be (nobody may serve the "
	    "store)\n"
	    "    -q          findings only, no summary\n"
	    "Exit status: 0 clean, 1 repaired, 4 damage is left, 8 could "
	    "not check, 16 usage.\n",
	    ctl_check, CTL_CHECK_USAGE },
	{ "id", "PATH", "the id of the object at PATH, inside a mount", NULL,
	    ctl_id, CTL_USAGE },
	{ "paths", "PATH ID", "all paths of an id", NULL, ctl_paths,
	    CTL_USAGE },
	{ "changes", "PATH", "what has changed since",
	    "    --since CURSOR  ... it was printed (SEQ.IDX; oldest: all "
	    "that is kept);\n"
	    "                    without it only the cursor of now is "
	    "printed\n"
	    "    --follow        go on with what changes from now on\n"
	    "    --subtree DIR   at and below a directory (a path, or an "
	    "id)\n"
	    "    --kind K,...    create link unlink rename exchange data "
	    "meta xattr delete\n"
	    "                    entered left remove-tree clone-tree\n"
	    "    --name GLOB     names that match\n"
	    "    --collapse      the difference, not the way there\n"
	    "Exit status: 0, 1 failed, 2 usage, 3 the cursor has "
	    "expired.\n",
	    ctl_changes, CTL_USAGE },
	{ "dump", "STORE", "every row, readable",
	    "    --kind=K    only rows of one kind (a letter, or a name as "
	    "printed)\n"
	    "    --id=N      only rows whose first number is N\n",
	    ctl_dump, CTL_USAGE },
	{ "why", "PATH [TRACE]", "where errors came from",
	    "    --pid=N     the last errors of a process\n"
	    "TRACE: the trace id that came with an error, in hexadecimal.\n",
	    ctl_why, CTL_USAGE },
	{ "publish", "SRC DST", "copy a directory in, in one step",
	    "    --noreplace    DST must not exist (the default)\n"
	    "    --replace      what is at DST goes away\n"
	    "    --exchange     what is at DST becomes DST.old\n"
	    "    --exchange=N   ... becomes N, in the same directory\n"
	    "    --durable      on stable media before the command ends\n"
	    "    -q             no progress\n"
	    "DST: in a mount, or STORE:PATH.\n",
	    ctl_publish, CTL_USAGE },
	{ "grant", "PATH", "a token: whoever has it may do that",
	    "    --root=DIR     a directory, from the store's root on (/)\n"
	    "    --rights=LIST  r, w, x, all, or words of vfs-protocol(5) "
	    "(r)\n"
	    "    --ttl=TIME     30s, 15m, 1h, 7d (for ever)\n"
	    "    --uid=N        acts as this user ...\n"
	    "    --gid=N        ... and group (as nobody in particular)\n"
	    "    --max=LIMITS   handles=N,credits=N,tx=N,bytes=N of each "
	    "session\n"
	    "    --label=TEXT   what it is for\n",
	    ctl_grant, CTL_USAGE },
	{ "sessions", "PATH", "who is there, and which tokens are out",
	    "    --revoke=N     take a token and all that came from it back, "
	    "or end a session\n"
	    "    --audit        the last uses that were denied\n",
	    ctl_sessions, CTL_USAGE },
	{ "tx", "FILE|-", "run a script of operations as one transaction",
	    "    --at=PATH      where relative paths begin: a directory in a "
	    "mount, or\n"
	    "                   STORE:PATH; else the current directory\n"
	    "    --durable      on stable media before the command ends\n"
	    "    --dry-run      everything but the commit\n"
	    "Exit status: 0 committed, 1 failed, 2 usage or syntax, 3 things "
	    "are not as\nrequired, or changed meanwhile.\n",
	    ctl_tx, CTL_USAGE },
	{ "version", "[PATH]", "of this program, and of a daemon", NULL,
	    ctl_version, CTL_USAGE },
};
#define NCMDS (sizeof cmds / sizeof cmds[0])

int
ctl_usage(const struct ctl_cmd *cmd, FILE *to)
{
	fprintf(to, "usage: vfsctl %s [--json] [--help] %s\n%s\n", cmd->name,
	    cmd->args, cmd->about);
	if (cmd->options != NULL)
		fputs(cmd->options, to);
	return cmd->usage;
}

int
ctl_fail(const char *about, int err)
{
	fprintf(stderr, "vfsctl: %s: %s\n", about,
	    err == -VFS_OFFLINE ? "no daemon serves this store"
	    : vfs_err_text(err));
	return CTL_FAILED;
}

static int
help(FILE *to)
{
	size_t i;

	fputs("usage: vfsctl COMMAND [--json] [--help] ...\n"
	    "       vfsctl -h | --help | -V | --version\n", to);
	for (i = 0; i < NCMDS; i++)
		fprintf(to, "  %-8s %-14s %s\n", cmds[i].name, cmds[i].args,
		    cmds[i].about);
	fputs("PATH: a mount point (or anything below one), or a store's "
	    "directory.\n", to);
	return to == stdout ? CTL_OK : CTL_USAGE;
}

static bool
is_one_of(const char *s, const char *a, const char *b, const char *c)
{
	return strcmp(s, a) == 0 || strcmp(s, b) == 0 || strcmp(s, c) == 0;
}

static int
run(const struct ctl_cmd *cmd, int argc, char **argv)
{
	int i;

	for (i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0) {
			ctl_usage(cmd, stdout);
			return CTL_OK;
		}
	return cmd->run(cmd, argc, argv);
}

int
main(int argc, char **argv)
{
	const char *word = argc < 2 ? "" : argv[1];
	int status, failed = CTL_FAILED;
	size_t i;

	signal(SIGXFSZ, SIG_IGN);	/* an error of whoever writes */
	if (argc < 2)
		return help(stderr);
	if (is_one_of(word, "-V", "--version", "version"))
		word = "version";
	for (i = 0; i < NCMDS && strcmp(word, cmds[i].name) != 0; i++)
		;
	if (is_one_of(word, "-h", "--help", "help")) {
		status = help(stdout);
	} else if (i == NCMDS) {
		fprintf(stderr, "vfsctl: no such command: %s\n", word);
		return help(stderr);
	} else {
		status = run(&cmds[i], argc - 2, argv + 2);
		if (cmds[i].usage == CTL_CHECK_USAGE)
			failed = CTL_NO_CHECK;
	}
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	perror("vfsctl: standard output");
	return failed;
}

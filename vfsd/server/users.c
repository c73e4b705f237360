#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "users.h"

struct entry {
	struct user u;
	uint32_t *groups;
	char *name;
};

struct users {
	struct entry *e;
	size_t n;
};

void
users_free(struct users *u)
{
	size_t i;

	if (u == NULL)
		return;
	for (i = 0; i < u->n; i++) {
		free(u->e[i].groups);
		free(u->e[i].name);
	}
	free(u->e);
	free(u);
}

static int
read_users(FILE *f, struct users *u)
{
	struct passwd *pw;
	struct entry *e;
	char *name;

	while (u->n < USERS_MAX && (pw = fgetpwent(f)) != NULL) {
		e = realloc(u->e, (u->n + 1) * sizeof *e);
		if (e == NULL)
			return -VFS_NOMEM;
		u->e = e;
		if ((name = strdup(pw->pw_name)) == NULL)
			return -VFS_NOMEM;
		e[u->n++] = (struct entry){ .name = name,
		    .u = { .uid = pw->pw_uid, .gid = pw->pw_gid } };
	}
	return 0;
}

static int
join(struct entry *e, uint32_t gid)
{
	uint32_t *g;

	if (e->u.ngroups == USERS_GROUPS_MAX)
		return 0;
	g = realloc(e->groups, (e->u.ngroups + 1) * sizeof *g);
	if (g == NULL)
		return -VFS_NOMEM;
	g[e->u.ngroups++] = gid;
	e->u.groups = e->groups = g;
	return 0;
}

static int
read_groups(FILE *f, struct users *u)
{
	struct group *gr;
	char **m;
	size_t i;
	int err = 0;

	while (err == 0 && (gr = fgetgrent(f)) != NULL)
		for (m = gr->gr_mem; *m != NULL; m++)
			for (i = 0; err == 0 && i < u->n; i++)
				if (strcmp(u->e[i].name, *m) == 0)
					err = join(&u->e[i], gr->gr_gid);
	return err;
}

int
users_read(const char *passwd, const char *group, struct users **out)
{
	struct users *u = calloc(1, sizeof *u);
	FILE *pf = fopen(passwd, "re"), *gf = fopen(group, "re");
	int err = u == NULL ? -VFS_NOMEM : 0;

	if (err == 0 && pf != NULL)
		err = read_users(pf, u);
	if (err == 0 && gf != NULL)
		err = read_groups(gf, u);
	if (pf != NULL)
		fclose(pf);
	if (gf != NULL)
		fclose(gf);
	if (err < 0)
		users_free(u);
	else
		*out = u;
	return err;
}

const struct user *
users_find(const struct users *u, uint32_t uid)
{
	size_t i;

	for (i = 0; u != NULL && i < u->n; i++)
		if (u->e[i].u.uid == uid)
			return &u->e[i].u;
	return NULL;
}

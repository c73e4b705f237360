/*
 * vfsmake - a small build tool: text in, pages out
 *
 *	vfsmake WHERE SOURCE OUTPUT
 *
 * WHERE is anything in a mount, a store, or unix:PATH; SOURCE and OUTPUT
 * are paths of directories in the store.  Every NAME.txt below SOURCE
 * becomes NAME.html below OUTPUT.
 *
 *   - The whole output takes the place of the old one in one commit:
 *     nobody ever sees half of it, and a crash leaves the old or the new.
 *   - The output remembers, in an extended attribute, up to where the
 *     journal had been read; if nothing below SOURCE has changed since,
 *     there is nothing to do, however large it is.
 *   - Directories are listed with the attributes of their entries in as
 *     few messages as it takes.
 *
 * Build it with nothing but the installed library:
 *
 *	cc -o vfsmake vfsmake.c $(pkg-config --cflags --libs vfs)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vfs/vfs.h>

#define CURSOR	"user.vfsmake.cursor"
#define DEPTH	64

struct build {
	struct vfs *v;
	struct vfs_pack pack;
	unsigned pages, depth;
};

/* Entries of one directory; they are kept, since a listing's function
 * must not use the connection. */
struct entry {
	struct vfs_id id;
	enum vfs_type type;
	uint64_t size;
	char name[VFS_NAME_MAX + 1];
};

struct entries {
	struct entry *v;
	size_t n;
	bool full;			/* out of memory */
};

static bool
keep(void *arg, const struct vfs_dirent *e)
{
	struct entries *l = arg;
	struct entry *p = realloc(l->v, (l->n + 1) * sizeof *p);

	if (p == NULL) {
		l->full = true;
		return false;
	}
	l->v = p;
	p += l->n++;
	p->id = e->id;
	p->type = e->type;
	p->size = e->attr != NULL ? e->attr->size : 0;
	memcpy(p->name, e->name.p, e->name.n);
	p->name[e->name.n] = 0;
	return true;
}

static int
list(struct vfs *v, struct vfs_id dir, struct entries *l)
{
	int err;

	memset(l, 0, sizeof *l);
	err = vfs_list(v, NULL, dir, VFS_WANT_ATTR, keep, l);
	return err == 0 && l->full ? -VFS_NOMEM : err;
}

/* --- one page ------------------------------------------------------------ */

/* "name.txt" to "name.html"; false: it is not our business. */
static bool
page_name(const char *name, char *out)
{
	size_t n = strlen(name);

	if (n < 5 || n > VFS_NAME_MAX - 1 || strcmp(name + n - 4, ".txt"))
		return false;
	memcpy(out, name, n - 4);
	strcpy(out + n - 4, ".html");
	return true;
}

static char *
put(char *to, const char *text)
{
	size_t n = strlen(text);

	memcpy(to, text, n);
	return to + n;
}

static size_t
escape(char *to, const char *from, size_t n)
{
	char *p = to;

	for (; n > 0; n--, from++)
		if (*from == '<')
			p = put(p, "&lt;");
		else if (*from == '>')
			p = put(p, "&gt;");
		else if (*from == '&')
			p = put(p, "&amp;");
		else
			*p++ = *from;
	return (size_t)(p - to);
}

static int
page(struct build *b, struct vfs_id out, const struct entry *e,
    const char *name)
{
	static const char head[] = "<pre>\n", tail[] = "</pre>\n";
	char *text = malloc(e->size + 1), *html = malloc(6 * e->size + 32);
	int64_t n = -VFS_NOMEM;
	size_t k;

	if (text != NULL && html != NULL)
		n = vfs_read(b->v, NULL, e->id, 0, text, e->size);
	if (n >= 0) {
		memcpy(html, head, k = sizeof head - 1);
		k += escape(html + k, text, (size_t)n);
		memcpy(html + k, tail, sizeof tail - 1);
		k += sizeof tail - 1;
		vfs_pack_file(&b->pack, out, name, 0644, html, k);
		b->pages++;
	}
	free(text);
	free(html);
	return n < 0 ? (int)n : 0;
}

/* --- a tree ----------------------------------------------------------------- */

static int
tree(struct build *b, struct vfs_id src, struct vfs_id out)
{
	char name[VFS_NAME_MAX + 2];
	struct entries l;
	struct vfs_id sub;
	size_t i;
	int err;

	if (++b->depth > DEPTH)
		return -VFS_LOOP;
	err = list(b->v, src, &l);
	for (i = 0; err == 0 && i < l.n; i++) {
		if (l.v[i].type == VFS_DIR) {
			sub = vfs_pack_mkdir(&b->pack, out, l.v[i].name,
			    0755);
			err = tree(b, l.v[i].id, sub);
		} else if (l.v[i].type == VFS_REG &&
		    page_name(l.v[i].name, name)) {
			err = page(b, out, &l.v[i], name);
		}
	}
	free(l.v);
	b->depth--;
	return err;
}

/* Everything below a name that nobody looks at, and in its place in the
 * same commit. */
static int
publish(struct build *b, struct vfs_id src, struct vfs_id parent,
    const char *name, const struct vfs_cursor *upto)
{
	struct vfs_xattr_set cursor = { .name = { CURSOR,
		sizeof CURSOR - 1 }, .value = { upto, sizeof *upto } };
	struct vfs_move move = { .dir = parent, .dir2 = parent,
		.flags = VFS_TREE_REPLACE, .name2 = name };
	char temp[VFS_NAME_MAX + 1];
	int err;

	snprintf(temp, sizeof temp, ".%.200s.new", name);
	move.name = temp;
	cursor.id = vfs_pack_mkdir(&b->pack, parent, temp, 0755);
	if ((err = tree(b, src, cursor.id)) < 0)
		return err;
	vfs_pack_op(&b->pack, VFS_OP_XATTR_SET, &cursor);
	vfs_pack_publish(&b->pack, &move);
	return vfs_pack_exec(&b->pack, VFS_TX_STABLE, NULL, NULL, 0, NULL);
}

/* --- is there anything to do? ---------------------------------------------------- */

static bool
first(void *arg, const struct vfs_change *c)
{
	(void)arg, (void)c;
	return false;
}

static bool
up_to_date(struct vfs *v, struct vfs_id src, struct vfs_id parent,
    const char *name)
{
	struct vfs_filter below = { .subtree = src };
	struct vfs_cursor cursor;
	struct vfs_attr old;

	return vfs_lookup(v, NULL, parent, name, &old) == 0 &&
	    vfs_getxattr(v, NULL, old.id, CURSOR, &cursor, sizeof cursor) ==
	    sizeof cursor &&
	    vfs_changes(v, &below, &cursor, first, NULL) == 0;
}

static int
make(struct vfs *v, const char *source, const char *output)
{
	static char room[1 << 20];
	struct build b = { .v = v };
	char name[VFS_NAME_MAX + 1];
	struct vfs_id parent;
	struct vfs_cursor now;
	struct vfs_attr src;
	int err;

	err = vfs_resolve(v, NULL, vfs_root(v), source, 0, &src);
	if (err < 0)
		return err;
	err = vfs_resolve_parent(v, NULL, vfs_root(v), output, &parent, name);
	if (err < 0)
		return err;
	/* First of all: what changes from now on is for the next time. */
	if ((err = vfs_settle(v, &now)) < 0)
		return err;
	if (up_to_date(v, src.id, parent, name)) {
		printf("nothing has changed\n");
		return 0;
	}
	vfs_pack_begin(&b.pack, v, room, sizeof room, NULL, 0);
	err = publish(&b, src.id, parent, name, &now);
	vfs_pack_end(&b.pack);
	if (err == 0)
		printf("%u pages\n", b.pages);
	return err;
}

int
main(int argc, char **argv)
{
	const struct vfs_conf conf = { .client = "vfsmake" };
	const struct vfs_failure *f;
	struct vfs *v;
	int err;

	if (argc != 4) {
		fprintf(stderr, "usage: vfsmake WHERE SOURCE OUTPUT\n");
		return 2;
	}
	if ((err = vfs_connect(argv[1], &conf, &v)) < 0) {
		fprintf(stderr, "vfsmake: %s: %s\n", argv[1],
		    vfs_strerror(err));
		return 1;
	}
	if ((err = make(v, argv[2], argv[3])) < 0) {
		f = vfs_failure(v);
		fprintf(stderr, "vfsmake: %s (trace %llx)\n",
		    vfs_strerror(err), (unsigned long long)f->trace_id);
	}
	vfs_disconnect(v);
	return err < 0;
}

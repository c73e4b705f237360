/*
 * model.h - what the names, attributes and contents should be
 *
 * Knows nothing of rows.  Fed with the operations that succeeded, asked
 * whether a store's rows say the same.  Contents are shared between
 * copies of a model, so that keeping one for each moment costs little.
 */
#ifndef CRASH_MODEL_H
#define CRASH_MODEL_H

#include "walk.h"

#define MODEL_OBJS	48
#define MODEL_NAMES	64
#define MODEL_XATTRS	4
#define MODEL_FILE_MAX	(512u << 10)

struct blob {
	unsigned refs;
	size_t n;
	uint8_t b[];
};

struct mobj {
	uint64_t id;
	enum vfs_type type;
	uint32_t mode, uid, gid, nlink;
	bool staging;		/* takes names though it has none */
	struct blob *pub, *draft;	/* draft: NULL if there is none */
	uint32_t xattr[MODEL_XATTRS];	/* seed of the value; 0: not set */
};

struct mname {
	uint64_t dir, id;
	char name[12];
};

struct model {
	struct mobj obj[MODEL_OBJS];
	struct mname name[MODEL_NAMES];
	int nobj, nname;
};

void model_init(struct model *m, const struct vfs_attr *root);
void model_copy(struct model *to, const struct model *from);
void model_drop(struct model *m);

struct mobj *model_obj(struct model *m, uint64_t id);
struct mname *model_name(struct model *m, uint64_t dir, const char *name);
struct mobj *model_add(struct model *m, const struct vfs_attr *a);
void model_link(struct model *m, uint64_t dir, const char *name, uint64_t id);
void model_unlink(struct model *m, uint64_t dir, const char *name);
void model_forget(struct model *m, uint64_t id);
/* The content and attributes of a copy. */
void model_share(struct mobj *to, const struct mobj *from);
/* What readers see of a file. */
const struct blob *model_seen(const struct mobj *o);
/* Content becomes n bytes; the range takes src (NULL: zeroes). */
void model_write(struct mobj *o, uint64_t off, const uint8_t *src, size_t n,
    size_t size);
void model_publish(struct mobj *o);
void model_undraft(struct model *m);	/* power cut: drafts are lost */
void model_orphans_gone(struct model *m);
/* Has the directory names?  Is there a row for this one? */
bool model_entries(const struct model *m, uint64_t dir);
bool model_name_stored(const struct mname *n, struct engine *e);
bool model_child_of(struct model *m, uint64_t dir, uint64_t ancestor);

/* Rows that say something else: *text tells.  0 if all is well. */
int model_check(struct model *m, struct engine *e, char text[200]);

/* The value of an xattr from its seed. */
size_t model_xattr(uint32_t seed, uint8_t buf[4096]);

#endif

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

#include "../vfsd/server/dispatch.h"
#include "../vfsd/front/wire.h"
#include "vfs_rig.h"

static void
must(int ok)
{
	if (!ok)
		abort();
}

void
vfs_rig_start(struct vfs_rig *r)
{
	struct server_conf sc = { .engine = r->fx->e };
	struct wire_conf wc = { 0 };

	must(server_new(&sc, &r->server) == 0);
	must(sessions_new(r->server, getuid(), false, &r->sessions) == 0);
	wc.server = r->server;
	wc.sessions = r->sessions;
	wc.store_dirfd = r->dir.dirfd;
	must(wire_start(&wc, &r->wire) == 0);
}

void
vfs_rig_stop(struct vfs_rig *r)
{
	wire_stop(r->wire);
	sessions_free(r->sessions);
	server_free(r->server);
	r->wire = NULL;
	r->server = NULL;
}

struct vfs *
vfs_rig_peer(struct vfs_rig *r, const struct vfs_conf *conf)
{
	struct vfs *v = NULL;

	must(vfs_connect(r->dir.path, conf, &v) == 0);
	return v;
}

int
vfs_rig_setup(void **state)
{
	struct vfs_rig *r = calloc(1, sizeof *r);

	must(r != NULL);
	r->fx = fx_open();
	must(scratch_open(&r->dir) == 0);
	vfs_rig_start(r);
	r->v = vfs_rig_peer(r, NULL);
	*state = r;
	return 0;
}

int
vfs_rig_teardown(void **state)
{
	struct vfs_rig *r = *state;

	vfs_disconnect(r->v);
	if (r->wire != NULL)
		vfs_rig_stop(r);
	fx_close(r->fx);
	scratch_close(&r->dir);
	free(r);
	return 0;
}

void
vfs_rig_pack(struct vfs_pack *p, const char *name, unsigned files)
{
	struct vfs_id d = vfs_pack_mkdir(p, VFS_RIG_ROOT, name, 0755);
	char f[20];
	unsigned i;

	for (i = 0; i < files; i++) {
		snprintf(f, sizeof f, "f%u", i);
		vfs_pack_file(p, d, f, 0644, "some bytes", 10);
	}
}

#include "cm.h"
#include "fx.h"

void
fx_varied(struct fx *fx)
{
	static uint8_t big[40 * VFS_BLOCK];
	struct vfs_copy_range cq = { .len = 8 * VFS_BLOCK };
	struct vfs_copy_range_reply cr;
	struct vfs_tmpfile tq = { .dir = { VFS_ID_ROOT }, .mode = 0100600 };
	struct vfs_tmpfile_reply tr;
	size_t i;

	for (i = 0; i < sizeof big; i++)
		big[i] = (uint8_t)(i * 7 + i / 251);
	assert_int_equal(fx_mkdir(fx, "/d", 0755), 0);
	assert_int_equal(fx_mkdir(fx, "/d/e", 0755), 0);
	assert_int_equal(fx_create(fx, "/d/small", 0644), 0);
	assert_int_equal(fx_write(fx, "/d/small", 0, "hello", 5), 0);
	assert_int_equal(fx_create(fx, "/big", 0644), 0);
	assert_int_equal(fx_write(fx, "/big", 0, big, sizeof big), 0);
	assert_int_equal(fx_create(fx, "/d/e/copy", 0644), 0);
	assert_int_equal(fx_create(fx, "/plain", 0644), 0);
	assert_int_equal(fx_write(fx, "/plain", 0, big, 9000), 0);
	assert_int_equal(fx_link(fx, "/d/small", "/d/e/again"), 0);
	assert_int_equal(fx_symlink(fx, "small", "/d/link"), 0);
	assert_int_equal(fx_setxattr(fx, "/big", "user.a", "1", 1, 0), 0);
	assert_int_equal(fx_setxattr(fx, "/big", "user.b", "2", 1, 0), 0);
	assert_int_equal(fx_publish_all(fx), 0);
	cq.src = fx_id(fx, "/big");
	cq.dst = fx_id(fx, "/d/e/copy");
	cq.src_off = 4 * VFS_BLOCK;
	assert_int_equal(fx_op_copy_range(fx, &cq, &cr), 0);
	assert_int_equal(fx_op_tmpfile(fx, &tq, &tr), 0);
}

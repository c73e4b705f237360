/*
 * dir.h - the directory that backends keep their files in
 */
#ifndef BACKENDS_DIR_H
#define BACKENDS_DIR_H

#include <stdint.h>
#include <sys/types.h>

/* A regular file of that name, made with mode 0600 if flags say so.  What a
 * link names is none of ours, and anything else might wait for somebody:
 * -VFS_CORRUPT. */
int be_dir_open(int dirfd, const char *name, int flags);

/* Names made or changed in dirfd (which may be O_PATH) are durable. */
int be_dir_sync(int dirfd);

/* Another name for a file that is about to be replaced; -VFS_EXIST if another
 * one has that.  Who was killed before the new one had its name may have done
 * so before. */
int be_dir_keep(int dirfd, const char *name, const char *keep);

/* A file that may not grow, or an owner who may not have more, is a full
 * disk: what the caller writes is not too large, and what was written is not
 * lost. */
int be_no_room(int err);

/* A copy of the store may share its blocks (cp on XFS makes one), or have holes
 * where there were zeroes, and a write there wants room: so its first size
 * bytes, which are there, get blocks of their own now, where there is such a
 * thing. */
int be_own_blocks(int fd, off_t size);

/* How large a file may be that this process writes; beyond is EFBIG, once
 * SIGXFSZ is ignored. */
uint64_t be_file_max(void);

#endif

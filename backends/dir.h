/*
 * dir.h - the directory that backends keep their files in
 */
#ifndef BACKENDS_DIR_H
#define BACKENDS_DIR_H

/* Names made or changed in dirfd (which may be O_PATH) are durable. */
int be_dir_sync(int dirfd);

#endif

/* Files and trees of them, in C: whole reads, whole writes, removal of a tree.
 *
 * No Lua here. The calls block as the disk does; they are for small files.
 */
#ifndef NERV_BINDINGS_FILE_TREE_H
#define NERV_BINDINGS_FILE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "bindings/stream_buffer.h"

/* Appends the content of a regular file (of /proc and /sys, too) to `out`. 0 or negative
 * errno: -EISDIR, -EFBIG above 64 MiB, -EINVAL for a device or the like. */
int file_read_all(const char *path, struct buffer *out);

struct file_write_options {
	int mode;	/* exact permissions; -1: 0666 less the umask, or as they are */
	bool atomic;	/* a new file takes the old one's place in one step */
	bool append;
};

/* 0 or negative errno. Readers of an atomically written file see the old or the new
 * content, never a part, also when the process is killed. */
int file_write_all(const char *path, const void *bytes, size_t len,
		   const struct file_write_options *options);

/* Makes a directory with exactly `mode`; with `parents` also those above it (0755), and
 * it may exist. 0 or negative errno. */
int file_make_directory(const char *path, mode_t mode, bool parents);

/* Removes a file or a whole tree. Symbolic links are removed, not followed; at a mount
 * point it stops with -EXDEV, at more than 64 levels with -ELOOP. On failure the path
 * concerned is in `where`. */
int file_remove_tree(const char *path, char *where, size_t size);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * File descriptors: closing, reading whole small files, passing over Unix
 * sockets. All descriptors made here are close-on-exec.
 */

#include <stdio.h>
#include <sys/types.h>
#include "basic/macro.h"

enum { FD_PASS_MAX = 16 };

/* Closes `fd` if it is one, keeps errno; always returns -EBADF, so that `fd = safe_close(fd)` is idiomatic. */
int safe_close(int fd);

static inline void closep(int *fd) {
        safe_close(*fd);
}

static inline void fclosep(FILE **f) {
        if (*f)
                fclose(*f);
}

#define _cleanup_close_ _cleanup_(closep)
#define _cleanup_fclose_ _cleanup_(fclosep)

/*
 * Reads a file of at most `size - 1` bytes into `buf` and ends it with NUL.
 * Returns the number of bytes, or a negative errno of open(2)/read(2);
 * -EFBIG if the file is larger. Does not wait for who may write into a FIFO.
 */
ssize_t read_file(int dirfd, const char *path, char *buf, size_t size);

/* Writes `text` to an existing file, from its beginning. Returns 0 or a negative errno. */
int write_file(int dirfd, const char *path, const char *text);

/*
 * Replaces the file `path` below `dirfd` by one with `text`, atomically
 * (write, rename). Returns 0 or a negative errno; the old file stays on error.
 */
int write_file_atomic(int dirfd, const char *path, const char *text, mode_t mode);

/*
 * Sends one message with up to FD_PASS_MAX descriptors (unix(7), SCM_RIGHTS),
 * never raising SIGPIPE. The descriptors stay the caller's. `flags` are those
 * of sendmsg(2). Returns 0 or a negative errno (-EAGAIN: would block).
 */
int send_with_fds(int sock, const void *data, size_t size, const int *fds, size_t n_fds, int flags);

/*
 * Receives one message of a SOCK_SEQPACKET socket with up to FD_PASS_MAX
 * descriptors. `fds` has room for `*n_fds` of them; the number received is
 * written back, surplus ones are closed and give -EBADMSG, as does a message
 * larger than `size`. Returns the size of the message, 0 at end of file, or a
 * negative errno.
 */
ssize_t recv_with_fds(int sock, void *data, size_t size, int *fds, size_t *n_fds, int flags);

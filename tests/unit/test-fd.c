/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Proves that descriptors are passed, kept and closed by the right one, and that small files are read and written whole. */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "basic/fd.h"
#include "basic/fd-store.h"
#include "unit.h"

static char directory[] = "/tmp/test-fd-XXXXXX";
static int dir = -EBADF;

static void setup(void) {
        ck_assert_ptr_nonnull(mkdtemp(directory));
        dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ck_assert_int_ge(dir, 0);
}

static void teardown(void) {
        DIR *d = fdopendir(dir);
        struct dirent *entry;

        ck_assert_ptr_nonnull(d);
        while ((entry = readdir(d)))
                (void) unlinkat(dirfd(d), entry->d_name, 0);
        (void) closedir(d);
        (void) rmdir(directory);
}

static void make_pair(int fds[2]) {
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
}

static bool same_file(int a, int b) {
        struct stat x, y;

        return fstat(a, &x) >= 0 && fstat(b, &y) >= 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Closing keeps errno, takes what is no descriptor, and leaves none. */
START_TEST(test_safe_close) {
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), copy = fd;

        errno = EXDEV;
        fd = safe_close(fd);
        ck_assert_int_eq(fd, -EBADF);
        ck_assert_int_eq(fcntl(copy, F_GETFD), -1);
        errno = EXDEV;
        ck_assert_int_eq(safe_close(-EBADF), -EBADF);
        ck_assert_int_eq(safe_close(-1), -EBADF);
        ck_assert_int_eq(errno, EXDEV);
}
END_TEST

/* A file is read whole when it fits with a NUL behind it, and not at all when it does not. */
START_TEST(test_read_file) {
        char buf[9];

        ck_assert_int_eq(write_file_atomic(dir, "f", "12345678", 0600), 0);
        memset(buf, 'x', sizeof(buf));
        ck_assert_int_eq(read_file(dir, "f", buf, 9), 8);
        ck_assert_str_eq(buf, "12345678");
        ck_assert_int_eq(read_file(dir, "f", buf, 8), -EFBIG);
        ck_assert_int_eq(read_file(dir, "f", buf, 1), -EFBIG);
        ck_assert_int_eq(read_file(dir, "f", buf, 0), -EFBIG);

        ck_assert_int_eq(write_file_atomic(dir, "empty", "", 0600), 0);
        ck_assert_int_eq(read_file(dir, "empty", buf, 1), 0);
        ck_assert_str_eq(buf, "");

        ck_assert_int_eq(read_file(dir, "none", buf, sizeof(buf)), -ENOENT);
        ck_assert_int_eq(mkfifoat(dir, "fifo", 0600), 0);
        ck_assert_int_eq(read_file(dir, "fifo", buf, sizeof(buf)), 0); /* does not wait for somebody to write */
        ck_assert_int_eq(read_file(dir, ".", buf, sizeof(buf)), -EISDIR);
        ck_assert_int_eq(read_file(-EBADF, "f", buf, sizeof(buf)), -EBADF);
}
END_TEST

/* What a pipe gives in pieces is read to its end; NULs within are counted. */
START_TEST(test_read_pieces) {
        char path[64], buf[16];
        int fds[2];

        ck_assert_int_eq(pipe(fds), 0);
        ck_assert_int_eq(write(fds[1], "ab", 2), 2);
        ck_assert_int_eq(write(fds[1], "\0cd", 3), 3);
        (void) close(fds[1]);
        (void) snprintf(path, sizeof(path), "/proc/self/fd/%i", fds[0]);
        ck_assert_int_eq(read_file(AT_FDCWD, path, buf, sizeof(buf)), 5);
        ck_assert_mem_eq(buf, "ab\0cd", 6);
        (void) close(fds[0]);
}
END_TEST

/* Writing to a file needs one that is there. */
START_TEST(test_write_file) {
        char buf[16];

        ck_assert_int_eq(write_file(dir, "f", "x"), -ENOENT);
        ck_assert_int_eq(write_file_atomic(dir, "f", "12345", 0600), 0);
        ck_assert_int_eq(write_file(dir, "f", "abc"), 0);
        ck_assert_int_eq(read_file(dir, "f", buf, sizeof(buf)), 5);
        ck_assert_str_eq(buf, "abc45");
        ck_assert_int_eq(write_file(dir, ".", "x"), -EISDIR);
        ck_assert_int_eq(write_file(AT_FDCWD, "/dev/full", "x"), -ENOSPC);
}
END_TEST

/* Who has the old file open keeps it whole; the new one has the mode asked for, and no other file is left. */
START_TEST(test_write_atomic) {
        _cleanup_close_ int old = -EBADF;
        struct stat st;
        char buf[16];

        ck_assert_int_eq(write_file_atomic(dir, "f", "old", 0644), 0);
        old = openat(dir, "f", O_RDONLY | O_CLOEXEC);
        ck_assert_int_eq(write_file_atomic(dir, "f", "newer", 0600), 0);
        ck_assert_int_eq(read(old, buf, sizeof(buf)), 3);
        ck_assert_mem_eq(buf, "old", 3);
        ck_assert_int_eq(read_file(dir, "f", buf, sizeof(buf)), 5);
        ck_assert_str_eq(buf, "newer");
        ck_assert_int_eq(fstatat(dir, "f", &st, 0), 0);
        ck_assert_uint_eq(st.st_mode & 0777, 0600);
        ck_assert_int_eq(faccessat(dir, "f.new", F_OK, 0), -1);
}
END_TEST

/* What cannot be written leaves the old file and nothing else; a symlink laid in the way is not followed. */
START_TEST(test_write_atomic_fails) {
        char buf[16];

        ck_assert_int_eq(mkdirat(dir, "d", 0700), 0);
        ck_assert_int_eq(write_file_atomic(dir, "d", "x", 0600), -EISDIR);
        ck_assert_int_eq(faccessat(dir, "d.new", F_OK, 0), -1);
        ck_assert_int_eq(unlinkat(dir, "d", AT_REMOVEDIR), 0);

        ck_assert_int_eq(write_file_atomic(dir, "f", "old", 0600), 0);
        ck_assert_int_eq(write_file_atomic(dir, "victim", "safe", 0600), 0);
        ck_assert_int_eq(symlinkat("victim", dir, "f.new"), 0);
        ck_assert_int_eq(write_file_atomic(dir, "f", "new", 0600), -ELOOP);
        ck_assert_int_eq(read_file(dir, "f", buf, sizeof(buf)), 3);
        ck_assert_str_eq(buf, "old");
        ck_assert_int_eq(read_file(dir, "victim", buf, sizeof(buf)), 4);

        ck_assert_int_eq(write_file_atomic(dir, "none/f", "x", 0600), -ENOENT);
        ck_assert_int_eq(write_file_atomic(-EBADF, "f", "x", 0600), -EBADF);
}
END_TEST

/* Descriptors arrive with their message, in order, as copies that are closed on execve(2). */
START_TEST(test_pass) {
        int fds[2], sent[FD_PASS_MAX], received[FD_PASS_MAX], files[2];
        size_t n = FD_PASS_MAX;
        char buf[8];

        make_pair(fds);
        ck_assert_int_eq(pipe(files), 0);
        for (size_t i = 0; i < FD_PASS_MAX; i++)
                sent[i] = files[i % 2];
        ck_assert_int_eq(send_with_fds(fds[0], "hello", 5, sent, FD_PASS_MAX, 0), 0);
        ck_assert_int_eq(recv_with_fds(fds[1], buf, sizeof(buf), received, &n, 0), 5);
        ck_assert_mem_eq(buf, "hello", 5);
        ck_assert_uint_eq(n, FD_PASS_MAX);
        for (size_t i = 0; i < FD_PASS_MAX; i++) {
                ck_assert_int_ne(received[i], sent[i]);
                ck_assert(same_file(received[i], sent[i]));
                ck_assert(fcntl(received[i], F_GETFD) & FD_CLOEXEC);
                safe_close(received[i]);
        }
        /* The sender's stay the sender's. */
        ck_assert_int_ge(fcntl(files[0], F_GETFD), 0);
}
END_TEST

/* A message without descriptors, one that just fits, and none at all. */
START_TEST(test_no_fds) {
        int fds[2], received[2] = { -EBADF, -EBADF };
        size_t n = 2;
        char buf[8];

        make_pair(fds);
        ck_assert_int_eq(recv_with_fds(fds[1], buf, sizeof(buf), received, &n, MSG_DONTWAIT), -EAGAIN);
        ck_assert_uint_eq(n, 0);
        ck_assert_int_eq(send_with_fds(fds[0], "12345678", 8, NULL, 0, 0), 0);
        n = 2;
        ck_assert_int_eq(recv_with_fds(fds[1], buf, sizeof(buf), received, &n, 0), 8);
        ck_assert_uint_eq(n, 0);
        ck_assert_int_eq(received[0], -EBADF);
        ck_assert_int_eq(send_with_fds(fds[0], "123", 3, NULL, 0, 0), 0);
        ck_assert_int_eq(recv_with_fds(fds[1], buf, sizeof(buf), NULL, NULL, 0), 3);
}
END_TEST

/* More descriptors than there is room for are closed, all of them, and the message is bad; the next one is not. */
START_TEST(test_surplus) {
        int fds[2], sent[FD_PASS_MAX], received[FD_PASS_MAX] = {};
        unsigned n_fds;
        char buf[8];
        size_t n;

        make_pair(fds);
        for (size_t i = 0; i < FD_PASS_MAX; i++)
                sent[i] = STDERR_FILENO;
        n_fds = unit_count_fds();

        ck_assert_int_eq(send_with_fds(fds[0], "x", 1, sent, 3, 0), 0);
        n = 2;
        ck_assert_int_eq(recv_with_fds(fds[1], buf, sizeof(buf), received, &n, 0), -EBADMSG);
        ck_assert_uint_eq(n, 0);
        ck_assert_int_eq(send_with_fds(fds[0], "x", 1, sent, FD_PASS_MAX, 0), 0);
        n = 0;
        ck_assert_int_eq(recv_with_fds(fds[1], buf, sizeof(buf), received, &n, 0), -EBADMSG);
        ck_assert_int_eq(send_with_fds(fds[0], "x", 1, sent, 1, 0), 0);
        ck_assert_int_eq(recv_with_fds(fds[1], buf, sizeof(buf), NULL, NULL, 0), -EBADMSG);
        ck_assert_uint_eq(unit_count_fds(), n_fds);

        ck_assert_int_eq(send_with_fds(fds[0], "x", 1, sent, 1, 0), 0);
        n = FD_PASS_MAX;
        ck_assert_int_eq(recv_with_fds(fds[1], buf, sizeof(buf), received, &n, 0), 1);
        ck_assert_uint_eq(n, 1);
        safe_close(received[0]);
}
END_TEST

/* More descriptors than any message of ours has are cut off by the kernel; those that came are closed. */
START_TEST(test_surplus_kernel) {
        enum { MANY = FD_PASS_MAX + 1 };
        union {
                struct cmsghdr header;
                char buf[CMSG_SPACE(sizeof(int) * MANY)];
        } control = { .header = {
                .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int) * MANY) } };
        struct iovec iov = { .iov_base = (char[]){ "x" }, .iov_len = 1 };
        struct msghdr msg = {
                .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
        int fds[2], sent[MANY], received[MANY];
        size_t n = MANY;
        unsigned n_fds;
        char buf[8];

        make_pair(fds);
        for (size_t i = 0; i < MANY; i++)
                sent[i] = STDERR_FILENO;
        memcpy(CMSG_DATA(&control.header), sent, sizeof(sent));
        n_fds = unit_count_fds();
        ck_assert_int_eq(sendmsg(fds[0], &msg, 0), 1);
        ck_assert_int_eq(recv_with_fds(fds[1], buf, sizeof(buf), received, &n, 0), -EBADMSG);
        ck_assert_uint_eq(n, 0);
        ck_assert_uint_eq(unit_count_fds(), n_fds);
}
END_TEST

/* A message larger than its room is bad, and its descriptors are closed. */
START_TEST(test_truncated) {
        int fds[2], received[2], fd = STDERR_FILENO;
        unsigned n_fds;
        size_t n = 2;
        char buf[8];

        make_pair(fds);
        n_fds = unit_count_fds();
        ck_assert_int_eq(send_with_fds(fds[0], "123456789", 9, &fd, 1, 0), 0);
        ck_assert_int_eq(recv_with_fds(fds[1], buf, sizeof(buf), received, &n, 0), -EBADMSG);
        ck_assert_uint_eq(n, 0);
        ck_assert_uint_eq(unit_count_fds(), n_fds);
}
END_TEST

/* The other side being gone is an end to who reads, and an error without a signal to who writes. */
START_TEST(test_closed) {
        int fds[2], received[2];
        size_t n = 2;
        char buf[8];

        make_pair(fds);
        ck_assert_int_eq(send_with_fds(fds[0], "last", 4, NULL, 0, 0), 0);
        (void) close(fds[0]);
        ck_assert_int_eq(recv_with_fds(fds[1], buf, sizeof(buf), received, &n, 0), 4);
        n = 2;
        ck_assert_int_eq(recv_with_fds(fds[1], buf, sizeof(buf), received, &n, 0), 0);
        ck_assert_uint_eq(n, 0);
        ck_assert_int_eq(send_with_fds(fds[1], "x", 1, NULL, 0, 0), -EPIPE);
        (void) close(fds[1]);
        ck_assert_int_eq(send_with_fds(fds[1], "x", 1, NULL, 0, 0), -EBADF);
        ck_assert_int_eq(recv_with_fds(fds[1], buf, sizeof(buf), received, &n, 0), -EBADF);
}
END_TEST

/* A full socket says so when asked not to wait. */
START_TEST(test_full) {
        int fds[2], r;

        make_pair(fds);
        while ((r = send_with_fds(fds[0], "x", 1, NULL, 0, MSG_DONTWAIT)) == 0)
                ;
        ck_assert_int_eq(r, -EAGAIN);
}
END_TEST

/* The service manager is told the name and gets the descriptor; without one nothing happens. */
START_TEST(test_store) {
        struct sockaddr_un un = { .sun_family = AF_UNIX };
        int manager, received[2], file = STDERR_FILENO;
        size_t n = 2;
        char buf[512];

        ck_assert_int_eq(unsetenv("NOTIFY_SOCKET"), 0);
        ck_assert_int_eq(fd_store_add("app-1f", file, true), 0);
        ck_assert_int_eq(fd_store_remove("app-1f"), 0);

        manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void) snprintf(un.sun_path, sizeof(un.sun_path), "%s/notify", directory);
        ck_assert_int_eq(bind(manager, (struct sockaddr *) &un, sizeof(un)), 0);
        ck_assert_int_eq(setenv("NOTIFY_SOCKET", un.sun_path, 1), 0);

        ck_assert_int_eq(fd_store_add("app-1f", file, true), 0);
        memset(buf, 0, sizeof(buf));
        ck_assert_int_gt(recv_with_fds(manager, buf, sizeof(buf) - 1, received, &n, 0), 0);
        ck_assert_str_eq(buf, "FDSTORE=1\nFDNAME=app-1f");
        ck_assert_uint_eq(n, 1);
        ck_assert(same_file(received[0], file));
        safe_close(received[0]);

        /* What has no HUP of its own is not watched by the manager. */
        ck_assert_int_eq(fd_store_add("udp-1f", file, false), 0);
        n = 2;
        memset(buf, 0, sizeof(buf));
        ck_assert_int_gt(recv_with_fds(manager, buf, sizeof(buf) - 1, received, &n, 0), 0);
        ck_assert_str_eq(buf, "FDSTORE=1\nFDNAME=udp-1f\nFDPOLL=0");
        ck_assert_uint_eq(n, 1);
        safe_close(received[0]);

        ck_assert_int_eq(fd_store_remove("app-1f"), 0);
        n = 2;
        memset(buf, 0, sizeof(buf));
        ck_assert_int_gt(recv_with_fds(manager, buf, sizeof(buf) - 1, received, &n, 0), 0);
        ck_assert_str_eq(buf, "FDSTOREREMOVE=1\nFDNAME=app-1f");
        ck_assert_uint_eq(n, 0);
}
END_TEST

/* The longest name that a store takes arrives whole. */
START_TEST(test_store_long_name) {
        struct sockaddr_un un = { .sun_family = AF_UNIX };
        char name[256], buf[512] = "", expected[512];
        int manager, received[1];
        size_t n = 1;

        memset(name, 'n', sizeof(name) - 1);
        name[sizeof(name) - 1] = '\0';
        manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void) snprintf(un.sun_path, sizeof(un.sun_path), "%s/notify", directory);
        ck_assert_int_eq(bind(manager, (struct sockaddr *) &un, sizeof(un)), 0);
        ck_assert_int_eq(setenv("NOTIFY_SOCKET", un.sun_path, 1), 0);
        ck_assert_int_eq(fd_store_add(name, STDERR_FILENO, false), 0);
        ck_assert_int_gt(recv_with_fds(manager, buf, sizeof(buf) - 1, received, &n, 0), 0);
        (void) snprintf(expected, sizeof(expected), "FDSTORE=1\nFDNAME=%s\nFDPOLL=0", name);
        ck_assert_str_eq(buf, expected);
}
END_TEST

/* More names than an environment variable holds are not taken; and room that others must have is not given away. */
START_TEST(test_store_room) {
        char name[256];
        unsigned n = 0;

        ck_assert_int_eq(unsetenv("NOTIFY_SOCKET"), 0);
        memset(name, 'n', sizeof(name) - 1);
        name[sizeof(name) - 1] = '\0';
        while (fd_store_add_spare(name, STDERR_FILENO) == 0)
                n++;
        ck_assert_uint_eq(n, FD_STORE_NAMES_SPARE_MAX / sizeof(name));
        while (fd_store_add(name, STDERR_FILENO, false) == 0)
                n++;
        ck_assert_uint_eq(n, FD_STORE_NAMES_MAX / sizeof(name));
        ck_assert_int_eq(fd_store_add_spare(name, STDERR_FILENO), -ENOSPC);
        ck_assert_int_eq(fd_store_remove(name), 0);
        ck_assert_int_eq(fd_store_add_spare(name, STDERR_FILENO), 0);
        ck_assert_int_eq(fd_store_remove(name), 0);

        /* What came back counts, too. */
        for (unsigned i = 0; i < n; i++)
                ck_assert_int_eq(fd_store_restored(name), 0);
        ck_assert_int_eq(fd_store_add(name, STDERR_FILENO, false), -ENOSPC);
        ck_assert_int_eq(fd_store_remove(name), 0);
        ck_assert_int_eq(fd_store_add(name, STDERR_FILENO, false), 0);
}
END_TEST

int main(void) {
        return UNIT_RUN("fd", setup, teardown, test_safe_close, test_read_file, test_read_pieces, test_write_file,
                        test_write_atomic, test_write_atomic_fails, test_pass, test_no_fds, test_surplus,
                        test_surplus_kernel, test_truncated, test_closed, test_full, test_store, test_store_room,
                        test_store_long_name);
}

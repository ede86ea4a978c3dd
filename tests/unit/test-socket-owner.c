/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Proves that sockets are a user's in the time between the two calls, and the thread is what it was after them. */

#include <sys/stat.h>

#include "basic/caps.h"
#include "basic/fd.h"
#include "transport/socket-owner.h"
#include "unit.h"

enum { SOMEBODY = 54321 };

static uid_t owner_of(int fd) {
        struct stat st;

        ck_assert_int_eq(fstat(fd, &st), 0);
        return st.st_uid;
}

static int new_socket(void) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        ck_assert_int_ge(fd, 0);
        return fd;
}

/* What is made, and what is accepted. */
START_TEST(test_owner) {
        _cleanup_close_ int listener = new_socket(), made = -EBADF, accepted = -EBADF, after = -EBADF;
        struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(at);

        ck_assert_int_eq(bind(listener, (struct sockaddr *) &at, sizeof(at)), 0);
        ck_assert_int_eq(listen(listener, 1), 0);
        ck_assert_int_eq(getsockname(listener, (struct sockaddr *) &at, &size), 0);
        ck_assert_int_eq(socket_owner_begin(SOMEBODY), 0);
        made = new_socket();
        ck_assert_int_eq(connect(made, (struct sockaddr *) &at, size), 0);
        accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        socket_owner_end();
        after = new_socket();
        ck_assert_uint_eq(owner_of(made), SOMEBODY);
        ck_assert_uint_eq(owner_of(accepted), SOMEBODY);
        ck_assert_uint_eq(owner_of(listener), 0);
        ck_assert_uint_eq(owner_of(after), 0);
}
END_TEST

/* The rights of the thread are all back. */
START_TEST(test_rights) {
        Caps before, after;

        ck_assert_int_eq(caps_suspend(&before), 0);
        caps_resume(&before);
        ck_assert_int_eq(socket_owner_begin(SOMEBODY), 0);
        socket_owner_end();
        ck_assert_int_eq(caps_suspend(&after), 0);
        caps_resume(&after);
        ck_assert_uint_eq(before.data[0].effective, after.data[0].effective);
        ck_assert_uint_eq(before.data[1].effective, after.data[1].effective);
}
END_TEST

/* Who has not the right is told, and goes on as himself. */
START_TEST(test_without_right) {
        _cleanup_close_ int fd = -EBADF;
        Caps caps;

        ck_assert_int_eq(caps_suspend(&caps), 0);
        ck_assert_int_eq(socket_owner_begin(SOMEBODY), -EPERM);
        fd = new_socket();
        socket_owner_end();
        caps_resume(&caps);
        ck_assert_uint_eq(owner_of(fd), 0);
}
END_TEST

int main(void) {
        if (geteuid() != 0 || socket_owner_begin(SOMEBODY) < 0)
                return UNIT_SKIPPED;
        socket_owner_end();
        return UNIT_RUN("socket-owner", NULL, NULL, test_owner, test_rights, test_without_right);
}

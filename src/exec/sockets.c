/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <grp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "basic/fd.h"
#include "basic/log.h"
#include "exec/network.h"
#include "exec/sockets.h"

enum { NOBODY = 65534 };

static void serve_one(int connection, uint32_t family) {
        int fds[FD_PASS_MAX];
        size_t n = 0;

        while (n < FD_PASS_MAX) {
                int fd = socket((int) family, SOCK_STREAM | SOCK_CLOEXEC, 0);

                if (fd < 0)
                        break;
                fds[n++] = fd;
        }
        (void) send_with_fds(connection, &family, sizeof(family), fds, n, 0);
        while (n > 0)
                safe_close(fds[--n]);
}

_Noreturn void sockets_serve(int connection) {
        uint32_t family;
        int r;

        (void) prctl(PR_SET_NAME, "ax-sockets");
        r = network_enter_any();
        if (r < 0) {
                (void) log_error_errno(r, "Failed to make the namespace for TCP between apps: %m");
                _exit(EXIT_FAILURE);
        }
        if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0)
                _exit(EXIT_FAILURE);
        while (recv_with_fds(connection, &family, sizeof(family), NULL, NULL, 0) == sizeof(family))
                serve_one(connection, family);
        _exit(EXIT_SUCCESS);
}

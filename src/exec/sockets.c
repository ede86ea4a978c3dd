/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <grp.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "basic/caps.h"
#include "basic/fd.h"
#include "basic/log.h"
#include "exec/sockets.h"
#include "transport/dial.h"

enum { NOBODY = 65534 };

/* A socket that connects from any address, never waits, and leaves nothing behind. */
static int make_socket(const DialRequest *request) {
        const int type = SOCK_STREAM | SOCK_CLOEXEC, family = (int) request->family, on = 1, mark = DIAL_MARK;
        const struct linger reset = { .l_onoff = 1 };
        int fd;

        if (request->diag)
                return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
        if (request->raw)
                return socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP);
        if (request->plain)
                return socket(family, type, 0);
        fd = socket(family, type | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return fd;
        if (setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0 ||
            setsockopt(fd, family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6, family == AF_INET ? IP_TRANSPARENT : IPV6_TRANSPARENT,
                       &on, sizeof(on)) < 0 ||
            setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) < 0)
                return safe_close(fd);
        return fd;
}

static void serve_one(int connection, const DialRequest *request) {
        const size_t wanted = request->plain || request->raw || request->diag ? 1 : FD_PASS_MAX;
        int fds[FD_PASS_MAX];
        size_t n = 0;

        while (n < wanted) {
                int fd = make_socket(request);

                if (fd < 0)
                        break;
                fds[n++] = fd;
        }
        (void) send_with_fds(connection, request, sizeof(*request), fds, n, 0);
        while (n > 0)
                safe_close(fds[--n]);
}

static int drop_rights(void) {
        if (prctl(PR_SET_KEEPCAPS, 1) < 0 || setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
            setresuid(NOBODY, NOBODY, NOBODY) < 0)
                return -errno;
        /* To enter a namespace, to set marks there, and to see what is sent there. */
        return caps_keep(UINT64_C(1) << CAP_SYS_ADMIN | UINT64_C(1) << CAP_NET_ADMIN | UINT64_C(1) << CAP_NET_RAW);
}

_Noreturn void sockets_serve(int connection) {
        _cleanup_close_ int home = -EBADF;
        int r;

        (void) prctl(PR_SET_NAME, "ax-sockets");
        home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        r = home < 0 ? -errno : drop_rights();
        if (r < 0) {
                (void) log_error_errno(r, "Failed to set up the maker of sockets: %m");
                _exit(EXIT_FAILURE);
        }
        for (;;) {
                DialRequest request;
                int netns;
                size_t n = 1;

                if (recv_with_fds(connection, &request, sizeof(request), &netns, &n, 0) != sizeof(request) || n != 1)
                        break;
                /* Not in the app's for longer than it takes: it would outlive the app. */
                if (setns(netns, CLONE_NEWNET) < 0)
                        (void) send_with_fds(connection, &request, sizeof(request), NULL, 0, 0);
                else
                        serve_one(connection, &request);
                safe_close(netns);
                if (setns(home, CLONE_NEWNET) < 0)
                        break;
        }
        _exit(EXIT_SUCCESS);
}

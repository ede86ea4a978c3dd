/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>
#include <sys/socket.h>

#include "dns/tcp.h"

int tcp_fill(int fd, uint8_t *data, size_t size, size_t *n) {
        while (*n < size) {
                ssize_t l = recv(fd, data + *n, size - *n, MSG_DONTWAIT);

                if (l == 0)
                        return -ECONNRESET;
                if (l < 0 && errno == EAGAIN)
                        return 0;
                if (l < 0 && errno != EINTR)
                        return -errno;
                if (l > 0)
                        *n += (size_t) l;
        }
        return 1;
}

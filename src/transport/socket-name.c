/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "transport/socket-name.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

static const char prefix[] = "ax:";
enum { PREFIX_LENGTH = sizeof(prefix) - 1 };

int socket_name_bind(int fd, const SocketName *name) {
        char local[ENDPOINT_STRING_MAX], rest[ENDPOINT_STRING_MAX];
        struct sockaddr_un un = { .sun_family = AF_UNIX };
        int n;

        if (name->type == SOCKET_NAME_LISTENER)
                (void) snprintf(rest, sizeof(rest), "%" PRIx64, name->number);
        else
                (void) endpoint_format(&name->peer, name->family, rest);
        n = snprintf(un.sun_path + 1, sizeof(un.sun_path) - 1, "%s%s%c%s", prefix,
                     endpoint_format(&name->local, name->family, local), name->type, rest);
        assert(n > 0 && (size_t) n < sizeof(un.sun_path) - 1);

        if (bind(fd, (struct sockaddr *) &un, (socklen_t) (offsetof(struct sockaddr_un, sun_path) + 1 + (size_t) n)) < 0)
                return -errno;
        return 0;
}

int socket_name_parse(const struct sockaddr *sa, socklen_t size, SocketName *ret) {
        const struct sockaddr_un *un = (const struct sockaddr_un *) sa;
        const size_t head = offsetof(struct sockaddr_un, sun_path) + 1 + PREFIX_LENGTH;
        SocketName name = {};
        const char *text, *separator = NULL;
        size_t n, rest;
        int family;

        if (size <= head || size > sizeof(*un) || un->sun_family != AF_UNIX || un->sun_path[0] != '\0' ||
            memcmp(un->sun_path + 1, prefix, PREFIX_LENGTH) != 0)
                return -EINVAL;
        text = un->sun_path + 1 + PREFIX_LENGTH;
        n = size - head;
        for (size_t i = 0; i < n && !separator; i++)
                if (text[i] == SOCKET_NAME_CLIENT || text[i] == SOCKET_NAME_SERVER ||
                    text[i] == SOCKET_NAME_LISTENER)
                        separator = text + i;
        if (!separator || endpoint_parse(text, (size_t) (separator - text), &name.local, &name.family) < 0)
                return -EINVAL;

        name.type = (SocketNameType) *separator;
        rest = n - (size_t) (separator + 1 - text);
        if (name.type == SOCKET_NAME_LISTENER) {
                char number[17];

                if (rest == 0 || rest >= sizeof(number))
                        return -EINVAL;
                memcpy(number, separator + 1, rest);
                number[rest] = '\0';
                if (strspn(number, "0123456789abcdef") != rest)
                        return -EINVAL;
                name.number = strtoull(number, NULL, 16);
        } else if (endpoint_parse(separator + 1, rest, &name.peer, &family) < 0 || family != name.family)
                return -EINVAL;

        *ret = name;
        return 0;
}

int socket_netns_cookie(int fd, uint64_t *ret) {
        socklen_t size = sizeof(*ret);

        if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, ret, &size) < 0)
                return -errno;
        return 0;
}

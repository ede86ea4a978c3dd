/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "basic/siphash.h"
#include "basic/text.h"
#include "transport/socket-name.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

static const char prefix[] = "ax:", apps_separator = '~';
enum {
        PREFIX_LENGTH = sizeof(prefix) - 1,
        HASH_LENGTH = 8, /* characters of 6 bits: as many as the longest addresses leave room for */
};

static uint8_t name_key[SOCKET_NAME_KEY_SIZE];

void socket_name_set_key(const uint8_t key[static SOCKET_NAME_KEY_SIZE]) {
        memcpy(name_key, key, sizeof(name_key));
}

static void hash_text(const char *text, size_t size, char hash[static HASH_LENGTH]) {
        static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        uint64_t h = siphash24(text, size, name_key);

        for (size_t i = 0; i < HASH_LENGTH; i++, h >>= 6)
                hash[i] = digits[h & 63];
}

/* Adds the numbers of the apps if there is room. Returns the length of what is there then. */
static size_t add_apps(const SocketName *name, char *text, size_t size, size_t length) {
        char apps[48], *end;

        if (name->type != SOCKET_NAME_SERVER || name->local_app == 0 || name->peer_app == 0)
                return length;
        apps[0] = apps_separator;
        end = text_put_number(apps + 1, name->local_app);
        *end++ = ',';
        end = text_put_number(end, name->peer_app);
        if (length + (size_t) (end - apps) > size)
                return length;
        memcpy(text + length, apps, (size_t) (end - apps));
        return length + (size_t) (end - apps);
}

/* A number as add_apps() writes it, up to `end`. */
static int parse_number(const char *s, const char *end, uint64_t *ret) {
        uint64_t value = 0;

        if (s == end || *s == '0')
                return -EINVAL;
        for (; s < end; s++) {
                if (*s < '0' || *s > '9' || __builtin_mul_overflow(value, 10, &value) ||
                    __builtin_add_overflow(value, (uint64_t) (*s - '0'), &value))
                        return -EINVAL;
        }
        *ret = value;
        return 0;
}

/* What may follow the peer, in a text of `n` characters. `ret` gets the length of what is before it. */
static int parse_apps(const char *text, size_t n, SocketName *name, size_t *ret) {
        const char *apps = memchr(text, apps_separator, n), *comma;

        *ret = n;
        if (!apps)
                return 0;
        comma = memchr(apps, ',', n - (size_t) (apps - text));
        if (!comma || name->type != SOCKET_NAME_SERVER)
                return -EINVAL;
        *ret = (size_t) (apps - text);
        if (parse_number(apps + 1, comma, &name->local_app) < 0)
                return -EINVAL;
        return parse_number(comma + 1, text + n, &name->peer_app);
}

int socket_name_bind(int fd, const SocketName *name) {
        char local[ENDPOINT_STRING_MAX], rest[ENDPOINT_STRING_MAX];
        const size_t local_length = strlen(endpoint_format(&name->local, name->family, local));
        const size_t rest_length = strlen(endpoint_format(&name->peer, name->family, rest));
        size_t n = PREFIX_LENGTH + local_length + 1 + rest_length;
        struct sockaddr_un un = { .sun_family = AF_UNIX };
        char *p = un.sun_path + 1;

        assert(n + 1 + HASH_LENGTH < sizeof(un.sun_path));
        p = mempcpy(p, prefix, PREFIX_LENGTH);
        p = mempcpy(p, local, local_length);
        *p++ = (char) name->type;
        memcpy(p, rest, rest_length);
        n = add_apps(name, un.sun_path + 1, sizeof(un.sun_path) - 1 - 1 - HASH_LENGTH, n);
        un.sun_path[1 + n] = '#';
        hash_text(un.sun_path + 1, n, un.sun_path + 1 + n + 1);
        n += 1 + HASH_LENGTH;

        if (bind(fd, (struct sockaddr *) &un, (socklen_t) (offsetof(struct sockaddr_un, sun_path) + 1 + n)) < 0)
                return -errno;
        return 0;
}

int socket_name_parse(const struct sockaddr *sa, socklen_t size, SocketName *ret) {
        const struct sockaddr_un *un = (const struct sockaddr_un *) sa;
        const size_t head = offsetof(struct sockaddr_un, sun_path) + 1 + PREFIX_LENGTH;
        SocketName name = {};
        const char *text, *separator = NULL;
        char hash[HASH_LENGTH];
        size_t n, rest;
        int family;

        if (size <= head || size > sizeof(*un) || un->sun_family != AF_UNIX || un->sun_path[0] != '\0' ||
            memcmp(un->sun_path + 1, prefix, PREFIX_LENGTH) != 0)
                return -EINVAL;
        text = un->sun_path + 1 + PREFIX_LENGTH;
        n = size - head;
        if (n <= 1 + HASH_LENGTH)
                return -EINVAL;
        n -= 1 + HASH_LENGTH;
        hash_text(un->sun_path + 1, PREFIX_LENGTH + n, hash);
        if (text[n] != '#' || memcmp(text + n + 1, hash, HASH_LENGTH) != 0)
                return -EINVAL;
        for (size_t i = 0; i < n && !separator; i++)
                if (text[i] == SOCKET_NAME_CLIENT || text[i] == SOCKET_NAME_SERVER)
                        separator = text + i;
        if (!separator || endpoint_parse(text, (size_t) (separator - text), &name.local, &name.family) < 0)
                return -EINVAL;

        name.type = (SocketNameType) *separator;
        rest = n - (size_t) (separator + 1 - text);
        if (parse_apps(separator + 1, rest, &name, &rest) < 0 ||
            endpoint_parse(separator + 1, rest, &name.peer, &family) < 0 || family != name.family)
                return -EINVAL;

        *ret = name;
        return 0;
}

uint64_t socket_name_hash(const void *data, size_t size) {
        return siphash24(data, size, name_key);
}

bool socket_name_fits(int fd) {
        int type;
        socklen_t size = sizeof(type);

        return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) >= 0 && type == SOCK_STREAM;
}

int socket_netns_cookie(int fd, uint64_t *ret) {
        socklen_t size = sizeof(*ret);

        if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, ret, &size) < 0)
                return -errno;
        return 0;
}

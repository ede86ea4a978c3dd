/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Proves that a socket's name says who it stands for, as the kernel gives it back, and that no other name does. */

#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "basic/fd.h"
#include "basic/siphash.h"
#include "transport/socket-name.h"
#include "unit.h"

static int unix_socket(void) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        ck_assert_int_ge(fd, 0);
        return fd;
}

/* Gives a socket this name, and reads it as getsockname(2) tells it. */
static SocketName round_trip(const SocketName *name, char text[static 128]) {
        _cleanup_close_ int fd = unix_socket();
        struct sockaddr_un un = {};
        socklen_t size = sizeof(un);
        SocketName back;

        ck_assert_int_eq(socket_name_bind(fd, name), 0);
        ck_assert_int_eq(getsockname(fd, (struct sockaddr *) &un, &size), 0);
        ck_assert_uint_le(size, sizeof(un));
        (void) snprintf(text, 128, "%.*s", (int) (size - offsetof(struct sockaddr_un, sun_path) - 1), un.sun_path + 1);
        /* The keyed hash is of no interest here. */
        ck_assert_ptr_nonnull(strrchr(text, '#'));
        *strrchr(text, '#') = 0;

        memset(&back, 0xff, sizeof(back));
        ck_assert_msg(socket_name_parse((struct sockaddr *) &un, size, &back) == 0, "%s", text);
        return back;
}

static void assert_same(const SocketName *a, const SocketName *b) {
        ck_assert_int_eq(a->type, b->type);
        ck_assert_int_eq(a->family, b->family);
        ck_assert_mem_eq(&a->local, &b->local, sizeof(a->local));
        ck_assert_mem_eq(&a->peer, &b->peer, sizeof(a->peer));
        ck_assert_uint_eq(a->local_app, b->local_app);
        ck_assert_uint_eq(a->peer_app, b->peer_app);
}

static const char longest[] = "1111:2222:3333:4444:5555:6666:7777:8888";

/* Both ends of pairs, in each family a side can see, come back as they went in. */
START_TEST(test_pair) {
        static const struct {
                SocketNameType type;
                int family;
                const char *local;
                uint16_t local_port;
                const char *peer;
                uint16_t peer_port;
                const char *text;
        } table[] = {
                { SOCKET_NAME_CLIENT, AF_INET, "198.18.0.10", 40000, "198.18.0.20", 80,
                  "ax:198.18.0.10:40000>198.18.0.20:80" },
                { SOCKET_NAME_SERVER, AF_INET, "198.18.0.20", 80, "198.18.0.10", 40000,
                  "ax:198.18.0.20:80<198.18.0.10:40000" },
                { SOCKET_NAME_CLIENT, AF_INET6, "198.18.0.10", 40000, "198.18.0.20", 80,
                  "ax:[::ffff:198.18.0.10]:40000>[::ffff:198.18.0.20]:80" },
                { SOCKET_NAME_SERVER, AF_INET6, "198.18.0.20", 80, "198.18.0.10", 40000,
                  "ax:[::ffff:198.18.0.20]:80<[::ffff:198.18.0.10]:40000" },
                { SOCKET_NAME_CLIENT, AF_INET6, "fd00::10", 1, "fd00::20", 65535, "ax:[fd00::10]:1>[fd00::20]:65535" },
                { SOCKET_NAME_SERVER, AF_INET6, "::1", 80, "::1", 40000, "ax:[::1]:80<[::1]:40000" },
                { SOCKET_NAME_CLIENT, AF_INET6, "fe80::1", 40000, "fe80::2", 80, "ax:[fe80::1]:40000>[fe80::2]:80" },
                { SOCKET_NAME_CLIENT, AF_INET, "0.0.0.0", 0, "255.255.255.255", 0, "ax:0.0.0.0:0>255.255.255.255:0" },
                /* As long as it gets. */
                { SOCKET_NAME_CLIENT, AF_INET6, longest, 65535, longest, 65535,
                  "ax:[1111:2222:3333:4444:5555:6666:7777:8888]:65535>[1111:2222:3333:4444:5555:6666:7777:8888]:65535" },
                { SOCKET_NAME_SERVER, AF_INET6, "255.255.255.255", 65535, "255.255.255.255", 65535,
                  "ax:[::ffff:255.255.255.255]:65535<[::ffff:255.255.255.255]:65535" },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                SocketName name = {
                        .type = table[i].type,
                        .family = table[i].family,
                        .local = unit_endpoint(table[i].local, table[i].local_port),
                        .peer = unit_endpoint(table[i].peer, table[i].peer_port),
                };
                char text[128];
                SocketName back = round_trip(&name, text);

                ck_assert_str_eq(text, table[i].text);
                assert_same(&back, &name);
        }
}
END_TEST

/* The numbers of the apps are in the name of the server's end, where there is room for them, and nowhere else. */
START_TEST(test_apps) {
        static const struct {
                SocketNameType type;
                int family;
                const char *address;
                uint64_t local, peer;
                const char *text;
        } table[] = {
                { SOCKET_NAME_SERVER, AF_INET, "198.18.0.1", 7, 12, "ax:198.18.0.1:40000<198.18.0.1:40000~7,12" },
                { SOCKET_NAME_SERVER, AF_INET, "198.18.0.1", UINT64_MAX, 1,
                  "ax:198.18.0.1:40000<198.18.0.1:40000~18446744073709551615,1" },
                { SOCKET_NAME_SERVER, AF_INET6, "255.255.255.255", 1234567, 9999999,
                  "ax:[::ffff:255.255.255.255]:40000<[::ffff:255.255.255.255]:40000~1234567,9999999" },
                { SOCKET_NAME_SERVER, AF_INET6, "fdaa:a55:317c:0:1111:2222:3333:4444", 1234, 56,
                  "ax:[fdaa:a55:317c:0:1111:2222:3333:4444]:40000<[fdaa:a55:317c:0:1111:2222:3333:4444]:40000~1234,56" },
                { SOCKET_NAME_SERVER, AF_INET6, longest, 1, 2,
                  "ax:[1111:2222:3333:4444:5555:6666:7777:8888]:40000<[1111:2222:3333:4444:5555:6666:7777:8888]:40000" },
                { SOCKET_NAME_SERVER, AF_INET, "198.18.0.1", 0, 12, "ax:198.18.0.1:40000<198.18.0.1:40000" },
                { SOCKET_NAME_CLIENT, AF_INET, "198.18.0.1", 7, 12, "ax:198.18.0.1:40000>198.18.0.1:40000" },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                SocketName name = {
                        .type = table[i].type,
                        .family = table[i].family,
                        .local = unit_endpoint(table[i].address, 40000),
                        .peer = unit_endpoint(table[i].address, 40000),
                        .local_app = table[i].local,
                        .peer_app = table[i].peer,
                };
                char text[128];
                SocketName back = round_trip(&name, text);

                ck_assert_str_eq(text, table[i].text);
                if (!strchr(text, '~'))
                        name.local_app = name.peer_app = 0;
                assert_same(&back, &name);
        }
}
END_TEST

/* A name is one socket's, until that is closed. */
START_TEST(test_in_use) {
        SocketName name = {
                .type = SOCKET_NAME_SERVER,
                .family = AF_INET,
                .local = unit_endpoint("198.18.0.10", 80),
                .peer = unit_endpoint("198.18.0.20", 40000),
        };
        _cleanup_close_ int a = unix_socket(), b = unix_socket();

        ck_assert_int_eq(socket_name_bind(a, &name), 0);
        ck_assert_int_eq(socket_name_bind(b, &name), -EADDRINUSE);
        ck_assert_int_eq(socket_name_bind(a, &name), -EINVAL);
        a = safe_close(a);
        ck_assert_int_eq(socket_name_bind(b, &name), 0);
        ck_assert_int_eq(socket_name_bind(a, &name), -EBADF);
}
END_TEST

/* Parses the text after the leading NUL out of a block that ends with it. */
static int parse(const char *text, size_t n, SocketName *ret) {
        size_t size = offsetof(struct sockaddr_un, sun_path) + 1 + n;
        _cleanup_free_ struct sockaddr_un *un = calloc(1, size);

        ck_assert_ptr_nonnull(un);
        un->sun_family = AF_UNIX;
        memcpy((char *) un + offsetof(struct sockaddr_un, sun_path) + 1, text, n);
        return socket_name_parse((struct sockaddr *) un, (socklen_t) size, ret);
}

/* What is behind the text of a name: what a daemon of any version writes, as it is to be believed by the next one. */
static void sign(const char *text, size_t n, const uint8_t key[static SOCKET_NAME_KEY_SIZE], char ret[static 10]) {
        static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        uint64_t h = siphash24(text, n, key);

        ret[0] = '#';
        for (size_t i = 1; i < 9; i++, h >>= 6)
                ret[i] = digits[h % 64];
        ret[9] = '\0';
}

/* Parses the text with the hash that belongs to it. */
static int parse_signed(const char *text, size_t n, SocketName *ret) {
        static const uint8_t key[SOCKET_NAME_KEY_SIZE];
        char name[128];

        ck_assert_uint_le(n + 10, sizeof(name));
        if (n > 0)
                memcpy(name, text, n);
        sign(text, n, key, name + n);
        return parse(name, n + 9, ret);
}

/* The hash of a name is fixed by the key, so that a new version knows the sockets of an old one. */
START_TEST(test_hash) {
        static const uint8_t key[SOCKET_NAME_KEY_SIZE] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
        static const char text[] = "ax:198.18.0.10:40000>198.18.0.20:80", hash[] = "#U2u0ua-d";
        char name[64], expected[10];
        SocketName parsed;

        sign(text, strlen(text), key, expected);
        ck_assert_str_eq(expected, hash);
        (void) snprintf(name, sizeof(name), "%s%s", text, hash);
        ck_assert_int_eq(parse(name, strlen(name), &parsed), -EINVAL);
        socket_name_set_key(key);
        ck_assert_int_eq(parse(name, strlen(name), &parsed), 0);
        ck_assert_uint_eq(parsed.local.port, 40000);
}
END_TEST

/* Names that others gave are no names of ours, also when the hash is right. */
START_TEST(test_foreign) {
#define BAD(s) { s, sizeof(s) - 1 }
        static const struct {
                const char *text;
                size_t n;
        } bad[] = {
                BAD(""),
                BAD("a"),
                BAD("ax:"),
                BAD("ax"),
                BAD("AX:198.18.0.10:1>198.18.0.20:80"),
                BAD("/tmp/.X11-unix/X0"),
                BAD("00001"),
                BAD("ax:198.18.0.10:1"),
                BAD("ax:>"),
                BAD("ax:198.18.0.10:1>"),
                BAD("ax:>198.18.0.20:80"),
                BAD("ax:198.18.0.10:1=198.18.0.20:80"),
                BAD("ax: 198.18.0.10:1>198.18.0.20:80"),
                BAD("ax:198.18.0.10:1>198.18.0.20:80 "),
                BAD("ax:198.18.0.10:1>198.18.0.20:80\n"),
                BAD("ax:198.18.0.10:1>198.18.0.20:65536"),
                BAD("ax:198.18.0.10>198.18.0.20:80"),
                BAD("ax:198.18.0.10:1>198.18.0.20"),
                BAD("ax:198.18.0.10:1>198.18.0.20:80>198.18.0.30:80"),
                BAD("ax:198.18.0.10:1><198.18.0.20:80"),
                BAD("ax:198.18.0.10:1<>198.18.0.20:80"),
                /* Both ends are seen through one socket, which has one family. */
                BAD("ax:198.18.0.10:1>[fd00::20]:80"),
                BAD("ax:[fd00::10]:1<198.18.0.20:80"),
                BAD("ax:[::ffff:198.18.0.10]:1>198.18.0.20:80"),
                /* Numbers of apps: two, none of them zero, written in one way, at the server's end only. */
                BAD("ax:198.18.0.10:1>198.18.0.20:80~1,2"),
                BAD("ax:198.18.0.10:1<198.18.0.20:80~"),
                BAD("ax:198.18.0.10:1<198.18.0.20:80~1"),
                BAD("ax:198.18.0.10:1<198.18.0.20:80~1,"),
                BAD("ax:198.18.0.10:1<198.18.0.20:80~,1"),
                BAD("ax:198.18.0.10:1<198.18.0.20:80~0,1"),
                BAD("ax:198.18.0.10:1<198.18.0.20:80~1,01"),
                BAD("ax:198.18.0.10:1<198.18.0.20:80~1,-1"),
                BAD("ax:198.18.0.10:1<198.18.0.20:80~1,2,3"),
                BAD("ax:198.18.0.10:1<198.18.0.20:80~1,2~3,4"),
                BAD("ax:198.18.0.10:1<198.18.0.20:80~18446744073709551616,1"),
                /* NUL is a character of an abstract name. */
                BAD("ax:198.18.0.10:1>198.18.0.20:80\0"),
                BAD("ax:198.18.0.10:1\0>198.18.0.20:80"),
                BAD("ax\0:198.18.0.10:1>198.18.0.20:80"),
                BAD("\0ax:198.18.0.10:1>198.18.0.20:80"),
                BAD("ax:0.0.0.0:80|1"),
                BAD("ax:0.0.0.0:80|198.18.0.20:80"),
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                SocketName name = { .family = 42 };

                ck_assert_msg(parse(bad[i].text, bad[i].n, &name) == -EINVAL, "%zu: %s", i, bad[i].text);
                ck_assert_msg(parse_signed(bad[i].text, bad[i].n, &name) == -EINVAL, "%zu: %s", i, bad[i].text);
                ck_assert_int_eq(name.family, 42);
        }
        ck_assert_int_eq(parse_signed("ax:198.18.0.10:1>198.18.0.20:80", 31, &(SocketName){}), 0);
}
END_TEST

/* The name of a real pair's end, as text. Returns its length. */
static size_t real_name(SocketNameType type, char text[static 128]) {
        SocketName name = { .type = type, .family = AF_INET };
        _cleanup_close_ int fd = unix_socket();
        struct sockaddr_un un = {};
        socklen_t size = sizeof(un);

        ck_assert_int_eq(address_parse("198.18.0.10", &name.local.address), 0);
        ck_assert_int_eq(address_parse("198.18.0.20", &name.peer.address), 0);
        ck_assert_int_eq(socket_name_bind(fd, &name), 0);
        ck_assert_int_eq(getsockname(fd, (struct sockaddr *) &un, &size), 0);
        size -= (socklen_t) offsetof(struct sockaddr_un, sun_path) + 1;
        memcpy(text, un.sun_path + 1, size);
        return size;
}

/* Who does not know the key cannot make a name: not by changing one, nor with the key of another boot. */
START_TEST(test_forged) {
        static const SocketNameType types[] = { SOCKET_NAME_CLIENT, SOCKET_NAME_SERVER };
        static const uint8_t other[SOCKET_NAME_KEY_SIZE] = { 1 }, none[SOCKET_NAME_KEY_SIZE];
        SocketName name;
        char text[128];

        for (size_t i = 0; i < ELEMENTSOF(types); i++) {
                size_t n = real_name(types[i], text);

                ck_assert_int_eq(parse(text, n, &name), 0);
                for (size_t at = 0; at < n; at++) {
                        text[at] ^= 1;
                        ck_assert_msg(parse(text, n, &name) == -EINVAL, "%zu of %.*s", at, (int) n, text);
                        text[at] ^= 1;
                }
                socket_name_set_key(other);
                ck_assert_int_eq(parse(text, n, &name), -EINVAL);
                socket_name_set_key(none);
        }
}
END_TEST

/* A name can be used again on a socket of another type: that is not the one it was given to. */
START_TEST(test_fits) {
        int stream[2], seqpacket[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, stream), 0);
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, seqpacket), 0);
        ck_assert(socket_name_fits(stream[0]));
        ck_assert(!socket_name_fits(seqpacket[0]));
        ck_assert(!socket_name_fits(-EBADF));
        for (size_t i = 0; i < 2; i++) {
                safe_close(stream[i]);
                safe_close(seqpacket[i]);
        }
}
END_TEST

/* A name cut short is none, and nothing behind its end is read. */
START_TEST(test_truncated) {
        static const SocketNameType types[] = { SOCKET_NAME_CLIENT, SOCKET_NAME_SERVER };
        SocketName name;
        char text[128];

        for (size_t i = 0; i < ELEMENTSOF(types); i++) {
                size_t full = real_name(types[i], text);

                for (size_t n = 0; n < full; n++)
                        ck_assert_int_eq(parse(text, n, &name), -EINVAL);
        }
}
END_TEST

/* Sockets without a name, with one in the file system, with one of the kernel's and of other families are no ours. */
START_TEST(test_other_sockets) {
        _cleanup_close_ int unnamed = unix_socket(), automatic = unix_socket(), inet = -EBADF;
        struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "ax:198.18.0.10:1>198.18.0.20:80" };
        struct sockaddr_storage sa;
        socklen_t size = sizeof(sa);
        SocketName name;

        ck_assert_int_eq(getsockname(unnamed, (struct sockaddr *) &sa, &size), 0);
        ck_assert_int_eq(socket_name_parse((struct sockaddr *) &sa, size, &name), -EINVAL);

        ck_assert_int_eq(bind(automatic, (struct sockaddr *) &un, sizeof(sa_family_t)), 0);
        size = sizeof(sa);
        ck_assert_int_eq(getsockname(automatic, (struct sockaddr *) &sa, &size), 0);
        ck_assert_int_eq(socket_name_parse((struct sockaddr *) &sa, size, &name), -EINVAL);

        /* A path of that spelling, at any length. */
        for (size = 0; size <= sizeof(un); size++)
                ck_assert_int_eq(socket_name_parse((struct sockaddr *) &un, size, &name), -EINVAL);

        inet = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_ge(inet, 0);
        size = sizeof(sa);
        ck_assert_int_eq(getsockname(inet, (struct sockaddr *) &sa, &size), 0);
        ck_assert_int_eq(socket_name_parse((struct sockaddr *) &sa, size, &name), -EINVAL);
}
END_TEST

/* The whole of sun_path is a name like any other, and more than that is none. */
START_TEST(test_full_path) {
        struct {
                struct sockaddr_un un;
                char more[16];
        } block = { .un.sun_family = AF_UNIX };
        SocketName name;

        memset(block.un.sun_path + 1, '1', sizeof(block.un.sun_path) - 1);
        memcpy(block.un.sun_path + 1, "ax:198.18.0.10:", 15);
        ck_assert_int_eq(socket_name_parse((struct sockaddr *) &block.un, sizeof(block.un), &name), -EINVAL);
        memset(block.un.sun_path, 0, sizeof(block.un.sun_path));
        memcpy(block.un.sun_path + 1, "ax:0.0.0.0:80|1", 15);
        ck_assert_int_eq(socket_name_parse((struct sockaddr *) &block.un, sizeof(block), &name), -EINVAL);
}
END_TEST

/* Sockets of one namespace have one cookie, those of another have another: so names made there are not believed. */
START_TEST(test_cookie) {
        _cleanup_close_ int here = unix_socket(), here_too = -EBADF, there = -EBADF;
        uint64_t a = 0, b = 0, c = 0;

        here_too = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(socket_netns_cookie(here, &a), 0);
        ck_assert_int_eq(socket_netns_cookie(here_too, &b), 0);
        ck_assert_uint_ne(a, 0);
        ck_assert_uint_eq(a, b);
        ck_assert_int_eq(socket_netns_cookie(-EBADF, &c), -EBADF);
        ck_assert_int_eq(socket_netns_cookie(STDIN_FILENO, &c), -ENOTSOCK);

        if (unshare(CLONE_NEWNET) < 0)
                return;
        there = unix_socket();
        ck_assert_int_eq(socket_netns_cookie(there, &c), 0);
        ck_assert_uint_ne(a, c);
        ck_assert_int_eq(socket_netns_cookie(here, &c), 0);
        ck_assert_uint_eq(a, c);
}
END_TEST

int main(void) {
        return UNIT_RUN("socket-name", unit_unshare_network, NULL, test_pair, test_in_use, test_hash,
                        test_foreign, test_forged, test_fits, test_truncated, test_other_sockets, test_full_path,
                        test_cookie, test_apps);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Proves that a socket that was locked to a peer leads nowhere else, and that
 * what it says of its ends is believed only where it was written, and by us.
 */

#include <linux/filter.h>
#include <netinet/tcp.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>

#include "basic/fd.h"
#include "transport/peer-lock.h"
#include "transport/socket-name.h"
#include "unit.h"

static void setup(void) {
        struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
        _cleanup_close_ int fd = -EBADF;

        unit_unshare_network();
        fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        (void) ioctl(fd, SIOCSIFFLAGS, &lo); /* without rights we are where it is up */
        socket_name_set_key((const uint8_t[SOCKET_NAME_KEY_SIZE]){ 1, 2, 3 });
}

static Endpoint end_of(int fd, bool peer) {
        socklen_t size = sizeof(SockAddr);
        SockAddr sa;
        Endpoint e;

        ck_assert_int_eq((peer ? getpeername : getsockname)(fd, &sa.sa, &size), 0);
        ck_assert_int_eq(endpoint_from_sockaddr(&sa, size, &e), 0);
        return e;
}

static int listen_at(const char *address, int family, Endpoint *ret) {
        const Endpoint at = unit_endpoint(address, 0);
        int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        SockAddr sa;
        socklen_t size = endpoint_to_sockaddr(&at, family, &sa);

        ck_assert_int_eq(bind(fd, &sa.sa, size), 0);
        ck_assert_int_eq(listen(fd, 8), 0);
        *ret = end_of(fd, false);
        return fd;
}

/* It gives up soon: what is locked out is met with silence. */
static int connect_to(int fd, const Endpoint *to, int family) {
        const struct timeval moment = { .tv_usec = 100 * 1000 };
        SockAddr sa;
        socklen_t size = endpoint_to_sockaddr(to, family, &sa);

        ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &moment, sizeof(moment)), 0);
        return connect(fd, &sa.sa, size) < 0 ? -errno : 0;
}

static int connect_new(const Endpoint *to, int family) {
        int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

        ck_assert_int_eq(connect_to(fd, to, family), 0);
        return fd;
}

static void disconnect(int fd) {
        const struct sockaddr sa = { .sa_family = AF_UNSPEC };

        ck_assert_int_eq(connect(fd, &sa, sizeof(sa)), 0);
}

static const struct {
        const char *address;
        int family, listener;
} table[] = {
        { "127.0.0.1", AF_INET, AF_INET },
        { "127.0.0.1", AF_INET6, AF_INET },
        { "::1", AF_INET6, AF_INET6 },
};

/* It carries data, and after that it is of no use for any other peer, nor as a listener. */
START_TEST(test_lock) {
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_close_ int meant = -EBADF, other = -EBADF, client = -EBADF, server = -EBADF;
                Endpoint to, elsewhere, from;
                char buf[4];

                meant = listen_at(table[i].address, table[i].listener, &to);
                other = listen_at(table[i].address, table[i].listener, &elsewhere);
                client = connect_new(&to, table[i].family);
                ck_assert(!peer_lock_is_set(client));
                from = end_of(client, false);
                ck_assert_int_eq(peer_lock(client, &from, &to, NULL), 0);
                ck_assert(peer_lock_is_set(client));
                server = accept(meant, NULL, NULL);
                ck_assert_int_eq(send(server, "ping", 4, 0), 4);
                ck_assert_int_eq(recv(client, buf, 4, MSG_WAITALL), 4);

                ck_assert_int_eq(setsockopt(client, SOL_SOCKET, SO_DETACH_FILTER, NULL, 0), -1);
                ck_assert_int_eq(setsockopt(client, SOL_SOCKET, SO_ATTACH_FILTER,
                                            &(struct sock_fprog){ 1, &(struct sock_filter){ BPF_RET | BPF_K, 0, 0, ~0U } },
                                            sizeof(struct sock_fprog)), -1);
                ck_assert_int_eq(setsockopt(client, SOL_SOCKET, SO_LOCK_FILTER, &(int){ 0 }, sizeof(int)), -1);
                disconnect(client);
                ck_assert_int_eq(connect_to(client, &elsewhere, table[i].family), -EINPROGRESS);
                disconnect(client);
                ck_assert_int_eq(listen(client, 8), 0);
                from = end_of(client, false);
                if (address_is_unspecified(&from.address))
                        from.address = unit_address(table[i].address);
                other = safe_close(other);
                other = socket(table[i].family, SOCK_STREAM | SOCK_CLOEXEC, 0);
                ck_assert_int_lt(connect_to(other, &from, table[i].family), 0);
        }
}
END_TEST

/* What was written is read back, with the kernel's port where none was given, also after a new start. */
START_TEST(test_view) {
        static const PeerView none = {};

        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                for (uint16_t port = 0; port <= 5000; port += 5000) {
                        PeerView view = { .family = table[i].family, .local = unit_endpoint("fd00::10", port),
                                          .peer = unit_endpoint("198.18.0.30", 8080) };
                        _cleanup_close_ int listener = -EBADF, client = -EBADF, plain = -EBADF;
                        PeerView seen = none;
                        Endpoint to, from;

                        listener = listen_at(table[i].address, table[i].listener, &to);
                        client = connect_new(&to, table[i].family);
                        plain = connect_new(&to, table[i].family);
                        from = end_of(client, false);
                        ck_assert_int_eq(peer_lock_get_view(client, &from, &to, &seen), -ENODATA);
                        ck_assert_int_eq(peer_lock(client, &from, &to, &view), 0);
                        ck_assert_int_eq(peer_lock_get_view(client, &from, &to, &seen), 0);
                        if (port == 0)
                                view.local.port = from.port;
                        ck_assert_mem_eq(&seen, &view, sizeof(view));
                        seen = none;
                        ck_assert_int_eq(peer_lock_get_view(client, &from, NULL, &seen), 0);
                        ck_assert_mem_eq(&seen, &view, sizeof(view));

                        from = end_of(plain, false);
                        ck_assert_int_eq(peer_lock(plain, &from, &to, NULL), 0);
                        ck_assert_int_eq(peer_lock_get_view(plain, &from, &to, &seen), -ENODATA);
                }
}
END_TEST

/* An app can read the note of its own connection, and put it on another socket; and try to write one. */
START_TEST(test_forged) {
        const PeerView view = { .family = AF_INET, .local = unit_endpoint("198.18.0.10", 0),
                                .peer = unit_endpoint("198.18.0.30", 8080) };
        _cleanup_close_ int listener = -EBADF, client = -EBADF, other = -EBADF, changed = -EBADF;
        struct sock_filter program[64];
        socklen_t n = ELEMENTSOF(program);
        Endpoint to, from, from2;
        PeerView seen;

        listener = listen_at("127.0.0.1", AF_INET, &to);
        client = connect_new(&to, AF_INET);
        other = connect_new(&to, AF_INET);
        changed = connect_new(&to, AF_INET);
        from = end_of(client, false);
        ck_assert_int_eq(peer_lock(client, &from, &to, &view), 0);
        ck_assert_int_eq(getsockopt(client, SOL_SOCKET, SO_GET_FILTER, program, &n), 0);

        ck_assert_int_eq(setsockopt(other, SOL_SOCKET, SO_ATTACH_FILTER,
                                    &(struct sock_fprog){ (unsigned short) n, program }, sizeof(struct sock_fprog)), 0);
        from2 = end_of(other, false);
        ck_assert_int_eq(peer_lock_get_view(other, &from2, &to, &seen), -ENODATA);
        ck_assert_int_eq(peer_lock_get_view(other, &from2, NULL, &seen), -ENODATA);
        /* Not of this peer. */
        ck_assert_int_eq(peer_lock_get_view(client, &from, &(Endpoint){ to.address, (uint16_t) (to.port + 1) }, &seen),
                         -ENODATA);

        /* Each instruction matters, the last one aside, but for how it ends the program. */
        for (unsigned i = 0; i + 1 < n; i++) {
                struct sock_filter copy[64];

                memcpy(copy, program, sizeof(copy));
                copy[i].k ^= copy[i].code == (BPF_LD | BPF_H | BPF_ABS) ? 2 : 1;
                if (setsockopt(changed, SOL_SOCKET, SO_ATTACH_FILTER, &(struct sock_fprog){ (unsigned short) n, copy },
                               sizeof(struct sock_fprog)) < 0)
                        continue; /* the kernel does not take it */
                ck_assert_msg(peer_lock_get_view(changed, &from, &to, &seen) == -ENODATA, "instruction %u", i);
        }
        socket_name_set_key((const uint8_t[SOCKET_NAME_KEY_SIZE]){ 4 });
        ck_assert_int_eq(peer_lock_get_view(client, &from, &to, &seen), -ENODATA);
}
END_TEST

int main(void) {
        return UNIT_RUN("peer-lock", setup, NULL, test_lock, test_view, test_forged);
}

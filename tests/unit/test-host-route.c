/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Proves that the host's own addresses are told from others, of both families, as they come and go. */

#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "basic/fd.h"
#include "transport/host-route.h"
#include "unit.h"

static HostRoutes *routes;

static void setup(void) {
        _cleanup_close_ int fd = -EBADF;
        struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };

        ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
        fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &lo), 0);
        ck_assert_int_eq(host_routes_new(&routes), 0);
}

static void teardown(void) {
        routes = host_routes_free(routes);
}

static int is_local(const char *text) {
        const Address a = unit_address(text);

        return host_routes_is_local(routes, &a);
}

/* Loopback is local, whatever its address; where no way leads to is not. */
START_TEST(test_loopback) {
        ck_assert_int_eq(is_local("127.0.0.1"), 1);
        ck_assert_int_eq(is_local("127.1.2.3"), 1);
        ck_assert_int_eq(is_local("::1"), 1);
        ck_assert_int_eq(is_local("192.0.2.1"), 0);
        ck_assert_int_eq(is_local("2001:db8::1"), 0);
}
END_TEST

/* An address that is added is the host's at once, its neighbours are not; so is a whole network that was made local. */
START_TEST(test_added) {
        ck_assert_int_eq(system("ip address add 192.0.2.1/24 dev lo && ip address add 2001:db8::1/64 dev lo nodad &&"
                                "ip route add 198.51.100.7 dev lo && ip route add blackhole 203.0.113.0/25 &&"
                                "ip route add prohibit 203.0.113.128/25 && ip route add unreachable 2001:db8:1::/48 &&"
                                "ip route add local 198.51.100.128/25 dev lo"),
                         0);
        ck_assert_int_eq(is_local("192.0.2.1"), 1);
        /* The kernel makes the route of an IPv6 address in a work queue. */
        for (unsigned i = 0; i < 1000 && is_local("2001:db8::1") == 0; i++)
                (void) usleep(10000);
        ck_assert_int_eq(is_local("2001:db8::1"), 1);
        ck_assert_int_eq(is_local("198.51.100.7"), 0);
        ck_assert_int_eq(is_local("198.51.100.200"), 1);
        ck_assert_int_eq(is_local("203.0.113.1"), 0);
        ck_assert_int_eq(is_local("203.0.113.129"), 0);
        ck_assert_int_eq(is_local("2001:db8:1::1"), 0);
        ck_assert_int_eq(system("ip address del 192.0.2.1/24 dev lo"), 0);
        ck_assert_int_eq(is_local("192.0.2.1"), 0);
}
END_TEST

/* A question that fails leaves nothing behind, neither a descriptor nor an answer for the next one. */
START_TEST(test_other_family) {
        Address bad = unit_address("192.0.2.1");

        bad.family = AF_UNIX;
        for (int i = 0; i < 10; i++) {
                (void) host_routes_is_local(routes, &bad);
                ck_assert_int_eq(is_local("127.0.0.1"), 1);
                ck_assert_int_eq(is_local("192.0.2.1"), 0);
        }
}
END_TEST

int main(void) {
        if (geteuid() != 0 || !unit_has_net_admin())
                return UNIT_SKIPPED;
        return UNIT_RUN("host-route", setup, teardown, test_loopback, test_added, test_other_family);
}

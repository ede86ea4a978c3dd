/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "native.h"

static int sh(const char *format, ...) _printf_(1, 2);

static int sh(const char *format, ...) {
        char command[1024];
        va_list ap;
        int r;

        va_start(ap, format);
        (void) vsnprintf(command, sizeof(command), format, ap);
        va_end(ap);
        r = system(command);
        if (r != 0)
                fprintf(stderr, "difftest: failed (%d): %s\n", r, command);
        return r == 0 ? 0 : -EIO;
}

static int netns_open(void) {
        int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

static int base_set_up(void) {
        return sh("ip link set lo up && echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start"
                  " && echo '0 2147483647' >/proc/sys/net/ipv4/ping_group_range");
}

static int veth_end_set_up(const char *device, const char *own4, const char *own6, const char *other4,
                           const char *other6) {
        return sh("ip link set %s addrgenmode none mtu 65535 && ip link set %s up && "
                  "ip addr add %s/32 dev %s && ip addr add %s/128 dev %s nodad && "
                  "ip route add %s dev %s src %s && ip -6 route add %s dev %s src %s",
                  device, device, own4, device, own6, device, other4, device, own4, other6, device, own6);
}

int native_set_up(const Addresses *a) {
        char server4[64], server6[64], client4[64], client6[64];
        int server, client, r;

        (void) inet_ntop(AF_INET, &a->server4, server4, sizeof(server4));
        (void) inet_ntop(AF_INET, &a->client4, client4, sizeof(client4));
        (void) inet_ntop(AF_INET6, &a->server6, server6, sizeof(server6));
        (void) inet_ntop(AF_INET6, &a->client6, client6, sizeof(client6));

        if (unshare(CLONE_NEWNET) < 0)
                return -errno;
        r = base_set_up();
        if (r < 0)
                return r;
        server = netns_open();
        if (server < 0)
                return server;
        if (strcmp(server4, client4) == 0) {
                r = sh("ip addr add %s/32 dev lo && ip addr add %s/128 dev lo nodad", server4, server6);
                return r < 0 ? r : server;
        }

        if (unshare(CLONE_NEWNET) < 0)
                return -errno;
        r = base_set_up();
        if (r < 0)
                return r;
        client = netns_open();
        if (client < 0)
                return client;
        r = sh("ip link add difc type veth peer name difs netns /proc/%d/fd/%d", getpid(), server);
        if (r < 0)
                return r;
        if (setns(server, CLONE_NEWNET) < 0)
                return -errno;
        r = veth_end_set_up("difs", server4, server6, client4, client6);
        if (r < 0)
                return r;
        if (setns(client, CLONE_NEWNET) < 0)
                return -errno;
        r = veth_end_set_up("difc", client4, client6, server4, server6);
        if (r < 0)
                return r;
        close(client);
        return server;
}

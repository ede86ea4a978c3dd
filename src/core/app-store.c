/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>
#include <stdio.h>

#include "basic/fd-store.h"
#include "core/app-store.h"
#include "model/journal.h"

const char *network_socket_to_string(NetworkSocket which) {
        static const char *const names[_NETWORK_SOCKET_MAX] = {
                [NETWORK_DNS_UDP] = "udp",
                [NETWORK_DNS_TCP] = "tcp",
                [NETWORK_ECHO4] = "echo4",
                [NETWORK_ECHO6] = "echo6",
        };

        return names[which];
}

static void fd_name(const App *app, const char *what, char name[static 48]) {
        (void) snprintf(name, 48, "%s-%" PRIx64, what, app->number);
}

void app_store_fd(const App *app, const char *what, int fd, bool poll_it) {
        char name[48];
        int r;

        fd_name(app, what, name);
        r = fd_store_add(name, fd, poll_it);
        if (r < 0)
                (void) app_log(LOG_WARNING, r, app->id, MESSAGE_APP_NOT_STORED,
                               "%s: failed to store a descriptor, a restart will lose the app, ignoring: %m", app->id);
}

int app_store_filter(uint64_t number, int listener) {
        char name[48];

        (void) snprintf(name, sizeof(name), "app-%" PRIx64, number);
        return fd_store_add(name, listener, true);
}

void app_unstore_filter(uint64_t number) {
        char name[48];

        (void) snprintf(name, sizeof(name), "app-%" PRIx64, number);
        (void) fd_store_remove(name);
}

void app_unstore_fd(const App *app, const char *what) {
        char name[48];

        fd_name(app, what, name);
        (void) fd_store_remove(name);
}

void app_store_sockets(const App *app) {
        const int sockets[_NETWORK_SOCKET_MAX] = {
                [NETWORK_DNS_UDP] = app->dns_udp,
                [NETWORK_DNS_TCP] = app->dns_tcp,
                [NETWORK_ECHO4] = echo_get_fd(app->echo, AF_INET),
                [NETWORK_ECHO6] = echo_get_fd(app->echo, AF_INET6),
        };

        for (NetworkSocket i = 0; i < _NETWORK_SOCKET_MAX; i++)
                if (sockets[i] >= 0)
                        app_store_fd(app, network_socket_to_string(i), sockets[i], false);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>

#include "basic/budget.h"
#include "basic/clock.h"
#include "basic/fd.h"
#include "basic/log.h"
#include "basic/siphash.h"
#include "core/resolvers.h"
#include "transport/rtnl.h"

#define RESOLV_CONF "/etc/resolv.conf"
#define RESOLVED_NAME "org.freedesktop.resolve1"
#define RESOLVED_ADDRESS "127.0.0.53"
#define OWNER_MATCH                                                                                              \
        "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',member='NameOwnerChanged'," \
        "arg0='" RESOLVED_NAME "'"

enum {
        DNS_PORT = 53,
        WATCHED_EVENTS = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF |
                         IN_MOVE_SELF | IN_ONLYDIR,
};

struct Resolvers {
        sd_event *event;
        const NameServers *configured;
        void (*changed)(void *userdata);
        void *userdata;
        sd_bus_slot *match, *query;
        sd_event_source *etc_watch, *target_watch;
        char *target; /* where /etc/resolv.conf leads, if it is a link */
        bool has_resolved;
        NameServers servers;
        uint64_t list;
        Budget sockets;
};

static uint64_t list_number(const NameServers *servers) {
        static const uint8_t key[16] = {};

        /* 0 is that of no list at all. */
        return siphash24(servers, sizeof(*servers), key) | 1;
}

static void read_servers(NameServers *ret) {
        _cleanup_free_ char *text = NULL;
        ssize_t l;

        text = malloc(RESOLV_CONF_SIZE_MAX);
        if (!text)
                return;
        l = read_file(AT_FDCWD, RESOLV_CONF, text, RESOLV_CONF_SIZE_MAX);
        if (l < 0) {
                (void) log_debug_errno((int) l, "Failed to read " RESOLV_CONF ", going on without it: %m");
                *text = '\0';
        }
        resolv_conf_parse(text, ret);
}

static void find_servers(const Resolvers *resolvers, NameServers *ret) {
        NameServers of_file;
        NameServer resolved;

        *ret = (NameServers){};
        if (resolvers->configured->n > 0) {
                *ret = *resolvers->configured;
                return;
        }
        if (resolvers->has_resolved && name_server_parse(RESOLVED_ADDRESS, &resolved) >= 0)
                (void) name_servers_add(ret, &resolved);
        read_servers(&of_file);
        for (size_t i = 0; i < of_file.n; i++)
                (void) name_servers_add(ret, of_file.servers + i);
}

static void resolvers_update(Resolvers *resolvers) {
        NameServers servers;
        uint64_t list;

        find_servers(resolvers, &servers);
        list = list_number(&servers);
        if (list == resolvers->list)
                return;
        log_debug("The host has %zu name servers for names of the outside.", servers.n);
        resolvers->servers = servers;
        resolvers->list = list;
        resolvers->changed(resolvers->userdata);
}

static int on_inotify(sd_event_source *s, const struct inotify_event *event, void *userdata);

/* Watches the directory that the link leads to, for who rewrites the file there. */
static void watch_target(Resolvers *resolvers) {
        _cleanup_free_ char *target = realpath(RESOLV_CONF, NULL);
        char *slash;
        int r;

        if (target && resolvers->target && strcmp(target, resolvers->target) == 0)
                return;
        resolvers->target_watch = sd_event_source_disable_unref(resolvers->target_watch);
        free(resolvers->target);
        resolvers->target = target ? strdup(target) : NULL;
        if (!target || strcmp(target, RESOLV_CONF) == 0)
                return;
        slash = strrchr(target, '/');
        slash[slash == target] = '\0';
        r = sd_event_add_inotify(resolvers->event, &resolvers->target_watch, target, WATCHED_EVENTS, on_inotify,
                                 resolvers);
        if (r < 0)
                (void) log_warning_errno(r, "Failed to watch %s for changes of name servers, ignoring: %m", target);
}

static int on_inotify(sd_event_source *s, const struct inotify_event *event, void *userdata) {
        Resolvers *resolvers = userdata;
        const char *of_target = resolvers->target ? strrchr(resolvers->target, '/') + 1 : "";

        if (event->len > 0 && strcmp(event->name, "resolv.conf") != 0 && strcmp(event->name, of_target) != 0)
                return 0;
        watch_target(resolvers);
        resolvers_update(resolvers);
        return 0;
}

static void watch_file(Resolvers *resolvers) {
        int r;

        r = sd_event_add_inotify(resolvers->event, &resolvers->etc_watch, "/etc", WATCHED_EVENTS, on_inotify, resolvers);
        if (r < 0)
                (void) log_warning_errno(r, "Failed to watch /etc for changes of name servers, ignoring: %m");
        watch_target(resolvers);
}

static void set_resolved(Resolvers *resolvers, bool has) {
        resolvers->has_resolved = has;
        resolvers_update(resolvers);
}

static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *name, *old, *new;

        if (sd_bus_message_read(m, "sss", &name, &old, &new) >= 0)
                set_resolved(userdata, *new);
        return 0;
}

static int on_has_owner(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        int has;

        if (sd_bus_message_read(m, "b", &has) >= 0)
                set_resolved(userdata, has);
        return 0;
}

static void watch_resolved(Resolvers *resolvers, sd_bus *bus) {
        int r;

        r = sd_bus_add_match_async(bus, &resolvers->match, OWNER_MATCH, on_owner_changed, NULL, resolvers);
        if (r >= 0)
                r = sd_bus_call_method_async(bus, &resolvers->query, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                             "org.freedesktop.DBus", "NameHasOwner", on_has_owner, resolvers, "s",
                                             RESOLVED_NAME);
        if (r < 0)
                (void) log_warning_errno(r, "Failed to look for systemd-resolved, ignoring: %m");
}

int resolvers_new(sd_event *event, sd_bus *bus, const NameServers *configured, void (*changed)(void *userdata),
                  void *userdata, Resolvers **ret) {
        Resolvers *resolvers = calloc(1, sizeof(*resolvers));

        if (!resolvers)
                return -ENOMEM;
        resolvers->event = event;
        resolvers->configured = configured;
        resolvers->changed = changed;
        resolvers->userdata = userdata;
        *ret = resolvers;
        if (configured->n == 0) {
                watch_file(resolvers);
                watch_resolved(resolvers, bus);
        }
        find_servers(resolvers, &resolvers->servers);
        resolvers->list = list_number(&resolvers->servers);
        return 0;
}

Resolvers *resolvers_free(Resolvers *resolvers) {
        if (!resolvers)
                return NULL;
        sd_bus_slot_unref(resolvers->match);
        sd_bus_slot_unref(resolvers->query);
        sd_event_source_disable_unref(resolvers->etc_watch);
        sd_event_source_disable_unref(resolvers->target_watch);
        free(resolvers->target);
        free(resolvers);
        return NULL;
}

unsigned resolvers_count(const Resolvers *resolvers, uint64_t *ret_list) {
        *ret_list = resolvers->list;
        return (unsigned) resolvers->servers.n;
}

int resolvers_connect(Resolvers *resolvers, uint64_t list, unsigned server, bool stream) {
        _cleanup_close_ int fd = -EBADF;
        const NameServer *to;
        socklen_t size;
        SockAddr sa;

        if (list != resolvers->list || server >= resolvers->servers.n)
                return -ESTALE;
        if (!budget_take(&resolvers->sockets, now_usec(CLOCK_MONOTONIC), DNS_FEED_SOCKETS_PER_SEC, DNS_FEED_SOCKETS_BURST))
                return -EAGAIN;
        to = resolvers->servers.servers + server;
        size = endpoint_to_sockaddr(&(Endpoint){ .address = to->address, .port = DNS_PORT }, to->address.family, &sa);
        if (*to->scope) {
                sa.in6.sin6_scope_id = (uint32_t) rtnl_link_index(to->scope);
                if (sa.in6.sin6_scope_id == 0)
                        return -ENODEV;
        }
        fd = socket(to->address.family, (stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, &sa.sa, size) < 0 && errno != EINPROGRESS)
                return -errno;
        return TAKE_FD(fd);
}

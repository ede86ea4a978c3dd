/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <utlist.h>

#include "basic/clock.h"
#include "basic/fd.h"
#include "basic/fd-store.h"
#include "basic/log.h"
#include "basic/text.h"
#include "core/exposures.h"
#include "core/guarding.h"
#include "core/load.h"
#include "model/journal.h"
#include "model/route-incoming.h"
#include "trap/incoming.h"
#include "transport/socket-owner.h"

/* For how long nothing is accepted when the daemon is out of descriptors or memory. */
#define PAUSE_USEC (100 * USEC_PER_MSEC)

enum {
        ACCEPTS_PER_TURN = 32,
        FD_NAME_MAX = 64,
        FAMILIES = 2,
};

typedef struct HostPort {
        ExposedPort shown; /* `at` is the key */
        Exposures *exposures;
        int fd; /* nonblocking, AF_INET6 if there is such */
        uid_t uid; /* of the first app */
        uid_t owner; /* who started that */
        bool warned; /* that it cannot listen: an app can try as often as it likes */
        sd_event_source *io, *pause;
        struct HostPort *prev, *next;
        UT_hash_handle hh; /* by where it is */
} HostPort;

/* A socket of an earlier daemon that no app has asked for yet. */
typedef struct Kept {
        Endpoint at;
        int fd;
        struct Kept *next;
} Kept;

struct Exposures {
        Manager *manager;
        HostPort *ports;
        HostPort *by_endpoint; /* uthash: the same */
        Kept *kept;
};

/* Short, as there is not much room for names (basic/fd-store.h): the address without the zeros it ends with. */
static void format_name(const Endpoint *at, char name[static FD_NAME_MAX]) {
        size_t n = sizeof(at->address.bytes);
        int l;

        while (n > 0 && at->address.bytes[n - 1] == 0)
                n--;
        l = snprintf(name, FD_NAME_MAX, "x%x-%x-", at->port, at->address.family);
        for (size_t i = 0; i < n; i++)
                l += snprintf(name + l, FD_NAME_MAX - (size_t) l, "%02x", at->address.bytes[i]);
}

static int parse_name(const char *name, Endpoint *ret) {
        Endpoint at = {};
        const char *address;
        char again[FD_NAME_MAX];
        int n = 0;

        if (sscanf(name, "x%hx-%hx-%n", &at.port, &at.address.family, &n) != 2 || n == 0)
                return -EINVAL;
        address = name + n;
        for (size_t i = 0; i < sizeof(at.address.bytes) && address[0] && address[1]; i++, address += 2)
                if (sscanf(address, "%2hhx", &at.address.bytes[i]) != 1)
                        return -EINVAL;
        format_name(&at, again);
        if (strcmp(name, again) != 0)
                return -EINVAL;
        *ret = at;
        return 0;
}

/* Port `i` of it by the family number `family` (0, 1), if it has that. */
static bool endpoint_of(const Expose *e, unsigned i, unsigned family, Endpoint *ret) {
        const uint16_t families[FAMILIES] = { AF_INET, AF_INET6 };

        *ret = (Endpoint){ e->address, (uint16_t) (e->host_port + i) };
        if (e->address.family == AF_UNSPEC)
                ret->address.family = families[family];
        return ret->address.family == families[family];
}

static bool leads_to(const Expose *e, const ExposedPort *port) {
        const unsigned i = (unsigned) (port->port - e->port);

        return port->port >= e->port && i < e->n && port->at.port == e->host_port + i &&
                        (e->address.family == AF_UNSPEC ? address_is_unspecified(&port->at.address)
                                                        : address_equal(&e->address, &port->at.address));
}

bool exposures_has(const App *app, const ExposedPort *port) {
        for (size_t i = 0; i < app->n_exposes; i++)
                if (leads_to(&app->exposes[i], port))
                        return true;
        return false;
}

static App *app_of(const Party *party) {
        return CONTAINER_OF(party, App, party);
}

/* Whether the app is there for this client, or (NULL) for anybody. */
static bool may(const Party *party, const Address *client, void *userdata) {
        const App *app = app_of(party);
        const HostPort *hp = userdata;

        return exposures_has(app, &hp->shown) && (!client || networks_contain(&app->expose_from, client));
}

static RouteIncoming make_route(HostPort *hp) {
        return (RouteIncoming){
                .directory = &hp->exposures->manager->directory,
                .identity = hp->shown.identity,
                .port = hp->shown.port,
                .may = may,
                .userdata = hp,
        };
}

static bool may_now(const Party *party, const Address *client, void *userdata) {
        const HostPort *hp = userdata;

        return may(party, client, userdata) && !incoming_is_full(app_of(party)->trap, hp->shown.port);
}

static bool may_later(const Party *party, const Address *client, void *userdata) {
        const HostPort *hp = userdata;

        return may(party, client, userdata) && incoming_is_full(app_of(party)->trap, hp->shown.port);
}

/*
 * Whether nothing is to be accepted now: all who may get it have too much
 * waiting. If a client always goes to the same one, one of them is enough.
 */
static bool is_full(HostPort *hp) {
        RouteIncoming q = make_route(hp);
        const int family = hp->shown.at.address.family;

        if (hp->shown.identity->strategy != STRATEGY_SOURCE_HASH) {
                q.may = may_now;
                if (route_incoming_is_possible(&q, family, 0))
                        return false;
        }
        q.may = may_later;
        return route_incoming_is_possible(&q, family, 0);
}

static int on_pause_over(sd_event_source *s, uint64_t usec, void *userdata) {
        HostPort *hp = userdata;

        hp->pause = sd_event_source_disable_unref(hp->pause);
        (void) sd_event_source_set_enabled(hp->io, hp->shown.listens ? SD_EVENT_ON : SD_EVENT_OFF);
        return 0;
}

static void pause_port(HostPort *hp) {
        (void) sd_event_source_set_enabled(hp->io, SD_EVENT_OFF);
        if (!hp->pause)
                (void) sd_event_add_time_relative(hp->exposures->manager->event, &hp->pause, CLOCK_MONOTONIC, PAUSE_USEC, 0,
                                                  on_pause_over, hp);
}

/*
 * To the first that has room; if none has, and always where a client has one
 * that is his, it waits before the queue. Returns whether somebody has it.
 */
static bool distribute(HostPort *hp, int *fd, const Endpoint *client, App **ret_app, Route *ret_route) {
        const bool one = hp->shown.identity->strategy == STRATEGY_SOURCE_HASH;
        const RouteIncoming q = make_route(hp);
        Switch *sw = &hp->exposures->manager->sw;
        RouteTried tried = {}, failed = {};
        bool wait = one;

        for (;;) {
                uint64_t id;
                int r;

                *ret_route = route_incoming(&q, &client->address, now_usec(CLOCK_MONOTONIC), &tried);
                if (ret_route->verdict != ROUTE_BACKEND) {
                        /* Once more, if there are such as only were full. */
                        if (wait || tried.n == failed.n)
                                return false;
                        wait = true;
                        tried = failed;
                        continue;
                }
                *ret_app = app_of(ret_route->backend->party);
                id = ret_route->backend->id;
                r = incoming_give(sw, ret_route, client, fd, wait, &failed);
                if (r >= 0)
                        return true;
                if (r != -EPIPE && (r != -EAGAIN || wait))
                        return false;
                route_tried_add(&tried, id);
        }
}

/* As TCP does where nobody listens, if a little late. */
static void reset(int fd) {
        const struct linger now = { .l_onoff = 1 };

        (void) setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        safe_close(fd);
}

static void handle_connection(HostPort *hp, int fd, const Endpoint *client) {
        Manager *m = hp->exposures->manager;
        const Identity *identity = hp->shown.identity;
        Route route;
        App *app;

        if (!distribute(hp, &fd, client, &app, &route)) {
                hp->shown.n_refused++;
                if (route.verdict == ROUTE_REFUSED)
                        guarding_refused(m->guarding, &hp->shown, client);
                reset(fd);
                return;
        }
        hp->shown.n_accepted++;
        app->n_in++;
        service_table_count(&m->service_table, identity, &route.target, false);
        load_connected(m->load, identity);
}

static int set_option(int fd, int option, int on) {
        return setsockopt(fd, SOL_SOCKET, option, &on, sizeof(on)) < 0 ? -errno : 0;
}

/* A connection is in nobody's way: of the next who binds the port by one, of the listener (set_listening()) by the other. */
static int share(int fd) {
        int r = set_option(fd, SO_REUSEADDR, true);

        return r < 0 ? r : set_option(fd, SO_REUSEPORT, true);
}

static int accept_one(HostPort *hp, Endpoint *ret_client) {
        SockAddr sa;
        socklen_t size = sizeof(sa);
        int fd, r;

        /* It is theirs whose app it is for, to the host's packet filter, too. */
        r = socket_owner_begin(hp->uid);
        if (r < 0)
                return r;
        fd = accept4(hp->fd, &sa.sa, &size, SOCK_CLOEXEC);
        r = fd < 0 ? -errno : endpoint_from_sockaddr(&sa, size, ret_client);
        socket_owner_end();
        if (r >= 0)
                r = share(fd);
        if (r < 0)
                safe_close(fd);
        return r < 0 ? r : fd;
}

static int on_connection(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        HostPort *hp = userdata;

        for (unsigned i = 0; i < ACCEPTS_PER_TURN && hp->shown.listens; i++) {
                Endpoint client;
                int r;

                if (is_full(hp)) {
                        (void) sd_event_source_set_enabled(hp->io, SD_EVENT_OFF);
                        return 0;
                }
                r = accept_one(hp, &client);
                if (r == -EAGAIN)
                        return 0;
                if (r == -EMFILE || r == -ENFILE || r == -ENOBUFS || r == -ENOMEM || r == -EPERM) {
                        pause_port(hp);
                        return 0;
                }
                /* Else it is an error of that one connection (accept(2)). */
                if (r >= 0)
                        handle_connection(hp, r, &client);
        }
        return 0;
}

/*
 * Whoever has SO_REUSEADDR can bind the port beside one that has it, too, and
 * does not listen: another user would take the port. So the listener does not
 * have it, and connections are in the way of listen(2) then, but for that very
 * call, by SO_REUSEPORT: that is for sockets of the same user alone.
 */
static int set_listening(HostPort *hp, bool on) {
        int r;

        if (on) {
                r = listen(hp->fd, SOMAXCONN) < 0 ? -errno : 0;
                if (r == -EADDRINUSE) {
                        (void) set_option(hp->fd, SO_REUSEPORT, true);
                        r = listen(hp->fd, SOMAXCONN) < 0 ? -errno : 0;
                        (void) set_option(hp->fd, SO_REUSEPORT, false);
                }
        } else
                r = shutdown(hp->fd, SHUT_RDWR) < 0 ? -errno : 0;
        if (r < 0)
                return r;
        hp->shown.listens = on;
        return 0;
}

static void update(HostPort *hp, uint64_t except) {
        const RouteIncoming q = make_route(hp);
        const bool wanted = route_incoming_is_possible(&q, hp->shown.at.address.family, except);
        char text[ENDPOINT_STRING_MAX];
        int r = 0;

        if (hp->exposures->manager->sw.leaving)
                return;
        if (wanted != hp->shown.listens)
                r = set_listening(hp, wanted);
        if (r < 0 && !TAKE(hp->warned, true))
                (void) log_warning_errno(r, "Failed to %s at %s of the host, ignoring: %m", wanted ? "listen" : "end listening",
                                         endpoint_format(&hp->shown.at, hp->shown.at.address.family, text));
        (void) sd_event_source_set_enabled(hp->io, hp->shown.listens && !hp->pause ? SD_EVENT_ON : SD_EVENT_OFF);
}

void exposures_listener_begins(Exposures *e, const Identity *identity, uint16_t port) {
        exposures_listener_ends(e, identity, port, 0);
}

void exposures_listener_ends(Exposures *e, const Identity *identity, uint16_t port, uint64_t backend) {
        HostPort *hp;

        DL_FOREACH(e->ports, hp)
                if (hp->shown.identity == identity && hp->shown.port == port)
                        update(hp, backend);
}

void exposures_update(Exposures *e, const Identity *identity) {
        HostPort *hp;

        DL_FOREACH(e->ports, hp)
                if (hp->shown.identity == identity)
                        update(hp, 0);
}

void exposures_foreach(Exposures *e, void (*function)(const ExposedPort *port, void *userdata), void *userdata) {
        const HostPort *hp;

        DL_FOREACH(e->ports, hp)
                function(&hp->shown, userdata);
}

/* As IPv6, where there is such: the app may have a listener of either family, and options of both. */
static int bind_port(const Endpoint *at, uid_t uid) {
        _cleanup_close_ int fd = -EBADF;
        const int on = 1, v6only = at->address.family == AF_INET6;
        int family = AF_INET6, r;
        SockAddr sa;
        socklen_t size;

        r = socket_owner_begin(uid);
        if (r < 0)
                return r;
        fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
        if (fd < 0 && at->address.family == AF_INET) {
                family = AF_INET;
                fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
        }
        r = fd < 0 ? -errno : 0;
        socket_owner_end();
        if (r < 0)
                return r;
        size = endpoint_to_sockaddr(at, family, &sa);
        if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
            (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)) < 0) ||
            bind(fd, &sa.sa, size) < 0 ||
            /* Only now it is known that nobody else has it. */
            listen(fd, SOMAXCONN) < 0)
                return -errno;
        r = set_option(fd, SO_REUSEADDR, false);
        return r < 0 ? r : TAKE_FD(fd);
}

static int take_kept(Exposures *e, const Endpoint *at) {
        for (Kept **k = &e->kept, *found; (found = *k); k = &found->next)
                if (endpoint_equal(&found->at, at)) {
                        int fd = found->fd;

                        *k = found->next;
                        free(found);
                        return fd;
                }
        return -EBADF;
}

static HostPort *host_port_free(HostPort *hp) {
        Exposures *e = hp->exposures;
        char name[FD_NAME_MAX];

        DL_DELETE(e->ports, hp);
        HASH_DELETE(hh, e->by_endpoint, hp);
        sd_event_source_disable_unref(hp->io);
        sd_event_source_disable_unref(hp->pause);
        if (!e->manager->sw.leaving) {
                format_name(&hp->shown.at, name);
                (void) fd_store_remove(name);
        }
        safe_close(hp->fd);
        free(hp);
        return NULL;
}

static bool is_listening(int fd) {
        int on = 0;
        socklen_t n = sizeof(on);

        return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &n) >= 0 && on;
}

/* Makes one that there is none of. */
static int host_port_new(App *app, const Endpoint *at, uint16_t port, HostPort **ret) {
        Exposures *e = app->manager->exposures;
        char name[FD_NAME_MAX];
        HostPort *hp;
        struct stat st;
        int r, fd;
        bool kept;

        fd = take_kept(e, at);
        kept = fd >= 0;
        if (!kept)
                fd = bind_port(at, app->uid);
        if (fd < 0)
                return fd;
        hp = calloc(1, sizeof(*hp));
        if (!hp) {
                safe_close(fd);
                return -ENOMEM;
        }
        hp->exposures = e;
        hp->fd = fd;
        /* One that was kept can be that of another user's app. */
        hp->uid = fstat(fd, &st) < 0 ? app->uid : st.st_uid;
        hp->shown = (ExposedPort){ .at = *at, .identity = app->party.identity, .port = port, .listens = is_listening(fd) };
        hp->owner = app->owner_uid;
        DL_APPEND(e->ports, hp);
        HASH_ADD(hh, e->by_endpoint, shown.at, sizeof(hp->shown.at), hp);
        r = sd_event_add_io(app->manager->event, &hp->io, fd, EPOLLIN, on_connection, hp);
        if (r >= 0)
                r = sd_event_source_set_enabled(hp->io, SD_EVENT_OFF);
        if (r >= 0 && !kept)
                r = set_listening(hp, false);
        if (r < 0) {
                host_port_free(hp);
                return r;
        }
        format_name(at, name);
        r = kept ? 0 : fd_store_add_spare(name, fd);
        if (r < 0)
                app_log_warning(r, app->id, "%s: port %u of the host does not outlive a restart, ignoring: %m",
                                app->id, at->port);
        *ret = hp;
        return 0;
}

static HostPort *find(const Exposures *e, const Endpoint *at) {
        HostPort *hp;

        HASH_FIND(hh, e->by_endpoint, at, sizeof(*at), hp);
        return hp;
}

/* One of ours that the kernel takes for the same. */
static HostPort *find_overlapping(Exposures *e, const Endpoint *at) {
        HostPort *hp;

        DL_FOREACH(e->ports, hp)
                if (hp->shown.at.port == at->port && hp->shown.at.address.family == at->address.family &&
                    (address_is_unspecified(&at->address) || address_is_unspecified(&hp->shown.at.address)))
                        return hp;
        return NULL;
}

/* An app that exposes it, for a message. */
static const char *app_at(const HostPort *hp) {
        for (const Party *p = hp->shown.identity->parties; p; p = p->next)
                if (exposures_has(app_of(p), &hp->shown))
                        return p->id;
        return "?";
}

static int port_taken(const HostPort *hp, const Endpoint *at, char **ret_message) {
        char text[ENDPOINT_STRING_MAX], theirs[ENDPOINT_STRING_MAX];

        return say(-EADDRINUSE, ret_message, "Cannot be exposed at %s of the host: app %s is exposed at %s, with its port %u",
                   endpoint_format(at, at->address.family, text), app_at(hp),
                   endpoint_format(&hp->shown.at, hp->shown.at.address.family, theirs), hp->shown.port);
}

static int claim(App *app, const Endpoint *at, uint16_t port, Endpoint *ret_taken, char **ret_message) {
        Exposures *e = app->manager->exposures;
        HostPort *hp = find(e, at);
        char text[ENDPOINT_STRING_MAX];
        int r = 0;

        if (hp && (hp->shown.identity != app->party.identity || hp->shown.port != port)) {
                *ret_taken = *at;
                return port_taken(hp, at, ret_message);
        }
        if (!hp)
                r = host_port_new(app, at, port, &hp);
        if (r >= 0)
                return 0;
        switch (r) {
        case -EADDRINUSE:
                *ret_taken = *at;
                hp = find_overlapping(e, at);
                return hp ? port_taken(hp, at, ret_message) : r;
        case -EADDRNOTAVAIL:
                return say(r, ret_message, "Cannot be exposed at %s: the host does not have this address",
                           endpoint_format(at, at->address.family, text));
        case -EAFNOSUPPORT:
                return say(-EADDRNOTAVAIL, ret_message, "Cannot be exposed at %s: the host does not have IPv6",
                           endpoint_format(at, at->address.family, text));
        default:
                return say(r, ret_message, "Cannot be exposed at %s of the host: %s",
                           endpoint_format(at, at->address.family, text), strerror(-r));
        }
}

static bool is_used(const HostPort *hp) {
        for (const Party *p = hp->shown.identity->parties; p; p = p->next)
                if (app_of(p)->exposed && exposures_has(app_of(p), &hp->shown))
                        return true;
        return false;
}

/* A port by both families counts once. */
static bool is_second(const HostPort *hp) {
        Endpoint first = { .address.family = AF_INET, .port = hp->shown.at.port };

        return hp->shown.at.address.family == AF_INET6 && address_is_unspecified(&hp->shown.at.address) &&
                        find(hp->exposures, &first);
}

/* How many ports the app is exposed at where no other one of its identity is. */
static unsigned count_new_ports(const App *app) {
        unsigned n = 0;
        Endpoint at;

        for (size_t i = 0; i < app->n_exposes; i++)
                for (unsigned port = 0; port < app->exposes[i].n; port++) {
                        bool is_there = false;

                        for (unsigned family = 0; family < FAMILIES; family++)
                                is_there = is_there || (endpoint_of(&app->exposes[i], port, family, &at) &&
                                                        find(app->manager->exposures, &at));
                        n += !is_there;
                }
        return n;
}

static int check_limits(const App *app, char **ret_message) {
        const Manager *m = app->manager;
        unsigned all = count_new_ports(app), users = all;
        const HostPort *hp;

        DL_FOREACH(m->exposures->ports, hp)
                if (!is_second(hp)) {
                        all++;
                        users += hp->owner == app->owner_uid;
                }
        if (all > EXPOSED_PORTS_MAX)
                return say(-EDQUOT, ret_message, "More than %i ports of the host would be those of apps", EXPOSED_PORTS_MAX);
        if (app->owner_uid != 0 && users > m->config.exposed_ports_per_user_max)
                return say(-EDQUOT, ret_message,
                           "User %u would have apps at more than %u ports of the host, the most that ExposedPortsPerUserMax= allows",
                           app->owner_uid, m->config.exposed_ports_per_user_max);
        return 0;
}

/* The next port of the app, by one family. */
typedef struct Walk {
        size_t i;
        unsigned port, family;
} Walk;

static bool walk_next(const App *app, Walk *w, Endpoint *ret_at, uint16_t *ret_port) {
        for (; w->i < app->n_exposes; w->i++, w->port = 0)
                for (; w->port < app->exposes[w->i].n; w->port++, w->family = 0)
                        while (w->family < FAMILIES)
                                if (endpoint_of(&app->exposes[w->i], w->port, w->family++, ret_at)) {
                                        *ret_port = (uint16_t) (app->exposes[w->i].port + w->port);
                                        return true;
                                }
        return false;
}

/* The host may be without IPv6, if it was not asked for. */
static bool can_do_without(const App *app, const Walk *w, const Endpoint *at, int error) {
        return error == -EADDRNOTAVAIL && at->address.family == AF_INET6 && w->i < app->n_exposes &&
                        app->exposes[w->i].address.family == AF_UNSPEC;
}

/* Of the ports of the host that the app had or was to have, those go that no app is exposed at. */
static void unclaim(App *app) {
        Walk walk = {};
        uint16_t port;
        Endpoint at;

        while (walk_next(app, &walk, &at, &port)) {
                HostPort *hp = find(app->manager->exposures, &at);

                if (hp && !is_used(hp))
                        host_port_free(hp);
        }
}

int exposures_add(App *app, Endpoint *ret_taken, char **ret_message) {
        Walk walk = {};
        uint16_t port;
        Endpoint at;
        int r;

        if (app->n_exposes == 0)
                return 0;
        /* One that was there before keeps what it has, whatever the limits are now. */
        r = app->state == APP_STARTING ? check_limits(app, ret_message) : 0;
        while (r >= 0 && walk_next(app, &walk, &at, &port)) {
                r = claim(app, &at, port, ret_taken, ret_message);
                if (r < 0 && can_do_without(app, &walk, &at, r)) {
                        free(TAKE_PTR(*ret_message));
                        r = 0;
                }
        }
        app->exposed = r >= 0;
        if (r < 0)
                unclaim(app);
        if (r >= 0)
                guarding_changed(app->manager->guarding);
        return r;
}

void exposures_remove(App *app) {
        if (!TAKE(app->exposed, false))
                return;
        unclaim(app);
        exposures_update(app->manager->exposures, app->party.identity);
        guarding_changed(app->manager->guarding);
}

int exposures_keep(Exposures *e, const char *name, int fd) {
        Endpoint at;
        Kept *k;
        int r;

        r = parse_name(name, &at);
        if (r < 0)
                return r;
        k = malloc(sizeof(*k));
        if (!k)
                return -ENOMEM;
        *k = (Kept){ .at = at, .fd = fd, .next = e->kept };
        e->kept = k;
        return 0;
}

void exposures_resume(Exposures *e) {
        HostPort *hp;

        while (e->kept) {
                Kept *k = e->kept;
                char name[FD_NAME_MAX];

                format_name(&k->at, name);
                (void) fd_store_remove(name);
                safe_close(k->fd);
                e->kept = k->next;
                free(k);
        }
        DL_FOREACH(e->ports, hp)
                update(hp, 0);
}

int exposures_new(Manager *m, Exposures **ret) {
        Exposures *e = calloc(1, sizeof(*e));

        if (!e)
                return -ENOMEM;
        e->manager = m;
        *ret = e;
        return 0;
}

Exposures *exposures_free(Exposures *e) {
        if (!e)
                return NULL;
        while (e->kept) {
                Kept *k = e->kept;

                e->kept = k->next;
                safe_close(k->fd);
                free(k);
        }
        free(e);
        return NULL;
}

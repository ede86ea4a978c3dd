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
#include "core/exposed-kept.h"
#include "core/exposures.h"
#include "core/guarding.h"
#include "core/idle.h"
#include "core/load.h"
#include "core/starter.h"
#include "model/journal.h"
#include "model/route-start.h"
#include "trap/incoming.h"
#include "transport/exposed-socket.h"
#include "transport/socket-owner.h"

/* For how long nothing is accepted when the daemon is out of descriptors or memory. */
#define PAUSE_USEC (100 * USEC_PER_MSEC)

enum {
        ACCEPTS_PER_TURN = 32,
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
        ExposedQueue waiting; /* for an app that is being started */
        bool for_start;         /* an app is started by it */
        sd_event_source *grace; /* then, while it goes on to listen, though one listens for the other family alone now */
        struct HostPort *prev, *next;
        UT_hash_handle hh; /* by where it is */
} HostPort;

struct Exposures {
        Manager *manager;
        HostPort *ports;
        HostPort *by_endpoint; /* uthash: the same */
        ExposedKept *kept;
};

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

/*
 * Whether an app that does not run is taken to listen for a family when it
 * does. A client by IPv6 that was accepted and then reset would not try IPv4, so
 * the app is asked for by that only if it was seen to listen for it, or if its
 * port is exposed at an address of IPv6.
 */
static bool would_listen(const Party *party, int family, void *userdata) {
        const App *app = app_of(party);
        const HostPort *hp = userdata;

        if (family == AF_INET ? party_would_listen(party, family) : party->listened6)
                return true;
        for (size_t i = 0; i < app->n_exposes; i++)
                if (app->exposes[i].address.family == AF_INET6 && leads_to(&app->exposes[i], &hp->shown))
                        return true;
        return false;
}

static bool accepts(const HostPort *hp) {
        return hp->shown.listens && !hp->pause && hp->waiting.n < EXPOSED_WAITING_MAX;
}

static int on_pause_over(sd_event_source *s, uint64_t usec, void *userdata) {
        HostPort *hp = userdata;

        hp->pause = sd_event_source_disable_unref(hp->pause);
        (void) sd_event_source_set_enabled(hp->io, accepts(hp) ? SD_EVENT_ON : SD_EVENT_OFF);
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

/* For an app that does not run and is started by this. Takes the connection if it is so. */
static bool wait_for_start(HostPort *hp, int *fd, const Endpoint *client) {
        const RouteIncoming q = make_route(hp);
        Party *party = route_start_incoming(&q, &client->address);
        char name[EXPOSED_NAME_MAX];

        if (!party && !hp->grace)
                return false;
        if (party && starter_start_for_outside(app_of(party)) < 0)
                return false;
        exposed_waiting_name(&hp->shown.at, name);
        if (exposed_queue_push(&hp->waiting, name, *fd, client) < 0)
                return false;
        *fd = -EBADF;
        return true;
}

static void handle_connection(HostPort *hp, int fd, const Endpoint *client) {
        Manager *m = hp->exposures->manager;
        const Identity *identity = hp->shown.identity;
        const RouteIncoming q = make_route(hp);
        Route route;
        App *app;

        if (distribute(hp, &fd, client, &app, &route)) {
                hp->shown.n_accepted++;
                app->n_in++;
                idle_used(app);
                service_table_count(&m->service_table, identity, &route.target, false);
                load_connected(m->load, identity);
                return;
        }
        if ((route.verdict == ROUTE_REFUSED || route.verdict == ROUTE_NO_BACKEND) && wait_for_start(hp, &fd, client))
                return;
        hp->shown.n_refused++;
        if (route.verdict == ROUTE_REFUSED ||
            (route.verdict == ROUTE_NO_BACKEND && route_start_is_possible(&q, client->address.family, 0, would_listen)))
                guarding_refused(m->guarding, &hp->shown, client);
        reset(fd);
}

/* Once each: who finds nobody may wait again. */
static void handle_waiting(HostPort *hp) {
        for (unsigned n = hp->waiting.n; n > 0 && !is_full(hp); n--) {
                Endpoint client;
                int fd = exposed_queue_pop(&hp->waiting, &client);

                if (fd >= 0)
                        handle_connection(hp, fd, &client);
        }
}

static void reset_waiting(HostPort *hp) {
        while (hp->waiting.n > 0) {
                Endpoint client;
                int fd = exposed_queue_pop(&hp->waiting, &client);

                hp->shown.n_refused++;
                if (fd >= 0)
                        reset(fd);
        }
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
                r = exposed_socket_share(fd);
        if (r < 0)
                safe_close(fd);
        return r < 0 ? r : fd;
}

static int on_connection(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        HostPort *hp = userdata;

        for (unsigned i = 0; i < ACCEPTS_PER_TURN && hp->shown.listens; i++) {
                Endpoint client;
                int r;

                if (is_full(hp) || !accepts(hp)) {
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

static int set_listening(HostPort *hp, bool on) {
        int r = exposed_socket_listen(hp->fd, on);

        if (r >= 0)
                hp->shown.listens = on;
        return r;
}

static void update(HostPort *hp, uint64_t except);

static int on_grace_over(sd_event_source *s, uint64_t usec, void *userdata) {
        HostPort *hp = userdata;

        hp->grace = sd_event_source_disable_unref(hp->grace);
        hp->for_start = false;
        update(hp, 0);
        return 0;
}

/* Whether an app behind it is started by connections, if not now. */
static bool is_for_start(const HostPort *hp) {
        for (const Party *party = hp->shown.identity->parties; party; party = party->next)
                for (size_t i = 0; i < party->n_starts; i++)
                        if (party->starts[i] == hp->shown.port && may(party, NULL, (void *) hp))
                                return true;
        return false;
}

/* Whether anybody could be given a connection now, or is started by one. */
static bool is_wanted(HostPort *hp, uint64_t except, bool *ret_possible) {
        const RouteIncoming q = make_route(hp);
        const int family = hp->shown.at.address.family;

        *ret_possible = route_incoming_is_possible(&q, family, except);
        if (*ret_possible || route_start_is_possible(&q, family, except, would_listen)) {
                hp->for_start = is_for_start(hp);
                hp->grace = sd_event_source_disable_unref(hp->grace);
                return true;
        }
        if (hp->shown.listens && hp->for_start && !hp->grace)
                (void) sd_event_add_time_relative(hp->exposures->manager->event, &hp->grace, CLOCK_MONOTONIC, STARTER_GRACE_USEC, 0,
                                                  on_grace_over, hp);
        return hp->grace;
}

static void update(HostPort *hp, uint64_t except) {
        bool wanted, possible;
        char text[ENDPOINT_STRING_MAX];
        int r = 0;

        if (hp->exposures->manager->sw.leaving)
                return;
        wanted = is_wanted(hp, except, &possible);
        if (wanted != hp->shown.listens)
                r = set_listening(hp, wanted);
        if (r < 0 && !TAKE(hp->warned, true))
                (void) log_warning_errno(r, "Failed to %s at %s of the host, ignoring: %m", wanted ? "listen" : "end listening",
                                         endpoint_format(&hp->shown.at, hp->shown.at.address.family, text));
        if (!wanted)
                reset_waiting(hp);
        else if (possible && except == 0)
                handle_waiting(hp);
        (void) sd_event_source_set_enabled(hp->io, accepts(hp) ? SD_EVENT_ON : SD_EVENT_OFF);
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

static bool waits_for(const HostPort *hp, const App *app) {
        for (size_t i = 0; hp->waiting.n > 0 && i < app->party.n_starts; i++)
                if (app->party.starts[i] == hp->shown.port)
                        return exposures_has(app, &hp->shown);
        return false;
}

bool exposures_has_waiting(const App *app) {
        const HostPort *hp;

        DL_FOREACH(app->manager->exposures->ports, hp)
                if (waits_for(hp, app))
                        return true;
        return false;
}

unsigned exposures_refuse_waiting(App *app) {
        unsigned n = 0;
        HostPort *hp;

        DL_FOREACH(app->manager->exposures->ports, hp) {
                const RouteIncoming q = make_route(hp);

                if (!waits_for(hp, app) || route_incoming_is_possible(&q, hp->shown.at.address.family, 0))
                        continue;
                n += hp->waiting.n;
                reset_waiting(hp);
                /* Those that are not accepted yet, too. */
                if (set_listening(hp, false) >= 0)
                        update(hp, 0);
        }
        return n;
}

void exposures_foreach(Exposures *e, void (*function)(const ExposedPort *port, void *userdata), void *userdata) {
        const HostPort *hp;

        DL_FOREACH(e->ports, hp)
                function(&hp->shown, userdata);
}

static HostPort *host_port_free(HostPort *hp) {
        Exposures *e = hp->exposures;
        char name[EXPOSED_NAME_MAX];

        DL_DELETE(e->ports, hp);
        HASH_DELETE(hh, e->by_endpoint, hp);
        sd_event_source_disable_unref(hp->io);
        sd_event_source_disable_unref(hp->pause);
        sd_event_source_disable_unref(hp->grace);
        if (!e->manager->sw.leaving) {
                exposed_name(&hp->shown.at, name);
                (void) fd_store_remove(name);
                reset_waiting(hp);
                exposed_waiting_name(&hp->shown.at, name);
                if (hp->waiting.fds.in >= 0)
                        (void) fd_store_remove(name);
        }
        exposed_queue_close(&hp->waiting);
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
        char name[EXPOSED_NAME_MAX];
        HostPort *hp;
        struct stat st;
        int r, fd;
        ExposedQueue waiting;
        bool kept;

        fd = exposed_kept_take(&e->kept, at, &waiting);
        kept = fd >= 0;
        if (!kept)
                fd = exposed_socket_new(at, app->uid);
        if (fd < 0)
                return fd;
        hp = calloc(1, sizeof(*hp));
        if (!hp) {
                safe_close(fd);
                exposed_queue_close(&waiting);
                return -ENOMEM;
        }
        hp->exposures = e;
        hp->fd = fd;
        hp->waiting = waiting;
        /* One that was kept can be that of another user's app. */
        hp->uid = fstat(fd, &st) < 0 ? app->uid : st.st_uid;
        hp->shown = (ExposedPort){ .at = *at, .identity = app->party.identity, .port = port, .listens = is_listening(fd) };
        hp->owner = app->owner_uid;
        DL_APPEND(e->ports, hp);
        HASH_ADD(hh, e->by_endpoint, shown.at, sizeof(hp->shown.at), hp);
        r = sd_event_add_io(app->manager->event, &hp->io, fd, EPOLLIN, on_connection, hp);
        if (r >= 0)
                r = sd_event_source_set_enabled(hp->io, SD_EVENT_OFF);
        /* One for an app that is started by it goes on to listen, and nothing is accepted before that is there. */
        if (r >= 0 && !kept && app->party.n_starts == 0)
                r = set_listening(hp, false);
        if (r < 0) {
                host_port_free(hp);
                return r;
        }
        exposed_name(at, name);
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
        return exposed_kept_add(&e->kept, name, fd);
}

/* For who waits there already, an app is to be started that the earlier daemon may not have got to. */
static void start_for_waiting(HostPort *hp) {
        const RouteIncoming q = make_route(hp);
        Endpoint client;
        Party *party;

        if (exposed_queue_first(&hp->waiting, &client) < 0)
                return;
        party = route_start_incoming(&q, &client.address);
        if (party && starter_start_for_outside(app_of(party)) < 0)
                reset_waiting(hp);
}

void exposures_resume(Exposures *e) {
        HostPort *hp;

        exposed_kept_done(&e->kept, true);
        DL_FOREACH(e->ports, hp) {
                update(hp, 0);
                start_for_waiting(hp);
        }
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
        exposed_kept_done(&e->kept, false);
        free(e);
        return NULL;
}

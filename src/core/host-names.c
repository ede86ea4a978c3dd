/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "basic/errand.h"
#include "basic/fd.h"
#include "basic/fd-store.h"
#include "basic/log.h"
#include "core/host-link.h"
#include "core/host-names.h"

#define ADDRESS_TEXT DNS_HOST_STUB_ADDRESS

#define RESOLVED_NAME "org.freedesktop.resolve1"
#define RESOLVED_PATH "/org/freedesktop/resolve1"
#define RESOLVED_INTERFACE "org.freedesktop.resolve1.Manager"
#define RESOLVED_NO_SUCH_LINK "org.freedesktop.resolve1.NoSuchLink"

/* systemd-resolved hears of a new device on its own, a little later. */
#define RETRY_USEC (100 * USEC_PER_MSEC)

enum {
        PORT_DOMAIN = 53,
        TCP_BACKLOG = 128,
        TRIES_MAX = 50,
};

static const uint8_t server_address[] = { 127, 0, 0, 97 };

/* What the thread makes. */
typedef struct LinkJob {
        int ifindex; /* or a negative errno */
} LinkJob;

struct HostNames {
        Manager *manager;
        int udp, tcp;
        Errand *errand;
        int ifindex; /* 0: there is no device yet */
        size_t step; /* of the promise */
        unsigned n_tries;
        sd_bus_slot *watch, *ask, *promise;
        sd_event_source *retry;
};

/*
 * Sockets.
 */

Endpoint host_names_endpoint(void) {
        Endpoint at = { .address.family = AF_INET, .port = PORT_DOMAIN };

        memcpy(at.address.bytes, server_address, sizeof(server_address));
        return at;
}

/* Whatever the host's routes are made to say, only what is sent on the host itself comes by lo. */
static int open_socket(int type) {
        static const char lo[] = "lo";
        struct sockaddr_in6 sa = { .sin6_family = AF_INET6, .sin6_port = htons(PORT_DOMAIN) };
        _cleanup_close_ int fd = -EBADF;
        const int on = 1, off = 0;

        /* As those of apps: one kind for dnsd, and IPv4 as mapped addresses. */
        sa.sin6_addr.s6_addr[10] = sa.sin6_addr.s6_addr[11] = 0xff;
        memcpy(&sa.sin6_addr.s6_addr[12], server_address, sizeof(server_address));
        fd = socket(AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0 ||
            setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, lo, sizeof(lo)) < 0 ||
            (type == SOCK_STREAM && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0) ||
            (type == SOCK_DGRAM && setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)) < 0) ||
            bind(fd, (struct sockaddr *) &sa, sizeof(sa)) < 0 || (type == SOCK_STREAM && listen(fd, TCP_BACKLOG) < 0))
                return -errno;
        return TAKE_FD(fd);
}

static int open_sockets(HostNames *names) {
        const struct {
                int *fd, type;
                const char *stored;
        } sockets[] = { { &names->udp, SOCK_DGRAM, HOST_NAMES_UDP_FD_NAME }, { &names->tcp, SOCK_STREAM, HOST_NAMES_TCP_FD_NAME } };

        for (size_t i = 0; i < ELEMENTSOF(sockets); i++) {
                int r;

                if (*sockets[i].fd >= 0)
                        continue;
                *sockets[i].fd = open_socket(sockets[i].type);
                if (*sockets[i].fd < 0)
                        return *sockets[i].fd;
                r = fd_store_add(sockets[i].stored, *sockets[i].fd, false);
                if (r < 0)
                        (void) log_warning_errno(r, "Failed to store a socket for the names of apps, ignoring: %m");
        }
        return 0;
}

/*
 * The promise of systemd-resolved.
 */

static int call_new(const HostNames *names, const char *method, sd_bus_message **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = sd_bus_message_new_method_call(names->manager->bus, &call, RESOLVED_NAME, RESOLVED_PATH, RESOLVED_INTERFACE, method);
        if (r >= 0)
                r = sd_bus_message_set_auto_start(call, false);
        if (r >= 0)
                r = sd_bus_message_append(call, "i", names->ifindex);
        if (r >= 0)
                *ret = TAKE_PTR(call);
        return r;
}

static int append_zone(const char *zone, void *userdata) {
        return sd_bus_message_append(userdata, "(sb)", zone, true);
}

/* Domains that are for asking only, and not put behind names without dots. */
static int append_domains(const HostNames *names, sd_bus_message *call) {
        const Config *config = &names->manager->config;
        int r;

        r = sd_bus_message_open_container(call, 'a', "(sb)");
        if (r >= 0)
                r = append_zone(config->domain, call);
        if (r >= 0)
                r = pool_reverse_zones(&config->pool4, append_zone, call);
        if (r >= 0)
                r = pool_reverse_zones(&config->pool6, append_zone, call);
        return r < 0 ? r : sd_bus_message_close_container(call);
}

static int append_servers(const HostNames *names, sd_bus_message *call) {
        int r;

        r = sd_bus_message_open_container(call, 'a', "(iay)");
        if (r >= 0)
                r = sd_bus_message_open_container(call, 'r', "iay");
        if (r >= 0)
                r = sd_bus_message_append(call, "i", AF_INET);
        if (r >= 0)
                r = sd_bus_message_append_array(call, 'y', server_address, sizeof(server_address));
        if (r >= 0)
                r = sd_bus_message_close_container(call);
        return r < 0 ? r : sd_bus_message_close_container(call);
}

static int append_no(const HostNames *names, sd_bus_message *call) {
        return sd_bus_message_append(call, "s", "no");
}

static int append_false(const HostNames *names, sd_bus_message *call) {
        return sd_bus_message_append(call, "b", false);
}

/* In this order: it must not be asked for anything else in between. */
static const struct {
        const char *method;
        int (*append)(const HostNames *names, sd_bus_message *call);
} steps[] = {
        { "SetLinkDefaultRoute", append_false },
        { "SetLinkDomains", append_domains },
        { "SetLinkLLMNR", append_no },
        { "SetLinkMulticastDNS", append_no },
        { "SetLinkDNSOverTLS", append_no },
        { "SetLinkDNSSEC", append_no },
        { "SetLinkDNS", append_servers },
};

static void promise_go_on(HostNames *names);

static int on_retry(sd_event_source *s, uint64_t usec, void *userdata) {
        HostNames *names = userdata;

        names->retry = sd_event_source_disable_unref(names->retry);
        promise_go_on(names);
        return 0;
}

static int on_step(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        const sd_bus_error *error = sd_bus_message_get_error(m);
        HostNames *names = userdata;

        names->promise = sd_bus_slot_unref(names->promise);
        if (!error) {
                names->step++;
                promise_go_on(names);
                return 0;
        }
        if (sd_bus_error_has_name(error, RESOLVED_NO_SUCH_LINK) && names->n_tries++ < TRIES_MAX &&
            sd_event_add_time_relative(names->manager->event, &names->retry, CLOCK_MONOTONIC, RETRY_USEC, 0, on_retry, names) >= 0)
                return 0;
        /* It went away: when it comes back, it is told anew. */
        if (!sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN) && !sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY))
                log_warning("Failed to have systemd-resolved ask for names of apps (%s), ignoring: %s",
                            steps[names->step].method, error->message ?: error->name);
        return 0;
}

static void promise_go_on(HostNames *names) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        if (names->step >= ELEMENTSOF(steps)) {
                log_info("systemd-resolved asks for names below %s at " ADDRESS_TEXT ".", names->manager->config.domain);
                return;
        }
        r = call_new(names, steps[names->step].method, &call);
        if (r >= 0)
                r = steps[names->step].append(names, call);
        if (r >= 0)
                r = sd_bus_call_async(names->manager->bus, &names->promise, call, on_step, names, 0);
        if (r < 0)
                (void) log_warning_errno(r, "Failed to call systemd-resolved, ignoring: %m");
}

static void promise_begin(HostNames *names) {
        names->promise = sd_bus_slot_unref(names->promise);
        names->retry = sd_event_source_disable_unref(names->retry);
        names->step = names->n_tries = 0;
        promise_go_on(names);
}

/*
 * The device.
 */

static void link_run(void *p) {
        LinkJob *job = p;

        job->ifindex = host_link_make();
}

static void link_done(void *p, void *userdata) {
        const LinkJob *job = p;
        HostNames *names = userdata;

        names->errand = NULL;
        if (job->ifindex < 0) {
                (void) log_warning_errno(job->ifindex, "Failed to make a network device for systemd-resolved, ignoring: %m");
                return;
        }
        names->ifindex = job->ifindex;
        promise_begin(names);
}

static const ErrandType link_type = { .run = link_run, .done = link_done, .free = free, .uncounted = true };

static int link_start(HostNames *names) {
        LinkJob *job = calloc(1, sizeof(*job));
        int r;

        if (!job)
                return -ENOMEM;
        r = errand_start(names->manager->event, &link_type, job, names, &names->errand);
        if (r < 0)
                free(job);
        return r;
}

static void on_resolved(HostNames *names) {
        int r;

        if (names->ifindex > 0) {
                promise_begin(names);
                return;
        }
        r = names->errand ? 0 : link_start(names);
        if (r < 0)
                (void) log_warning_errno(r, "Failed to make a network device for systemd-resolved, ignoring: %m");
}

static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *owner;

        if (sd_bus_message_read(m, "sss", NULL, NULL, &owner) >= 0 && *owner)
                on_resolved(userdata);
        return 0;
}

static int on_owner(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        HostNames *names = userdata;

        names->ask = sd_bus_slot_unref(names->ask);
        if (!sd_bus_message_is_method_error(m, NULL))
                on_resolved(names);
        return 0;
}

static int watch_resolved(HostNames *names) {
        sd_bus *bus = names->manager->bus;
        int r;

        r = sd_bus_add_match_async(bus, &names->watch,
                                   "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                                   "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='" RESOLVED_NAME "'",
                                   on_owner_changed, NULL, names);
        if (r >= 0)
                r = sd_bus_call_method_async(bus, &names->ask, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                             "GetNameOwner", on_owner, names, "s", RESOLVED_NAME);
        return r;
}

/*
 * The whole.
 */

/* Nothing of it is to stay: not in the descriptor store, where nobody would answer, and not with systemd-resolved. */
static HostNames *give_up(HostNames *names) {
        if (names->udp >= 0)
                (void) fd_store_remove(HOST_NAMES_UDP_FD_NAME);
        if (names->tcp >= 0)
                (void) fd_store_remove(HOST_NAMES_TCP_FD_NAME);
        host_names_withdraw(names);
        return host_names_free(names);
}

int host_names_new(Manager *m, int udp, int tcp, HostNames **ret) {
        HostNames *names;
        int r;

        names = calloc(1, sizeof(*names));
        if (!names)
                return -ENOMEM;
        *names = (HostNames){ .manager = m, .udp = udp, .tcp = tcp };
        if (!m->config.host_names) {
                *ret = give_up(names);
                return 0;
        }
        r = open_sockets(names);
        if (r < 0) {
                (void) log_warning_errno(r, "Failed to listen on " ADDRESS_TEXT ":53 for the names of apps, the host does without them: %m");
                *ret = give_up(names);
                return 0;
        }
        r = watch_resolved(names);
        if (r < 0)
                (void) log_warning_errno(r, "Failed to look for systemd-resolved, ignoring: %m");
        *ret = names;
        return 0;
}

HostNames *host_names_free(HostNames *names) {
        if (!names)
                return NULL;
        if (names->errand)
                errand_abandon(names->errand);
        sd_bus_slot_unref(names->watch);
        sd_bus_slot_unref(names->ask);
        sd_bus_slot_unref(names->promise);
        sd_event_source_disable_unref(names->retry);
        safe_close(names->udp);
        safe_close(names->tcp);
        free(names);
        return NULL;
}

void host_names_tell(const HostNames *names, Feed *feed) {
        if (names)
                feed_add_host(feed, names->udp, names->tcp);
}

void host_names_withdraw(HostNames *names) {
        int r;

        /* systemd-resolved forgets its promise with the device. */
        r = names && host_link_exists() ? host_link_remove() : 0;
        if (r < 0)
                (void) log_warning_errno(r, "Failed to remove the network device for systemd-resolved, ignoring: %m");
}

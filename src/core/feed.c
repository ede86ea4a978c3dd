/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "basic/fd.h"
#include "basic/log.h"
#include "core/feed.h"
#include "dns/dns-feed.h"
#include "model/visibility.h"

enum { FEED_BUDGET = 64 }; /* reports in one turn of the loop */

/* How long to wait before connecting again, and at most. */
#define RETRY_USEC (100 * USEC_PER_MSEC)
#define RETRY_MAX_USEC (10 * USEC_PER_SEC)

struct Feed {
        sd_event *event;
        const Config *config;
        const FeedHooks *hooks;
        void *userdata;
        int fd; /* -EBADF while dnsd is away */
        sd_event_source *source, *timer;
        uint64_t retry_usec;
};

static void feed_retry_later(Feed *feed);

static void feed_disconnect(Feed *feed) {
        feed->source = sd_event_source_disable_unref(feed->source);
        feed->fd = safe_close(feed->fd);
}

static void feed_lose(Feed *feed, int error) {
        (void) log_warning_errno(error, "Lost appswitch-dnsd, will connect to it again: %m");
        feed_disconnect(feed);
        feed_retry_later(feed);
}

static void feed_send(Feed *feed, const DnsFeedMessage *message, const int *fds, size_t n_fds) {
        int r;

        if (feed->fd < 0)
                return;
        /* A dnsd that does not read would hold up everything else: it is as good as away. */
        r = send_with_fds(feed->fd, message, sizeof(*message), fds, n_fds, MSG_DONTWAIT);
        if (r < 0)
                feed_lose(feed, r);
}

static DnsFeedMessage feed_message(DnsFeedType type, const char *name) {
        DnsFeedMessage m = { .type = type };

        (void) snprintf(m.name, sizeof(m.name), "%s", name);
        return m;
}

static DnsFeedAddress feed_address(const Address *a) {
        DnsFeedAddress address = { .family = a->family };

        memcpy(address.bytes, a->bytes, sizeof(a->bytes));
        return address;
}

static int report_resolved(Feed *feed, const DnsFeedReport *report) {
        Address addresses[DNS_REPORT_ADDRESSES_MAX] = {};

        if (report->n_addresses > DNS_REPORT_ADDRESSES_MAX || !memchr(report->app, '\0', sizeof(report->app)) ||
            !memchr(report->name, '\0', sizeof(report->name)))
                return -EBADMSG;
        for (size_t i = 0; i < report->n_addresses; i++) {
                const DnsFeedAddress *a = report->addresses + i;

                if (a->family != AF_INET && a->family != AF_INET6)
                        return -EBADMSG;
                addresses[i].family = (uint16_t) a->family;
                memcpy(addresses[i].bytes, a->bytes, a->family == AF_INET ? 4 : 16);
        }
        if (feed->hooks->resolved)
                feed->hooks->resolved(report->app, report->name, addresses, report->n_addresses, report->ttl,
                                      feed->userdata);
        return 0;
}

static int report_wanted(Feed *feed, const DnsFeedReport *report) {
        _cleanup_close_ int fd = -EBADF;
        DnsFeedMessage m;

        if (report->server >= DNS_FEED_SERVERS_MAX || report->stream > 1)
                return -EBADMSG;
        fd = feed->hooks->connect(report->list, report->server, report->stream, feed->userdata);
        if (fd < 0)
                (void) log_debug_errno(fd, "Failed to connect to a name server of the host: %m");
        m = feed_message(fd < 0 ? DNS_FEED_NO_UPSTREAM : DNS_FEED_UPSTREAM, "");
        m.list = report->list;
        m.server = report->server;
        m.stream = report->stream;
        feed_send(feed, &m, &fd, fd < 0 ? 0 : 1);
        return 0;
}

static int (*const report_handlers[])(Feed *feed, const DnsFeedReport *report) = {
        [DNS_REPORT_RESOLVED] = report_resolved,
        [DNS_REPORT_WANTED] = report_wanted,
};

/* Hears one report. Returns 1; 0 if there is none yet; -ECONNRESET at the end; -EBADMSG. */
static int feed_receive(Feed *feed) {
        DnsFeedReport report;
        size_t n_fds = 0;
        ssize_t l;
        int r;

        l = recv_with_fds(feed->fd, &report, sizeof(report), NULL, &n_fds, MSG_DONTWAIT);
        if (l == -EAGAIN)
                return 0;
        if (l <= 0)
                return l < 0 ? (int) l : -ECONNRESET;
        if (l != sizeof(report) || report.type >= ELEMENTSOF(report_handlers))
                return -EBADMSG;
        r = report_handlers[report.type](feed, &report);
        return r < 0 ? r : 1;
}

static void feed_hear(Feed *feed, unsigned max) {
        int r = 1;

        /* What is told may be that dnsd does not read: feed_lose(). */
        for (unsigned i = 0; r > 0 && feed->fd >= 0 && i < max; i++)
                r = feed_receive(feed);
        if (r < 0)
                feed_lose(feed, r);
}

static int feed_on_io(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        feed_hear(userdata, FEED_BUDGET);
        return 0;
}

void feed_drain(Feed *feed) {
        int size;

        /* What comes meanwhile is for the loop: whoever reports could go on and on. */
        if (feed->fd >= 0 && ioctl(feed->fd, SIOCINQ, &size) >= 0)
                feed_hear(feed, (unsigned) size / sizeof(DnsFeedReport));
}

static void feed_begin(Feed *feed) {
        const Pool *pools[] = { &feed->config->pool4, &feed->config->pool6 };
        DnsFeedMessage m = feed_message(DNS_FEED_BEGIN, feed->config->domain);

        m.version = DNS_FEED_VERSION;
        m.ttl = feed->config->name_ttl;
        for (size_t i = 0; i < ELEMENTSOF(pools); i++) {
                m.pools[i].network = feed_address(&pools[i]->address);
                m.pools[i].prefix = pools[i]->prefix;
        }
        feed_send(feed, &m, NULL, 0);
}

static int feed_connect(Feed *feed) {
        struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = DNS_FEED_SOCKET };
        const int size = 64 * 1024 * 1024; /* a snapshot of some ten thousand names; memory is used as long as it is queued */
        DnsFeedMessage commit;
        int r;

        feed->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (feed->fd < 0)
                return -errno;
        (void) setsockopt(feed->fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
        if (connect(feed->fd, (struct sockaddr *) &un, sizeof(un)) < 0) {
                r = -errno;
                feed_disconnect(feed);
                return r;
        }
        r = sd_event_add_io(feed->event, &feed->source, feed->fd, EPOLLIN, feed_on_io, feed);
        if (r < 0) {
                feed_disconnect(feed);
                return r;
        }
        feed_begin(feed);
        feed->hooks->snapshot(feed, feed->userdata);
        commit = feed_message(DNS_FEED_COMMIT, "");
        feed_send(feed, &commit, NULL, 0);
        if (feed->fd >= 0)
                feed->retry_usec = RETRY_USEC;
        return 0;
}

static int feed_on_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        Feed *feed = userdata;
        int r;

        feed->timer = sd_event_source_disable_unref(feed->timer);
        r = feed_connect(feed);
        if (r < 0) {
                (void) log_debug_errno(r, "Failed to connect to appswitch-dnsd, will try again: %m");
                feed_retry_later(feed);
        }
        return 0;
}

static void feed_retry_later(Feed *feed) {
        if (feed->timer)
                return;
        (void) sd_event_add_time_relative(feed->event, &feed->timer, CLOCK_MONOTONIC, feed->retry_usec, 0,
                                          feed_on_timer, feed);
        feed->retry_usec = MIN2(feed->retry_usec * 2, RETRY_MAX_USEC);
}

int feed_new(sd_event *event, const Config *config, const FeedHooks *hooks, void *userdata, Feed **ret) {
        Feed *feed;
        int r;

        feed = calloc(1, sizeof(*feed));
        if (!feed)
                return -ENOMEM;
        *feed = (Feed){
                .event = event,
                .config = config,
                .hooks = hooks,
                .userdata = userdata,
                .fd = -EBADF,
                .retry_usec = RETRY_USEC,
        };
        *ret = feed;
        r = feed_connect(feed);
        if (r < 0) {
                (void) log_warning_errno(r, "Failed to connect to appswitch-dnsd, will try again: %m");
                feed_retry_later(feed);
        }
        return 0;
}

Feed *feed_free(Feed *feed) {
        if (!feed)
                return NULL;
        feed_disconnect(feed);
        sd_event_source_disable_unref(feed->timer);
        free(feed);
        return NULL;
}

static void feed_set_name(Feed *feed, const char *name, const Identity *identity) {
        DnsFeedMessage m = feed_message(DNS_FEED_NAME_SET, name);

        static_assert((int) IDENTITY_ADDRESSES_MAX <= (int) DNS_FEED_ADDRESSES_MAX, "addresses must fit");
        for (size_t i = 0; i < identity->n_addresses; i++)
                m.addresses[i] = feed_address(&identity->addresses[i].address);
        m.n_addresses = (uint32_t) identity->n_addresses;
        m.identity = identity->number;
        static_assert(sizeof(m.views) == sizeof(ViewSet), "views must fit");
        if (identity->seen_by)
                memcpy(m.views, identity->seen_by->words, sizeof(m.views));
        feed_send(feed, &m, NULL, 0);
}

void feed_set_names(Feed *feed, const Identity *identity) {
        for (size_t i = 0; i < identity->n_names; i++)
                feed_set_name(feed, identity->names[i].name, identity);
}

void feed_unset_name(Feed *feed, const char *name) {
        DnsFeedMessage m = feed_message(DNS_FEED_NAME_UNSET, name);

        feed_send(feed, &m, NULL, 0);
}

void feed_unset_names(Feed *feed, const Identity *identity) {
        for (size_t i = 0; i < identity->n_names; i++)
                feed_unset_name(feed, identity->names[i].name);
}

/* Who asks: of which identity, and with which view. */
static DnsFeedMessage feed_app_message(DnsFeedType type, const Party *party) {
        DnsFeedMessage m = feed_message(type, party->id);

        m.identity = party->identity->number;
        m.view = view_number(party->view);
        return m;
}

void feed_add_app(Feed *feed, const Party *party, int udp, int tcp) {
        DnsFeedMessage m = feed_app_message(DNS_FEED_APP_ADD, party);

        feed_send(feed, &m, (const int[]){ udp, tcp }, 2);
}

void feed_add_host(Feed *feed, int udp, int tcp) {
        DnsFeedMessage m = feed_message(DNS_FEED_HOST_ADD, DNS_FEED_HOST);

        feed_send(feed, &m, (const int[]){ udp, tcp }, 2);
}

void feed_remove_host(Feed *feed) {
        feed_remove_app(feed, DNS_FEED_HOST);
}

void feed_add_pattern(Feed *feed, const char *id, const char *pattern) {
        DnsFeedMessage m = feed_message(DNS_FEED_APP_PATTERN, id);

        (void) snprintf(m.pattern, sizeof(m.pattern), "%s", pattern);
        feed_send(feed, &m, NULL, 0);
}

void feed_set_resolvers(Feed *feed, uint64_t list, unsigned n_servers) {
        DnsFeedMessage m = feed_message(DNS_FEED_RESOLVERS, "");

        m.list = list;
        m.n_servers = n_servers;
        feed_send(feed, &m, NULL, 0);
}

void feed_set_view(Feed *feed, const Party *party) {
        DnsFeedMessage m = feed_app_message(DNS_FEED_APP_VIEW, party);

        feed_send(feed, &m, NULL, 0);
}

void feed_remove_app(Feed *feed, const char *id) {
        DnsFeedMessage m = feed_message(DNS_FEED_APP_REMOVE, id);

        feed_send(feed, &m, NULL, 0);
}

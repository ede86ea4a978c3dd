/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "basic/fd.h"
#include "basic/log.h"
#include "dns/feed.h"
#include "model/journal.h"

enum {
        FEED_BUDGET = 64,     /* messages in one turn of the loop */
        FEED_APP_SOCKETS = 2, /* UDP, TCP: what comes with APP_ADD */
};

typedef struct FeedInput {
        DnsFeedMessage message;
        int fds[FEED_APP_SOCKETS];
        size_t n_fds;
} FeedInput;

static void input_done(FeedInput *in) {
        for (size_t i = 0; i < in->n_fds; i++)
                in->fds[i] = safe_close(in->fds[i]);
        in->n_fds = 0;
}

/* What cannot be told now is as soon as there is room, or by the next feed: forward_resume(). */
static int feed_report(Feed *feed, const DnsFeedReport *message) {
        int r;

        if (feed->state != FEED_CURRENT)
                return -ENOTCONN;
        r = send_with_fds(feed->fd, message, sizeof(*message), NULL, 0, MSG_DONTWAIT);
        if (r == -EAGAIN)
                (void) sd_event_source_set_io_events(feed->source, EPOLLIN | EPOLLOUT);
        return r;
}

static int feed_on_wanted(uint64_t list, unsigned server, bool stream, void *userdata) {
        const DnsFeedReport message = {.type = DNS_REPORT_WANTED, .list = list, .server = server, .stream = stream};

        return feed_report(userdata, &message);
}

static int feed_on_resolved(const char *app_id, const char *name, const ResponseAddresses *addresses, void *userdata) {
        size_t n;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < addresses->n; i += n) {
                DnsFeedReport message = {.type = DNS_REPORT_RESOLVED, .ttl = addresses->ttl};

                n = MIN2(addresses->n - i, (size_t) DNS_REPORT_ADDRESSES_MAX);
                message.n_addresses = (uint32_t) n;
                memcpy(message.addresses, addresses->addresses + i, n * sizeof(message.addresses[0]));
                strcpy(message.app, app_id);
                strcpy(message.name, name);
                r = feed_report(userdata, &message);
        }
        return r;
}

static const ForwardReports feed_reports = {
                .wanted = feed_on_wanted,
                .resolved = feed_on_resolved,
};

Feed *feed_new(sd_event *event, Names *names, Server *server) {
        Feed *feed = calloc(1, sizeof(*feed));

        if (!feed)
                return NULL;
        feed->event = sd_event_ref(event);
        feed->names = names;
        feed->server = server;
        feed->listen_fd = feed->fd = -EBADF;
        forward_set_reports(server->forward, &feed_reports, feed);
        return feed;
}

static void feed_close(Feed *feed) {
        feed->source = sd_event_source_disable_unref(feed->source);
        feed->fd = safe_close(feed->fd);
        feed->state = FEED_CLOSED;
        server_resume(feed->server);
}

Feed *feed_free(Feed *feed) {
        if (!feed)
                return NULL;
        feed_close(feed);
        sd_event_source_disable_unref(feed->listen_source);
        safe_close(feed->listen_fd);
        sd_event_unref(feed->event);
        free(feed);
        return NULL;
}

static int bad(int error, const char *what) {
        return log_warning_errno(error, "Bad message from appswitchd (%s), closing the feed.", what);
}

static int apply_begin(Feed *feed, FeedInput *in) {
        const DnsFeedMessage *m = &in->message;
        int r;

        if (m->version != DNS_FEED_VERSION)
                return bad(-EPROTONOSUPPORT, "version of the protocol is not known");
        r = names_begin(feed->names, m->name, m->ttl);
        if (r < 0)
                return bad(r, "domain or time to live is not valid");
        r = names_set_pools(feed->names, m->pools);
        if (r < 0)
                return bad(r, "pools are not valid");
        server_begin(feed->server);
        feed->state = FEED_SNAPSHOT;
        return 0;
}

static int apply_commit(Feed *feed, FeedInput *in) {
        names_commit(feed->names);
        server_commit(feed->server);
        feed->state = FEED_CURRENT;
        forward_resume(feed->server->forward, true);
        return 0;
}

static int apply_name_set(Feed *feed, FeedInput *in) {
        const DnsFeedMessage *m = &in->message;
        NameSight sight = {.identity = m->identity};
        int r;

        static_assert(sizeof(sight.views) == sizeof(m->views), "views must fit");
        memcpy(sight.views, m->views, sizeof(sight.views));
        if (m->n_addresses > DNS_FEED_ADDRESSES_MAX)
                return bad(-EBADMSG, "too many addresses");
        r = names_set(feed->names, m->name, m->addresses, m->n_addresses, &sight);
        if (r == -EINVAL)
                return bad(r, "name or family of an address is not valid");
        if (r == -ENOSPC) {
                log_warning_errno(r, "No room for the name %s, ignoring: %m", m->name);
                return 0;
        }
        if (r < 0)
                return log_oom();
        return 0;
}

static int apply_name_unset(Feed *feed, FeedInput *in) {
        if (!name_is_valid(in->message.name))
                return bad(-EINVAL, "name is not valid");
        if (names_unset(feed->names, in->message.name) < 0)
                log_debug("The name %s to forget is not known, ignoring.", in->message.name);
        return 0;
}

static int apply_app_add(Feed *feed, FeedInput *in) {
        const bool host = in->message.type == DNS_FEED_HOST_ADD;
        const NameViewer viewer = {in->message.identity, in->message.view, host};
        const char *id = in->message.name;
        int r;

        if (viewer.view >= DNS_FEED_VIEWS_MAX)
                return bad(-EBADMSG, "view of an app is not known");
        if (host != (strcmp(id, DNS_FEED_HOST) == 0))
                return bad(-EBADMSG, "an app has the id of the host, or the host that of an app");
        in->n_fds = 0; /* server_add() takes them over */
        r = server_add(feed->server, id, &viewer, in->fds[0], in->fds[1]);
        if (r == -EINVAL)
                return bad(r, "id of an app is not valid");
        if (r == -ENOTSOCK || r == -EPROTOTYPE)
                return bad(r, "sockets of an app are not what they should be");
        if (r < 0)
                app_log_warning(r, id, "Failed to serve the app %s, ignoring: %m", id);
        return 0;
}

static int apply_app_view(Feed *feed, FeedInput *in) {
        const NameViewer viewer = {in->message.identity, in->message.view, false};

        if (viewer.view >= DNS_FEED_VIEWS_MAX)
                return bad(-EBADMSG, "view of an app is not known");
        if (server_set_viewer(feed->server, in->message.name, &viewer) < 0)
                log_debug("An app that has another view is not known, ignoring.");
        return 0;
}

static int apply_app_pattern(Feed *feed, FeedInput *in) {
        const DnsFeedMessage *m = &in->message;
        int r;

        if (!memchr(m->pattern, '\0', sizeof(m->pattern)))
                return bad(-EBADMSG, "pattern does not end");
        r = server_add_pattern(feed->server, m->name, m->pattern);
        if (r == -EINVAL)
                return bad(r, "pattern of an app is not valid");
        if (r < 0)
                log_warning_errno(r, "Failed to let the app %s look up %s, ignoring: %m", m->name, m->pattern);
        return 0;
}

static int apply_app_remove(Feed *feed, FeedInput *in) {
        if (server_remove(feed->server, in->message.name) < 0)
                log_debug("An app to remove is not known, ignoring.");
        return 0;
}

static int apply_resolvers(Feed *feed, FeedInput *in) {
        if (in->message.n_servers > DNS_FEED_SERVERS_MAX)
                return bad(-EBADMSG, "too many name servers");
        forward_set_servers(feed->server->forward, in->message.list, in->message.n_servers);
        return 0;
}

static int apply_upstream(Feed *feed, FeedInput *in) {
        const DnsFeedMessage *m = &in->message;
        const bool none = m->type == DNS_FEED_NO_UPSTREAM;

        if (m->server >= DNS_FEED_SERVERS_MAX || m->stream > 1)
                return bad(-EBADMSG, "socket to a name server is not as it was wanted");
        in->n_fds = 0; /* forward_receive() takes it over */
        forward_receive(feed->server->forward, m->list, m->server, m->stream, none ? -EHOSTUNREACH : in->fds[0]);
        return 0;
}

#define ALLOWED_IN(state) (1U << (state))

static const struct {
        int (*apply)(Feed *feed, FeedInput *in);
        unsigned states;
        size_t n_fds;
} feed_table[_DNS_FEED_TYPE_MAX] = {
                [DNS_FEED_BEGIN] = {apply_begin, ALLOWED_IN(FEED_OPEN), 0},
                [DNS_FEED_COMMIT] = {apply_commit, ALLOWED_IN(FEED_SNAPSHOT), 0},
                [DNS_FEED_NAME_SET] = {apply_name_set, ALLOWED_IN(FEED_SNAPSHOT) | ALLOWED_IN(FEED_CURRENT),
                                       0},
                [DNS_FEED_NAME_UNSET] = {apply_name_unset,
                                         ALLOWED_IN(FEED_SNAPSHOT) | ALLOWED_IN(FEED_CURRENT), 0},
                [DNS_FEED_APP_ADD] = {apply_app_add, ALLOWED_IN(FEED_SNAPSHOT) | ALLOWED_IN(FEED_CURRENT),
                                      FEED_APP_SOCKETS},
                [DNS_FEED_HOST_ADD] = {apply_app_add, ALLOWED_IN(FEED_SNAPSHOT) | ALLOWED_IN(FEED_CURRENT),
                                       FEED_APP_SOCKETS},
                [DNS_FEED_APP_VIEW] = {apply_app_view, ALLOWED_IN(FEED_SNAPSHOT) | ALLOWED_IN(FEED_CURRENT), 0},
                [DNS_FEED_APP_PATTERN] = {apply_app_pattern,
                                          ALLOWED_IN(FEED_SNAPSHOT) | ALLOWED_IN(FEED_CURRENT), 0},
                [DNS_FEED_RESOLVERS] = {apply_resolvers, ALLOWED_IN(FEED_SNAPSHOT) | ALLOWED_IN(FEED_CURRENT),
                                        0},
                [DNS_FEED_UPSTREAM] = {apply_upstream, ALLOWED_IN(FEED_CURRENT), 1},
                [DNS_FEED_NO_UPSTREAM] = {apply_upstream, ALLOWED_IN(FEED_CURRENT), 0},
                [DNS_FEED_APP_REMOVE] = {apply_app_remove,
                                         ALLOWED_IN(FEED_SNAPSHOT) | ALLOWED_IN(FEED_CURRENT), 0},
};

/* Checks what holds for every message, then applies it. */
static int feed_apply(Feed *feed, FeedInput *in, size_t size) {
        const DnsFeedMessage *m = &in->message;

        if (size != sizeof(*m))
                return bad(-EBADMSG, "size");
        if (m->type >= _DNS_FEED_TYPE_MAX)
                return bad(-EBADMSG, "type is not known");
        if (!memchr(m->name, '\0', sizeof(m->name)))
                return bad(-EBADMSG, "name does not end");
        if (in->n_fds != feed_table[m->type].n_fds)
                return bad(-EBADMSG, "number of sockets");
        if (!(feed_table[m->type].states & ALLOWED_IN(feed->state)))
                return bad(-EPROTO, "out of turn");
        return feed_table[m->type].apply(feed, in);
}

/* Receives and applies one message. Returns 1; 0 when there is none yet; -ECONNRESET at end of file. */
static int feed_receive(Feed *feed) {
        _cleanup_(input_done) FeedInput in = {.n_fds = ELEMENTSOF(in.fds)};
        ssize_t l;
        int r;

        l = recv_with_fds(feed->fd, &in.message, sizeof(in.message), in.fds, &in.n_fds, MSG_DONTWAIT);
        if (l == -EAGAIN)
                return 0;
        if (l == -EBADMSG)
                return bad((int) l, "size or number of sockets");
        if (l < 0)
                return log_warning_errno((int) l, "Failed to receive from appswitchd, closing the feed: %m");
        if (l == 0) {
                log_debug("appswitchd closed the feed.");
                return -ECONNRESET;
        }
        r = feed_apply(feed, &in, (size_t) l);
        return r < 0 ? r : 1;
}

static int feed_on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Feed *feed = userdata;
        int r = 1;

        if (revents & EPOLLOUT) {
                (void) sd_event_source_set_io_events(source, EPOLLIN);
                forward_resume(feed->server->forward, false);
        }
        for (unsigned i = 0; r > 0 && i < FEED_BUDGET; i++)
                r = feed_receive(feed);
        if (r < 0)
                feed_close(feed);
        return 0;
}

int feed_open(Feed *feed, int fd) {
        int r;

        feed_close(feed);
        feed->fd = fd;
        r = sd_event_add_io(feed->event, &feed->source, fd, EPOLLIN, feed_on_io, feed);
        if (r < 0) {
                feed_close(feed);
                return r;
        }
        feed->state = FEED_OPEN;
        return 0;
}

static int feed_on_listen(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Feed *feed = userdata;
        int r, connection;

        connection = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (connection < 0) {
                if (errno != EAGAIN && errno != EINTR)
                        log_warning_errno(-errno, "Failed to accept a feed, ignoring: %m");
                return 0;
        }
        r = feed_open(feed, connection);
        if (r < 0)
                log_warning_errno(r, "Failed to watch a feed, ignoring: %m");
        return 0;
}

int feed_listen(Feed *feed, int fd) {
        int flags, r;

        feed->listen_source = sd_event_source_disable_unref(feed->listen_source);
        safe_close(feed->listen_fd);
        feed->listen_fd = fd;
        flags = fcntl(fd, F_GETFL);
        if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
                return -errno;
        r = sd_event_add_io(feed->event, &feed->listen_source, fd, EPOLLIN, feed_on_listen, feed);
        if (r < 0)
                return r;
        /* As for the apps' listeners: a failing accept4(2) must not spin. */
        return sd_event_source_set_ratelimit(feed->listen_source, USEC_PER_SEC, 100);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* Out of memory is an error of one call here, not the end of the process. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#include "basic/clock.h"
#include "basic/fd.h"
#include "basic/log.h"
#include "dns/server.h"
#include "model/journal.h"

/* A listener whose accept4(2) fails for want of memory or descriptors stays readable: let it not spin. */
#define ACCEPT_RATE_INTERVAL (1 * USEC_PER_SEC)
enum { ACCEPT_RATE_BURST = 1000 };

/* Records of names that an app may not look up. */
#define REFUSED_WINDOW (60 * USEC_PER_SEC)
enum { REFUSED_PER_WINDOW = 5 };

static App *app_free(App *app) {
        if (!app)
                return NULL;
        while (app->streams)
                stream_free(app->streams);
        sd_event_source_disable_unref(app->udp_source);
        sd_event_source_disable_unref(app->tcp_source);
        safe_close(app->udp);
        safe_close(app->tcp);
        forward_leave(app->server->forward, &app->client);
        free(app);
        return NULL;
}

DEFINE_CLEANUP(App *, app_free)

static void server_reply(ForwardClient *client, const ForwardPeer *peer, uint8_t *data, size_t size);

static const ForwardHooks forward_hooks = {
                .reply = server_reply,
};

Server *server_new(sd_event *event, const Names *names) {
        Server *server = calloc(1, sizeof(*server));

        if (!server)
                return NULL;
        server->event = sd_event_ref(event);
        server->names = names;
        server->forward = forward_new(event, names, &forward_hooks);
        return server->forward ? server : server_free(server);
}

static void server_drop(Server *server, App *app) {
        HASH_DEL(server->apps, app);
        app_free(app);
}

Server *server_free(Server *server) {
        App *app, *tmp;

        if (!server)
                return NULL;
        HASH_ITER(hh, server->apps, app, tmp)
                server_drop(server, app);
        forward_free(server->forward);
        sd_event_unref(server->event);
        free(server);
        return NULL;
}

/* What an app asks stays in its sockets while they are not looked at. */
static int app_pause(App *app, bool paused) {
        const int enabled = paused ? SD_EVENT_OFF : SD_EVENT_ON;
        int r;

        r = sd_event_source_set_enabled(app->udp_source, enabled);
        if (r >= 0)
                r = sd_event_source_set_enabled(app->tcp_source, enabled);
        for (Stream *s = app->streams; r >= 0 && s; s = s->app_next)
                r = sd_event_source_set_enabled(s->io, enabled);
        return r;
}

static void server_pause(Server *server, bool paused) {
        App *app, *tmp;

        server->paused = paused;
        HASH_ITER(hh, server->apps, app, tmp) {
                int r = app_pause(app, paused);

                if (r < 0)
                        app_log_warning(r, app->id, "Failed to have app %s wait, ignoring: %m", app->id);
        }
}

void server_begin(Server *server) {
        server->generation++;
        server_pause(server, true);
}

void server_resume(Server *server) {
        if (server->paused)
                server_pause(server, false);
}

void server_commit(Server *server) {
        App *app, *tmp;

        HASH_ITER(hh, server->apps, app, tmp)
                if (app->generation != server->generation)
                        server_drop(server, app);
        server_resume(server);
}

/* Receives one datagram: who sent it and which address it went to. Returns its size or a negative errno. */
static ssize_t datagram_receive(int fd, uint8_t *buf, size_t size, struct sockaddr_in6 *ret_from,
                                struct in6_addr *ret_to) {
        union {
                struct cmsghdr header;
                char buf[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(64)];
        } control;
        struct iovec iov = {.iov_base = buf, .iov_len = size};
        struct msghdr msg = {
                        .msg_name = ret_from,
                        .msg_namelen = sizeof(*ret_from),
                        .msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = &control,
                        .msg_controllen = sizeof(control),
        };
        ssize_t l;

        *ret_to = in6addr_any;
        l = recvmsg(fd, &msg, MSG_DONTWAIT);
        if (l < 0)
                return -errno;
        if (msg.msg_namelen != sizeof(*ret_from) || ret_from->sin6_family != AF_INET6)
                return -EAFNOSUPPORT;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
                if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
                        struct in6_pktinfo info;

                        memcpy(&info, CMSG_DATA(c), sizeof(info));
                        *ret_to = info.ipi6_addr;
                }
        return l;
}

/*
 * Sends one datagram from the address `from`. No interface is named (ipi6_ifindex
 * 0): a namespace has only lo, and a link-local peer names it by its scope.
 */
static int datagram_send(int fd, const uint8_t *buf, size_t size, const struct in6_addr *from,
                         const struct sockaddr_in6 *to) {
        union {
                struct cmsghdr header;
                char buf[CMSG_SPACE(sizeof(struct in6_pktinfo))];
        } control = {};
        struct in6_pktinfo info = {.ipi6_addr = *from};
        struct iovec iov = {.iov_base = (void *) buf, .iov_len = size};
        struct msghdr msg = {
                        .msg_name = (void *) to,
                        .msg_namelen = sizeof(*to),
                        .msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = &control,
                        .msg_controllen = sizeof(control),
        };
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

        c->cmsg_level = IPPROTO_IPV6;
        c->cmsg_type = IPV6_PKTINFO;
        c->cmsg_len = CMSG_LEN(sizeof(info));
        memcpy(CMSG_DATA(c), &info, sizeof(info));
        return sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* What had to be asked outside. */
static void server_reply(ForwardClient *client, const ForwardPeer *peer, uint8_t *data, size_t size) {
        App *app = CONTAINER_OF(client, App, client);
        int r;

        if (peer->stream) {
                stream_reply(peer->stream, data, size);
                return;
        }
        r = datagram_send(app->udp, data, size, &peer->to, &peer->from);
        if (r < 0)
                app_log_debug(r, app->id, "Failed to answer a query of app %s, ignoring: %m", app->id);
}

/* One record for a name that the app may not look up, up to a number of them in a time. */
static void log_refused(App *app, const char *name) {
        const uint64_t window = now_usec(CLOCK_MONOTONIC) / REFUSED_WINDOW;
        char app_field[32 + DNS_FEED_NAME_MAX], name_field[32 + DNS_FEED_NAME_MAX];

        if (window != app->refused_window) {
                app->refused_window = window;
                app->n_refused = 0;
        }
        if (++app->n_refused > REFUSED_PER_WINDOW)
                return;
        (void) snprintf(app_field, sizeof(app_field), "APPSWITCH_APP=%s", app->id);
        (void) snprintf(name_field, sizeof(name_field), "APPSWITCH_NAME=%s", name);
        (void) log_fields(LOG_INFO, 0, (const char *const[]){"MESSAGE_ID=" MESSAGE_NAME_REFUSED, app_field, name_field, NULL},
                          "%s may not look up %s outside%s.", app->id, name,
                          app->n_refused == REFUSED_PER_WINDOW ? "; more such records are left out for a while" : "");
}

ssize_t server_answer(App *app, AnswerTransport transport, const uint8_t *query, size_t size, const ForwardPeer *peer,
                      bool *ret_later, uint8_t *ret) {
        Server *server = app->server;
        Answered answered;
        ssize_t l;

        l = answer_query(server->names, &app->viewer, &app->client.patterns, transport, query, size, &answered, ret);
        if (answered.refused)
                log_refused(app, answered.name);
        if (answered.outside)
                l = forward_ask(server->forward, &app->client, query, size, answered.limit, peer, ret);
        *ret_later = answered.outside && l == 0;
        return l;
}

/*
 * A datagram that cannot be answered is lost, as datagrams are: the app asks
 * again. A longer one than QUERY_SIZE_MAX is cut, which makes it malformed.
 */
static int app_on_udp(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        App *app = userdata;
        Server *server = app->server;

        for (unsigned i = 0; i < SERVER_UDP_BUDGET; i++) {
                ForwardPeer peer = {};
                ssize_t l;
                bool later;
                int r;

                l = datagram_receive(fd, server->query, sizeof(server->query), &peer.from, &peer.to);
                if (l == -EAGAIN)
                        break;
                if (l < 0) {
                        app_log_debug((int) l, app->id, "Failed to receive a query of app %s, ignoring: %m", app->id);
                        continue;
                }
                l = server_answer(app, ANSWER_UDP, server->query, (size_t) l, &peer, &later, server->answer);
                if (l == 0)
                        continue;
                r = l < 0 ? (int) l : datagram_send(fd, server->answer, (size_t) l, &peer.to, &peer.from);
                if (r < 0)
                        app_log_debug(r, app->id, "Failed to answer a query of app %s, ignoring: %m", app->id);
        }
        return 0;
}

/* Makes room for one more connection of the app. What ends is the app's own, unless it has none. */
static void server_make_room(Server *server, App *app) {
        if (app->n_streams >= SERVER_APP_STREAMS_MAX)
                stream_free(app->streams);
        if (server->n_streams >= SERVER_STREAMS_MAX)
                stream_free(app->streams ? app->streams : server->streams);
}

static int app_on_tcp(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        App *app = userdata;

        for (unsigned i = 0; i < SERVER_ACCEPT_BUDGET; i++) {
                int r, connection = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

                if (connection < 0 && errno == EAGAIN)
                        break;
                if (connection < 0) {
                        app_log_debug(-errno, app->id, "Failed to accept a connection of app %s, ignoring: %m",
                                      app->id);
                        continue;
                }
                server_make_room(app->server, app);
                r = stream_new(app, connection);
                if (r < 0)
                        app_log_debug(r, app->id, "Failed to serve a connection of app %s, ignoring: %m", app->id);
        }
        return 0;
}

static int socket_option(int fd, int option, int *ret) {
        socklen_t size = sizeof(*ret);

        return getsockopt(fd, SOL_SOCKET, option, ret, &size) < 0 ? -errno : 0;
}

/* Is `fd` an AF_INET6 socket of this type, protocol and state? */
static int socket_check(int fd, int type, int protocol, bool listening) {
        const struct {
                int option, wanted;
        } table[] = {
                        {SO_DOMAIN, AF_INET6},
                        {SO_TYPE, type},
                        {SO_PROTOCOL, protocol},
                        {SO_ACCEPTCONN, listening},
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                int value, r = socket_option(fd, table[i].option, &value);

                if (r < 0)
                        return r;
                if (value != table[i].wanted)
                        return -EPROTOTYPE;
        }
        return 0;
}

/* The flags that the loop depends on are set here again, whatever the sender did. */
static int app_check_sockets(App *app) {
        int flags, one = 1, r;

        r = socket_check(app->udp, SOCK_DGRAM, IPPROTO_UDP, false);
        if (r < 0)
                return r;
        r = socket_check(app->tcp, SOCK_STREAM, IPPROTO_TCP, true);
        if (r < 0)
                return r;
        flags = fcntl(app->tcp, F_GETFL);
        if (flags < 0 || fcntl(app->tcp, F_SETFL, flags | O_NONBLOCK) < 0)
                return -errno;
        if (setsockopt(app->udp, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof(one)) < 0)
                return -errno;
        return 0;
}

static int app_watch(App *app) {
        sd_event *event = app->server->event;
        int r;

        r = sd_event_add_io(event, &app->udp_source, app->udp, EPOLLIN, app_on_udp, app);
        if (r < 0)
                return r;
        r = sd_event_add_io(event, &app->tcp_source, app->tcp, EPOLLIN, app_on_tcp, app);
        if (r < 0)
                return r;
        r = sd_event_source_set_ratelimit(app->tcp_source, ACCEPT_RATE_INTERVAL, ACCEPT_RATE_BURST);
        return r < 0 || !app->server->paused ? r : app_pause(app, true);
}

static bool id_is_valid(const char *id) {
        size_t size = strlen(id);

        for (const char *p = id; *p; p++)
                if (*p <= ' ' || *p >= 0x7f)
                        return false;
        return size > 0 && size <= DNS_FEED_NAME_MAX;
}

static int app_new(Server *server, const char *id, int udp, int tcp, App **ret) {
        _cleanup_(app_freep) App *app = NULL;
        int r;

        app = calloc(1, sizeof(*app) + strlen(id) + 1);
        if (!app) {
                safe_close(udp);
                safe_close(tcp);
                return -ENOMEM;
        }
        app->server = server;
        app->client.id = app->id;
        app->udp = udp;
        app->tcp = tcp;
        app->generation = server->generation;
        strcpy(app->id, id);

        if (!id_is_valid(id))
                return -EINVAL;
        r = app_check_sockets(app);
        if (r < 0)
                return r;
        r = app_watch(app);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(app);
        return 0;
}

/* An app that appswitchd tells of again, after a restart, or another one that got its id? */
static bool is_same_socket(int a, int b) {
        uint64_t cookie_a, cookie_b;
        socklen_t size = sizeof(cookie_a);

        return getsockopt(a, SOL_SOCKET, SO_COOKIE, &cookie_a, &size) >= 0 &&
                        getsockopt(b, SOL_SOCKET, SO_COOKIE, &cookie_b, &size) >= 0 && cookie_a == cookie_b;
}

int server_add(Server *server, const char *id, const NameViewer *viewer, int udp, int tcp) {
        _cleanup_(app_freep) App *app = NULL;
        App *old;
        int r;

        r = app_new(server, id, udp, tcp, &app);
        if (r < 0)
                return r;
        app->viewer = *viewer;

        HASH_FIND_STR(server->apps, id, old);
        if (!old && HASH_COUNT(server->apps) >= SERVER_APPS_MAX)
                return -ENOSPC;
        /* Both are in the table for a moment: without memory for the new one the old one stays. */
        HASH_ADD_STR(server->apps, id, app);
        if (!app->hh.tbl)
                return -ENOMEM;
        if (old && is_same_socket(old->udp, app->udp))
                forward_move(&old->client, &app->client);
        if (old)
                server_drop(server, old);
        TAKE_PTR(app);
        return 0;
}

int server_set_viewer(Server *server, const char *id, const NameViewer *viewer) {
        App *app;

        HASH_FIND_STR(server->apps, id, app);
        if (!app)
                return -ENOENT;
        app->viewer = *viewer;
        return 0;
}

int server_add_pattern(Server *server, const char *id, const char *pattern) {
        App *app;

        HASH_FIND_STR(server->apps, id, app);
        if (!app)
                return -ENOENT;
        return patterns_add(&app->client.patterns, pattern);
}

int server_remove(Server *server, const char *id) {
        App *app;

        HASH_FIND_STR(server->apps, id, app);
        if (!app)
                return -ENOENT;
        server_drop(server, app);
        return 0;
}

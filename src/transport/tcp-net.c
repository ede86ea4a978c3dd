/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <uthash.h>

#include "basic/fd.h"
#include "transport/tcp-net.h"

enum {
        POOL_SIZE = FD_PASS_MAX, /* sockets that are asked for at once, of each family */
        LISTENERS_MAX = 256,
        LISTENER_BACKLOG = 16,
        /* How long the handshake may take: it is done by the time connect(2) returns, but for a busy softirq. */
        HANDSHAKE_MSEC = 10,
};

typedef struct SocketPool {
        int fds[POOL_SIZE];
        size_t n;
} SocketPool;

/* Listens where connections begin, for as long as it is used now and then. */
typedef struct TcpListener {
        Endpoint at; /* the key */
        int family;
        int fd;
        UT_hash_handle hh;
} TcpListener;

struct TcpNet {
        int connection;
        SocketPool pools[2]; /* AF_INET, AF_INET6 */
        TcpListener *listeners; /* uthash; the oldest first */
        uint64_t netns;
};

static int refill(TcpNet *net, int family) {
        SocketPool *pool = &net->pools[family == AF_INET6];
        uint32_t request = (uint32_t) family, answer;
        ssize_t n;
        int r;

        r = send_with_fds(net->connection, &request, sizeof(request), NULL, 0, 0);
        if (r < 0)
                return -ENOTCONN;
        pool->n = POOL_SIZE;
        n = recv_with_fds(net->connection, &answer, sizeof(answer), pool->fds, &pool->n, 0);
        /* A late answer to an earlier question would be of the wrong family: the process is given up. */
        if (n != sizeof(answer) || answer != request) {
                while (n > 0 && pool->n > 0)
                        safe_close(pool->fds[--pool->n]);
                pool->n = 0;
                return -ENOTCONN;
        }
        return pool->n > 0 ? 0 : -EMFILE;
}

static int take_socket(TcpNet *net, int family) {
        SocketPool *pool = &net->pools[family == AF_INET6];
        int r;

        if (pool->n == 0) {
                r = refill(net, family);
                if (r < 0)
                        return r;
        }
        return pool->fds[--pool->n];
}

int tcp_net_new(int connection, TcpNet **ret) {
        TcpNet *net;
        int r;

        net = calloc(1, sizeof(*net));
        if (!net) {
                safe_close(connection);
                return -ENOMEM;
        }
        net->connection = connection;
        /* It does nothing but answer; should it be stopped all the same, the loop goes on. */
        (void) setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){ .tv_sec = 1 }, sizeof(struct timeval));
        r = refill(net, AF_INET);
        if (r >= 0)
                r = socket_netns_cookie(net->pools[0].fds[0], &net->netns);
        if (r < 0) {
                tcp_net_free(net);
                return r;
        }
        *ret = net;
        return 0;
}

static void listener_close(TcpNet *net, TcpListener *l) {
        HASH_DELETE(hh, net->listeners, l);
        safe_close(l->fd);
        free(l);
}

TcpNet *tcp_net_free(TcpNet *net) {
        if (!net)
                return NULL;
        while (net->listeners)
                listener_close(net, net->listeners);
        for (size_t i = 0; i < ELEMENTSOF(net->pools); i++)
                while (net->pools[i].n > 0)
                        safe_close(net->pools[i].fds[--net->pools[i].n]);
        safe_close(net->connection);
        free(net);
        return NULL;
}

uint64_t tcp_net_netns(const TcpNet *net) {
        return net->netns;
}

static int bind_to(int fd, const Endpoint *at, int family) {
        const int on = 1;
        SockAddr sa;
        socklen_t size = endpoint_to_sockaddr(at, family, &sa);

        if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 || bind(fd, &sa.sa, size) < 0)
                return -errno;
        return 0;
}

static int get_listener(TcpNet *net, const Endpoint *at, int family, TcpListener **ret) {
        _cleanup_close_ int fd = -EBADF;
        TcpListener *l;
        int r;

        HASH_FIND(hh, net->listeners, at, sizeof(*at), l);
        if (l && l->family == family) {
                *ret = l;
                return 0;
        }
        if (l)
                listener_close(net, l);
        if (HASH_COUNT(net->listeners) >= LISTENERS_MAX)
                listener_close(net, net->listeners);

        fd = r = take_socket(net, family);
        if (r >= 0)
                r = bind_to(fd, at, family);
        if (r < 0)
                return r;
        if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0 || listen(fd, LISTENER_BACKLOG) < 0)
                return -errno;
        l = calloc(1, sizeof(*l));
        if (!l)
                return -ENOMEM;
        memcpy(&l->at, at, sizeof(*at));
        l->family = family;
        l->fd = TAKE_FD(fd);
        HASH_ADD(hh, net->listeners, at, sizeof(l->at), l);
        *ret = l;
        return 0;
}

/* Takes the connection of `client` out of the listener; others are none of ours and are closed. */
static int accept_from(TcpListener *l, const Endpoint *client) {
        for (;;) {
                struct pollfd p = { .fd = l->fd, .events = POLLIN };
                SockAddr sa;
                socklen_t size = sizeof(sa);
                Endpoint peer;
                int fd;

                fd = accept4(l->fd, &sa.sa, &size, SOCK_CLOEXEC);
                if (fd < 0 && errno == EAGAIN && poll(&p, 1, HANDSHAKE_MSEC) > 0)
                        continue;
                if (fd < 0)
                        return -errno;
                if (endpoint_from_sockaddr(&sa, size, &peer) >= 0 && peer.port == client->port &&
                    address_equal(&peer.address, &client->address))
                        return fd;
                safe_close(fd);
        }
}

int tcp_net_connect(TcpNet *net, const PairEnds *ends, int *ret_client, int *ret_server) {
        _cleanup_close_ int client = -EBADF;
        TcpListener *l = NULL;
        SockAddr sa;
        socklen_t size;
        int server, r;

        r = get_listener(net, &ends->server, ends->server_family, &l);
        if (r < 0)
                return r;
        client = r = take_socket(net, ends->client_family);
        if (r >= 0)
                r = bind_to(client, &ends->client, ends->client_family);
        if (r < 0)
                return r;

        /* The loop must not wait in connect(2). */
        if (fcntl(client, F_SETFL, O_NONBLOCK) < 0)
                return -errno;
        size = endpoint_to_sockaddr(&ends->server, ends->client_family, &sa);
        if (connect(client, &sa.sa, size) < 0 && errno != EINPROGRESS)
                return errno == EADDRNOTAVAIL ? -EADDRINUSE : -errno;
        server = accept_from(l, &ends->client);
        if (server < 0)
                return server;
        if (fcntl(client, F_SETFL, 0) < 0) {
                safe_close(server);
                return -errno;
        }
        *ret_client = TAKE_FD(client);
        *ret_server = server;
        return 0;
}

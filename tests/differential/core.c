/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core.h"

enum {
        /* ip(7), ip_local_port_range */
        PORT_FIRST = 32768,
        PORT_LAST = 60999,

        USHER_BACKLOG = 64,
};

void say(Ctx *c, const char *format, ...) {
        char line[1024] = "";
        int saved = errno, n;
        va_list ap;

        va_start(ap, format);
        n = vsnprintf(line, sizeof(line) - 1, format, ap);
        va_end(ap);
        if (n < 0)
                n = 0;
        if ((size_t) n > sizeof(line) - 2)
                n = (int) sizeof(line) - 2;
        for (int i = 0; i < n; i++)
                if (line[i] == '\t' || line[i] == '\n')
                        line[i] = ' ';
        line[n++] = '\n';
        if (write(c->out, line, (size_t) n) != n)
                _exit(3);
        errno = saved;
}

const char *error_name(int error) {
        const char *name = strerrorname_np(error);

        return name ? name : "E?";
}

long did(Ctx *c, const char *what, long r) {
        if (r == -1)
                say(c, "%s -1 %s", what, error_name(errno));
        else
                say(c, "%s %ld", what, r);
        return r;
}

int did_fd(Ctx *c, const char *what, int r) {
        if (r < 0)
                say(c, "%s -1 %s", what, error_name(errno));
        else
                say(c, "%s descriptor", what);
        return r;
}

static void give_up(Ctx *c, const char *what) {
        say(c, "GIVES UP: %s %s", what, error_name(errno));
        _exit(2);
}

long must(Ctx *c, const char *what, long r) {
        if (r < 0)
                give_up(c, what);
        return r;
}

/* between the halves */

typedef struct Message {
        char type;
        int value;
} Message;

static void peer_send(Ctx *c, char type, int value) {
        const Message m = {type, value};

        if (send(c->peer, &m, sizeof(m), MSG_NOSIGNAL) != sizeof(m)) {
                say(c, "the other half is gone");
                _exit(2);
        }
}

static int peer_recv(Ctx *c, char type) {
        Message m = {};
        ssize_t n;

        do
                n = recv(c->peer, &m, sizeof(m), 0);
        while (n < 0 && errno == EINTR);
        if (n != sizeof(m) || m.type != type) {
                say(c, "the other half is gone");
                _exit(2);
        }
        return m.value;
}

void barrier(Ctx *c) {
        peer_send(c, 'B', 0);
        (void) peer_recv(c, 'B');
}

void tell(Ctx *c, int value) {
        peer_send(c, 'V', value);
}

int hear(Ctx *c) {
        return peer_recv(c, 'V');
}

void tell_fd(Ctx *c, int fd) {
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control = {};
        struct iovec iov = {(char[]){'F'}, 1};
        struct msghdr mh = {
                        .msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = &control,
                        .msg_controllen = sizeof(control),
        };
        struct cmsghdr *h = CMSG_FIRSTHDR(&mh);

        h->cmsg_level = SOL_SOCKET;
        h->cmsg_type = SCM_RIGHTS;
        h->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(h), &fd, sizeof(int));
        must(c, "sendmsg", sendmsg(c->peer, &mh, MSG_NOSIGNAL));
}

int hear_fd(Ctx *c) {
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control = {};
        char byte;
        struct iovec iov = {&byte, 1};
        struct msghdr mh = {
                        .msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = &control,
                        .msg_controllen = sizeof(control),
        };
        struct cmsghdr *h;
        int fd = -1;

        must(c, "recvmsg", recvmsg(c->peer, &mh, MSG_CMSG_CLOEXEC));
        h = CMSG_FIRSTHDR(&mh);
        if (h && h->cmsg_type == SCM_RIGHTS)
                memcpy(&fd, CMSG_DATA(h), sizeof(int));
        return (int) must(c, "a descriptor", fd);
}

/* addresses */

socklen_t address_for(Ctx *c, int family, Who who, int port, SockAddr *ret) {
        const Addresses *a = &c->addresses;

        memset(ret, 0, sizeof(*ret));
        ret->sa.sa_family = (sa_family_t) family;
        if (family == AF_INET) {
                ret->in.sin_port = htons((uint16_t) port);
                switch (who) {
                case WHO_SERVER:
                        ret->in.sin_addr = a->server4;
                        break;
                case WHO_CLIENT:
                        ret->in.sin_addr = a->client4;
                        break;
                case WHO_LOOPBACK:
                        ret->in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
                        break;
                case WHO_ANY:
                        break;
                case WHO_FOREIGN:
                        (void) inet_pton(AF_INET, "192.0.2.77", &ret->in.sin_addr);
                        break;
                }
                return sizeof(ret->in);
        }
        ret->in6.sin6_port = htons((uint16_t) port);
        switch (who) {
        case WHO_SERVER:
                ret->in6.sin6_addr = a->server6;
                break;
        case WHO_CLIENT:
                ret->in6.sin6_addr = a->client6;
                break;
        case WHO_LOOPBACK:
                ret->in6.sin6_addr = in6addr_loopback;
                break;
        case WHO_ANY:
                break;
        case WHO_FOREIGN:
                (void) inet_pton(AF_INET6, "2001:db8::77", &ret->in6.sin6_addr);
                break;
        }
        return sizeof(ret->in6);
}

socklen_t address_of(Ctx *c, Who who, int port, SockAddr *ret) {
        return address_for(c, c->family, who, port, ret);
}

void know_port(Ctx *c, int port) {
        if (c->n_known < ELEMENTSOF(c->known))
                c->known[c->n_known++] = port;
}

static const char *port_name(Ctx *c, int port, char *buf, size_t size) {
        if (port == 0)
                return "0";
        if (port == c->port)
                return "listening";
        for (size_t i = 0; i < c->n_known; i++)
                if (c->known[i] == port) {
                        (void) snprintf(buf, size, "known%zu", i);
                        return buf;
                }
        if (port >= PORT_FIRST && port <= PORT_LAST) {
                know_port(c, port);
                return "ephemeral";
        }
        (void) snprintf(buf, size, "%d", port);
        return buf;
}

static const char *name4(Ctx *c, struct in_addr a, char *buf, size_t size) {
        if (a.s_addr == htonl(INADDR_ANY))
                return "any";
        if (a.s_addr == c->addresses.server4.s_addr)
                return "server";
        if (a.s_addr == c->addresses.client4.s_addr)
                return "client";
        if (a.s_addr == htonl(INADDR_LOOPBACK))
                return "loopback";
        return inet_ntop(AF_INET, &a, buf, (socklen_t) size);
}

static const char *name6(Ctx *c, const struct in6_addr *a, char *buf, size_t size) {
        if (IN6_IS_ADDR_UNSPECIFIED(a))
                return "any";
        if (IN6_ARE_ADDR_EQUAL(a, &c->addresses.server6))
                return "server";
        if (IN6_ARE_ADDR_EQUAL(a, &c->addresses.client6))
                return "client";
        if (IN6_IS_ADDR_LOOPBACK(a))
                return "loopback";
        if (IN6_IS_ADDR_V4MAPPED(a)) {
                struct in_addr a4;
                char four[64];

                memcpy(&a4, &a->s6_addr[12], sizeof(a4));
                (void) snprintf(buf, size, "mapped-%s", name4(c, a4, four, sizeof(four)));
                return buf;
        }
        return inet_ntop(AF_INET6, a, buf, (socklen_t) size);
}

void say_address(Ctx *c, const char *what, const void *address, socklen_t size) {
        char host[80], port[16];
        SockAddr sa = {};

        memcpy(&sa, address, size < sizeof(sa) ? size : sizeof(sa));
        switch (sa.sa.sa_family) {
        case AF_INET:
                say(c, "%s AF_INET addr=%s port=%s len=%u", what,
                    name4(c, sa.in.sin_addr, host, sizeof(host)),
                    port_name(c, ntohs(sa.in.sin_port), port, sizeof(port)), size);
                break;
        case AF_INET6:
                say(c, "%s AF_INET6 addr=%s port=%s scope=%u flow=%u len=%u", what,
                    name6(c, &sa.in6.sin6_addr, host, sizeof(host)),
                    port_name(c, ntohs(sa.in6.sin6_port), port, sizeof(port)), sa.in6.sin6_scope_id,
                    sa.in6.sin6_flowinfo, size);
                break;
        default:
                say(c, "%s family %d len=%u", what, sa.sa.sa_family, size);
                break;
        }
}

void say_name(Ctx *c, int fd) {
        SockAddr sa = {};
        socklen_t size = sizeof(sa);

        if (getsockname(fd, &sa.sa, &size) < 0)
                (void) did(c, "getsockname", -1);
        else
                say_address(c, "getsockname", &sa, size);
}

void say_peer(Ctx *c, int fd) {
        SockAddr sa = {};
        socklen_t size = sizeof(sa);

        if (getpeername(fd, &sa.sa, &size) < 0)
                (void) did(c, "getpeername", -1);
        else
                say_address(c, "getpeername", &sa, size);
}

int port_of(Ctx *c, int fd) {
        SockAddr sa = {};
        socklen_t size = sizeof(sa);

        must(c, "getsockname", getsockname(fd, &sa.sa, &size));
        return ntohs(sa.in.sin_port); /* at the same place in sockaddr_in6 */
}

int peer_port_of(Ctx *c, int fd) {
        SockAddr sa = {};
        socklen_t size = sizeof(sa);

        must(c, "getpeername", getpeername(fd, &sa.sa, &size));
        return ntohs(sa.in.sin_port);
}

/* sockets */

int sock(Ctx *c) {
        return (int) must(c, "socket", socket(c->family, SOCK_STREAM, 0));
}

int sock_nonblock(Ctx *c) {
        return (int) must(c, "socket", socket(c->family, SOCK_STREAM | SOCK_NONBLOCK, 0));
}

int sock_bound(Ctx *c, Who who, int port) {
        int fd = sock(c);
        SockAddr sa;
        socklen_t size = address_of(c, who, port, &sa);

        must(c, "bind", bind(fd, &sa.sa, size));
        return fd;
}

void listen_on(Ctx *c, int fd, int backlog) {
        must(c, "listen", listen(fd, backlog));
        c->port = port_of(c, fd);
        if (c->what->server && c->what->client)
                tell(c, c->port);
}

int listener(Ctx *c, int backlog) {
        int fd = sock_bound(c, WHO_SERVER, 0);

        listen_on(c, fd, backlog);
        return fd;
}

void hear_listener(Ctx *c) {
        c->port = hear(c);
}

static Who own_who(const Ctx *c) {
        return c->server ? WHO_SERVER : WHO_CLIENT;
}

int own_listener(Ctx *c, int backlog) {
        int fd = sock_bound(c, own_who(c), 0);

        must(c, "listen", listen(fd, backlog));
        c->port = port_of(c, fd);
        c->far = false;
        return fd;
}

void say_int(Ctx *c, const char *what, int fd, int level, int option) {
        int v = 0;
        socklen_t size = sizeof(v);

        if (getsockopt(fd, level, option, &v, &size) < 0)
                say(c, "%s -1 %s", what, error_name(errno));
        else
                say(c, "%s %d", what, v);
}

void try_int(Ctx *c, const char *what, int fd, int level, int option, int value) {
        did(c, what, setsockopt(fd, level, option, &value, sizeof(value)));
}

int bind_who(Ctx *c, int fd, Who who, int port) {
        SockAddr sa;
        socklen_t size = address_of(c, who, port, &sa);

        return bind(fd, &sa.sa, size);
}

int dial_who(Ctx *c, int fd, Who who, int port) {
        SockAddr sa;
        socklen_t size = address_of(c, who, port, &sa);

        return connect(fd, &sa.sa, size);
}

int dial(Ctx *c, int fd) {
        return dial_who(c, fd, c->what->server || c->far ? WHO_SERVER : own_who(c), c->port);
}

int own_connection(Ctx *c, int l) {
        int fd = sock(c);

        (void) l;
        must(c, "connect", dial_who(c, fd, own_who(c), c->port));
        return fd;
}

int connected(Ctx *c) {
        int fd;

        if (c->server) {
                int l = listener(c, 8);

                fd = (int) must(c, "accept", accept4(l, NULL, NULL, SOCK_CLOEXEC));
                close(l);
        } else {
                hear_listener(c);
                fd = sock(c);
                must(c, "connect", dial(c, fd));
        }
        barrier(c);
        return fd;
}

void far_listener(Ctx *c) {
        peer_send(c, 'L', 0);
        c->port = hear(c);
        c->far = true;
}

int far_accept(Ctx *c) {
        int fd;

        peer_send(c, 'A', 0);
        if (!hear(c)) {
                say(c, "nobody comes");
                return -1;
        }
        fd = hear_fd(c);
        (void) hear(c);
        /* As accept(2) leaves it. */
        (void) fcntl(fd, F_SETFD, 0);
        return fd;
}

void own_pair(Ctx *c, int *ret_client, int *ret_server) {
        if (c->what->server) {
                int l = own_listener(c, 8);

                *ret_client = own_connection(c, l);
                *ret_server = (int) must(c, "accept", accept(l, NULL, NULL));
                close(l);
                return;
        }
        far_listener(c);
        *ret_client = sock(c);
        must(c, "connect", dial(c, *ret_client));
        *ret_server = far_accept(c);
}

void usher(Ctx *c) {
        Message m;
        int l = -1;

        while (recv(c->peer, &m, sizeof(m), 0) == sizeof(m)) {
                if (m.type == 'L') {
                        l = sock_bound(c, WHO_SERVER, 0);
                        must(c, "listen", listen(l, USHER_BACKLOG));
                        tell(c, port_of(c, l));
                } else {
                        int fd;

                        if (!wait_events(l, POLLIN, 500)) {
                                tell(c, false);
                                continue;
                        }
                        tell(c, true);
                        fd = (int) must(c, "accept", accept(l, NULL, NULL));
                        close(l);
                        tell_fd(c, fd);
                        close(fd);
                        /* Only now has the client the last descriptor of it. */
                        tell(c, 0);
                }
        }
}

void set_nonblock(int fd, bool on) {
        int flags = fcntl(fd, F_GETFL);

        (void) fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

void set_int(Ctx *c, int fd, int level, int option, int value) {
        must(c, "setsockopt", setsockopt(fd, level, option, &value, sizeof(value)));
}

void reset_close(int fd) {
        const struct linger l = {.l_onoff = 1};

        (void) setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
        close(fd);
}

/* readiness */

typedef struct Flag {
        uint32_t value;
        const char *name;
} Flag;

static const char *flag_names(const Flag *flags, uint32_t value, char *buf, size_t size) {
        size_t n = 0;

        buf[0] = '\0';
        for (const Flag *f = flags; f->name; f++)
                if (value & f->value) {
                        n += (size_t) snprintf(buf + n, size - n, "%s%s", n ? "|" : "", f->name);
                        value &= ~f->value;
                }
        if (value)
                (void) snprintf(buf + n, size - n, "%s%#x", n ? "|" : "", value);
        else if (n == 0)
                (void) snprintf(buf, size, "nothing");
        return buf;
}

const char *poll_names(short events, char *buf, size_t size) {
        static const Flag flags[] = {
                        {POLLIN, "IN"},         {POLLOUT, "OUT"},       {POLLPRI, "PRI"},
                        {POLLERR, "ERR"},       {POLLHUP, "HUP"},       {POLLRDHUP, "RDHUP"},
                        {POLLNVAL, "NVAL"},     {POLLRDNORM, "RDNORM"}, {POLLRDBAND, "RDBAND"},
                        {POLLWRNORM, "WRNORM"}, {POLLWRBAND, "WRBAND"}, {},
        };

        return flag_names(flags, (uint16_t) events, buf, size);
}

const char *epoll_names(uint32_t events, char *buf, size_t size) {
        static const Flag flags[] = {
                        {EPOLLIN, "IN"},
                        {EPOLLOUT, "OUT"},
                        {EPOLLPRI, "PRI"},
                        {EPOLLERR, "ERR"},
                        {EPOLLHUP, "HUP"},
                        {EPOLLRDHUP, "RDHUP"},
                        {EPOLLRDNORM, "RDNORM"},
                        {EPOLLRDBAND, "RDBAND"},
                        {EPOLLWRNORM, "WRNORM"},
                        {EPOLLWRBAND, "WRBAND"},
                        {},
        };

        return flag_names(flags, events, buf, size);
}

int wait_events(int fd, short events, int timeout) {
        struct pollfd p = {.fd = fd, .events = events};
        int r;

        do
                r = poll(&p, 1, timeout);
        while (r < 0 && errno == EINTR);
        return r > 0 ? p.revents : 0;
}

int say_poll(Ctx *c, const char *what, int fd, short events, int timeout) {
        int got = wait_events(fd, events, timeout);
        char buf[128];

        say(c, "%s %s", what, poll_names((short) got, buf, sizeof(buf)));
        return got;
}

void wait_bytes(Ctx *c, int fd, int n) {
        const long start = now_ms();
        int have = 0;

        while (ioctl(fd, FIONREAD, &have) >= 0 && have < n) {
                if (now_ms() - start > 3000) {
                        say(c, "only %d bytes of %d come", have, n);
                        return;
                }
                nap(1);
        }
}

/* time */

long now_ms(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void say_elapsed(Ctx *c, const char *what, long since, long expected) {
        long took = now_ms() - since;

        say(c, "%s %s %ld ms", what,
            took < expected * 9 / 10 - 5 ? "long before"
            : took > expected * 2 + 700  ? "long after"
                                         : "after about",
            expected);
}

void nap(int ms) {
        const struct timespec ts = {ms / 1000, (long) (ms % 1000) * 1000000};

        (void) nanosleep(&ts, NULL);
}

/* data */

void send_all(Ctx *c, int fd, const void *data, size_t n) {
        const char *p = data;

        while (n > 0) {
                ssize_t k = send(fd, p, n, MSG_NOSIGNAL);

                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0 && errno == EAGAIN) {
                        (void) wait_events(fd, POLLOUT, 1000);
                        continue;
                }
                must(c, "send", k);
                p += k;
                n -= (size_t) k;
        }
}

size_t recv_all(Ctx *c, int fd, void *data, size_t n) {
        size_t got = 0;

        while (got < n) {
                ssize_t k = recv(fd, (char *) data + got, n - got, 0);

                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0 && errno == EAGAIN) {
                        (void) wait_events(fd, POLLIN, 1000);
                        continue;
                }
                must(c, "recv", k);
                if (k == 0)
                        break;
                got += (size_t) k;
        }
        return got;
}

void say_recv(Ctx *c, const char *what, int fd, int flags) {
        char buf[64] = "";
        ssize_t n = recv(fd, buf, sizeof(buf) - 1, flags);

        if (n > 0)
                say(c, "%s %zd \"%.*s\"", what, n, (int) n, buf);
        else
                (void) did(c, what, n);
}

void say_wait(Ctx *c, const char *what, int pid) {
        int status = 0, r;

        do
                r = waitpid(pid, &status, 0);
        while (r < 0 && errno == EINTR);
        if (r < 0)
                (void) did(c, what, -1);
        else if (WIFSIGNALED(status))
                say(c, "%s ended by SIG%s", what, sigabbrev_np(WTERMSIG(status)));
        else
                say(c, "%s exited with %d", what, WEXITSTATUS(status));
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What cases are written with. A case has one half or two; each half runs in a
 * process of its own and says what it sees, line by line. The lines of a
 * native run and of a run under "ax run" are to be the same, so whatever may
 * rightly vary (ports, addresses, times) is said by its meaning.
 *
 * A half begins with descriptors 0 to 2 open on /dev/null and nothing else
 * below 900, with SIGPIPE ignored.
 */

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define ELEMENTSOF(a) (sizeof(a) / sizeof((a)[0]))
#define _printf_(a, b) __attribute__((__format__(__printf__, a, b)))

typedef union SockAddr {
        struct sockaddr sa;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_storage storage;
} SockAddr;

/* The addresses that the two halves have, from the command line. */
typedef struct Addresses {
        struct in_addr server4, client4;
        struct in6_addr server6, client6;
} Addresses;

typedef enum Who {
        WHO_SERVER,
        WHO_CLIENT,
        WHO_LOOPBACK,
        WHO_ANY,
        WHO_FOREIGN, /* an address that nobody has */
} Who;

typedef struct Case Case;

typedef struct Ctx {
        const Case *what;
        bool server;
        int family;
        int peer; /* to the other half */
        int out;  /* of the lines */
        Addresses addresses;
        int port; /* that the server listens on */
        bool far; /* the usher listens there */
        int known[16];
        size_t n_known;
} Ctx;

typedef void (*Half)(Ctx *c);

struct Case {
        const char *name;
        const char *text;    /* what it checks, from the man page */
        Half server, client; /* without a server the usher runs */
        int family;
        const void *arg;
};

#define CASE(n, t, s, c)                                                                                    \
        { .name = (n), .text = (t), .server = (s), .client = (c), .family = AF_INET }
#define CASE6(n, t, s, c)                                                                                   \
        { .name = (n), .text = (t), .server = (s), .client = (c), .family = AF_INET6 }
#define BOTH(n, t, s, c) CASE(n "/4", t, s, c), CASE6(n "/6", t, s, c)
#define ALONE(n, t, c) CASE(n, t, NULL, c)
#define ALONE_BOTH(n, t, c) BOTH(n, t, NULL, c)

/* Says a line. */
void say(Ctx *c, const char *format, ...) _printf_(2, 3);
/* Says what a call returned, with the name of errno if that was -1. Returns it; errno is kept. */
long did(Ctx *c, const char *what, long r);
/* The same, with 0 or more than it for success: for what returns descriptors. */
int did_fd(Ctx *c, const char *what, int r);
/* Ends this half if something failed that is not the matter of the case. Returns r. */
long must(Ctx *c, const char *what, long r);
const char *error_name(int error);

/* Between the halves. Whoever finds the other gone ends, too. */
void barrier(Ctx *c);
void tell(Ctx *c, int value);
int hear(Ctx *c);
void tell_fd(Ctx *c, int fd);
int hear_fd(Ctx *c);

/* Addresses. */
socklen_t address_for(Ctx *c, int family, Who who, int port, SockAddr *ret);
socklen_t address_of(Ctx *c, Who who, int port, SockAddr *ret); /* of the case's family */
void say_address(Ctx *c, const char *what, const void *sa, socklen_t size);
void say_name(Ctx *c, int fd);
void say_peer(Ctx *c, int fd);
int port_of(Ctx *c, int fd);
int peer_port_of(Ctx *c, int fd);
void know_port(Ctx *c, int port);

/* Sockets of the case's family; these end the half if they fail. */
int sock(Ctx *c);
int sock_nonblock(Ctx *c);
int sock_bound(Ctx *c, Who who, int port);
/* Listens on the server's address and tells the client. */
int listener(Ctx *c, int backlog);
/* For the server, with a socket that it made. */
void listen_on(Ctx *c, int fd, int backlog);
/* For the client: where the server listens. */
void hear_listener(Ctx *c);
/* Listener in this process, at the address of this half; the port is c->port then. */
int own_listener(Ctx *c, int backlog);
int own_connection(Ctx *c, int l);
/* An option as a number: says it, or sets it and says how that went. */
void say_int(Ctx *c, const char *what, int fd, int level, int option);
void try_int(Ctx *c, const char *what, int fd, int level, int option, int value);
/* connect() to the server, or to the own listener; errno as it left it. */
int dial(Ctx *c, int fd);
/* bind() to an address of one of them, connect() to it. */
int bind_who(Ctx *c, int fd, Who who, int port);
int dial_who(Ctx *c, int fd, Who who, int port);
/* A connection between the halves, for either. */
int connected(Ctx *c);
/*
 * Two ends in one process. If the case has no server half, the usher runs in
 * its place, in the other app if there are two: it listens, accepts and hands
 * over what it accepted, so that the connection is one between two apps.
 */
void own_pair(Ctx *c, int *ret_client, int *ret_server);
/* The same step by step: dial() goes to the usher then; if nobody comes there, far_accept() says so. */
void far_listener(Ctx *c);
int far_accept(Ctx *c);
void usher(Ctx *c);
void set_nonblock(int fd, bool on);
void set_int(Ctx *c, int fd, int level, int option, int value);
void reset_close(int fd); /* with SO_LINGER 0 */

/* What is ready. */
int say_poll(Ctx *c, const char *what, int fd, short events, int timeout);
const char *poll_names(short events, char *buf, size_t size);
const char *epoll_names(uint32_t events, char *buf, size_t size);
int wait_events(int fd, short events, int timeout);
/* Waits until that many bytes can be read. */
void wait_bytes(Ctx *c, int fd, int n);

long now_ms(void);
/* Says whether about that many ms went by since then. */
void say_elapsed(Ctx *c, const char *what, long since, long expected);
void nap(int ms);

/* All bytes, or the half ends. */
void send_all(Ctx *c, int fd, const void *data, size_t n);
size_t recv_all(Ctx *c, int fd, void *data, size_t n);
void say_recv(Ctx *c, const char *what, int fd, int flags);

/* Ends of children: says how. */
void say_wait(Ctx *c, const char *what, int pid);

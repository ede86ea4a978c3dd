/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Connections into the namespace of an app: a TCP socket of that namespace is
 * bound to the client's own address, which nobody has there, and connects to
 * the app's listener. Everything about the listener, its backlog included, is
 * so the kernel's, and the app sees a client of the right address.
 *
 * What is made here carries a mark (SO_MARK), which accepted connections
 * inherit; a routing rule of the namespace finds the way back by it
 * (exec/network.c). No app can set a mark there without rights that it has not.
 *
 * The sockets come from a process of appswitch-exec, as entering a namespace
 * takes rights that the daemon does not have.
 */

#include "basic/fd.h"
#include "transport/peer-lock.h"

enum {
        DIAL_MARK = 0x41580001, /* "AX" */
        /* Its client may see other names than the kernel's (transport/peer-lock.h). */
        DIAL_MARK_VIEW = DIAL_MARK | 1 << 1,
        /* It is not to hear of a refusal (dial_hold()); inherited by what is accepted, where it means nothing. */
        DIAL_MARK_HELD = 1 << 2,
};

/* What the process is asked for; comes with the namespace. It answers with the same and the sockets. */
typedef struct DialRequest {
        uint32_t family;
        uint32_t plain; /* one, as socket(2) makes it; else FD_PASS_MAX to dial with */
        uint32_t raw;   /* one that gets all segments of TCP (transport/syn.h) */
        uint32_t diag;  /* one to list the sockets of the namespace with (transport/sock-diag.h) */
} DialRequest;

typedef struct Dialer Dialer;

/* One that was used, and is bound to where it began. */
typedef struct UsedSocket {
        int fd;
        int family;
        Endpoint from;
} UsedSocket;

enum { DIAL_USED_MAX = 16 };

/* Sockets of one namespace that are not used yet, or not any more. */
typedef struct DialPool {
        struct {
                int fds[FD_PASS_MAX];
                size_t n;
        } families[2]; /* AF_INET, AF_INET6 */
        UsedSocket used[DIAL_USED_MAX]; /* the oldest first */
        size_t n_used;
        unsigned misses, pause; /* how often in a row it did not help, and how often it is not asked therefore */
} DialPool;

/*
 * Uses a connection to a process that serves sockets (launch/exec-protocol.h).
 * Takes it. Returns 0 or a negative errno.
 */
int dialer_new(int connection, Dialer **ret);
Dialer *dialer_free(Dialer *dialer);

/*
 * Takes a socket of the namespace that the socket `member` is in, out of the
 * pool of that namespace. Returns it or a negative errno; -ENOTCONN if the
 * process is gone.
 */
int dialer_take(Dialer *dialer, DialPool *pool, int member, int family);

/* The same for a socket without any settings. */
int dialer_take_plain(Dialer *dialer, int member, int family);

/* One that lists the sockets of the namespace (transport/sock-diag.h). */
int dialer_take_diag(Dialer *dialer, int member);

/* One that gets all segments of TCP (transport/syn.h). */
int dialer_take_raw(Dialer *dialer, int member, int family);

/* Sees to it that there is one in the pool, which takes some 80 µs if there is none. Returns 0 or a negative errno. */
int dialer_fill(Dialer *dialer, DialPool *pool, int member, int family);

void dial_pool_done(DialPool *pool);

/*
 * Ends a connection, which is reset, and keeps the socket, which is taken: the
 * next one from the same address begins with it, and at the same port. That spares
 * making one, closing one, and handing it over, some 10 µs in two processes.
 */
void dial_pool_keep(DialPool *pool, int fd, const Endpoint *from, int family);

/*
 * Takes the oldest that begins at this address, for dial_bound(). Returns whether there is one. If the connection that it
 * was used for is still there, as dialed or as what took its place, say so by dial_pool_missed(): for a while there
 * will be none.
 */
bool dial_pool_take(DialPool *pool, const Address *from, int family, UsedSocket *ret);
void dial_pool_missed(DialPool *pool);

/* Lets go of all that were used: the app binds a socket, and their ports could be in its way. */
void dial_pool_forget(DialPool *pool);

typedef enum DialState {
        DIAL_CONNECTED, /* it waits in the listener's queue, or as good as that */
        DIAL_WAITS,     /* for room in the listener's queue */
        DIAL_REFUSED,   /* nobody listens */
} DialState;

/*
 * Connects a socket of a pool. `family` is that of the socket. Never waits. It is
 * done at once, but for a full queue, or if the kernel has its hands full and
 * leaves the segments for later. Returns a DialState, or a negative errno: -EADDRINUSE if this connection (the
 * same four numbers) is there already. When the socket is closed the connection
 * is reset, unless it was handed out.
 */
int dial(int fd, const Endpoint *from, const Endpoint *to, int family);

/* The same with one that is bound already. */
int dial_bound(int fd, const Endpoint *to, int family);

/* What has become of it by now: a DialState or a negative errno. */
int dial_state(int fd);

/* Whether nobody has accepted and closed it. */
bool dial_is_queued(int fd);

/*
 * Makes a dialed socket one that can be given to the app of the client: it
 * waits, ends in an orderly way, and will never be connected to anything else,
 * not even by those who got it from the app. (It keeps SO_REUSEADDR, or its port
 * could not be used for a minute after its end.) `view` is what he is to see of
 * it, NULL: what the kernel says. Returns 0 or a negative errno.
 */
int dial_hand_out(int fd, const Endpoint *from, const Endpoint *to, const PeerView *view);

/*
 * Makes one that is bound nowhere yet such that it waits where nobody listens
 * but somebody will: it is handed out as above, and connecting it sends SYN
 * again and again, as the kernel does where nobody answers, until somebody
 * listens, for a good minute. dial() is next, though it is in blocking mode only
 * after dial_held_done(). Returns 0 or a negative errno.
 */
int dial_hold(int fd, const Endpoint *from, const Endpoint *to, const PeerView *view);
int dial_held_done(int fd);

/*
 * Nobody will listen: with its next SYN it hears that it is refused, and so does
 * whoever has it. `fd` can be another copy. Returns 0 or a negative errno.
 */
int dial_let_go(int fd);

/*
 * Takes the connecting back, so that it can be done once more by somebody who
 * waits. Returns 0 or a negative errno.
 */
int dial_undo(int fd);

/* Tries at once again what waits for room in the queue. Returns 0 or a negative errno; dial_state() says what became of it. */
int dial_repeat(int fd, const Endpoint *to);

/* Whether the socket was dialed, or accepted from one that was. */
bool dial_is_marked(int fd);

/* Whether one that was dialed may have been handed out with a view, or was accepted from such a one. */
bool dial_may_have_view(int fd);

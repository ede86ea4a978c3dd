/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Connections that wait in a listener's queue and are more than the kernel
 * knows: what it has there was dialed (transport/dial.h), and when the app
 * accepts that, it is given something else, the server's end of a pair. So
 * backlog, poll(2), epoll(7) and all the rest are the kernel's, and the queue
 * survives the daemon. What is given instead lies, for as long as it waits, in
 * a queue that is in the descriptor store (the spool), and so does, too. (Of an
 * app that leaves many waiting at one port, those at others are put there when
 * the daemon leaves, and not before: who kills it loses them.)
 *
 * When a listener is closed the kernel resets what was dialed; that is told to
 * us, and the client is hung up on.
 */

#include "trap/switch.h"

/* More of one app become TCP connections instead. */
enum {
        PENDING_PER_TRAP_MAX = 512,
        PENDING_WAITING_MAX = 64, /* from outside, that wait for room in a queue */
};

struct Pending {
        struct {
                Endpoint peer, local; /* of what is accepted */
        } key;
        Trap *trap;      /* of the server */
        uint64_t id;     /* unique on this node */
        Endpoint client; /* what the app is told */
        int fd;          /* what the app is given */
        int dialed;      /* our end of what is in the queue; -EBADF: nothing is */
        int accepted;    /* the other end, once it was taken out of there, or -EBADF; */
        int used;        /* then this is what was `dialed`, */
        int family;      /* and of this family it is; AF_UNSPEC: it is not to be used again */
        bool spooled;    /* it is in the spool */
        bool waits;      /* the queue was full: in the trap's list `waiting` */
        Pending *waiting_prev, *waiting_next;
        Listener *listener; /* in whose list `returned` it is, or NULL */
        Pending *prev, *next;
        UT_hash_handle hh; /* by key */
};

bool pending_has_room(const Trap *trap);

/*
 * The same for one from outside, to this port of the app: it may have as many as
 * there is room for to others. So one port that is not accepted from leaves the
 * others of the app what they need.
 */
bool pending_has_room_for(const Trap *trap, uint16_t port);

/*
 * Gives the app `fd` when it accepts the connection that `dialed`, a socket of
 * this family, made from `from` to `to`. Takes both descriptors in any case.
 * Returns 0 or a negative errno.
 */
int pending_add(Trap *trap, const Endpoint *from, const Endpoint *to, int family, int fd, int dialed);

/*
 * The same for a `client` from outside, for whom another one was dialed if his
 * port was taken. If the queue was full the kernel tries again for as long as
 * connect(2) does, and whenever the app accepts something it is tried at once.
 */
int pending_add_incoming(Trap *trap, const Endpoint *client, const Endpoint *from, const Endpoint *to, int fd, int dialed);

/*
 * Puts back what could not be given to an accept: a connection `fd` of
 * `client`, which is taken, or one that is pending. If it cannot be put at the
 * end of the kernel's queue it is the first that is accepted next. `id` says
 * that an earlier daemon may have done it already; 0: no.
 */
void pending_return_fd(Listener *listener, int fd, const Endpoint *client, uint64_t id);
void pending_return(Listener *listener, Pending *pending);

/* Finds what is to be given instead of a connection that was accepted; NULL: nothing. */
Pending *pending_find(Trap *trap, const Endpoint *peer, const Endpoint *local);

/*
 * What was dialed was accepted, as `fd` (taken), and is not needed any more; -EBADF if nothing was dialed. `fd` is closed
 * after our end: a connection that is reset first ends with one segment, and with four otherwise.
 */
void pending_accepted(Pending *pending, int fd);

/* It was given, or nobody wants it. Closes it. */
Pending *pending_free(Pending *pending);

/* Those of an app. */
void pending_forget(Trap *trap);

/* Takes back the spool of an earlier daemon. The listeners must be there. */
void pending_restore(Trap *trap, FdQueue spool);

/* The app got the one with this id from an earlier daemon. */
void pending_forget_id(Trap *trap, uint64_t id);

/* Writes the name of a trap's spool in the descriptor store. */
enum { PENDING_FD_NAME_MAX = 32 };
void pending_fd_name(const Trap *trap, char name[static PENDING_FD_NAME_MAX]);

/* Of the switch, for its beginning and its end. Returns 0 or a negative errno. */
int pendings_init(Switch *sw);
void pendings_done(Switch *sw);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The switch: takes the control calls that apps make and carries them out.
 *
 *   Switch    one for the daemon: directory, listeners, calls under way
 *   Trap      one for each app: its network namespace and what belongs to it
 *   Filter    one for each seccomp filter of an app, with the notifications
 *             of it: an app that is a unit has one for each of its commands
 *   Listener  one for each listening socket of an app
 *   Call      one notification, from its receipt to its answer
 *
 * A handler gets a Call, and answers it (call_return() and friends) or parks
 * it: an accept until a connection comes. The loop never waits.
 *
 * Notifications are received right into memory that lies in the service
 * manager's descriptor store (a memfd), and stay there until they are
 * answered. A new daemon so finds what the dead one had received: the kernel
 * does not offer it again, but takes an answer to it. Handlers are ordered so
 * that doing one again is harmless.
 */

#include <linux/seccomp.h>
#include <systemd/sd-event.h>
#include "basic/fd-queue.h"
#include "basic/watch-set.h"
#include "model/directory.h"
#include "model/shortcut.h"
#include "transport/dial.h"

typedef struct Switch Switch;
typedef struct Trap Trap;
typedef struct Filter Filter;
typedef struct Listener Listener;
typedef struct Call Call;
typedef struct CallSlot CallSlot;
typedef struct Pending Pending; /* trap/pending.h */

enum {
        CALLS_MAX = 65536,         /* under way on the node */
        CALLS_PER_TRAP_MAX = 4096, /* under way of one app; more wait in the kernel */
        CALLS_RESERVE = CALLS_MAX / 4, /* for apps that have few */
        CALLS_FEW = 16,
        PIDFD_CACHE_SIZE = 16,    /* for each app, a power of two */
        FDINFO_CACHE_SIZE = 16,   /* the same */
        LISTENERS_PER_TRAP_MAX = 1024,
        HOT_MAX = 8,              /* trap/hot.h */
};

/* A connect that was refused. */
typedef struct Refusal {
        const Party *client, *server; /* the server is one of those that listen there; NULL: it is outside */
        const Endpoint *to;
        const char *reason;
        bool tell; /* there were not too many of late: others may be told */
} Refusal;

/* What the switch tells its owner. */
typedef struct SwitchHooks {
        /*
         * The last process that has a filter is gone. The app may have others (Trap.filters); when it is over the
         * owner frees the trap.
         */
        void (*filter_ended)(Trap *trap, uint64_t number, void *userdata);
        /* The app listens on something else now. */
        void (*listeners_changed)(Trap *trap, void *userdata);
        /* The app holds us up by its memory: it is to be killed. */
        void (*app_blocks)(Trap *trap, void *userdata);
        /* More threads of ours than we may lose are held up, most likely by apps that were killed: another process has all of them. */
        void (*too_many_late)(void *userdata);
        /* An app listens; it does so no more. */
        void (*listener_begins)(Listener *listener, void *userdata);
        void (*listener_ends)(Listener *listener, void *userdata);
        /* A connection to another app was made, or refused; `to` is what the server is called in it. */
        void (*connected)(Trap *client, Trap *server, const Endpoint *to, void *userdata);
        /* One to the outside was made; `external` is the id of the backend, 0 if it is none. */
        void (*connected_outside)(Trap *client, uint64_t external, void *userdata);
        void (*refused)(Trap *client, const Refusal *refusal, void *userdata);
        /* An app may not be let out yet: whatever name has been resolved for one by now is to be known (Party.permits). */
        void (*hear_names)(void *userdata);
        /*
         * A connection to an app that is started by that. Returns its trap, or NULL if it cannot be. Who connects is
         * told that it is in progress; then `held` gets a copy of his socket, to let go if it comes to nothing (dial_let_go()).
         */
        Trap *(*starts)(Party *party, Trap *client, void *userdata);
        void (*held)(Trap *trap, Trap *client, uint16_t port, int fd, void *userdata);
        /* The app has accepted what somebody waited for so, or another connection by TCP. */
        void (*accepted)(Trap *trap, void *userdata);
        /* There is room again for connections from outside (trap/incoming.h). */
        void (*has_room)(Trap *trap, void *userdata);
} SwitchHooks;

/* How sockets of the host leave it for what apps connect to outside; may be changed at any time. */
typedef struct Exit {
        Address source4, source6; /* where connections come from; AF_UNSPEC: as the routes say */
        char device[16];          /* that they leave by (IFNAMSIZ); "": as the routes say */
} Exit;

/* Whether connections of the app are TCP now. */
bool trap_uses_tcp(const Trap *trap);

struct Call {
        Trap *trap;
        Filter *filter; /* of the trap: by which it came */
        CallSlot *slot; /* in the shared memory; holds the notification */
        bool resumed;   /* an earlier daemon received it */
        int fd;         /* our copy of the socket that the call is about, or -EBADF */

        /* While parked: */
        Listener *listener;
        Call *prev, *next;       /* in the listener's list */
        sd_event_source *timer;  /* SO_RCVTIMEO */
        struct Dialing *dialing; /* a connect, trap/link.c */
        struct Outside *outside; /* a connect, trap/outside.c */
        Call *trap_prev, *trap_next;
};

struct Listener {
        Backend backend;
        Trap *trap;
        uint64_t cookie;    /* SO_COOKIE of the app's socket, the key */
        int watch;          /* an epoll(7) set with the app's socket in it (trap/listener.h) */
        Call *accepts;      /* parked, first come first served */
        int waiting_fd;     /* a copy of the app's socket while there are such, or -EBADF */
        struct Membership *membership; /* the owner's: core/service-table.h */
        Pending *returned;  /* what is accepted before what is in the kernel's queue */
        Listener *prev, *next; /* of the trap */
        UT_hash_handle hh;
};

typedef struct CachedPidfd {
        pid_t tid;
        int fd;
        pid_t tgid; /* 0: not looked up yet */
} CachedPidfd;

/* An open /proc/TID/fdinfo/NUMBER: of that very thread, and of what it has under that number when it is read. */
typedef struct CachedFdinfo {
        pid_t tid;
        int number;
        int fd;
} CachedFdinfo;

struct Filter {
        Trap *trap;
        uint64_t number; /* unique on this node */
        int notify_fd;
        sd_event_source *source;
        uint64_t last_turn, hot_since; /* trap/hot.h */
        Filter *prev, *next; /* of the trap */
        UT_hash_handle hh; /* by number */
};

struct Trap {
        Switch *sw;
        Party *party;
        uint64_t number; /* unique on this node */
        Filter *filters;
        Listener *listeners;
        unsigned n_listeners;
        unsigned flush_at; /* how many listeners there may be before closed ones are looked for */
        int member_fd;     /* a socket of the app's namespace; not ours */
        DialPool pool;
        Pending *pending;  /* uthash */
        unsigned n_pending;
        Pending *waiting;  /* those of them that wait for room in the queue of their listener */
        unsigned n_waiting;
        struct Dialing *deferred; /* connects to it that wait until it is known what becomes of it, trap/link.h */
        bool wants_room;   /* trap/incoming.h */
        bool exposed;      /* it may get connections from outside */
        FdQueue spool;     /* trap/pending.h */
        unsigned n_spooled; /* entries of it */
        bool spool_is_mixed; /* they are not accepted in its order */
        Call *calls; /* parked ones, by trap_prev/trap_next */
        unsigned n_calls;
        unsigned n_late; /* times that its memory held us up */
        bool paused; /* not received from, as too many calls are under way */
        uint32_t next_port; /* where the search for an ephemeral port begins */
        CachedPidfd pidfds[PIDFD_CACHE_SIZE];
        CachedFdinfo fdinfos[FDINFO_CACHE_SIZE];
        Shortcut shortcut;
        bool wants_tcp; /* asked for something that a pair cannot do */
        uint64_t netns; /* cookie of the app's namespace, 0: not known */
        uint64_t options_set;        /* trap/option-memory.h */
        struct OptionEntry *options; /* uthash */
        bool uses_epoll;
        struct EpollProcess *epoll_processes; /* uthash */
        uint64_t unreported; /* trap/outside.c: cookie of a socket whose client was interrupted before he was told */
        uint64_t refused_window; /* rate limit of the records of refusals */
        unsigned n_refused;
        uint64_t noted_window; /* and of those that rules ask for */
        unsigned n_noted;
        void *userdata; /* the owner's */
        UT_hash_handle hh; /* by number */
};

struct Switch {
        sd_event *event;
        Directory *directory;
        const SwitchHooks *hooks;
        void *userdata;
        Trap *traps;         /* uthash */
        Filter *filters;     /* uthash */
        Filter *hot[HOT_MAX]; /* trap/hot.h */
        uint32_t hot_events[HOT_MAX]; /* that they were found to have */
        uint64_t turn;
        Listener *listeners; /* uthash */
        Exit exit;
        uint64_t netns; /* cookie of the host's namespace */
        bool views;     /* there may be sockets with a view of their own (trap/alias.h) */
        bool without_owners; /* trap/outside-socket.c: those outside are not the apps' users' */
        pid_t pid;      /* our own */
        uint64_t next_pending;
        uint64_t delivered_connect; /* the connect whose connection an earlier daemon gave to the server, or 0 */
        struct Worker *worker;
        struct Delivery *delivery;
        struct EpollHelper *epoll;
        Dialer *dialer; /* made when it is needed first */
        WatchSet accept_watch, dialed_watch; /* trap/listener.h, trap/pending.h */
        int outside_epoll; /* trap/outside.c */
        sd_event_source *outside_source;
        sd_event_source *flush_source; /* trap/listener.h */
        uint64_t flush_next; /* cookie of the listener to go on with, 0: from the first on */
        struct Calls *calls; /* calls under way, in shared memory */
        uint64_t n_connections, n_refused, n_traps, n_gone; /* counted since start */
        unsigned listeners_per_trap_max;
        unsigned n_calls;  /* under way */
        unsigned n_paused; /* traps */
        sd_event_source *pause_timer;
        bool leaving;      /* what is freed now is left for the next daemon */
};

/*
 * Begins. `calls_fd` and `delivery` are what an earlier daemon left under
 * SWITCH_CALLS_FD_NAME and DELIVERY_FD_NAME, if it did; they are taken in any
 * case. They stay in the descriptor store all the time: who is killed between
 * taking them out and putting them back would leave calls without an answer.
 * Returns 0 or a negative errno.
 */
int switch_init(Switch *sw, sd_event *event, Directory *directory, int calls_fd, FdQueue delivery,
                const SwitchHooks *hooks, void *userdata);
void switch_done(Switch *sw);

/*
 * One turn of the loop: waits as sd_event_wait(3) does, after sd_event_prepare(3) which returned `prepared`, and serves calls.
 * Then it is time for sd_event_dispatch(3) if it returns more than 0. `ret_begin` gets when it was done with waiting
 * (CLOCK_MONOTONIC, µs). Returns a negative errno of the event loop.
 */
int switch_turn(Switch *sw, int prepared, uint64_t *ret_begin);

/*
 * Answers again what an earlier daemon received and did not answer. To be
 * called once, when all traps and listeners are back.
 */
void switch_resume(Switch *sw);

/*
 * From here on whatever is freed stays in the descriptor store, and calls under
 * way stay unanswered, for the next daemon. Parked calls are let go at once.
 */
void switch_leave(Switch *sw);

/* Name of the shared memory in the descriptor store. */
#define SWITCH_CALLS_FD_NAME "calls"

/*
 * Begins to serve an app. `party` and `member_fd`, any socket of the app's
 * namespace, stay the caller's and outlive the trap. Returns 0 or -ENOMEM.
 */
int trap_new(Switch *sw, Party *party, uint64_t number, int member_fd, void *userdata, Trap **ret);

/* Ends it: listeners are withdrawn, calls under way fail with ENOSYS when the last copy of the fd is closed. */
Trap *trap_free(Trap *trap);
DEFINE_CLEANUP(Trap *, trap_free)

/*
 * Serves the calls of one more filter of the app, by a number that no other filter of the node has. Takes
 * `notify_fd` on success. Returns 0 or a negative errno.
 */
int trap_add_filter(Trap *trap, uint64_t number, int notify_fd);

/* Receives from paused traps again, as far as there is room. */
void switch_unpause(Switch *sw);

Listener *switch_find_listener(Switch *sw, uint64_t cookie);
Trap *switch_find_trap(Switch *sw, uint64_t number);
Filter *switch_find_filter(Switch *sw, uint64_t number);

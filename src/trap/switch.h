/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The switch: takes the control calls that apps make and carries them out.
 *
 *   Switch    one for the daemon: directory, listeners, calls under way
 *   Trap      one for each app: its seccomp listener and what belongs to it
 *   Listener  one for each listening socket of an app
 *   Call      one notification, from its receipt to its answer
 *
 * A handler gets a Call, and answers it (call_return() and friends) or parks
 * it: an accept until a connection comes, a connect until the backlog has
 * room. The loop never waits.
 *
 * Notifications are received right into memory that lies in the service
 * manager's descriptor store (a memfd), and stay there until they are
 * answered. A new daemon so finds what the dead one had received: the kernel
 * does not offer it again, but takes an answer to it. Handlers are ordered so
 * that doing one again is harmless.
 */

#include <linux/seccomp.h>
#include <systemd/sd-event.h>
#include "model/directory.h"
#include "transport/listener.h"

typedef struct Switch Switch;
typedef struct Trap Trap;
typedef struct Listener Listener;
typedef struct Call Call;
typedef struct CallSlot CallSlot;

enum {
        CALLS_MAX = 65536,         /* under way on the node */
        CALLS_PER_TRAP_MAX = 4096, /* under way of one app; more wait in the kernel */
        CALLS_RESERVE = CALLS_MAX / 4, /* for apps that have few */
        CALLS_FEW = 16,
        PIDFD_CACHE_SIZE = 16,    /* for each app, a power of two */
        LISTENERS_PER_TRAP_MAX = 1024,
};

/* What the switch tells its owner. */
typedef struct SwitchHooks {
        /* The last process of the app is gone; the owner frees the trap. */
        void (*app_ended)(Trap *trap, void *userdata);
        /* The app listens on something else now. */
        void (*listeners_changed)(Trap *trap, void *userdata);
        /* The app holds us up by its memory: it is to be killed. */
        void (*app_blocks)(Trap *trap, void *userdata);
} SwitchHooks;

/* What joins an app with another of the same node. */
typedef enum Shortcut {
        SHORTCUT_AUTO, /* pairs, until the app asks for something that takes TCP */
        SHORTCUT_UNIX, /* pairs */
        SHORTCUT_TCP,  /* TCP (transport/tcp-net.h) */
        _SHORTCUT_MAX,
        _SHORTCUT_INVALID = -EINVAL,
} Shortcut;

/* "auto", "unix", "tcp". */
const char *shortcut_to_string(Shortcut shortcut);
Shortcut shortcut_from_string(const char *s);

/* Whether connections of the app are TCP now. */
bool trap_uses_tcp(const Trap *trap);

struct Call {
        Trap *trap;
        CallSlot *slot; /* in the shared memory; holds the notification */
        bool resumed;   /* an earlier daemon received it */
        int fd;         /* our copy of the socket that the call is about, or -EBADF */

        /* While parked: */
        Listener *listener;
        Call *prev, *next;       /* in the listener's list */
        sd_event_source *timer;  /* SO_RCVTIMEO, SO_SNDTIMEO */
        Call *trap_prev, *trap_next;
};

struct Listener {
        Backend backend;
        Trap *trap;
        ListenerSockets sockets;
        sd_event_source *source; /* HUP of the app's end */
        sd_event_source *native_source; /* a connection of the app to itself */
        Call *accepts;           /* parked, first come first served */
        Call *connects;          /* parked until the backlog has room */
        Listener *prev, *next;   /* of the trap */
        UT_hash_handle hh;       /* by sockets.number */
};

typedef struct CachedPidfd {
        pid_t tid;
        int fd;
        pid_t tgid; /* 0: not looked up yet */
} CachedPidfd;

struct Trap {
        Switch *sw;
        Party *party;
        uint64_t number; /* unique on this node */
        int notify_fd;
        sd_event_source *source;
        Listener *listeners;
        unsigned n_listeners;
        Call *calls; /* parked ones, by trap_prev/trap_next */
        unsigned n_calls;
        unsigned n_late; /* times that its memory held us up */
        bool paused; /* not received from, as too many calls are under way */
        uint32_t next_port; /* where the search for an ephemeral port begins */
        CachedPidfd pidfds[PIDFD_CACHE_SIZE];
        Shortcut shortcut;
        bool wants_tcp; /* asked for something that a pair cannot do */
        uint64_t netns; /* cookie of the app's namespace, 0: not known */
        uint64_t options_set;        /* trap/option-memory.h */
        struct OptionEntry *options; /* uthash */
        bool uses_epoll;
        struct EpollProcess *epoll_processes; /* uthash */
        uint64_t refused_window; /* rate limit of the records of refusals */
        unsigned n_refused;
        void *userdata; /* the owner's */
        UT_hash_handle hh; /* by number */
};

struct Switch {
        sd_event *event;
        Directory *directory;
        const SwitchHooks *hooks;
        void *userdata;
        Trap *traps;         /* uthash */
        Listener *listeners; /* uthash */
        uint64_t next_listener;
        struct Worker *worker;
        struct Delivery *delivery;
        struct EpollHelper *epoll;
        struct TcpNet *tcp; /* made when it is needed first */
        struct Calls *calls; /* calls under way, in shared memory */
        uint64_t n_connections, n_refused, n_traps, n_gone; /* counted since start */
        unsigned listeners_per_trap_max;
        unsigned n_calls;  /* under way */
        unsigned n_paused; /* traps */
        sd_event_source *pause_timer;
        bool leaving;      /* what is freed now is left for the next daemon */
};

/*
 * Begins. `calls_fd` and `delivery_fd` are what an earlier daemon left under
 * SWITCH_CALLS_FD_NAME and DELIVERY_FD_NAME, or -EBADF; they are taken in any
 * case. Returns 0 or a negative errno.
 */
int switch_init(Switch *sw, sd_event *event, Directory *directory, int calls_fd, int delivery_fd,
                const SwitchHooks *hooks, void *userdata);
void switch_done(Switch *sw);

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
 * Begins to serve an app. `party` stays the caller's and outlives the trap.
 * Takes `notify_fd` on success. Returns 0 or a negative errno.
 */
int trap_new(Switch *sw, Party *party, uint64_t number, int notify_fd, void *userdata, Trap **ret);

/* Ends it: listeners are withdrawn, calls under way fail with ENOSYS when the last copy of the fd is closed. */
Trap *trap_free(Trap *trap);
DEFINE_CLEANUP(Trap *, trap_free)

/* Begins a listener on sockets; takes them on success, also into the store. Returns 0 or a negative errno. */
int listener_new(Trap *trap, ListenerSockets *sockets, bool store, Listener **ret);
Listener *listener_free(Listener *listener);

/* Name of a listener's end in the descriptor store: "end-TRAP-NUMBER", hexadecimal. Returns 0 or -EINVAL. */
int listener_parse_fd_name(const char *name, uint64_t *ret_trap, uint64_t *ret_number);

/* Receives from paused traps again, as far as there is room. */
void switch_unpause(Switch *sw);

Listener *switch_find_listener(Switch *sw, uint64_t number);

/* Forgets those listeners of the trap whose app's end is closed, without waiting for the loop to notice. */
void trap_flush_listeners(Trap *trap);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One trapped call: what it is about, and its answer. */

#include "trap/switch.h"
#include "transport/socket-name.h"

typedef struct Calls Calls;
typedef struct CallNote CallNote;

/* What lies in the shared memory for each call under way. */
struct CallSlot {
        uint64_t filter; /* its number, 0: free */
        uint64_t replaces; /* it is about to put another socket in place of the caller's, or has */
        struct seccomp_notif notif;
};

/*
 * And one note more, of what is being given to an accept out of those that are
 * pending (trap/delivery.h): what is given lies in the spool, so the note needs
 * no descriptor.
 */
struct CallNote {
        uint64_t pending;      /* its id, 0: nothing is being given */
        uint64_t server;       /* number of the trap that it is pending with */
        uint64_t filter, call; /* who is given it: number of the filter, id of the notification */
};

CallNote *calls_note(Calls *calls);

/* Makes the memory and has it kept, or takes that of an earlier daemon (`fd`, taken in any case). */
int calls_new(int fd, Calls **ret);
Calls *calls_free(Calls *calls);
DEFINE_CLEANUP(Calls *, calls_free)

/* Takes a free call, with a zeroed slot; NULL if all are under way. */
Call *calls_take(Calls *calls, Filter *filter);

/* Gives it back, unanswered: its parking ends and its fd is closed. */
void call_drop(Call *call);

/*
 * Hands what an earlier daemon received and did not answer to `resume`, as new
 * calls of the filter that `find` finds by its number (NULL: gone, dropped).
 */
void calls_resume(Calls *calls, Filter *(*find)(uint64_t number, void *userdata), void (*resume)(Call *call),
                  void *userdata);

static inline uint64_t call_arg(const Call *call, unsigned i) {
        return call->slot->notif.data.args[i];
}

static inline int call_fd_arg(const Call *call) {
        return (int) call_arg(call, 0);
}

/*
 * The answers. Each ends the call. All return 0, or -ENOENT if the caller was
 * gone, which is normal: whoever must undo something looks at it.
 */
int call_return(Call *call, int64_t value);
int call_fail(Call *call, int error); /* negative errno */
int call_continue(Call *call);        /* never to enforce anything: the caller can change what it points to */

/* Parks an accept with its listener. `timeout` in µs, 0: none. */
void call_park(Call *call, Listener *listener, uint64_t timeout, sd_event_time_handler_t on_timeout);

/* Notes that the call is not answered yet. */
void call_begin_wait(Call *call);

/* Takes a parked call out of the list that it waits in. */
void call_unpark(Call *call);

typedef enum SocketKind {
        SOCKET_OTHER,    /* none of ours: the kernel's business */
        SOCKET_NATIVE,   /* a TCP socket, in the app's namespace or in that of a server */
        SOCKET_PAIR,     /* an end of a pair */
} SocketKind;

typedef struct SocketInfo {
        SocketKind kind;
        int family; /* of the TCP socket that it is or stands for */
        SocketName name; /* SOCKET_PAIR */
} SocketInfo;

/*
 * Copies the socket of argument 0 to `call->fd` and finds out what it is.
 * What is no socket, or no descriptor, is SOCKET_OTHER: the kernel has the
 * right error for it. Returns 0, or a negative errno if it cannot be had; the
 * call is ended then.
 */
int call_get_socket(Call *call, SocketInfo *ret);

/* The same in two steps: the copy, -EBADF if there is no such descriptor; and what it is. */
int call_copy(Call *call);
void call_classify(Call *call, SocketInfo *ret);

/*
 * Whether `call->fd` is a socket of another namespace than the app's: it
 * connects the app to another one by TCP, or did.
 */
bool call_socket_is_foreign(const Call *call);

/* Copies any descriptor of the caller. Returns it, to be closed by call_close_any(), or a negative errno. */
int call_get_fd(Call *call, int fd);

/* Closes a copy of a descriptor that can be of any file: that can take as long as the app likes. */
void call_close_any(Call *call, int fd);

/* The process (thread group) that the caller, a thread, belongs to, or a negative errno. */
pid_t call_get_tgid(Call *call);

/* What of the caller's memory is moved at once, at most. */
enum { CALL_TRANSFER_MAX = 1024 };

/*
 * Runs what could block on the app's doing, for a bounded time (basic/worker.h).
 * Returns 0 or a negative errno; then the job is as it was.
 */
int call_run_bounded(Call *call, void (*f)(void *job), void *job, size_t size);

/*
 * Reads the caller's memory. Returns 0, or -EFAULT. What was read is copied
 * once and acted on: the caller may change it.
 */
int call_read(Call *call, uint64_t address, void *buf, size_t size);

/*
 * Answers with a value: cut to the size that stands at `size_address`, where
 * then its full size is written, or with `full` false how much of it there is
 * now. Returns 0; -EINVAL if that size was negative; or -EFAULT.
 */
int call_answer(Call *call, uint64_t address, uint64_t size_address, const void *value, size_t size, bool full);

/* What there is to know of a connect(2), in one look. */
typedef struct CallLook {
        SockAddr address; /* argument 1 */
        ssize_t size;     /* argument 2; -EINVAL or -EFAULT as the kernel would say */
        int flags;        /* native: of the descriptor (O_NONBLOCK, O_CLOEXEC), or a negative errno */
        int state;        /* native: of TCP (tcp(7)), or a negative errno */
        SockAddr bound;   /* native: where it is bound to */
        socklen_t bound_size;
} CallLook;

/* All of this can take as long as the app likes, but for the time of call_run_bounded(). */
void call_look(Call *call, bool native, CallLook *ret);

/* The flags of the descriptor of argument 0, or a negative errno. It takes as long. */
int call_get_flags(Call *call);

/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include <utlist.h>

#include "basic/deadline.h"
#include "basic/fd.h"
#include "basic/fd-store.h"
#include "basic/log.h"
#include "basic/worker.h"
#include "model/journal.h"
#include "trap/call.h"
#include "trap/handlers.h"
#include "trap/listener.h"
#include "trap/notify.h"

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL /* since Linux 6.9 */
#endif
#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

struct Calls {
        int fd;
        CallSlot *slots; /* shared memory, CALLS_MAX of them and the note */
        Call *calls;     /* ours, one for each slot; call->next chains the free ones */
        Call *free;
        size_t used;     /* slots from here on were never taken */
        size_t n_left;   /* slots up to here may hold calls of an earlier daemon */
};

/* How many slots were in use, up to the last one. Read, not mapped: a touched hole would become memory. */
static size_t count_used(int fd) {
        CallSlot slots[128];
        size_t used = 0;

        for (size_t i = 0; i < CALLS_MAX; i += ELEMENTSOF(slots)) {
                if (pread(fd, slots, sizeof(slots), (off_t) (i * sizeof(slots[0]))) != sizeof(slots))
                        break;
                for (size_t j = 0; j < ELEMENTSOF(slots); j++)
                        if (slots[j].filter != 0)
                                used = i + j + 1;
        }
        return used;
}

enum { MEMORY_SIZE = CALLS_MAX * sizeof(CallSlot) + sizeof(CallNote) };

CallNote *calls_note(Calls *c) {
        return (CallNote *) (c->slots + CALLS_MAX);
}

int calls_new(int fd, Calls **ret) {
        _cleanup_(calls_freep) Calls *c = NULL;
        _cleanup_close_ int old = fd;
        const size_t size = MEMORY_SIZE;
        struct stat st;

        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->fd = -EBADF;
        c->slots = MAP_FAILED;

        /* Memory of another size is from another version; what it holds is lost. */
        if (old >= 0 && fstat(old, &st) >= 0 && (size_t) st.st_size == size) {
                c->fd = TAKE_FD(old);
                c->used = c->n_left = count_used(c->fd);
        } else {
                c->fd = memfd_create("appswitch-calls", MFD_CLOEXEC);
                if (c->fd < 0 || ftruncate(c->fd, (off_t) size) < 0)
                        return -errno;
                if (old >= 0)
                        (void) fd_store_remove(SWITCH_CALLS_FD_NAME);
                (void) fd_store_add(SWITCH_CALLS_FD_NAME, c->fd, false);
        }
        c->slots = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, c->fd, 0);
        if (c->slots == MAP_FAILED)
                return -errno;
        c->calls = calloc(CALLS_MAX, sizeof(Call));
        if (!c->calls)
                return -ENOMEM;
        for (size_t i = 0; i < c->n_left; i++)
                if (c->slots[i].filter == 0) {
                        c->calls[i].next = c->free;
                        c->free = &c->calls[i];
                }
        *ret = TAKE_PTR(c);
        return 0;
}

Calls *calls_free(Calls *c) {
        if (!c)
                return NULL;
        if (c->slots != MAP_FAILED)
                (void) munmap(c->slots, MEMORY_SIZE);
        safe_close(c->fd);
        free(c->calls);
        free(c);
        return NULL;
}

Call *calls_take(Calls *c, Filter *filter) {
        Trap *trap = filter->trap;
        Call *call = c->free;

        if (call)
                c->free = call->next;
        else if (c->used < CALLS_MAX)
                call = &c->calls[c->used++];
        else
                return NULL;
        *call = (Call){ .trap = trap, .filter = filter, .slot = &c->slots[call - c->calls], .fd = -EBADF };
        memset(call->slot, 0, sizeof(*call->slot));
        call->slot->filter = filter->number;
        trap->n_calls++;
        trap->sw->n_calls++;
        return call;
}

void call_unpark(Call *call) {
        Trap *trap = call->trap;

        call->timer = sd_event_source_disable_unref(call->timer);
        if (call->dialing || call->outside) {
                call->dialing = dialing_free(call->dialing);
                call->outside = outside_free(call->outside);
                DL_DELETE2(trap->calls, call, trap_prev, trap_next);
        }
        if (!call->listener)
                return;
        DL_DELETE(call->listener->accepts, call);
        DL_DELETE2(trap->calls, call, trap_prev, trap_next);
        if (!call->listener->accepts)
                listener_stop_waiting(call->listener);
        call->listener = NULL;
}

void call_drop(Call *call) {
        Switch *sw = call->trap->sw;
        Calls *c = sw->calls;

        call_unpark(call);
        call->fd = deadline_close(call->fd);
        call->trap->n_calls--;
        sw->n_calls--;
        call->trap = NULL;
        /* A slot that is left for the next daemon is not to be used again. */
        if (sw->leaving)
                return;
        call->slot->filter = 0;
        call->next = c->free;
        c->free = call;
        if (sw->n_paused > 0)
                switch_unpause(sw);
}

void call_begin_wait(Call *call) {
        Trap *trap = call->trap;
        Call *other, *tmp;

        /* A thread waits in one call only: what it waited in before was interrupted, unknown to us. */
        DL_FOREACH_SAFE2(trap->calls, other, tmp, trap_next)
                if (other->slot->notif.pid == call->slot->notif.pid)
                        call_drop(other);
        DL_APPEND2(trap->calls, call, trap_prev, trap_next);
}

void call_park(Call *call, Listener *listener, uint64_t timeout, sd_event_time_handler_t on_timeout) {
        Trap *trap = call->trap;

        call_begin_wait(call);
        call->fd = deadline_close(call->fd);
        call->listener = listener;
        DL_APPEND(listener->accepts, call);
        if (timeout > 0)
                (void) sd_event_add_time_relative(trap->sw->event, &call->timer, CLOCK_MONOTONIC, timeout, 0,
                                                  on_timeout, call);
}

static void resume_slot(Calls *c, size_t i, Filter *(*find)(uint64_t number, void *userdata),
                        void (*resume)(Call *call), void *userdata) {
        CallSlot *slot = &c->slots[i];
        Call *call = &c->calls[i];
        Filter *filter;

        filter = find(slot->filter, userdata);
        if (!filter) {
                slot->filter = 0;
                call->next = c->free;
                c->free = call;
                return;
        }
        *call = (Call){ .trap = filter->trap, .filter = filter, .slot = slot, .resumed = true, .fd = -EBADF };
        call->trap->n_calls++;
        call->trap->sw->n_calls++;
        resume(call);
}

void calls_resume(Calls *c, Filter *(*find)(uint64_t number, void *userdata), void (*resume)(Call *call),
                  void *userdata) {
        /* Connects first: to what accepts get then, anything can happen. */
        for (unsigned accepts = 0; accepts < 2; accepts++)
                for (size_t i = 0; i < c->n_left; i++)
                        if (c->slots[i].filter != 0 && !c->calls[i].trap &&
                            (c->slots[i].notif.data.nr != SYS_connect) == accepts)
                                resume_slot(c, i, find, resume, userdata);
        c->n_left = 0;
}

static int call_end(Call *call, int r) {
        if (r < 0)
                call->trap->sw->n_gone++;
        call_drop(call);
        return r;
}

/* Our copy of the socket must not be the last one when the app closes its own. */
static void let_go(Call *call) {
        call->fd = deadline_close(call->fd);
}

int call_return(Call *call, int64_t value) {
        let_go(call);
        return call_end(call, notify_reply(call->filter->notify_fd, call->slot->notif.id, value, 0));
}

int call_fail(Call *call, int error) {
        let_go(call);
        return call_end(call, notify_reply(call->filter->notify_fd, call->slot->notif.id, 0, error));
}

int call_continue(Call *call) {
        let_go(call);
        return call_end(call, notify_continue(call->filter->notify_fd, call->slot->notif.id));
}

static pid_t read_tgid(pid_t tid) {
        char path[64], status[4096], *line;
        ssize_t n;

        (void) snprintf(path, sizeof(path), "/proc/%i/status", tid);
        n = read_file(AT_FDCWD, path, status, sizeof(status));
        if (n < 0)
                return (pid_t) n;
        line = strstr(status, "\nTgid:");
        return line ? (pid_t) strtol(line + strlen("\nTgid:"), NULL, 10) : -ESRCH;
}

/*
 * The pid of a notification is a thread's. A thread can have a table of
 * descriptors of its own, so its own pidfd is the right one where the kernel
 * has them (PIDFD_THREAD); else that of its process must do.
 */
static int open_pidfd(pid_t tid) {
        pid_t tgid;
        int fd;

        fd = (int) syscall(SYS_pidfd_open, tid, PIDFD_THREAD);
        if (fd >= 0 || errno != EINVAL)
                return fd >= 0 ? fd : -errno;
        tgid = read_tgid(tid);
        if (tgid < 0)
                return tgid;
        fd = (int) syscall(SYS_pidfd_open, tgid, 0);
        return fd >= 0 ? fd : -errno;
}

/*
 * The pidfd is cached: it stands for that very thread, so that of a dead one
 * says ESRCH even if its number is in use again. (Without PIDFD_THREAD the
 * number of a dead thread might come back in another process of the app while
 * the first one lives. Linux 6.9 and later are exact.)
 */
static int cached_pidfd(Call *call, bool fresh, CachedPidfd **ret) {
        pid_t tid = (pid_t) call->slot->notif.pid;
        CachedPidfd *cached = &call->trap->pidfds[tid & (PIDFD_CACHE_SIZE - 1)];

        if (fresh || cached->tid != tid || cached->fd < 0) {
                safe_close(cached->fd);
                *cached = (CachedPidfd){ .tid = tid, .fd = open_pidfd(tid) };
                if (cached->fd < 0)
                        return cached->fd;
                if (!notify_is_valid(call->filter->notify_fd, call->slot->notif.id))
                        return -ESRCH;
        }
        *ret = cached;
        return 0;
}

int call_get_fd(Call *call, int fd) {
        for (bool fresh = false;; fresh = true) {
                CachedPidfd *cached;
                int r;

                r = cached_pidfd(call, fresh, &cached);
                if (r < 0)
                        return r;
                r = (int) syscall(SYS_pidfd_getfd, cached->fd, fd, 0);
                if (r >= 0)
                        return r;
                if (errno != ESRCH || fresh)
                        return -errno;
        }
}

pid_t call_get_tgid(Call *call) {
        CachedPidfd *cached;
        int r;

        r = cached_pidfd(call, false, &cached);
        if (r < 0)
                return r;
        if (cached->tgid == 0)
                cached->tgid = read_tgid(cached->tid);
        return cached->tgid;
}

static void classify_unix(Call *call, const SockAddr *sa, socklen_t size, SocketInfo *info) {
        if (socket_name_parse(&sa->sa, size, &info->name) < 0 || !socket_name_fits(call->fd))
                return;
        info->family = info->name.family;
        info->kind = SOCKET_PAIR;
}

bool call_socket_is_foreign(const Call *call) {
        uint64_t netns;

        return socket_netns_cookie(call->fd, &netns) < 0 || netns != call->trap->netns;
}

typedef struct CloseJob {
        int fd;
} CloseJob;

static void close_run(void *job) {
        (void) close(((CloseJob *) job)->fd);
}

void call_close_any(Call *call, int fd) {
        if (fd >= 0)
                (void) call_run_bounded(call, close_run, &(CloseJob){ fd }, sizeof(CloseJob));
}

/* Nothing is asked here that takes the lock of an IP socket: the app can hold that for as long as it likes. */
void call_classify(Call *call, SocketInfo *info) {
        int domain = 0, protocol = 0;
        socklen_t n = sizeof(int), size = sizeof(SockAddr);
        SockAddr sa = {};

        *info = (SocketInfo){ .kind = SOCKET_OTHER };
        if (getsockopt(call->fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) < 0) {
                /* No socket. To close a copy of a file of FUSE is to wait for who serves it. */
                call_close_any(call, TAKE_FD(call->fd));
                return;
        }
        if (domain == AF_UNIX) {
                if (getsockname(call->fd, &sa.sa, &size) >= 0)
                        classify_unix(call, &sa, size, info);
        } else if ((domain == AF_INET || domain == AF_INET6) &&
                   getsockopt(call->fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &n) >= 0 &&
                   (protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP)) {
                info->kind = SOCKET_NATIVE;
                info->family = domain;
        }
}

int call_copy(Call *call) {
        int r;

        call->fd = deadline_close(call->fd);
        r = call_get_fd(call, call_fd_arg(call));
        if (r == -EBADF)
                return 0;
        if (r == -ESRCH || r == -ENOENT) {
                call->trap->sw->n_gone++;
                call_drop(call);
                return r;
        }
        if (r < 0) {
                /* Ours, not the caller's fault: out of descriptors, or of rights. */
                app_log_error(r, call->trap->party->id, "%s: failed to look at a socket: %m", call->trap->party->id);
                (void) call_fail(call, -ENOBUFS);
                return r;
        }
        call->fd = r;
        return 0;
}

int call_get_socket(Call *call, SocketInfo *ret) {
        int r;

        r = call_copy(call);
        if (r >= 0)
                call_classify(call, ret);
        return r;
}

/*
 * The file that tells the flags of a descriptor of the caller. It is cached: to open it takes 2 µs, and to read it
 * where it begins is to ask anew. That of a dead thread says ESRCH, even if its number is in use again.
 */
static CachedFdinfo *cached_fdinfo(Call *call, bool fresh) {
        pid_t tid = (pid_t) call->slot->notif.pid;
        int number = call_fd_arg(call);
        CachedFdinfo *cached = &call->trap->fdinfos[(unsigned) (tid ^ number) & (FDINFO_CACHE_SIZE - 1)];
        char path[64];

        if (!fresh && cached->fd >= 0 && cached->tid == tid && cached->number == number)
                return cached;
        safe_close(cached->fd);
        (void) snprintf(path, sizeof(path), "/proc/%i/fdinfo/%i", tid, number);
        *cached = (CachedFdinfo){ .tid = tid, .number = number, .fd = open(path, O_RDONLY | O_CLOEXEC) };
        return cached;
}

/* The flags of the descriptor (O_NONBLOCK, O_CLOEXEC), or a negative errno. They are in the second line (proc(5)), so one read is enough. */
static int read_fd_flags(int info) {
        char text[128], *line;
        ssize_t n;

        n = pread(info, text, sizeof(text) - 1, 0);
        if (n < 0)
                return -errno;
        text[n] = '\0';
        line = strstr(text, "flags:");
        if (!line)
                return -EBADF;
        return (int) strtol(line + strlen("flags:"), NULL, 8);
}

/*
 * Memory of an app can be such that a fault in it waits for somebody who never
 * answers (userfaultfd(2), a file of a FUSE file system). So it is touched in
 * another thread, for a bounded time; an app whose memory is late again and
 * again is killed.
 */
#define MEMORY_TIMEOUT_USEC (200 * USEC_PER_MSEC)
enum {
        LATE_MAX = 3,
        /* A thread comes back with what its app waits for, and that can be with somebody else who lives on. Much less than TasksMax=. */
        LATE_THREADS_MAX = 24,
};

typedef struct Transfer {
        pid_t pid;
        int result;
        uint64_t address, size_address;
        size_t size;
        int said; /* what is written as the size of an answer */
        uint8_t bytes[CALL_TRANSFER_MAX];
} Transfer;

static bool read_memory(pid_t pid, uint64_t address, void *buf, size_t size) {
        struct iovec local = { buf, size }, remote = { (void *) (uintptr_t) address, size };

        return size == 0 || process_vm_readv(pid, &local, 1, &remote, 1, 0) == (ssize_t) size;
}

static void read_run(void *job) {
        Transfer *t = job;

        t->result = read_memory(t->pid, t->address, t->bytes, t->size) ? 0 : -EFAULT;
}

/*
 * The value and its size, by one call: it is the memory of one process, however late it is. After one that was late the number
 * of the process can be another's.
 */
static void answer_run(void *job) {
        Transfer *t = job;
        struct iovec local[] = { { t->bytes, t->size }, { &t->said, sizeof(t->said) } };
        struct iovec remote[] = { { (void *) (uintptr_t) t->address, t->size },
                                  { (void *) (uintptr_t) t->size_address, sizeof(t->said) } };
        const size_t first = t->size == 0;

        t->result = process_vm_writev(t->pid, local + first, ELEMENTSOF(local) - first, remote + first,
                                      ELEMENTSOF(remote) - first, 0) == (ssize_t) (t->size + sizeof(t->said)) ? 0 : -EFAULT;
}

int call_run_bounded(Call *call, void (*f)(void *job), void *job, size_t size) {
        Trap *trap = call->trap;
        int r;

        r = worker_run(&trap->sw->worker, f, job, size, MEMORY_TIMEOUT_USEC);
        if (r == -ETIMEDOUT && ++trap->n_late == LATE_MAX)
                trap->sw->hooks->app_blocks(trap, trap->sw->userdata);
        if (r < 0 && worker_count_late() >= LATE_THREADS_MAX)
                trap->sw->hooks->too_many_late(trap->sw->userdata);
        return r;
}

static int transfer(Call *call, void (*f)(void *job), Transfer *t) {
        static_assert(sizeof(Transfer) <= WORKER_JOB_MAX, "must fit");
        t->pid = (pid_t) call->slot->notif.pid;
        if (call_run_bounded(call, f, t, offsetof(Transfer, bytes) + t->size) < 0)
                return -EFAULT;
        return t->result;
}

int call_read(Call *call, uint64_t address, void *buf, size_t size) {
        Transfer t;
        int r;

        assert(size <= sizeof(t.bytes));
        t.address = address;
        t.size = size;
        r = transfer(call, read_run, &t);
        /* The number of a dead caller may be another's by now: what was read then is not its. */
        if (!notify_is_valid(call->filter->notify_fd, call->slot->notif.id))
                return -EFAULT;
        if (r >= 0)
                memcpy(buf, t.bytes, size);
        return r;
}

int call_answer(Call *call, uint64_t address, uint64_t size_address, const void *value, size_t size, bool full) {
        Transfer t;
        int n, r;

        assert(size <= sizeof(t.bytes));
        /* The caller is there after that, so what is written then is its memory. */
        r = call_read(call, size_address, &n, sizeof(n));
        if (r < 0)
                return r;
        if (n < 0)
                return -EINVAL;
        t.address = address;
        t.size_address = size_address;
        t.size = MIN2((size_t) n, size);
        t.said = (int) (full ? size : t.size);
        memcpy(t.bytes, value, t.size);
        return transfer(call, answer_run, &t);
}

typedef struct LookJob {
        pid_t pid;
        int fd;   /* ours */
        int info; /* read before anything else: when the job is late it can be somebody else's number */
        uint64_t address;
        CallLook look;
        bool readable;
} LookJob;

static void look_run(void *job) {
        LookJob *j = job;
        CallLook *look = &j->look;
        uint8_t state; /* the first byte of TCP_INFO (tcp(7)) */
        socklen_t size = sizeof(state);

        if (j->info >= 0)
                look->flags = read_fd_flags(j->info);
        j->readable = look->size <= 0 || read_memory(j->pid, j->address, &look->address, (size_t) look->size);
        if (j->fd < 0)
                return;
        look->state = getsockopt(j->fd, IPPROTO_TCP, TCP_INFO, &state, &size) >= 0 ? state : -EBADF;
        look->bound_size = sizeof(look->bound);
        if (getsockname(j->fd, &look->bound.sa, &look->bound_size) < 0)
                look->bound_size = 0;
}

typedef struct FlagsJob {
        int info, flags;
} FlagsJob;

static void flags_run(void *job) {
        FlagsJob *j = job;

        j->flags = read_fd_flags(j->info);
}

int call_get_flags(Call *call) {
        for (bool fresh = false;; fresh = true) {
                CachedFdinfo *cached = cached_fdinfo(call, fresh);
                FlagsJob j = { .info = cached->fd };
                int r;

                r = call_run_bounded(call, flags_run, &j, sizeof(j));
                if (r < 0) {
                        cached->fd = safe_close(cached->fd);
                        return r;
                }
                if (!notify_is_valid(call->filter->notify_fd, call->slot->notif.id))
                        return -ESRCH;
                if (j.flags >= 0 || fresh)
                        return j.flags;
        }
}

void call_look(Call *call, bool native, CallLook *ret) {
        /* An int for the kernel (move_addr_to_kernel() in net/socket.c). */
        int n = (int) call_arg(call, 2);
        CachedFdinfo *cached = native ? cached_fdinfo(call, false) : NULL;
        LookJob j = {
                .pid = (pid_t) call->slot->notif.pid,
                .fd = native ? call->fd : -EBADF,
                .info = cached ? cached->fd : -EBADF,
                .address = call_arg(call, 1),
                .look = { .flags = -EBADF, .state = -EBADF },
        };

        static_assert(sizeof(LookJob) <= WORKER_JOB_MAX, "must fit");
        j.look.size = n < 0 || (size_t) n > sizeof(j.look.address) ? -EINVAL : n;
        if (call_run_bounded(call, look_run, &j, sizeof(j)) < 0) {
                if (cached)
                        cached->fd = safe_close(cached->fd);
                j.look = (CallLook){ .size = -EFAULT, .flags = -EBADF, .state = -EBADF };
        /* The number of a dead caller may be another's by now: what was read then is not its. */
        } else if (!j.readable || !notify_is_valid(call->filter->notify_fd, call->slot->notif.id))
                j.look.size = -EFAULT;
        /* Of a dead thread with the same number. */
        else if (cached && j.look.flags < 0)
                j.look.flags = call_get_flags(call);
        *ret = j.look;
}

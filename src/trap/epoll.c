/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kcmp.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "basic/clock.h"
#include "basic/fd.h"
#include "basic/log.h"
#include "basic/worker.h"
#include "model/journal.h"
#include "trap/call.h"
#include "trap/epoll.h"
#include "trap/handlers.h"

enum {
        SETS_PER_PROCESS_MAX = 64,
        PROCESSES_PER_TRAP_MAX = 256,
        HELPER_TIMEOUT_USEC = 200 * 1000,
        SCAN_PAUSE = 20, /* times that a long scan took must pass before the next one */
        SCAN_SHORT_USEC = 500, /* of our own time; a set that is made right after a short one must not be missed */
};

/*
 * For how long after an epoll_create(2) was let through a process is looked
 * at anew each time: the kernel makes the set after we answered. It has made
 * it when the same thread makes another call.
 */
#define SCAN_WINDOW_USEC (1 * USEC_PER_SEC)

struct EpollProcess {
        pid_t tgid; /* the key */
        bool scanned;
        pid_t creator;       /* the thread whose epoll_create(2) was let through last; 0: none */
        bool many_create;    /* another one's was, too, before that one was heard of again */
        uint64_t scan_until; /* CLOCK_MONOTONIC, µs */
        uint64_t scan_again; /* not before this, CLOCK_MONOTONIC, µs */
        size_t n;
        int sets[SETS_PER_PROCESS_MAX];
        UT_hash_handle hh;
};

/* What the helper is asked to do; comes with the set, the old file and the new one. */
typedef struct EpollJob {
        int32_t fd; /* the app's number */
        uint32_t events;
        uint64_t data;
} EpollJob;

struct EpollHelper {
        int socket; /* ours */
        int peer;   /* the thread's, in its own table */
        sem_t ready;
};

/* In the thread: under the number that the app has it, the old file leaves the set and the new one enters. */
static int move_in_set(const EpollJob *job, const int fds[3]) {
        struct epoll_event event = { .events = job->events, .data.u64 = job->data };
        int up[3];

        /* None of them must sit where the socket has to be. */
        for (size_t i = 0; i < ELEMENTSOF(up); i++) {
                up[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, MAX2(job->fd + 1, 3));
                if (up[i] < 0)
                        return -errno;
        }
        if (dup3(up[1], job->fd, O_CLOEXEC) >= 0)
                (void) epoll_ctl(up[0], EPOLL_CTL_DEL, job->fd, NULL);
        if (dup3(up[2], job->fd, O_CLOEXEC) < 0 || epoll_ctl(up[0], EPOLL_CTL_ADD, job->fd, &event) < 0)
                return -errno;
        return 0;
}

static void *helper_main(void *userdata) {
        EpollHelper *h = userdata;
        int socket = -EBADF;

        /* Far up, out of the way of the numbers that apps use, and nothing else in the table. */
        if (unshare(CLONE_FILES) >= 0)
                socket = fcntl(h->peer, F_DUPFD_CLOEXEC, 1 << 14);
        (void) sem_post(&h->ready); /* from here on `h` is the other side's */
        if (socket < 0)
                return NULL;
        for (;;) {
                int fds[3], r;
                size_t n_fds = ELEMENTSOF(fds);
                EpollJob job;
                ssize_t n;

                (void) close_range(0, (unsigned) socket - 1, 0);
                (void) close_range((unsigned) socket + 1, ~0U, 0);
                n = recv_with_fds(socket, &job, sizeof(job), fds, &n_fds, 0);
                if (n <= 0)
                        return NULL;
                if (n != sizeof(job) || n_fds != 3)
                        r = -EBADMSG;
                else if (job.fd == socket)
                        r = -EBUSY;
                else
                        r = move_in_set(&job, fds);
                (void) close_range(0, (unsigned) socket - 1, 0);
                (void) close_range((unsigned) socket + 1, ~0U, 0);
                if (send(socket, &r, sizeof(r), MSG_NOSIGNAL) < 0)
                        return NULL;
        }
}

int epoll_helper_new(EpollHelper **ret) {
        EpollHelper *h;
        sigset_t all, old;
        pthread_t thread;
        int fds[2], r;

        h = calloc(1, sizeof(*h));
        if (!h)
                return -ENOMEM;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0) {
                r = -errno;
                free(h);
                return r;
        }
        h->socket = fds[0];
        h->peer = fds[1];
        (void) setsockopt(h->socket, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){ .tv_usec = HELPER_TIMEOUT_USEC },
                          sizeof(struct timeval));
        (void) sem_init(&h->ready, 0, 0);
        sigfillset(&all);
        (void) pthread_sigmask(SIG_SETMASK, &all, &old);
        r = -pthread_create(&thread, NULL, helper_main, h);
        (void) pthread_sigmask(SIG_SETMASK, &old, NULL);
        if (r < 0) {
                safe_close(h->socket);
                safe_close(h->peer);
                free(h);
                return r;
        }
        (void) pthread_detach(thread);
        /* Its table must be its own before ours changes. */
        while (sem_wait(&h->ready) < 0)
                ;
        (void) sem_destroy(&h->ready);
        *ret = h;
        return 0;
}

EpollHelper *epoll_helper_free(EpollHelper *h) {
        if (!h)
                return NULL;
        /* The thread has a copy of its end, and sees the end of file when both of ours are closed. */
        safe_close(h->socket);
        safe_close(h->peer);
        free(h);
        return NULL;
}

/*
 * Asks the thread and waits for it: some 10 µs. If the app holds the set's
 * lock the thread is left to itself and another one takes its place.
 */
static int helper_move(EpollHelper **helper, const EpollJob *job, int set, int old_fd, int new_fd) {
        int r, answer;

        if (!*helper)
                return -EAGAIN;
        r = send_with_fds((*helper)->socket, job, sizeof(*job), (const int[]){ set, old_fd, new_fd }, 3, 0);
        if (r < 0)
                return r;
        if (recv((*helper)->socket, &answer, sizeof(answer), 0) == sizeof(answer))
                return answer;
        *helper = epoll_helper_free(*helper);
        (void) epoll_helper_new(helper);
        return -ETIMEDOUT;
}

static EpollProcess *find_process(Trap *trap, pid_t tgid) {
        EpollProcess *p;

        HASH_FIND(hh, trap->epoll_processes, &tgid, sizeof(tgid), p);
        if (p)
                return p;
        if (HASH_COUNT(trap->epoll_processes) >= PROCESSES_PER_TRAP_MAX)
                epoll_forget(trap);
        p = calloc(1, sizeof(*p));
        if (!p)
                return NULL;
        p->tgid = tgid;
        HASH_ADD(hh, trap->epoll_processes, tgid, sizeof(p->tgid), p);
        return p;
}

void epoll_forget(Trap *trap) {
        EpollProcess *p, *tmp;

        HASH_ITER(hh, trap->epoll_processes, p, tmp) {
                HASH_DELETE(hh, trap->epoll_processes, p);
                free(p);
        }
}

/* Finds the epoll sets among the descriptors of the caller. Returns false if it is not the time for it. */
static bool scan(EpollProcess *p, pid_t tid) {
        struct dirent *entry;
        char path[64];
        DIR *dir;

        const uint64_t begin = now_usec(CLOCK_MONOTONIC), cpu = now_usec(CLOCK_THREAD_CPUTIME_ID);
        uint64_t took;

        /* A process with very many descriptors must not take more than a small part of our time. */
        if (begin < p->scan_again)
                return false;
        p->n = 0;
        p->scanned = true;
        (void) snprintf(path, sizeof(path), "/proc/%i/fd", tid);
        dir = opendir(path);
        if (!dir)
                return true;
        while (p->n < SETS_PER_PROCESS_MAX && (entry = readdir(dir))) {
                static const char eventpoll[] = "anon_inode:[eventpoll]";
                char target[64];
                ssize_t n;

                n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target));
                if (n == sizeof(eventpoll) - 1 && memcmp(target, eventpoll, sizeof(eventpoll) - 1) == 0)
                        p->sets[p->n++] = (int) strtol(entry->d_name, NULL, 10);
        }
        (void) closedir(dir);
        took = now_usec(CLOCK_THREAD_CPUTIME_ID) - cpu;
        p->scan_again = took <= SCAN_SHORT_USEC ? 0 : begin + took * SCAN_PAUSE;
        return true;
}

/* Looks for the sets of the caller, if there may be new ones. */
static void look_for_sets(EpollProcess *p, pid_t tid) {
        const bool made = tid == p->creator && !p->many_create;

        if (p->scan_until == 0 && p->scanned)
                return;
        if (!made && p->scan_until > 0 && now_usec(CLOCK_MONOTONIC) < p->scan_until) {
                (void) scan(p, tid);
                return;
        }
        /* All that were let through are made: the last look until there are new ones. */
        if (!scan(p, tid))
                return;
        p->scan_until = 0;
        p->creator = 0;
        p->many_create = false;
}

/* A search for the sets that hold a file: in another thread, as an app can hold a set's lock (call_run_bounded()). */
typedef struct Search {
        pid_t self, tid;
        int fd, old_fd;
        size_t n;
        int sets[SETS_PER_PROCESS_MAX];
        EpollJob found[SETS_PER_PROCESS_MAX]; /* fd < 0: not in that one */
} Search;

/*
 * Whether the file that the caller had under `fd` is in the set. It is not
 * there any more, so our own copy is compared: kcmp(2) takes two processes.
 */
static bool is_in_set(const Search *s, int set) {
        struct kcmp_epoll_slot slot = { .efd = (uint32_t) set, .tfd = (uint32_t) s->fd };

        return syscall(SYS_kcmp, s->self, s->tid, KCMP_EPOLL_TFD, (unsigned long) s->old_fd, &slot) == 0;
}

/* Reads events and data of a member of a set (proc(5), /proc/PID/fdinfo). */
static int read_member(const Search *s, int set, EpollJob *ret) {
        _cleanup_fclose_ FILE *f = NULL;
        char path[64], line[256];

        (void) snprintf(path, sizeof(path), "/proc/%i/fdinfo/%i", s->tid, set);
        f = fopen(path, "re");
        if (!f)
                return -errno;
        while (fgets(line, sizeof(line), f)) {
                int tfd;

                if (sscanf(line, "tfd: %d events: %" SCNx32 " data: %" SCNx64, &tfd, &ret->events, &ret->data) == 3 &&
                    tfd == s->fd) {
                        ret->fd = s->fd;
                        return 0;
                }
        }
        return -ENOENT;
}

static void search_run(void *job) {
        Search *s = job;

        for (size_t i = 0; i < s->n; i++)
                if (!is_in_set(s, s->sets[i]) || read_member(s, s->sets[i], &s->found[i]) < 0)
                        s->found[i].fd = -EBADF;
}

static void replace_in_set(Call *call, int set, const EpollJob *job, int old_fd, int new_fd) {
        int set_fd, r;

        set_fd = r = call_get_fd(call, set);
        if (r >= 0)
                r = helper_move(&call->trap->sw->epoll, job, set_fd, old_fd, new_fd);
        call_close_any(call, set_fd);
        if (r < 0)
                app_log_warning(r, call->trap->party->id, "%s: failed to keep a socket in its epoll set: %m",
                                call->trap->party->id);
}

void epoll_replace(Call *call, int old_fd, int new_fd) {
        Trap *trap = call->trap;
        pid_t tid = (pid_t) call->slot->notif.pid, tgid;
        Search search = { .self = trap->sw->pid, .tid = tid, .fd = call_fd_arg(call), .old_fd = old_fd };
        EpollProcess *p;

        static_assert(sizeof(Search) <= WORKER_JOB_MAX, "must fit");
        if (!trap->uses_epoll)
                return;
        tgid = call_get_tgid(call);
        if (tgid < 0)
                return;
        p = find_process(trap, tgid);
        if (!p)
                return;
        look_for_sets(p, tid);
        if (p->n == 0)
                return;
        search.n = p->n;
        memcpy(search.sets, p->sets, p->n * sizeof(search.sets[0]));
        if (call_run_bounded(call, search_run, &search, sizeof(search)) < 0)
                return;
        for (size_t i = 0; i < search.n; i++)
                if (search.found[i].fd >= 0)
                        replace_in_set(call, search.sets[i], &search.found[i], old_fd, new_fd);
}

void handle_epoll_create(Call *call) {
        Trap *trap = call->trap;
        EpollProcess *p = NULL;
        pid_t tgid;

        trap->uses_epoll = true;
        tgid = call_get_tgid(call);
        if (tgid >= 0)
                p = find_process(trap, tgid);
        if (p) {
                const pid_t tid = (pid_t) call->slot->notif.pid;

                p->scan_until = now_usec(CLOCK_MONOTONIC) + SCAN_WINDOW_USEC;
                p->many_create = p->many_create || (p->creator != 0 && p->creator != tid);
                p->creator = tid;
        }
        (void) call_continue(call);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A connection to the outside is one of TCP, of a socket in the host's
 * namespace, which the daemon makes and connects and which then goes over the
 * client's descriptor. It is locked to that connection, and carries what the
 * client is to see of it (transport/peer-lock.h).
 *
 * Who waits gets the socket at once, in progress, and then the answer when it is
 * connected: a signal that interrupts the call leaves him with what connect(2)
 * leaves behind (POSIX: the connection goes on), the call that is restarted
 * finds it, as does the next daemon. When the backend turns out to be no good he
 * gets his own socket back, and the next backend is tried.
 *
 * Who does not wait gets the socket when it is connected, or after a short time,
 * in progress. Until then a backend that refuses can be skipped unseen. He is
 * told that it is in progress in any case, as TCP does. What becomes of it later
 * is seen by a set of epoll(7) that does not hold it. For a backend that is far
 * away nobody is kept: a refusal would take as long.
 *
 * So it is with backends of virtual services. One to an address itself (what the
 * app's Egress= permits) has no other to go on with: who does not wait gets the
 * socket at once, in progress, and whatever becomes of it is the kernel's to say.
 *
 * The kernel remembers for us whether a client was told that he is connected: a
 * connect(2) on a socket that was connected in the background succeeds once.
 */

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <utlist.h>

#include "basic/clock.h"
#include "basic/deadline.h"
#include "basic/fd.h"
#include "model/virtual-service.h"
#include "transport/peer-lock.h"
#include "transport/socket-name.h"
#include "trap/handlers.h"
#include "trap/notify.h"
#include "trap/outside.h"
#include "trap/outside-socket.h"

/* For how long somebody who does not wait is made to. */
#define PROGRESS_USEC (20 * USEC_PER_MSEC)

/* So many connects to a backend that took longer are not waited for; then it is tried again. */
enum { SLOW_CONNECTS = 100 };

/* How often it is looked whether who waits is still there: nobody tells of one that was killed. */
#define LOOK_USEC (1 * USEC_PER_SEC)

/* A socket that is being connected. */
typedef struct Attempt {
        int fd;            /* in the host's namespace */
        bool given;        /* the client has it; then the call's own fd is what he had before, */
        bool again;        /* or, if he had it already, the same */
        uint64_t external; /* id of the backend; 0: not known, or none */
        uint64_t deadline; /* µs of CLOCK_MONOTONIC: until then it is waited for */
} Attempt;

static const Attempt no_attempt = { .fd = -EBADF };

static void attempt_done(Attempt *a) {
        a->fd = deadline_close(a->fd);
}

struct Outside {
        Connect connect;
        Attempt attempt;
        sd_event_source *io, *timer;
};

Outside *outside_free(Outside *o) {
        if (!o)
                return NULL;
        sd_event_source_disable_unref(o->io);
        sd_event_source_disable_unref(o->timer);
        attempt_done(&o->attempt);
        free(o);
        return NULL;
}

typedef enum Progress {
        PROGRESS_CONNECTED,
        PROGRESS_WAITS,
        PROGRESS_FAILED,
} Progress;

typedef enum Look {
        LOOK,       /* an error is taken, so that it is not told twice */
        LOOK_AGAIN, /* and success as well, as by a second connect(2) */
        LOOK_LAST,  /* the client was told of the success: the second connect(2) is not to be the first */
} Look;

/* One call to the kernel each: after one that was late the number can be another socket's. */
typedef struct StateJob {
        int fd;
        uint8_t state;
} StateJob;

typedef struct AgainJob {
        int fd;
        int error; /* a negative errno, or 0 */
} AgainJob;

static uint8_t get_state(int fd) {
        uint8_t state = TCP_CLOSE; /* the first byte of TCP_INFO (tcp(7)) */
        socklen_t size = sizeof(state);

        (void) getsockopt(fd, IPPROTO_TCP, TCP_INFO, &state, &size);
        return state;
}

/* Of a socket that is, or was, on its way the kernel does not look at the address. */
static int connect_once_more(int fd) {
        const SockAddr none = { .in = { .sin_family = AF_INET } };

        return connect(fd, &none.sa, sizeof(none.in)) < 0 ? -errno : 0;
}

static void state_run(void *job) {
        StateJob *j = job;

        j->state = get_state(j->fd);
}

static void again_run(void *job) {
        AgainJob *j = job;

        j->error = connect_once_more(j->fd);
}

/* What has become of it; `ret_error`: why it failed, or what the second connect(2) said: a negative errno, or 0. */
static Progress look_at_socket(Call *call, int fd, Look look, bool given, int *ret_error) {
        StateJob s = { .fd = fd };
        AgainJob a = { .fd = fd };
        socklen_t n = sizeof(int);
        int error = 0;

        *ret_error = 0;
        /* What the client has, too, he can hold the lock of. */
        if (!given)
                state_run(&s);
        else if (call_run_bounded(call, state_run, &s, sizeof(s)) < 0)
                return PROGRESS_WAITS;
        if (s.state == TCP_SYN_SENT || s.state == TCP_SYN_RECV)
                return PROGRESS_WAITS;
        if (s.state == TCP_CLOSE && look != LOOK_LAST) {
                (void) getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n);
                *ret_error = error ? -error : -ECONNREFUSED; /* somebody else of the app may have collected it */
                return PROGRESS_FAILED;
        }
        if (look == LOOK || s.state == TCP_CLOSE)
                return PROGRESS_CONNECTED;
        if (!given)
                again_run(&a);
        else if (call_run_bounded(call, again_run, &a, sizeof(a)) < 0)
                return PROGRESS_WAITS;
        *ret_error = a.error;
        return PROGRESS_CONNECTED;
}

static Progress look_at(const Connect *c, const Attempt *a, Look look, int *ret_error) {
        return look_at_socket(c->call, a->fd, look, a->given, ret_error);
}

static External *find_external(const Connect *c, uint64_t id) {
        return directory_find_external(c->call->trap->sw->directory, id);
}

/* Whether it says something about the backend, and not about us. */
static bool is_of_backend(int error) {
        return error == -ECONNREFUSED || error == -ETIMEDOUT || error == -EHOSTUNREACH || error == -ENETUNREACH ||
                        error == -ECONNRESET || error == -EHOSTDOWN || error == -ENETDOWN || error == -ENONET ||
                        error == -EPROTO || error == -ENOPROTOOPT;
}

/* Returns -EPIPE if it was a backend: another one may do better. */
static int note_failure(Connect *c, uint64_t external, int error) {
        External *e = find_external(c, external);

        if (external == 0)
                return error;
        if (e && is_of_backend(error))
                rest_fail(&e->rest, now_usec(CLOCK_MONOTONIC));
        c->error = error;
        route_tried_add(&c->tried, external);
        return -EPIPE;
}

static void note_success(const Connect *c, uint64_t external) {
        External *e = find_external(c, external);

        if (e)
                rest_ok(&e->rest);
}

static void note_slow(const Connect *c, uint64_t external, Progress progress) {
        External *e = find_external(c, external);

        if (e)
                e->slow = progress == PROGRESS_WAITS ? SLOW_CONNECTS : 0;
}

/* Whether one who does not wait is not to be kept for this backend. */
static bool is_slow(const Connect *c, uint64_t external) {
        External *e = find_external(c, external);

        return e && e->slow > 0 && e->slow-- > 0;
}

static bool waits(const Connect *c) {
        return !(c->flags & O_NONBLOCK);
}

/* When SO_SNDTIMEO ends the wait of a connect(2), or UINT64_MAX. */
static uint64_t send_deadline(int fd) {
        struct timeval tv = {};
        socklen_t size = sizeof(tv);

        if (getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, &size) < 0 || (tv.tv_sec == 0 && tv.tv_usec == 0))
                return UINT64_MAX;
        return now_usec(CLOCK_MONOTONIC) + (uint64_t) tv.tv_sec * USEC_PER_SEC + (uint64_t) tv.tv_usec;
}

/* What was given while it was on its way tells its outcome here, if the client does not close it before. */
static void watch(const Connect *c, const Attempt *a) {
        struct epoll_event event = { .events = EPOLLOUT | EPOLLONESHOT, .data.u64 = a->external };

        if (a->external == 0)
                return;
        (void) epoll_ctl(c->call->trap->sw->outside_epoll, EPOLL_CTL_ADD, a->fd, &event);
}

static int on_outcome(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Switch *sw = userdata;
        struct epoll_event event;
        External *e;

        if (epoll_wait(fd, &event, 1, 0) <= 0)
                return 0;
        e = directory_find_external(sw->directory, event.data.u64);
        if (e && (event.events & (EPOLLERR | EPOLLHUP)))
                rest_fail(&e->rest, now_usec(CLOCK_MONOTONIC));
        else if (e)
                rest_ok(&e->rest);
        return 0;
}

int outside_init(Switch *sw) {
        _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int r;

        sw->outside_epoll = epoll_create1(EPOLL_CLOEXEC);
        if (fd < 0 || sw->outside_epoll < 0)
                return -errno;
        r = socket_netns_cookie(fd, &sw->netns);
        return r < 0 ? r : sd_event_add_io(sw->event, &sw->outside_source, sw->outside_epoll, EPOLLIN, on_outcome, sw);
}

void outside_done(Switch *sw) {
        sw->outside_source = sd_event_source_disable_unref(sw->outside_source);
        sw->outside_epoll = safe_close(sw->outside_epoll);
}

static uint64_t cookie_of(int fd) {
        socklen_t size = sizeof(uint64_t);
        uint64_t cookie = 0;

        return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) < 0 ? 0 : cookie;
}

static void note_connection(Trap *client, uint64_t external) {
        Switch *sw = client->sw;

        sw->n_connections++;
        sw->hooks->connected_outside(client, external, sw->userdata);
}

/* Gives the socket to who does not wait. Ends the call, or returns a negative errno. */
static int give(Connect *c, const Attempt *a, Progress progress) {
        Trap *trap = c->call->trap;
        int r;

        r = connect_replace(c, c->call->fd, a->fd);
        if (r <= 0)
                return r;
        if (progress == PROGRESS_CONNECTED)
                note_success(c, a->external);
        else
                watch(c, a);
        note_connection(trap, a->external);
        if (call_fail(c->call, -EINPROGRESS) < 0)
                trap->unreported = cookie_of(a->fd);
        return 0;
}

/* Tells who waited that he is connected. Ends the call. */
static void report(Connect *c, const Attempt *a) {
        Trap *trap = c->call->trap;
        Call call = { .trap = trap }; /* c->call is over by then */
        int error;

        note_success(c, a->external);
        note_connection(trap, a->external);
        if (call_return(c->call, 0) >= 0)
                (void) look_at_socket(&call, a->fd, LOOK_LAST, true, &error);
}

static void go_on(Connect *c, Attempt *a);

static void outside_go_on(Outside *o) {
        _cleanup_(attempt_done) Attempt a = TAKE(o->attempt, no_attempt);
        Connect c = o->connect;

        call_unpark(c.call); /* frees it */
        go_on(&c, &a);
}

static int outside_on_io(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        outside_go_on(userdata);
        return 0;
}

static int outside_on_time(sd_event_source *s, uint64_t usec, void *userdata) {
        outside_go_on(userdata);
        return 0;
}

/* Lets the call wait; takes the attempt on success. Returns 0 or a negative errno. */
static int wait_for(Connect *c, Attempt *a) {
        sd_event *event = c->call->trap->sw->event;
        const uint64_t now = now_usec(CLOCK_MONOTONIC);
        Outside *o;
        int r;

        o = calloc(1, sizeof(*o));
        if (!o)
                return -ENOMEM;
        o->connect = *c;
        o->attempt = no_attempt;
        r = sd_event_add_io(event, &o->io, a->fd, EPOLLOUT, outside_on_io, o);
        if (r >= 0)
                r = sd_event_add_time(event, &o->timer, CLOCK_MONOTONIC, MIN2(a->deadline, now + LOOK_USEC), 1,
                                      outside_on_time, o);
        if (r < 0) {
                outside_free(o);
                return r;
        }
        o->attempt = TAKE(*a, no_attempt);
        call_begin_wait(c->call);
        c->call->outside = o;
        return 0;
}

/* It failed, and the client has it: he gets what he had before. Returns as connect_replace() does. */
static int take_back(Connect *c, const Attempt *a) {
        return a->again ? connect_replace_by_plain(c) : connect_replace(c, a->fd, c->call->fd);
}

/* The next step of one that waited. */
static void go_on(Connect *c, Attempt *a) {
        Progress progress;
        int error, r = 0;

        if (!notify_is_valid(c->call->filter->notify_fd, c->call->slot->notif.id)) {
                c->call->trap->sw->n_gone++;
                call_drop(c->call);
                return;
        }
        progress = look_at(c, a, LOOK, &error);
        if (progress == PROGRESS_FAILED) {
                r = a->given ? take_back(c, a) : 1;
                if (r == 0)
                        return;
                if (r > 0)
                        r = note_failure(c, a->external, error);
                if (r == -EPIPE) {
                        connect_route(c);
                        return;
                }
        } else if (progress == PROGRESS_CONNECTED && a->given)
                report(c, a);
        else if (!a->given) {
                note_slow(c, a->external, progress);
                r = give(c, a, progress);
        }
        else if (now_usec(CLOCK_MONOTONIC) < a->deadline)
                r = wait_for(c, a);
        else {
                watch(c, a);
                r = -EINPROGRESS;
        }
        if (r < 0)
                (void) call_fail(c->call, r);
}

/*
 * The same thread asks again, as a signal came in between: it goes on to wait
 * for what is under way. Else one who is interrupted often would never be
 * connected.
 */
static bool resume_waiting(Connect *c) {
        Trap *trap = c->call->trap;
        const uint64_t cookie = cookie_of(c->call->fd);
        Call *other;
        Outside *o;
        int fd;

        DL_FOREACH2(trap->calls, other, trap_next)
                if (other->outside && other->slot->notif.pid == c->call->slot->notif.pid)
                        break;
        if (!other)
                return false;
        o = other->outside;
        if (cookie_of(o->attempt.given ? o->attempt.fd : other->fd) != cookie ||
            !endpoint_equal(&o->connect.to, &c->to))
                return false;
        /* With the socket that he had at first. */
        fd = other->fd;
        other->fd = c->call->fd;
        c->call->fd = fd;
        DL_DELETE2(trap->calls, other, trap_prev, trap_next);
        other->outside = NULL;
        call_drop(other);
        call_begin_wait(c->call);
        o->connect.call = c->call;
        c->call->outside = o;
        return true;
}

/* Who waits has it from now on, in the mode of his own. */
static int give_early(Connect *c, Attempt *a) {
        int r;

        if (fcntl(a->fd, F_SETFL, 0) < 0)
                return -errno;
        r = connect_replace(c, c->call->fd, a->fd);
        if (r <= 0)
                return r;
        a->given = true;
        return 1;
}

int connect_outside(Connect *c, const Route *route) {
        _cleanup_(attempt_done) Attempt a = no_attempt;
        PeerView view = { .family = c->socket.family, .peer = { route->to, c->to.port } };
        const int family = route->target.address.family == AF_INET ? c->socket.family : AF_INET6;
        Progress progress;
        int error, r;

        r = connect_get_source(c, route, &view.local);
        if (r < 0)
                return r;
        if (resume_waiting(c))
                return 0;
        a.external = route->external ? route->external->id : 0;
        a.deadline = waits(c) ? send_deadline(c->call->fd) : now_usec(CLOCK_MONOTONIC) + PROGRESS_USEC;
        a.fd = outside_socket_new(c, route, family);
        if (a.fd < 0)
                return a.fd;
        r = outside_socket_connect(a.fd, &route->target, family);
        if (r < 0)
                return note_failure(c, a.external, r);
        c->call->trap->sw->views = true;
        r = outside_socket_lock(a.fd, &route->target, &view);
        if (!route->external && !waits(c))
                return r < 0 ? r : give(c, &a, PROGRESS_WAITS);
        progress = look_at(c, &a, LOOK, &error);
        if (progress == PROGRESS_FAILED || r == -ECONNREFUSED)
                return note_failure(c, a.external, r < 0 ? r : error);
        if (r < 0)
                return r;
        if (waits(c)) {
                r = give_early(c, &a);
                if (r <= 0)
                        return r;
                if (progress == PROGRESS_CONNECTED) {
                        report(c, &a);
                        return 0;
                }
        } else if (progress == PROGRESS_CONNECTED || is_slow(c, a.external))
                return give(c, &a, progress);
        return wait_for(c, &a);
}

/* What an earlier daemon did not answer, or a signal came before, is still the first time. */
static bool is_first_report(const Connect *c, const Attempt *a) {
        Trap *trap = c->call->trap;

        if (trap->unreported != cookie_of(a->fd))
                return c->call->resumed;
        trap->unreported = 0;
        return true;
}

void connect_outside_again(Connect *c, int state) {
        _cleanup_(attempt_done) Attempt a = no_attempt;
        Progress progress;
        int error, r;

        if (state == TCP_SYN_SENT && waits(c) && resume_waiting(c))
                return;
        a.fd = fcntl(c->call->fd, F_DUPFD_CLOEXEC, 3);
        a.given = a.again = true;
        a.deadline = send_deadline(c->call->fd);
        if (a.fd < 0) {
                (void) call_fail(c->call, -ENOBUFS);
                return;
        }
        progress = look_at(c, &a, LOOK_AGAIN, &error);
        if (progress == PROGRESS_FAILED) {
                r = take_back(c, &a);
                if (r == 0)
                        return;
                r = r < 0 ? r : error;
        } else if (progress == PROGRESS_CONNECTED)
                r = error;
        else if (!waits(c))
                r = is_first_report(c, &a) ? -EINPROGRESS : -EALREADY;
        else {
                r = wait_for(c, &a);
                if (r >= 0)
                        return;
        }
        if (r < 0)
                (void) call_fail(c->call, r);
        else
                (void) call_return(c->call, 0);
}

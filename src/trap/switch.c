/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utlist.h>

#include "basic/clock.h"
#include "basic/deadline.h"
#include "basic/fd.h"
#include "basic/fd-store.h"
#include "basic/log.h"
#include "basic/worker.h"
#include "model/journal.h"
#include "trap/call.h"
#include "trap/delivery.h"
#include "trap/epoll.h"
#include "trap/handlers.h"
#include "trap/hot.h"
#include "trap/listener.h"
#include "trap/notify.h"
#include "trap/option-memory.h"
#include "trap/outside.h"
#include "trap/pending.h"
#include "trap/switch.h"

/* How often calls of dead threads are looked for while there are too many. */
#define PAUSE_USEC (100 * USEC_PER_MSEC)

static const struct {
        int call;
        void (*handle)(Call *call);
} handlers[] = {
        { SYS_connect, handle_connect },         { SYS_accept4, handle_accept },
        { SYS_accept, handle_accept },           { SYS_getsockname, handle_getsockname },
        { SYS_getpeername, handle_getpeername }, { SYS_setsockopt, handle_setsockopt },
        { SYS_getsockopt, handle_getsockopt },   { SYS_listen, handle_listen },
        { SYS_bind, handle_bind },               { SYS_epoll_create1, handle_epoll_create },
        { SYS_epoll_create, handle_epoll_create },
};

bool trap_uses_tcp(const Trap *trap) {
        return trap->shortcut == SHORTCUT_TCP || (trap->shortcut == SHORTCUT_AUTO && trap->wants_tcp);
}

static void dispatch_call(Call *call) {
        for (size_t i = 0; i < ELEMENTSOF(handlers); i++)
                if (handlers[i].call == call->slot->notif.data.nr) {
                        handlers[i].handle(call);
                        return;
                }
        (void) call_fail(call, -ENOSYS);
}

int switch_init(Switch *sw, sd_event *event, Directory *directory, int calls_fd, FdQueue delivery,
                const SwitchHooks *hooks, void *userdata) {
        int r;

        *sw = (Switch){
                .event = event,
                .directory = directory,
                .hooks = hooks,
                .userdata = userdata,
                .pid = getpid(),
                /* Unique also against those of an earlier daemon of this boot. */
                .next_pending = now_usec(CLOCK_BOOTTIME),
                .accept_watch.epoll = -EBADF,
                .dialed_watch.epoll = -EBADF,
                .outside_epoll = -EBADF,
                .views = calls_fd >= 0, /* an earlier daemon's */
                .listeners_per_trap_max = LISTENERS_PER_TRAP_MAX,
        };
        r = calls_new(calls_fd, &sw->calls);
        if (r >= 0)
                r = delivery_new(delivery, &sw->delivery);
        else
                fd_queue_close(&delivery);
        if (r >= 0)
                r = epoll_helper_new(&sw->epoll);
        if (r >= 0)
                r = worker_new(&sw->worker);
        if (r >= 0)
                r = deadline_init();
        if (r >= 0)
                r = listeners_init(sw);
        if (r >= 0)
                r = pendings_init(sw);
        if (r >= 0)
                r = outside_init(sw);
        if (r < 0)
                return r;
        return 0;
}

void switch_done(Switch *sw) {
        assert(!sw->listeners && !sw->traps);
        sw->pause_timer = sd_event_source_disable_unref(sw->pause_timer);
        listeners_done(sw);
        pendings_done(sw);
        outside_done(sw);
        sw->dialer = dialer_free(sw->dialer);
        sw->delivery = delivery_free(sw->delivery);
        sw->worker = worker_free(sw->worker);
        sw->epoll = epoll_helper_free(sw->epoll);
        sw->calls = calls_free(sw->calls);
}

void switch_leave(Switch *sw) {
        Trap *trap, *tmp;

        sw->leaving = true;
        HASH_ITER(hh, sw->traps, trap, tmp)
                while (trap->calls)
                        call_drop(trap->calls);
}

Trap *switch_find_trap(Switch *sw, uint64_t number) {
        Trap *trap;

        HASH_FIND(hh, sw->traps, &number, sizeof(number), trap);
        return trap;
}

Filter *switch_find_filter(Switch *sw, uint64_t number) {
        Filter *filter;

        HASH_FIND(hh, sw->filters, &number, sizeof(number), filter);
        return filter;
}

static Filter *find_filter(uint64_t number, void *userdata) {
        return switch_find_filter(userdata, number);
}

static void resume_call(Call *call) {
        if (notify_is_valid(call->filter->notify_fd, call->slot->notif.id))
                dispatch_call(call);
        else
                call_drop(call);
}

void switch_resume(Switch *sw) {
        delivery_resume(sw);
        calls_resume(sw->calls, find_filter, resume_call, sw);
}

static void start_pause_timer(Switch *sw);

/* Parked calls of threads that are dead or were interrupted: nobody told us. */
static void sweep_calls(Trap *trap) {
        Call *call, *tmp;

        DL_FOREACH_SAFE2(trap->calls, call, tmp, trap_next)
                if (!notify_is_valid(call->filter->notify_fd, call->slot->notif.id))
                        call_drop(call);
}

/*
 * Whether one more call of the app may be under way. The last quarter is kept
 * for those that have few, so that no app can stop the others.
 */
static bool has_room(const Trap *trap) {
        return trap->n_calls < CALLS_FEW ||
                        (trap->n_calls < CALLS_PER_TRAP_MAX && trap->sw->n_calls < CALLS_MAX - CALLS_RESERVE);
}

static int on_pause_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Switch *sw = userdata;
        Trap *trap, *tmp;

        sw->pause_timer = sd_event_source_disable_unref(sw->pause_timer);
        HASH_ITER(hh, sw->traps, trap, tmp)
                sweep_calls(trap);
        switch_unpause(sw);
        if (sw->n_paused > 0)
                start_pause_timer(sw);
        return 0;
}

static void start_pause_timer(Switch *sw) {
        if (!sw->pause_timer)
                (void) sd_event_add_time_relative(sw->event, &sw->pause_timer, CLOCK_MONOTONIC, PAUSE_USEC, 0,
                                                  on_pause_timer, sw);
}

static void enable_filters(Trap *trap, int enabled) {
        Filter *filter;

        DL_FOREACH(trap->filters, filter) {
                hot_forget(filter);
                (void) sd_event_source_set_enabled(filter->source, enabled);
        }
}

/* Not received from until there is room: the calls wait in the kernel, where they cost us nothing. */
static void trap_pause(Trap *trap) {
        enable_filters(trap, SD_EVENT_OFF);
        if (trap->paused)
                return;
        trap->paused = true;
        trap->sw->n_paused++;
        start_pause_timer(trap->sw);
}

void switch_unpause(Switch *sw) {
        Trap *trap, *tmp;

        HASH_ITER(hh, sw->traps, trap, tmp) {
                if (!trap->paused || !has_room(trap))
                        continue;
                trap->paused = false;
                sw->n_paused--;
                enable_filters(trap, SD_EVENT_ON);
        }
}

static Filter *filter_free(Filter *filter) {
        Call *call, *tmp;

        DL_FOREACH_SAFE2(filter->trap->calls, call, tmp, trap_next)
                if (call->filter == filter)
                        call_drop(call);
        hot_forget(filter);
        DL_DELETE(filter->trap->filters, filter);
        HASH_DELETE(hh, filter->trap->sw->filters, filter);
        sd_event_source_disable_unref(filter->source);
        safe_close(filter->notify_fd);
        free(filter);
        return NULL;
}

/* No task has the filter any more. What they left in the queue is void. */
static void filter_end(Filter *filter) {
        Trap *trap = filter->trap;
        uint64_t number = filter->number;

        filter_free(filter);
        trap->sw->hooks->filter_ended(trap, number, trap->sw->userdata);
}

/* Receives a call and serves it. */
static void serve_one(Filter *filter) {
        Trap *trap = filter->trap;
        Switch *sw = trap->sw;
        Call *call;
        int r;

        call = has_room(trap) ? calls_take(sw->calls, filter) : NULL;
        if (!call) {
                trap_pause(trap);
                return;
        }
        r = notify_receive(filter->notify_fd, &call->slot->notif);
        if (r < 0) {
                call_drop(call);
                if (r != -ENOENT)
                        app_log_debug(r, trap->party->id, "%s: failed to receive a call, ignoring: %m", trap->party->id);
                return;
        }
        sw->n_traps++;
        dispatch_call(call);
}

static void filter_serve(Filter *filter, uint32_t revents) {
        if (revents & EPOLLHUP)
                filter_end(filter);
        else if (revents & EPOLLIN) {
                hot_note(filter);
                serve_one(filter);
        }
}

static bool more_calls_wait(const Filter *filter) {
        struct pollfd p = { .fd = filter->notify_fd, .events = POLLIN };

        return poll(&p, 1, 0) > 0 && (p.revents & POLLIN);
}

/* Of one that is not hot, as many as the hot ones together have in a turn: only one source of the event loop is served in each. */
static int filter_on_notify(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Filter *filter = userdata;
        Switch *sw = filter->trap->sw;
        const uint64_t number = filter->number;

        for (unsigned i = 0; i < HOT_MAX; i++) {
                filter_serve(filter, revents);
                filter = switch_find_filter(sw, number);
                if (!filter || filter->trap->paused || hot_is(filter) || !more_calls_wait(filter))
                        break;
        }
        return 0;
}

int switch_turn(Switch *sw, int prepared, uint64_t *ret_begin) {
        int r = prepared;

        hot_wait(sw, sd_event_get_fd(sw->event), prepared == 0);
        if (prepared == 0)
                r = sd_event_wait(sw->event, 0);
        *ret_begin = now_usec(CLOCK_MONOTONIC);
        if (r >= 0)
                hot_dispatch(sw, filter_serve);
        return r;
}

int trap_new(Switch *sw, Party *party, uint64_t number, int member_fd, void *userdata, Trap **ret) {
        Trap *trap;

        trap = calloc(1, sizeof(*trap));
        if (!trap)
                return -ENOMEM;
        trap->sw = sw;
        trap->party = party;
        trap->number = number;
        trap->member_fd = member_fd;
        trap->spool = FD_QUEUE_NONE;
        trap->userdata = userdata;
        /* Instances of one identity begin their search for ports in different places. */
        trap->next_port = (uint32_t) number * 2999;
        for (size_t i = 0; i < PIDFD_CACHE_SIZE; i++)
                trap->pidfds[i].fd = -EBADF;
        for (size_t i = 0; i < FDINFO_CACHE_SIZE; i++)
                trap->fdinfos[i].fd = -EBADF;
        HASH_ADD(hh, sw->traps, number, sizeof(trap->number), trap);
        *ret = trap;
        return 0;
}

int trap_add_filter(Trap *trap, uint64_t number, int notify_fd) {
        Filter *filter;
        int r;

        filter = calloc(1, sizeof(*filter));
        if (!filter)
                return -ENOMEM;
        *filter = (Filter){ .trap = trap, .number = number, .notify_fd = -EBADF };
        DL_APPEND(trap->filters, filter);
        HASH_ADD(hh, trap->sw->filters, number, sizeof(filter->number), filter);
        r = sd_event_add_io(trap->sw->event, &filter->source, notify_fd, EPOLLIN, filter_on_notify, filter);
        if (r >= 0 && trap->paused)
                r = sd_event_source_set_enabled(filter->source, SD_EVENT_OFF);
        if (r < 0) {
                filter_free(filter);
                return r;
        }
        notify_set_flags(notify_fd);
        filter->notify_fd = notify_fd;
        return 0;
}

Trap *trap_free(Trap *trap) {
        if (!trap)
                return NULL;
        connects_resume(trap);
        while (trap->filters)
                filter_free(trap->filters);
        while (trap->listeners)
                listener_free(trap->listeners);
        pending_forget(trap);
        dial_pool_done(&trap->pool);
        for (size_t i = 0; i < PIDFD_CACHE_SIZE; i++)
                safe_close(trap->pidfds[i].fd);
        for (size_t i = 0; i < FDINFO_CACHE_SIZE; i++)
                safe_close(trap->fdinfos[i].fd);
        if (trap->paused)
                trap->sw->n_paused--;
        HASH_DELETE(hh, trap->sw->traps, trap);
        epoll_forget(trap);
        option_memory_forget(trap);
        free(trap);
        return NULL;
}

Listener *switch_find_listener(Switch *sw, uint64_t cookie) {
        Listener *l;

        HASH_FIND(hh, sw->listeners, &cookie, sizeof(cookie), l);
        return l;
}

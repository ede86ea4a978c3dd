/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/epoll.h>

#include "basic/fd.h"
#include "basic/watch-set.h"

static int on_io(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        WatchSet *set = userdata;
        struct epoll_event event;

        /* One at a time: what is done about it can be the end of others. */
        if (epoll_wait(fd, &event, 1, 0) > 0)
                set->ready(event.data.ptr);
        return 0;
}

int watch_set_init(WatchSet *set, sd_event *event, void (*ready)(void *userdata)) {
        *set = (WatchSet){ .epoll = epoll_create1(EPOLL_CLOEXEC), .ready = ready };
        if (set->epoll < 0)
                return -errno;
        return sd_event_add_io(event, &set->source, set->epoll, EPOLLIN, on_io, set);
}

void watch_set_done(WatchSet *set) {
        set->source = sd_event_source_disable_unref(set->source);
        set->epoll = safe_close(set->epoll);
}

int watch_set_add(WatchSet *set, int fd, uint32_t events, void *userdata) {
        struct epoll_event event = { .events = events, .data.ptr = userdata };

        return epoll_ctl(set->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

void watch_set_remove(WatchSet *set, int fd) {
        (void) epoll_ctl(set->epoll, EPOLL_CTL_DEL, fd, NULL);
}

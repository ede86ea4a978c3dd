/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Many descriptors watched for one purpose: a source of sd-event for each would
 * cost memory and time that an epoll(7) set in a set does not.
 */

#include <systemd/sd-event.h>
#include "basic/macro.h"

typedef struct WatchSet {
        int epoll; /* -EBADF before watch_set_init() */
        sd_event_source *source;
        void (*ready)(void *userdata);
} WatchSet;

/*
 * `ready` is called with what was added with the descriptor: in each turn of
 * the loop for one that is ready. Returns 0 or a negative errno.
 */
int watch_set_init(WatchSet *set, sd_event *event, void (*ready)(void *userdata));
void watch_set_done(WatchSet *set);

/*
 * Adds a descriptor, for events of epoll_ctl(2). It is to be removed before it
 * is closed, if others have its file, too. Returns 0 or a negative errno.
 */
int watch_set_add(WatchSet *set, int fd, uint32_t events, void *userdata);
void watch_set_remove(WatchSet *set, int fd);

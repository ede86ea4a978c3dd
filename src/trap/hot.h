/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The few filters whose apps make calls just now. The loop waits for them by
 * poll(2) instead of epoll(7): the kernel's synchronous wake-up
 * (notify_set_flags()) gets lost in a set of epoll, and comes through poll, so
 * that the loop runs at once and where the app has just gone to sleep. To wake
 * another processor takes longer than all that is done for a call.
 *
 * A filter that had a call a short while ago becomes hot with the next one, and
 * cools down when others have had theirs for long; an app with many filters can have half of the
 * places. Those that are not hot are sources of the event loop, as anything else.
 */

#include "trap/switch.h"

/*
 * Waits until a hot filter has a call, or `event_fd` (sd_event_get_fd(3)) something to do; or looks only. To be called between
 * sd_event_prepare(3) and sd_event_wait(3).
 */
void hot_wait(Switch *sw, int event_fd, bool wait);

/* Serves those that were found to have calls by that. */
void hot_dispatch(Switch *sw, void (*serve)(Filter *filter, uint32_t revents));

/* The filter had a call. */
void hot_note(Filter *filter);

bool hot_is(const Filter *filter);

/* It is not to be waited for any more; whether as a source of the event loop is the caller's business. */
void hot_forget(Filter *filter);

/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <poll.h>

#include "trap/hot.h"

/* A turn is one wait of the loop. */
enum {
        WARM_TURNS = 256,    /* since the call before, for a filter to become hot */
        COLD_TURNS = 4096,   /* without a call, until it is not any more */
        LOOK_TURNS = 256,    /* how often that is looked for */
        STAY_TURNS = 64,     /* that nobody takes its place */
        CALLS_HOT_MAX = 64,  /* under way: the kernel looks at each of them whenever it is asked for the next one */
};

void hot_forget(Filter *filter) {
        Switch *sw = filter->trap->sw;

        for (size_t i = 0; i < HOT_MAX; i++)
                if (sw->hot[i] == filter)
                        sw->hot[i] = NULL;
}

/* Returns whether it is not hot any more: a filter that nobody waits for would leave its app waiting for ever. */
static bool cool(Filter *filter) {
        if (sd_event_source_set_enabled(filter->source, SD_EVENT_ON) < 0)
                return false;
        hot_forget(filter);
        return true;
}

bool hot_is(const Filter *filter) {
        for (size_t i = 0; i < HOT_MAX; i++)
                if (filter->trap->sw->hot[i] == filter)
                        return true;
        return false;
}

static void cool_old(Switch *sw) {
        for (size_t i = 0; i < HOT_MAX; i++)
                if (sw->hot[i] && sw->turn - sw->hot[i]->last_turn > COLD_TURNS)
                        (void) cool(sw->hot[i]);
}

/* A free place, or that of who has been hot for long enough: where there are more than places they take turns. */
static Filter **find_place(Switch *sw, const Trap *trap) {
        Filter **oldest = NULL, **free_one = NULL;
        size_t n = 0;

        for (size_t i = 0; i < HOT_MAX; i++) {
                if (!sw->hot[i]) {
                        free_one = &sw->hot[i];
                        continue;
                }
                n += sw->hot[i]->trap == trap;
                if (!oldest || sw->hot[i]->hot_since < (*oldest)->hot_since)
                        oldest = &sw->hot[i];
        }
        if (n >= HOT_MAX / 2)
                return NULL;
        if (free_one)
                return free_one;
        return sw->turn - (*oldest)->hot_since >= STAY_TURNS && cool(*oldest) ? oldest : NULL;
}

void hot_note(Filter *filter) {
        Switch *sw = filter->trap->sw;
        const bool warm = filter->last_turn != 0 && sw->turn - filter->last_turn <= WARM_TURNS;
        Filter **place;

        filter->last_turn = sw->turn;
        if (hot_is(filter)) {
                if (filter->trap->n_calls > CALLS_HOT_MAX)
                        (void) cool(filter);
                return;
        }
        if (!warm || filter->trap->n_calls > CALLS_HOT_MAX)
                return;
        place = find_place(sw, filter->trap);
        if (!place || sd_event_source_set_enabled(filter->source, SD_EVENT_OFF) < 0)
                return;
        filter->hot_since = sw->turn;
        *place = filter;
}

void hot_wait(Switch *sw, int event_fd, bool wait) {
        struct pollfd fds[1 + HOT_MAX] = { { .fd = event_fd, .events = POLLIN } };
        size_t which[1 + HOT_MAX], n = 1;

        if (++sw->turn % LOOK_TURNS == 0)
                cool_old(sw);
        for (size_t i = 0; i < HOT_MAX; i++) {
                sw->hot_events[i] = 0;
                if (!sw->hot[i])
                        continue;
                fds[n] = (struct pollfd){ .fd = sw->hot[i]->notify_fd, .events = POLLIN };
                which[n++] = i;
        }
        if (poll(fds, n, wait ? -1 : 0) <= 0)
                return;
        for (size_t i = 1; i < n; i++)
                sw->hot_events[which[i]] = (uint32_t) fds[i].revents;
}

void hot_dispatch(Switch *sw, void (*serve)(Filter *filter, uint32_t revents)) {
        /* To serve one can be the end of another one. */
        for (size_t i = 0; i < HOT_MAX; i++)
                if (sw->hot_events[i] != 0 && sw->hot[i])
                        serve(sw->hot[i], sw->hot_events[i]);
}

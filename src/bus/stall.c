/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "basic/log.h"
#include "bus/stall.h"

/* The bus is asked for a sign of life so often, and has so long for it. */
#define PING_USEC (5 * USEC_PER_SEC)
#define ANSWER_USEC (20 * USEC_PER_SEC)

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Manager *manager = userdata;

        /* Any answer is a good one but that which sd-bus makes when there is none in time. */
        if (sd_bus_is_open(manager->bus) <= 0)
                return 0;
        if (!sd_bus_message_is_method_error(m, SD_BUS_ERROR_NO_REPLY) && !sd_bus_message_is_method_error(m, SD_BUS_ERROR_TIMEOUT))
                return 0;
        log_warning("The system bus takes nothing from us any more: most likely somebody who subscribed to our signals does not read them, and the bus keeps them. Giving up this connection.");
        sd_bus_close(manager->bus);
        return 0;
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        Manager *m = userdata;

        if (sd_bus_message_new_method_call(m->bus, &call, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                           "org.freedesktop.DBus", "GetId") >= 0)
                (void) sd_bus_call_async(m->bus, NULL, call, on_answer, m, ANSWER_USEC);
        (void) sd_event_source_set_time_relative(s, PING_USEC);
        return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

int stall_watch(Manager *m) {
        sd_event_source *source;
        int r;

        r = sd_event_add_time_relative(m->event, &source, CLOCK_MONOTONIC, PING_USEC, USEC_PER_SEC, on_timer, m);
        if (r < 0)
                return r;
        (void) sd_event_source_set_floating(source, true);
        sd_event_source_unref(source);
        return 0;
}

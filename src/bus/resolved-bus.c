/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

#include "basic/clock.h"
#include "bus/caller.h"
#include "bus/resolved-bus.h"
#include "core/errors.h"

/* The app by its id: it can end before it is known who asks. */
typedef struct Question {
        Manager *manager;
        char *id;
} Question;

static void question_free(void *p) {
        Question *q = p;

        free(q->id);
        free(q);
}

static int append_permits(sd_bus_message *reply, const Permits *permits) {
        const uint64_t now = now_usec(CLOCK_MONOTONIC), real = now_usec(CLOCK_REALTIME);
        char address[ADDRESS_STRING_MAX];
        int r;

        r = sd_bus_message_open_container(reply, 'a', "(sst)");
        for (size_t i = 0; r >= 0 && i < permits->n; i++) {
                const Permit *p = &permits->list[i];

                if (p->until > now)
                        r = sd_bus_message_append(reply, "(sst)", p->name, address_format(&p->address, address),
                                                  real + (p->until - now));
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static void list_identified(sd_bus_message *m, const Caller *caller, void *userdata) {
        const Question *q = userdata;
        const App *app = manager_find_app(q->manager, q->id);
        sd_bus_message *reply = NULL;
        int r;

        if (!app) {
                (void) sd_bus_reply_method_errorf(m, ERROR_NO_SUCH_APP, "There is no app '%s'", q->id);
                return;
        }
        if (caller->uid != 0 && caller->uid != app->uid && caller->uid != app->owner_uid) {
                (void) sd_bus_reply_method_errorf(m, SD_BUS_ERROR_ACCESS_DENIED,
                                                  "What names resolved to for app %s is told to its own user and to root", app->id);
                return;
        }
        feed_drain(q->manager->feed);
        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = append_permits(reply, &app->party.permits);
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);
        sd_bus_message_unref(reply);
        if (r < 0)
                (void) sd_bus_reply_method_errnof(m, -r, "Failed to list addresses: %s", strerror(-r));
}

int resolved_bus_list(App *app, sd_bus_message *m) {
        Question *q = calloc(1, sizeof(*q));
        int r;

        if (!q)
                return -ENOMEM;
        *q = (Question){ .manager = app->manager, .id = strdup(app->id) };
        if (!q->id) {
                free(q);
                return -ENOMEM;
        }
        r = caller_identify(m, list_identified, q, question_free);
        return r < 0 ? r : 1;
}

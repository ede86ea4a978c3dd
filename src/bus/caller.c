/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>
#include <utlist.h>

#include "basic/log.h"
#include "basic/macro.h"
#include "bus/caller.h"
#include "core/errors.h"

/* A person may take his time to type a password. */
#define POLKIT_TIMEOUT_USEC (10 * 60 * USEC_PER_SEC)

enum { ASKED_MAX = 8 }; /* of one user, put to polkit at a time */

typedef enum QueryState {
        QUERY_ELSEWHERE, /* not in the list */
        QUERY_QUEUED,
        QUERY_ASKED, /* polkit has it */
} QueryState;

typedef struct Query {
        sd_bus_message *message;
        Caller caller;
        const char *action;
        CallerCallback callback;
        void *userdata;
        sd_bus_destroy_t destroy;

        /* For polkit: */
        QueryState state;
        sd_bus_message *call; /* until it is sent */
        size_t size;
        struct Query *prev, *next;
} Query;

/*
 * A user may have polkit wait for him for minutes: an agent that does not
 * answer is enough. So what waits is bounded for each user. Few of his are put
 * to polkit at a time, because the bus, too, bounds how many answers one
 * connection may wait for (max_replies_per_connection, 128), and others need
 * some of these; the next one follows when one is answered.
 */
static Query *waiting;

static void send_next(uid_t uid);

static void query_free(void *p) {
        Query *q = p;
        const QueryState state = q->state;
        const uid_t uid = q->caller.uid;

        if (state != QUERY_ELSEWHERE)
                DL_DELETE(waiting, q);
        sd_bus_message_unref(q->call);
        if (q->destroy)
                q->destroy(q->userdata);
        sd_bus_message_unref(q->message);
        free(q);
        if (state == QUERY_ASKED)
                send_next(uid);
}

static Query *query_new(sd_bus_message *m, CallerCallback callback, void *userdata, sd_bus_destroy_t destroy) {
        Query *q = calloc(1, sizeof(*q));

        if (!q) {
                if (destroy)
                        destroy(userdata);
                return NULL;
        }
        q->message = sd_bus_message_ref(m);
        q->callback = callback;
        q->userdata = userdata;
        q->destroy = destroy;
        return q;
}

/* Sends the call and lets the query live until its answer. */
static int query_send(sd_bus_message *call, Query *q, sd_bus_message_handler_t on_reply, uint64_t timeout) {
        sd_bus_slot *slot = NULL;
        int r;

        r = sd_bus_call_async(sd_bus_message_get_bus(call), &slot, call, on_reply, q, timeout);
        if (r < 0) {
                query_free(q);
                return r;
        }
        (void) sd_bus_slot_set_destroy_callback(slot, query_free);
        (void) sd_bus_slot_set_floating(slot, true);
        sd_bus_slot_unref(slot);
        return 0;
}

static int read_credentials(sd_bus_message *reply, Caller *ret) {
        bool has_uid = false;
        const char *key;
        uint32_t v;
        int r;

        *ret = (Caller){};
        r = sd_bus_message_enter_container(reply, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
                r = sd_bus_message_read(reply, "s", &key);
                if (r >= 0 && strcmp(key, "UnixUserID") == 0) {
                        r = sd_bus_message_read(reply, "v", "u", &v);
                        ret->uid = v;
                        has_uid = true;
                } else if (r >= 0 && strcmp(key, "ProcessID") == 0) {
                        r = sd_bus_message_read(reply, "v", "u", &v);
                        ret->pid = (pid_t) v;
                } else if (r >= 0)
                        r = sd_bus_message_skip(reply, "v");
                if (r >= 0)
                        r = sd_bus_message_exit_container(reply);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : has_uid ? 0 : -ENODATA;
}

static int on_credentials(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        Query *q = userdata;
        Caller caller;

        /* Gone meanwhile: there is nobody to answer. */
        if (sd_bus_message_is_method_error(reply, NULL))
                return 0;
        if (read_credentials(reply, &caller) < 0)
                return sd_bus_reply_method_errorf(q->message, SD_BUS_ERROR_ACCESS_DENIED,
                                                  "The bus does not tell who called");
        q->callback(q->message, &caller, q->userdata);
        return 0;
}

int caller_identify(sd_bus_message *m, CallerCallback callback, void *userdata, sd_bus_destroy_t destroy) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        Query *q;
        int r;

        q = query_new(m, callback, userdata, destroy);
        if (!q)
                return -ENOMEM;
        r = sd_bus_message_new_method_call(sd_bus_message_get_bus(m), &call, "org.freedesktop.DBus",
                                           "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                           "GetConnectionCredentials");
        if (r >= 0)
                r = sd_bus_message_append(call, "s", sd_bus_message_get_sender(m));
        if (r < 0) {
                query_free(q);
                return r;
        }
        return query_send(call, q, on_credentials, 0);
}

static int on_authorization(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        int authorized = 0, challenge = 0;
        Query *q = userdata;

        if (sd_bus_message_is_method_error(reply, NULL)) {
                log_debug("polkit failed to decide about %s: %s", q->action,
                          sd_bus_message_get_error(reply)->message);
                return sd_bus_reply_method_errorf(q->message, SD_BUS_ERROR_ACCESS_DENIED,
                                                  "Not authorized: polkit is not available to decide about %s",
                                                  q->action);
        }
        if (sd_bus_message_enter_container(reply, 'r', "bba{ss}") < 0 ||
            sd_bus_message_read(reply, "bb", &authorized, &challenge) < 0)
                authorized = challenge = 0;
        if (authorized) {
                q->callback(q->message, &q->caller, q->userdata);
                return 0;
        }
        if (challenge && !sd_bus_message_get_allow_interactive_authorization(q->message))
                return sd_bus_reply_method_errorf(q->message, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
                                                  "Not authorized without a password (polkit action %s)",
                                                  q->action);
        return sd_bus_reply_method_errorf(q->message, SD_BUS_ERROR_ACCESS_DENIED,
                                          "Not authorized (polkit action %s)", q->action);
}

static int append_polkit_arguments(sd_bus_message *call, sd_bus_message *m, const char *action,
                                   const char *const *details) {
        int r;

        r = sd_bus_message_append(call, "(sa{sv})s", "system-bus-name", 1, "name", "s",
                                  sd_bus_message_get_sender(m), action);
        if (r >= 0)
                r = sd_bus_message_open_container(call, 'a', "{ss}");
        for (; r >= 0 && details && details[0]; details += 2)
                r = sd_bus_message_append(call, "{ss}", details[0], details[1]);
        if (r >= 0)
                r = sd_bus_message_close_container(call);
        if (r >= 0)
                r = sd_bus_message_append(
                                call, "us",
                                (uint32_t) (sd_bus_message_get_allow_interactive_authorization(m) > 0), "");
        return r;
}

static bool may_wait(uid_t uid, size_t size) {
        size_t n = 1;
        Query *q;

        DL_FOREACH(waiting, q)
                if (q->caller.uid == uid) {
                        n++;
                        size += q->size;
                }
        return n <= CALLER_WAITING_MAX && size <= CALLER_WAITING_SIZE_MAX;
}

/* Puts the user's next query to polkit, if there is one and not too many are there. */
static void send_next(uid_t uid) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL, *call = NULL;
        Query *q, *next = NULL;
        unsigned n = 0;
        int r;

        DL_FOREACH(waiting, q) {
                if (q->caller.uid != uid)
                        continue;
                n += q->state == QUERY_ASKED;
                if (!next && q->state == QUERY_QUEUED)
                        next = q;
        }
        if (!next || n >= ASKED_MAX)
                return;
        next->state = QUERY_ASKED;
        message = sd_bus_message_ref(next->message);
        call = TAKE_PTR(next->call);
        r = query_send(call, next, on_authorization, POLKIT_TIMEOUT_USEC);
        if (r < 0)
                (void) sd_bus_reply_method_errnof(message, -r, "Failed to ask polkit: %s", strerror(-r));
}

int caller_authorize(sd_bus_message *m, const Caller *caller, const char *action, size_t size,
                     const char *const *details, CallerCallback callback, void *userdata, sd_bus_destroy_t destroy) {
        Query *q;
        int r;

        q = query_new(m, callback, userdata, destroy);
        if (!q)
                return -ENOMEM;
        q->caller = *caller;
        q->action = action;
        if (caller->uid == 0) {
                callback(m, caller, userdata);
                query_free(q);
                return 0;
        }
        if (!may_wait(caller->uid, size)) {
                query_free(q);
                return sd_bus_reply_method_errorf(m, ERROR_LIMIT_REACHED,
                                                  "Too many calls of user %u wait for their authorization already",
                                                  caller->uid);
        }
        r = sd_bus_message_new_method_call(sd_bus_message_get_bus(m), &q->call, "org.freedesktop.PolicyKit1",
                                           "/org/freedesktop/PolicyKit1/Authority",
                                           "org.freedesktop.PolicyKit1.Authority", "CheckAuthorization");
        if (r >= 0)
                r = append_polkit_arguments(q->call, m, action, details);
        if (r < 0) {
                query_free(q);
                return r;
        }
        q->size = size;
        q->state = QUERY_QUEUED;
        DL_APPEND(waiting, q);
        send_next(caller->uid);
        return 0;
}

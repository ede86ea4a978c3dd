/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "basic/log.h"
#include "basic/macro.h"
#include "bus/caller.h"
#include "core/errors.h"

/* A person may take his time to type a password. */
#define POLKIT_TIMEOUT_USEC (10 * 60 * USEC_PER_SEC)

#define POLKIT "org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority", "org.freedesktop.PolicyKit1.Authority"

enum { ASKED_MAX = 8 }; /* of one user, put to polkit at a time */

/* What CheckAuthorization() takes as flags. */
enum {
        POLKIT_NO_INTERACTION = 0,
        POLKIT_ALLOW_INTERACTION = 1,
};

/* One action of those that a call needs. */
typedef struct Step {
        const char *action;
        char *what; /* for the error; or NULL */
        sd_bus_message *check, *prompt; /* until they are sent; the latter only if the caller may be asked */
        bool challenged; /* a password would do */
} Step;

typedef struct Query {
        sd_bus_message *message;
        Caller caller;
        CallerCallback callback;
        void *userdata;
        sd_bus_destroy_t destroy;

        /* For polkit: */
        bool listed, asked; /* in the list; and polkit has it */
        bool prompting;     /* somebody is asked for a password */
        char cancellation[32];
        Step steps[CALLER_ACTIONS_MAX];
        size_t n_steps, at;
        sd_bus_slot *call, *vanished;
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

/* Nobody is to be asked any more for what nobody waits for. */
static void query_cancel(const Query *q) {
        (void) sd_bus_call_method_async(sd_bus_message_get_bus(q->message), NULL, POLKIT, "CancelCheckAuthorization",
                                        NULL, NULL, "s", q->cancellation);
}

static void query_free(void *p) {
        Query *q = p;
        const uid_t uid = q->caller.uid;
        const bool asked = q->asked;

        if (q->listed)
                DL_DELETE(waiting, q);
        if (q->call && q->prompting)
                query_cancel(q);
        sd_bus_slot_unref(q->call);
        sd_bus_slot_unref(q->vanished);
        for (size_t i = 0; i < q->n_steps; i++) {
                sd_bus_message_unref(q->steps[i].check);
                sd_bus_message_unref(q->steps[i].prompt);
                free(q->steps[i].what);
        }
        if (q->destroy)
                q->destroy(q->userdata);
        sd_bus_message_unref(q->message);
        free(q);
        if (asked)
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
        sd_bus_slot *slot = NULL;
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
        r = sd_bus_call_async(sd_bus_message_get_bus(m), &slot, call, on_credentials, q, 0);
        if (r < 0) {
                query_free(q);
                return r;
        }
        /* It lives until the answer, or the bus, is gone. */
        (void) sd_bus_slot_set_destroy_callback(slot, query_free);
        (void) sd_bus_slot_set_floating(slot, true);
        sd_bus_slot_unref(slot);
        return 0;
}

static int query_go_on(Query *q);

/* "Not authorized to join zone=web without a password (polkit action io.appswitch1.join-tag)" */
static void query_refuse(Query *q, const Step *step, bool password) {
        (void) sd_bus_reply_method_errorf(q->message,
                                          password ? SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED : SD_BUS_ERROR_ACCESS_DENIED,
                                          "Not authorized%s%s%s (polkit action %s)", step->what ? " " : "",
                                          step->what ?: "", password ? " without a password" : "", step->action);
        query_free(q);
}

static void query_fail(Query *q, int r) {
        (void) sd_bus_reply_method_errnof(q->message, -r, "Failed to ask polkit: %s", strerror(-r));
        query_free(q);
}

static void query_act(Query *q) {
        q->callback(q->message, &q->caller, q->userdata);
        query_free(q);
}

static int on_decision(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        int authorized = 0, challenge = 0, r;
        Query *q = userdata;
        Step *step = &q->steps[q->at];

        if (sd_bus_message_is_method_error(reply, NULL)) {
                log_debug("polkit failed to decide about %s: %s", step->action,
                          sd_bus_message_get_error(reply)->message);
                (void) sd_bus_reply_method_errorf(q->message, SD_BUS_ERROR_ACCESS_DENIED,
                                                  "Not authorized: polkit is not available to decide about %s",
                                                  step->action);
                /* With the call still there: if it was we who did not want to wait longer, nobody is asked on. */
                query_free(q);
                return 0;
        }
        q->call = sd_bus_slot_unref(q->call);
        if (sd_bus_message_enter_container(reply, 'r', "bba{ss}") < 0 ||
            sd_bus_message_read(reply, "bb", &authorized, &challenge) < 0)
                authorized = challenge = 0;
        if (!authorized && (q->prompting || !challenge)) {
                query_refuse(q, step, false);
                return 0;
        }
        /* Who was asked for the strictest need not be asked for the others. */
        if (q->prompting) {
                query_act(q);
                return 0;
        }
        step->challenged = !authorized;
        q->at++;
        r = query_go_on(q);
        if (r < 0)
                query_fail(q, r);
        return 0;
}

/*
 * The caller left the bus. polkit tells the agent so by itself, but would
 * answer us only when the agent does, which it may never do.
 */
static int on_vanished(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        query_free(userdata);
        return 0;
}

/* The bus may refuse (max_match_rules_per_connection). Without this sd-bus would give up the connection then. */
static int on_watched(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        if (sd_bus_message_is_method_error(m, NULL))
                log_debug("Failed to watch for the end of a caller, ignoring: %s", sd_bus_message_get_error(m)->message);
        return 0;
}

static int query_watch_caller(Query *q) {
        char match[512];

        (void) snprintf(match, sizeof(match),
                        "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                        "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='%s',arg2=''",
                        sd_bus_message_get_sender(q->message));
        return sd_bus_add_match_async(sd_bus_message_get_bus(q->message), &q->vanished, match, on_vanished, on_watched, q);
}

static int query_send(Query *q, sd_bus_message **call, uint64_t timeout) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = TAKE_PTR(*call);

        return sd_bus_call_async(sd_bus_message_get_bus(q->message), &q->call, m, on_decision, q, timeout);
}

static int query_prompt(Query *q) {
        int r;

        r = query_watch_caller(q);
        if (r < 0)
                return r;
        q->prompting = true;
        return query_send(q, &q->steps[q->at].prompt, POLKIT_TIMEOUT_USEC);
}

/*
 * All are checked before anybody is asked for a password: he would be asked in
 * vain if another one is refused. Then one is prompted for, if any has to be.
 * Returns a negative errno if the query is still there and cannot go on.
 */
static int query_go_on(Query *q) {
        if (q->n_steps == 1 && q->at == 0 && q->steps[0].prompt)
                return query_prompt(q);
        if (q->at < q->n_steps)
                return query_send(q, &q->steps[q->at].check, POLKIT_TIMEOUT_USEC);
        for (q->at = 0; q->at < q->n_steps; q->at++)
                if (q->steps[q->at].challenged) {
                        if (q->steps[q->at].prompt)
                                return query_prompt(q);
                        query_refuse(q, &q->steps[q->at], true);
                        return 0;
                }
        query_act(q);
        return 0;
}

static int new_check(Query *q, const CallerAction *action, uint32_t flags, sd_bus_message **ret) {
        const char *const *d = action->details;
        sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_method_call(sd_bus_message_get_bus(q->message), &m, POLKIT, "CheckAuthorization");
        if (r < 0)
                return r;
        *ret = m;
        r = sd_bus_message_append(m, "(sa{sv})s", "system-bus-name", 1, "name", "s",
                                  sd_bus_message_get_sender(q->message), action->action);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "{ss}");
        for (; r >= 0 && d && d[0]; d += 2)
                r = sd_bus_message_append(m, "{ss}", d[0], d[1]);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = sd_bus_message_append(m, "us", flags, flags == POLKIT_ALLOW_INTERACTION ? q->cancellation : "");
        return r;
}

static int query_add_step(Query *q, const CallerAction *action) {
        Step *step = &q->steps[q->n_steps++];
        int r;

        step->action = action->action;
        if (action->what) {
                step->what = strdup(action->what);
                if (!step->what)
                        return -ENOMEM;
        }
        r = new_check(q, action, POLKIT_NO_INTERACTION, &step->check);
        if (r >= 0 && sd_bus_message_get_allow_interactive_authorization(q->message) > 0)
                r = new_check(q, action, POLKIT_ALLOW_INTERACTION, &step->prompt);
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
        Query *q, *next = NULL;
        unsigned n = 0;
        int r;

        DL_FOREACH(waiting, q) {
                if (q->caller.uid != uid)
                        continue;
                n += q->asked;
                if (!next && !q->asked)
                        next = q;
        }
        if (!next || n >= ASKED_MAX)
                return;
        next->asked = true;
        r = query_go_on(next);
        if (r < 0)
                query_fail(next, r);
}

int caller_authorize_all(sd_bus_message *m, const Caller *caller, const CallerAction *actions, size_t n_actions,
                         size_t size, CallerCallback callback, void *userdata, sd_bus_destroy_t destroy) {
        static uint64_t number;
        Query *q;
        int r = 0;

        assert(n_actions <= CALLER_ACTIONS_MAX);
        q = query_new(m, callback, userdata, destroy);
        if (!q)
                return -ENOMEM;
        q->caller = *caller;
        if (caller->uid == 0 || n_actions == 0) {
                query_act(q);
                return 0;
        }
        if (!may_wait(caller->uid, size)) {
                query_free(q);
                return sd_bus_reply_method_errorf(m, ERROR_LIMIT_REACHED,
                                                  "Too many calls of user %u wait for their authorization already",
                                                  caller->uid);
        }
        (void) snprintf(q->cancellation, sizeof(q->cancellation), "appswitch-%" PRIu64, ++number);
        for (size_t i = 0; r >= 0 && i < n_actions; i++)
                r = query_add_step(q, &actions[i]);
        if (r < 0) {
                query_free(q);
                return r;
        }
        q->size = size;
        q->listed = true;
        DL_APPEND(waiting, q);
        send_next(caller->uid);
        return 0;
}

int caller_authorize(sd_bus_message *m, const Caller *caller, const char *action, size_t size,
                     const char *const *details, CallerCallback callback, void *userdata, sd_bus_destroy_t destroy) {
        return caller_authorize_all(m, caller, &(CallerAction){ .action = action, .details = details }, 1, size,
                                    callback, userdata, destroy);
}

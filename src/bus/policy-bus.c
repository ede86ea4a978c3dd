/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

#include "basic/macro.h"
#include "bus/caller.h"
#include "bus/policy-bus.h"
#include "core/app.h"
#include "core/errors.h"
#include "core/explain.h"
#include "core/policy-check.h"
#include "core/policy-load.h"

/* Of all files of one call: they are kept until polkit has answered. */
enum { TEXTS_SIZE_MAX = 4 * 1024 * 1024 };

#define ACTION_MANAGE_POLICY "io.appswitch1.manage-policy"

/* Answers with what went wrong, if anything did. */
static void reply_failure(sd_bus_message *m, int r, const char *what) {
        if (r < 0)
                (void) sd_bus_reply_method_errnof(m, -r, "Failed to %s: %s", what, strerror(-r));
}

static void reload_on_authorized(sd_bus_message *m, const Caller *caller, void *userdata) {
        _cleanup_free_ char *message = NULL;
        int r;

        r = policy_load(userdata, &message);
        if (r >= 0)
                r = sd_bus_reply_method_return(m, "");
        else if (message)
                r = sd_bus_reply_method_errorf(m, ERROR_INVALID_POLICY, "%s", message);
        reply_failure(m, r, "reload the policy");
}

static void reload_on_identified(sd_bus_message *m, const Caller *caller, void *userdata) {
        reply_failure(m,
                      caller_authorize(m, caller, ACTION_MANAGE_POLICY, 0, (const char *const[]){ "verb", "reload", NULL },
                                       reload_on_authorized, userdata, NULL),
                      "ask polkit");
}

int method_reload_policy(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        int r;

        r = caller_identify(m, reload_on_identified, userdata, NULL);
        return r < 0 ? r : 1;
}

/* Reads a(say): names and contents of files, which stay the message's. The array is to be freed. */
static int read_texts(sd_bus_message *m, PolicyText **ret, size_t *ret_n, sd_bus_error *error) {
        _cleanup_free_ PolicyText *texts = NULL;
        size_t n = 0;
        int r;

        texts = calloc(POLICY_FILES_MAX, sizeof(*texts));
        if (!texts)
                return -ENOMEM;
        r = sd_bus_message_enter_container(m, 'a', "(say)");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'r', "say")) > 0) {
                const void *data = NULL;

                if (n == POLICY_FILES_MAX)
                        return sd_bus_error_setf(error, ERROR_INVALID_ARGUMENT, "Too many files; allowed: %i",
                                                 POLICY_FILES_MAX);
                r = sd_bus_message_read(m, "s", &texts[n].name);
                if (r >= 0)
                        r = sd_bus_message_read_array(m, 'y', &data, &texts[n].size);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
                texts[n++].text = data;
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(texts);
        *ret_n = n;
        return 0;
}

static int append_problems(sd_bus_message *reply, const Policy *policy) {
        const PolicyProblem *problems;
        size_t n;
        int r;

        problems = policy_problems(policy, &n, NULL);
        r = sd_bus_message_open_container(reply, 'a', "(bsus)");
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = sd_bus_message_append(reply, "(bsus)", problems[i].is_error, problems[i].file, problems[i].line,
                                          problems[i].text);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* As name, or else as address. */
static const char *identity_text(const Identity *identity, char buf[static ADDRESS_STRING_MAX]) {
        return identity_name(identity) ?: address_format(&identity->addresses[0].address, buf);
}

typedef struct Reply {
        sd_bus_message *message;
        int r;
} Reply;

static void on_change(const PolicyChange *change, void *userdata) {
        char buf[ADDRESS_STRING_MAX];
        Reply *reply = userdata;

        if (reply->r < 0)
                return;
        reply->r = sd_bus_message_append(reply->message, "(bssqsusu)", change->allowed, change->client->id,
                                         identity_text(change->service, buf), change->port,
                                         change->was ? change->was->file : "", change->was ? change->was->line : 0,
                                         change->is ? change->is->file : "", change->is ? change->is->line : 0);
}

static int check_reply(sd_bus_message *m, Manager *manager, const Policy *policy) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
        bool complete = true;
        size_t n = 0;
        Reply reply;
        int r;

        r = sd_bus_message_new_method_return(m, &message);
        if (r >= 0)
                r = append_problems(message, policy);
        if (r >= 0)
                r = sd_bus_message_open_container(message, 'a', "(bssqsusu)");
        reply = (Reply){ message, r };
        if (r >= 0)
                r = policy_check(manager, policy, on_change, &reply, &n, &complete);
        if (r >= 0)
                r = reply.r;
        if (r >= 0)
                r = sd_bus_message_close_container(message);
        if (r >= 0)
                r = sd_bus_message_append(message, "tb", (uint64_t) n, complete);
        return r < 0 ? r : sd_bus_send(NULL, message, NULL);
}

static void check_on_authorized(sd_bus_message *m, const Caller *caller, void *userdata) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(policy_freep) Policy *policy = NULL;
        _cleanup_free_ PolicyText *texts = NULL;
        Manager *manager = userdata;
        size_t n = 0;
        int r;

        r = read_texts(m, &texts, &n, &error);
        if (sd_bus_error_is_set(&error)) {
                (void) sd_bus_reply_method_error(m, &error);
                return;
        }
        if (r >= 0)
                r = n > 0 ? policy_read_texts(NULL, texts, n, &policy) : policy_read(NULL, &policy);
        if (r >= 0)
                r = check_reply(m, manager, policy);
        reply_failure(m, r, "check the policy");
}

static void check_on_identified(sd_bus_message *m, const Caller *caller, void *userdata) {
        reply_failure(m,
                      caller_authorize(m, caller, ACTION_MANAGE_POLICY, TEXTS_SIZE_MAX,
                                       (const char *const[]){ "verb", "check", NULL }, check_on_authorized, userdata, NULL),
                      "ask polkit");
}

int method_check_policy(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_free_ PolicyText *texts = NULL;
        size_t n = 0, size = 0;
        int r;

        r = read_texts(m, &texts, &n, error);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++)
                size += strlen(texts[i].name) + texts[i].size;
        if (size > TEXTS_SIZE_MAX)
                return sd_bus_error_setf(error, ERROR_INVALID_ARGUMENT, "The files are too long; allowed: 4 MiB together");
        r = sd_bus_message_rewind(m, true);
        if (r < 0)
                return r;
        r = caller_identify(m, check_on_identified, userdata, NULL);
        return r < 0 ? r : 1;
}

int method_list_rules(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Manager *manager = userdata;
        const Rule *rules;
        size_t n;
        int r;

        rules = policy_rules(manager->policy, &n);
        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(sussssbbst)");
        for (const Rule *rule = rules; r >= 0 && rule < rules + n; rule++)
                r = sd_bus_message_append(reply, "(sussssbbst)", rule->file, rule->line, rule->from, rule->to, rule->ports,
                                          rule->allow ? "allow" : "deny", rule->log, rule->broken, rule->description,
                                          rule->counters->n_decided);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

int method_explain(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(explanation_done) Explanation e = {};
        const char *client, *service;
        Manager *manager = userdata;
        uint16_t port;
        int r;

        r = sd_bus_message_read(m, "ssq", &client, &service, &port);
        if (r < 0)
                return r;
        if (port == 0)
                return sd_bus_error_setf(error, ERROR_INVALID_ARGUMENT, "There is no port 0; allowed: 1 to 65535");
        r = explain(manager, client, service, port, &e);
        if (r == -ESRCH)
                return sd_bus_error_setf(error, ERROR_NO_SUCH_APP, "There is no app '%s'", client);
        if (r < 0)
                return r;
        return sd_bus_reply_method_return(m, "bssssussbs", e.allowed, e.verdict, e.reason, e.tag, e.rule ? e.rule->file : "",
                                          e.rule ? e.rule->line : 0, e.backend, e.target, e.resolves, e.name_reason);
}

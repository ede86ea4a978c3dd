/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "basic/log.h"
#include "cli/app-call.h"
#include "cli/app.h"
#include "cli/bus.h"
#include "cli/error-status.h"
#include "cli/polkit-agent.h"
#include "basic/text.h"

static int call_one(sd_bus *bus, const Settings *settings, const AppCall *call, const char *id) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_message_ sd_bus_message *m = NULL;
        int r;

        r = bus_new_call(bus, call->method, settings->ask_password, &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", id);
        if (r >= 0 && call->whom)
                r = sd_bus_message_append(m, "si", call->whom, (int32_t) call->signal);
        if (r >= 0 && call->flag)
                r = sd_bus_message_append(m, "b", (int) *call->flag);
        /* No limit of time: the user may have to look for a password. */
        if (r >= 0)
                r = sd_bus_call(bus, m, UINT64_MAX, &error, NULL);
        if (r < 0)
                return error_report(call->failed, &error, r);
        return 0;
}

int app_call_each(const AppCall *call, const Settings *settings, char *const *words) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_agent_ pid_t agent = 0;
        _cleanup_app_list_ AppList list = {};
        _cleanup_bus_ sd_bus *bus = NULL;
        int r, status = 0;

        r = bus_open(&bus);
        if (r < 0)
                return r;
        r = app_list_get(&list, bus, &error);
        if (r < 0)
                return error_report(call->failed, &error, r);
        if (settings->ask_password)
                agent = polkit_agent_open();
        for (; *words; words++) {
                bool found = false;

                for (size_t i = 0; i < list.n_apps; i++) {
                        if (!app_matches(&list.apps[i], *words))
                                continue;
                        found = true;
                        r = call_one(bus, settings, call, list.apps[i].id);
                        status = status ?: r;
                }
                if (!found) {
                        _cleanup_free_ char *word = text_escape(*words);

                        log_error("%s: There is no app \"%s\"; see \"ax list\".", call->failed, word ?: "?");
                        status = status ?: EXIT_FAILURE;
                }
        }
        return status;
}

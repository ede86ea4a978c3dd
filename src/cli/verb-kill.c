/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ax kill: a signal for the leader or all processes of each app. */

#include <signal.h>
#include <string.h>

#include "basic/log.h"
#include "cli/app-call.h"
#include "cli/signal-name.h"
#include "basic/text.h"

enum { OPTION_SIGNAL = 1, OPTION_KILL_WHOM };

const Option kill_options[] = {
        { OPTION_SIGNAL, "signal", 's', "SIGNAL", "Signal to send, SIGTERM if not given" },
        { OPTION_KILL_WHOM, "kill-whom", 0, "WHOM", "Whom to send it to: leader, or all (if not given)" },
        {},
};

static int apply(AppCall *call, int id, const char *value) {
        switch (id) {
        case OPTION_SIGNAL:
                call->signal = signal_from_string(value);
                if (call->signal < 0) {
                        _cleanup_free_ char *escaped = text_escape(value);

                        return log_error_errno(
                                        -EINVAL,
                                        "Unknown signal \"%s\"; give a name as in SIGTERM, or a number "
                                        "from 1 to %i.",
                                        escaped ?: "?", SIGRTMAX);
                }
                return 0;
        case OPTION_KILL_WHOM:
                if (strcmp(value, "leader") != 0 && strcmp(value, "all") != 0)
                        return log_error_errno(-EINVAL, "Unknown --kill-whom=; allowed are leader and all.");
                call->whom = value;
                return 0;
        default:
                return -EINVAL;
        }
}

int verb_kill(const Verb *verb, Settings *settings, char **argv) {
        AppCall call = {
                .method = "KillApp", .failed = "Failed to kill app", .whom = "all", .signal = SIGTERM
        };
        _cleanup_option_parser_ OptionParser p;
        const char *value;
        int id;

        cli_parser_init(&p, verb, argv);
        while ((id = cli_parser_next(&p, verb, settings, &value)) > 0) {
                int r = apply(&call, id, value);

                if (r < 0)
                        return r;
        }
        if (id < 0 || settings->done)
                return id;
        if (!p.words)
                return log_error_errno(-EINVAL, "Which app is to get the signal? See \"ax list\".");
        return app_call_each(&call, settings, p.words);
}

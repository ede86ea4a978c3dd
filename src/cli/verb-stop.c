/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ax stop: the unit of each app, and with it all its processes. */

#include "basic/log.h"
#include "cli/app-call.h"

int verb_stop(const Verb *verb, Settings *settings, char **argv) {
        static const AppCall call = { .method = "StopApp", .failed = "Failed to stop app" };
        _cleanup_option_parser_ OptionParser p;
        int r;

        r = cli_parse_plain(&p, verb, settings, argv);
        if (r <= 0)
                return r;
        if (!p.words)
                return log_error_errno(-EINVAL, "Which app is to be stopped? See \"ax list\".");
        return app_call_each(&call, settings, p.words);
}

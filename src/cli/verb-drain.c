/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ax drain: apps that get no new connections while those they have live on, and back. */

#include "basic/log.h"
#include "cli/app-call.h"

enum { OPTION_UNDO = 1 };

const Option drain_options[] = {
        { OPTION_UNDO, "undo", 0, NULL, "Give them new connections again" },
        {},
};

int verb_drain(const Verb *verb, Settings *settings, char **argv) {
        bool draining = true;
        const AppCall call = { .method = "DrainApp", .failed = "Failed to drain app", .flag = &draining };
        _cleanup_option_parser_ OptionParser p;
        const char *value;
        int id;

        cli_parser_init(&p, verb, argv);
        while ((id = cli_parser_next(&p, verb, settings, &value)) > 0)
                draining = false; /* there is --undo only */
        if (id < 0 || settings->done)
                return id;
        if (!p.words)
                return log_error_errno(-EINVAL, "Which app is to be drained? See \"ax list\".");
        return app_call_each(&call, settings, p.words);
}

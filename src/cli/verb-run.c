/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ax run: as if the program had been started right here, but as an app. */

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "basic/fd.h"
#include "basic/log.h"
#include "cli/app.h"
#include "cli/bus.h"
#include "cli/error-status.h"
#include "cli/polkit-agent.h"
#include "cli/run-call.h"
#include "cli/run-session.h"

extern char **environ;

/* Says what was started, in the form asked for; the app may be gone by now, and that is fine. */
static int report_detached(sd_bus *bus, const RunRequest *request, const Settings *settings,
                           const char *path, const char *unit) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_json_ json_object *array = NULL;
        _cleanup_app_ App app = {};
        bool known;

        if (settings->json == JSON_OFF && request->quiet)
                return 0;
        known = app_get(&app, bus, path, 0, &error) >= 0;
        if (settings->json == JSON_OFF) {
                run_print_info(unit, known ? app.name : NULL, known ? app.addresses : NULL);
                return 0;
        }
        array = json_object_new_array();
        if (!array || (known && json_append(array, app_to_json(&app)) < 0))
                return log_oom();
        return json_print(stdout, settings->json, array);
}

static int run_detached(sd_bus *bus, const RunRequest *request, const Settings *settings, int cwd_fd) {
        const RunContext context = {
                .environment = environ,
                .stdio = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO },
                .cwd_fd = cwd_fd,
                .control_fd = -EBADF,
        };
        _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_agent_ pid_t agent = 0;
        const char *path, *unit;
        int r;

        if (settings->ask_password)
                agent = polkit_agent_open();
        r = run_call_new(bus, request, &context, settings->ask_password, &m);
        if (r >= 0)
                r = sd_bus_call(bus, m, UINT64_MAX, &error, &reply);
        if (r >= 0)
                r = sd_bus_message_read(reply, "sos", NULL, &path, &unit);
        if (r < 0)
                return error_report("Failed to run app", &error, r);
        return report_detached(bus, request, settings, path, unit);
}

/*
 * Dies of the signal, so that our caller gets the very status that the app's would have. What was typed reached the terminal of
 * the app alone: the rest of our job, as the script that we are in, gets it from here.
 */
static int die_of(int sig, bool typed, int status) {
        static const struct rlimit no_core = {};
        sigset_t set;

        /* The core would be ours, not the app's. Handlers in a pipe are not bound by the limit. */
        (void) setrlimit(RLIMIT_CORE, &no_core);
        (void) prctl(PR_SET_DUMPABLE, 0);
        (void) signal(sig, SIG_DFL);
        sigemptyset(&set);
        sigaddset(&set, sig);
        (void) sigprocmask(SIG_UNBLOCK, &set, NULL);
        if (typed)
                (void) kill(0, sig);
        (void) raise(sig);
        return status;
}

static int run(const RunRequest *request, const Settings *settings, RunEnd *end) {
        bool terminals = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && isatty(STDERR_FILENO);
        bool pty = request->terminal == RUN_TERMINAL_PTY ||
                   (request->terminal == RUN_TERMINAL_AUTO && terminals);
        _cleanup_close_ int cwd_fd = -EBADF;
        _cleanup_bus_ sd_bus *bus = NULL;
        int r;

        cwd_fd = run_open_cwd();
        if (cwd_fd < 0) {
                log_error_errno(cwd_fd,
                                cwd_fd == -ENOENT
                                                ? "Failed to run app: The working directory was removed."
                                                : "Failed to run app: Cannot open the working directory: %m");
                log_info("Hint: %s", error_hint("io.appswitch1.ChdirFailed"));
                end->status = STATUS_CHDIR;
                return 0;
        }
        r = bus_open(&bus);
        if (r < 0)
                return r;
        if (request->no_block) {
                end->status = run_detached(bus, request, settings, cwd_fd);
                return end->status < 0 ? end->status : 0;
        }
        return run_session(bus, request, settings, cwd_fd, pty, end);
}

int verb_run(const Verb *verb, Settings *settings, char **argv) {
        _cleanup_run_request_ RunRequest request = {};
        RunEnd end = {};
        int r;

        r = run_request_parse(&request, verb, settings, argv);
        if (r < 0 || settings->done)
                return r;
        r = run(&request, settings, &end);
        if (r < 0)
                return r;
        return end.signal > 0 ? die_of(end.signal, end.typed, end.status) : end.status;
}

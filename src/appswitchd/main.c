/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* appswitchd: sets up, runs, tears down. */

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "basic/clock.h"
#include "basic/fd.h"
#include "basic/log.h"
#include "bus/manager-bus.h"
#include "core/app.h"
#include "trap/notify.h"

/* How long apps have to end when the service is stopped. */
#define STOP_APPS_USEC (15 * USEC_PER_SEC)

/* For each of the questions what a SIGTERM means; together less than WatchdogSec= and TimeoutStopSec=. */
#define ASK_USEC (3 * USEC_PER_SEC)

/* The service manager's word for what it is doing with us: "stop", "restart", … or "" if nothing. */
static void read_own_job(sd_bus *bus, char type[static 32]) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *unit = NULL, *job = NULL, *reply = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        const char *unit_path, *job_path, *value;

        type[0] = '\0';
        (void) sd_bus_set_method_call_timeout(bus, ASK_USEC);
        if (sd_bus_call_method(bus, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                               "org.freedesktop.systemd1.Manager", "GetUnitByPID", &error, &unit, "u",
                               (uint32_t) getpid()) < 0 ||
            sd_bus_message_read(unit, "o", &unit_path) < 0)
                return;
        if (sd_bus_get_property(bus, "org.freedesktop.systemd1", unit_path, "org.freedesktop.systemd1.Unit", "Job",
                                &error, &job, "(uo)") < 0 ||
            sd_bus_message_read(job, "(uo)", NULL, &job_path) < 0 || strcmp(job_path, "/") == 0)
                return;
        if (sd_bus_get_property(bus, "org.freedesktop.systemd1", job_path, "org.freedesktop.systemd1.Job", "JobType",
                                &error, &reply, "s") >= 0 &&
            sd_bus_message_read(reply, "s", &value) >= 0)
                (void) snprintf(type, 32, "%s", value);
}

static int on_stop_timeout(sd_event_source *s, uint64_t usec, void *userdata) {
        Manager *m = userdata;

        log_warning("%u apps did not end in time; their network calls will fail from now on.", m->n_apps);
        return sd_event_exit(m->event, 0);
}

/*
 * A restart leaves the apps alone: the next daemon takes them back. But when
 * the service is stopped for good, the descriptor store is emptied, and an app
 * that went on would be deaf for ever: so apps end with the service.
 */
static int on_terminate(sd_event_source *s, const struct signalfd_siginfo *info, void *userdata) {
        Manager *m = userdata;
        char job[32];
        int r;

        (void) sd_notify(0, "STOPPING=1");
        read_own_job(m->bus, job);
        if (strcmp(job, "stop") == 0)
                manager_retire(m);
        if (strcmp(job, "stop") != 0 || m->n_apps == 0)
                return sd_event_exit(m->event, 0);

        if (m->stopping)
                return 0;
        m->stopping = true;
        log_info("Stopping %u apps with the service.", m->n_apps);
        for (App *app = m->apps; app; app = app->hh.next)
                (void) app_stop(app, NULL, NULL);
        r = sd_event_add_time_relative(m->event, NULL, CLOCK_MONOTONIC, STOP_APPS_USEC, 0, on_stop_timeout, m);
        return r < 0 ? sd_event_exit(m->event, r) : 0;
}

static int on_hangup(sd_event_source *s, const struct signalfd_siginfo *info, void *userdata) {
        _cleanup_free_ char *message = NULL;
        int r;

        (void) sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, now_usec(CLOCK_MONOTONIC));
        r = manager_reload(userdata, &message);
        if (r < 0 && !message)
                (void) log_error_errno(r, "Failed to reload: %m");
        (void) sd_notify(0, "READY=1");
        return 0;
}

static int add_signals(sd_event *event, Manager *m) {
        static const int signals[] = { SIGTERM, SIGINT };

        for (size_t i = 0; i < ELEMENTSOF(signals); i++) {
                int r = sd_event_add_signal(event, NULL, signals[i], on_terminate, m);

                if (r < 0)
                        return r;
        }
        return sd_event_add_signal(event, NULL, SIGHUP, on_hangup, m);
}

static int set_up_signals(void) {
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGHUP);
        (void) signal(SIGPIPE, SIG_IGN);
        return sigprocmask(SIG_BLOCK, &set, NULL) < 0 ? -errno : 0;
}

/*
 * Apps wait for us in their calls, so that the unit asks for more than what one of many services gets (Nice=). Where
 * the kernel shares processors among sessions first (autogroup in sched(7)) that says something only within our own,
 * which has a nice value besides.
 */
static void nice_session(void) {
        char text[16];
        int r = 0;

        (void) snprintf(text, sizeof(text), "%i", getpriority(PRIO_PROCESS, 0));
        /* The kernel takes only one in a tenth of a second, of all sessions. */
        for (unsigned i = 0; i < 20; i++) {
                r = write_file(AT_FDCWD, "/proc/self/autogroup", text);
                if (r != -EAGAIN)
                        break;
                (void) usleep(20 * USEC_PER_MSEC);
        }
        if (r < 0 && r != -ENOENT)
                log_debug("Failed to set the nice value of our session, ignoring: %s", strerror(-r));
}

/*
 * Whoever has the name is the daemon. It is taken before anything else is
 * touched: a second daemon would find no descriptors, take all apps for ended,
 * and forget the records and the names of those that the first one serves.
 * Calls that come before there are objects wait in the queue of the bus.
 */
static int open_bus(sd_bus **ret) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        int r;

        r = sd_bus_open_system(&bus);
        if (r < 0)
                return log_error_errno(r, "Failed to connect to the system bus: %m");
        /* Without a bus there is nothing to be told any more; started anew, we are back on it, and no app is lost. */
        r = sd_bus_set_exit_on_disconnect(bus, true);
        if (r < 0)
                return log_error_errno(r, "Failed to prepare for the end of the bus: %m");
        r = sd_bus_request_name(bus, BUS_NAME, 0);
        if (r == -EEXIST)
                return log_error_errno(r, "Another appswitchd is running: it has the bus name " BUS_NAME ".");
        if (r < 0)
                return log_error_errno(r, "Failed to take the bus name " BUS_NAME ": %m");
        *ret = TAKE_PTR(bus);
        return 0;
}

/* sd_event_loop(3), with a look at how long each turn takes: apps wait for it. */
static int loop(sd_event *event, Manager *m) {
        int r, code;

        while (sd_event_get_state(event) != SD_EVENT_FINISHED) {
                uint64_t begin;

                r = sd_event_prepare(event);
                if (r >= 0)
                        r = switch_turn(&m->sw, r, &begin);
                if (r > 0)
                        r = sd_event_dispatch(event);
                if (r >= 0 && m->stopping && m->n_apps == 0 && sd_event_get_state(event) != SD_EVENT_FINISHED)
                        r = sd_event_exit(event, 0);
                if (r < 0)
                        return r;
                m->longest_turn = MAX2(m->longest_turn, now_usec(CLOCK_MONOTONIC) - begin);
        }
        r = sd_event_get_exit_code(event, &code);
        return r < 0 ? r : code;
}

static int run(void) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(manager_freep) Manager *m = NULL;
        int r;

        r = set_up_signals();
        if (r < 0)
                return log_error_errno(r, "Failed to block signals: %m");
        nice_session();
        r = sd_event_new(&event);
        if (r < 0)
                return log_error_errno(r, "Failed to make an event loop: %m");
        (void) sd_event_set_watchdog(event, true);
        r = open_bus(&bus);
        if (r < 0)
                return r;

        r = manager_new(event, bus, &m);
        if (r < 0)
                return log_error_errno(r, "Failed to start: %m");
        r = manager_bus_add(m);
        if (r < 0)
                return log_error_errno(r, "Failed to add the objects to the bus: %m");
        r = sd_bus_attach_event(bus, event, SD_EVENT_PRIORITY_NORMAL);
        if (r < 0)
                return log_error_errno(r, "Failed to attach the bus to the event loop: %m");
        r = add_signals(event, m);
        if (r < 0)
                return log_error_errno(r, "Failed to watch signals: %m");

        (void) sd_notifyf(0, "READY=1\nSTATUS=Serving %u apps.", m->n_apps);
        r = loop(event, m);
        if (r < 0)
                return log_error_errno(r, "The event loop failed: %m");
        if (r > 0) /* sd_bus_set_exit_on_disconnect(3) */
                return log_warning_errno(-ENOTCONN, "Lost the system bus, ending; a new daemon takes the apps over.");
        return 0;
}

int main(int argc, char *argv[]) {
        int r;

        if (argc == 2 && strcmp(argv[1], "--version") == 0) {
                (void) puts("appswitchd " VERSION);
                return EXIT_SUCCESS;
        }
        if (argc == 2 && strcmp(argv[1], "--help") == 0) {
                (void) puts("appswitchd [--help|--version]\n\n"
                            "The daemon of AppSwitch. systemd starts it, see appswitchd(8).");
                return EXIT_SUCCESS;
        }
        if (argc > 1) {
                log_error("appswitchd takes no arguments; it is configured by appswitchd.conf(5).");
                return EXIT_FAILURE;
        }
        r = notify_check_kernel();
        if (r < 0) {
                (void) log_error_errno(r, "This kernel has no seccomp user notification, or one that does not fit (CONFIG_SECCOMP_FILTER, Linux 5.14 or later): %m");
                return EX_UNAVAILABLE; /* RestartPreventExitStatus= of the unit: it would be no better next time */
        }
        return run() < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

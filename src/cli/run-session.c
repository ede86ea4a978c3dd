/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "basic/fd.h"
#include "basic/log.h"
#include "cli/app.h"
#include "cli/bus.h"
#include "cli/error-status.h"
#include "cli/polkit-agent.h"
#include "cli/pty-forward.h"
#include "cli/run-call.h"
#include "cli/run-session.h"
#include "basic/text.h"
#include "launch/control.h"

/* What the line of information may wait for; the app runs meanwhile. */
#define INFO_TIMEOUT_USEC (5 * USEC_PER_SEC)

typedef struct RunSession {
        sd_bus *bus;
        sd_event *event;
        int control_fd;
        sd_event_source *control_source;
        PtyForward *forward; /* NULL: the app has our own stdio */
        pid_t agent;
        bool want_info;

        bool replied; /* RunApp succeeded */
        bool started; /* so says the monitor, which may come first */
        bool info_pending;
        bool has_end;      /* the monitor said how the app ended */
        bool control_lost; /* it went without saying */
        bool draining;
        char *id, *unit;
        RunEnd end;
} RunSession;

extern char **environ;

static void session_done(RunSession *s) {
        s->agent = polkit_agent_close(s->agent);
        s->forward = pty_forward_free(s->forward);
        s->control_source = sd_event_source_disable_unref(s->control_source);
        s->control_fd = safe_close(s->control_fd);
        free(s->id);
        free(s->unit);
        if (s->event)
                (void) sd_bus_detach_event(s->bus);
        s->event = sd_event_unref(s->event);
}

static void on_drained(PtyForward *f, void *userdata) {
        RunSession *s = userdata;

        (void) sd_event_exit(s->event, 0);
}

/* Ends the loop when the app has ended and all that has to be shown was shown. */
static int session_check(RunSession *s) {
        if (!s->replied || s->info_pending || s->draining || !(s->has_end || s->control_lost))
                return 0;
        if (!s->has_end) {
                log_error("Failed to run app: Its monitor has gone without telling how the app ended; see \"journalctl --unit=appswitch-exec\".");
                s->end.status = EXIT_FAILURE;
        }
        if (!s->forward)
                return sd_event_exit(s->event, 0);
        s->draining = true;
        return pty_forward_drain(s->forward, on_drained, s);
}

static void send_signal(RunSession *s, ControlType type, int sig) {
        ControlMessage m = { .type = type, .value = sig };

        /* A monitor that is gone or that has hundreds of signals to deliver still: nothing to be done here. */
        if (s->control_fd >= 0)
                (void) send(s->control_fd, &m, sizeof(m), MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Does to ourselves what a blocked signal does, and comes back when we are continued. */
static void stop_self(int sig, pid_t target) {
        sigset_t set, old;

        sigemptyset(&set);
        sigaddset(&set, sig);
        (void) kill(target, sig);
        (void) sigprocmask(SIG_UNBLOCK, &set, &old);
        (void) sigprocmask(SIG_SETMASK, &old, NULL);
}

/*
 * The app was stopped, so are we: our shell watches us, not it. On a PTY the
 * Ctrl-Z reached the app alone, and the rest of our job gets its SIGTSTP from
 * here; the kernel ignores it where no shell could ever continue us
 * (orphaned process group), and then the app goes on at once.
 */
static void on_stopped(RunSession *s, int sig) {
        static const struct timespec now = {};
        sigset_t cont;

        if (s->forward)
                pty_forward_pause(s->forward);
        if (s->forward && sig != SIGSTOP)
                stop_self(SIGTSTP, 0);
        else
                stop_self(SIGSTOP, getpid());

        /* Exactly one SIGCONT goes to the app: ours. */
        sigemptyset(&cont);
        sigaddset(&cont, SIGCONT);
        (void) sigtimedwait(&cont, NULL, &now);
        send_signal(s, CONTROL_SIGNAL_GROUP, SIGCONT);
        if (s->forward)
                (void) pty_forward_resume(s->forward);
}

static void on_message(RunSession *s, const ControlMessage *m) {
        switch (m->type) {
        case CONTROL_STARTED:
                s->started = true;
                return;
        case CONTROL_STOPPED:
                on_stopped(s, m->value);
                return;
        case CONTROL_EXITED:
                s->has_end = true;
                s->end = (RunEnd){ .status = m->value };
                return;
        case CONTROL_KILLED:
                s->has_end = true;
                s->end = (RunEnd){ .status = 128 + m->value, .signal = m->value };
                s->end.typed = s->forward && pty_forward_key_signal(s->forward) == m->value;
                return;
        default: /* of a newer monitor */
                return;
        }
}

static int on_control(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        RunSession *s = userdata;
        ControlMessage m;
        ssize_t n = 0;

        while (!s->has_end && (n = recv(fd, &m, sizeof(m), MSG_DONTWAIT)) == (ssize_t) sizeof(m))
                on_message(s, &m);
        if (!s->has_end) {
                if (n < 0 && (errno == EAGAIN || errno == EINTR))
                        return 0;
                s->control_lost = true;
        }
        s->control_source = sd_event_source_disable_unref(s->control_source);
        return session_check(s);
}

/* From here on the app has the terminal. */
static int session_begin(RunSession *s) {
        /* Also for the last output of an app that has ended already: it comes as its terminal made it. */
        if (s->forward) {
                int r = pty_forward_resume(s->forward);

                if (r < 0)
                        return r;
        }
        return session_check(s);
}

static int on_info(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        RunSession *s = userdata;
        _cleanup_app_ App app = {};

        s->info_pending = false;
        if (sd_bus_message_is_method_error(m, NULL) || app_read(&app, m) < 0)
                run_print_info(s->unit, NULL, NULL); /* it may have ended already */
        else
                run_print_info(s->unit, app.name, app.addresses);
        return session_begin(s);
}

static int ask_info(RunSession *s, const char *path) {
        _cleanup_message_ sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_method_call(s->bus, &m, BUS_NAME, path, "org.freedesktop.DBus.Properties",
                                           "GetAll");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", BUS_INTERFACE_APP);
        if (r >= 0)
                r = sd_bus_call_async(s->bus, NULL, m, on_info, s, INFO_TIMEOUT_USEC);
        if (r >= 0)
                s->info_pending = true;
        return r;
}

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        RunSession *s = userdata;
        const sd_bus_error *e = sd_bus_message_get_error(m);
        const char *id, *path, *unit;
        int r;

        s->agent = polkit_agent_close(s->agent);
        /* Without an answer only the monitor can tell an app that has run from one that never began. */
        if (e && !(s->started && s->has_end && sd_bus_error_has_name(e, SD_BUS_ERROR_NO_REPLY))) {
                s->end = (RunEnd){ .status = error_report("Failed to run app", e,
                                                          -sd_bus_error_get_errno(e)) };
                return sd_event_exit(s->event, 0);
        }
        s->replied = true;
        if (e) /* The bus broke off while a short app ran. */
                return session_begin(s);
        r = sd_bus_message_read(m, "sos", &id, &path, &unit);
        if (r < 0)
                return log_error_errno(r, "Failed to read the daemon's answer: %m");
        s->id = strdup(id);
        s->unit = strdup(unit);
        if (!s->id || !s->unit)
                return log_oom();
        if (s->want_info && ask_info(s, path) >= 0)
                return 0;
        return session_begin(s);
}

/* Before there is an app, a signal means us. */
static int on_early_signal(RunSession *s, int sig) {
        switch (sig) {
        case SIGCONT:
        case SIGWINCH:
                return 0;
        case SIGTSTP:
                stop_self(SIGSTOP, getpid());
                return 0;
        default:
                s->end = (RunEnd){ .status = 128 + sig, .signal = sig };
                return sd_event_exit(s->event, 0);
        }
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata) {
        RunSession *s = userdata;
        int sig = (int) si->ssi_signo;

        if (!s->replied && !s->started)
                return on_early_signal(s, sig);
        if (sig == SIGWINCH && s->forward) {
                pty_forward_resize(s->forward); /* the kernel tells the app */
                return 0;
        }
        if (s->draining && (sig == SIGINT || sig == SIGTERM || sig == SIGHUP || sig == SIGQUIT))
                return sd_event_exit(s->event, 0); /* the app is gone; its last output need not be seen */
        /* What the terminal sends (Ctrl-C) is for all of the job, what kill(1) sends for one process. */
        send_signal(s, si->ssi_code == SI_KERNEL ? CONTROL_SIGNAL_GROUP : CONTROL_SIGNAL, sig);
        return 0;
}

/* Signals that are ignored (nohup, jobs of a script) stay ignored, as they would for the app itself. */
static int add_signal(RunSession *s, int sig) {
        struct sigaction sa;
        sigset_t set;

        if (sigaction(sig, NULL, &sa) < 0 || sa.sa_handler == SIG_IGN)
                return 0;
        sigemptyset(&set);
        sigaddset(&set, sig);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return -errno;
        return sd_event_add_signal(s->event, NULL, sig, on_signal, s);
}

static int session_add_signals(RunSession *s) {
        static const int signals[] = { SIGHUP,  SIGINT,  SIGQUIT, SIGUSR1, SIGUSR2,
                                       SIGALRM, SIGTERM, SIGCONT, SIGTSTP, SIGWINCH };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(signals); i++)
                r = add_signal(s, signals[i]);
        for (int sig = SIGRTMIN; r >= 0 && sig <= SIGRTMAX; sig++)
                r = add_signal(s, sig);
        return r;
}

static int session_add_terminal(RunSession *s, RunContext *context) {
        _cleanup_close_ int master = -EBADF, slave = -EBADF;
        int r;

        r = pty_open(STDIN_FILENO, STDOUT_FILENO, &master, &slave);
        if (r < 0)
                return r;
        r = pty_forward_new(s->event, master, STDIN_FILENO, STDOUT_FILENO, &s->forward);
        if (r < 0)
                return r;
        TAKE_FD(master);
        /* Output that nobody reads any more hangs up the app's terminal; it need not kill us. */
        (void) signal(SIGPIPE, SIG_IGN);
        context->terminal = true;
        for (size_t i = 0; i < ELEMENTSOF(context->stdio); i++)
                context->stdio[i] = slave;
        TAKE_FD(slave);
        return 0;
}

static int session_call(RunSession *s, const RunRequest *request, const Settings *settings,
                        RunContext *context) {
        _cleanup_message_ sd_bus_message *m = NULL;
        _cleanup_close_ int monitor_fd = -EBADF;
        int pair[2], r;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        s->control_fd = pair[0];
        context->control_fd = monitor_fd = pair[1];
        r = sd_event_add_io(s->event, &s->control_source, s->control_fd, EPOLLIN, on_control, s);
        if (r < 0)
                return r;
        r = run_call_new(s->bus, request, context, settings->ask_password, &m);
        if (r < 0)
                return r;
        /* No limit of time: the user may have to look for a password. */
        return sd_bus_call_async(s->bus, NULL, m, on_reply, s, UINT64_MAX);
}

static int session_setup(RunSession *s, const RunRequest *request, const Settings *settings, int cwd_fd,
                         bool pty) {
        RunContext context = { .environment = environ, .cwd_fd = cwd_fd, .stdio = { 0, 1, 2 } };
        int r;

        /* While signals still end us and the terminal is in its normal modes. */
        if (settings->ask_password)
                s->agent = polkit_agent_open();
        r = sd_event_new(&s->event);
        if (r >= 0)
                r = session_add_signals(s);
        if (r >= 0)
                r = sd_bus_attach_event(s->bus, s->event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0 && request->stop_rest)
                r = sd_bus_set_close_on_exit(s->bus, false); /* of the loop: there is one more call then */
        if (r >= 0 && pty)
                r = session_add_terminal(s, &context);
        if (r >= 0)
                r = session_call(s, request, settings, &context);
        if (context.terminal)
                safe_close(context.stdio[0]);
        return r;
}

/* Waits until it is gone. Mostly nothing is left, and then there is no such app. */
static void stop_rest(RunSession *s) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        r = sd_bus_call_method(s->bus, BUS_NAME, BUS_PATH, BUS_INTERFACE_MANAGER, "StopApp", &error, NULL, "s", s->id);
        if (r < 0 && !sd_bus_error_has_name(&error, "io.appswitch1.NoSuchApp"))
                (void) error_report("Failed to stop what is left of the app", &error, r);
}

int run_session(sd_bus *bus, const RunRequest *request, const Settings *settings, int cwd_fd, bool pty,
                RunEnd *ret_end) {
        _cleanup_(session_done) RunSession s = {
                .bus = bus,
                .control_fd = -EBADF,
                .want_info = !request->quiet && isatty(STDERR_FILENO),
                .end = { .status = EXIT_FAILURE },
        };
        int r;

        r = session_setup(&s, request, settings, cwd_fd, pty);
        if (r < 0) {
                error_report("Failed to run app", NULL, r);
                return r;
        }
        r = sd_event_loop(s.event);
        if (r < 0)
                return log_error_errno(r, "Failed to follow the app: %m");
        if (request->stop_rest && s.id)
                stop_rest(&s);
        *ret_end = s.end;
        return 0;
}

void run_print_info(const char *unit, const char *name, char *const *addresses) {
        _cleanup_free_ char *list = strv_join(addresses, " ");
        bool has_name = name && *name, has_addresses = list && *list;

        if (!has_name && !has_addresses)
                log_info("Running as unit %s.", unit);
        else
                log_info("Running as unit %s (%s%s%s%s%s).", unit, has_name ? "name " : "",
                         has_name ? name : "", has_name && has_addresses ? ", " : "",
                         has_addresses ? "addresses " : "", has_addresses ? list : "");
}

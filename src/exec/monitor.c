/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "basic/fd.h"
#include "exec/monitor.h"
#include "launch/control.h"

typedef struct Monitor {
        pid_t leader;
        int control; /* -EBADF once the caller is gone */
} Monitor;

static void monitor_tell(Monitor *m, ControlType type, int value) {
        const ControlMessage message = { .type = type, .value = value };

        if (m->control >= 0)
                (void) send_with_fds(m->control, &message, sizeof(message), NULL, 0, 0);
}

static void monitor_on_child(Monitor *m) {
        int status;

        while (waitpid(m->leader, &status, WNOHANG | WUNTRACED) > 0) {
                if (WIFSTOPPED(status)) {
                        monitor_tell(m, CONTROL_STOPPED, WSTOPSIG(status));
                        continue;
                }
                if (WIFSIGNALED(status))
                        monitor_tell(m, CONTROL_KILLED, WTERMSIG(status));
                else
                        monitor_tell(m, CONTROL_EXITED, WEXITSTATUS(status));
                _exit(EXIT_SUCCESS);
        }
}

static void monitor_on_control(Monitor *m) {
        ControlMessage message;
        ssize_t n;

        n = recv_with_fds(m->control, &message, sizeof(message), NULL, NULL, MSG_DONTWAIT);
        if (n == -EAGAIN)
                return;
        if (n != sizeof(message)) {
                /* The caller is gone. appswitchd stops the app if it was to go with it. */
                m->control = safe_close(m->control);
                return;
        }
        if (message.value <= 0 || message.value >= NSIG)
                return;
        if (message.type == CONTROL_SIGNAL)
                (void) kill(m->leader, message.value);
        else if (message.type == CONTROL_SIGNAL_GROUP)
                (void) kill(-m->leader, message.value);
}

_Noreturn void monitor_run(pid_t leader, int control, int executed) {
        Monitor m = { .leader = leader, .control = control };
        struct pollfd p[3];
        sigset_t all;
        int signals;

        (void) prctl(PR_SET_NAME, "ax-monitor");
        /* Whatever is sent to the session is for the app. */
        sigfillset(&all);
        (void) sigprocmask(SIG_SETMASK, &all, NULL);
        signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
        if (signals < 0)
                _exit(EXIT_FAILURE);

        for (;;) {
                struct signalfd_siginfo info;

                p[0] = (struct pollfd){ .fd = signals, .events = POLLIN };
                p[1] = (struct pollfd){ .fd = m.control, .events = POLLIN };
                p[2] = (struct pollfd){ .fd = executed, .events = POLLIN };
                if (poll(p, 3, -1) < 0 && errno != EINTR)
                        _exit(EXIT_FAILURE);
                if (p[2].revents) {
                        executed = safe_close(executed);
                        monitor_tell(&m, CONTROL_STARTED, leader);
                }
                if (p[1].revents)
                        monitor_on_control(&m);
                if (p[0].revents) {
                        while (read(signals, &info, sizeof(info)) == sizeof(info))
                                ;
                        monitor_on_child(&m);
                }
        }
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <systemd/sd-login.h>
#include <unistd.h>

#include "basic/fd.h"
#include "cli/bus.h"
#include "cli/polkit-agent.h"

#define AGENT_PATH "/usr/bin/pkttyagent"

/* In the child: becomes the agent. The descriptor for the notification is the only one that is passed on. */
static void exec_agent(pid_t parent, int notify_fd) {
        char pid_arg[16], fd_arg[16], *session = NULL;
        const char *fallback;

        /* It may not outlive us, not even when we are killed right now. */
        (void) prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != parent)
                _exit(EXIT_FAILURE);

        /* The password is asked on the terminal, wherever our own output goes. */
        if (!isatty(STDOUT_FILENO) || !isatty(STDERR_FILENO)) {
                int tty = open("/dev/tty", O_WRONLY | O_CLOEXEC);

                if (tty < 0 || dup2(tty, STDOUT_FILENO) < 0 || dup2(tty, STDERR_FILENO) < 0)
                        _exit(EXIT_FAILURE);
        }
        if (fcntl(notify_fd, F_SETFD, 0) < 0)
                _exit(EXIT_FAILURE);
        (void) snprintf(pid_arg, sizeof(pid_arg), "%i", (int) parent);
        (void) snprintf(fd_arg, sizeof(fd_arg), "%i", notify_fd);
        /* That of the session goes first. Where there is no session polkit (122) does not look for fallbacks. */
        fallback = sd_pid_get_session(parent, &session) >= 0 ? "--fallback" : NULL;
        execl(AGENT_PATH, AGENT_PATH, "--process", pid_arg, "--notify-fd", fd_arg, fallback, NULL);
        _exit(EXIT_FAILURE);
}

pid_t polkit_agent_open(void) {
        struct pollfd p = {};
        pid_t parent = getpid(), pid;
        int fds[2];

        if (bus_is_remote() || geteuid() == 0 || !isatty(STDIN_FILENO) || access(AGENT_PATH, X_OK) < 0)
                return 0;
        if (pipe2(fds, O_CLOEXEC) < 0)
                return 0;
        (void) fflush(NULL);
        pid = fork();
        if (pid == 0)
                exec_agent(parent, fds[1]);
        safe_close(fds[1]);

        /* The agent closes its end when it is registered, and so does its death. */
        p.fd = fds[0];
        while (pid > 0 && poll(&p, 1, -1) < 0 && errno == EINTR)
                ;
        safe_close(fds[0]);
        return MAX2(pid, 0);
}

pid_t polkit_agent_close(pid_t pid) {
        if (pid > 0) {
                (void) kill(pid, SIGTERM);
                (void) kill(pid, SIGCONT);
                while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                        ;
        }
        return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "basic/fd.h"
#include "cli/terminal.h"

static bool word_is_one_of(const char *word, const char *const *words) {
        for (; *words; words++)
                if (strcasecmp(word, *words) == 0)
                        return true;
        return false;
}

bool terminal_colors(void) {
        static const char *const no[] = { "0", "no", "n", "false", "f", "off", NULL };
        const char *colors = getenv("SYSTEMD_COLORS"), *none = getenv("NO_COLOR"), *term = getenv("TERM");

        /* Its other values (1, 16, 256, 24bit) all mean yes, but for those that leave it to us. */
        if (colors && *colors && strncasecmp(colors, "auto", 4) != 0)
                return !word_is_one_of(colors, no);
        return !(none && *none) && isatty(STDOUT_FILENO) && term && strcmp(term, "dumb") != 0;
}

size_t terminal_columns(void) {
        const char *e = getenv("COLUMNS");
        struct winsize ws;
        int n;

        if (!isatty(STDOUT_FILENO))
                return 0;
        n = e ? atoi(e) : 0;
        if (n > 0)
                return (size_t) n;
        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) < 0)
                return 0;
        return ws.ws_col;
}

static void exec_pager(pid_t parent, const char *command) {
        (void) prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != parent)
                _exit(EXIT_FAILURE);
        if (setenv("LESS", getenv("SYSTEMD_LESS") ?: "FRSXMK", true) < 0)
                _exit(EXIT_FAILURE);
        if (command) {
                execl("/bin/sh", "sh", "-c", command, NULL);
        } else {
                if (setenv("LESSSECURE", "1", true) < 0)
                        _exit(EXIT_FAILURE);
                execlp("less", "less", NULL);
        }
        /* No pager: what we print is handed on as it is. */
        execl("/bin/cat", "cat", NULL);
        _exit(EXIT_FAILURE);
}

pid_t pager_open(void) {
        const char *command = getenv("SYSTEMD_PAGER") ?: getenv("PAGER");
        pid_t parent = getpid(), pid;
        int fds[2];

        if (!isatty(STDOUT_FILENO))
                return 0;
        if (command && (!*command || strcmp(command, "cat") == 0))
                return 0;
        if (geteuid() == 0)
                command = NULL;
        if (pipe2(fds, O_CLOEXEC) < 0)
                return 0;
        (void) fflush(NULL);
        pid = fork();
        if (pid == 0) {
                if (dup2(fds[0], STDIN_FILENO) < 0)
                        _exit(EXIT_FAILURE);
                exec_pager(parent, command);
        }
        if (pid > 0 && dup2(fds[1], STDOUT_FILENO) >= 0)
                (void) signal(SIGPIPE, SIG_IGN); /* leaving the pager early is no failure */
        safe_close(fds[0]);
        safe_close(fds[1]);
        return MAX2(pid, 0);
}

pid_t pager_close(pid_t pid) {
        if (pid > 0) {
                (void) fflush(stdout);
                safe_close(STDOUT_FILENO);
                while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                        ;
        }
        return 0;
}

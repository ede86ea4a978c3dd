/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <systemd/sd-login.h>
#include <unistd.h>

#include "basic/fd.h"
#include "cli/terminal.h"

static bool word_is_one_of(const char *word, const char *const *words) {
        for (; *words; words++)
                if (strcasecmp(word, *words) == 0)
                        return true;
        return false;
}

/* Without TERM, too. */
static bool is_dumb(void) {
        const char *term = getenv("TERM");

        return !isatty(STDOUT_FILENO) || !term || strcmp(term, "dumb") == 0;
}

/* As systemctl takes a boolean in the environment: 1, 0, or a negative number for anything else. */
static int parse_boolean(const char *word) {
        static const char *const yes[] = { "1", "yes", "y", "true", "t", "on", NULL };
        static const char *const no[] = { "0", "no", "n", "false", "f", "off", NULL };

        return word_is_one_of(word, yes) ? 1 : word_is_one_of(word, no) ? 0 : -EINVAL;
}

bool terminal_colors(void) {
        static const char *const depths[] = { "16", "256", "24bit", NULL };
        const char *colors = getenv("SYSTEMD_COLORS");
        int r = colors ? parse_boolean(colors) : -EINVAL;

        if (r >= 0)
                return r;
        if (colors && word_is_one_of(colors, depths))
                return true;
        return !getenv("NO_COLOR") && !is_dumb();
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

/*
 * Whether less(1) may not start anything: so it is for who has become another user by sudo(8) and the like. What
 * $SYSTEMD_PAGERSECURE says goes before that, and the pager that the environment names is taken only if it says something: who
 * has set that one may be asking for another user. `ret_trusted`: it does.
 */
static bool is_secure(bool *ret_trusted) {
        const char *word = getenv("SYSTEMD_PAGERSECURE");
        int r = word ? parse_boolean(word) : -ENODATA;
        uid_t uid;

        *ret_trusted = r >= 0;
        if (word)
                return r != 0;
        return sd_pid_get_owner_uid(0, &uid) < 0 || uid != geteuid();
}

static void exec_words(const char *command) {
        char *copy = strdup(command), *rest = copy, *words[32] = {}, *word;
        size_t n = 0;

        while (copy && n < ELEMENTSOF(words) - 1 && (word = strsep(&rest, " \t\n")))
                if (*word)
                        words[n++] = word;
        if (n > 0)
                (void) execvp(words[0], words);
}

static void exec_pager(pid_t parent, const char *command) {
        bool trusted, secure = is_secure(&trusted);

        (void) prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != parent)
                _exit(EXIT_FAILURE);
        if (setenv("LESS", getenv("SYSTEMD_LESS") ?: "FRSXMK", true) < 0 ||
            (secure ? setenv("LESSSECURE", "1", true) : unsetenv("LESSSECURE")) < 0)
                _exit(EXIT_FAILURE);
        if (command && trusted)
                exec_words(command);
        if (!secure)
                (void) execlp("pager", "pager", NULL);
        (void) execlp("less", "less", NULL);
        if (!secure)
                (void) execlp("more", "more", NULL);
        /* No pager: what we print is handed on as it is. */
        execl("/bin/cat", "cat", NULL);
        _exit(EXIT_FAILURE);
}

pid_t pager_open(void) {
        const char *command = getenv("SYSTEMD_PAGER") ?: getenv("PAGER");
        pid_t parent = getpid(), pid;
        int fds[2];

        if (is_dumb())
                return 0;
        if (command) {
                const size_t start = strspn(command, " \t\n"), l = strcspn(command + start, " \t\n");

                if (l == 0 || (l == 3 && strncmp(command + start, "cat", 3) == 0 &&
                               command[start + l + strspn(command + start + l, " \t\n")] == '\0'))
                        return 0;
        }
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

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Proves that `ax run` is transparent: status, signals, stops, stdio, working
 * directory and environment of the app are what a shell would have seen, with
 * and without a PTY, and that failures have their message and status. The
 * whole program runs, against what cli-daemon.h is.
 */

#include <check.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <termios.h>
#include <unistd.h>

#include "basic/fd.h"
#include "cli-daemon.h"
#include "cli/cli.h"

typedef struct Ax {
        pid_t pid;
        int in, out, err; /* our ends; all three are the same for a terminal */
} Ax;

static void exec_ax(char **argv) {
        int n = 0;

        while (argv[n])
                n++;
        alarm(20);
        exit(cli_main(n, argv));
}

static Ax ax_start(char **argv) {
        int in[2], out[2], err[2];
        Ax ax;

        ck_assert_int_ge(pipe2(in, O_CLOEXEC), 0);
        ck_assert_int_ge(pipe2(out, O_CLOEXEC), 0);
        ck_assert_int_ge(pipe2(err, O_CLOEXEC), 0);
        ax = (Ax){ .pid = fork(), .in = in[1], .out = out[0], .err = err[0] };
        if (ax.pid == 0) {
                (void) dup2(in[0], 0);
                (void) dup2(out[1], 1);
                (void) dup2(err[1], 2);
                for (int fd = 3; fd < 256; fd++)
                        (void) close(fd);
                exec_ax(argv);
        }
        safe_close(in[0]);
        safe_close(out[1]);
        safe_close(err[1]);
        return ax;
}

/* Runs the test as the leader of a session, which the leader of a process group, as check makes it, cannot become. */
static void in_session(void (*test)(void)) {
        int status;
        pid_t pid = fork();

        if (pid == 0) {
                (void) setsid();
                test();
                _exit(0);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_int_eq(status, 0);
}

/* On a terminal with job control: ax is a job of a shell, in the foreground or behind its line editor. */
static Ax ax_start_terminal(char **argv, bool foreground) {
        int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave;
        struct winsize size = { .ws_row = 33, .ws_col = 77 };
        struct termios modes;
        Ax ax;

        ck_assert_int_ge(master, 0);
        ck_assert_int_ge(grantpt(master) + unlockpt(master), 0);
        (void) ioctl(master, TIOCSWINSZ, &size);
        slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
        ck_assert_int_ge(ioctl(slave, TIOCSCTTY, 0), 0);
        (void) signal(SIGTTOU, SIG_IGN);
        (void) signal(SIGHUP, SIG_IGN);
        if (!foreground) {
                ck_assert_int_ge(tcgetattr(slave, &modes), 0);
                modes.c_lflag &= ~(tcflag_t) (ICANON | ECHO);
                ck_assert_int_ge(tcsetattr(slave, TCSANOW, &modes), 0);
        }
        ax = (Ax){ .pid = fork(), .in = master, .out = master, .err = master };
        if (ax.pid == 0) {
                (void) setpgid(0, 0);
                if (foreground)
                        (void) tcsetpgrp(slave, getpid());
                (void) signal(SIGTTOU, SIG_DFL);
                (void) signal(SIGHUP, SIG_DFL);
                for (int i = 0; i < 3; i++)
                        (void) dup2(slave, i);
                for (int fd = 3; fd < 256; fd++)
                        (void) close(fd);
                exec_ax(argv);
        }
        (void) setpgid(ax.pid, ax.pid);
        if (foreground)
                (void) tcsetpgrp(slave, ax.pid);
        /* Kept open: else reading the master ends in EIO whenever ax has nothing open. */
        return ax;
}

/* Reads until the text occurs or nothing comes any more. */
static bool expect(int fd, const char *text) {
        static char buf[1 << 20];
        struct pollfd p = { .fd = fd, .events = POLLIN };
        size_t n = 0;

        while (n < sizeof(buf) - 1 && poll(&p, 1, 10000) > 0) {
                ssize_t l = read(fd, buf + n, sizeof(buf) - 1 - n);

                if (l <= 0)
                        break;
                n += (size_t) l;
                buf[n] = '\0';
                if (*text && strstr(buf, text))
                        return true;
        }
        buf[n] = '\0';
        if (!*text)
                return n == 0;
        (void) fprintf(stderr, "expected \"%s\", read \"%s\"\n", text, buf);
        return false;
}

static int ax_wait(const Ax *ax) {
        int status;

        ck_assert_int_eq(waitpid(ax->pid, &status, 0), ax->pid);
        return status;
}

#define AX(...) ax_start((char *[]){ (char *) "ax", __VA_ARGS__, NULL })
#define AX_TERMINAL(...) ax_start_terminal((char *[]){ (char *) "ax", __VA_ARGS__, NULL }, true)
#define AX_BACKGROUND(...) ax_start_terminal((char *[]){ (char *) "ax", __VA_ARGS__, NULL }, false)

static void check_exit(const Ax *ax, int status) {
        int s = ax_wait(ax);

        ck_assert_msg(WIFEXITED(s) && WEXITSTATUS(s) == status, "wait status %x instead of exit %i",
                      (unsigned) s, status);
}

static void check_killed(const Ax *ax, int sig) {
        int s = ax_wait(ax);

        ck_assert_msg(WIFSIGNALED(s) && WTERMSIG(s) == sig, "wait status %x instead of signal %i",
                      (unsigned) s, sig);
        ck_assert(!WCOREDUMP(s));
}

/* ---- tests ---- */

/* The app's exit status is ax's, and nothing is added to its output. */
START_TEST(test_status) {
        Ax ax = AX("run", "--", "sh", "-c", "echo out; echo err >&2; exit 7");

        check_exit(&ax, 7);
        ck_assert(expect(ax.out, "out\n"));
        ck_assert(expect(ax.err, "err\n"));
        ck_assert(expect(ax.err, ""));
}
END_TEST

/* An app that dies of a signal lets ax die of the same. */
START_TEST(test_killed) {
        Ax ax = AX("run", "sh", "-c", "kill -SEGV $$");

        check_killed(&ax, SIGSEGV);
}
END_TEST

/* stdin, working directory and environment are the caller's; options end at the first word. */
START_TEST(test_transparent) {
        Ax ax;

        ck_assert_int_ge(chdir(cli_daemon_directory), 0);
        ax = AX("run", "sh", "-c", "read line; echo \"$line $TEST_VARIABLE $PWD $1\"", "sh", "--json=no");
        ck_assert_int_eq(write(ax.in, "hello\n", 6), 6);
        ck_assert(expect(ax.out, "hello its value /tmp/test-cli-"));
        check_exit(&ax, 0);
        ck_assert_int_ge(chdir("/"), 0);
}
END_TEST

/* Signals to ax reach the app, those that it handles and those that kill it. */
START_TEST(test_signals) {
        Ax ax = AX("run", "sh", "-c", "trap 'exit 9' USR1; echo ready; while :; do sleep 0.01; done");

        ck_assert(expect(ax.out, "ready\n"));
        (void) kill(ax.pid, SIGUSR1);
        check_exit(&ax, 9);

        ax = AX("run", "sh", "-c", "echo ready; exec sleep 10");
        ck_assert(expect(ax.out, "ready\n"));
        (void) kill(ax.pid, SIGTERM);
        check_killed(&ax, SIGTERM);
}
END_TEST

/* Before the daemon has answered, a signal ends ax itself. */
START_TEST(test_early_signal) {
        Ax ax = AX("run", "wait");

        usleep(200 * 1000);
        (void) kill(ax.pid, SIGINT);
        check_killed(&ax, SIGINT);
}
END_TEST

/* SIGTSTP stops the app and then ax; SIGCONT continues both. */
START_TEST(test_stop) {
        Ax ax = AX("run", "sh", "-c", "echo ready; read line; exit 3");
        int status;

        ck_assert(expect(ax.out, "ready\n"));
        (void) kill(ax.pid, SIGTSTP);
        ck_assert_int_eq(waitpid(ax.pid, &status, WUNTRACED), ax.pid);
        ck_assert(WIFSTOPPED(status));
        (void) kill(ax.pid, SIGCONT);
        ck_assert_int_eq(write(ax.in, "\n", 1), 1);
        check_exit(&ax, 3);
}
END_TEST

/* Each failure of the daemon has its message on one line and the status of systemd.exec(5). */
START_TEST(test_errors) {
        static const struct {
                const char *name;
                int status;
        } errors[] = {
                { "io.appswitch1.ExecFailed", 203 },    { "io.appswitch1.UserFailed", 217 },
                { "io.appswitch1.SeccompFailed", 228 }, { "io.appswitch1.NameInUse", 1 },
                { SD_BUS_ERROR_ACCESS_DENIED, 1 },
        };

        for (size_t i = 0; i < ELEMENTSOF(errors); i++) {
                Ax ax = AX("run", "fail", (char *) errors[i].name, "the reason");

                check_exit(&ax, errors[i].status);
                ck_assert(expect(ax.err, "Failed to run app: the reason\n"));
                ck_assert(expect(ax.err, ""));
        }
}
END_TEST

/* No daemon: one line that says what to do. */
START_TEST(test_unreachable) {
        Ax ax = AX("run", "fail", SD_BUS_ERROR_SERVICE_UNKNOWN, "The name is not activatable");

        check_exit(&ax, 1);
        ck_assert(expect(ax.err, "systemctl start appswitchd"));
}
END_TEST

/* A removed working directory is found before anything is started. */
START_TEST(test_cwd) {
        char path[PATH_MAX];
        Ax ax;

        (void) snprintf(path, sizeof(path), "%s/gone", cli_daemon_directory);
        ck_assert_int_ge(mkdir(path, 0700), 0);
        ck_assert_int_ge(chdir(path), 0);
        ck_assert_int_ge(rmdir(path), 0);
        ax = AX("run", "true");
        check_exit(&ax, 200);
        ck_assert(expect(ax.err, "Failed to run app: The working directory was removed.\n"));
        ck_assert_int_ge(chdir("/"), 0);
}
END_TEST

/* A monitor that goes without a word is a failure, not a success. */
START_TEST(test_lost) {
        Ax ax = AX("run", "--name=lost", "true");

        check_exit(&ax, 1);
        ck_assert(expect(ax.err, "Failed to run app: Its monitor has gone"));
}
END_TEST

/* The bus may go away while the app runs. */
START_TEST(test_bus_dies) {
        Ax ax = AX("run", "--name=dies", "sh", "-c", "sleep 0.3; exit 4");

        check_exit(&ax, 4);
}
END_TEST

/* Detached: ax returns while the app lives, and says as what it runs, unless told not to. */
START_TEST(test_no_block) {
        Ax ax = AX("run", "--no-block", "sh", "-c", "read line; echo late");

        check_exit(&ax, 0);
        ck_assert(expect(
                        ax.err,
                        "Running as unit appswitch-web_1.scope (name web, addresses 198.18.0.10 fdaa::1).\n"));
        ck_assert_int_eq(write(ax.in, "\n", 1), 1);
        ck_assert(expect(ax.out, "late\n"));

        ax = AX("run", "--no-block", "--quiet", "true");
        check_exit(&ax, 0);
        ck_assert(expect(ax.err, ""));
}
END_TEST

static void check_cooked(int fd, bool cooked) {
        struct termios t;

        ck_assert_int_ge(tcgetattr(fd, &t), 0);
        ck_assert_int_eq(!!(t.c_lflag & ICANON), cooked);
        ck_assert_int_eq(!!(t.c_lflag & ECHO), cooked);
}

/* With a terminal the app has one of its own, of the same size, which follows; ours is raw while it runs. */
static void do_pty(void) {
        Ax ax = AX_TERMINAL(
                        "run", "sh", "-c",
                        "stty size; trap 'stty size; exit 5' WINCH; echo ready; while :; do sleep 0.01; done");
        struct winsize size = { .ws_row = 44, .ws_col = 99 };

        ck_assert(expect(ax.out, "ready\r\n"));
        check_cooked(ax.in, false);
        (void) ioctl(ax.in, TIOCSWINSZ, &size);
        ck_assert(expect(ax.out, "44 99\r\n"));
        check_exit(&ax, 5);
        check_cooked(ax.in, true);
}

START_TEST(test_pty) {
        in_session(do_pty);
}
END_TEST

/* The line of information comes first, and only on a terminal. */
static void do_pty_info(void) {
        Ax ax = AX_TERMINAL("run", "sh", "-c", "stty size");

        ck_assert(expect(ax.out,
                         "Running as unit appswitch-web_1.scope (name web, addresses 198.18.0.10 fdaa::1)."
                         "\r\n33 77\r\n"));
        check_exit(&ax, 0);
}

START_TEST(test_pty_info) {
        in_session(do_pty_info);
}
END_TEST

/* Keys become signals in the app: Ctrl-C, and Ctrl-D as end of file. */
static void do_pty_keys(void) {
        Ax ax = AX_TERMINAL("run", "--quiet", "sh", "-c",
                            "trap 'exit 6' INT; echo ready; while :; do sleep 0.01; done");

        ck_assert(expect(ax.out, "ready\r\n"));
        ck_assert_int_eq(write(ax.in, "\x03", 1), 1);
        check_exit(&ax, 6);
}

START_TEST(test_pty_keys) {
        in_session(do_pty_keys);
}
END_TEST

/* Output written just before the end arrives in full. */
static void do_pty_drain(void) {
        Ax ax = AX_TERMINAL("run", "--quiet", "sh", "-c", "seq 1 100000; echo the end; exit 2");

        ck_assert(expect(ax.out, "100000\r\nthe end\r\n"));
        check_exit(&ax, 2);
}

START_TEST(test_pty_drain) {
        in_session(do_pty_drain);
}
END_TEST

/* Ctrl-Z: the app stops, ax gives the terminal back and stops as a job; fg continues both. */
static void do_pty_stop(void) {
        Ax ax = AX_TERMINAL("run", "--quiet", "sh", "-c",
                            "echo ready; read line; echo \"got $line\"; exit 8");
        int status;

        ck_assert(expect(ax.out, "ready\r\n"));
        ck_assert_int_eq(write(ax.in, "\x1a", 1), 1);
        ck_assert_int_eq(waitpid(ax.pid, &status, WUNTRACED), ax.pid);
        ck_assert(WIFSTOPPED(status));
        ck_assert_int_eq(WSTOPSIG(status), SIGTSTP);
        check_cooked(ax.in, true);
        (void) kill(-ax.pid, SIGCONT);
        usleep(200 * 1000);
        check_cooked(ax.in, false);
        ck_assert_int_eq(write(ax.in, "x\r", 2), 2);
        ck_assert(expect(ax.out, "got x\r\n"));
        check_exit(&ax, 8);
        check_cooked(ax.in, true);
}

START_TEST(test_pty_stop) {
        in_session(do_pty_stop);
}
END_TEST

/* A job in the background leaves the terminal and its modes to the shell, and its output still comes. */
static void do_pty_background(void) {
        Ax ax = AX_BACKGROUND("run", "--quiet", "sh", "-c", "stty -a; sleep 0.2; echo output");

        ck_assert(expect(ax.out, " icanon"));
        ck_assert(expect(ax.out, "output\r"));
        check_cooked(ax.in, false);
        check_exit(&ax, 0);
        check_cooked(ax.in, false);
}

START_TEST(test_pty_background) {
        in_session(do_pty_background);
}
END_TEST

/* --pty without a terminal: the end of our stdin is an end of file for the app. */
START_TEST(test_pty_forced) {
        Ax ax = AX("run", "--pty", "sh", "-c", "test -t 0 && test -t 2 && cat && exit 4");

        ck_assert_int_eq(write(ax.in, "half a line", 11), 11);
        safe_close(ax.in);
        ck_assert(expect(ax.out, "half a line"));
        check_exit(&ax, 4);
}
END_TEST

/*
 * --pipe on a terminal: Ctrl-C is for all processes of the app, as it is for
 * all of a job. (If it comes before ax knows of the app it ends ax alone; the
 * true daemon ends the app with it, here it ends by itself.)
 */
static void do_pipe_keys(void) {
        Ax ax = AX_TERMINAL("run", "--quiet", "--pipe", "sh", "-c",
                            "(trap 'exit 0' INT; echo ready; for i in $(seq 1000); do sleep 0.01; done); exit 7");

        ck_assert(expect(ax.out, "ready\r\n"));
        ck_assert_int_eq(write(ax.in, "\x03", 1), 1);
        check_killed(&ax, SIGINT);
}

START_TEST(test_pipe_keys) {
        in_session(do_pipe_keys);
}
END_TEST

/* --pipe on a terminal: the app has the very terminal. */
static void do_pipe(void) {
        Ax ax = AX_TERMINAL("run", "--quiet", "--pipe", "sh", "-c", "echo ready; sleep 0.2; exit 1");

        ck_assert(expect(ax.out, "ready\r\n"));
        check_cooked(ax.in, true);
        check_exit(&ax, 1);
}

START_TEST(test_pipe) {
        in_session(do_pipe);
}
END_TEST

/* The list as a table and as JSON; foreign text cannot move the cursor. */
START_TEST(test_list) {
        Ax ax = AX("list", "--no-legend");

        check_exit(&ax, 0);
        ck_assert(expect(ax.out, "web_1 web 198.18.0.10,fdaa::1 zone=default *:80,[fdaa::1]:443 0 "
                                 "appswitch-web_1.scope 4711\n"));
        ax = AX("--json=short", "list");
        check_exit(&ax, 0);
        ck_assert(expect(
                        ax.out,
                        "[{\"id\":\"web_1\",\"name\":\"web\",\"names\":[\"web\"],\"addresses\":[\"198.18.0.10\",\"fdaa::1\"],"
                        "\"tags\":[\"zone=default\"],\"listens\":[{\"protocol\":\"tcp\",\"address\":\"*\",\"port\":80},"
                        "{\"protocol\":\"tcp\",\"address\":\"fdaa::1\",\"port\":443}],\"strategy\":\"round-robin\",\"weight\":0,\"draining\":false,"
                        "\"expose\":[],\"expose_from\":[],\"egress\":[],\"uid\":0,"
                        "\"unit\":\"appswitch-web_1.scope\",\"shortcut\":\"auto\",\"transport\":\"unix\",\"leader\":4711,\"command\":[\"echo\",\"a\\nb\"],"
                        "\"timestamp\":1000000}]\n"));
        ax = AX("list");
        check_exit(&ax, 0);
        ck_assert(expect(ax.out, "\n1 app listed.\n"));
        ax = AX("status", "WEB");
        check_exit(&ax, 0);
        ck_assert(expect(ax.out, "echo a\\x0ab\n"));
        ax = AX("status", "other");
        check_exit(&ax, 1);
        ck_assert(expect(ax.err, "Failed to show app: There is no app \"other\"; see \"ax list\".\n"));
}
END_TEST

/* No apps: an empty array, and a table of nothing. */
START_TEST(test_list_empty) {
        Ax ax = AX("list", "--json=short");

        check_exit(&ax, 0);
        ck_assert(expect(ax.out, "[]\n"));
        ax = AX("list");
        check_exit(&ax, 0);
        ck_assert(expect(ax.out, "0 apps listed.\n"));
        ax = AX("list", "--no-legend");
        check_exit(&ax, 0);
        ck_assert(expect(ax.out, ""));
}
END_TEST

/* kill passes whom and signal on, for a name as for an id. */
START_TEST(test_kill) {
        Ax ax = AX("kill", "--signal=HUP", "--kill-whom=leader", "web");

        check_exit(&ax, 1);
        ck_assert(expect(ax.err, "Failed to kill app: web_1 leader 1\n"));
        ax = AX("kill", "-s9", "web_1");
        check_exit(&ax, 1);
        ck_assert(expect(ax.err, "Failed to kill app: web_1 all 9\n"));
        ax = AX("stop", "other");
        check_exit(&ax, 1);
        ck_assert(expect(ax.err, "Failed to stop app: There is no app \"other\"; see \"ax list\".\n"));
}
END_TEST

static void setup_empty(void) {
        (void) setenv("TEST_NO_APPS", "1", true);
        cli_daemon_start();
}

static void add_case(Suite *s, const char *name, void (*fixture)(void), const TTest *const *tests,
                     size_t n) {
        TCase *c = tcase_create(name);

        tcase_add_checked_fixture(c, fixture, cli_daemon_stop);
        tcase_set_timeout(c, 30);
        for (size_t i = 0; i < n; i++)
                tcase_add_test(c, tests[i]);
        suite_add_tcase(s, c);
}

int main(void) {
        const TTest *const plain[] = {
                test_status,       test_killed, test_transparent, test_signals,
                test_early_signal, test_stop,   test_errors,      test_unreachable,
                test_cwd,          test_lost,   test_bus_dies,    test_no_block,
        };
        const TTest *const terminal[] = {
                test_pty,        test_pty_info, test_pty_keys,
                test_pty_drain,  test_pty_stop, test_pty_background,
                test_pty_forced, test_pipe,     test_pipe_keys,
        };
        const TTest *const looking[] = { test_list, test_kill };
        const TTest *const empty[] = { test_list_empty };
        Suite *s = suite_create("cli-run");
        SRunner *runner;
        int failed;

        add_case(s, "plain", cli_daemon_start, plain, ELEMENTSOF(plain));
        add_case(s, "terminal", cli_daemon_start, terminal, ELEMENTSOF(terminal));
        add_case(s, "looking", cli_daemon_start, looking, ELEMENTSOF(looking));
        add_case(s, "empty", setup_empty, empty, ELEMENTSOF(empty));
        runner = srunner_create(s);
        srunner_run_all(runner, CK_ENV);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

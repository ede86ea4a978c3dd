/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <check.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <termios.h>
#include <unistd.h>

#include "basic/fd.h"
#include "cli-daemon.h"
#include "launch/control.h"

char cli_daemon_directory[] = "/tmp/test-cli-XXXXXX";
static pid_t server;

/* ---- the monitor ---- */

typedef struct Launch {
        char **argv, **env;
        int cwd, stdio[3], control;
        int terminal, stop_with_caller;
        char *name;
} Launch;

static void monitor_say(int control, ControlType type, int value) {
        ControlMessage m = { .type = type, .value = value };

        (void) send(control, &m, sizeof(m), MSG_NOSIGNAL);
}

static void monitor_child(const Launch *l) {
        sigset_t none;

        sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
        (void) setpgid(0, 0);
        if (l->terminal) {
                (void) signal(SIGTTOU, SIG_IGN);
                (void) tcsetpgrp(STDIN_FILENO, getpid());
                (void) signal(SIGTTOU, SIG_DFL);
        }
        if (l->cwd >= 0 && fchdir(l->cwd) < 0)
                _exit(200);
        execvpe(l->argv[0], l->argv, l->env);
        _exit(203);
}

/* Follows the child until it ends; what ax sends becomes a signal for it or its group. */
static void monitor_follow(const Launch *l, pid_t child, int sigchld) {
        struct pollfd fds[2] = { { .fd = l->control, .events = POLLIN },
                                 { .fd = sigchld, .events = POLLIN } };
        struct signalfd_siginfo si;
        ControlMessage m;
        int status;

        for (;;) {
                (void) poll(fds, 2, -1);
                if (fds[0].revents) {
                        if (recv(l->control, &m, sizeof(m), 0) == (ssize_t) sizeof(m))
                                (void) kill(m.type == CONTROL_SIGNAL_GROUP ? -child : child, m.value);
                        else
                                fds[0].fd = -1;
                }
                if (!fds[1].revents || read(sigchld, &si, sizeof(si)) < 0)
                        continue;
                while (waitpid(child, &status, WNOHANG | WUNTRACED) == child) {
                        if (WIFSTOPPED(status)) {
                                monitor_say(l->control, CONTROL_STOPPED, WSTOPSIG(status));
                                continue;
                        }
                        if (WIFEXITED(status))
                                monitor_say(l->control, CONTROL_EXITED, WEXITSTATUS(status));
                        else
                                monitor_say(l->control, CONTROL_KILLED, WTERMSIG(status));
                        _exit(0);
                }
        }
}

static void monitor_run(const Launch *l) {
        sigset_t chld;
        pid_t child;
        int sigchld;

        for (int i = 0; i < 3; i++)
                (void) dup2(l->stdio[i], i);
        for (int fd = 3; fd < 256; fd++)
                if (fd != l->control && fd != l->cwd)
                        (void) close(fd);
        (void) setsid();
        if (l->terminal)
                (void) ioctl(STDIN_FILENO, TIOCSCTTY, 0);
        sigemptyset(&chld);
        sigaddset(&chld, SIGCHLD);
        (void) sigprocmask(SIG_SETMASK, &chld, NULL);
        sigchld = signalfd(-1, &chld, SFD_CLOEXEC);
        if (l->name && strcmp(l->name, "lost") == 0)
                _exit(1);
        child = fork();
        if (child == 0)
                monitor_child(l);
        monitor_say(l->control, CONTROL_STARTED, child);
        monitor_follow(l, child, sigchld);
}

/* ---- the daemon ---- */

static int dup_arg(int fd) {
        return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static int read_option(sd_bus_message *m, Launch *l, const char *key) {
        static const char *const stdio[] = { "StandardInput", "StandardOutput", "StandardError" };
        const char *contents, *s;
        int fd, r;

        for (int i = 0; i < 3; i++)
                if (strcmp(key, stdio[i]) == 0) {
                        r = sd_bus_message_read(m, "v", "h", &fd);
                        l->stdio[i] = dup_arg(fd);
                        return r;
                }
        if (strcmp(key, "WorkingDirectory") == 0) {
                r = sd_bus_message_read(m, "v", "h", &fd);
                l->cwd = dup_arg(fd);
                return r;
        }
        if (strcmp(key, "Control") == 0) {
                r = sd_bus_message_read(m, "v", "h", &fd);
                l->control = dup_arg(fd);
                return r;
        }
        if (strcmp(key, "Terminal") == 0)
                return sd_bus_message_read(m, "v", "b", &l->terminal);
        if (strcmp(key, "StopWithCaller") == 0)
                return sd_bus_message_read(m, "v", "b", &l->stop_with_caller);
        if (strcmp(key, "Name") == 0) {
                r = sd_bus_message_read(m, "v", "s", &s);
                l->name = strdup(s);
                return r;
        }
        r = sd_bus_message_peek_type(m, NULL, &contents);
        return r < 0 ? r : sd_bus_message_skip(m, "v");
}

static int read_launch(sd_bus_message *m, Launch *l) {
        const char *key;
        int r;

        *l = (Launch){ .cwd = -1, .control = -1, .stdio = { -1, -1, -1 } };
        r = sd_bus_message_read_strv(m, &l->argv);
        if (r >= 0)
                r = sd_bus_message_read_strv(m, &l->env);
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = sd_bus_message_read(m, "s", &key);
                if (r >= 0)
                        r = read_option(m, l, key);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

/* "fail NAME MESSAGE" is no program but an order to refuse so. */
static int on_run_app(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Launch l;
        int r;

        r = read_launch(m, &l);
        if (r < 0)
                return r;
        if (strcmp(l.argv[0], "fail") == 0)
                return sd_bus_error_set(error, l.argv[1], l.argv[2]);
        if (strcmp(l.argv[0], "wait") == 0) /* never answered */
                return 1;
        if (fork() == 0)
                monitor_run(&l);
        for (int i = 0; i < 3; i++)
                safe_close(l.stdio[i]);
        safe_close(l.control);
        r = sd_bus_reply_method_return(m, "sos", "web_1", "/io/appswitch1/app/web_1",
                                       "appswitch-web_1.scope");
        if (l.name && strcmp(l.name, "dies") == 0) {
                (void) sd_bus_flush(sd_bus_message_get_bus(m));
                _exit(0);
        }
        return r;
}

static int on_hello(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return sd_bus_reply_method_return(m, "s", ":1.1");
}

static int append_app(sd_bus_message *reply) {
        return sd_bus_message_append(reply, "a{sv}", 11, "Id", "s", "web_1", "Name", "s", "web", "Addresses",
                                     "as", 2, "198.18.0.10", "fdaa::1", "Tags", "as", 1, "zone=default",
                                     "UID", "u", 0, "Unit", "s", "appswitch-web_1.scope", "Leader", "u",
                                     4711, "Command", "as", 2, "echo", "a\nb", "Timestamp", "t",
                                     UINT64_C(1000000), "Listeners", "a(ssq)", 2, "tcp", "*", 80, "tcp",
                                     "fdaa::1", 443, "Newer", "as", 0);
}

static int on_get_all(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        sd_bus_message *reply;

        ck_assert_int_ge(sd_bus_message_new_method_return(m, &reply), 0);
        ck_assert_int_ge(append_app(reply), 0);
        return sd_bus_send(NULL, reply, NULL);
}

static int on_managed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        sd_bus_message *reply;

        ck_assert_int_ge(sd_bus_message_new_method_return(m, &reply), 0);
        ck_assert_int_ge(sd_bus_message_open_container(reply, 'a', "{oa{sa{sv}}}"), 0);
        if (!getenv("TEST_NO_APPS")) {
                ck_assert_int_ge(sd_bus_message_open_container(reply, 'e', "oa{sa{sv}}"), 0);
                ck_assert_int_ge(sd_bus_message_append(reply, "o", "/io/appswitch1/app/web_1"), 0);
                ck_assert_int_ge(sd_bus_message_open_container(reply, 'a', "{sa{sv}}"), 0);
                ck_assert_int_ge(sd_bus_message_append(reply, "{sa{sv}}", "org.freedesktop.DBus.Peer", 0),
                                 0);
                ck_assert_int_ge(sd_bus_message_open_container(reply, 'e', "sa{sv}"), 0);
                ck_assert_int_ge(sd_bus_message_append(reply, "s", "io.appswitch1.App"), 0);
                ck_assert_int_ge(append_app(reply), 0);
                for (int i = 0; i < 3; i++)
                        ck_assert_int_ge(sd_bus_message_close_container(reply), 0);
        }
        ck_assert_int_ge(sd_bus_message_close_container(reply), 0);
        return sd_bus_send(NULL, reply, NULL);
}

static int on_kill_app(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *id, *whom;
        int sig;

        if (sd_bus_message_read(m, "ssi", &id, &whom, &sig) < 0)
                return -EBADMSG;
        return sd_bus_error_setf(error, "io.appswitch1.NoSuchApp", "%s %s %i", id, whom, sig);
}

static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        static const struct {
                const char *interface, *member;
                sd_bus_message_handler_t handler;
        } methods[] = {
                { "org.freedesktop.DBus", "Hello", on_hello },
                { "org.freedesktop.DBus.Properties", "GetAll", on_get_all },
                { "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", on_managed },
                { "io.appswitch1.Manager", "RunApp", on_run_app },
                { "io.appswitch1.Manager", "KillApp", on_kill_app },
        };

        for (size_t i = 0; i < ELEMENTSOF(methods); i++)
                if (sd_bus_message_is_method_call(m, methods[i].interface, methods[i].member) > 0) {
                        int r = methods[i].handler(m, userdata, error);

                        if (sd_bus_error_is_set(error))
                                return sd_bus_reply_method_error(m, error);
                        return r < 0 ? r : 1;
                }
        return 0;
}

static void serve_connection(int fd) {
        sd_id128_t id = {};
        sd_bus *bus = NULL;
        int r;

        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_fd(bus, fd, fd);
        if (r >= 0)
                r = sd_bus_set_server(bus, true, id);
        if (r >= 0)
                r = sd_bus_set_anonymous(bus, true);
        if (r >= 0)
                r = sd_bus_negotiate_fds(bus, true);
        if (r >= 0)
                r = sd_bus_add_filter(bus, NULL, on_message, NULL);
        if (r >= 0)
                r = sd_bus_start(bus);
        while (r >= 0) {
                r = sd_bus_process(bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(bus, UINT64_MAX);
        }
        _exit(0);
}

static void serve(int listener) {
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void) signal(SIGCHLD, SIG_IGN);
        for (;;) {
                int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

                if (fd < 0)
                        _exit(1);
                if (fork() == 0) {
                        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                        (void) signal(SIGCHLD, SIG_DFL);
                        serve_connection(fd);
                }
                (void) close(fd);
        }
}

void cli_daemon_start(void) {
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        char address[PATH_MAX];
        int fd;

        /* A hanging test must not hang the machine's builds; nor may it write to where we are run. */
        (void) strcpy(cli_daemon_directory, "/tmp/test-cli-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(cli_daemon_directory));
        (void) snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/bus", cli_daemon_directory);
        (void) snprintf(address, sizeof(address), "unix:path=%s/bus", cli_daemon_directory);
        (void) setenv("DBUS_SYSTEM_BUS_ADDRESS", address, true);
        (void) setenv("TEST_VARIABLE", "its value", true);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_ge(bind(fd, (struct sockaddr *) &sa, sizeof(sa)), 0);
        ck_assert_int_ge(listen(fd, 8), 0);
        server = fork();
        if (server == 0)
                serve(fd);
        safe_close(fd);
}

void cli_daemon_stop(void) {
        char path[PATH_MAX];

        (void) kill(server, SIGKILL);
        (void) waitpid(server, NULL, 0);
        (void) snprintf(path, sizeof(path), "%s/bus", cli_daemon_directory);
        (void) unlink(path);
        (void) rmdir(cli_daemon_directory);
}

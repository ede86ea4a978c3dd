/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* signal(7): which calls are interrupted, which are restarted; connections are neither lost nor doubled. */

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cases.h"

static volatile sig_atomic_t n_signals;

static void on_signal(int sig) {
        (void) sig;
        n_signals = n_signals + 1;
}

static void handle(int sig, int flags) {
        struct sigaction sa = {.sa_handler = on_signal, .sa_flags = flags};

        n_signals = 0;
        (void) sigaction(sig, &sa, NULL);
}

static void alarm_in(int ms, int every_ms) {
        const struct itimerval it = {
                        .it_value = {ms / 1000, ms % 1000 * 1000},
                        .it_interval = {every_ms / 1000, every_ms % 1000 * 1000},
        };

        (void) setitimer(ITIMER_REAL, &it, NULL);
}

/* A child that signals and does more, later. */
static pid_t fork_signaller(int signal, int ms, int n, int every_ms) {
        pid_t parent = getpid(), pid = fork();

        if (pid == 0) {
                nap(ms);
                for (int i = 0; i < n; i++) {
                        (void) kill(parent, signal);
                        nap(every_ms);
                }
                _exit(0);
        }
        return pid;
}

static void accept_eintr(Ctx *c) {
        int l = own_listener(c, 5);
        long start = now_ms();

        handle(SIGALRM, 0);
        alarm_in(100, 0);
        did_fd(c, "accept", accept(l, NULL, NULL));
        say_elapsed(c, "ends", start, 100);
        say(c, "signals %d", n_signals);
        (void) own_connection(c, l);
        did_fd(c, "accept", accept(l, NULL, NULL));
}

static void accept_restart(Ctx *c) {
        int l = own_listener(c, 5);
        long start = now_ms();
        pid_t pid;

        handle(SIGALRM, SA_RESTART);
        pid = fork();
        if (pid == 0) {
                nap(250);
                (void) own_connection(c, l);
                nap(100);
                _exit(0);
        }
        alarm_in(100, 0);
        did_fd(c, "accept", accept(l, NULL, NULL));
        say_elapsed(c, "ends", start, 250);
        say(c, "signals %d", n_signals);
        say_wait(c, "child", pid);
}

static void accept_timeo_restart(Ctx *c) {
        const struct timeval tv = {0, 300000};
        int l = own_listener(c, 5);

        must(c, "setsockopt", setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
        handle(SIGALRM, SA_RESTART);
        alarm_in(100, 0);
        /* signal(7): with a time-out set, EINTR even with SA_RESTART. */
        did_fd(c, "accept", accept(l, NULL, NULL));
}

static void accept_storm(Ctx *c) {
        int l = own_listener(c, 64), n = 0, eintr = 0;
        pid_t pid;

        handle(SIGURG, SA_RESTART);
        pid = fork();
        if (pid == 0) {
                pid_t parent = getppid();

                for (int i = 0; i < 30; i++) {
                        (void) kill(parent, SIGURG);
                        nap(2);
                        (void) own_connection(c, l);
                        (void) kill(parent, SIGURG);
                        nap(2);
                        (void) kill(parent, SIGURG);
                }
                nap(200);
                _exit(0);
        }
        while (n < 30) {
                int fd = accept(l, NULL, NULL);

                if (fd >= 0)
                        n++;
                else if (errno == EINTR)
                        eintr++;
                else
                        break;
        }
        say(c, "%d accepted, EINTR %d", n, eintr);
        set_nonblock(l, true);
        did_fd(c, "one more", accept(l, NULL, NULL));
        say_wait(c, "child", pid);
}

static void accept_storm_eintr(Ctx *c) {
        int l = own_listener(c, 64), n = 0, distinct = 0;
        int ports[30];
        pid_t pid;

        handle(SIGURG, 0);
        pid = fork();
        if (pid == 0) {
                pid_t parent = getppid();

                for (int i = 0; i < 30; i++) {
                        (void) kill(parent, SIGURG);
                        (void) own_connection(c, l);
                        (void) kill(parent, SIGURG);
                        nap(1);
                }
                nap(300);
                _exit(0);
        }
        while (n < 30) {
                int fd;

                if (!wait_events(l, POLLIN, 1000))
                        break;
                fd = accept(l, NULL, NULL);
                if (fd >= 0)
                        ports[n++] = peer_port_of(c, fd);
                else if (errno != EINTR)
                        break;
        }
        for (int i = 0; i < n; i++) {
                int same = 0;

                for (int k = 0; k < i; k++)
                        same += ports[i] == ports[k];
                distinct += !same;
        }
        say(c, "%d accepted, %d distinct", n, distinct);
        set_nonblock(l, true);
        did_fd(c, "one more", accept(l, NULL, NULL));
        say_wait(c, "child", pid);
}

static void connect_storm(Ctx *c) {
        int l = own_listener(c, 200), well = 0, n = 0;
        pid_t pid;

        handle(SIGURG, SA_RESTART);
        pid = fork_signaller(SIGURG, 0, 300, 1);
        for (int i = 0; i < 100; i++) {
                int fd = sock(c), r = dial(c, fd);

                if (r < 0 && errno == EINTR) {
                        (void) wait_events(fd, POLLOUT, 1000);
                        r = 0;
                }
                well += r == 0;
                nap(1);
        }
        (void) kill(pid, SIGKILL);
        say_wait(c, "child", pid);
        set_nonblock(l, true);
        while (accept(l, NULL, NULL) >= 0 || errno == EINTR)
                n++;
        say(c, "%d connected, %s accepted", well, n == 100 ? "as many" : "another number");
}

/* Interrupted in a connect that waits for room in the queue. */
static int fill_queue(Ctx *c, int *ret_l) {
        int n = 0;

        *ret_l = own_listener(c, 1);
        for (; n < 20; n++) {
                int fd = sock_nonblock(c);

                if (dial(c, fd) < 0 && errno == EINPROGRESS && !wait_events(fd, POLLOUT, 100)) {
                        close(fd);
                        break;
                }
        }
        return n;
}

static void connect_full_eintr(Ctx *c) {
        int l, fd;
        long start;

        say(c, "%d fit", fill_queue(c, &l));
        handle(SIGALRM, 0);
        fd = sock(c);
        start = now_ms();
        alarm_in(100, 0);
        did(c, "connect", dial(c, fd));
        say_elapsed(c, "ends", start, 100);
        did(c, "connect again", (set_nonblock(fd, true), dial(c, fd)));
}

static void connect_full_timeout(Ctx *c) {
        const struct timeval tv = {0, 200000};
        int l, fd;
        long start;

        (void) fill_queue(c, &l);
        fd = sock(c);
        must(c, "setsockopt", setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)));
        start = now_ms();
        did(c, "connect", dial(c, fd));
        say_elapsed(c, "ends", start, 200);
        did(c, "connect again", (set_nonblock(fd, true), dial(c, fd)));
}

static void connect_alarm_well(Ctx *c) {
        int fd = sock(c);

        far_listener(c);
        handle(SIGALRM, 0);
        alarm_in(1000, 0);
        did(c, "connect", dial(c, fd));
        alarm_in(0, 0);
        say(c, "signals %d", n_signals);
}

static void accept_killed(Ctx *c) {
        int l = own_listener(c, 5), fd;
        pid_t pid = fork();

        if (pid == 0) {
                (void) accept(l, NULL, NULL);
                _exit(0);
        }
        nap(50);
        (void) kill(pid, SIGKILL);
        say_wait(c, "the one who waited", pid);
        fd = own_connection(c, l);
        send_all(c, fd, "x", 1);
        set_nonblock(l, true);
        (void) wait_events(l, POLLIN, 1000);
        fd = accept(l, NULL, NULL);
        if (did_fd(c, "accept", fd) >= 0) {
                set_nonblock(fd, false);
                say_recv(c, "recv", fd, 0);
        }
}

static void accept_stopped(Ctx *c) {
        int l = own_listener(c, 5), status;
        pid_t pid = fork();

        if (pid == 0) {
                int fd = accept(l, NULL, NULL);

                _exit(fd < 0 ? 1 : 0);
        }
        nap(50);
        (void) kill(pid, SIGSTOP);
        (void) waitpid(pid, &status, WUNTRACED);
        say(c, "stopped %d", WIFSTOPPED(status));
        did(c, "connect", dial(c, sock(c)));
        nap(50);
        (void) kill(pid, SIGCONT);
        say_wait(c, "the one who waited", pid);
}

static void accept_stop_idle(Ctx *c) {
        int l = own_listener(c, 5), status;
        pid_t pid = fork();

        if (pid == 0) {
                int fd = accept(l, NULL, NULL);

                _exit(fd < 0 ? errno : 0);
        }
        nap(50);
        (void) kill(pid, SIGSTOP);
        (void) waitpid(pid, &status, WUNTRACED);
        (void) kill(pid, SIGCONT);
        nap(20);
        did(c, "connect", dial(c, sock(c)));
        say_wait(c, "the one who waited", pid);
}

static void connect_killed(Ctx *c) {
        int l = own_listener(c, 50);
        pid_t pid = fork();

        if (pid == 0) {
                for (;;) {
                        int fd = sock(c);

                        (void) dial(c, fd);
                        close(fd);
                }
        }
        nap(40);
        (void) kill(pid, SIGKILL);
        say_wait(c, "the client", pid);
        set_nonblock(l, true);
        for (int fd; (fd = accept(l, NULL, NULL)) >= 0;)
                close(fd);
        did(c, "connect", dial(c, sock(c)));
        (void) wait_events(l, POLLIN, 1000);
        did_fd(c, "accept", accept(l, NULL, NULL));
}

static void accept_signal_thread(Ctx *c) {
        sigset_t set;
        int l = own_listener(c, 5);

        /* A blocked signal does not interrupt. */
        handle(SIGALRM, 0);
        sigemptyset(&set);
        sigaddset(&set, SIGALRM);
        (void) sigprocmask(SIG_BLOCK, &set, NULL);
        alarm_in(50, 0);
        if (fork() == 0) {
                nap(200);
                (void) own_connection(c, l);
                nap(200);
                _exit(0);
        }
        did_fd(c, "accept", accept(l, NULL, NULL));
        say(c, "signals %d", n_signals);
        (void) sigprocmask(SIG_UNBLOCK, &set, NULL);
        say(c, "signals %d", n_signals);
}

static void accept_ignored_signal(Ctx *c) {
        int l = own_listener(c, 5);

        (void) signal(SIGUSR1, SIG_IGN);
        (void) fork_signaller(SIGUSR1, 50, 1, 1);
        if (fork() == 0) {
                nap(200);
                (void) own_connection(c, l);
                nap(200);
                _exit(0);
        }
        did_fd(c, "accept", accept(l, NULL, NULL));
}

static void recv_eintr(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        handle(SIGALRM, 0);
        alarm_in(100, 0);
        did(c, "recv", recv(a, &(char){0}, 1, 0));
        handle(SIGALRM, SA_RESTART);
        alarm_in(50, 0);
        if (fork() == 0) {
                nap(200);
                send_all(c, b, "x", 1);
                _exit(0);
        }
        did(c, "recv, restarted", recv(a, &(char){0}, 1, 0));
        say(c, "signals %d", n_signals);
}

static void poll_eintr(Ctx *c) {
        int l = own_listener(c, 5);
        struct pollfd p = {.fd = l, .events = POLLIN};

        handle(SIGALRM, SA_RESTART);
        alarm_in(100, 0);
        /* signal(7): never restarted. */
        did(c, "poll", poll(&p, 1, 1000));
}

static void accept_five_times(Ctx *c) {
        int l = own_listener(c, 5);

        handle(SIGALRM, 0);
        for (int i = 0; i < 5; i++) {
                alarm_in(20, 0);
                say(c, "accept %s", accept(l, NULL, NULL) < 0 ? error_name(errno) : "a descriptor");
        }
        (void) own_connection(c, l);
        alarm_in(500, 0);
        did_fd(c, "accept", accept(l, NULL, NULL));
        alarm_in(0, 0);
}

static void sigpipe(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        handle(SIGPIPE, 0);
        reset_close(b);
        (void) wait_events(a, POLLIN, 1000);
        did(c, "recv", recv(a, &(char){0}, 1, 0));
        did(c, "send", send(a, "x", 1, 0));
        say(c, "SIGPIPE %d", n_signals);
        did(c, "send MSG_NOSIGNAL", send(a, "x", 1, MSG_NOSIGNAL));
        say(c, "SIGPIPE %d", n_signals);
        did(c, "write", write(a, "x", 1));
        say(c, "SIGPIPE %d", n_signals);
}

static void sigpipe_shutdown(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        handle(SIGPIPE, 0);
        must(c, "shutdown", shutdown(a, SHUT_WR));
        did(c, "send", send(a, "x", 1, 0));
        say(c, "SIGPIPE %d", n_signals);
}

static void sigpipe_fresh(Ctx *c) {
        handle(SIGPIPE, 0);
        did(c, "send", send(sock(c), "x", 1, 0));
        say(c, "SIGPIPE %d", n_signals);
}

static void sigpipe_kills(Ctx *c) {
        int a, b;
        pid_t pid;

        own_pair(c, &a, &b);
        pid = fork();
        if (pid == 0) {
                (void) signal(SIGPIPE, SIG_DFL);
                (void) shutdown(a, SHUT_WR);
                (void) write(a, "x", 1);
                _exit(0);
        }
        say_wait(c, "the writer", pid);
}

#define S "signal(7): "

static const Case cases[] = {
                ALONE("signals/accept-eintr", S "without SA_RESTART: EINTR", accept_eintr),
                ALONE("signals/accept-restart", S "with SA_RESTART accept is restarted", accept_restart),
                ALONE("signals/accept-timeout-restart", S "with SO_RCVTIMEO: EINTR even with SA_RESTART",
                      accept_timeo_restart),
                ALONE("signals/accept-storm-restart", S "no connection is lost", accept_storm),
                ALONE("signals/accept-storm-eintr", S "no connection is lost or doubled",
                      accept_storm_eintr),
                ALONE("signals/connect-storm", S "no connection is lost or doubled", connect_storm),
                ALONE("signals/connect-full-eintr", "connect(2): EINTR; then EALREADY", connect_full_eintr),
                ALONE("signals/connect-full-timeout", "socket(7): SO_SNDTIMEO on connect is EINPROGRESS",
                      connect_full_timeout),
                ALONE("signals/connect-alarm", "connect(2)", connect_alarm_well),
                ALONE("signals/accept-killed", S "SIGKILL of who waits loses nothing", accept_killed),
                ALONE("signals/accept-stopped", S "SIGSTOP, SIGCONT", accept_stopped),
                ALONE("signals/accept-stop-continue", S "SIGSTOP and SIGCONT restart accept",
                      accept_stop_idle),
                ALONE("signals/connect-killed", S "SIGKILL of who connects", connect_killed),
                ALONE("signals/accept-five-times", S "EINTR", accept_five_times),
                ALONE("signals/accept-blocked", S "a blocked signal interrupts nothing",
                      accept_signal_thread),
                ALONE("signals/accept-ignored", S "an ignored signal interrupts nothing",
                      accept_ignored_signal),
                ALONE("signals/recv", S "recv", recv_eintr),
                ALONE("signals/poll", S "poll is never restarted", poll_eintr),
                ALONE("signals/sigpipe", "send(2): EPIPE and SIGPIPE, MSG_NOSIGNAL", sigpipe),
                ALONE("signals/sigpipe-shutdown", "send(2): EPIPE and SIGPIPE", sigpipe_shutdown),
                ALONE("signals/sigpipe-fresh", "send(2): EPIPE and SIGPIPE", sigpipe_fresh),
                ALONE("signals/sigpipe-kills", S "SIGPIPE terminates", sigpipe_kills),
};

CaseTable signals_cases(void) {
        return TABLE(cases);
}

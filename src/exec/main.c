/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * appswitch-exec: starts apps for appswitchd, one process for each.
 *
 * It is a service of its own because an app inherits from its parent what it
 * must not inherit from a sandboxed daemon: the mount namespace, the bounding
 * set of capabilities, seccomp filters. So appswitchd is fenced in as it
 * should be, and apps start from the clean state that the service manager gives
 * this one. It knows no bus and reads nothing but requests of root.
 */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "basic/fd.h"
#include "basic/log.h"
#include "exec/app.h"
#include "exec/monitor.h"
#include "exec/sockets.h"

static bool peer_is_root(int connection) {
        struct ucred peer;
        socklen_t size = sizeof(peer);

        return getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) >= 0 && peer.uid == 0;
}

/* A session of its own; with a terminal that is the controlling one of it. */
static void begin_session(const AppRequest *request) {
        (void) setsid();
        if (request->request.terminal)
                (void) ioctl(request->fds[EXEC_FD_STDIN], TIOCSCTTY, 0);
}

static void begin_foreground(const AppRequest *request) {
        (void) setpgid(0, 0);
        if (request->request.terminal) {
                /* From the background, tcsetpgrp(3) would stop us. */
                (void) signal(SIGTTOU, SIG_IGN);
                (void) tcsetpgrp(request->fds[EXEC_FD_STDIN], getpid());
        }
}

/* In a process forked for this request. */
static _Noreturn void serve(int connection) {
        AppRequest request;
        int executed[2], control, r;
        pid_t leader;

        (void) signal(SIGCHLD, SIG_DFL);
        r = app_request_receive(connection, &request);
        if (r < 0) {
                (void) log_error_errno(r, "Failed to receive a request: %m");
                _exit(EXIT_FAILURE);
        }
        if (request.request.sockets)
                sockets_serve(connection);
        if (request.request.network)
                app_serve_network(connection, &request);
        begin_session(&request);
        control = request.fds[EXEC_FD_CONTROL];
        if (control < 0)
                app_exec(connection, &request); /* nobody waits for it */

        /* Its write end is closed by execve(2). */
        if (pipe2(executed, O_CLOEXEC) < 0) {
                (void) log_error_errno(-errno, "Failed to make a pipe: %m");
                _exit(EXIT_FAILURE);
        }
        leader = fork();
        if (leader < 0) {
                (void) log_error_errno(-errno, "Failed to fork: %m");
                _exit(EXIT_FAILURE);
        }
        if (leader == 0) {
                safe_close(executed[0]);
                begin_foreground(&request);
                app_exec(connection, &request);
        }
        (void) setpgid(leader, leader);
        request.fds[EXEC_FD_CONTROL] = -EBADF;
        app_request_done(&request);
        safe_close(executed[1]);
        safe_close(connection);
        /* The caller must not be able to signal by us what he could not signal himself, a setuid program say. */
        if (setresuid(request.request.uid, request.request.uid, request.request.uid) < 0)
                _exit(EXIT_FAILURE);
        for (int fd = 0; fd < 3; fd++)
                safe_close(fd);
        monitor_run(leader, control, executed[0]);
}

int main(int argc, char *argv[]) {
        int n, listener = SD_LISTEN_FDS_START;

        if (argc == 2 && strcmp(argv[1], "--version") == 0) {
                (void) puts("appswitch-exec " VERSION);
                return EXIT_SUCCESS;
        }
        n = sd_listen_fds(true);
        if (n != 1 || sd_is_socket_unix(listener, SOCK_SEQPACKET, 1, NULL, 0) <= 0) {
                log_error("This program is started by appswitch-exec.socket with its one socket.");
                return EXIT_FAILURE;
        }
        /* Children are not waited for. */
        (void) signal(SIGCHLD, SIG_IGN);
        (void) sd_notify(0, "READY=1");

        for (;;) {
                _cleanup_close_ int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
                pid_t pid;

                if (connection < 0) {
                        if (errno == EINTR || errno == ECONNABORTED)
                                continue;
                        (void) log_error_errno(-errno, "Failed to accept a connection: %m");
                        return EXIT_FAILURE;
                }
                if (!peer_is_root(connection))
                        continue;
                pid = fork();
                if (pid < 0)
                        (void) log_error_errno(-errno, "Failed to fork, dropping a request: %m");
                if (pid == 0) {
                        safe_close(listener);
                        serve(connection);
                }
        }
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent.h"
#include "cases.h"

enum {
        FD_PEER = 900,
        FD_OUT = 901,
        FD_MAX = 1024,
};

int agent_send(int control, const AgentMessage *m, const int fds[2]) {
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(2 * sizeof(int))];
        } c = {};
        struct iovec iov = {(void *) m, sizeof(*m)};
        struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};

        if (fds) {
                struct cmsghdr *h;

                mh.msg_control = &c;
                mh.msg_controllen = sizeof(c);
                h = CMSG_FIRSTHDR(&mh);
                h->cmsg_level = SOL_SOCKET;
                h->cmsg_type = SCM_RIGHTS;
                h->cmsg_len = CMSG_LEN(2 * sizeof(int));
                memcpy(CMSG_DATA(h), fds, 2 * sizeof(int));
        }
        return sendmsg(control, &mh, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int agent_receive(int control, AgentMessage *m, int fds[2]) {
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(2 * sizeof(int))];
        } c = {};
        struct iovec iov = {m, sizeof(*m)};
        struct msghdr mh = {
                        .msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = &c,
                        .msg_controllen = sizeof(c),
        };
        struct cmsghdr *h;

        if (recvmsg(control, &mh, MSG_CMSG_CLOEXEC) != sizeof(*m))
                return -EPIPE;
        fds[0] = fds[1] = -1;
        h = CMSG_FIRSTHDR(&mh);
        if (h && h->cmsg_type == SCM_RIGHTS)
                memcpy(fds, CMSG_DATA(h), 2 * sizeof(int));
        return 0;
}

static void run_half(const AgentMessage *m, const int fds[2]) {
        const struct rlimit limit = {FD_MAX, FD_MAX};
        const Case *what = cases_get(m->index);
        Ctx c = {.what = what, .server = m->server, .addresses = m->addresses};
        Half half = !m->server ? what->client : what->server ? what->server : usher;
        int null, peer, out;

        (void) setpgid(0, 0);
        (void) setrlimit(RLIMIT_NOFILE, &limit);
        (void) signal(SIGPIPE, SIG_IGN);
        (void) prctl(PR_SET_CHILD_SUBREAPER, 0);

        /* First out of the way of where they are to be. */
        peer = fcntl(fds[0], F_DUPFD_CLOEXEC, 910);
        out = fcntl(fds[1], F_DUPFD_CLOEXEC, 910);
        c.peer = dup3(peer, FD_PEER, O_CLOEXEC);
        c.out = dup3(out, FD_OUT, O_CLOEXEC);
        null = open("/dev/null", O_RDWR | O_CLOEXEC);
        for (int i = 0; i < 3; i++)
                (void) dup2(null, i);
        (void) close_range(3, FD_PEER - 1, 0);
        (void) close_range(FD_OUT + 1, ~0U, 0);

        c.family = what->family;
        half(&c);
        _exit(0);
}

/* Runs one half to its end, or until told to kill it. */
static int run_one(int control, const AgentMessage *m, const int fds[2]) {
        AgentMessage done = {.command = AGENT_DONE};
        int pidfd, reaped;
        pid_t pid;

        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0)
                run_half(m, fds);
        (void) setpgid(pid, pid);
        close(fds[0]);
        close(fds[1]);
        pidfd = (int) syscall(SYS_pidfd_open, pid, 0);

        for (;;) {
                struct pollfd p[] = {{.fd = pidfd, .events = POLLIN}, {.fd = control, .events = POLLIN}};

                if (poll(p, 2, -1) < 0 && errno != EINTR)
                        return -errno;
                if (p[0].revents)
                        break;
                if (p[1].revents) {
                        AgentMessage kill_it;
                        int none[2];

                        (void) kill(-pid, SIGKILL);
                        (void) kill(pid, SIGKILL);
                        if (agent_receive(control, &kill_it, none) < 0)
                                return -EPIPE;
                }
        }
        close(pidfd);
        (void) waitpid(pid, &done.status, 0);
        /* Its children are ours now. */
        (void) kill(-pid, SIGKILL);
        for (int i = 0; i < 200; i++) {
                reaped = waitpid(-1, NULL, WNOHANG);
                if (reaped < 0)
                        break;
                if (reaped == 0)
                        (void) usleep(1000);
        }
        return agent_send(control, &done, NULL);
}

static void agent_serve(int control) {
        (void) prctl(PR_SET_CHILD_SUBREAPER, 1);
        for (;;) {
                AgentMessage m;
                int fds[2];

                if (agent_receive(control, &m, fds) < 0)
                        break;
                /* KILL that crossed the DONE. */
                if (m.command != AGENT_RUN)
                        continue;
                if (run_one(control, &m, fds) < 0)
                        break;
        }
        _exit(0);
}

int agent_start(int netns) {
        int fds[2];
        pid_t pid;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
                return -errno;
        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                close(fds[0]);
                if (netns >= 0 && setns(netns, CLONE_NEWNET) < 0)
                        _exit(1);
                agent_serve(fds[1]);
        }
        close(fds[1]);
        return fds[0];
}

static int path_address(const char *path, struct sockaddr_un *ret) {
        *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
        if (strlen(path) >= sizeof(ret->sun_path))
                return -ENAMETOOLONG;
        memcpy(ret->sun_path, path, strlen(path));
        return 0;
}

int agent_listen(const char *path) {
        struct sockaddr_un un;
        int l, r;

        r = path_address(path, &un);
        if (r < 0)
                return r;
        (void) unlink(path);
        l = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        if (l < 0 || bind(l, (struct sockaddr *) &un, sizeof(un)) < 0 || listen(l, 16) < 0)
                return -errno;
        (void) signal(SIGCHLD, SIG_IGN);
        for (;;) {
                int control = accept4(l, NULL, NULL, SOCK_CLOEXEC);
                pid_t pid;

                if (control < 0)
                        return -errno;
                pid = fork();
                if (pid == 0) {
                        (void) signal(SIGCHLD, SIG_DFL);
                        close(l);
                        agent_serve(control);
                }
                close(control);
        }
}

int agent_connect(const char *path) {
        struct sockaddr_un un;
        int fd, r;

        r = path_address(path, &un);
        if (r < 0)
                return r;
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *) &un, sizeof(un)) < 0)
                return -errno;
        return fd;
}

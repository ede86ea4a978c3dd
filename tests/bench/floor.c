/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The least that a supervisor can take which is asked by seccomp user notification about each connect(2) and
 * each accept(2) and joins the two by a pair of sockets: what tools/bench --floor compares AppSwitch with.
 *
 *   floor epoll|poll|threads SERVER... -- CLIENT...
 *
 * Runs a server and, once that listens, a client, and makes connections of the one with the other, until the
 * client ends, whose exit status it has. It waits for what they ask with epoll(7), with poll(2), or with a
 * thread for each of the two that sleeps in SECCOMP_IOCTL_NOTIF_RECV itself. Whatever else such a supervisor
 * does comes on top of what this one does:
 *
 *   connect   receive; read the address, and look whether it was still the caller who had it there; get the
 *             socket, as its flags are to stay; make a pair, whose one end has the name by which the other is
 *             known; put the other in the place of the socket (ADDFD); pass the end on; answer. As with TCP,
 *             who does not wait is told EINPROGRESS, and asks again, as ab does.
 *   accept    receive; take the end; write the address; put it into the server, which is the answer (ADDFD
 *             with SEND)
 *
 * So it is a lower bound, and no alternative. There is no policy, there are no names and addresses (all that
 * is connected to is the one server: the first socket that listens), no options of sockets, no TCP, UDP or
 * outside; nothing copes with another thread, with duplicates of descriptors or with epoll sets; who accepts
 * does not wait (EAGAIN); nothing is bounded, and nothing outlives us. It is for nginx and ab, which need none
 * of that.
 *
 * It is no bound of what is not joined by pairs of sockets, or where accept(2) is not to be answered; nor of who
 * tells a client that does not wait that he is connected at once, which TCP never does: that saves one of three
 * calls that are answered.
 *
 * Server and client are each the first process of a PID namespace and die with us, so all of theirs does, too,
 * however we end. It needs root.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS /* Linux 6.6 */
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, uint64_t)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

enum {
        CALLS_MAX = 8,
        PORT_FIRST = 1024,
        PORT_N = 64512,
};

/* Server or client: its first process, and where we are asked. */
typedef struct Program {
        const char *name;
        pid_t pid;
        int notify_fd;
        pid_t caller; /* who called last, and a descriptor of that process */
        int caller_fd;
} Program;

typedef struct seccomp_notif Call;

static Program server = { .name = "server", .notify_fd = -EBADF, .caller_fd = -EBADF };
static Program client = { .name = "client", .notify_fd = -EBADF, .caller_fd = -EBADF };
/* For ends of pairs. The server has queue_end in the place of its listening socket. */
static int queue = -EBADF, queue_end = -EBADF;
static unsigned n_connections;

static _Noreturn void die(const char *what) {
        fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
        _exit(1);
}

/* Whether on_child() may run: not before it knows who is who, and in one thread. */
static void set_child_signal(int how) {
        sigset_t mask;

        if (sigemptyset(&mask) < 0 || sigaddset(&mask, SIGCHLD) < 0 || sigprocmask(how, &mask, NULL) < 0)
                die("sigprocmask");
}

static int install_filter(const int *calls, size_t n) {
        struct sock_filter code[CALLS_MAX + 3] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)) };
        struct sock_fprog program = { (unsigned short) (n + 3), code };

        for (size_t i = 0; i < n; i++)
                code[1 + i] = (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned) calls[i],
                                                            (uint8_t) (n - i), 0);
        code[1 + n] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
        code[2 + n] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
        return (int) syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

/* Waits for the parent to have the notification descriptor before it becomes the program. */
static _Noreturn void become(const int *calls, size_t n, char **argv, int fd) {
        int notify_fd;

        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
                die("prctl");
        notify_fd = install_filter(calls, n);
        if (notify_fd < 0)
                die("seccomp");
        if (write(fd, &notify_fd, sizeof(notify_fd)) != sizeof(notify_fd))
                die("write");
        /* Nothing comes if the parent died before it would have killed us. */
        if (read(fd, &notify_fd, sizeof(notify_fd)) != sizeof(notify_fd))
                _exit(1);
        set_child_signal(SIG_UNBLOCK);
        (void) execvp(argv[0], argv);
        die(argv[0]);
}

static void start(Program *p, const int *calls, size_t n, char **argv) {
        const uint64_t flags = SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP;
        int pidfd = -EBADF, fds[2], theirs;
        struct clone_args args = {
                .flags = CLONE_NEWPID | CLONE_PIDFD,
                .exit_signal = SIGCHLD,
                .pidfd = (uintptr_t) &pidfd,
        };

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
                die("socketpair");
        set_child_signal(SIG_BLOCK);
        p->pid = (pid_t) syscall(SYS_clone3, &args, sizeof(args));
        if (p->pid < 0)
                die("clone3");
        if (p->pid == 0) {
                close(fds[0]);
                become(calls, n, argv, fds[1]);
        }
        set_child_signal(SIG_UNBLOCK);
        close(fds[1]);
        if (read(fds[0], &theirs, sizeof(theirs)) != sizeof(theirs))
                die(p->name);
        p->notify_fd = (int) syscall(SYS_pidfd_getfd, pidfd, theirs, 0);
        if (p->notify_fd < 0)
                die("pidfd_getfd");
        if (ioctl(p->notify_fd, SECCOMP_IOCTL_NOTIF_SET_FLAGS, flags) < 0 && errno != EINVAL)
                die("SECCOMP_IOCTL_NOTIF_SET_FLAGS");
        if (write(fds[0], &theirs, sizeof(theirs)) != sizeof(theirs))
                die("write");
        close(fds[0]);
        p->caller = p->pid;
        p->caller_fd = pidfd;
}

/* A handler of SIGCHLD: the end of one of them is ours; the client's with its exit status, the server's is too early. */
static void on_child(int number) {
        static const char early[] = "floor: the server has ended\n";
        int status;
        pid_t pid;

        while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
                if (pid == server.pid) {
                        (void) !write(STDERR_FILENO, early, sizeof(early) - 1);
                        _exit(1);
                }
                /* With it all of the server is gone. */
                (void) kill(server.pid, SIGKILL);
                (void) waitpid(server.pid, NULL, 0);
                _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
        }
}

static void set_queue(const Call *call) {
        struct seccomp_notif_addfd add = {
                .id = call->id,
                .flags = SECCOMP_ADDFD_FLAG_SETFD,
                .newfd = (unsigned) call->data.args[0],
        };
        int fds[2];

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
                die("socketpair");
        add.srcfd = (unsigned) fds[1];
        if (ioctl(server.notify_fd, SECCOMP_IOCTL_NOTIF_ADDFD, &add) < 0)
                die("SECCOMP_IOCTL_NOTIF_ADDFD of the listening socket");
        queue_end = fds[1];
        queue = fds[0];
}

static int pass_on(int fd, const struct sockaddr_in *from) {
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
        struct iovec iov = { (void *) from, sizeof(*from) };
        struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };

        memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
        return sendmsg(queue, &m, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* A descriptor, or a negative errno: -EAGAIN if there is no connection. */
static int take(struct sockaddr_in *from) {
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control;
        struct iovec iov = { from, sizeof(*from) };
        struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
        int fd;

        if (recvmsg(queue_end, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0)
                return -errno;
        if (m.msg_controllen < CMSG_LEN(sizeof(int)))
                return -EMFILE;
        memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
        return fd;
}

/* A descriptor of the process that calls, which stays with the program. */
static int caller_fd(Program *p, const Call *call) {
        if (p->caller != (pid_t) call->pid) {
                int fd = (int) syscall(SYS_pidfd_open, call->pid, 0);

                if (fd < 0)
                        return -errno;
                close(p->caller_fd);
                p->caller_fd = fd;
                p->caller = (pid_t) call->pid;
        }
        return p->caller_fd;
}

/* Makes the pair and gives each its end. A negative errno is what the caller is to be told. */
static int join(const Call *call, int flags) {
        struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
        struct seccomp_notif_addfd add = {
                .id = call->id,
                .flags = SECCOMP_ADDFD_FLAG_SETFD,
                .newfd = (unsigned) call->data.args[0],
        };
        struct sockaddr_un name = { .sun_family = AF_UNIX };
        const unsigned port = PORT_FIRST + n_connections++ % PORT_N;
        int fds[2], r = 0;
        size_t size;

        from.sin_port = htons((uint16_t) port);
        size = (size_t) snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "floor:%d:%u", (int) server.pid, port);
        size += offsetof(struct sockaddr_un, sun_path) + 1;
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | (flags & O_NONBLOCK), 0, fds) < 0)
                return -errno;
        add.srcfd = (unsigned) fds[0];
        if (bind(fds[1], (struct sockaddr *) &name, (socklen_t) size) < 0 ||
            ioctl(client.notify_fd, SECCOMP_IOCTL_NOTIF_ADDFD, &add) < 0)
                r = -errno;
        if (r >= 0)
                r = pass_on(fds[1], &from);
        close(fds[0]);
        close(fds[1]);
        return r;
}

/* What the caller is to be told, 1: that the kernel is to do it. */
static int handle_connect(const Call *call) {
        struct sockaddr_storage to;
        const size_t size = call->data.args[2] < sizeof(to) ? call->data.args[2] : sizeof(to);
        struct iovec ours = { &to, size }, theirs = { (void *) call->data.args[1], size };
        int fd, flags, domain;
        socklen_t n = sizeof(domain);
        int r;

        if (process_vm_readv((pid_t) call->pid, &ours, 1, &theirs, 1, 0) != (ssize_t) size || size < sizeof(to.ss_family))
                return -EFAULT;
        if (ioctl(client.notify_fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &call->id) < 0)
                return -errno;
        if (to.ss_family != AF_INET)
                return 1;
        r = caller_fd(&client, call);
        if (r < 0)
                return r;
        fd = (int) syscall(SYS_pidfd_getfd, r, (int) call->data.args[0], 0);
        if (fd < 0)
                return -errno;
        flags = fcntl(fd, F_GETFL);
        r = flags < 0 || getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) < 0 ? -errno : 0;
        close(fd);
        if (r < 0 || domain == AF_UNIX) /* he asks again whether he is connected */
                return r;
        r = join(call, flags);
        return r >= 0 && (flags & O_NONBLOCK) ? -EINPROGRESS : r;
}

/* As handle_connect(), and if r is 0, then the answer has been given. */
static int handle_accept(const Call *call) {
        const int flags = call->data.nr == SYS_accept4 ? (int) call->data.args[3] : 0;
        struct seccomp_notif_addfd add = {
                .id = call->id,
                .flags = SECCOMP_ADDFD_FLAG_SEND,
                .newfd_flags = flags & SOCK_CLOEXEC ? O_CLOEXEC : 0,
        };
        struct sockaddr_in from;
        socklen_t size = sizeof(from);
        struct iovec ours[] = { { &from, sizeof(from) }, { &size, sizeof(size) } };
        struct iovec theirs[] = { { (void *) call->data.args[1], sizeof(from) },
                                  { (void *) call->data.args[2], sizeof(size) } };
        int fd, r = 0, has;

        fd = take(&from);
        if (fd < 0)
                return fd;
        add.srcfd = (unsigned) fd;
        /* The pair is as the client's socket is. */
        has = fcntl(fd, F_GETFL);
        if (has < 0 || (!(has & O_NONBLOCK) != !(flags & SOCK_NONBLOCK) && fcntl(fd, F_SETFL, has ^ O_NONBLOCK) < 0))
                r = -errno;
        if (r >= 0 && call->data.args[1] &&
            process_vm_writev((pid_t) call->pid, ours, 2, theirs, 2, 0) != sizeof(from) + sizeof(size))
                r = -EFAULT;
        if (r >= 0 && ioctl(server.notify_fd, SECCOMP_IOCTL_NOTIF_ADDFD, &add) < 0)
                r = -errno;
        close(fd);
        return r;
}

/* Receives one call of this program and answers it. ENOENT: who made it is gone, or was interrupted. */
static void handle(Program *p) {
        Call call = {};
        struct seccomp_notif_resp answer = {};
        int r;

        if (ioctl(p->notify_fd, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0) {
                if (errno != ENOENT && errno != EINTR)
                        die("SECCOMP_IOCTL_NOTIF_RECV");
                return;
        }
        if (call.data.nr == SYS_connect)
                r = handle_connect(&call);
        else if (call.data.nr == SYS_listen) {
                if (queue < 0)
                        set_queue(&call);
                r = 0;
        } else {
                r = handle_accept(&call);
                if (r == 0)
                        return;
        }
        answer.id = call.id;
        if (r > 0)
                answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
        else
                answer.error = r;
        if (ioctl(p->notify_fd, SECCOMP_IOCTL_NOTIF_SEND, &answer) < 0 && errno != ENOENT)
                die("SECCOMP_IOCTL_NOTIF_SEND");
}

static void wait_by_epoll(void) {
        Program *programs[] = { &server, &client };
        int epfd = epoll_create1(EPOLL_CLOEXEC);

        if (epfd < 0)
                die("epoll_create1");
        for (size_t i = 0; i < 2; i++) {
                struct epoll_event e = { .events = EPOLLIN, .data.ptr = programs[i] };

                if (epoll_ctl(epfd, EPOLL_CTL_ADD, programs[i]->notify_fd, &e) < 0)
                        die("epoll_ctl");
        }
        for (;;) {
                struct epoll_event e;
                int n = epoll_wait(epfd, &e, 1, -1);

                if (n < 0 && errno != EINTR)
                        die("epoll_wait");
                if (n > 0 && (e.events & EPOLLIN))
                        handle(e.data.ptr);
                else if (n > 0)
                        (void) epoll_ctl(epfd, EPOLL_CTL_DEL, ((Program *) e.data.ptr)->notify_fd, NULL);
        }
}

static void wait_by_poll(void) {
        Program *programs[] = { &server, &client };
        struct pollfd fds[] = { { .fd = server.notify_fd, .events = POLLIN }, { .fd = client.notify_fd, .events = POLLIN } };

        for (;;) {
                if (poll(fds, 2, -1) < 0) {
                        if (errno != EINTR)
                                die("poll");
                        continue;
                }
                for (size_t i = 0; i < 2; i++)
                        if (fds[i].revents & POLLIN)
                                handle(programs[i]);
                        else if (fds[i].revents)
                                fds[i].fd = -1;
        }
}

static void *wait_in_receive(void *userdata) {
        for (;;)
                handle(userdata);
        return NULL;
}

static void wait_by_threads(void) {
        pthread_t thread;

        set_child_signal(SIG_BLOCK);
        errno = pthread_create(&thread, NULL, wait_in_receive, &client);
        if (errno != 0)
                die("pthread_create");
        set_child_signal(SIG_UNBLOCK);
        wait_in_receive(&server);
}

int main(int argc, char **argv) {
        static const struct {
                const char *name;
                void (*serve)(void);
        } ways[] = { { "epoll", wait_by_epoll }, { "poll", wait_by_poll }, { "threads", wait_by_threads } };
        static const int server_calls[] = { SYS_listen, SYS_accept, SYS_accept4 }, client_calls[] = { SYS_connect };
        const struct sigaction action = { .sa_handler = on_child, .sa_flags = SA_NOCLDSTOP };
        void (*serve)(void) = NULL;
        char **end = argv + (argc > 2 ? 2 : argc);

        for (size_t i = 0; argc > 1 && i < sizeof(ways) / sizeof(*ways); i++)
                if (strcmp(argv[1], ways[i].name) == 0)
                        serve = ways[i].serve;
        while (*end && strcmp(*end, "--") != 0)
                end++;
        if (!serve || end == argv + 2 || !*end || !end[1]) {
                fputs("Usage: floor epoll|poll|threads SERVER... -- CLIENT...\n", stderr);
                return 2;
        }
        *end = NULL;
        if (sigaction(SIGCHLD, &action, NULL) < 0)
                die("sigaction");
        start(&server, server_calls, sizeof(server_calls) / sizeof(*server_calls), argv + 2);
        while (queue < 0)
                handle(&server);
        start(&client, client_calls, sizeof(client_calls) / sizeof(*client_calls), end + 1);
        serve();
        return 1;
}

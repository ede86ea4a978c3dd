/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* dup(2), fork(2), SCM_RIGHTS, close-on-exec, RLIMIT_NOFILE, CLONE_FILES, vfork(2). */

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cases.h"

/* That two descriptors are both ends' way to the same connection. */
static void both_work(Ctx *c, int one, int other, int peer) {
        did(c, "send by the first", send(one, "1", 1, MSG_NOSIGNAL));
        did(c, "send by the second", send(other, "2", 1, MSG_NOSIGNAL));
        wait_bytes(c, peer, 2);
        say_recv(c, "the peer's recv", peer, MSG_DONTWAIT);
        say_peer(c, one);
        say_peer(c, other);
}

typedef int Dup(int fd);

static int dup_plain(int fd) {
        return dup(fd);
}

static int dup_two(int fd) {
        return dup2(fd, 60);
}

static int dup_three(int fd) {
        return dup3(fd, 61, O_CLOEXEC);
}

static int dup_fcntl(int fd) {
        return fcntl(fd, F_DUPFD, 62);
}

static int dup_fcntl_cloexec(int fd) {
        return fcntl(fd, F_DUPFD_CLOEXEC, 63);
}

static int accept_soon(Ctx *c, int l) {
        int fd;

        if (!wait_events(l, POLLIN, 500)) {
                say(c, "nobody waits");
                return -1;
        }
        fd = accept(l, NULL, NULL);
        did_fd(c, "accept", fd);
        return fd;
}

static void dup_before_connect(Ctx *c, Dup *how) {
        int fd = sock(c), d = how(fd), b;

        far_listener(c);
        did(c, "connect", dial(c, fd));
        b = far_accept(c);
        both_work(c, fd, d, b);
}

static void dup_before_connect_close_first(Ctx *c) {
        int fd = sock(c), d = dup(fd), b;

        far_listener(c);
        did(c, "connect", dial(c, fd));
        close(fd);
        b = far_accept(c);
        say_peer(c, d);
        did(c, "send", send(d, "x", 1, MSG_NOSIGNAL));
        wait_bytes(c, b, 1);
        say_recv(c, "recv", b, MSG_DONTWAIT);
        say_poll(c, "the peer's poll", b, POLLIN | POLLRDHUP, 20);
        close(d);
        say_poll(c, "the peer's poll", b, POLLIN | POLLRDHUP, 1000);
}

static void dup_before_connect_by_dup(Ctx *c) {
        int fd = sock(c), d = dup(fd), b;

        far_listener(c);
        did(c, "connect", dial(c, d));
        b = far_accept(c);
        both_work(c, fd, d, b);
}

static void dup_after_connect(Ctx *c, Dup *how) {
        int a, b, d;

        own_pair(c, &a, &b);
        d = how(a);
        both_work(c, a, d, b);
        close(a);
        say_poll(c, "the peer's poll", b, POLLIN | POLLRDHUP, 20);
        close(d);
        say_poll(c, "the peer's poll", b, POLLIN | POLLRDHUP, 1000);
}

static void dup_before_listen(Ctx *c, Dup *how) {
        int l = sock_bound(c, WHO_CLIENT, 0), d = how(l), fd;

        did(c, "listen", listen(l, 5));
        c->port = port_of(c, l);
        set_nonblock(d, true);
        did(c, "connect", dial(c, sock(c)));
        say_poll(c, "poll of the dup", d, POLLIN, 500);
        fd = accept(d, NULL, NULL);
        did_fd(c, "accept by the dup", fd);
        say_name(c, d);
}

static void dup_after_listen(Ctx *c, Dup *how) {
        int l = own_listener(c, 5), d = how(l);

        did(c, "connect", dial(c, sock(c)));
        close(l);
        (void) accept_soon(c, d);
        say_name(c, d);
        did(c, "connect again", dial(c, sock(c)));
        close(d);
        did(c, "connect when all are closed", dial(c, sock(c)));
}

#define DUPS(name)                                                                                          \
        static void name##_plain(Ctx *c) {                                                                  \
                name(c, dup_plain);                                                                         \
        }                                                                                                   \
        static void name##_two(Ctx *c) {                                                                    \
                name(c, dup_two);                                                                           \
        }                                                                                                   \
        static void name##_three(Ctx *c) {                                                                  \
                name(c, dup_three);                                                                         \
        }                                                                                                   \
        static void name##_fcntl(Ctx *c) {                                                                  \
                name(c, dup_fcntl);                                                                         \
        }                                                                                                   \
        static void name##_fcntl_cloexec(Ctx *c) {                                                          \
                name(c, dup_fcntl_cloexec);                                                                 \
        }

DUPS(dup_before_connect)
DUPS(dup_after_connect)
DUPS(dup_before_listen)
DUPS(dup_after_listen)

static void dup_before_nonblock(Ctx *c) {
        int fd = sock_nonblock(c), d = dup(fd);

        far_listener(c);
        did(c, "connect", dial(c, fd));
        say_poll(c, "poll of the dup", d, POLLOUT, 1000);
        set_nonblock(d, false);
        say(c, "O_NONBLOCK of the first %d", !!(fcntl(fd, F_GETFL) & O_NONBLOCK));
        (void) far_accept(c);
}

static void flags_shared(Ctx *c) {
        int a, b, d;

        own_pair(c, &a, &b);
        d = dup(a);
        set_nonblock(a, true);
        say(c, "O_NONBLOCK of the dup %d", !!(fcntl(d, F_GETFL) & O_NONBLOCK));
        (void) fcntl(a, F_SETFD, FD_CLOEXEC);
        say(c, "FD_CLOEXEC of the dup %d", fcntl(d, F_GETFD));
}

static void cloexec_kept(Ctx *c) {
        int a = socket(c->family, SOCK_STREAM | SOCK_CLOEXEC, 0), b = sock(c);

        far_listener(c);
        did(c, "connect", dial(c, a));
        say(c, "FD_CLOEXEC %d", fcntl(a, F_GETFD));
        did(c, "connect", dial(c, b));
        say(c, "FD_CLOEXEC %d", fcntl(b, F_GETFD));
        a = socket(c->family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        did(c, "listen", listen(a, 5));
        say(c, "FD_CLOEXEC %d", fcntl(a, F_GETFD));
        b = sock(c);
        did(c, "listen", listen(b, 5));
        say(c, "FD_CLOEXEC %d", fcntl(b, F_GETFD));
}

static void status_flags_kept(Ctx *c) {
        int a = sock(c);

        far_listener(c);
        (void) fcntl(a, F_SETFL, O_NONBLOCK | O_APPEND);
        did(c, "connect", dial(c, a));
        say(c, "flags %#x", fcntl(a, F_GETFL));
}

static void number_kept(Ctx *c) {
        int l = own_listener(c, 5), a = sock(c), next, fd;

        next = dup(a);
        close(next);
        did(c, "connect", dial(c, a));
        fd = accept(l, NULL, NULL);
        say(c, "the lowest number is used: %d", fd == next);
}

static void low_numbers(Ctx *c) {
        int l, a, b;

        for (int i = 0; i < 3; i++)
                close(i);
        l = own_listener(c, 5);
        a = sock(c);
        did(c, "connect", dial(c, a));
        b = accept(l, NULL, NULL);
        say(c, "the numbers are %d, %d, %d", l, a, b);
        send_all(c, a, "x", 1);
        say_recv(c, "recv", b, 0);
        say_name(c, l);
        close(l);
        did(c, "listen", listen(sock(c), 5));
}

static void fork_after_connect(Ctx *c) {
        int a, b;
        pid_t pid;

        own_pair(c, &a, &b);
        pid = fork();
        if (pid == 0) {
                send_all(c, a, "child", 5);
                _exit(0);
        }
        say_wait(c, "child", pid);
        send_all(c, a, "parent", 6);
        wait_bytes(c, b, 11);
        say_recv(c, "recv", b, 0);
        close(a);
        say_poll(c, "poll", b, POLLIN | POLLRDHUP, 1000);
}

static void fork_before_connect(Ctx *c) {
        int fd = sock(c), b;
        pid_t pid;

        far_listener(c);
        pid = fork();
        if (pid == 0) {
                did(c, "the child's connect", dial(c, fd));
                _exit(0);
        }
        say_wait(c, "child", pid);
        b = far_accept(c);
        say_peer(c, fd);
        did(c, "send", send(fd, "parent", 6, MSG_NOSIGNAL));
        wait_bytes(c, b, 6);
        say_recv(c, "recv", b, MSG_DONTWAIT);
}

static void fork_before_listen(Ctx *c) {
        int l = sock_bound(c, WHO_CLIENT, 0);
        pid_t pid = fork();

        if (pid == 0) {
                did(c, "the child's listen", listen(l, 5));
                _exit(0);
        }
        say_wait(c, "child", pid);
        c->port = port_of(c, l);
        did(c, "connect", dial(c, sock(c)));
        set_nonblock(l, true);
        (void) accept_soon(c, l);
}

static void fork_listener(Ctx *c) {
        int l = own_listener(c, 5), fd;
        pid_t pid = fork();

        if (pid == 0) {
                fd = accept(l, NULL, NULL);
                send_all(c, fd, "child", 5);
                _exit(0);
        }
        close(l);
        fd = own_connection(c, l);
        say_recv(c, "recv", fd, 0);
        say_wait(c, "child", pid);
        did(c, "connect when it has ended", dial(c, sock(c)));
}

static void fork_listeners(Ctx *c) {
        enum { N = 4 };
        int l = own_listener(c, 16), n = 0, status;

        for (int i = 0; i < N; i++)
                if (fork() == 0) {
                        int fd = accept(l, NULL, NULL);

                        (void) write(fd, "x", 1);
                        _exit(fd < 0);
                }
        for (int i = 0; i < N; i++) {
                int fd = own_connection(c, l);

                n += recv(fd, &(char){0}, 1, 0) == 1;
        }
        say(c, "%d were served", n);
        while (wait(&status) > 0)
                say(c, "child %d", WEXITSTATUS(status));
}

static void rights_connection_server(Ctx *c) {
        int fd;

        barrier(c);
        fd = hear_fd(c);
        did(c, "send", send(fd, "from afar", 9, MSG_NOSIGNAL));
        barrier(c);
        say_peer(c, fd);
        barrier(c);
}

static void rights_connection_client(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        barrier(c);
        tell_fd(c, a);
        wait_bytes(c, b, 9);
        say_recv(c, "recv", b, MSG_DONTWAIT);
        barrier(c);
        say_peer(c, a);
        barrier(c);
}

static void rights_listener_server(Ctx *c) {
        int l, fd;

        l = hear_fd(c);
        c->port = hear(c);
        say_name(c, l);
        set_nonblock(l, true);
        barrier(c);
        say_poll(c, "poll", l, POLLIN, 1000);
        fd = accept(l, NULL, NULL);
        if (did_fd(c, "accept", fd) >= 0)
                did(c, "send", send(fd, "x", 1, MSG_NOSIGNAL));
        barrier(c);
}

static void rights_listener_client(Ctx *c) {
        int l = sock_bound(c, WHO_CLIENT, 0), fd = sock(c);

        must(c, "listen", listen(l, 5));
        c->port = port_of(c, l);
        tell_fd(c, l);
        tell(c, c->port);
        did(c, "connect", dial_who(c, fd, WHO_CLIENT, c->port));
        barrier(c);
        barrier(c);
        say_recv(c, "recv", fd, MSG_DONTWAIT);
}

static void rights_fresh_server(Ctx *c) {
        int fd = hear_fd(c);

        did(c, "listen", listen(fd, 5));
        barrier(c);
        barrier(c);
        say_poll(c, "poll", fd, POLLIN, 1000);
        set_nonblock(fd, true);
        did_fd(c, "accept", accept(fd, NULL, NULL));
}

/* A socket made in one place listens in another: it is of the namespace that it was made in. */
static void rights_fresh_client(Ctx *c) {
        int l = sock_bound(c, WHO_CLIENT, 0);

        tell_fd(c, l);
        barrier(c);
        did(c, "connect", dial_who(c, sock(c), WHO_CLIENT, port_of(c, l)));
        barrier(c);
}

static void rights_queue(Ctx *c) {
        int fds[2], a, b;

        must(c, "socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
        own_pair(c, &a, &b);
        c->peer = fds[0];
        tell_fd(c, a);
        close(a);
        say_poll(c, "the peer's poll while it is under way", b, POLLIN | POLLRDHUP, 20);
        close(fds[1]);
        say_poll(c, "when it was thrown away", b, POLLIN | POLLRDHUP, 1000);
}

static void exec_keeps(Ctx *c) {
        int a, b;
        pid_t pid;

        own_pair(c, &a, &b);
        pid = fork();
        if (pid == 0) {
                (void) dup2(a, 1);
                (void) execl("/bin/echo", "echo", "hello", (char *) NULL);
                _exit(1);
        }
        say_wait(c, "echo", pid);
        wait_bytes(c, b, 6);
        say_recv(c, "recv", b, 0);
}

static void exec_closes(Ctx *c) {
        int a, b;
        pid_t pid;

        own_pair(c, &a, &b);
        (void) fcntl(a, F_SETFD, FD_CLOEXEC);
        (void) fcntl(b, F_SETFD, FD_CLOEXEC);
        pid = fork();
        if (pid == 0) {
                close(b);
                (void) execl("/bin/sleep", "sleep", "1", (char *) NULL);
                _exit(1);
        }
        close(a);
        say_poll(c, "poll", b, POLLIN | POLLRDHUP, 500);
        (void) kill(pid, SIGKILL);
        say_wait(c, "sleep", pid);
}

static void set_limit(Ctx *c, int n) {
        const struct rlimit limit = {(rlim_t) n, 1024};

        must(c, "setrlimit", setrlimit(RLIMIT_NOFILE, &limit));
}

static int highest(Ctx *c) {
        int fd = (int) must(c, "dup", dup(0));

        close(fd);
        return fd;
}

static void limit_accept(Ctx *c) {
        int l = own_listener(c, 5), a = own_connection(c, l), b;

        set_limit(c, highest(c));
        did_fd(c, "accept", accept(l, NULL, NULL));
        did_fd(c, "accept again", accept(l, NULL, NULL));
        send_all(c, a, "x", 1);
        set_limit(c, 1024);
        set_nonblock(l, true);
        b = accept(l, NULL, NULL);
        /* The connection is kept, or not: as the kernel does. */
        if (did_fd(c, "accept with room", b) >= 0) {
                set_nonblock(b, false);
                say_recv(c, "recv", b, 0);
        }
        say_poll(c, "the client's poll", a, POLLIN | POLLRDHUP, 50);
}

static void limit_accept_blocking(Ctx *c) {
        int l = own_listener(c, 5);

        set_limit(c, highest(c));
        did_fd(c, "accept of none", (set_nonblock(l, true), accept(l, NULL, NULL)));
}

static void limit_connect(Ctx *c) {
        int fd = sock(c);

        far_listener(c);
        set_limit(c, highest(c));
        did(c, "connect", dial(c, fd));
        set_limit(c, 2);
        did(c, "connect again", dial(c, fd));
        say_name(c, fd);
}

static void limit_below(Ctx *c) {
        int fd = sock(c);

        far_listener(c);
        /* The descriptor itself is above the limit: nothing needs a new one. */
        set_limit(c, 2);
        did(c, "connect", dial(c, fd));
        say_peer(c, fd);
        did(c, "send", send(fd, "x", 1, MSG_NOSIGNAL));
        set_limit(c, 1024);
        (void) far_accept(c);
}

static void limit_listen(Ctx *c) {
        int l = sock(c), listening = 0;
        socklen_t size = sizeof(listening);

        set_limit(c, 2);
        did(c, "listen", listen(l, 5));
        (void) getsockopt(l, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size);
        say(c, "SO_ACCEPTCONN %d", listening);
}

static void limit_sockets(Ctx *c) {
        set_limit(c, 20);
        for (int i = 0; i < 30; i++)
                if (socket(c->family, SOCK_STREAM, 0) < 0) {
                        did(c, "socket", -1);
                        say(c, "after %d", i);
                        break;
                }
}

/* A thread with a descriptor table of its own. */
typedef struct Unshared {
        Ctx *c;
        int l, fd, result, error, accepted;
} Unshared;

static void *unshared_connect(void *p) {
        Unshared *u = p;

        if (unshare(CLONE_FILES) < 0)
                return NULL;
        u->fd = socket(u->c->family, SOCK_STREAM, 0);
        u->result = dial(u->c, u->fd);
        u->error = errno;
        say_peer(u->c, u->fd);
        return NULL;
}

static void thread_unshared_connect(Ctx *c) {
        Unshared u = {.c = c};
        pthread_t t;

        far_listener(c);
        (void) pthread_create(&t, NULL, unshared_connect, &u);
        (void) pthread_join(t, NULL);
        say(c, "connect %d", u.result);
        say(c, "the number is free here: %d", fcntl(u.fd, F_GETFD) < 0);
        (void) far_accept(c);
}

static void *unshared_replace(void *p) {
        Unshared *u = p;

        if (unshare(CLONE_FILES) < 0)
                return NULL;
        u->result = dial(u->c, u->fd);
        u->error = errno;
        return NULL;
}

/* Both tables have the socket; connect by one shows in the other. */
static void thread_unshared_same(Ctx *c) {
        Unshared u = {.c = c};
        pthread_t t;

        far_listener(c);
        u.fd = sock(c);
        (void) pthread_create(&t, NULL, unshared_replace, &u);
        (void) pthread_join(t, NULL);
        say(c, "connect %d", u.result);
        say_peer(c, u.fd);
        (void) far_accept(c);
}

static void *unshared_accept(void *p) {
        Unshared *u = p;

        if (unshare(CLONE_FILES) < 0)
                return NULL;
        u->accepted = accept(u->l, NULL, NULL);
        u->result = fcntl(u->accepted, F_GETFD) >= 0;
        if (u->result)
                (void) write(u->accepted, "x", 1);
        return NULL;
}

static void thread_unshared_accept(Ctx *c) {
        Unshared u = {.c = c};
        pthread_t t;
        int fd;

        u.l = own_listener(c, 5);
        (void) pthread_create(&t, NULL, unshared_accept, &u);
        nap(30);
        fd = own_connection(c, u.l);
        (void) pthread_join(t, NULL);
        say(c, "accepted in the thread's table %d, not in this %d", u.result,
            fcntl(u.accepted, F_GETFD) < 0);
        say_recv(c, "recv", fd, 0);
}

static void *plain_connect(void *p) {
        Unshared *u = p;

        u->result = dial(u->c, u->fd);
        return NULL;
}

static void thread_connect(Ctx *c) {
        Unshared u = {.c = c};
        pthread_t t;

        far_listener(c);
        u.fd = sock(c);
        (void) pthread_create(&t, NULL, plain_connect, &u);
        (void) pthread_join(t, NULL);
        say(c, "connect %d", u.result);
        (void) far_accept(c);
}

static void vfork_connect(Ctx *c) {
        int fd = sock(c);
        SockAddr sa;
        socklen_t size;
        pid_t pid;

        far_listener(c);
        size = address_of(c, WHO_SERVER, c->port, &sa);
        /* The child has the memory of the parent, which waits. */
        pid = vfork();
        if (pid == 0) {
                (void) connect(fd, &sa.sa, size);
                _exit(7);
        }
        say_wait(c, "child", pid);
        (void) far_accept(c);
        say_peer(c, fd);
}

static void vfork_exec(Ctx *c) {
        char command[32];
        int a, b;
        pid_t pid;

        own_pair(c, &a, &b);
        (void) snprintf(command, sizeof(command), "echo hi >&%d", a);
        pid = vfork();
        if (pid == 0) {
                (void) execl("/bin/sh", "sh", "-c", command, (char *) NULL);
                _exit(1);
        }
        say_wait(c, "sh", pid);
        did(c, "connections are as they were: send", send(a, "x", 1, 0));
        say_recv(c, "recv", b, 0);
}

static void close_while_connected(Ctx *c) {
        int l = own_listener(c, 5), n = 0;

        for (int i = 0; i < 100; i++) {
                int fd = own_connection(c, l), b = accept(l, NULL, NULL);

                n += fd;
                close(fd);
                close(b);
        }
        say(c, "numbers are used again: %d", n == 100 * (l + 1));
}

static void fd_count(Ctx *c) {
        int before = highest(c);

        far_listener(c);
        for (int i = 0; i < 20; i++) {
                int fd = sock_nonblock(c);

                (void) dial(c, fd);
                (void) wait_events(fd, POLLOUT, 1000);
                close(far_accept(c));
                close(fd);
        }
        say(c, "leaked %d", highest(c) - before);
}

static void link_name(Ctx *c) {
        char path[64], link[64] = "";
        int a, b;

        own_pair(c, &a, &b);
        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", a);
        (void) readlink(path, link, 7);
        say(c, "%s", link);
}

/* What lsof(8) shows. Also how known-differences sees that connections of the mode "two" are pairs. */
static void protocol_name(Ctx *c) {
        char name[32] = "";
        int a, b;

        own_pair(c, &a, &b);
        did(c, "fgetxattr", fgetxattr(a, "system.sockprotoname", name, sizeof(name)));
        say(c, "the client's end is of %s", name);
        did(c, "fgetxattr", fgetxattr(b, "system.sockprotoname", name, sizeof(name)));
        say(c, "the server's end is of %s", name);
}

static void fstat_socket(Ctx *c) {
        struct stat x, y;
        int a, b;

        own_pair(c, &a, &b);
        (void) fstat(a, &x);
        (void) fstat(b, &y);
        say(c, "mode %o, inodes differ %d", x.st_mode, x.st_ino != y.st_ino);
}

#define DUP_CASES(name, text, half)                                                                         \
        ALONE("fds/dup-" name, "dup(2): " text, half##_plain),                                              \
                        ALONE("fds/dup2-" name, "dup2(2): " text, half##_two),                              \
                        ALONE("fds/dup3-" name, "dup3(2): " text, half##_three),                            \
                        ALONE("fds/F_DUPFD-" name, "fcntl(2) F_DUPFD: " text, half##_fcntl),                \
                        ALONE("fds/F_DUPFD_CLOEXEC-" name, "fcntl(2) F_DUPFD_CLOEXEC: " text,               \
                              half##_fcntl_cloexec)

static const Case cases[] = {
                DUP_CASES("before-connect", "refers to the same open file description", dup_before_connect),
                DUP_CASES("after-connect", "refers to the same open file description", dup_after_connect),
                DUP_CASES("before-listen", "refers to the same open file description", dup_before_listen),
                DUP_CASES("after-listen", "refers to the same open file description", dup_after_listen),
                ALONE("fds/dup-then-close", "dup(2): the socket lives as long as a descriptor",
                      dup_before_connect_close_first),
                ALONE("fds/connect-by-the-dup", "dup(2)", dup_before_connect_by_dup),
                ALONE("fds/dup-nonblock", "dup(2): file status flags are shared", dup_before_nonblock),
                ALONE("fds/flags-shared", "dup(2): file status flags are shared, descriptor flags not",
                      flags_shared),
                ALONE("fds/cloexec-kept", "fcntl(2): FD_CLOEXEC", cloexec_kept),
                ALONE("fds/status-flags-kept", "fcntl(2): F_GETFL", status_flags_kept),
                ALONE("fds/number-kept", "accept(2): the lowest-numbered descriptor", number_kept),
                ALONE("fds/low-numbers", "descriptors 0 to 2", low_numbers),
                ALONE("fds/fork-after-connect", "fork(2)", fork_after_connect),
                ALONE("fds/fork-before-connect", "fork(2): the same open file description",
                      fork_before_connect),
                ALONE("fds/fork-before-listen", "fork(2): the same open file description",
                      fork_before_listen),
                ALONE("fds/fork-listener", "fork(2)", fork_listener),
                ALONE("fds/fork-listeners", "fork(2)", fork_listeners),
                CASE("fds/rights-connection", "unix(7): SCM_RIGHTS", rights_connection_server,
                     rights_connection_client),
                CASE("fds/rights-listener", "unix(7): SCM_RIGHTS", rights_listener_server,
                     rights_listener_client),
                CASE("fds/rights-bound", "unix(7): SCM_RIGHTS", rights_fresh_server, rights_fresh_client),
                ALONE("fds/rights-thrown-away", "unix(7): SCM_RIGHTS", rights_queue),
                ALONE("fds/exec-keeps", "execve(2)", exec_keeps),
                ALONE("fds/exec-closes", "execve(2): close-on-exec", exec_closes),
                ALONE("fds/limit-accept", "accept(2): EMFILE", limit_accept),
                ALONE("fds/limit-accept-empty", "accept(2): EMFILE", limit_accept_blocking),
                ALONE("fds/limit-connect", "connect(2) needs no descriptor", limit_connect),
                ALONE("fds/limit-below", "getrlimit(2): RLIMIT_NOFILE is about new ones", limit_below),
                ALONE("fds/limit-listen", "listen(2) needs no descriptor", limit_listen),
                ALONE("fds/limit-socket", "socket(2): EMFILE", limit_sockets),
                ALONE("fds/unshared-connect", "unshare(2): CLONE_FILES", thread_unshared_connect),
                ALONE("fds/unshared-same", "unshare(2): CLONE_FILES", thread_unshared_same),
                ALONE("fds/unshared-accept", "unshare(2): CLONE_FILES", thread_unshared_accept),
                ALONE("fds/thread-connect", "pthreads(7)", thread_connect),
                ALONE("fds/vfork-connect", "vfork(2)", vfork_connect),
                ALONE("fds/vfork-exec", "vfork(2)", vfork_exec),
                ALONE("fds/used-again", "close(2)", close_while_connected),
                ALONE("fds/no-leak", "close(2)", fd_count),
                ALONE("fds/proc-link", "proc(5): /proc/PID/fd", link_name),
                ALONE_BOTH("fds/protocol-name", "xattr(7): system.sockprotoname", protocol_name),
                ALONE("fds/fstat", "fstat(2)", fstat_socket),
};

CaseTable fds_cases(void) {
        return TABLE(cases);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* send(2), recv(2), shutdown(2), splice(2), sendfile(2), tee(2), tcp(7): the stream itself. */

#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cases.h"

#define BAD_POINTER ((void *) 8)

static void peek(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        send_all(c, a, "hello", 5);
        wait_bytes(c, b, 5);
        say_recv(c, "peek", b, MSG_PEEK);
        say_recv(c, "peek again", b, MSG_PEEK);
        say_recv(c, "recv", b, 0);
        say_recv(c, "peek of nothing", b, MSG_PEEK | MSG_DONTWAIT);
}

static void peek_trunc(Ctx *c) {
        char buf[16];
        int a, b;

        own_pair(c, &a, &b);
        send_all(c, a, "hello", 5);
        wait_bytes(c, b, 5);
        did(c, "peek with MSG_TRUNC", recv(b, buf, sizeof(buf), MSG_PEEK | MSG_TRUNC));
        say_recv(c, "recv", b, MSG_DONTWAIT);
}

static void trunc_drops(Ctx *c) {
        char buf[16] = "untouched";
        int a, b;

        own_pair(c, &a, &b);
        send_all(c, a, "hello world", 11);
        wait_bytes(c, b, 11);
        did(c, "recv MSG_TRUNC", recv(b, buf, 6, MSG_TRUNC));
        say(c, "the buffer is \"%.9s\"", buf);
        say_recv(c, "recv", b, MSG_DONTWAIT);
}

static void trunc_null(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        send_all(c, a, "hello world", 11);
        wait_bytes(c, b, 11);
        did(c, "recv MSG_TRUNC to NULL", recv(b, NULL, 6, MSG_TRUNC));
        say_recv(c, "recv", b, MSG_DONTWAIT);
}

static void waitall_server(Ctx *c) {
        int fd = connected(c);

        send_all(c, fd, "12345", 5);
        nap(50);
        send_all(c, fd, "67890", 5);
        barrier(c);
}

static void waitall_client(Ctx *c) {
        int fd = connected(c);
        char buf[11] = "";

        did(c, "recv MSG_WAITALL", recv(fd, buf, 10, MSG_WAITALL));
        say(c, "\"%s\"", buf);
        barrier(c);
}

static void waitall_eof(Ctx *c) {
        char buf[16] = "";
        int a, b;

        own_pair(c, &a, &b);
        send_all(c, a, "12345", 5);
        close(a);
        did(c, "recv MSG_WAITALL", recv(b, buf, 10, MSG_WAITALL));
        did(c, "recv MSG_WAITALL", recv(b, buf, 10, MSG_WAITALL));
}

static void waitall_peek(Ctx *c) {
        char buf[16] = "";
        int a, b;

        own_pair(c, &a, &b);
        send_all(c, a, "12345", 5);
        wait_bytes(c, b, 5);
        did(c, "recv MSG_WAITALL|MSG_DONTWAIT", recv(b, buf, 10, MSG_WAITALL | MSG_DONTWAIT));
}

static void dontwait(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        did(c, "recv", recv(a, &(char){0}, 1, MSG_DONTWAIT));
        say(c, "O_NONBLOCK %d", !!(fcntl(a, F_GETFL) & O_NONBLOCK));
}

static void zero_length(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        did(c, "send of nothing", send(a, "", 0, 0));
        did(c, "write of nothing", write(a, "", 0));
        did(c, "recv of nothing", recv(b, "", 0, MSG_DONTWAIT));
        did(c, "read of nothing", read(b, "", 0));
        say_poll(c, "poll", b, POLLIN, 20);
}

static void zero_length_data(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        send_all(c, a, "x", 1);
        wait_bytes(c, b, 1);
        did(c, "recv of nothing", recv(b, "", 0, MSG_DONTWAIT));
        say_recv(c, "recv", b, 0);
}

/* Addresses with data. */
static void sendto_connected(Ctx *c) {
        SockAddr sa;
        socklen_t size = address_of(c, WHO_FOREIGN, 9, &sa);
        int a, b;

        own_pair(c, &a, &b);
        did(c, "sendto elsewhere", sendto(a, "hello", 5, 0, &sa.sa, size));
        sa.sa.sa_family = AF_UNIX;
        did(c, "sendto a Unix address", sendto(a, "hello", 5, 0, &sa.sa, size));
        did(c, "sendto a short address", sendto(a, "hello", 5, 0, &sa.sa, 1));
        did(c, "sendto a bad pointer", sendto(a, "hello", 5, MSG_NOSIGNAL, BAD_POINTER, size));
        did(c, "sendto of a large size", sendto(a, "hello", 5, 0, &sa.sa, 1000));
        wait_bytes(c, b, 15);
        say_recv(c, "recv", b, MSG_DONTWAIT);
}

static void sendto_fresh(Ctx *c) {
        SockAddr sa;
        socklen_t size;
        int fd = sock(c);

        far_listener(c);
        size = address_of(c, WHO_SERVER, c->port, &sa);
        did(c, "sendto", sendto(fd, "hello", 5, MSG_NOSIGNAL, &sa.sa, size));
}

static void sendto_fastopen(Ctx *c) {
        SockAddr sa;
        socklen_t size;
        int l = own_listener(c, 5), fd = sock(c), b;

        size = address_of(c, WHO_CLIENT, c->port, &sa);
        did(c, "sendto MSG_FASTOPEN", sendto(fd, "hello", 5, MSG_FASTOPEN | MSG_NOSIGNAL, &sa.sa, size));
        if (!wait_events(l, POLLIN, 300)) {
                say(c, "nobody comes");
                return;
        }
        b = accept(l, NULL, NULL);
        say_recv(c, "recv", b, 0);
}

static void recvfrom_address(Ctx *c) {
        SockAddr sa;
        socklen_t size = sizeof(sa);
        char buf[16];
        int a, b;

        own_pair(c, &a, &b);
        send_all(c, a, "hello", 5);
        memset(&sa, 0x5a, sizeof(sa));
        did(c, "recvfrom", recvfrom(b, buf, sizeof(buf), 0, &sa.sa, &size));
        say(c, "size %u, family %#x", size, sa.sa.sa_family);
        close(a);
        size = sizeof(sa);
        did(c, "recvfrom at the end", recvfrom(b, buf, sizeof(buf), 0, &sa.sa, &size));
        say(c, "size %u", size);
}

static void recvfrom_null(Ctx *c) {
        SockAddr sa;
        char buf[16];
        int a, b;

        own_pair(c, &a, &b);
        send_all(c, a, "hello", 5);
        wait_bytes(c, b, 5);
        did(c, "recvfrom with NULL size", recvfrom(b, buf, 2, 0, &sa.sa, NULL));
        did(c, "recvfrom with bad size", recvfrom(b, buf, 2, 0, &sa.sa, BAD_POINTER));
        say_recv(c, "recv", b, MSG_DONTWAIT);
}

static void recvmsg_name(Ctx *c) {
        SockAddr sa = {};
        char buf[16], control[64];
        struct iovec iov = {buf, sizeof(buf)};
        struct msghdr mh = {
                        .msg_name = &sa,
                        .msg_namelen = sizeof(sa),
                        .msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = control,
                        .msg_controllen = sizeof(control),
        };
        int a, b;

        own_pair(c, &a, &b);
        send_all(c, a, "hello", 5);
        did(c, "recvmsg", recvmsg(b, &mh, 0));
        say(c, "name %u, control %zu, flags %#x, family %d", mh.msg_namelen, mh.msg_controllen, mh.msg_flags,
            sa.sa.sa_family);
}

static void sendmsg_name(Ctx *c) {
        SockAddr sa;
        socklen_t size = address_of(c, WHO_FOREIGN, 9, &sa);
        struct iovec iov = {(void *) "hello", 5};
        struct msghdr mh = {.msg_name = &sa, .msg_namelen = size, .msg_iov = &iov, .msg_iovlen = 1};
        int a, b;

        own_pair(c, &a, &b);
        did(c, "sendmsg with a name", sendmsg(a, &mh, MSG_NOSIGNAL));
}

/* A stream of TCP carries no descriptors and no credentials. */
static void sendmsg_rights(Ctx *c) {
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control = {};
        struct iovec iov = {(char[]){'x'}, 1};
        struct msghdr mh = {
                        .msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = &control,
                        .msg_controllen = sizeof(control),
        };
        struct cmsghdr *h = CMSG_FIRSTHDR(&mh);
        int a, b;

        own_pair(c, &a, &b);
        h->cmsg_level = SOL_SOCKET;
        h->cmsg_type = SCM_RIGHTS;
        h->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(h), &a, sizeof(int));
        did(c, "sendmsg with SCM_RIGHTS", sendmsg(a, &mh, MSG_NOSIGNAL));
        mh.msg_controllen = sizeof(control);
        wait_bytes(c, b, 1);
        did(c, "recvmsg", recvmsg(b, &mh, MSG_DONTWAIT));
        say(c, "control %s", mh.msg_controllen ? "some" : "none");
}

static void recvmsg_credentials(Ctx *c) {
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(3 * sizeof(int))]; /* struct ucred */
        } control = {};
        struct iovec iov = {(char[1]){}, 1};
        struct msghdr mh = {
                        .msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = &control,
                        .msg_controllen = sizeof(control),
        };
        int a, b, one = 1;

        own_pair(c, &a, &b);
        did(c, "SO_PASSCRED", setsockopt(b, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)));
        send_all(c, a, "x", 1);
        wait_bytes(c, b, 1);
        did(c, "recvmsg", recvmsg(b, &mh, MSG_DONTWAIT));
        say(c, "control %s", mh.msg_controllen ? "some" : "none");
}

/* Urgent data. */
static void oob(Ctx *c) {
        int a, b, mark = 0;

        own_pair(c, &a, &b);
        send_all(c, a, "ab", 2);
        did(c, "send MSG_OOB", send(a, "c", 1, MSG_OOB));
        send_all(c, a, "d", 1);
        (void) wait_events(b, POLLPRI, 1000);
        nap(10);
        did(c, "SIOCATMARK", ioctl(b, SIOCATMARK, &mark));
        say(c, "at mark %d", mark);
        say_recv(c, "recv to the mark", b, 0);
        (void) ioctl(b, SIOCATMARK, &mark);
        say(c, "at mark %d", mark);
        say_recv(c, "recv MSG_OOB", b, MSG_OOB);
        say_recv(c, "recv MSG_OOB again", b, MSG_OOB);
        say_recv(c, "recv", b, MSG_DONTWAIT);
}

static void oob_none(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        say_recv(c, "recv MSG_OOB", b, MSG_OOB);
        say_recv(c, "recv MSG_OOB|MSG_DONTWAIT", b, MSG_OOB | MSG_DONTWAIT);
}

static void oob_many(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        did(c, "send MSG_OOB", send(a, "abc", 3, MSG_OOB));
        (void) wait_events(b, POLLPRI, 1000);
        say_recv(c, "recv MSG_OOB", b, MSG_OOB);
        say_recv(c, "recv", b, MSG_DONTWAIT);
}

static void oob_twice(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        did(c, "send MSG_OOB", send(a, "a", 1, MSG_OOB));
        (void) wait_events(b, POLLPRI, 1000);
        did(c, "send MSG_OOB", send(a, "b", 1, MSG_OOB));
        nap(10);
        say_recv(c, "recv MSG_OOB", b, MSG_OOB);
        say_recv(c, "recv", b, MSG_DONTWAIT);
}

static void more(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        did(c, "send MSG_MORE", send(a, "ab", 2, MSG_MORE));
        did(c, "send", send(a, "cd", 2, 0));
        wait_bytes(c, b, 4);
        say_recv(c, "recv", b, 0);
}

static void flags_unknown(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        did(c, "send MSG_EOR", send(a, "a", 1, MSG_EOR));
        did(c, "send MSG_CONFIRM", send(a, "b", 1, MSG_CONFIRM));
        did(c, "send MSG_DONTROUTE", send(a, "c", 1, MSG_DONTROUTE));
        wait_bytes(c, b, 3);
        say_recv(c, "recv MSG_ERRQUEUE", b, MSG_ERRQUEUE);
        say_recv(c, "recv MSG_CMSG_CLOEXEC", b, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
}

/* ioctls */
static void fionread(Ctx *c) {
        int a, b, n = -1;

        own_pair(c, &a, &b);
        did(c, "FIONREAD", ioctl(b, FIONREAD, &n));
        say(c, "%d", n);
        send_all(c, a, "hello", 5);
        wait_bytes(c, b, 5);
        (void) ioctl(b, FIONREAD, &n);
        say(c, "%d", n);
        (void) recv(b, &(char){0}, 1, 0);
        (void) ioctl(b, FIONREAD, &n);
        say(c, "%d", n);
        close(a);
        (void) wait_events(b, POLLRDHUP, 1000);
        (void) ioctl(b, FIONREAD, &n);
        say(c, "%d", n);
        did(c, "FIONREAD to a bad pointer", ioctl(b, FIONREAD, BAD_POINTER));
}

static void fionread_listener(Ctx *c) {
        int n = -1;

        did(c, "FIONREAD of a listener", ioctl(own_listener(c, 5), FIONREAD, &n));
        did(c, "SIOCOUTQ of a listener", ioctl(own_listener(c, 5), SIOCOUTQ, &n));
        did(c, "SIOCATMARK of a listener", ioctl(own_listener(c, 5), SIOCATMARK, &n));
        did(c, "FIONREAD of a fresh one", ioctl(sock(c), FIONREAD, &n));
}

static void siocoutq(Ctx *c) {
        int a, b, n = -1;

        own_pair(c, &a, &b);
        did(c, "SIOCOUTQ", ioctl(a, SIOCOUTQ, &n));
        say(c, "%d", n);
        send_all(c, a, "hello", 5);
        nap(60);
        (void) ioctl(a, SIOCOUTQ, &n);
        say(c, "acknowledged: %d", n);
        did(c, "SIOCOUTQNSD", ioctl(a, SIOCOUTQNSD, &n));
        wait_bytes(c, b, 5);
        say_recv(c, "recv", b, 0);
        (void) ioctl(a, SIOCOUTQ, &n);
        say(c, "read: %d", n);
}

static void siocinq_names(Ctx *c) {
        struct timeval tv;
        int a, b;

        own_pair(c, &a, &b);
        did(c, "SIOCGSTAMP", ioctl(a, SIOCGSTAMP, &tv));
        did(c, "an unknown one", ioctl(a, 0x89ff, &tv));
        did(c, "one of terminals", ioctl(a, TIOCGWINSZ, &tv) < 0 ? -1 : 0);
}

static void sifaddr(Ctx *c) {
        char ifreq[64] = "lo";
        int a, b;

        own_pair(c, &a, &b);
        did(c, "SIOCGIFFLAGS", ioctl(a, 0x8913, ifreq));
        did(c, "SIOCGIFADDR", ioctl(a, 0x8915, ifreq) < 0 && errno != EADDRNOTAVAIL ? -1 : 0);
        did(c, "of a fresh one", ioctl(sock(c), 0x8913, ifreq));
}

static void seek(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        did(c, "lseek", lseek(a, 0, SEEK_SET));
        did(c, "pread", pread(a, &(char){0}, 1, 0));
        did(c, "pwrite", pwrite(a, "x", 1, 0));
        did(c, "ftruncate", ftruncate(a, 0));
        did(c, "fsync", fsync(a));
        say(c, "mmap %s",
            mmap(NULL, 4096, PROT_READ, MAP_SHARED, a, 0) == MAP_FAILED ? error_name(errno) : "well");
}

static void vectors(Ctx *c) {
        char one[4] = "", two[8] = "";
        struct iovec out[] = {{(void *) "ab", 2}, {(void *) "", 0}, {(void *) "cdefg", 5}};
        struct iovec in[] = {{one, 3}, {two, 7}};
        int a, b;

        own_pair(c, &a, &b);
        did(c, "writev", writev(a, out, 3));
        wait_bytes(c, b, 7);
        did(c, "readv", readv(b, in, 2));
        say(c, "\"%.3s\" \"%.7s\"", one, two);
}

static void mmsg(Ctx *c) {
        char buf[3][8] = {};
        struct iovec out = {(void *) "abc", 3}, in[3];
        struct mmsghdr s[2] = {{.msg_hdr = {.msg_iov = &out, .msg_iovlen = 1}},
                               {.msg_hdr = {.msg_iov = &out, .msg_iovlen = 1}}};
        struct mmsghdr r[3] = {};
        int a, b;

        own_pair(c, &a, &b);
        did(c, "sendmmsg", sendmmsg(a, s, 2, 0));
        wait_bytes(c, b, 6);
        for (int i = 0; i < 3; i++) {
                in[i] = (struct iovec){buf[i], 4};
                r[i].msg_hdr = (struct msghdr){.msg_iov = &in[i], .msg_iovlen = 1};
        }
        did(c, "recvmmsg", recvmmsg(b, r, 3, MSG_DONTWAIT, NULL));
        say(c, "%u %u", r[0].msg_len, r[1].msg_len);
}

static void faults(Ctx *c) {
        int a, b;

        own_pair(c, &a, &b);
        did(c, "send from a bad pointer", send(a, BAD_POINTER, 5, MSG_NOSIGNAL));
        send_all(c, a, "hello", 5);
        wait_bytes(c, b, 5);
        did(c, "recv to a bad pointer", recv(b, BAD_POINTER, 5, MSG_DONTWAIT));
        say_recv(c, "recv", b, MSG_DONTWAIT);
}

static void peer_dies_server(Ctx *c) {
        int fd = connected(c);

        send_all(c, fd, "dying", 5);
        (void) kill(getpid(), SIGKILL);
}

static void peer_dies_client(Ctx *c) {
        int fd = connected(c);
        char buf[16];

        say(c, "recv %zd", recv(fd, buf, 5, MSG_WAITALL));
        say_recv(c, "recv", fd, 0);
}

static void boundaries(Ctx *c) {
        char buf[16];
        int a, b;

        own_pair(c, &a, &b);
        send_all(c, a, "abc", 3);
        send_all(c, a, "def", 3);
        wait_bytes(c, b, 6);
        did(c, "recv of two", recv(b, buf, 2, 0));
        say_recv(c, "recv", b, 0);
}

static void ping_pong_server(Ctx *c) {
        int fd = connected(c), n = 0;
        char byte;

        while (recv(fd, &byte, 1, 0) == 1) {
                byte++;
                n += (int) send(fd, &byte, 1, MSG_NOSIGNAL);
        }
        say(c, "%d answers", n);
        barrier(c);
}

static void ping_pong_client(Ctx *c) {
        int fd = connected(c), good = 0;

        for (int i = 0; i < 200; i++) {
                char byte = (char) (i % 100), answer = 0;

                send_all(c, fd, &byte, 1);
                (void) recv(fd, &answer, 1, 0);
                good += answer == byte + 1;
        }
        close(fd);
        say(c, "%d good", good);
        barrier(c);
}

static const Case cases[] = {
                ALONE("streams/peek", "recv(2): MSG_PEEK", peek),
                ALONE("streams/peek-trunc", "tcp(7): MSG_TRUNC with MSG_PEEK", peek_trunc),
                ALONE("streams/trunc-drops", "tcp(7): MSG_TRUNC discards", trunc_drops),
                ALONE("streams/trunc-null", "tcp(7): MSG_TRUNC discards", trunc_null),
                CASE("streams/waitall", "recv(2): MSG_WAITALL", waitall_server, waitall_client),
                ALONE("streams/waitall-eof", "recv(2): MSG_WAITALL", waitall_eof),
                ALONE("streams/waitall-dontwait", "recv(2): MSG_WAITALL, MSG_DONTWAIT", waitall_peek),
                ALONE("streams/dontwait", "recv(2): MSG_DONTWAIT is per call", dontwait),
                ALONE("streams/zero-length", "recv(2), send(2)", zero_length),
                ALONE("streams/zero-length-data", "recv(2): zero-length reads", zero_length_data),
                ALONE("streams/sendto-address", "send(2): the address is ignored on connected streams",
                      sendto_connected),
                ALONE("streams/sendto-fresh", "send(2): EPIPE", sendto_fresh),
                ALONE("streams/sendto-fastopen", "tcp(7): MSG_FASTOPEN", sendto_fastopen),
                ALONE("streams/recvfrom-address", "recv(2): src_addr of a stream", recvfrom_address),
                ALONE("streams/recvfrom-null", "recv(2): addrlen", recvfrom_null),
                ALONE("streams/recvmsg-name", "recv(2): msg_name of a stream", recvmsg_name),
                ALONE("streams/sendmsg-name", "send(2): msg_name of a stream", sendmsg_name),
                ALONE("streams/recvmsg-credentials", "unix(7): SO_PASSCRED is for AF_UNIX",
                      recvmsg_credentials),
                ALONE("streams/sendmsg-rights", "unix(7): SCM_RIGHTS is for AF_UNIX", sendmsg_rights),
                ALONE("streams/oob", "tcp(7): MSG_OOB, SIOCATMARK", oob),
                ALONE("streams/oob-none", "recv(2): MSG_OOB EINVAL", oob_none),
                ALONE("streams/oob-many", "tcp(7): the last byte is urgent", oob_many),
                ALONE("streams/oob-twice", "tcp(7): MSG_OOB", oob_twice),
                ALONE("streams/more", "send(2): MSG_MORE", more),
                ALONE("streams/flags", "send(2), recv(2): other flags", flags_unknown),
                ALONE("streams/fionread", "tcp(7): SIOCINQ", fionread),
                ALONE("streams/fionread-listener", "tcp(7): SIOCINQ of a listener is EINVAL",
                      fionread_listener),
                ALONE("streams/siocoutq", "tcp(7): SIOCOUTQ", siocoutq),
                ALONE("streams/ioctl-others", "socket(7): SIOCGSTAMP", siocinq_names),
                ALONE("streams/ioctl-interface", "netdevice(7)", sifaddr),
                ALONE("streams/seek", "lseek(2): ESPIPE", seek),
                ALONE("streams/vectors", "writev(2), readv(2)", vectors),
                ALONE("streams/mmsg", "sendmmsg(2), recvmmsg(2)", mmsg),
                ALONE("streams/faults", "send(2), recv(2): EFAULT", faults),
                CASE("streams/peer-killed", "close(2) at the end of a process", peer_dies_server,
                     peer_dies_client),
                ALONE("streams/boundaries", "tcp(7): record boundaries are not preserved", boundaries),
                BOTH("streams/ping-pong", "tcp(7)", ping_pong_server, ping_pong_client),
};

CaseTable streams_cases(void) {
        return TABLE(cases);
}

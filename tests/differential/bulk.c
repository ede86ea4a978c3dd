/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* sendfile(2), splice(2), tee(2), vmsplice(2), tcp(7): much data, and data from descriptors. */

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cases.h"

static uint32_t sum_of(const unsigned char *p, size_t n, uint32_t sum) {
        for (size_t i = 0; i < n; i++)
                sum = sum * 31 + p[i];
        return sum;
}

enum { BULK = 4 << 20 };

static void fill(unsigned char *p, size_t n) {
        for (size_t i = 0; i < n; i++)
                p[i] = (unsigned char) (i * 7 + (i >> 8));
}

static void bulk_server(Ctx *c) {
        int fd = connected(c);
        unsigned char *p = malloc(BULK);

        fill(p, BULK);
        send_all(c, fd, p, BULK);
        close(fd);
        barrier(c);
}

static void bulk_client(Ctx *c) {
        int fd = connected(c);
        unsigned char buf[4096], *p = malloc(BULK);
        uint32_t sum = 0;
        size_t n = 0, k;

        fill(p, BULK);
        while ((k = recv_all(c, fd, buf, sizeof(buf))) > 0) {
                sum = sum_of(buf, k, sum);
                n += k;
        }
        say(c, "%zu bytes, the sum is %s", n, sum == sum_of(p, BULK, 0) ? "right" : "wrong");
        barrier(c);
}

/* Both write all before they read: what TCP's buffers hold, a pair must hold too. */
static void both_write(Ctx *c, size_t total, size_t piece) {
        int fd = connected(c);
        char *data = calloc(1, total);
        size_t n;

        for (n = 0; n < total; n += piece)
                if (send(fd, data, piece, MSG_NOSIGNAL) != (ssize_t) piece)
                        break;
        say(c, "wrote %zu", n);
        say(c, "read %zu", recv_all(c, fd, data, total));
        barrier(c);
}

#define BOTH_WRITE(name, total, piece)                                                                      \
        static void name(Ctx *c) {                                                                          \
                both_write(c, total, piece);                                                                \
        }

BOTH_WRITE(both_write_64, 64 * 1024, 64)
BOTH_WRITE(both_write_1k, 128 * 1024, 1024)
BOTH_WRITE(both_write_16k, 256 * 1024, 16 * 1024)
BOTH_WRITE(both_write_1, 8 * 1024, 1)
BOTH_WRITE(both_write_256k, 256 * 1024, 256 * 1024)

/* How much goes without anyone reading: not to the byte, but enough and not without end. */
static void capacity(Ctx *c, size_t piece) {
        static char data[65536];
        size_t n = 0;
        int a, b;

        own_pair(c, &a, &b);
        set_nonblock(a, true);
        for (int quiet = 0; quiet < 3 && n < 64 << 20;) {
                ssize_t k = send(a, data, piece, MSG_NOSIGNAL);

                if (k < 0) {
                        quiet++;
                        nap(10);
                } else {
                        n += (size_t) k;
                        quiet = 0;
                }
        }
        say(c, "%s was taken", n < 1 << 20 ? "less than 1 MiB" : n >= 64 << 20 ? "no end" : "a good deal");
}

static void capacity_64(Ctx *c) {
        capacity(c, 64);
}

static void capacity_64k(Ctx *c) {
        capacity(c, 65536);
}

static void small_buffers(Ctx *c) {
        static char data[65536];
        int l = sock(c), a = sock(c), b;
        size_t n = 0;

        set_int(c, l, SOL_SOCKET, SO_RCVBUF, 4096);
        must(c, "listen", listen(l, 5));
        set_int(c, a, SOL_SOCKET, SO_SNDBUF, 4096);
        must(c, "connect", dial_who(c, a, WHO_CLIENT, port_of(c, l)));
        b = accept(l, NULL, NULL);
        (void) b;
        set_nonblock(a, true);
        for (int quiet = 0; quiet < 5 && n < 64 << 20;) {
                ssize_t k = send(a, data, 1024, MSG_NOSIGNAL);

                if (k < 0) {
                        quiet++;
                        nap(5);
                } else {
                        n += (size_t) k;
                        quiet = 0;
                }
        }
        say(c, "%s was taken", n < 1 << 18 ? "little" : "much");
}

static void partial_send(Ctx *c) {
        const size_t size = 64 << 20;
        char *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                          -1, 0);
        ssize_t n;
        int a, b;

        own_pair(c, &a, &b);
        set_nonblock(a, true);
        n = send(a, data, size, MSG_NOSIGNAL);
        say(c, "send of 64 MiB: %s", n < 0 ? error_name(errno) : n < (ssize_t) size ? "a part" : "all");
}

/* Between files and pipes. */
static int a_file(Ctx *c, const char *text) {
        int fd = (int) must(c, "memfd_create", memfd_create("file", MFD_CLOEXEC));

        must(c, "write", write(fd, text, strlen(text)));
        return fd;
}

static void send_file(Ctx *c) {
        int a, b, f;
        off_t offset = 2;

        own_pair(c, &a, &b);
        f = a_file(c, "hello world");
        did(c, "sendfile", sendfile(a, f, &offset, 5));
        say(c, "offset %ld", (long) offset);
        did(c, "sendfile of the rest", sendfile(a, f, &offset, 100));
        did(c, "sendfile of no more", sendfile(a, f, &offset, 100));
        wait_bytes(c, b, 9);
        say_recv(c, "recv", b, 0);
}

static void send_file_closed(Ctx *c) {
        int a, b, f;
        off_t offset = 0;

        own_pair(c, &a, &b);
        f = a_file(c, "hello world");
        (void) shutdown(a, SHUT_WR);
        did(c, "sendfile", sendfile(a, f, &offset, 5));
        did(c, "sendfile from a socket", sendfile(f, b, NULL, 5));
}

static void splice_both(Ctx *c) {
        int a, b, p[2], n = 0;

        own_pair(c, &a, &b);
        set_nonblock(b, true);
        must(c, "pipe", pipe(p));
        must(c, "write", write(p[1], "hello", 5));
        did(c, "splice to the socket", splice(p[0], NULL, a, NULL, 5, 0));
        wait_bytes(c, b, 5);
        did(c, "splice from the socket", splice(b, NULL, p[1], NULL, 100, SPLICE_F_NONBLOCK));
        (void) ioctl(p[0], FIONREAD, &n);
        say(c, "%d in the pipe", n);
        did(c, "splice of nothing", splice(b, NULL, p[1], NULL, 100, SPLICE_F_NONBLOCK));
        close(a);
        (void) wait_events(b, POLLRDHUP, 1000);
        did(c, "splice at the end", splice(b, NULL, p[1], NULL, 100, SPLICE_F_NONBLOCK));
}

static void tee_socket(Ctx *c) {
        int a, b, p[2], q[2];

        own_pair(c, &a, &b);
        must(c, "pipe", pipe(p));
        must(c, "pipe", pipe(q));
        send_all(c, a, "hello", 5);
        wait_bytes(c, b, 5);
        did(c, "tee of a socket", tee(b, p[1], 5, 0));
        did(c, "splice", splice(b, NULL, p[1], NULL, 5, 0));
        did(c, "tee", tee(p[0], q[1], 5, 0));
        did(c, "splice back", splice(q[0], NULL, b, NULL, 5, 0));
        wait_bytes(c, a, 5);
        say_recv(c, "recv", a, 0);
        did(c, "splice with an offset", splice(p[0], NULL, a, &(loff_t){0}, 5, 0));
}

static void vmsplice_socket(Ctx *c) {
        struct iovec iov = {(void *) "hello", 5};
        int a, b, p[2];

        own_pair(c, &a, &b);
        must(c, "pipe", pipe(p));
        did(c, "vmsplice to a socket", vmsplice(a, &iov, 1, 0));
        did(c, "vmsplice", vmsplice(p[1], &iov, 1, 0));
        did(c, "splice", splice(p[0], NULL, a, NULL, 5, 0));
        wait_bytes(c, b, 5);
        say_recv(c, "recv", b, 0);
}

static void splice_listener(Ctx *c) {
        int l = own_listener(c, 5), p[2];

        must(c, "pipe", pipe(p));
        did(c, "splice of a listener", splice(l, NULL, p[1], NULL, 5, SPLICE_F_NONBLOCK));
        did(c, "sendfile to a listener", sendfile(l, a_file(c, "x"), NULL, 1));
}

static const Case cases[] = {
                BOTH("streams/bulk", "tcp(7): a reliable stream", bulk_server, bulk_client),
                ALONE("streams/capacity-64", "tcp(7): buffers", capacity_64),
                ALONE("streams/capacity-64k", "tcp(7): buffers", capacity_64k),
                ALONE("streams/small-buffers", "socket(7): SO_SNDBUF, SO_RCVBUF", small_buffers),
                ALONE("streams/partial-send", "send(2)", partial_send),
                ALONE("streams/sendfile", "sendfile(2)", send_file),
                ALONE("streams/sendfile-shut", "sendfile(2)", send_file_closed),
                ALONE("streams/splice", "splice(2)", splice_both),
                ALONE("streams/tee", "tee(2): EINVAL unless both are pipes", tee_socket),
                ALONE("streams/vmsplice", "vmsplice(2)", vmsplice_socket),
                ALONE("streams/splice-listener", "splice(2)", splice_listener),
                CASE("streams/both-write-1", "tcp(7): buffers", both_write_1, both_write_1),
                CASE("streams/both-write-64", "tcp(7): buffers", both_write_64, both_write_64),
                CASE("streams/both-write-1k", "tcp(7): buffers", both_write_1k, both_write_1k),
                CASE("streams/both-write-16k", "tcp(7): buffers", both_write_16k, both_write_16k),
                CASE("streams/both-write-256k", "tcp(7): buffers", both_write_256k, both_write_256k),
};

CaseTable bulk_cases(void) {
        return TABLE(cases);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The server on real sockets: as an app's, but on the loopback interface of
 * whoever runs the test and on ports the kernel chooses.
 */

#include <arpa/inet.h>
#include <check.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "basic/fd.h"
#include "dns/server.h"

/* Of one identity: knows all names of it. */
static const NameSight everybody = { .identity = 1 };
static const NameViewer somebody = { .identity = 1 };

static sd_event *event;
static Names *names;
static Server *server;
static uint8_t buf[2 + 65535];

typedef struct Ports {
        in_port_t udp, tcp; /* network byte order */
} Ports;

static void setup(void) {
        DnsFeedAddress a[] = {{AF_INET, {198, 18, 0, 10}}};
        char name[64];

        ck_assert_int_ge(sd_event_new(&event), 0);
        names = names_new();
        ck_assert_int_eq(names_begin(names, "ax.internal", 5), 0);
        ck_assert_int_eq(names_set(names, "web", a, 1, &everybody), 0);
        a[0].bytes[3] = 99;
        for (unsigned i = 0; i < ANSWER_POINTERS_MAX; i++) {
                snprintf(name, sizeof(name), "a-rather-long-name-of-some-service-%u", i);
                ck_assert_int_eq(names_set(names, name, a, 1, &everybody), 0);
        }
        server = server_new(event, names);
        ck_assert_ptr_nonnull(server);
}

static void teardown(void) {
        server = server_free(server);
        names = names_free(names);
        event = sd_event_unref(event);
}

static int bound_socket(int type, in_port_t *ret_port) {
        struct sockaddr_in6 any = {.sin6_family = AF_INET6};
        socklen_t size = sizeof(any);
        int fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0), zero = 0;

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero)), 0);
        ck_assert_int_eq(bind(fd, (struct sockaddr *) &any, sizeof(any)), 0);
        ck_assert_int_eq(getsockname(fd, (struct sockaddr *) &any, &size), 0);
        *ret_port = any.sin6_port;
        if (type == SOCK_STREAM)
                ck_assert_int_eq(listen(fd, 128), 0);
        return fd;
}

static Ports add_app(const char *id) {
        Ports ports;
        int udp = bound_socket(SOCK_DGRAM, &ports.udp), tcp = bound_socket(SOCK_STREAM, &ports.tcp);

        ck_assert_int_eq(server_add(server, id, &somebody, udp, tcp), 0);
        return ports;
}

static void run_loop(void) {
        while (sd_event_run(event, 0) > 0)
                ;
}

/* A connected, non-blocking socket to a port of this host. */
static int client(int type, const char *address, in_port_t port) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = port};
        struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = port};
        bool v6 = inet_pton(AF_INET6, address, &in6.sin6_addr) == 1;
        int fd = socket(v6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, 0);

        if (!v6)
                ck_assert_int_eq(inet_pton(AF_INET, address, &in.sin_addr), 1);
        ck_assert_int_eq(connect(fd, v6 ? (void *) &in6 : (void *) &in, v6 ? sizeof(in6) : sizeof(in)), 0);
        return fd;
}

/* Writes a query with its length in front; returns the size of both. */
static size_t query(uint8_t *ret, const char *name, ldns_rr_type type, uint16_t id) {
        uint8_t *wire;
        ldns_pkt *p;
        size_t size;

        ck_assert_int_eq(ldns_pkt_query_new_frm_str(&p, name, type, LDNS_RR_CLASS_IN, LDNS_RD),
                         LDNS_STATUS_OK);
        ldns_pkt_set_id(p, id);
        ck_assert_int_eq(ldns_pkt2wire(&wire, p, &size), LDNS_STATUS_OK);
        ldns_write_uint16(ret, (uint16_t) size);
        memcpy(ret + 2, wire, size);
        free(wire);
        ldns_pkt_free(p);
        return 2 + size;
}

/* Receives up to `size` octets, with the loop running in between; what there is at its end if less. */
static size_t receive(int fd, uint8_t *data, size_t size) {
        size_t n = 0;

        for (unsigned idle = 0; n < size && idle < 20;) {
                ssize_t l;

                run_loop();
                l = recv(fd, data + n, size - n, MSG_DONTWAIT);
                if (l == 0)
                        break;
                if (l > 0) {
                        n += (size_t) l;
                        idle = 0;
                        continue;
                }
                idle++;
                (void) poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 5);
        }
        return n;
}

/* Receives one answer over TCP; returns its id. */
static uint16_t receive_tcp(int fd, size_t *ret_size) {
        size_t size;

        ck_assert_uint_eq(receive(fd, buf, 2), 2);
        size = ldns_read_uint16(buf);
        ck_assert_uint_eq(receive(fd, buf + 2, size), size);
        if (ret_size)
                *ret_size = size;
        return LDNS_ID_WIRE(buf + 2);
}

/* Has the server closed the connection? */
static bool is_closed(int fd) {
        uint8_t byte;

        run_loop();
        (void) poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 20);
        return recv(fd, &byte, 1, MSG_DONTWAIT) == 0 || errno == ECONNRESET;
}

/* Whatever address is asked, the answer comes from that one: a connected client sees no other. */
START_TEST(test_udp) {
        static const char *const addresses[] = {"127.0.0.1", "127.0.0.53", "127.8.8.8", "::1"};
        Ports ports = add_app("app");
        size_t size = query(buf, "web", LDNS_RR_TYPE_A, 7);
        uint8_t answer[512];

        for (size_t i = 0; i < ELEMENTSOF(addresses); i++) {
                _cleanup_close_ int fd = client(SOCK_DGRAM, addresses[i], ports.udp);

                ck_assert_int_eq(send(fd, buf + 2, size - 2, 0), (ssize_t) size - 2);
                run_loop();
                ck_assert_msg(recv(fd, answer, sizeof(answer), MSG_DONTWAIT) > 0, "%s", addresses[i]);
                ck_assert_uint_eq(LDNS_ID_WIRE(answer), 7);
                ck_assert_uint_eq(LDNS_ANCOUNT(answer), 1);
        }
}
END_TEST

/* More datagrams than a turn takes are all answered; empty and oversized ones do no harm. */
START_TEST(test_udp_many) {
        Ports ports = add_app("app");
        _cleanup_close_ int fd = client(SOCK_DGRAM, "127.0.0.1", ports.udp);
        uint8_t big[QUERY_SIZE_MAX + 100] = {}, answer[512];
        size_t size = query(big, "web", LDNS_RR_TYPE_A, 9);

        ck_assert_int_eq(send(fd, buf, 0, 0), 0);
        ck_assert_int_eq(send(fd, big + 2, sizeof(big) - 2, 0), (ssize_t) sizeof(big) - 2);
        run_loop();
        ck_assert_int_gt(recv(fd, answer, sizeof(answer), MSG_DONTWAIT), 0);
        ck_assert_uint_eq(LDNS_RCODE_WIRE(answer), LDNS_RCODE_FORMERR);

        for (uint16_t i = 0; i < 3 * SERVER_UDP_BUDGET; i++) {
                size = query(buf, "web", LDNS_RR_TYPE_A, i);
                ck_assert_int_eq(send(fd, buf + 2, size - 2, 0), (ssize_t) size - 2);
        }
        run_loop();
        for (uint16_t i = 0; i < 3 * SERVER_UDP_BUDGET; i++) {
                ck_assert_int_gt(recv(fd, answer, sizeof(answer), MSG_DONTWAIT), 0);
                ck_assert_uint_eq(LDNS_ID_WIRE(answer), i);
        }
}
END_TEST

/* One app's flood does not come before another app's query: each turn of the loop takes a bounded part of
 * it. */
START_TEST(test_udp_fair) {
        Ports loud = add_app("loud"), quiet = add_app("quiet");
        _cleanup_close_ int a = client(SOCK_DGRAM, "127.0.0.1", loud.udp),
                            b = client(SOCK_DGRAM, "127.0.0.1", quiet.udp);
        size_t size = query(buf, "web", LDNS_RR_TYPE_A, 1);
        uint8_t answer[512];

        for (unsigned i = 0; i < 4 * SERVER_UDP_BUDGET; i++)
                ck_assert_int_eq(send(a, buf + 2, size - 2, 0), (ssize_t) size - 2);
        ck_assert_int_eq(send(b, buf + 2, size - 2, 0), (ssize_t) size - 2);
        ck_assert_int_gt(sd_event_run(event, 0), 0);
        ck_assert_int_gt(sd_event_run(event, 0), 0);
        ck_assert_int_gt(recv(b, answer, sizeof(answer), MSG_DONTWAIT), 0);
}
END_TEST

/* Several queries in one write, and one query in many writes (RFC 7766, 6.2.1.1 and 8). */
START_TEST(test_tcp_pipelined) {
        Ports ports = add_app("app");
        _cleanup_close_ int fd = client(SOCK_STREAM, "127.0.0.1", ports.tcp);
        uint8_t many[4096];
        size_t size = 0;

        for (uint16_t i = 0; i < 50; i++)
                size += query(many + size, "web", LDNS_RR_TYPE_A, i);
        ck_assert_int_eq(send(fd, many, size, 0), (ssize_t) size);
        for (uint16_t i = 0; i < 50; i++)
                ck_assert_uint_eq(receive_tcp(fd, NULL), i);

        size = query(many, "web", LDNS_RR_TYPE_A, 1000);
        for (size_t i = 0; i < size; i++) {
                ck_assert_int_eq(send(fd, many + i, 1, 0), 1);
                run_loop();
        }
        ck_assert_uint_eq(receive_tcp(fd, NULL), 1000);

        /* The end of what it says is not the end of what it hears. */
        size = query(many, "web", LDNS_RR_TYPE_A, 1001);
        ck_assert_int_eq(send(fd, many, size, 0), (ssize_t) size);
        ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
        ck_assert_uint_eq(receive_tcp(fd, NULL), 1001);
        ck_assert(is_closed(fd));
        ck_assert_uint_eq(server->n_streams, 0);
}
END_TEST

/* An app that asks and does not read makes the server hold one answer, no more, and gets all when it reads.
 */
START_TEST(test_tcp_backpressure) {
        enum { N = 4000 };
        Ports ports = add_app("app");
        _cleanup_close_ int fd = client(SOCK_STREAM, "::1", ports.tcp);
        uint8_t one[512];
        size_t size, answer_size;
        uint16_t sent = 0, got = 0;

        while (sent < N) {
                size = query(one, "99.0.18.198.in-addr.arpa", LDNS_RR_TYPE_PTR, sent);
                if (send(fd, one, size, MSG_DONTWAIT) != (ssize_t) size)
                        break;
                sent++;
                run_loop();
        }
        run_loop();
        ck_assert_uint_eq(server->n_streams, 1);
        ck_assert_ptr_nonnull(server->streams->out);
        for (; got < sent; got++) {
                ck_assert_uint_eq(receive_tcp(fd, &answer_size), got);
                ck_assert_uint_gt(answer_size, 2000);
                ck_assert_uint_eq(LDNS_ANCOUNT(buf + 2), ANSWER_POINTERS_MAX);
        }
        ck_assert_ptr_null(server->streams->out);
}
END_TEST

/* A length that no query has ends the connection; a response is ignored. */
START_TEST(test_tcp_lengths) {
        static const uint16_t lengths[] = {0, 1, LDNS_HEADER_SIZE - 1, QUERY_SIZE_MAX + 1, 65535};
        Ports ports = add_app("app");
        uint8_t one[512];
        size_t size;

        for (size_t i = 0; i < ELEMENTSOF(lengths); i++) {
                _cleanup_close_ int fd = client(SOCK_STREAM, "127.0.0.1", ports.tcp);

                ldns_write_uint16(one, lengths[i]);
                ck_assert_int_eq(send(fd, one, 2, 0), 2);
                run_loop();
                ck_assert(is_closed(fd));
        }
        ck_assert_uint_eq(server->n_streams, 0);

        {
                _cleanup_close_ int fd = client(SOCK_STREAM, "127.0.0.1", ports.tcp);

                size = query(one, "web", LDNS_RR_TYPE_A, 1);
                one[4] |= 0x80;
                ck_assert_int_eq(send(fd, one, size, 0), (ssize_t) size);
                size = query(one, "web", LDNS_RR_TYPE_A, 2);
                ck_assert_int_eq(send(fd, one, size, 0), (ssize_t) size);
                ck_assert_uint_eq(receive_tcp(fd, NULL), 2);
        }
}
END_TEST

/* One connection too many of an app ends the one of its own that is idle for longest, nobody else's. */
START_TEST(test_tcp_bound) {
        Ports ports = add_app("app"), other = add_app("other");
        int fds[SERVER_APP_STREAMS_MAX + 1];
        _cleanup_close_ int bystander = client(SOCK_STREAM, "127.0.0.1", other.tcp);
        uint8_t one[512];
        size_t size = query(one, "web", LDNS_RR_TYPE_A, 3);

        for (size_t i = 0; i < SERVER_APP_STREAMS_MAX; i++) {
                fds[i] = client(SOCK_STREAM, "127.0.0.1", ports.tcp);
                run_loop();
        }
        ck_assert_uint_eq(server->n_streams, SERVER_APP_STREAMS_MAX + 1);

        /* The first is used, so the second is now the oldest. */
        ck_assert_int_eq(send(fds[0], one, size, 0), (ssize_t) size);
        ck_assert_uint_eq(receive_tcp(fds[0], NULL), 3);
        fds[SERVER_APP_STREAMS_MAX] = client(SOCK_STREAM, "127.0.0.1", ports.tcp);
        run_loop();
        ck_assert_uint_eq(server->n_streams, SERVER_APP_STREAMS_MAX + 1);
        ck_assert(is_closed(fds[1]));
        ck_assert(!is_closed(fds[0]));
        ck_assert(!is_closed(fds[SERVER_APP_STREAMS_MAX]));
        ck_assert(!is_closed(bystander));
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                safe_close(fds[i]);
}
END_TEST

/* A connection on which nothing goes through ends after its time; the clock is not waited for here. */
START_TEST(test_tcp_idle) {
        Ports ports = add_app("app");
        _cleanup_close_ int fd = client(SOCK_STREAM, "127.0.0.1", ports.tcp);
        uint64_t now, until;

        run_loop();
        ck_assert_uint_eq(server->n_streams, 1);
        ck_assert_int_ge(sd_event_now(event, CLOCK_MONOTONIC, &now), 0);
        ck_assert_int_ge(sd_event_source_get_time(server->streams->timer, &until), 0);
        ck_assert_uint_gt(until, now + STREAM_IDLE_USEC - USEC_PER_SEC);
        ck_assert_uint_lt(until, now + STREAM_IDLE_USEC + USEC_PER_SEC);

        ck_assert_int_ge(sd_event_source_set_time_accuracy(server->streams->timer, 1), 0);
        ck_assert_int_ge(sd_event_source_set_time(server->streams->timer, now), 0);
        ck_assert(is_closed(fd));
        ck_assert_uint_eq(server->n_streams, 0);
}
END_TEST

/* Removing or replacing an app ends its connections, so that nothing holds its namespace. */
START_TEST(test_remove) {
        Ports ports = add_app("app");
        _cleanup_close_ int fd = client(SOCK_STREAM, "127.0.0.1", ports.tcp), second = -EBADF;

        run_loop();
        ck_assert_uint_eq(server->n_streams, 1);
        ports = add_app("app");
        ck_assert_uint_eq(server->n_streams, 0);
        ck_assert(is_closed(fd));

        second = client(SOCK_STREAM, "127.0.0.1", ports.tcp);
        run_loop();
        ck_assert_uint_eq(server->n_streams, 1);
        ck_assert_int_eq(server_remove(server, "app"), 0);
        ck_assert_uint_eq(server->n_streams, 0);
        ck_assert(is_closed(second));
        ck_assert_int_eq(server_remove(server, "app"), -ENOENT);
}
END_TEST

static const DnsFeedAddress address = {AF_INET, {198, 18, 0, 10}};

/* Asks for a name, and tells how many addresses the answer has; -1: there is none. */
static int asked(int fd, bool stream, const char *name) {
        size_t size = query(buf, name, LDNS_RR_TYPE_A, 7);
        uint8_t answer[2 + 512];

        ck_assert_int_eq(send(fd, stream ? buf : buf + 2, stream ? size : size - 2, 0), (ssize_t) (stream ? size : size - 2));
        return receive(fd, answer, sizeof(answer)) == 0 ? -1 : LDNS_ANCOUNT(answer + (stream ? 2 : 0));
}

/* Between the beginning and the end of a snapshot, when numbers of old apps and of new names meet, nobody is answered. */
START_TEST(test_snapshot) {
        static const NameSight other = {.identity = 2};
        static const NameViewer anew = {.identity = 2};
        Ports ports = add_app("app");
        _cleanup_close_ int udp = client(SOCK_DGRAM, "127.0.0.1", ports.udp), tcp = client(SOCK_STREAM, "127.0.0.1", ports.tcp);
        uint8_t answer[512];
        App *app;

        ck_assert_int_eq(asked(udp, false, "web"), 1);
        ck_assert_int_eq(asked(tcp, true, "web"), 1);
        server_begin(server);
        ck_assert_int_eq(names_set(names, "web", &address, 1, &other), 0);
        ck_assert_int_eq(asked(udp, false, "web"), -1);
        HASH_FIND_STR(server->apps, "app", app);
        ck_assert_int_eq(server_add(server, "app", &anew, dup(app->udp), dup(app->tcp)), 0);
        ck_assert_int_eq(asked(udp, false, "web"), -1);
        server_commit(server);
        for (unsigned i = 0; i < 2; i++) {
                ck_assert_uint_ge(receive(udp, answer, LDNS_HEADER_SIZE), LDNS_HEADER_SIZE);
                ck_assert_uint_eq(LDNS_ANCOUNT(answer), 1);
        }
        ck_assert_int_eq(asked(udp, false, "web"), 1);

        /* It goes on if the snapshot breaks off. */
        safe_close(tcp);
        tcp = client(SOCK_STREAM, "127.0.0.1", ports.tcp);
        ck_assert_int_eq(asked(tcp, true, "web"), 1);
        server_begin(server);
        ck_assert_int_eq(asked(tcp, true, "web"), -1);
        server_resume(server);
        ck_assert_int_eq(asked(tcp, true, "web"), 1);
        ck_assert_int_eq(asked(udp, false, "web"), 1);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("dns-server");
        TCase *tcase = tcase_create("server");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_set_timeout(tcase, 60); /* four thousand answers, on a busy machine */
        tcase_add_test(tcase, test_udp);
        tcase_add_test(tcase, test_udp_many);
        tcase_add_test(tcase, test_udp_fair);
        tcase_add_test(tcase, test_tcp_pipelined);
        tcase_add_test(tcase, test_tcp_backpressure);
        tcase_add_test(tcase, test_tcp_lengths);
        tcase_add_test(tcase, test_tcp_bound);
        tcase_add_test(tcase, test_tcp_idle);
        tcase_add_test(tcase, test_remove);
        tcase_add_test(tcase, test_snapshot);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

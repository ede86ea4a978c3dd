/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <arpa/inet.h>
#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "basic/fd.h"
#include "basic/log.h"
#include "dns/feed.h"

static const NameViewer somebody; /* of identity 0, as all that is told here */

static sd_event *event;
static Names *names;
static Server *server;
static Feed *feed;
static int peer = -EBADF;

static size_t count_fds(void) {
        DIR *dir = opendir("/proc/self/fd");
        size_t n = 0;

        while (readdir(dir))
                n++;
        closedir(dir);
        return n;
}

/* Connects a feed anew; `peer` is appswitchd's end. */
static void reconnect(void) {
        int pair[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
        safe_close(peer);
        peer = pair[0];
        ck_assert_int_eq(feed_open(feed, pair[1]), 0);
}

static void setup(void) {
        log_set_max_level(LOG_CRIT);
        ck_assert_int_ge(sd_event_new(&event), 0);
        names = names_new();
        server = server_new(event, names);
        feed = feed_new(event, names, server);
        ck_assert_ptr_nonnull(feed);
        peer = -EBADF;
        reconnect();
}

static void teardown(void) {
        feed = feed_free(feed);
        server = server_free(server);
        names = names_free(names);
        event = sd_event_unref(event);
        peer = safe_close(peer);
}

static void run_loop(void) {
        while (sd_event_run(event, 0) > 0)
                ;
}

static DnsFeedMessage message(DnsFeedType type, const char *name) {
        DnsFeedMessage m = {.type = type};

        strcpy(m.name, name);
        if (type == DNS_FEED_BEGIN) {
                m.version = DNS_FEED_VERSION;
                m.ttl = 5;
                m.pools[0] = (DnsFeedPool){{AF_INET, {198, 18}}, 15};
                m.pools[1] = (DnsFeedPool){{AF_INET6, {0xfd, 0xaa}}, 60};
        }
        return m;
}

static DnsFeedMessage name_set(const char *name, const char *address) {
        DnsFeedMessage m = message(DNS_FEED_NAME_SET, name);

        m.n_addresses = 1;
        m.addresses[0].family = AF_INET;
        ck_assert_int_eq(inet_pton(AF_INET, address, m.addresses[0].bytes), 1);
        return m;
}

static void send_sockets(DnsFeedMessage m, const int *fds, size_t n_fds) {
        ck_assert_int_eq(send_with_fds(peer, &m, sizeof(m), fds, n_fds, 0), 0);
        run_loop();
}

static void send_message(DnsFeedMessage m) {
        send_sockets(m, NULL, 0);
}

static void begin(void) {
        send_message(message(DNS_FEED_BEGIN, "ax.internal"));
}

static void commit(void) {
        send_message(message(DNS_FEED_COMMIT, ""));
}

/* The sockets of an app; on any port, as 53 may be taken where the tests run. */
static void app_sockets(int fds[2]) {
        fds[0] = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        fds[1] = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_ge(fds[0], 0);
        ck_assert_int_ge(fds[1], 0);
        ck_assert_int_eq(listen(fds[1], 5), 0);
}

static void app_add(const char *id) {
        int fds[2];

        app_sockets(fds);
        send_sockets(message(DNS_FEED_APP_ADD, id), fds, 2);
        safe_close(fds[0]);
        safe_close(fds[1]);
}

static App *app_find(const char *id) {
        App *app;

        HASH_FIND_STR(server->apps, id, app);
        return app;
}

/* Names and apps come with the snapshot, change after it, and stay when the connection ends. */
START_TEST(test_life) {
        begin();
        ck_assert_int_eq(feed->state, FEED_SNAPSHOT);
        send_message(name_set("web", "198.18.0.1"));
        app_add("app-1");
        commit();
        ck_assert_int_eq(feed->state, FEED_CURRENT);
        ck_assert_str_eq(names->domain, "ax.internal");
        ck_assert_uint_eq(names->ttl, 5);
        ck_assert_ptr_nonnull(names_find(names, "web", &somebody));
        ck_assert_ptr_nonnull(app_find("app-1"));

        send_message(name_set("db", "198.18.0.2"));
        send_message(message(DNS_FEED_NAME_UNSET, "web"));
        send_message(message(DNS_FEED_NAME_UNSET, "never-known"));
        app_add("app-2");
        send_message(message(DNS_FEED_APP_REMOVE, "app-1"));
        send_message(message(DNS_FEED_APP_REMOVE, "never-known"));
        ck_assert_ptr_null(names_find(names, "web", &somebody));
        ck_assert_ptr_nonnull(names_find(names, "db", &somebody));
        ck_assert_ptr_null(app_find("app-1"));
        ck_assert_ptr_nonnull(app_find("app-2"));

        peer = safe_close(peer);
        run_loop();
        ck_assert_int_eq(feed->state, FEED_CLOSED);
        ck_assert_ptr_nonnull(names_find(names, "db", &somebody));
        ck_assert_ptr_nonnull(app_find("app-2"));
}
END_TEST

/* A new connection replaces the old one; what its snapshot does not mention goes with the commit, not
 * before. */
START_TEST(test_reconnect) {
        begin();
        send_message(name_set("old", "198.18.0.1"));
        send_message(name_set("both", "198.18.0.2"));
        app_add("old");
        app_add("both");
        commit();

        reconnect();
        ck_assert_int_eq(feed->state, FEED_OPEN);
        begin();
        send_message(name_set("both", "198.18.0.3"));
        app_add("both");
        ck_assert_ptr_nonnull(names_find(names, "old", &somebody));
        ck_assert_ptr_nonnull(app_find("old"));
        commit();
        ck_assert_ptr_null(names_find(names, "old", &somebody));
        ck_assert_ptr_null(app_find("old"));
        ck_assert_ptr_nonnull(names_find(names, "both", &somebody));
        ck_assert_ptr_nonnull(app_find("both"));
        ck_assert_uint_eq(HASH_COUNT(server->apps), 1);
}
END_TEST

/* A snapshot that breaks off forgets nothing, and the next one forgets what only that one said. */
START_TEST(test_broken_snapshot) {
        begin();
        send_message(name_set("old", "198.18.0.1"));
        commit();
        reconnect();
        begin();
        send_message(name_set("half", "198.18.0.2"));
        reconnect();
        ck_assert_ptr_nonnull(names_find(names, "old", &somebody));
        ck_assert_ptr_nonnull(names_find(names, "half", &somebody));
        begin();
        send_message(name_set("old", "198.18.0.1"));
        commit();
        ck_assert_ptr_nonnull(names_find(names, "old", &somebody));
        ck_assert_ptr_null(names_find(names, "half", &somebody));
}
END_TEST

/* More messages than one turn of the loop takes arrive all the same, in order. */
START_TEST(test_many) {
        char name[16];

        begin();
        for (unsigned i = 0; i < 10000; i++) {
                DnsFeedMessage m;
                int r;

                snprintf(name, sizeof(name), "n%u", i);
                m = name_set(name, "198.18.0.1");
                do {
                        r = send_with_fds(peer, &m, sizeof(m), NULL, 0, 0);
                        if (r == -EAGAIN)
                                run_loop();
                } while (r == -EAGAIN);
                ck_assert_int_eq(r, 0);
        }
        run_loop();
        commit();
        ck_assert_uint_eq(HASH_COUNT(names->by_name), 10000);
}
END_TEST

/* Which views may know of a name, and which view an app has, is told and told anew. */
START_TEST(test_views) {
        DnsFeedMessage m = name_set("web", "198.18.0.1");
        NameViewer viewer = { .identity = 2, .view = 4095 };

        begin();
        m.identity = 1;
        m.views[63] = UINT64_C(1) << 63;
        send_message(m);
        app_add("app");
        commit();
        ck_assert_uint_eq(app_find("app")->viewer.view, 0);
        ck_assert_ptr_nonnull(names_find(names, "web", &viewer));
        viewer.view = 4094;
        ck_assert_ptr_null(names_find(names, "web", &viewer));
        m.views[63] = UINT64_C(1) << 62;
        send_message(m);
        ck_assert_ptr_nonnull(names_find(names, "web", &viewer));

        m = message(DNS_FEED_APP_VIEW, "app");
        m.identity = 2;
        m.view = 4094;
        send_message(m);
        ck_assert_uint_eq(app_find("app")->viewer.view, 4094);
        ck_assert_uint_eq(app_find("app")->viewer.identity, 2);
        strcpy(m.name, "nobody");
        send_message(m);
        ck_assert_int_eq(feed->state, FEED_CURRENT);
        m.view = 4096;
        send_message(m);
        ck_assert_int_eq(feed->state, FEED_CLOSED);
}
END_TEST

/* Names that an app may look up outside come with the app and go with it. */
START_TEST(test_patterns) {
        DnsFeedMessage m = message(DNS_FEED_APP_PATTERN, "app");

        begin();
        app_add("app");
        strcpy(m.pattern, "*.example.test");
        send_message(m);
        ck_assert(patterns_match(&app_find("app")->client.patterns, "www.example.test"));
        ck_assert(!patterns_match(&app_find("app")->client.patterns, "example.test"));
        strcpy(m.pattern, "*");
        send_message(m);
        ck_assert(patterns_match(&app_find("app")->client.patterns, "example.test"));
        ck_assert(!patterns_name(&app_find("app")->client.patterns, "example.test"));
        strcpy(m.name, "nobody");
        send_message(m);
        app_add("app");
        ck_assert(!patterns_match(&app_find("app")->client.patterns, "www.example.test"));

        /* One too many is left out, what is no pattern ends the connection. */
        strcpy(m.name, "app");
        for (unsigned i = 0; i <= DNS_FEED_PATTERNS_MAX; i++) {
                snprintf(m.pattern, sizeof(m.pattern), "n%u", i);
                send_message(m);
        }
        ck_assert(patterns_match(&app_find("app")->client.patterns, "n63"));
        ck_assert(!patterns_match(&app_find("app")->client.patterns, "n64"));
        ck_assert_int_eq(feed->state, FEED_SNAPSHOT);
        strcpy(m.pattern, "*.*.test");
        send_message(m);
        ck_assert_int_eq(feed->state, FEED_CLOSED);
}
END_TEST

/* Asks for the address of a name of the outside. */
static void ask(App *app, unsigned number) {
        uint8_t query[64] = {0, 1, 1, 0, 0, 1}, ret[ANSWER_SIZE_MAX];
        const ForwardPeer to = {};
        size_t n = 12;

        query[n++] = 4;
        snprintf((char *) query + n, 5, "%04u", number);
        n += 5; /* with the root */
        query[n + 1] = query[n + 3] = 1;
        ck_assert_int_eq(forward_ask(server->forward, &app->client, query, n + 4, 512, &to, ret), 0);
}

static unsigned count_reports(void) {
        DnsFeedReport report;
        unsigned n = 0;

        for (; recv(peer, &report, sizeof(report), 0) == sizeof(report); n++)
                ck_assert_uint_eq(report.type, DNS_REPORT_WANTED);
        return n;
}

/* What appswitchd is too busy to hear it hears a little later, each once; and a new one hears all. */
START_TEST(test_busy) {
        enum { ASKED = 250 };
        DnsFeedMessage m = message(DNS_FEED_RESOLVERS, "");
        unsigned n = 0, n_now;

        begin();
        app_add("app");
        m.list = 1;
        m.n_servers = 1;
        send_message(m);
        commit();
        for (unsigned i = 0; i < ASKED; i++)
                ask(app_find("app"), i);
        for (;;) {
                n_now = count_reports();
                ck_assert_uint_lt(n_now, ASKED); /* or it was not busy */
                n += n_now;
                if (n_now == 0)
                        break;
                run_loop();
        }
        ck_assert_uint_eq(n, ASKED);
        ck_assert_int_eq(feed->state, FEED_CURRENT);

        reconnect();
        begin();
        send_sockets(message(DNS_FEED_APP_ADD, "app"), (const int[]){app_find("app")->udp, app_find("app")->tcp}, 2);
        send_message(m);
        commit();
        for (n = 0; (n_now = count_reports()) > 0; n += n_now)
                run_loop();
        ck_assert_uint_eq(n, ASKED);
}
END_TEST

/* Addresses of the pools are virtual, and those of names, wherever they are from. */
START_TEST(test_pools) {
        begin();
        send_message(name_set("web", "192.0.2.1"));
        ck_assert(names_is_virtual(names, &(DnsFeedAddress){AF_INET, {198, 19, 255, 255}}));
        ck_assert(!names_is_virtual(names, &(DnsFeedAddress){AF_INET, {198, 20}}));
        ck_assert(!names_is_virtual(names, &(DnsFeedAddress){AF_INET, {198, 17, 255, 255}}));
        ck_assert(names_is_virtual(names, &(DnsFeedAddress){AF_INET6, {0xfd, 0xaa, 0, 0, 0, 0, 0, 0x0f}}));
        ck_assert(!names_is_virtual(names, &(DnsFeedAddress){AF_INET6, {0xfd, 0xaa, 0, 0, 0, 0, 0, 0x10}}));
        ck_assert(names_is_virtual(names, &(DnsFeedAddress){AF_INET, {192, 0, 2, 1}}));
        ck_assert(!names_is_virtual(names, &(DnsFeedAddress){AF_INET, {192, 0, 2, 2}}));
}
END_TEST

/* Fields that are wrong, each alone: the connection ends, and nothing was applied. */
START_TEST(test_bad_messages) {
        DnsFeedMessage bad[16];
        size_t n = 0;

        bad[n] = message(DNS_FEED_NAME_SET, "bad");
        bad[n++].type = _DNS_FEED_TYPE_MAX;
        bad[n] = message(DNS_FEED_NAME_SET, "bad");
        bad[n++].type = UINT32_MAX;
        bad[n] = name_set("bad", "198.18.0.1");
        memset(bad[n++].name, 'a', sizeof(bad[0].name));
        bad[n++] = name_set("", "198.18.0.1");
        bad[n++] = name_set("Bad", "198.18.0.1");
        bad[n++] = name_set("bad.", "198.18.0.1");
        bad[n] = name_set("bad", "198.18.0.1");
        bad[n++].n_addresses = DNS_FEED_ADDRESSES_MAX + 1;
        bad[n] = name_set("bad", "198.18.0.1");
        bad[n++].n_addresses = UINT32_MAX;
        bad[n] = name_set("bad", "198.18.0.1");
        bad[n++].addresses[0].family = AF_UNIX;
        bad[n] = name_set("bad", "198.18.0.1");
        bad[n++].n_addresses = 2; /* the second has no family */
        bad[n++] = message(DNS_FEED_NAME_UNSET, "b d");
        bad[n++] = message(DNS_FEED_BEGIN, "again");
        bad[n++] = message(DNS_FEED_APP_ADD, "no-sockets");
        bad[n] = message(DNS_FEED_APP_PATTERN, "app");
        memset(bad[n++].pattern, 'a', sizeof(bad[0].pattern));
        ck_assert_uint_le(n, ELEMENTSOF(bad));

        for (size_t i = 0; i < n; i++) {
                reconnect();
                begin();
                ck_assert_int_eq(feed->state, FEED_SNAPSHOT);
                send_message(bad[i]);
                ck_assert_msg(feed->state == FEED_CLOSED, "message %zu", i);
        }
        ck_assert_uint_eq(HASH_COUNT(names->by_name), 0);
        ck_assert_uint_eq(HASH_COUNT(server->apps), 0);
}
END_TEST

/* The first message is BEGIN, of this version, with a domain and a time to live; COMMIT comes once. */
START_TEST(test_bad_order) {
        static const DnsFeedType types[] = {DNS_FEED_COMMIT, DNS_FEED_NAME_SET, DNS_FEED_NAME_UNSET,
                                            DNS_FEED_APP_REMOVE};
        DnsFeedMessage m;

        for (size_t i = 0; i < ELEMENTSOF(types); i++) {
                reconnect();
                send_message(message(types[i], "web"));
                ck_assert_int_eq(feed->state, FEED_CLOSED);
        }

        reconnect();
        m = message(DNS_FEED_BEGIN, "ax.internal");
        m.version++;
        send_message(m);
        ck_assert_int_eq(feed->state, FEED_CLOSED);

        reconnect();
        send_message(message(DNS_FEED_BEGIN, ""));
        ck_assert_int_eq(feed->state, FEED_CLOSED);

        reconnect();
        m = message(DNS_FEED_BEGIN, "ax.internal");
        m.ttl = UINT32_MAX;
        send_message(m);
        ck_assert_int_eq(feed->state, FEED_CLOSED);

        reconnect();
        m = message(DNS_FEED_BEGIN, "ax.internal");
        m.pools[1].prefix = 129;
        send_message(m);
        ck_assert_int_eq(feed->state, FEED_CLOSED);

        reconnect();
        m = message(DNS_FEED_BEGIN, "ax.internal");
        m.pools[0].network.family = AF_INET6;
        send_message(m);
        ck_assert_int_eq(feed->state, FEED_CLOSED);

        reconnect();
        begin();
        commit();
        ck_assert_int_eq(feed->state, FEED_CURRENT);
        commit();
        ck_assert_int_eq(feed->state, FEED_CLOSED);
}
END_TEST

/* A message has its one size. */
START_TEST(test_bad_size) {
        DnsFeedMessage m[2] = {message(DNS_FEED_BEGIN, "ax.internal")};
        static const size_t sizes[] = {1, sizeof(m[0]) - 1, sizeof(m[0]) + 1, sizeof(m)};

        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                reconnect();
                ck_assert_int_eq(send_with_fds(peer, m, sizes[i], NULL, 0, 0), 0);
                run_loop();
                ck_assert_int_eq(feed->state, FEED_CLOSED);
        }
}
END_TEST

/* Descriptors come two with APP_ADD and never else; they must be the right sockets; none leaks. */
START_TEST(test_bad_sockets) {
        int fds[4], wrong[2], pipes[2];
        size_t before;

        app_sockets(fds);
        app_sockets(fds + 2);
        ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
        reconnect();
        before = count_fds();

        begin();
        send_sockets(message(DNS_FEED_APP_ADD, "app"), fds, 1);
        ck_assert_int_eq(feed->state, FEED_CLOSED);

        reconnect();
        begin();
        send_sockets(message(DNS_FEED_APP_ADD, "app"), fds, 3);
        ck_assert_int_eq(feed->state, FEED_CLOSED);

        reconnect();
        begin();
        send_sockets(message(DNS_FEED_COMMIT, ""), fds, 2);
        ck_assert_int_eq(feed->state, FEED_CLOSED);

        reconnect();
        begin();
        send_sockets(message(DNS_FEED_APP_ADD, "with space"), fds, 2);
        ck_assert_int_eq(feed->state, FEED_CLOSED);

        reconnect();
        begin();
        send_sockets(message(DNS_FEED_APP_ADD, ""), fds, 2);
        ck_assert_int_eq(feed->state, FEED_CLOSED);

        /* No app is the host, and the host no app. */
        reconnect();
        begin();
        send_sockets(message(DNS_FEED_APP_ADD, DNS_FEED_HOST), fds, 2);
        ck_assert_int_eq(feed->state, FEED_CLOSED);

        reconnect();
        begin();
        send_sockets(message(DNS_FEED_HOST_ADD, "app"), fds, 2);
        ck_assert_int_eq(feed->state, FEED_CLOSED);

        wrong[0] = fds[1];
        wrong[1] = fds[0];
        reconnect();
        begin();
        send_sockets(message(DNS_FEED_APP_ADD, "app"), wrong, 2);
        ck_assert_int_eq(feed->state, FEED_CLOSED);

        reconnect();
        begin();
        send_sockets(message(DNS_FEED_APP_ADD, "app"), pipes, 2);
        ck_assert_int_eq(feed->state, FEED_CLOSED);

        ck_assert_int_eq(send_with_fds(peer, "x", 0, fds, 2, 0) < 0, true);
        reconnect();
        ck_assert_int_eq(send_with_fds(peer, "x", 0, fds, 2, 0), 0); /* an empty message is as an end */
        run_loop();
        ck_assert_int_eq(feed->state, FEED_CLOSED);

        reconnect();
        ck_assert_uint_eq(count_fds(), before);
        ck_assert_uint_eq(HASH_COUNT(server->apps), 0);

        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                safe_close(fds[i]);
        safe_close(pipes[0]);
        safe_close(pipes[1]);
}
END_TEST

/* An app that is added again has the new sockets alone; one that is removed has none. */
START_TEST(test_sockets_replaced) {
        size_t before;

        begin();
        before = count_fds();
        app_add("app");
        ck_assert_uint_eq(count_fds(), before + 2);
        app_add("app");
        ck_assert_uint_eq(count_fds(), before + 2);
        ck_assert_uint_eq(HASH_COUNT(server->apps), 1);
        send_message(message(DNS_FEED_APP_REMOVE, "app"));
        ck_assert_uint_eq(count_fds(), before);
}
END_TEST

/* The listening socket takes connections, the last of which counts. */
START_TEST(test_listen) {
        struct sockaddr_un address = {.sun_family = AF_UNIX}; /* autobind: unix(7) */
        socklen_t size = sizeof(address);
        DnsFeedMessage m = message(DNS_FEED_BEGIN, "ax.internal");
        int fd, first, second;
        char byte;

        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(bind(fd, (struct sockaddr *) &address, sizeof(sa_family_t)), 0);
        ck_assert_int_eq(getsockname(fd, (struct sockaddr *) &address, &size), 0);
        ck_assert_int_eq(listen(fd, 5), 0);
        ck_assert_int_eq(feed_listen(feed, fd), 0);

        first = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(connect(first, (struct sockaddr *) &address, size), 0);
        ck_assert_int_eq(send_with_fds(first, &m, sizeof(m), NULL, 0, 0), 0);
        run_loop();
        ck_assert_int_eq(feed->state, FEED_SNAPSHOT);

        second = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(connect(second, (struct sockaddr *) &address, size), 0);
        run_loop();
        ck_assert_int_eq(feed->state, FEED_OPEN);
        ck_assert_int_eq(recv(first, &byte, 1, MSG_DONTWAIT), 0);
        ck_assert_int_lt(recv(second, &byte, 1, MSG_DONTWAIT), 0);
        safe_close(first);
        safe_close(second);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("dns-feed");
        TCase *tcase = tcase_create("feed");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, test_life);
        tcase_add_test(tcase, test_reconnect);
        tcase_add_test(tcase, test_broken_snapshot);
        tcase_add_test(tcase, test_many);
        tcase_add_test(tcase, test_views);
        tcase_add_test(tcase, test_patterns);
        tcase_add_test(tcase, test_busy);
        tcase_add_test(tcase, test_pools);
        tcase_add_test(tcase, test_bad_messages);
        tcase_add_test(tcase, test_bad_order);
        tcase_add_test(tcase, test_bad_size);
        tcase_add_test(tcase, test_bad_sockets);
        tcase_add_test(tcase, test_sockets_replaced);
        tcase_add_test(tcase, test_listen);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Proves that what names resolved to is taken from the name service as far as the app is let out, and kept for the next daemon. */

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "basic/clock.h"
#include "basic/fd.h"
#include "core/permitted.h"
#include "unit.h"

static char directory[] = "/tmp/test-permitted-XXXXXX";
static Manager manager;
static App app;

static const char file[] = ".permits-1f";

static void setup(void) {
        char *item, *words[] = { (char *) "api.example.test:443,*.cdn.test,192.0.2.0/24", NULL };
        const char *reason;

        ck_assert_ptr_nonnull(mkdtemp(directory));
        manager.state_dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ck_assert_int_ge(manager.state_dir, 0);
        app = (App){ .manager = &manager, .id = (char *) "web_31", .number = 31 };
        ck_assert_int_eq(egress_parse(words, &app.egress, &item, &reason), 0);
        HASH_ADD_KEYPTR(hh, manager.apps, app.id, strlen(app.id), &app);
}

static void teardown(void) {
        HASH_CLEAR(hh, manager.apps);
        permits_done(&app.party.permits);
        egress_done(&app.egress);
        permitted_forget(&app);
        ck_assert_int_eq(rmdir(directory), 0);
        (void) close(manager.state_dir);
}

static void hear(const char *id, const char *name, const char *address, unsigned ttl) {
        const Address a = unit_address(address);

        permitted_hear(id, name, &a, 1, ttl, &manager);
}

static const Permit *find(const char *name, const char *address) {
        const Address a = unit_address(address);
        const Permit *p = NULL;

        while ((p = permits_next(&app.party.permits, &a, p)))
                if (strcmp(p->name, name) == 0)
                        return p;
        return NULL;
}

/* As the next daemon does. */
static void restart(void) {
        permits_done(&app.party.permits);
        app.n_permit_lines = 0;
        permitted_restore(&app);
}

static off_t file_size(void) {
        struct stat st;

        return fstatat(manager.state_dir, file, &st, 0) < 0 ? -1 : st.st_size;
}

/* Of the names that the app may connect to, and of apps that there are. */
START_TEST(test_hear) {
        hear("web_31", "api.example.test", "192.0.2.7", 60);
        hear("web_31", "a.cdn.test", "2001:db8::7", 60);
        hear("web_31", "cdn.test", "192.0.2.8", 60);
        hear("web_31", "other.test", "192.0.2.9", 60);
        hear("web_32", "a.cdn.test", "192.0.2.10", 60);
        ck_assert_uint_eq(app.party.permits.n, 2);
        ck_assert_ptr_nonnull(find("api.example.test", "192.0.2.7"));
        ck_assert_ptr_nonnull(find("a.cdn.test", "2001:db8::7"));
}
END_TEST

/* Whatever took over the name service cannot write lines of its own. */
START_TEST(test_words) {
        hear("web_31", "x\n99999999999999 192.0.2.66 a.cdn.test", "192.0.2.7", 60);
        hear("web_31", "x y.cdn.test", "192.0.2.7", 60);
        hear("web_31", "\xc3\xa4.cdn.test", "192.0.2.7", 60);
        ck_assert_uint_eq(app.party.permits.n, 0);
        hear("web_31", "_x.?.cdn.test", "192.0.2.7", 60);
        restart();
        ck_assert_uint_eq(app.party.permits.n, 1);
        ck_assert_ptr_nonnull(find("_x.?.cdn.test", "192.0.2.7"));
}
END_TEST

/* The next daemon knows what this one did, for as long and a little longer. */
START_TEST(test_restart) {
        const uint64_t now = now_usec(CLOCK_MONOTONIC);

        hear("web_31", "api.example.test", "192.0.2.7", 60);
        hear("web_31", "api.example.test", "2001:db8::7", 600);
        hear("web_31", "a.cdn.test", "192.0.2.7", 6);
        restart();
        ck_assert_uint_eq(app.party.permits.n, 3);
        ck_assert_uint_ge(find("api.example.test", "192.0.2.7")->until, now + 60 * USEC_PER_SEC);
        ck_assert_uint_le(find("api.example.test", "192.0.2.7")->until, now + 120 * USEC_PER_SEC);
        ck_assert_uint_ge(find("api.example.test", "2001:db8::7")->until, now + 600 * USEC_PER_SEC);
        ck_assert_uint_le(find("a.cdn.test", "192.0.2.7")->until, now + 60 * USEC_PER_SEC);
        /* It goes on from there. */
        hear("web_31", "b.cdn.test", "192.0.2.8", 60);
        restart();
        ck_assert_uint_eq(app.party.permits.n, 4);
        permitted_forget(&app);
        ck_assert_int_eq(file_size(), -1);
        restart();
        ck_assert_uint_eq(app.party.permits.n, 0);
}
END_TEST

/* A name that is looked up all the time does not fill the disk, nor do many. */
START_TEST(test_size) {
        char address[ADDRESS_STRING_MAX];
        off_t size, most = 0;

        hear("web_31", "a.cdn.test", "192.0.2.7", 60);
        size = file_size();
        ck_assert_int_gt(size, 0);
        for (unsigned i = 0; i < 1000; i++)
                hear("web_31", "a.cdn.test", "192.0.2.7", 60);
        ck_assert_int_eq(file_size(), size);
        for (unsigned i = 0; i < 20000; i++) {
                (void) snprintf(address, sizeof(address), "10.0.%u.%u", i / 256, i % 256);
                hear("web_31", "a.cdn.test", address, 60 + i);
                most = MAX2(most, file_size());
        }
        ck_assert_int_le(most, 5 * PERMITS_MAX * 64);
        restart();
        ck_assert_uint_eq(app.party.permits.n, PERMITS_MAX);
        ck_assert_ptr_nonnull(find("a.cdn.test", address));
}
END_TEST

/* What was written by half, or damaged, is left out, and nothing else. */
START_TEST(test_damaged) {
        static const char bytes[] = "99999999999999 192.0.2.1 a.cdn.test\n"
                                    "\n"
                                    "nothing\n"
                                    "99999999999999 nowhere a.cdn.test\n"
                                    "99999999999999 192.0.2.2\n"
                                    "99999999999999 192.0.2.3 b.cdn.test\n"
                                    "99999999999999 192.0.2.4 c.cdn.te";
        int fd = openat(manager.state_dir, file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, bytes, sizeof(bytes) - 1), sizeof(bytes) - 1);
        (void) close(fd);
        restart();
        ck_assert_uint_eq(app.party.permits.n, 2);
        ck_assert_ptr_nonnull(find("a.cdn.test", "192.0.2.1"));
        ck_assert_ptr_nonnull(find("b.cdn.test", "192.0.2.3"));
}
END_TEST

int main(void) {
        return UNIT_RUN("permitted", setup, teardown, test_hear, test_words, test_restart, test_size, test_damaged);
}

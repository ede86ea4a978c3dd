/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Proves that what a daemon writes down of an app is what the next one reads, and that damage is seen. */

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "basic/fd.h"
#include "basic/text.h"
#include "core/state.h"
#include "unit.h"

static char directory[] = "/tmp/test-state-XXXXXX";
static Manager manager;
static char text[65536];

static void setup(void) {
        ck_assert_ptr_nonnull(mkdtemp(directory));
        manager.state_dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ck_assert_int_ge(manager.state_dir, 0);
}

static void teardown(void) {
        (void) unlinkat(manager.state_dir, "web_7", 0);
        (void) rmdir(directory);
        (void) close(manager.state_dir);
}

/* An app as it is when it runs; strings and addresses are set by the test. */
typedef struct Fixture {
        Identity identity;
        App app;
} Fixture;

static void fixture_init(Fixture *f, char **argv) {
        static Expose exposes[] = {
                { .port = 80, .host_port = 8080, .n = 1 },
                { .port = 81, .host_port = 8081, .n = 9, .address = { AF_INET6, { 0xfd, [15] = 1 } } },
        };
        const char *reason;
        char *item = NULL;

        *f = (Fixture){
                .identity = {
                        .names = { { .name = (char *) "web" }, { .name = (char *) "www.shop" } },
                        .n_names = 2,
                        .n_addresses = 2,
                        .owner = 1000,
                        .strategy = STRATEGY_SOURCE_HASH,
                },
                .app = {
                        .manager = &manager,
                        .id = (char *) "web_7",
                        .number = 7,
                        .uid = 1000,
                        .owner_uid = 1001,
                        .unit = (char *) "appswitch-web_7.scope",
                        .owner = (char *) ":1.42",
                        .argv = argv,
                        .leader = 4711,
                        .timestamp = UINT64_C(1234567890123456),
                        .netns = UINT64_C(4026532999),
                },
        };
        f->app.exposes = exposes;
        f->app.n_exposes = ELEMENTSOF(exposes);
        ck_assert_int_eq(networks_add(&f->app.expose_from, "10.0.0.0/8"), 0);
        ck_assert_int_eq(networks_add(&f->app.expose_from, "localhost"), 0);
        ck_assert_int_eq(egress_parse((char *[]){ (char *) "192.0.2.0/24,*.a.test:443", NULL }, &f->app.egress, &item, &reason), 0);
        f->identity.addresses[0].address = unit_address("198.18.202.44");
        f->identity.addresses[1].address = unit_address("fdaa:a55:317c:0:8b8f:9c35:7cbd:25aa");
        f->app.party.identity = &f->identity;
        f->app.party.weight = WEIGHT_DEFAULT;
        ck_assert_int_eq(tags_add(&f->app.party.tags, "zone=shop"), 0);
        ck_assert_int_eq(tags_add(&f->app.party.tags, "a=b:c/d"), 0);
}

static void fixture_done(Fixture *f) {
        tags_done(&f->app.party.tags);
        networks_done(&f->app.expose_from);
        egress_done(&f->app.egress);
}

static void assert_same(const AppRecord *record, const Fixture *f) {
        const App *app = &f->app;
        size_t n = 0;

        ck_assert_uint_eq(record->number, app->number);
        ck_assert_uint_eq(strv_length(record->names), f->identity.n_names);
        for (size_t i = 0; i < f->identity.n_names; i++)
                ck_assert_str_eq(record->names[i], f->identity.names[i].name);
        ck_assert_int_eq(record->strategy, f->identity.strategy);
        ck_assert_uint_eq(record->weight, app->party.weight);
        ck_assert_int_eq(record->draining, app->party.draining);
        ck_assert_uint_eq(record->n_addresses, f->identity.n_addresses);
        for (size_t i = 0; i < record->n_addresses; i++)
                ck_assert(address_equal(&record->addresses[i], &f->identity.addresses[i].address));
        ck_assert(tags_equal(&record->tags, &app->party.tags));
        ck_assert_uint_eq(record->uid, app->uid);
        ck_assert_uint_eq(record->owner_uid, app->owner_uid);
        ck_assert_uint_eq(record->identity_owner, f->identity.owner);
        ck_assert_str_eq(record->unit, app->unit);
        ck_assert_pstr_eq(record->owner, app->owner);
        ck_assert_int_eq(record->leader, app->leader);
        ck_assert_uint_eq(record->timestamp, app->timestamp);
        ck_assert_uint_eq(record->netns, app->netns);
        ck_assert_int_eq(record->shortcut, app->shortcut);
        ck_assert_uint_eq(record->n_exposes, app->n_exposes);
        for (size_t i = 0; i < app->n_exposes; i++)
                ck_assert(expose_equal(&record->exposes[i], &app->exposes[i]));
        ck_assert_uint_eq(record->expose_from.n, app->expose_from.n);
        ck_assert(egress_equal(&record->egress, &app->egress));
        for (; app->argv[n]; n++)
                ck_assert_str_eq(record->argv[n], app->argv[n]);
        ck_assert_uint_eq(record->n_argv, n);
        ck_assert_ptr_null(record->argv[n]);
}

static void assert_round_trip(Fixture *f) {
        AppRecord record = {};

        ck_assert_int_eq(app_record_save(&f->app), 0);
        ck_assert_int_eq(app_record_load(manager.state_dir, f->app.id, &record), 0);
        assert_same(&record, f);
        app_record_done(&record);
        fixture_done(f);
}

/* All that is known of an app comes back. */
START_TEST(test_round_trip) {
        Fixture f;

        fixture_init(&f, (char *[]){ (char *) "python3", (char *) "-m", (char *) "http.server", NULL });
        assert_round_trip(&f);
}
END_TEST

/* Neither name nor owner is needed; numbers may be as large as they get. */
START_TEST(test_round_trip_least) {
        Fixture f;

        fixture_init(&f, (char *[]){ (char *) "x", NULL });
        tags_done(&f.app.party.tags);
        f.identity.n_names = 0;
        f.app.party.weight = WEIGHT_MIN;
        f.app.owner = NULL;
        f.app.number = f.app.timestamp = f.app.netns = UINT64_MAX;
        f.app.uid = f.app.owner_uid = f.identity.owner = UINT32_MAX - 1;
        f.app.leader = 4194304;
        f.app.shortcut = SHORTCUT_TCP;
        f.identity.addresses[0].address = unit_address("169.254.1.1");
        f.identity.addresses[1].address = unit_address("fe80::1");
        assert_round_trip(&f);
}
END_TEST

/* As many addresses and tags as an app can have. */
START_TEST(test_round_trip_most) {
        Fixture f;
        char tag[160];

        fixture_init(&f, (char *[]){ (char *) "x", NULL });
        tags_done(&f.app.party.tags);
        for (unsigned i = 0; i < TAGS_MAX; i++) {
                (void) snprintf(tag, sizeof(tag), "%063u=%063u", i, i);
                ck_assert_int_eq(tags_add(&f.app.party.tags, tag), 0);
        }
        f.app.party.weight = WEIGHT_MAX;
        f.app.party.draining = true;
        f.identity.n_names = IDENTITY_NAMES_MAX;
        for (unsigned i = 0; i < IDENTITY_NAMES_MAX; i++)
                f.identity.names[i].name = (char *) "long.name";
        f.identity.n_addresses = IDENTITY_ADDRESSES_MAX;
        for (unsigned i = 0; i < IDENTITY_ADDRESSES_MAX; i++) {
                f.identity.addresses[i].address = unit_address("10.0.0.0");
                f.identity.addresses[i].address.bytes[3] = (uint8_t) (i + 1);
        }
        assert_round_trip(&f);
}
END_TEST

/* Arguments are any bytes: lines, escapes, keys of ours and no text at all come back as they were. */
START_TEST(test_strange_arguments) {
        static char all[256];
        char *argv[] = {
                (char *) "",
                (char *) "a\nNAME=evil\nUID=0\n",
                (char *) "\n",
                (char *) "#",
                (char *) "=",
                (char *) " leading and trailing ",
                (char *) "tab\there\r",
                (char *) "\\",
                (char *) "\\x",
                (char *) "\\x4",
                (char *) "\\x41",
                (char *) "\\\\x41",
                (char *) "\033[31mred\033[0m",
                (char *) "\177\200\377\376",
                (char *) "w\303\244b",
                all,
                (char *) "",
                NULL,
        };
        Fixture f;

        for (unsigned i = 0; i < sizeof(all) - 1; i++)
                all[i] = (char) (i + 1);
        fixture_init(&f, argv);
        assert_round_trip(&f);
        ck_assert_int_gt(read_file(manager.state_dir, "web_7", text, sizeof(text)), 0);
        ck_assert_ptr_null(strstr(text, "\nNAME=evil"));
}
END_TEST

/* Each save replaces the record, for root alone to read; removed it is gone. */
START_TEST(test_replace) {
        Fixture f;
        AppRecord record = {};
        struct stat st;

        fixture_init(&f, (char *[]){ (char *) "x", NULL });
        ck_assert_int_eq(app_record_save(&f.app), 0);
        f.app.timestamp = 1;
        ck_assert_int_eq(app_record_save(&f.app), 0);
        ck_assert_int_eq(fstatat(manager.state_dir, "web_7", &st, 0), 0);
        ck_assert_uint_eq(st.st_mode & 0777, 0600);
        ck_assert_int_eq(app_record_load(manager.state_dir, "web_7", &record), 0);
        assert_same(&record, &f);
        app_record_done(&record);

        app_record_remove(&f.app);
        ck_assert_int_eq(app_record_load(manager.state_dir, "web_7", &record), -ENOENT);
        app_record_remove(&f.app);
        fixture_done(&f);
}
END_TEST

static int load(const char *content) {
        AppRecord record = { .number = 42 };
        int r;

        ck_assert_int_eq(write_file_atomic(manager.state_dir, "web_7", content, 0600), 0);
        r = app_record_load(manager.state_dir, "web_7", &record);
        if (r >= 0)
                app_record_done(&record);
        else
                ck_assert_uint_eq(record.number, 42);
        return r;
}

/* A record without what an app must have is damaged. */
START_TEST(test_incomplete) {
        ck_assert_int_eq(load(""), -EBADMSG);
        ck_assert_int_eq(load("\n\n# \nnonsense\n"), -EBADMSG);
        ck_assert_int_eq(load("NUMBER=7\nADDRESS=10.0.0.1\nUNIT=u\nARG=x\n"), 0);
        ck_assert_int_eq(load("ADDRESS=10.0.0.1\nUNIT=u\nARG=x\n"), -EBADMSG);
        ck_assert_int_eq(load("NUMBER=0\nADDRESS=10.0.0.1\nUNIT=u\nARG=x\n"), -EBADMSG);
        ck_assert_int_eq(load("NUMBER=x\nADDRESS=10.0.0.1\nUNIT=u\nARG=x\n"), -EBADMSG);
        ck_assert_int_eq(load("NUMBER=7\nUNIT=u\nARG=x\n"), -EBADMSG);
        ck_assert_int_eq(load("NUMBER=7\nADDRESS=10.0.0.1\nARG=x\n"), -EBADMSG);
        ck_assert_int_eq(load("NUMBER=7\nADDRESS=10.0.0.1\nUNIT=u\n"), -EBADMSG);
}
END_TEST

/* Values that can be none are damage; keys of a later version are not. */
START_TEST(test_damaged) {
#define GOOD "NUMBER=7\nADDRESS=10.0.0.1\nUNIT=u\nARG=x\n"
        ck_assert_int_eq(load(GOOD "FUTURE=1\n"), 0);
        ck_assert_int_eq(load(GOOD "NAME"), 0);
        ck_assert_int_eq(load(GOOD "ADDRESS=\n"), -EBADMSG);
        ck_assert_int_eq(load(GOOD "ADDRESS=10.0.0\n"), -EBADMSG);
        ck_assert_int_eq(load(GOOD "TAG=\n"), -EBADMSG);
        ck_assert_int_eq(load(GOOD "TAG=zone\n"), -EBADMSG);
        ck_assert_int_eq(load(GOOD "SHORTCUT=tcp\n"), 0);
        ck_assert_int_eq(load(GOOD "SHORTCUT=\n"), -EBADMSG);
        ck_assert_int_eq(load(GOOD "SHORTCUT=TCP\n"), -EBADMSG);
        ck_assert_int_eq(load(GOOD "EXPOSE=80:8080\nEXPOSE_FROM=any\nEGRESS=no\n"), 0);
        ck_assert_int_eq(load(GOOD "EXPOSE=\n"), -EBADMSG);
        ck_assert_int_eq(load(GOOD "EXPOSE=80\n"), -EBADMSG);
        ck_assert_int_eq(load(GOOD "EXPOSE_FROM=\n"), -EBADMSG);
        ck_assert_int_eq(load(GOOD "EGRESS=\n"), -EBADMSG);
        ck_assert_int_eq(load(GOOD "EGRESS=192.0.2.1/24\n"), -EBADMSG);
        ck_assert_int_eq(load(GOOD "STRATEGY=source-hash\nWEIGHT=1000\nDRAINING=1\n"), 0);
        ck_assert_int_eq(load(GOOD "STRATEGY=\n"), -EBADMSG);
        ck_assert_int_eq(load(GOOD "STRATEGY=dice\n"), -EBADMSG);
        ck_assert_int_eq(load(GOOD "WEIGHT=0\n"), -EBADMSG);
        ck_assert_int_eq(load(GOOD "WEIGHT=1001\n"), -EBADMSG);
        ck_assert_int_eq(load(GOOD "WEIGHT=4294967396\n"), -EBADMSG);
        /* Nine names. */
        ck_assert_int_eq(load(GOOD "NAME=a\nNAME=b\nNAME=c\nNAME=d\nNAME=e\nNAME=f\nNAME=g\nNAME=h\n"), 0);
        ck_assert_int_eq(load(GOOD "NAME=a\nNAME=b\nNAME=c\nNAME=d\nNAME=e\nNAME=f\nNAME=g\nNAME=h\nNAME=i\n"),
                         -EBADMSG);
        /* Nine addresses. */
        ck_assert_int_eq(load(GOOD "ADDRESS=10.0.0.2\nADDRESS=10.0.0.3\nADDRESS=10.0.0.4\nADDRESS=10.0.0.5\n"
                                   "ADDRESS=10.0.0.6\nADDRESS=10.0.0.7\nADDRESS=10.0.0.8\nADDRESS=10.0.0.9\n"),
                         -EBADMSG);
        ck_assert_int_eq(app_record_load(manager.state_dir, "none", &(AppRecord){}), -ENOENT);
        ck_assert_int_eq(app_record_load(manager.state_dir, ".", &(AppRecord){}), -EISDIR);
}
END_TEST

/* A record that breaks off anywhere is read or refused, and never beyond its end. */
START_TEST(test_cut_short) {
        Fixture f;

        fixture_init(&f, (char *[]){ (char *) "x\n", (char *) "\001\002", NULL });
        ck_assert_int_eq(app_record_save(&f.app), 0);
        ck_assert_int_gt(read_file(manager.state_dir, "web_7", text, sizeof(text)), 0);
        for (size_t n = strlen(text); n > 0; n--) {
                int r;

                text[n] = '\0';
                r = load(text);
                ck_assert_msg(r == 0 || r == -EBADMSG, "%i: %s", r, text);
        }
        fixture_done(&f);
}
END_TEST

/* An escape that breaks off is text. */
START_TEST(test_escape_cut_short) {
        static const char *const ends[] = { "\\", "\\x", "\\x4", "\\xg", "\\x4g", "\\x 4", "\\x+4" };

        for (size_t i = 0; i < ELEMENTSOF(ends); i++) {
                AppRecord record = {};
                char content[128];

                (void) snprintf(content, sizeof(content), "NUMBER=7\nADDRESS=10.0.0.1\nUNIT=u\nARG=%s", ends[i]);
                ck_assert_int_eq(write_file_atomic(manager.state_dir, "web_7", content, 0600), 0);
                ck_assert_int_eq(app_record_load(manager.state_dir, "web_7", &record), 0);
                ck_assert_uint_eq(record.n_argv, 1);
                ck_assert_str_eq(record.argv[0], ends[i]);
                app_record_done(&record);
        }
}
END_TEST

int main(void) {
        return UNIT_RUN("state", setup, teardown, test_round_trip, test_round_trip_least, test_round_trip_most,
                        test_strange_arguments, test_replace, test_incomplete, test_damaged, test_cut_short,
                        test_escape_cut_short);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Proves the parts of ax that need no bus: options become the request that
 * was meant, names become signals, errors become statuses, text becomes
 * harmless, tables fit, JSON is what scripts may rely on.
 */

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/app.h"
#include "cli/edges.h"
#include "cli/error-status.h"
#include "cli/run-request.h"
#include "cli/signal-name.h"
#include "cli/table.h"
#include "basic/text.h"

static const Verb run_verb = { "run", "", "", run_options, true, verb_run };

static int parse(RunRequest *request, Settings *settings, char **words) {
        *request = (RunRequest){};
        *settings = (Settings){ .json = JSON_OFF, .legend = true, .pager = true, .ask_password = true };
        return run_request_parse(request, &run_verb, settings, words);
}

#define PARSE(...) parse(&request, &settings, (char *[]){ __VA_ARGS__, NULL })

/* Every option arrives in its field, in both spellings; repeatable ones are kept in order. */
START_TEST(test_request) {
        RunRequest request;
        Settings settings;

        ck_assert_int_eq(PARSE((char *) "--name=web", (char *) "-nwww", (char *) "--weight=300",
                               (char *) "--strategy", (char *) "random", (char *) "--ip", (char *) "198.18.0.10",
                               (char *) "--ip=fdaa::1", (char *) "--tag=zone=shop", (char *) "-t",
                               (char *) "tier=front", (char *) "--expose=80:8080", (char *) "--expose", (char *) "81:[::]:8081",
                               (char *) "--expose-from=any", (char *) "--egress=192.0.2.0/24,a.test", (char *) "--egress=b.test:443",
                               (char *) "--user=alice", (char *) "--gid=users",
                               (char *) "-uweb", (char *) "--slice=shop.slice",
                               (char *) "--description=A shop", (char *) "-Gq", (char *) "--no-block",
                               (char *) "--no-ask-password", (char *) "--", (char *) "cmd",
                               (char *) "--name=x"),
                         0);
        ck_assert_uint_eq(strv_length(request.names), 2);
        ck_assert_str_eq(request.names[0], "web");
        ck_assert_str_eq(request.names[1], "www");
        ck_assert_uint_eq(request.weight, 300);
        ck_assert_str_eq(request.strategy, "random");
        ck_assert_uint_eq(strv_length(request.addresses), 2);
        ck_assert_str_eq(request.addresses[0], "198.18.0.10");
        ck_assert_str_eq(request.addresses[1], "fdaa::1");
        ck_assert_uint_eq(strv_length(request.tags), 2);
        ck_assert_str_eq(request.tags[0], "zone=shop");
        ck_assert_str_eq(request.tags[1], "tier=front");
        ck_assert_uint_eq(strv_length(request.expose), 2);
        ck_assert_str_eq(request.expose[1], "81:[::]:8081");
        ck_assert_uint_eq(strv_length(request.expose_from), 1);
        ck_assert_uint_eq(strv_length(request.egress), 2);
        ck_assert_str_eq(request.egress[0], "192.0.2.0/24,a.test");
        ck_assert_str_eq(request.user, "alice");
        ck_assert_str_eq(request.group, "users");
        ck_assert_str_eq(request.unit, "web.scope");
        ck_assert_str_eq(request.slice, "shop.slice");
        ck_assert_str_eq(request.description, "A shop");
        ck_assert(request.collect && request.quiet && request.no_block);
        ck_assert(!settings.ask_password);
        ck_assert_uint_eq(strv_length(request.argv), 2);
        ck_assert_str_eq(request.argv[1], "--name=x");
        run_request_done(&request);
}
END_TEST

/* The command's own options are not ours, with or without "--". */
START_TEST(test_request_stops) {
        RunRequest request;
        Settings settings;

        ck_assert_int_eq(PARSE((char *) "-q", (char *) "ls", (char *) "-l", (char *) "--",
                               (char *) "--json=x"),
                         0);
        ck_assert(request.quiet && !settings.full && settings.json == JSON_OFF);
        ck_assert_uint_eq(strv_length(request.argv), 4);
        ck_assert_str_eq(request.argv[2], "--");
        run_request_done(&request);
}
END_TEST

/* What is wrong is refused, and nothing is left behind. */
START_TEST(test_request_bad) {
        static const char *const bad[][4] = {
                { "--nonsense", "true" },
                { "-X", "true" },
                { "--quiet=yes", "true" },
                { "--name" },
                { "-t" },
                { "--quiet" },
                { "--pty", "--no-block", "true" },
                { "--json=xml", "true" },
                { "--name=\xff", "true" },
        };
        RunRequest request;
        Settings settings;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                ck_assert_int_eq(PARSE((char *) bad[i][0], (char *) bad[i][1], (char *) bad[i][2]), -EINVAL);
                run_request_done(&request);
        }
}
END_TEST

/* Words and options may be mixed where no command follows. */
START_TEST(test_options_mixed) {
        static const Option table[] = { { 1, "long", 'l', NULL, "" }, { 2, "value", 'v', "V", "" }, {} };
        char *words[] = { (char *) "one",    (char *) "-lvx", (char *) "two", (char *) "-v", (char *) "-l",
                          (char *) "--long", (char *) "-",    (char *) "--",  (char *) "-l", NULL };
        _cleanup_option_parser_ OptionParser p;
        const char *value;

        option_parser_init(&p, "test", words, table, NULL);
        ck_assert_int_eq(option_parser_next(&p, &value), 1);
        ck_assert_int_eq(option_parser_next(&p, &value), 2);
        ck_assert_str_eq(value, "x");
        ck_assert_int_eq(option_parser_next(&p, &value), 2);
        ck_assert_str_eq(value, "-l");
        ck_assert_int_eq(option_parser_next(&p, &value), 1);
        ck_assert_int_eq(option_parser_next(&p, &value), 0);
        ck_assert_uint_eq(strv_length(p.words), 4);
        ck_assert_str_eq(p.words[2], "-");
        ck_assert_str_eq(p.words[3], "-l");
}
END_TEST

/* Signals in all the forms of kill(1), and no others. */
START_TEST(test_signal) {
        static const char *const bad[] = { "",       "0",   "-1",       "65",      "999999999999",
                                           "SIG",    "TER", "RTMIN+99", "RTMIN-1", "RTMAX+1",
                                           "RTMIN+", "15x", "+15" };

        ck_assert_int_eq(signal_from_string("SIGTERM"), SIGTERM);
        ck_assert_int_eq(signal_from_string("term"), SIGTERM);
        ck_assert_int_eq(signal_from_string("15"), 15);
        ck_assert_int_eq(signal_from_string("SIGRTMIN"), SIGRTMIN);
        ck_assert_int_eq(signal_from_string("RTMIN+3"), SIGRTMIN + 3);
        ck_assert_int_eq(signal_from_string("sigrtmax-1"), SIGRTMAX - 1);
        ck_assert_int_eq(signal_from_string("64"), SIGRTMAX);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                ck_assert_int_eq(signal_from_string(bad[i]), -EINVAL);
}
END_TEST

/* The statuses that systemd-run would give. */
START_TEST(test_error_status) {
        ck_assert_int_eq(error_exit_status("io.appswitch1.ExecFailed"), 203);
        ck_assert_int_eq(error_exit_status("io.appswitch1.ChdirFailed"), 200);
        ck_assert_int_eq(error_exit_status("io.appswitch1.UserFailed"), 217);
        ck_assert_int_eq(error_exit_status("io.appswitch1.GroupFailed"), 216);
        ck_assert_int_eq(error_exit_status("io.appswitch1.NetworkFailed"), 225);
        ck_assert_int_eq(error_exit_status("io.appswitch1.SeccompFailed"), 228);
        ck_assert_int_eq(error_exit_status("io.appswitch1.NameInUse"), 1);
        ck_assert_int_eq(error_exit_status(SD_BUS_ERROR_ACCESS_DENIED), 1);
        ck_assert_int_eq(error_exit_status(NULL), 1);
}
END_TEST

/* Each is a sentence. The integration test 75-man compares the table with the errors that there are. */
START_TEST(test_error_hint) {
        static const char *const names[] = { "io.appswitch1.NoSuchApp", "io.appswitch1.ExecFailed", "io.appswitch1.LimitReached",
                                             SD_BUS_ERROR_ACCESS_DENIED, SD_BUS_ERROR_UNKNOWN_METHOD };
        const char *other = error_hint(NULL);

        ck_assert_str_eq(error_hint("com.example.Unheard"), other);
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                const char *hint = error_hint(names[i]);

                ck_assert_str_ne(hint, other);
                ck_assert(strchr(".?", hint[strlen(hint) - 1]));
        }
        ck_assert(strstr(error_hint("io.appswitch1.NoSuchApp"), "ax list"));
}
END_TEST

START_TEST(test_json_mode_table) {
        for (JsonMode m = 0; m < _JSON_MODE_MAX; m++)
                ck_assert_int_eq(json_mode_from_string(json_mode_to_string(m)), m);
        ck_assert_int_eq(json_mode_from_string("xml"), _JSON_MODE_INVALID);
        ck_assert_ptr_null(json_mode_to_string(_JSON_MODE_MAX));
        ck_assert_ptr_null(json_mode_to_string(_JSON_MODE_INVALID));
}
END_TEST

/* The escape sequences of a terminal and broken UTF-8 do not get through; good UTF-8 does. */
START_TEST(test_escape) {
        static const struct {
                const char *in, *out;
        } texts[] = {
                { "plain", "plain" },
                { "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
                { "\x1b[2J\n", "\\x1b[2J\\x0a" },
                { "\xc2\x9b"
                  "2J",
                  "\\xc2\\x9b2J" },
                { "\xff\xfe", "\\xff\\xfe" },
                { "\xc0\xaf", "\\xc0\\xaf" },
                { "\xed\xa0\x80", "\\xed\\xa0\\x80" },
                { "\xe2\x82", "\\xe2\\x82" },
                { "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80" },
                { "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" },
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                _cleanup_free_ char *s = text_escape(texts[i].in);

                ck_assert_str_eq(s, texts[i].out);
                ck_assert(utf8_is_valid(s));
        }
}
END_TEST

/* What is cut is cut between characters. */
START_TEST(test_prefix) {
        static const char text[] = "a\xc3\xbc\xf0\x9f\x98\x80z"; /* 1, 2, 4 and 1 bytes */
        static const size_t lengths[] = { 0, 1, 1, 3, 3, 3, 3, 7, 8, 8 };

        for (size_t max = 0; max < ELEMENTSOF(lengths); max++)
                ck_assert_uint_eq(utf8_prefix(text, max), lengths[max]);
        ck_assert_uint_eq(utf8_prefix("", 5), 0);
}
END_TEST

static char *print_table(const char *cell, size_t columns, bool legend) {
        static const char *const headers[] = { "ID", "NAME" };
        _cleanup_table_ Table *t = table_new(headers, ELEMENTSOF(headers));
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        ck_assert_int_ge(table_add(t, (const char *const[]){ "a", cell }), 0);
        ck_assert_int_ge(table_add(t, (const char *const[]){ "bcd", NULL }), 0);
        table_print(t, f, columns, legend, false);
        (void) fclose(f);
        return text;
}

/* Columns are as wide as they have to be, and no wider than the terminal. */
START_TEST(test_table) {
        _cleanup_free_ char *whole = print_table("gr\xc3\xbc\xc3\x9f", 0, true),
                            *bare = print_table("x", 0, false),
                            *fitted = print_table("0123456789abcdef", 14, false);

        ck_assert_str_eq(whole, "ID  NAME\na   gr\xc3\xbc\xc3\x9f\nbcd -\n");
        ck_assert_str_eq(bare, "a   x\nbcd -\n");
        ck_assert_str_eq(fitted, "a   012345678…\nbcd -\n");
}
END_TEST

/* Keys and types of the JSON form of an app, one by one: scripts rely on them. */
START_TEST(test_json) {
        char *addresses[] = { (char *) "198.18.0.10", NULL };
        char *command[] = { (char *) "cat", (char *) "\xff", NULL };
        Listener listener = { (char *) "tcp", (char *) "*", 80 };
        const App app = {
                .id = (char *) "web_1",
                .name = (char *) "",
                .addresses = addresses,
                .strategy = (char *) "source-hash",
                .weight = 300,
                .draining = true,
                .uid = 4294967294,
                .unit = (char *) "u.scope",
                .leader = 7,
                .command = command,
                .timestamp = 1700000000000001,
                .listeners = &listener,
                .n_listeners = 1,
                .expose = (char *[]){ (char *) "80:8080", NULL },
        };
        _cleanup_json_ json_object *o = app_to_json(&app);
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        ck_assert_int_eq(json_print(f, JSON_SHORT, o), 0);
        (void) fclose(f);
        ck_assert_str_eq(
                        text,
                        "{\"id\":\"web_1\",\"name\":\"\",\"names\":[],\"addresses\":[\"198.18.0.10\"],\"tags\":[],"
                        "\"listens\":[{\"protocol\":\"tcp\",\"address\":\"*\",\"port\":80}],\"strategy\":\"source-hash\",\"weight\":300,\"draining\":true,"
                        "\"expose\":[\"80:8080\"],\"expose_from\":[],\"egress\":[],"
                        "\"uid\":4294967294,"
                        "\"unit\":\"u.scope\",\"shortcut\":\"auto\",\"transport\":\"unix\",\"leader\":7,\"command\":[\"cat\",\"\\\\xff\"],"
                        "\"timestamp\":1700000000000001}\n");
}
END_TEST

/* IPv6 addresses are bracketed, as everywhere else. */
START_TEST(test_listener) {
        const Listener v4 = { (char *) "tcp", (char *) "198.18.0.10", 80 },
                       v6 = { (char *) "tcp", (char *) "::", 443 };
        _cleanup_free_ char *a = listener_to_string(&v4), *b = listener_to_string(&v6);

        ck_assert_str_eq(a, "198.18.0.10:80");
        ck_assert_str_eq(b, "[::]:443");
}
END_TEST

/* An app is meant by its id, or by any of its names in any case; a nameless one never by "". */
START_TEST(test_matches) {
        char *names[] = { (char *) "web", (char *) "www", NULL };
        const App app = { .id = (char *) "web_1", .name = (char *) "web", .names = names },
                  bare = { .id = (char *) "x_1", .name = (char *) "" };

        ck_assert(app_matches(&app, "web_1"));
        ck_assert(app_matches(&app, "WEB"));
        ck_assert(app_matches(&app, "Www"));
        ck_assert(!app_matches(&app, "web_2"));
        ck_assert(!app_matches(&app, ""));
        ck_assert(!app_matches(&bare, ""));
}
END_TEST

#define CONNECTION(from, port_, to, out, own_)                                                      \
        { .client = (char *) from, .server = (char *) to, .client_address = (char *) "198.18.0.1",  \
          .address = (char *) "198.18.0.2", .client_port = port_, .port = 80,                       \
          .transport = (char *) "tcp", .state = (char *) "established", .bytes_out = out,           \
          .counted = out > 0, .own = own_ }

/* Connections between two apps are one edge; what an app says to itself is none; bytes since the last look are a rate. */
START_TEST(test_edges) {
        Connection before[] = { CONNECTION("cli_1", 1, "web_2", 100, false), CONNECTION("cli_1", 2, "web_2", 900, false) };
        Connection now[] = {
                CONNECTION("cli_1", 1, "web_2", 600, false), /* 500 more */
                CONNECTION("cli_1", 2, "web_2", 300, false), /* another one by now, with the same numbers */
                CONNECTION("cli_10", 3, "web_2", 0, false),  /* not counted */
                CONNECTION("cli_9", 4, "web_2", 700, false), /* new */
                CONNECTION("web_2", 5, "web_2", 50, true),
                CONNECTION("", 6, "web_2", 1, false),
        };
        _cleanup_edge_list_ EdgeList edges = {};
        const Edge *e;
        size_t n;

        ck_assert_int_eq(edge_list_make(&edges, &(ConnectionList){ now, ELEMENTSOF(now), false },
                                        &(ConnectionList){ before, ELEMENTSOF(before), false }, 2.0),
                         0);
        e = edge_list_find(&edges, "web_2", 80, &n);
        ck_assert_uint_eq(n, 4);
        ck_assert_str_eq(e[0].client, "198.18.0.1");
        ck_assert_str_eq(e[1].client, "cli_1");
        ck_assert_uint_eq(e[1].n, 2);
        ck_assert_double_eq(e[1].rate, 400);
        ck_assert_str_eq(e[2].client, "cli_9");
        ck_assert_double_eq(e[2].rate, 350);
        ck_assert_str_eq(e[3].client, "cli_10");
        ck_assert_uint_eq(e[3].n_rated, 0);
        (void) edge_list_find(&edges, "web_2", 81, &n);
        ck_assert_uint_eq(n, 0);
        (void) edge_list_find(&edges, "web", 80, &n);
        ck_assert_uint_eq(n, 0);
        (void) edge_list_find(&edges, "zzz_1", 80, &n);
        ck_assert_uint_eq(n, 0);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                test_request, test_request_stops, test_request_bad,     test_options_mixed,
                test_signal,  test_error_status,  test_error_hint, test_json_mode_table, test_escape, test_prefix,
                test_table,  test_edges, test_json,          test_listener,        test_matches,
        };
        Suite *s = suite_create("cli");
        TCase *c = tcase_create("cli");
        SRunner *runner;
        int failed;

        for (size_t i = 0; i < ELEMENTSOF(tests); i++)
                tcase_add_test(c, tests[i]);
        suite_add_tcase(s, c);
        runner = srunner_create(s);
        srunner_run_all(runner, CK_ENV);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

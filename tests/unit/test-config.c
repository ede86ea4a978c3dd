/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Proves that the configuration is what appswitchd.conf(5) says, and that nothing in a file keeps the daemon from starting. */

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>

#include "basic/fd.h"
#include "core/config.h"
#include "unit.h"

static const char *const conf = SYSCONFDIR "/appswitchd.conf";
static const char *const etc = SYSCONFDIR "/appswitchd.conf.d";
static const char *const run = "/run/appswitch/appswitchd.conf.d";
static const char *const usr = "/usr/lib/appswitch/appswitchd.conf.d";

static char root[] = "/tmp/test-config-XXXXXX";
static Config config;
static char log_text[8192];

static void setup(void) {
        ck_assert_ptr_nonnull(mkdtemp(root));
        ck_assert_int_eq(config_init(&config), 0);
}

static void teardown(void) {
        char command[128];

        config_done(&config);
        (void) snprintf(command, sizeof(command), "rm -r %s", root);
        ck_assert_int_eq(system(command), 0);
}

/* Makes the file `name` in `directory` (or `directory` itself, with NULL) below the root. */
static void put(const char *directory, const char *name, const char *text) {
        char path[PATH_MAX];
        FILE *f;

        (void) snprintf(path, sizeof(path), "%s%s%s%s", root, directory, name ? "/" : "", name ?: "");
        for (char *p = path + strlen(root) + 1; (p = strchr(p, '/')); p++) {
                *p = '\0';
                (void) mkdir(path, 0700);
                *p = '/';
        }
        f = fopen(path, "we");
        ck_assert_ptr_nonnull(f);
        ck_assert_int_ge(fputs(text, f), 0);
        ck_assert_int_eq(fclose(f), 0);
}

/* Loads, with what is said about it in `log_text`. */
static void load(void) {
        _cleanup_close_ int saved = dup(STDERR_FILENO), out = -EBADF;
        char path[PATH_MAX];

        (void) snprintf(path, sizeof(path), "%s/log", root);
        out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        ck_assert_int_ge(out, 0);
        (void) fflush(stderr);
        (void) dup2(out, STDERR_FILENO);
        ck_assert_int_eq(config_load(&config, root), 0);
        (void) fflush(stderr);
        (void) dup2(saved, STDERR_FILENO);
        ck_assert_int_ge(read_file(AT_FDCWD, path, log_text, sizeof(log_text)), 0);
}

static void assert_defaults(void) {
        ck_assert_str_eq(config.domain, "ax.internal");
        unit_assert_address(&config.pool4.address, "198.18.0.0");
        ck_assert_uint_eq(config.pool4.prefix, 15);
        unit_assert_address(&config.pool6.address, "fdaa:a55:317c::");
        ck_assert_uint_eq(config.pool6.prefix, 64);
        ck_assert_str_eq(config.default_tag, "zone=default");
        ck_assert_uint_eq(config.name_ttl, 5);
        ck_assert_uint_eq(config.apps_max, 4096);
        ck_assert_uint_eq(config.apps_per_user_max, 256);
        ck_assert_uint_eq(config.listeners_per_app_max, 1024);
        ck_assert_uint_eq(config.names_per_user_max, 1024);
        ck_assert_int_eq(config.strategy, STRATEGY_ROUND_ROBIN);
        ck_assert(config.hide_names);
        ck_assert(!config.egress.all && config.egress.n == 0);
        ck_assert_uint_eq(config.expose_from.n, 2);
        ck_assert_uint_eq(config.exposed_ports_per_user_max, 256);
        ck_assert_int_eq(config.log_level, LOG_INFO);
}

/* Without any file the defaults hold, and nobody complains. */
START_TEST(test_defaults) {
        assert_defaults();
        load();
        assert_defaults();
        ck_assert_str_eq(log_text, "");
}
END_TEST

/* Every key takes what it should, up to the edges. */
START_TEST(test_keys) {
        static const struct {
                const char *key, *value;
        } good[] = {
                { "Domain", "a" },
                { "Domain", "ax.example" },
                { "Domain", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" },
                { "Pool4", "10.0.0.0/8" },
                { "Pool4", "192.0.2.240/28" },
                { "Pool6", "fd00::/32" },
                { "Pool6", "fd00::/112" },
                { "DefaultTag", "a=b" },
                { "NameTTLSec", "0" },
                { "NameTTLSec", "86400" },
                { "AppsMax", "1" },
                { "AppsMax", "4096" }, /* what appswitch-dnsd serves */
                { "AppsPerUserMax", "1" },
                { "AppsPerUserMax", "65536" },
                { "VirtualServicesMax", "1" },
                { "VirtualServicesMax", "65536" },
                { "VirtualServicesPerUserMax", "1" },
                { "VirtualServicesPerUserMax", "65536" },
                { "HideNames", "yes" },
                { "HideNames", "no" },
                { "ListenersPerAppMax", "1" },
                { "ListenersPerAppMax", "65536" },
                { "NamesPerUserMax", "65536" },
                { "NamesPerUserMax", "1" },
                { "Strategy", "round-robin" },
                { "Strategy", "source-hash" },
                { "Egress", "yes" },
                { "Egress", "192.0.2.0/24, *.example.test:443" },
                { "EgressSource", "2001:db8::7" },
                { "EgressSource", "" },
                { "EgressSource", "2001:db8::7, 192.0.2.7" },
                { "EgressDevice", "eth0.1" },
                { "EgressDevice", "" },
                { "EgressDevice", "abcdefghijklmno" },
                { "ExposeFrom", "localhost" },
                { "ExposeFrom", "10.0.0.0/8,fd00::/8 , 192.0.2.7" },
                { "ExposedPortsPerUserMax", "1" },
                { "LogLevel", "emerg" },
                { "LogLevel", "debug" },
        };

        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                ck_assert_msg(config_set(&config, good[i].key, good[i].value, NULL) == 0, "%s=%s", good[i].key,
                              good[i].value);
        ck_assert_str_eq(config.domain, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
        unit_assert_address(&config.pool4.address, "192.0.2.240");
        ck_assert_uint_eq(config.pool6.prefix, 112);
        ck_assert_str_eq(config.default_tag, "a=b");
        ck_assert_uint_eq(config.name_ttl, 86400);
        ck_assert_uint_eq(config.names_per_user_max, 1);
        ck_assert_int_eq(config.strategy, STRATEGY_SOURCE_HASH);
        ck_assert_uint_eq(config.apps_max, 4096);
        ck_assert_uint_eq(config.apps_per_user_max, 65536);
        ck_assert_uint_eq(config.listeners_per_app_max, 65536);
        ck_assert_int_eq(config.log_level, LOG_DEBUG);
        ck_assert_uint_eq(config.egress.n, 2);
        unit_assert_address(&config.exit.source4, "192.0.2.7");
        unit_assert_address(&config.exit.source6, "2001:db8::7");
        ck_assert_str_eq(config.exit.device, "abcdefghijklmno");
        ck_assert_uint_eq(config.expose_from.n, 3);
        ck_assert_uint_eq(config.exposed_ports_per_user_max, 1);

        /* Names are the same in either case. */
        ck_assert_int_eq(config_set(&config, "Domain", "AX.Example", NULL), 0);
        ck_assert_str_eq(config.domain, "ax.example");
}
END_TEST

/* What a key does not take changes nothing, and it is said what would do. */
START_TEST(test_bad_values) {
        static const char domain[] = "a DNS name of up to 63 characters";
        static const char pool4[] = "an IPv4 network of /8 to /28, without host bits and reserved addresses (loopback, link-local, multicast, 0.0.0.0/8, 240.0.0.0/4)";
        static const char pool6[] = "an IPv6 network of /32 to /112, without host bits and reserved addresses (loopback, link-local, multicast, mapped IPv4)";
        static const char tag[] = "a tag, KEY=VALUE";
        static const char ttl[] = "0 to 86400 seconds";
        static const char apps[] = "1 to 4096";
        static const char number[] = "1 to 65536";
        static const char strategy[] = "round-robin, random, least-connections or source-hash";
        static const char egress[] = "yes, no, or a list of up to 64 networks and names, each with :PORT or :PORT-PORT or without, separated by commas";
        static const char source[] = "an IPv4 address, an IPv6 address, or one of each separated by a comma";
        static const char device[] = "the name of a network device, up to 15 characters";
        static const char networks[] = "any, localhost, or a list of up to 64 networks and addresses, separated by commas";
        static const char level[] = "emerg, alert, crit, err, warning, notice, info or debug";
        static const struct {
                const char *key, *value, *allowed;
        } bad[] = {
                { "Domain", "", domain },
                { "Domain", ".", domain },
                { "Domain", "ax.", domain },
                { "Domain", "a b", domain },
                { "Domain", "localhost", domain },
                { "Domain", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", domain },
                { "Pool4", "", pool4 },
                { "Pool4", "198.18.0.1/15", pool4 },
                { "Pool4", "0.0.0.0/0", pool4 },
                { "Pool4", "fd00::/64", pool4 },
                { "Pool6", "198.18.0.0/15", pool6 },
                { "Pool6", "fd00::/128", pool6 },
                { "Pool6", "fd00::", pool6 },
                { "DefaultTag", "", tag },
                { "DefaultTag", "zone", tag },
                { "DefaultTag", "a=b c=d", tag },
                { "NameTTLSec", "", ttl },
                { "NameTTLSec", "86401", ttl },
                { "NameTTLSec", "-1", ttl },
                { "NameTTLSec", "5s", ttl },
                { "NameTTLSec", "18446744073709551621", ttl },
                { "AppsMax", "0", apps },
                { "AppsMax", "4097", apps },
                { "AppsMax", "4294967297", apps },
                { "AppsMax", "0x10", apps },
                { "AppsMax", "+1", apps },
                { "AppsPerUserMax", "0", number },
                { "AppsPerUserMax", "65537", number },
                { "AppsPerUserMax", "many", number },
                { "VirtualServicesMax", "0", number },
                { "VirtualServicesMax", "65537", number },
                { "VirtualServicesPerUserMax", "0", number },
                { "VirtualServicesPerUserMax", "65537", number },
                { "HideNames", "true", "yes or no" },
                { "HideNames", "", "yes or no" },
                { "ListenersPerAppMax", "0", number },
                { "ListenersPerAppMax", "1 2", number },
                { "NamesPerUserMax", "0", number },
                { "NamesPerUserMax", "65537", number },
                { "Strategy", "", strategy },
                { "Strategy", "random,", strategy },
                { "Strategy", "Random", strategy },
                { "Egress", "", egress },
                { "Egress", "yes,no", egress },
                { "Egress", "192.0.2.1/24", egress },
                { "EgressSource", "192.0.2.7,192.0.2.8", source },
                { "EgressSource", "192.0.2.7,", source },
                { "EgressSource", "192.0.2.0/24", source },
                { "EgressSource", "127.0.0.1", source },
                { "EgressSource", "eth0", source },
                { "EgressDevice", "abcdefghijklmnop", device },
                { "EgressDevice", "eth0 eth1", device },
                { "EgressDevice", "../eth0", device },
                { "ExposeFrom", "", networks },
                { "ExposeFrom", "none", networks },
                { "ExposeFrom", "any,", networks },
                { "ExposedPortsPerUserMax", "0", number },
                { "LogLevel", "", level },
                { "LogLevel", "verbose", level },
                { "LogLevel", "Info", level },
                { "LogLevel", "6", level },
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                const char *allowed = NULL;

                ck_assert_msg(config_set(&config, bad[i].key, bad[i].value, &allowed) == -EINVAL, "%s=%s", bad[i].key,
                              bad[i].value);
                ck_assert_str_eq(allowed, bad[i].allowed);
        }
        assert_defaults();
}
END_TEST

/* Keys are spelt in one way. */
START_TEST(test_unknown_keys) {
        static const char *const unknown[] = { "", "domain", "Domai", "Domains", "Domain ", "[AppSwitch]", "AppsMin" };

        for (size_t i = 0; i < ELEMENTSOF(unknown); i++)
                ck_assert_msg(config_set(&config, unknown[i], "1", NULL) == -ENOENT, "%s", unknown[i]);
        assert_defaults();
}
END_TEST

/* Each level of syslog(3) has its name. */
START_TEST(test_log_levels) {
        static const char *const levels[] = {
                [LOG_EMERG] = "emerg",     [LOG_ALERT] = "alert",   [LOG_CRIT] = "crit", [LOG_ERR] = "err",
                [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice", [LOG_INFO] = "info", [LOG_DEBUG] = "debug",
        };

        for (size_t i = 0; i < ELEMENTSOF(levels); i++) {
                ck_assert_int_eq(config_set(&config, "LogLevel", levels[i], NULL), 0);
                ck_assert_int_eq(config.log_level, (int) i);
        }
}
END_TEST

/* Comments, empty lines, spaces, line ends of others and a last line without one are as everywhere. */
START_TEST(test_syntax) {
        put(conf, NULL,
            "# Domain=comment\n"
            "; Domain=comment\n"
            "\n"
            "   \t \n"
            "  [AppSwitch]  \n"
            "  # indented\n"
            "Domain=one.example\n"
            "\tPool4 = 10.0.0.0/8\t\n"
            "DefaultTag= zone=a=b\n"
            "DefaultTag =  zone=shop \r\n"
            "NameTTLSec=7\r\n"
            "AppsMax=9");
        load();
        ck_assert_str_eq(config.domain, "one.example");
        unit_assert_address(&config.pool4.address, "10.0.0.0");
        ck_assert_str_eq(config.default_tag, "zone=shop");
        ck_assert_uint_eq(config.name_ttl, 7);
        ck_assert_uint_eq(config.apps_max, 9);
        ck_assert_ptr_nonnull(strstr(log_text, ":9: DefaultTag= does not take 'zone=a=b', ignoring; allowed is a tag, "
                                               "KEY=VALUE.\n"));
}
END_TEST

/* Whatever is wrong is told with file and line, and all that is right holds: also what a later version adds. */
START_TEST(test_bad_lines) {
        static const char *const said[] = {
                "/appswitchd.conf:1: unknown section '[Other]', ignoring.\n",
                "/appswitchd.conf:4: 'nonsense' is no assignment, ignoring.\n",
                "/appswitchd.conf:5: unknown key 'FutureKey', ignoring.\n",
                "/appswitchd.conf:6: AppsMax= does not take '0', ignoring; allowed is 1 to 4096.\n",
                "/appswitchd.conf:7: unknown key '', ignoring.\n",
                "/appswitchd.conf:9: unknown section '[AppSwitch', ignoring.\n",
                "/appswitchd.conf:11: unknown section '[appswitch]', ignoring.\n",
        };

        put(conf, NULL,
            "[Other]\n"
            "Domain=other.example\n"
            "[AppSwitch]\n"
            "nonsense\n"
            "FutureKey=1\n"
            "AppsMax=0\n"
            "=1\n"
            "Domain=ours.example\n"
            "[AppSwitch\n"
            "Domain=broken.example\n"
            "[appswitch]\n"
            "Domain=lower.example\n"
            "[AppSwitch]\n"
            "NameTTLSec=9\n");
        load();
        ck_assert_str_eq(config.domain, "ours.example");
        ck_assert_uint_eq(config.name_ttl, 9);
        ck_assert_uint_eq(config.apps_max, 4096);
        for (size_t i = 0; i < ELEMENTSOF(said); i++)
                ck_assert_msg(strstr(log_text, said[i]) != NULL, "%s is not in\n%s", said[i], log_text);
}
END_TEST

/* Before the first section nothing counts, and each file begins before it. */
START_TEST(test_section) {
        put(conf, NULL, "Domain=none.example\n[AppSwitch]\nNameTTLSec=9\n");
        put(etc, "10-a.conf", "NameTTLSec=10\n");
        load();
        ck_assert_str_eq(config.domain, "ax.internal");
        ck_assert_uint_eq(config.name_ttl, 9);
}
END_TEST

/* Drop-ins are read after the file, by their names and not by their directories; the last word counts. */
START_TEST(test_dropin_order) {
        put(conf, NULL, "[AppSwitch]\nDomain=conf\nAppsMax=1\nNameTTLSec=1\nAppsPerUserMax=1\n");
        put(etc, "50-middle.conf", "[AppSwitch]\nDomain=etc-50\nNameTTLSec=50\nAppsPerUserMax=50\n");
        put(run, "10-first.conf", "[AppSwitch]\nDomain=run-10\nNameTTLSec=10\nAppsPerUserMax=10\n");
        put(usr, "90-last.conf", "[AppSwitch]\nDomain=usr-90\n");
        put(usr, "20-second.conf", "[AppSwitch]\nNameTTLSec=20\n");
        load();
        ck_assert_str_eq(config.domain, "usr-90");
        ck_assert_uint_eq(config.name_ttl, 50);
        ck_assert_uint_eq(config.apps_per_user_max, 50);
        ck_assert_uint_eq(config.apps_max, 1);
        ck_assert_str_eq(log_text, "");
}
END_TEST

/* Of the same name the administrator's is read, and not the others; an empty one masks them. */
START_TEST(test_dropin_mask) {
        char path[PATH_MAX];

        put(etc, "10-a.conf", "[AppSwitch]\nDomain=etc\n");
        put(run, "10-a.conf", "[AppSwitch]\nDomain=run\nAppsMax=2\n");
        put(usr, "10-a.conf", "[AppSwitch]\nDomain=usr\nAppsMax=3\n");
        put(run, "20-b.conf", "[AppSwitch]\nNameTTLSec=2\n");
        put(usr, "20-b.conf", "[AppSwitch]\nNameTTLSec=3\nAppsMax=3\n");
        put(etc, "30-c.conf", "");
        put(usr, "30-c.conf", "[AppSwitch]\nAppsMax=3\n");
        put(usr, "40-d.conf", "[AppSwitch]\nAppsMax=3\n");
        (void) snprintf(path, sizeof(path), "%s%s/40-d.conf", root, etc);
        ck_assert_int_eq(symlink("/dev/null", path), 0);
        load();
        ck_assert_str_eq(config.domain, "etc");
        ck_assert_uint_eq(config.name_ttl, 2);
        ck_assert_uint_eq(config.apps_max, 4096);
}
END_TEST

/* What is not named NAME.conf is no drop-in: backups of editors, packages and the hidden. */
START_TEST(test_dropin_names) {
        static const char *const names[] = {
                ".hidden.conf", ".conf", "README", "10-a.conf~", "10-a.conf.dpkg-old", "10-a.CONF", "conf", "a.con",
        };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                put(etc, names[i], "[AppSwitch]\nDomain=wrong.example\n");
        put(etc, "a.conf", "[AppSwitch]\nNameTTLSec=9\n");
        load();
        ck_assert_str_eq(config.domain, "ax.internal");
        ck_assert_uint_eq(config.name_ttl, 9);
}
END_TEST

/* A file that cannot be read is told and ignored; the others are read. */
START_TEST(test_unreadable) {
        char path[PATH_MAX];

        put(etc, "20-b.conf", "[AppSwitch]\nNameTTLSec=9\n");
        (void) snprintf(path, sizeof(path), "%s%s/10-a.conf", root, etc);
        ck_assert_int_eq(symlink("10-a.conf", path), 0);
        (void) snprintf(path, sizeof(path), "%s%s/15-directory.conf", root, etc);
        ck_assert_int_eq(mkdir(path, 0700), 0);
        load();
        ck_assert_uint_eq(config.name_ttl, 9);
        ck_assert_ptr_nonnull(strstr(log_text, "/10-a.conf, ignoring: Too many levels of symbolic links\n"));
}
END_TEST

/* More drop-ins than anybody writes are left out with a word; nothing is written beyond the table. */
START_TEST(test_dropin_bound) {
        char name[32];

        for (unsigned i = 0; i < 260; i++) {
                (void) snprintf(name, sizeof(name), "%03u.conf", i);
                put(i % 2 ? etc : usr, name, "[AppSwitch]\nNameTTLSec=9\n");
        }
        load();
        ck_assert_uint_eq(config.name_ttl, 9);
        ck_assert_ptr_nonnull(strstr(log_text, "more than 256 drop-ins, ignoring the rest.\n"));
}
END_TEST

/* Bytes that are no text, and lines without end, do no harm. */
START_TEST(test_bytes) {
        _cleanup_free_ char *text = malloc(300001);

        ck_assert_ptr_nonnull(text);
        memset(text, 'x', 300000);
        text[300000] = '\0';
        memcpy(text, "[AppSwitch]\nDomain=", 19);
        memcpy(text + 299980, "\nAppsMax=\377\001\n", 12);
        put(conf, NULL, text);
        load();
        assert_defaults();
}
END_TEST

int main(void) {
        /* What is logged is read from stderr. */
        (void) unsetenv("JOURNAL_STREAM");
        return UNIT_RUN("config", setup, teardown, test_defaults, test_keys, test_bad_values, test_unknown_keys,
                        test_log_levels, test_syntax, test_bad_lines, test_section, test_dropin_order,
                        test_dropin_mask, test_dropin_names, test_unreadable, test_dropin_bound, test_bytes);
}

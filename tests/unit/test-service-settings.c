/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Proves what may be said of a virtual service, what is said about the rest, and that it is written as it is read. */

#include <string.h>

#include "basic/text.h"
#include "model/service-settings.h"
#include "unit.h"

static ServiceSettings settings;

static void teardown(void) {
        service_settings_done(&settings);
}

static void take(ServiceKey key, const char *value) {
        _cleanup_free_ char *message = NULL;

        ck_assert_msg(service_settings_set(&settings, key, value, &message) == 0, "%s: %s", value, message);
        ck_assert_ptr_null(message);
}

/* It is refused with this error, and the sentence quotes it and says `part`. */
static void refuse(ServiceKey key, const char *value, int error, const char *part) {
        _cleanup_free_ char *message = NULL;
        int r = service_settings_set(&settings, key, value, &message);

        ck_assert_msg(r == error, "%s: %i", value, r);
        ck_assert_ptr_nonnull(message);
        ck_assert_msg(strstr(message, part), "%s: %s", value, message);
}

static void assert_text(const char *text) {
        char *written = NULL;
        size_t size;
        FILE *f = open_memstream(&written, &size);

        service_settings_print(&settings, f);
        ck_assert_int_eq(fclose(f), 0);
        ck_assert_str_eq(written, text);
        free(written);
}

static int complete(const char *id, char **ret_message) {
        return service_settings_complete(&settings, id, "zone=default", ret_message);
}

START_TEST(test_keys) {
        for (ServiceKey key = 0; key < _SERVICE_KEY_MAX; key++)
                ck_assert_int_eq(service_key_from_string(service_key_to_string(key)), key);
        ck_assert_int_eq(service_key_from_string("name"), _SERVICE_KEY_INVALID);
        ck_assert_int_eq(service_key_from_string(""), _SERVICE_KEY_INVALID);
        ck_assert_ptr_null(service_key_to_string(_SERVICE_KEY_MAX));
}
END_TEST

START_TEST(test_ids) {
        static const char *const good[] = { "web", "a", "web-2", "2a" },
                                *const bad[] = { "", "Web", "a.b", "-a", "a-", "a_b", "../x", "a/b", "ä", "localhost", "2" };
        char longest[SERVICE_ID_MAX + 2] = {};

        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                ck_assert_msg(!service_id_invalid_reason(good[i]), "%s", good[i]);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                ck_assert_msg(service_id_invalid_reason(bad[i]), "%s", bad[i]);
        memset(longest, 'a', SERVICE_ID_MAX);
        ck_assert_ptr_null(service_id_invalid_reason(longest));
        longest[SERVICE_ID_MAX] = 'a';
        ck_assert_ptr_nonnull(service_id_invalid_reason(longest));
}
END_TEST

/* Everything in its usual form, once. */
START_TEST(test_all) {
        take(SERVICE_NAME, "Shop");
        take(SERVICE_NAME, "shop");
        take(SERVICE_NAME, "www.shop");
        take(SERVICE_ADDRESS, "198.18.0.80");
        take(SERVICE_ADDRESS, "198.18.0.80");
        take(SERVICE_ADDRESS, "fd00::50");
        take(SERVICE_PORT, "80:8080");
        take(SERVICE_PORT, "80:8080/tcp");
        take(SERVICE_PORT, "443/tcp");
        take(SERVICE_PORT, "65535:1");
        take(SERVICE_BACKEND, "app:Web");
        take(SERVICE_BACKEND, "app:web");
        take(SERVICE_BACKEND, "tag:tier=Front");
        take(SERVICE_BACKEND, "10.0.0.1:8080");
        take(SERVICE_BACKEND, "[fd01:0::1]:443");
        take(SERVICE_BACKEND, "host:8080");
        take(SERVICE_STRATEGY, "source-hash");
        take(SERVICE_PREFER_LOCAL, "true");
        take(SERVICE_TAG, "zone=shop");
        take(SERVICE_TAG, "zone=shop");
        assert_text("Name=shop\nName=www.shop\nAddress=198.18.0.80\nAddress=fd00::50\n"
                    "Port=80:8080\nPort=443\nPort=65535:1\n"
                    "Backend=app:web\nBackend=tag:tier=Front\nBackend=10.0.0.1:8080\nBackend=[fd01::1]:443\nBackend=host:8080\n"
                    "Strategy=source-hash\nPreferLocal=yes\nTag=zone=shop\n");
}
END_TEST

START_TEST(test_ports) {
        static const char *const bad[] = { "",    "0",     "65536", "80:",    "80:0",    ":80",     "80:65536", "80/udp",
                                           "80 ", "80:80:", "80/",   "80/tcp ", "-1",     "0x50",    "80-90",    "99999999999999999999" };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                refuse(SERVICE_PORT, bad[i], -EINVAL, "PORT:BACKENDPORT");
        refuse(SERVICE_PORT, "53", -EINVAL, "name service");
        take(SERVICE_PORT, "80:53");
        refuse(SERVICE_PORT, "80:8080", -EEXIST, "mapped to 53 already");
        ck_assert_uint_eq(settings.n_ports, 1);
}
END_TEST

START_TEST(test_backends) {
        static const char *const bad[] = { "",           "web",        "app",         "10.0.0.1",   "10.0.0.1:",  "10.0.0.1:0",
                                           "10.0.0.1:x", "fd00::1:80", "[fd00::1]",   "[::1",       "10.0.0:80",  "udp:x",
                                           "APP:web",    "10.0.0.1:65536", "host",    "example.com:80" };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                refuse(SERVICE_BACKEND, bad[i], -EINVAL, "app:NAME, tag:KEY=VALUE, IP:PORT, [IPV6]:PORT or host:PORT");
        refuse(SERVICE_BACKEND, "app:", -EINVAL, "is empty");
        refuse(SERVICE_BACKEND, "app:a_b", -EINVAL, "letters a-z, digits");
        refuse(SERVICE_BACKEND, "tag:zone", -EINVAL, "KEY=VALUE");
        refuse(SERVICE_BACKEND, "host:0", -EINVAL, "host:PORT");
        refuse(SERVICE_BACKEND, "host:80x", -EINVAL, "host:PORT");
        refuse(SERVICE_BACKEND, "127.0.0.1:80", -EINVAL, "host:PORT");
        refuse(SERVICE_BACKEND, "[::1]:80", -EINVAL, "host:PORT");
        refuse(SERVICE_BACKEND, "0.0.0.0:80", -EINVAL, "unspecified");
        refuse(SERVICE_BACKEND, "224.0.0.1:80", -EINVAL, "multicast");
        refuse(SERVICE_BACKEND, "169.254.169.254:80", -EINVAL, "link-local");
        ck_assert_uint_eq(settings.n_selectors, 0);
}
END_TEST

START_TEST(test_others) {
        refuse(SERVICE_NAME, "a_b", -EINVAL, "'a_b'");
        refuse(SERVICE_ADDRESS, "198.18.0.256", -EINVAL, "neither");
        refuse(SERVICE_ADDRESS, "127.0.0.1", -EINVAL, "loopback");
        refuse(SERVICE_STRATEGY, "fastest", -EINVAL, "round-robin, random, least-connections or source-hash");
        refuse(SERVICE_PREFER_LOCAL, "maybe", -EINVAL, "yes or no");
        refuse(SERVICE_TAG, "zone", -EINVAL, "KEY=VALUE");
}
END_TEST

/* One more than the most is told so, and the most is there. */
START_TEST(test_bounds) {
        char text[64];

        for (int i = 0; i < SERVICE_PORTS_MAX; i++) {
                (void) snprintf(text, sizeof(text), "%i", 1000 + i);
                take(SERVICE_PORT, text);
        }
        refuse(SERVICE_PORT, "80", -E2BIG, "64");
        for (int i = 0; i < SERVICE_SELECTORS_MAX; i++) {
                (void) snprintf(text, sizeof(text), "app:a%i", i);
                take(SERVICE_BACKEND, text);
        }
        refuse(SERVICE_BACKEND, "app:b", -E2BIG, "64");
        for (int i = 0; i < IDENTITY_NAMES_MAX; i++) {
                (void) snprintf(text, sizeof(text), "n%i", i);
                take(SERVICE_NAME, text);
        }
        refuse(SERVICE_NAME, "n", -E2BIG, "8");
        for (int i = 0; i < IDENTITY_ADDRESSES_MAX - 2; i++) {
                (void) snprintf(text, sizeof(text), "198.18.0.%i", i + 1);
                take(SERVICE_ADDRESS, text);
        }
        refuse(SERVICE_ADDRESS, "198.18.0.100", -E2BIG, "6");
        for (int i = 0; i < TAGS_MAX; i++) {
                (void) snprintf(text, sizeof(text), "t=%i", i);
                take(SERVICE_TAG, text);
        }
        refuse(SERVICE_TAG, "t=x", -E2BIG, "64");
}
END_TEST

/* What is not said: the id is the name, and the tag is the usual one. */
START_TEST(test_complete) {
        _cleanup_free_ char *message = NULL;

        take(SERVICE_PORT, "80");
        take(SERVICE_BACKEND, "app:web");
        ck_assert_int_eq(complete("front", &message), 0);
        assert_text("Name=front\nPort=80\nBackend=app:web\nStrategy=round-robin\nPreferLocal=no\nTag=zone=default\n");
}
END_TEST

/* No app can have the name that the service has. */
START_TEST(test_own_name) {
        _cleanup_free_ char *by_id = NULL, *by_name = NULL, *fine = NULL;

        take(SERVICE_PORT, "80");
        take(SERVICE_BACKEND, "app:web");
        ck_assert_int_eq(complete("web", &by_id), -EINVAL);
        ck_assert_ptr_nonnull(strstr(by_id, "app:web would never be there: the service itself has the name web"));
        service_settings_clear(&settings, SERVICE_NAME);
        take(SERVICE_NAME, "front");
        ck_assert_int_eq(complete("web", &fine), 0);
        take(SERVICE_NAME, "web");
        ck_assert_int_eq(complete("front", &by_name), -EINVAL);
}
END_TEST

START_TEST(test_incomplete) {
        _cleanup_free_ char *no_port = NULL, *no_backend = NULL, *no_use = NULL, *none = NULL;

        take(SERVICE_BACKEND, "10.0.0.1:9000");
        ck_assert_int_eq(complete("front", &no_port), -EINVAL);
        ck_assert_str_eq(no_port, "No port was given");
        service_settings_clear(&settings, SERVICE_BACKEND);
        take(SERVICE_PORT, "80");
        ck_assert_int_eq(complete("front", &no_backend), -EINVAL);
        ck_assert_str_eq(no_backend, "No backend was given");
        take(SERVICE_BACKEND, "10.0.0.1:9000");
        ck_assert_int_eq(complete("front", &none), 0);
        take(SERVICE_PORT, "81");
        ck_assert_int_eq(complete("front", &no_use), -EINVAL);
        ck_assert_ptr_nonnull(strstr(no_use, "10.0.0.1:9000 would serve none"));
}
END_TEST

/* A backend outside has a port of its own: of several mappings it serves that which leads to it. */
START_TEST(test_serves) {
        const PortMapping *web, *tls;

        take(SERVICE_PORT, "80:8080");
        take(SERVICE_BACKEND, "10.0.0.1:9000");
        take(SERVICE_BACKEND, "10.0.0.1:8443");
        web = service_settings_find_port(&settings, 80);
        ck_assert(service_settings_serves(&settings, &settings.selectors[0], web));
        ck_assert(service_settings_serves(&settings, &settings.selectors[1], web));
        take(SERVICE_PORT, "443:8443");
        tls = service_settings_find_port(&settings, 443);
        ck_assert(!service_settings_serves(&settings, &settings.selectors[0], tls));
        ck_assert(service_settings_serves(&settings, &settings.selectors[1], tls));
        ck_assert(!service_settings_serves(&settings, &settings.selectors[1], web));
        ck_assert_ptr_null(service_settings_find_port(&settings, 8080));
        ck_assert(service_settings_reach_outside(&settings));
}
END_TEST

START_TEST(test_copy) {
        ServiceSettings copy;

        take(SERVICE_NAME, "a");
        take(SERVICE_PORT, "80");
        take(SERVICE_BACKEND, "app:web");
        take(SERVICE_TAG, "zone=a");
        ck_assert(!service_settings_reach_outside(&settings));
        ck_assert_int_eq(service_settings_copy(&settings, &copy), 0);
        for (ServiceKey key = 0; key < _SERVICE_KEY_MAX; key++)
                service_settings_clear(&settings, key);
        assert_text("Strategy=round-robin\nPreferLocal=no\n");
        service_settings_done(&settings);
        settings = copy;
        assert_text("Name=a\nPort=80\nBackend=app:web\nStrategy=round-robin\nPreferLocal=no\nTag=zone=a\n");
}
END_TEST

int main(void) {
        return UNIT_RUN("service-settings", NULL, teardown, test_keys, test_ids, test_all, test_ports, test_backends, test_others,
                        test_bounds, test_complete, test_own_name, test_incomplete, test_serves, test_copy);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Proves what an app may connect to outside, by which item or name, and that nothing else leads there, whatever DNS says. */

#include <string.h>

#include "model/egress-decide.h"
#include "unit.h"

static Directory directory;
static Egress egress;
static Party client;

/* The host has these addresses. */
static bool is_of_host(const Address *a, void *userdata) {
        const Address own[] = { unit_address("192.0.2.1"), unit_address("2001:db8::1"), unit_address("169.254.9.9") };

        ck_assert_ptr_eq(userdata, &directory);
        for (size_t i = 0; i < ELEMENTSOF(own); i++)
                if (address_equal(a, &own[i]))
                        return true;
        return false;
}

static void setup(void) {
        directory.is_of_host = is_of_host;
        directory.host_userdata = &directory;
        client.id = "client_1";
        client.egress = &egress;
}

static void teardown(void) {
        egress_done(&egress);
        permits_done(&client.permits);
}

static void set(const char *list) {
        const char *reason = NULL;
        char *item;

        egress_done(&egress);
        ck_assert_msg(egress_parse((char *[]){ (char *) list, NULL }, &egress, &item, &reason) == 0, "%s: %s", list, reason);
}

static void resolve(const char *name, const char *address, uint64_t until) {
        const Address a = unit_address(address);
        Permit *p;

        ck_assert_int_eq(permits_add(&client.permits, name, &a, until, &p), 0);
}

enum { NOW = 1000 };

static EgressDecision decide(const char *address, uint16_t port) {
        const Endpoint to = unit_endpoint(address, port);

        return egress_decide(&directory, &client, &to, NOW);
}

static void check(const char *address, uint16_t port, EgressVerdict verdict, const char *reason) {
        const EgressDecision decision = decide(address, port);
        const Address a = unit_address(address);
        char buf[EGRESS_REASON_MAX];

        ck_assert_msg(decision.verdict == verdict, "%s:%u: %i", address, port, (int) decision.verdict);
        ck_assert_str_eq(egress_reason(&decision, &a, buf), reason);
}

/* By networks and ports, of both families. */
START_TEST(test_networks) {
        set("198.51.100.0/24,203.0.113.7:443,[2001:db8:1::]/48:80-90,203.0.113.0/25:22");
        check("198.51.100.9", 1, EGRESS_ALLOWED, "its Egress= has 198.51.100.0/24");
        check("198.51.100.255", 65535, EGRESS_ALLOWED, "its Egress= has 198.51.100.0/24");
        check("203.0.113.7", 443, EGRESS_ALLOWED, "its Egress= has 203.0.113.7:443");
        check("203.0.113.7", 22, EGRESS_ALLOWED, "its Egress= has 203.0.113.0/25:22");
        check("2001:db8:1:2::3", 80, EGRESS_ALLOWED, "its Egress= has [2001:db8:1::]/48:80-90");
        check("2001:db8:1:2::3", 90, EGRESS_ALLOWED, "its Egress= has [2001:db8:1::]/48:80-90");
        check("2001:db8:1:2::3", 91, EGRESS_OTHER_PORT, "its Egress= has [2001:db8:1::]/48:80-90, but for other ports");
        check("2001:db8:1:2::3", 79, EGRESS_OTHER_PORT, "its Egress= has [2001:db8:1::]/48:80-90, but for other ports");
        check("203.0.113.7", 80, EGRESS_OTHER_PORT, "its Egress= has 203.0.113.7:443, but for other ports");
        check("198.51.101.0", 80, EGRESS_NOT_LISTED, "no item of its Egress= is about it");
        check("2001:db8:2::1", 80, EGRESS_NOT_LISTED, "no item of its Egress= is about it");
        set("0.0.0.0/0");
        check("203.0.113.7", 80, EGRESS_ALLOWED, "its Egress= has 0.0.0.0/0");
        check("2001:db8:2::1", 80, EGRESS_NOT_LISTED, "no item of its Egress= is about it");
}
END_TEST

/* All, and nothing. */
START_TEST(test_all) {
        set("yes");
        check("203.0.113.7", 80, EGRESS_ALLOWED, "its Egress= is yes");
        check("2001:db8:2::1", 80, EGRESS_ALLOWED, "its Egress= is yes");
        set("no");
        check("203.0.113.7", 80, EGRESS_NONE, "its Egress= is no");
        check("192.0.2.1", 80, EGRESS_NONE, "its Egress= is no");
        client.egress = NULL;
        check("203.0.113.7", 80, EGRESS_NONE, "its Egress= is no");
}
END_TEST

/* By names that resolved to it: those that match, at their ports, as long as they last. */
START_TEST(test_names) {
        set("api.example.test:443,*.cdn.test");
        check("203.0.113.7", 443, EGRESS_NOT_LISTED, "no item of its Egress= is about it");
        resolve("api.example.test", "203.0.113.7", NOW + 1);
        check("203.0.113.7", 443, EGRESS_ALLOWED, "its Egress= has api.example.test:443, and api.example.test resolved to it");
        check("203.0.113.7", 80, EGRESS_OTHER_PORT, "its Egress= has api.example.test:443, and api.example.test resolved to it, but for other ports");
        check("203.0.113.8", 443, EGRESS_NOT_LISTED, "no item of its Egress= is about it");
        resolve("x.y.cdn.test", "2001:db8:2::1", NOW + 1);
        check("2001:db8:2::1", 1, EGRESS_ALLOWED, "its Egress= has *.cdn.test, and x.y.cdn.test resolved to it");
        /* Whoever told of them: no item is about these names. */
        resolve("cdn.test", "203.0.113.9", NOW + 1);
        resolve("example.test", "203.0.113.9", NOW + 1);
        resolve("xapi.example.test", "203.0.113.9", NOW + 1);
        resolve("api.example.test.evil.test", "203.0.113.9", NOW + 1);
        resolve("xcdn.test", "203.0.113.9", NOW + 1);
        check("203.0.113.9", 443, EGRESS_NOT_LISTED, "no item of its Egress= is about it");
        /* Several names for one address: whichever is good. */
        resolve("a.cdn.test", "203.0.113.10", NOW);
        check("203.0.113.10", 80, EGRESS_LAPSED, "its Egress= has *.cdn.test, and a.cdn.test resolved to it, but too long ago");
        resolve("api.example.test", "203.0.113.10", NOW + 1);
        check("203.0.113.10", 80, EGRESS_LAPSED, "its Egress= has *.cdn.test, and a.cdn.test resolved to it, but too long ago");
        check("203.0.113.10", 443, EGRESS_ALLOWED, "its Egress= has api.example.test:443, and api.example.test resolved to it");
        resolve("b.cdn.test", "203.0.113.10", NOW + 1);
        check("203.0.113.10", 80, EGRESS_ALLOWED, "its Egress= has *.cdn.test, and b.cdn.test resolved to it");
}
END_TEST

/* Neither all nor a network leads to the host itself; its address alone does, and a name never. */
START_TEST(test_host) {
        static const char host[] = ", but it is the host's own: only an item that is this address alone leads there";
        char reason[EGRESS_REASON_MAX];

        set("yes");
        (void) snprintf(reason, sizeof(reason), "its Egress= is yes%s", host);
        check("192.0.2.1", 80, EGRESS_HOST, reason);
        check("2001:db8::1", 80, EGRESS_HOST, reason);
        /* 6to4, NAT64 */
        check("2002:c000:201::1", 80, EGRESS_HOST, reason);
        check("64:ff9b::c000:201", 80, EGRESS_HOST, reason);
        check("2002:c000:202::1", 80, EGRESS_ALLOWED, "its Egress= is yes");
        check("64:ff9b::c000:202", 80, EGRESS_ALLOWED, "its Egress= is yes");
        set("192.0.2.0/24,192.0.2.1:81,lies.test");
        (void) snprintf(reason, sizeof(reason), "its Egress= has 192.0.2.0/24%s", host);
        check("192.0.2.1", 80, EGRESS_HOST, reason);
        check("192.0.2.1", 81, EGRESS_ALLOWED, "its Egress= has 192.0.2.1:81");
        check("192.0.2.2", 80, EGRESS_ALLOWED, "its Egress= has 192.0.2.0/24");
        resolve("lies.test", "2001:db8::1", NOW + 1);
        (void) snprintf(reason, sizeof(reason), "its Egress= has lies.test, and lies.test resolved to it%s", host);
        check("2001:db8::1", 80, EGRESS_HOST, reason);
        set("2001:db8::1");
        check("2001:db8::1", 80, EGRESS_ALLOWED, "its Egress= has 2001:db8::1");
}
END_TEST

/* Link-local, by an item that is so, too. */
START_TEST(test_link_local) {
        static const char only[] = ", but it is link-local: only an item that is so, too, leads there";
        char reason[EGRESS_REASON_MAX];

        set("yes");
        (void) snprintf(reason, sizeof(reason), "its Egress= is yes%s", only);
        check("169.254.169.254", 80, EGRESS_LINK_LOCAL, reason);
        check("fe80::1", 80, EGRESS_LINK_LOCAL, reason);
        check("2002:a9fe:a9fe::1", 80, EGRESS_LINK_LOCAL, reason);
        set("0.0.0.0/0");
        (void) snprintf(reason, sizeof(reason), "its Egress= has 0.0.0.0/0%s", only);
        check("169.254.169.254", 80, EGRESS_LINK_LOCAL, reason);
        set("169.254.0.0/16:80,fe80::/10");
        check("169.254.169.254", 80, EGRESS_ALLOWED, "its Egress= has 169.254.0.0/16:80");
        ck_assert_int_eq(decide("169.254.9.9", 80).verdict, EGRESS_HOST);
        ck_assert_int_eq(decide("fe80::1", 80).verdict, EGRESS_LINK_LOCAL);
        set("metadata.test");
        resolve("metadata.test", "169.254.169.254", NOW + 1);
        ck_assert_int_eq(decide("169.254.169.254", 80).verdict, EGRESS_LINK_LOCAL);
}
END_TEST

/* What is no address of a machine. */
START_TEST(test_reserved) {
        static const char *const reserved[] = { "224.0.0.1", "255.255.255.255", "0.1.2.3", "ff02::1", "::7f00:1",
                                                "2002:7f00:1::", "64:ff9b::7f00:1", "2002:e000:1::" };

        set("yes");
        for (size_t i = 0; i < ELEMENTSOF(reserved); i++)
                ck_assert_int_eq(decide(reserved[i], 80).verdict, EGRESS_RESERVED);
        check("224.0.0.1", 80, EGRESS_RESERVED, "its Egress= is yes, but it is a multicast address");
        set("lies.test");
        for (size_t i = 0; i < ELEMENTSOF(reserved); i++) {
                ck_assert_int_eq(decide(reserved[i], 80).verdict, EGRESS_NOT_LISTED);
                resolve("lies.test", reserved[i], NOW + 1);
                ck_assert_int_eq(decide(reserved[i], 80).verdict, EGRESS_RESERVED);
        }
}
END_TEST

int main(void) {
        return UNIT_RUN("egress-decide", setup, teardown, test_networks, test_all, test_names, test_host, test_link_local,
                        test_reserved);
}

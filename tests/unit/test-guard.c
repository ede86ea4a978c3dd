/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Proves that the table of nftables is what is wanted of it, in the kernel, and that others cannot change that. */

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>

#include "basic/clock.h"
#include "basic/fd.h"
#include "transport/guard-table.h"
#include "transport/nft.h"
#include "unit.h"

static sd_event *event;
static Guard *guard;
static GuardCount counts[64];
static size_t n_counts;
static int count_error;

static void setup(void) {
        _cleanup_close_ int fd = -EBADF;
        struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };

        unit_unshare_network();
        fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        (void) ioctl(fd, SIOCSIFFLAGS, &lo);
        ck_assert_int_ge(sd_event_new(&event), 0);
        ck_assert_int_ge(guard_new(event, -EBADF, &guard), 0);
}

static void teardown(void) {
        guard = guard_free(guard);
        event = sd_event_unref(event);
}

static Networks networks(const char *list) {
        Networks n = {};

        ck_assert_int_ge(networks_add_list(&n, list), 0);
        return n;
}

static GuardPort port_of(const char *address, uint16_t port, const char *from) {
        GuardPort p = { .protocol = IPPROTO_TCP, .port = port, .from = networks(from) };

        if (*address)
                ck_assert_int_ge(address_parse(address, &p.address), 0);
        return p;
}

static void set(GuardPort *ports, size_t n) {
        ck_assert_int_ge(guard_set(guard, ports, n), 0);
        for (size_t i = 0; i < n; i++)
                networks_done(&ports[i].from);
}

static void wait_up(void) {
        const uint64_t end = now_usec(CLOCK_MONOTONIC) + 20 * USEC_PER_SEC;

        while (!guard_is_up(guard)) {
                ck_assert_uint_lt(now_usec(CLOCK_MONOTONIC), end);
                ck_assert_int_ge(sd_event_run(event, 100000), 0);
        }
}

static void on_counted(const GuardCount *c, size_t n, int error, void *userdata) {
        ck_assert_uint_le(n, ELEMENTSOF(counts));
        memcpy(counts, c, n * sizeof(*c));
        n_counts = n;
        count_error = error;
        *(bool *) userdata = true;
}

static void count(void) {
        bool done = false;

        ck_assert_int_ge(guard_count(guard, on_counted, &done), 0);
        while (!done)
                ck_assert_int_ge(sd_event_run(event, UINT64_MAX), 0);
}

static const GuardCount *count_of(const char *address, uint16_t port) {
        GuardPort key = { .protocol = IPPROTO_TCP, .port = port };
        const GuardCount *c;

        if (*address)
                ck_assert_int_ge(address_parse(address, &key.address), 0);
        c = guard_find_count(counts, n_counts, &key);
        ck_assert_ptr_nonnull(c);
        return c;
}

static int listen_on(const char *address, uint16_t port) {
        Endpoint e = unit_endpoint(address, port);
        SockAddr sa;
        const socklen_t size = endpoint_to_sockaddr(&e, e.address.family, &sa);
        int fd = socket(e.address.family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

        ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
        ck_assert_int_eq(bind(fd, &sa.sa, size), 0);
        ck_assert_int_eq(listen(fd, 16), 0);
        return fd;
}

/* From one address to another; returns the connection or a negative errno. */
static int connect_from(const char *from, const char *to, uint16_t port) {
        Endpoint source = unit_endpoint(from, 0), e = unit_endpoint(to, port);
        SockAddr sa;
        socklen_t size = endpoint_to_sockaddr(&source, source.address.family, &sa);
        _cleanup_close_ int fd = socket(e.address.family, SOCK_STREAM | SOCK_CLOEXEC, 0);

        ck_assert_int_eq(bind(fd, &sa.sa, size), 0);
        size = endpoint_to_sockaddr(&e, e.address.family, &sa);
        if (connect(fd, &sa.sa, size) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static int try_from(const char *from, const char *to, uint16_t port) {
        _cleanup_close_ int fd = connect_from(from, to, port);

        return MIN2(fd, 0);
}

/* Whose networks are those that may reach it; everybody else is refused at once, and counted. */
START_TEST(test_refuses) {
        _cleanup_close_ int any = listen_on("0.0.0.0", 9001), one = listen_on("127.0.0.7", 9002),
                            six = listen_on("::1", 9003), other = listen_on("0.0.0.0", 9004);
        GuardPort ports[] = {
                port_of("", 9001, "127.0.1.0/24,127.0.2.2"),
                port_of("127.0.0.7", 9002, "127.0.4.0/22"),
                port_of("", 9003, "127.0.0.0/8,2001:db8::/32"),
                port_of("", 9005, "any"),
        };

        set(ports, ELEMENTSOF(ports));
        wait_up();
        ck_assert_int_eq(try_from("127.0.1.1", "127.0.0.1", 9001), 0);
        ck_assert_int_eq(try_from("127.0.1.255", "127.0.0.9", 9001), 0);
        ck_assert_int_eq(try_from("127.0.2.2", "127.0.0.1", 9001), 0);
        ck_assert_int_eq(try_from("127.0.2.3", "127.0.0.1", 9001), -ECONNREFUSED);
        ck_assert_int_eq(try_from("127.0.0.1", "127.0.0.1", 9001), -ECONNREFUSED);
        ck_assert_int_eq(try_from("127.0.7.255", "127.0.0.7", 9002), 0);
        ck_assert_int_eq(try_from("127.0.8.0", "127.0.0.7", 9002), -ECONNREFUSED);
        ck_assert_int_eq(try_from("::1", "::1", 9003), -ECONNREFUSED);
        ck_assert_int_eq(try_from("127.0.0.1", "127.0.0.1", 9004), 0);
        count();
        ck_assert_int_eq(count_error, 0);
        ck_assert_uint_eq(n_counts, 4);
        ck_assert_uint_eq(count_of("", 9001)->refused, 2);
        ck_assert_uint_ge(count_of("", 9001)->packets, 3 * 3 + 2);
        ck_assert_uint_ge(count_of("", 9001)->bytes, 40 * count_of("", 9001)->packets);
        ck_assert_uint_eq(count_of("127.0.0.7", 9002)->refused, 1);
        ck_assert_uint_eq(count_of("", 9003)->refused, 1);
        ck_assert_uint_eq(count_of("", 9005)->packets, 0);
}
END_TEST

/* One address of a port says nothing about another one. */
START_TEST(test_addresses) {
        _cleanup_close_ int one = listen_on("127.0.0.1", 9001), two = listen_on("127.0.0.2", 9001),
                            three = listen_on("127.0.0.3", 9001), six = listen_on("::1", 9001);
        GuardPort ports[] = {
                port_of("127.0.0.1", 9001, "127.0.1.0/24"),
                port_of("127.0.0.2", 9001, "any"),
                port_of("::", 9001, "2001:db8::1"),
        };

        set(ports, ELEMENTSOF(ports));
        wait_up();
        ck_assert_int_eq(try_from("127.0.1.1", "127.0.0.1", 9001), 0);
        ck_assert_int_eq(try_from("127.0.2.1", "127.0.0.1", 9001), -ECONNREFUSED);
        ck_assert_int_eq(try_from("127.0.2.1", "127.0.0.2", 9001), 0);
        ck_assert_int_eq(try_from("127.0.2.1", "127.0.0.3", 9001), 0);
        ck_assert_int_eq(try_from("::1", "::1", 9001), -ECONNREFUSED);
        count();
        ck_assert_uint_eq(count_of("127.0.0.1", 9001)->refused, 1);
        ck_assert_uint_eq(count_of("127.0.0.2", 9001)->refused, 0);
        ck_assert_uint_ge(count_of("127.0.0.2", 9001)->packets, 3);
        ck_assert_uint_eq(count_of("::", 9001)->refused, 1);
}
END_TEST

/* Who is connected stays so, and counters go on, when networks change; what is not wanted any more leaves nothing. */
START_TEST(test_changes) {
        _cleanup_close_ int any = listen_on("0.0.0.0", 9001), client = -EBADF, server = -EBADF;
        uint64_t begin = now_usec(CLOCK_MONOTONIC);
        GuardPort before[] = { port_of("", 9001, "any"), port_of("", 9002, "localhost"), port_of("127.0.0.1", 9003, "any") },
                  after[] = { port_of("", 9001, "192.0.2.0/24") }, again[] = { port_of("", 9001, "127.0.0.0/8") };
        uint64_t packets;
        char byte = 1;

        set(before, ELEMENTSOF(before));
        wait_up();
        printf("# 3 ports: %u µs\n", (unsigned) (now_usec(CLOCK_MONOTONIC) - begin));
        client = connect_from("127.0.0.1", "127.0.0.1", 9001);
        ck_assert_int_ge(client, 0);
        server = accept(any, NULL, NULL);
        count();
        packets = count_of("", 9001)->packets;
        ck_assert_uint_ge(packets, 2);

        set(after, ELEMENTSOF(after));
        wait_up();
        ck_assert_int_eq(try_from("127.0.0.1", "127.0.0.1", 9001), -ECONNREFUSED);
        ck_assert_int_eq(write(client, &byte, 1), 1);
        ck_assert_int_eq(read(server, &byte, 1), 1);
        count();
        ck_assert_uint_eq(n_counts, 1);
        ck_assert_uint_ge(count_of("", 9001)->packets, packets + 2);

        set(again, ELEMENTSOF(again));
        wait_up();
        ck_assert_int_eq(try_from("127.0.0.1", "127.0.0.1", 9001), 0);
        count();
        ck_assert_uint_ge(count_of("", 9001)->packets, packets + 5);
}
END_TEST

static unsigned n_listed;

static int on_chain(const char *name, void *userdata) {
        n_listed++;
        return 0;
}

static int on_counter(const char *name, uint64_t packets, uint64_t bytes, void *userdata) {
        n_listed++;
        return 0;
}

/* How many chains and counters there are. */
static unsigned list(int netlink) {
        n_listed = 0;
        ck_assert_int_eq(nft_list_chains(netlink, GUARD_TABLE, on_chain, NULL), 0);
        ck_assert_int_eq(nft_list_counters(netlink, GUARD_TABLE, on_counter, NULL), 0);
        return n_listed;
}

/* Nobody else takes it away; the next daemon goes on with it; with its socket it is gone, and when nothing is guarded. */
START_TEST(test_owner) {
        _cleanup_close_ int stranger = nft_open(), kept = nft_open();
        _cleanup_nft_batch_ NftBatch b = { .table = GUARD_TABLE };
        GuardPort ports[] = { port_of("", 9001, "any"), port_of("", 9002, "localhost") },
                  fewer[] = { port_of("127.0.0.1", 9002, "localhost") };
        uint32_t owner, own;

        guard_free(guard);
        ck_assert_int_ge(guard_new(event, fcntl(kept, F_DUPFD_CLOEXEC, 3), &guard), 0);
        set(ports, ELEMENTSOF(ports));
        wait_up();
        ck_assert_int_eq(nft_get_id(kept, &own), 0);
        ck_assert_int_eq(nft_find_table(stranger, GUARD_TABLE, &owner), 1);
        ck_assert_uint_eq(owner, own);
        ck_assert_uint_eq(list(stranger), 3 + 4);
        nft_delete_table(&b);
        ck_assert_int_eq(nft_commit(&b, stranger), -EPERM);

        guard_free(guard);
        ck_assert_uint_eq(list(stranger), 3 + 4);
        ck_assert_int_ge(guard_new(event, fcntl(kept, F_DUPFD_CLOEXEC, 3), &guard), 0);
        set(fewer, ELEMENTSOF(fewer));
        wait_up();
        ck_assert_uint_eq(list(stranger), 2 + 2);
        set(NULL, 0);
        wait_up();
        ck_assert_int_eq(nft_find_table(stranger, GUARD_TABLE, &owner), 0);
        set((GuardPort[]){ port_of("", 9001, "any") }, 1);
        wait_up();
        ck_assert_int_eq(nft_find_table(stranger, GUARD_TABLE, &owner), 1);
        guard = guard_free(guard);
        kept = safe_close(kept);
        ck_assert_int_eq(nft_find_table(stranger, GUARD_TABLE, &owner), 0);
}
END_TEST

/* One of the same name that somebody else made is replaced, if he did not keep it to himself. */
START_TEST(test_stranger) {
        _cleanup_close_ int stranger = nft_open();
        _cleanup_nft_batch_ NftBatch b = { .table = GUARD_TABLE };
        struct nlmsghdr *h;
        uint32_t owner = 0;

        ck_assert_int_ge(stranger, 0);
        /* Without its owner's flag. */
        nft_add_table(&b);
        h = (void *) (b.data + b.last);
        h->nlmsg_flags &= (uint16_t) ~NLM_F_EXCL;
        memset((char *) h + h->nlmsg_len - sizeof(uint32_t), 0, sizeof(uint32_t));
        nft_add_chain(&b, "theirs");
        ck_assert_int_eq(nft_commit(&b, stranger), 0);
        set((GuardPort[]){ port_of("", 9001, "any") }, 1);
        wait_up();
        ck_assert_int_eq(nft_find_table(stranger, GUARD_TABLE, &owner), 1);
        ck_assert_uint_ne(owner, 0);
        ck_assert_uint_eq(list(stranger), 2 + 2);
}
END_TEST

/* It is made anew if it is gone: with its own socket somebody could do that. */
START_TEST(test_rebuilt) {
        _cleanup_close_ int kept = nft_open();
        _cleanup_nft_batch_ NftBatch b = { .table = GUARD_TABLE };
        uint32_t owner;

        guard_free(guard);
        ck_assert_int_ge(guard_new(event, fcntl(kept, F_DUPFD_CLOEXEC, 3), &guard), 0);
        set((GuardPort[]){ port_of("", 9001, "any") }, 1);
        wait_up();
        nft_delete_table(&b);
        ck_assert_int_eq(nft_commit(&b, kept), 0);
        ck_assert_int_eq(nft_find_table(kept, GUARD_TABLE, &owner), 0);
        while (guard_is_up(guard))
                ck_assert_int_ge(sd_event_run(event, UINT64_MAX), 0);
        wait_up();
        ck_assert_int_eq(nft_find_table(kept, GUARD_TABLE, &owner), 1);
        ck_assert_uint_eq(list(kept), 2 + 2);
}
END_TEST

/* As many as there can be, each with all networks there can be, in one transaction. */
START_TEST(test_many) {
        _cleanup_free_ GuardPort *ports = calloc(1024, sizeof(*ports));
        uint64_t begin;

        for (unsigned i = 0; i < 1024; i++) {
                ports[i] = (GuardPort){ .protocol = i % 2 ? IPPROTO_TCP : IPPROTO_UDP, .port = (uint16_t) (9000 + i) };
                for (unsigned k = 0; k < NETWORKS_MAX; k++) {
                        char word[NETWORK_STRING_MAX];

                        (void) snprintf(word, sizeof(word), k % 2 ? "10.%u.%u.0/24" : "2001:db8:%u:%u::/64", i % 256, k);
                        ck_assert_int_ge(networks_add(&ports[i].from, word), 0);
                }
        }
        begin = now_usec(CLOCK_MONOTONIC);
        set(ports, 1024);
        wait_up();
        printf("# 1024 ports with %i networks each: %u ms\n", NETWORKS_MAX,
               (unsigned) ((now_usec(CLOCK_MONOTONIC) - begin) / USEC_PER_MSEC));
        set((GuardPort[]){ port_of("", 9001, "any") }, 1);
        wait_up();
        count();
        ck_assert_uint_eq(n_counts, 1);
}
END_TEST

/* What is for the host alone is not reached by another device, nor is it said that it is there. */
START_TEST(test_local) {
        _cleanup_close_ int one = listen_on("127.0.0.7", 9001);
        GuardPort p = { .protocol = IPPROTO_TCP, .port = 9001, .local = true };

        ck_assert_int_ge(address_parse("127.0.0.7", &p.address), 0);
        set(&p, 1);
        wait_up();
        ck_assert_int_eq(try_from("127.0.0.1", "127.0.0.7", 9001), 0);
        count();
        ck_assert_uint_ge(count_of("127.0.0.7", 9001)->packets, 3);
        ck_assert_uint_eq(count_of("127.0.0.7", 9001)->refused, 0);
}
END_TEST

int main(void) {
        if (!unit_has_net_admin()) {
                printf("needs CAP_NET_ADMIN\n");
                return UNIT_SKIPPED;
        }
        return UNIT_RUN("guard", setup, teardown, test_refuses, test_addresses, test_changes, test_owner, test_stranger,
                        test_rebuilt, test_many, test_local);
}

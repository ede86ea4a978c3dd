/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Name servers, and the file that says which the host asks (resolv.conf(5)). Pure. */

#include <net/if.h>

#include "dns/dns-feed.h"
#include "model/address.h"

typedef struct NameServer {
        Address address;
        char scope[IF_NAMESIZE]; /* the device of a link-local IPv6 address, or "" */
} NameServer;

typedef struct NameServers {
        NameServer servers[DNS_FEED_SERVERS_MAX]; /* unused bytes are 0 */
        size_t n;
} NameServers;

enum {
        RESOLV_CONF_SERVERS_MAX = 3, /* more are not asked by any program of the host */
        RESOLV_CONF_SIZE_MAX = 65536,
};

/*
 * Parses "192.0.2.53", "2001:db8::53" or "fe80::53%eth0". Returns 0; -EINVAL if
 * it is none, or no address that can be asked: unspecified, multicast, or our
 * own (DNS_HOST_STUB_ADDRESS).
 */
int name_server_parse(const char *word, NameServer *ret);

/* Adds one that is not there yet. Returns 0, or -E2BIG if there are DNS_FEED_SERVERS_MAX. */
int name_servers_add(NameServers *servers, const NameServer *server);

/*
 * Parses a setting: "host", which is none in the list, or addresses between
 * commas or spaces. Returns 0 or -EINVAL.
 */
int name_servers_parse(const char *value, NameServers *ret);

/*
 * Reads the text of a resolv.conf as the C library does: the first
 * RESOLV_CONF_SERVERS_MAX of its name servers; 127.0.0.1 if it names none. What is no
 * server that can be asked is left out. Its options are not for us: for how
 * long somebody may wait is decided by who waits.
 */
void resolv_conf_parse(const char *text, NameServers *ret);

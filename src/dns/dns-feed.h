/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What appswitchd and appswitch-dnsd tell each other over the SOCK_SEQPACKET
 * socket DNS_FEED_SOCKET (passed to dnsd by socket activation; only root may
 * connect).
 *
 * A connection begins with DNS_FEED_BEGIN, then everything that is known,
 * then DNS_FEED_COMMIT: what the feed did not mention by then is forgotten.
 * Numbers of identities and views, and the patterns of an app, are anew with
 * each connection, so that nobody is answered in between.
 * Changes follow as they happen, and messages take effect in their order. One
 * feed is current at a time; a new connection replaces the old one, and when
 * it closes dnsd goes on answering from what it knows.
 *
 * Apps do not know of each other's names unless they may connect to each other.
 * Apps that may connect to the same others have one view, by its number.
 *
 * Names of the outside are asked of the host's name servers, for apps that may
 * look them up. dnsd has no network: it asks for connected sockets by a report
 * (DNS_REPORT_WANTED), and gets them one by one (DNS_FEED_UPSTREAM). It reports
 * what a name that an app may connect to resolved to before the app hears of it
 * (DNS_REPORT_RESOLVED), so that a connect that follows finds it told.
 *
 * Each message to dnsd is one `DnsFeedMessage`, each back one `DnsFeedReport`,
 * followed by nothing. dnsd reads what strangers send: appswitchd believes
 * nothing in a report that it did not check.
 */

#include <netinet/in.h>
#include <stdint.h>

#define DNS_FEED_SOCKET "/run/appswitch/dnsd"

/* The host among the apps: no id of one. It knows of all names, and asks for nothing else. */
#define DNS_FEED_HOST "@host"
/* Where dnsd answers the host, if it was told to: never a server that it asks. */
#define DNS_HOST_STUB_ADDRESS "127.0.0.97"

enum {
        DNS_FEED_NAME_MAX = 253,
        DNS_FEED_ADDRESSES_MAX = 8,
        DNS_FEED_APPS_MAX = 4096, /* more are not served */
        DNS_FEED_VIEWS_MAX = 4096,
        DNS_FEED_PATTERNS_MAX = 64,    /* of an app */
        DNS_FEED_SERVERS_MAX = 8,      /* name servers of the host */
        /* Sockets that are made for whatever dnsd wants: each serves several questions (dns/upstream.h). */
        DNS_FEED_SOCKETS_PER_SEC = 2048,
        DNS_FEED_SOCKETS_BURST = 4096,
        DNS_REPORT_ADDRESSES_MAX = 16, /* in one report; more take several */
        DNS_FEED_VERSION = 3,
};

typedef enum DnsFeedType {
        DNS_FEED_BEGIN,       /* name: the domain of the names, without dots at its ends; version, ttl, pools */
        DNS_FEED_COMMIT,      /* the snapshot is complete */
        DNS_FEED_NAME_SET,    /* name (without domain): now has these addresses and no others; identity, views */
        DNS_FEED_NAME_UNSET,  /* name: does not exist any more */
        DNS_FEED_APP_ADD,     /* name: id of an app; fds: its UDP socket, its listening TCP socket; identity, view */
        DNS_FEED_APP_VIEW,    /* name: id of an app that was added: has this view now; identity, view */
        DNS_FEED_APP_PATTERN, /* name: id of an app that was added; pattern: it may look up such names outside, too */
        DNS_FEED_APP_REMOVE,  /* name: id of an app; its sockets are closed */
        DNS_FEED_HOST_ADD,    /* name: DNS_FEED_HOST; fds: by which the host itself asks, as those of an app */
        DNS_FEED_RESOLVERS,   /* list, n_servers: the host's name servers, as many */
        DNS_FEED_UPSTREAM,    /* fds: the socket that was wanted; list, server, stream */
        DNS_FEED_NO_UPSTREAM, /* none can be had for now; list, server, stream */
        _DNS_FEED_TYPE_MAX,
} DnsFeedType;

typedef struct DnsFeedAddress {
        uint32_t family; /* AF_INET or AF_INET6 */
        uint8_t bytes[16]; /* network byte order, 4 or 16 of them used */
} DnsFeedAddress;

typedef struct DnsFeedPool {
        DnsFeedAddress network;
        uint32_t prefix; /* in bits */
} DnsFeedPool;

typedef struct DnsFeedMessage {
        uint32_t type;
        uint32_t version;     /* DNS_FEED_BEGIN: DNS_FEED_VERSION */
        uint32_t ttl;         /* DNS_FEED_BEGIN: of every record, in seconds */
        uint32_t n_addresses; /* DNS_FEED_NAME_SET */
        DnsFeedAddress addresses[DNS_FEED_ADDRESSES_MAX];
        DnsFeedPool pools[2]; /* DNS_FEED_BEGIN: where virtual addresses come from, IPv4 and IPv6 */
        uint64_t identity;    /* whose name it is, or of which the app is: of its own every app knows the names */
        uint64_t views[DNS_FEED_VIEWS_MAX / 64]; /* DNS_FEED_NAME_SET: a bit for each view that may know of the name */
        uint32_t view;        /* DNS_FEED_APP_ADD, DNS_FEED_APP_VIEW: less than DNS_FEED_VIEWS_MAX */
        uint32_t n_servers;   /* DNS_FEED_RESOLVERS: up to DNS_FEED_SERVERS_MAX; 0: nothing is asked outside */
        uint64_t list;        /* which list of name servers: the same number means the same servers */
        uint32_t server;      /* DNS_FEED_UPSTREAM: which of the list, from 0 */
        uint32_t stream;      /* DNS_FEED_UPSTREAM: 1 for TCP, which may still be connecting, 0 for UDP */
        char name[DNS_FEED_NAME_MAX + 1];        /* NUL-terminated, lower case */
        char pattern[DNS_FEED_NAME_MAX + 2 + 1]; /* DNS_FEED_APP_PATTERN: see name_pattern_matches() */
} DnsFeedMessage;

typedef enum DnsReportType {
        DNS_REPORT_RESOLVED, /* app, name, addresses, ttl: what an app that has a pattern for the name will hear */
        DNS_REPORT_WANTED,   /* list, server, stream: a socket that is connected to a name server */
        _DNS_REPORT_TYPE_MAX,
} DnsReportType;

typedef struct DnsFeedReport {
        uint32_t type;
        uint32_t server; /* DNS_REPORT_WANTED, as in a message */
        uint32_t stream;
        uint32_t ttl; /* DNS_REPORT_RESOLVED: in seconds */
        uint32_t n_addresses;
        DnsFeedAddress addresses[DNS_REPORT_ADDRESSES_MAX];
        uint64_t list;
        char app[DNS_FEED_NAME_MAX + 1];
        char name[DNS_FEED_NAME_MAX + 1]; /* that was asked for: lower case, no dot at its end */
} DnsFeedReport;

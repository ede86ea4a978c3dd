/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What appswitchd tells appswitch-dnsd, one way, over the SOCK_SEQPACKET
 * socket DNS_FEED_SOCKET (passed to dnsd by socket activation; only root may
 * connect).
 *
 * A connection begins with DNS_FEED_BEGIN, then everything that is known,
 * then DNS_FEED_COMMIT: what the feed did not mention by then is forgotten.
 * Changes follow as they happen, and messages take effect in their order. One
 * feed is current at a time; a new connection replaces the old one, and when
 * it closes dnsd goes on answering from what it knows.
 *
 * Apps do not know of each other's names unless they may connect to each other.
 * Apps that may connect to the same others have one view, by its number.
 *
 * Each message is one `DnsFeedMessage`, followed by nothing.
 */

#include <netinet/in.h>
#include <stdint.h>

#define DNS_FEED_SOCKET "/run/appswitch/dnsd"

enum {
        DNS_FEED_NAME_MAX = 253,
        DNS_FEED_ADDRESSES_MAX = 8,
        DNS_FEED_APPS_MAX = 4096, /* more are not served */
        DNS_FEED_VIEWS_MAX = 4096,
        DNS_FEED_VERSION = 2,
};

typedef enum DnsFeedType {
        DNS_FEED_BEGIN,      /* name: the domain of the names, without dots at its ends; version, ttl */
        DNS_FEED_COMMIT,     /* the snapshot is complete */
        DNS_FEED_NAME_SET,   /* name (without domain): now has these addresses and no others; identity, views */
        DNS_FEED_NAME_UNSET, /* name: does not exist any more */
        DNS_FEED_APP_ADD,    /* name: id of an app; fds: its UDP socket, its listening TCP socket; identity, view */
        DNS_FEED_APP_VIEW,   /* name: id of an app that was added: has this view now; identity, view */
        DNS_FEED_APP_REMOVE, /* name: id of an app; its sockets are closed */
        _DNS_FEED_TYPE_MAX,
} DnsFeedType;

typedef struct DnsFeedAddress {
        uint32_t family; /* AF_INET or AF_INET6 */
        uint8_t bytes[16]; /* network byte order, 4 or 16 of them used */
} DnsFeedAddress;

typedef struct DnsFeedMessage {
        uint32_t type;
        uint32_t version;     /* DNS_FEED_BEGIN: DNS_FEED_VERSION */
        uint32_t ttl;         /* DNS_FEED_BEGIN: of every record, in seconds */
        uint32_t n_addresses; /* DNS_FEED_NAME_SET */
        DnsFeedAddress addresses[DNS_FEED_ADDRESSES_MAX];
        uint64_t identity;    /* whose name it is, or of which the app is: of its own every app knows the names */
        uint64_t views[DNS_FEED_VIEWS_MAX / 64]; /* DNS_FEED_NAME_SET: a bit for each view that may know of the name */
        uint32_t view;        /* DNS_FEED_APP_ADD, DNS_FEED_APP_VIEW: less than DNS_FEED_VIEWS_MAX */
        char name[DNS_FEED_NAME_MAX + 1]; /* NUL-terminated, lower case */
} DnsFeedMessage;

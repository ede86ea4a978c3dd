/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Our end of dns-feed.h: takes appswitchd's connection, applies its messages to
 * the names and the server, and reports to it what the lookups of the server
 * want and find. One connection is current; a new one replaces it, and without
 * one everything stays as it is.
 *
 * appswitchd is trusted, but every field of every message is checked all the
 * same. A message that is wrong ends the connection, with one line in the log
 * that says what was wrong with it: appswitchd then connects again and sends
 * everything anew. What is right but too much (NAMES_MAX, SERVER_APPS_MAX) is
 * left out, with a line in the log: to send it again would not help.
 */

#include <systemd/sd-event.h>

#include "dns/dns-feed.h"
#include "dns/names.h"
#include "dns/server.h"

typedef enum FeedState {
        FEED_CLOSED,   /* no connection */
        FEED_OPEN,     /* nothing received; allowed: BEGIN */
        FEED_SNAPSHOT, /* after BEGIN; allowed: all but BEGIN */
        FEED_CURRENT,  /* after COMMIT; allowed: changes, that is all but BEGIN and COMMIT */
        _FEED_STATE_MAX,
        _FEED_STATE_INVALID = -EINVAL,
} FeedState;

typedef struct Feed {
        sd_event *event;
        Names *names;
        Server *server;
        FeedState state;
        int listen_fd, fd;
        sd_event_source *listen_source, *source;
} Feed;

/* Makes a feed into `names` and `server`, which stay the caller's. Returns NULL when out of memory. */
Feed *feed_new(sd_event *event, Names *names, Server *server);
Feed *feed_free(Feed *feed);
DEFINE_CLEANUP(Feed *, feed_free)

/*
 * Takes connections from the listening SOCK_SEQPACKET socket `fd`, which is
 * taken over, also on error. Returns 0 or a negative errno.
 */
int feed_listen(Feed *feed, int fd);

/* Makes `fd` the current connection; it is taken over, also on error. Returns 0 or a negative errno. */
int feed_open(Feed *feed, int fd);

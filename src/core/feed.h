/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Keeps appswitch-dnsd informed (dns/dns-feed.h). When it is away, the feed
 * connects again after a while and begins with all that is known then.
 */

#include <systemd/sd-event.h>
#include "model/directory.h"

typedef struct Feed Feed;

/* Asks the owner to tell all it knows, by feed_set_names() and feed_add_app(). */
typedef void (*FeedSnapshot)(Feed *feed, void *userdata);

/* `domain` is not copied. Returns 0 or a negative errno; dnsd being away is none. */
int feed_new(sd_event *event, const char *domain, unsigned ttl, FeedSnapshot snapshot, void *userdata, Feed **ret);
Feed *feed_free(Feed *feed);

/* All names of an identity, with its addresses and who may know of them. */
void feed_set_names(Feed *feed, const Identity *identity);
void feed_unset_names(Feed *feed, const Identity *identity);
void feed_unset_name(Feed *feed, const char *name);
void feed_add_app(Feed *feed, const Party *party, int udp, int tcp);

/* The app has another view (model/visibility.h) than it was told. */
void feed_set_view(Feed *feed, const Party *party);
void feed_remove_app(Feed *feed, const char *id);

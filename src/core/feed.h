/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Keeps appswitch-dnsd informed (dns/dns-feed.h), and hears what it reports.
 * When it is away, the feed connects again after a while and begins with all
 * that is known then.
 */

#include <systemd/sd-event.h>
#include "core/config.h"
#include "model/directory.h"

typedef struct Feed Feed;

typedef struct FeedHooks {
        /* Asks the owner to tell all it knows, by feed_set_names() and feed_add_app(). */
        void (*snapshot)(Feed *feed, void *userdata);
        /*
         * Makes a socket for dnsd to one of the host's name servers
         * (core/resolvers.h). Returns it or a negative errno.
         */
        int (*connect)(uint64_t list, unsigned server, bool stream, void *userdata);
        /*
         * What a name that an app may look up outside resolved to, for `ttl`
         * seconds. It comes from strangers by way of a process that may be
         * theirs: whether the app is there and has a pattern for the name is
         * for the hook to see. Called for up to DNS_REPORT_ADDRESSES_MAX at
         * once; more addresses of the same answer come by further calls.
         * Optional.
         */
        void (*resolved)(const char *app_id, const char *name, const Address *addresses, size_t n, unsigned ttl,
                         void *userdata);
} FeedHooks;

/* `config` and `hooks` stay the caller's. Returns 0 or a negative errno; dnsd being away is none. */
int feed_new(sd_event *event, const Config *config, const FeedHooks *hooks, void *userdata, Feed **ret);
Feed *feed_free(Feed *feed);

/*
 * Hears what was reported up to now, without waiting. dnsd reports before it
 * answers the app: what the app learned from an answer was told after this.
 */
void feed_drain(Feed *feed);

/* All names of an identity, with its addresses and who may know of them. */
void feed_set_names(Feed *feed, const Identity *identity);
void feed_unset_names(Feed *feed, const Identity *identity);
void feed_unset_name(Feed *feed, const char *name);
void feed_add_app(Feed *feed, const Party *party, int udp, int tcp);

/* By which the host itself asks (core/host-names.h). */
void feed_add_host(Feed *feed, int udp, int tcp);
void feed_remove_host(Feed *feed);

/* The app that was added may look up names outside that match (model/name.h), too; "*" for all. */
void feed_add_pattern(Feed *feed, const char *id, const char *pattern);

/* There are as many name servers of the host, which this number stands for. */
void feed_set_resolvers(Feed *feed, uint64_t list, unsigned n_servers);

/* The app has another view (model/visibility.h) than it was told. */
void feed_set_view(Feed *feed, const Party *party);
void feed_remove_app(Feed *feed, const char *id);

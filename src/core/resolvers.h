/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The name servers that the host asks, for appswitch-dnsd, which has no
 * network: it is given sockets that are connected to them. They are those of
 * DNSForward=; else systemd-resolved where it runs, which is what has its name
 * on the bus, and then those of /etc/resolv.conf, which is watched.
 */

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>
#include "core/resolv-conf.h"

typedef struct Resolvers Resolvers;

/*
 * `changed` is called when they are others. `configured` (DNSForward=) stays
 * the caller's. Returns 0 or a negative errno; that the host has no name
 * servers, or that they cannot be watched, is none.
 */
int resolvers_new(sd_event *event, sd_bus *bus, const NameServers *configured, void (*changed)(void *userdata),
                  void *userdata, Resolvers **ret);
Resolvers *resolvers_free(Resolvers *resolvers);

/* How many there are, and a number that is another one when they are others, also for another daemon. */
unsigned resolvers_count(const Resolvers *resolvers, uint64_t *ret_list);

/*
 * Makes a socket that is connected to one, or over TCP is going to be. Returns
 * it; -ESTALE if they are others by now; -EAGAIN if too many were made of late; or
 * another negative errno.
 */
int resolvers_connect(Resolvers *resolvers, uint64_t list, unsigned server, bool stream);

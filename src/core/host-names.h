/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Names of apps for the host itself (HostNames=): a name server on a loopback
 * address, whose sockets appswitch-dnsd has as those of an app, and where
 * systemd-resolved runs, its promise to ask there for the domain and for the
 * reverse names of the pools, and nowhere else.
 *
 * All names are told to whoever asks, as ListNames() does. The sockets are in
 * the descriptor store, and the device of the promise (core/host-link.h) stays
 * over a restart, too.
 */

#include "core/manager.h"

#define HOST_NAMES_UDP_FD_NAME "host-dns-udp"
#define HOST_NAMES_TCP_FD_NAME "host-dns-tcp"

/*
 * Begins, if it is configured, or else withdraws what a predecessor may have
 * left. The sockets, or -EBADF, are what was in the descriptor store; they are
 * taken over. What fails is logged, and the host does without. `ret` may become
 * NULL. Returns 0 or -ENOMEM.
 */
int host_names_new(Manager *m, int udp, int tcp, HostNames **ret);
HostNames *host_names_free(HostNames *names);

/* Where the name server is. */
Endpoint host_names_endpoint(void);

/* What belongs into a snapshot. `names` may be NULL. */
void host_names_tell(const HostNames *names, Feed *feed);

/* Withdraws what would stay: the service ends. `names` may be NULL. */
void host_names_withdraw(HostNames *names);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The table of the guard, as it is in the kernel. For a thread.
 *
 *   table inet appswitch {
 *           flags owner
 *           counter tcp4-9999 { … }
 *           counter tcp4-9999-refused { … }
 *           map tcp-ports { type inet_service : verdict; elements = { 9999 : jump tcp-9999 } }
 *           chain input {
 *                   type filter hook input priority filter; policy accept;
 *                   tcp dport vmap @tcp-ports
 *           }
 *           chain tcp-9999 {
 *                   meta nfproto ipv4 counter name "tcp4-9999"
 *                   meta nfproto ipv4 tcp flags != syn / fin,syn,rst,ack return
 *                   meta nfproto ipv4 ip saddr 192.0.2.0/24 return
 *                   meta nfproto ipv4 counter name "tcp4-9999-refused" reject with tcp reset
 *           }
 *   }
 *
 * What is for no port of ours is looked up once, in a map. Only what begins a
 * connection is refused: who is connected stays so when networks are withdrawn,
 * as with tags. Connections are not tracked.
 */

#include "transport/guard.h"

/* The order that what is here is in. */
int guard_compare_ports(const GuardPort *a, const GuardPort *b);

/*
 * Makes the table what is wanted, in one transaction. `ports` are sorted.
 * Returns 0 or a negative errno, and then it is what it was.
 */
int guard_table_set(int netlink, const GuardPort *ports, size_t n);

/* Reads the counters of these ports into `counts`, which are zeroed and as many. Returns 0 or a negative errno. */
int guard_table_count(int netlink, const GuardPort *ports, size_t n, GuardCount *counts);

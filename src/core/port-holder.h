/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who has a TCP port of the host, for an error that names him: the sockets that
 * the kernel lists (transport/sock-diag.h), and the process with a descriptor
 * of one (core/holders.h), in a thread (basic/errand.h).
 */

#include <systemd/sd-event.h>
#include "model/address.h"

typedef struct PortHolderSearch PortHolderSearch;

/*
 * `holder` is a phrase like "nginx (PID 123, nginx.service)", or NULL if nobody
 * was found (it is gone, it is none of a process, or it took too long).
 */
typedef void (*PortHolderFound)(const char *holder, void *userdata);

/*
 * Looks for who has the port where this address would be in its way: that
 * address, or one that is for all, of either family. `found` is called once,
 * later, within a few seconds. Returns 0 or a negative errno; -EBUSY if too much is under way.
 */
int port_holder_find(sd_event *event, const Endpoint *at, PortHolderFound found, void *userdata, PortHolderSearch **ret);

/* Nobody wants to know any more; not to be called when `found` was. Returns NULL. */
PortHolderSearch *port_holder_abandon(PortHolderSearch *search);

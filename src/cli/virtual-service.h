/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The virtual services as the daemon describes them: io.appswitch1.VirtualService, copied out of one answer. */

#include <sys/types.h>
#include <systemd/sd-bus.h>

#include "cli/json.h"

typedef struct VirtualService {
        char *id;
        char **names, **addresses, **ports, **backends, **members, **tags;
        char *strategy, *path;
        bool prefer_local, persistent;
        uint32_t uid;
} VirtualService;

typedef struct VirtualServiceList {
        VirtualService *services; /* sorted by id */
        size_t n;
} VirtualServiceList;

void virtual_service_list_done(VirtualServiceList *list);
#define _cleanup_virtual_service_list_ _cleanup_(virtual_service_list_done)

/*
 * Asks the daemon for all, in one call. `list` is zeroed. Returns 0 or a
 * negative errno with `error` set; -EBADMSG if the answer is not what the
 * interface says.
 */
int virtual_service_list_get(VirtualServiceList *list, sd_bus *bus, sd_bus_error *error);

/* As a JSON object, keys in lower case. NULL: out of memory. */
json_object *virtual_service_to_json(const VirtualService *service);

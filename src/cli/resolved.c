/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>
#include <stdio.h>

#include "basic/clock.h"
#include "basic/text.h"
#include "cli/bus.h"
#include "cli/resolved.h"

char **resolved_get(sd_bus *bus, const char *id) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        _cleanup_free_ char *path = NULL;
        _cleanup_strv_ char **lines = NULL;
        const char *name, *address;
        uint64_t until;
        int r;

        r = sd_bus_path_encode(BUS_PATH "/app", id, &path);
        if (r >= 0)
                r = sd_bus_call_method(bus, BUS_NAME, path, "io.appswitch1.App", "ListResolved", NULL, &reply, NULL);
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "(sst)");
        while (r >= 0 && (r = sd_bus_message_read(reply, "(sst)", &name, &address, &until)) > 0) {
                const uint64_t now = now_usec(CLOCK_REALTIME), left = until > now ? until - now : 0;
                _cleanup_free_ char *line = NULL;

                if (asprintf(&line, "%s %s, for %" PRIu64 "s", name, address, left / USEC_PER_SEC) < 0 ||
                    strv_append(&lines, line) < 0)
                        return NULL;
        }
        return r < 0 ? NULL : TAKE_PTR(lines);
}

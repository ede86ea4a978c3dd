/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ax doctor: whether this host has what apps need, and what to do where it has not. */

#include <string.h>

#include "basic/log.h"
#include "cli/bus.h"
#include "cli/cli.h"
#include "cli/doctor.h"
#include "cli/terminal.h"

static int print(const Checkup *c, const Settings *settings) {
        _cleanup_json_ json_object *json = NULL;
        int r;

        if (settings->json == JSON_OFF) {
                _cleanup_pager_ pid_t pager = 0;
                bool colors = terminal_colors();

                if (settings->pager)
                        pager = pager_open();
                checkup_print(c, settings->legend, colors);
                return 0;
        }
        json = checkup_to_json(c);
        if (!json)
                return log_oom();
        r = json_print(stdout, settings->json, json);
        return r < 0 ? log_error_errno(r, "Failed to write output: %m") : 0;
}

int verb_doctor(const Verb *verb, Settings *settings, char **argv) {
        _cleanup_option_parser_ OptionParser p;
        _cleanup_checkup_ Checkup checkup = {};
        _cleanup_bus_ sd_bus *bus = NULL;
        int r;

        r = cli_parse_plain(&p, verb, settings, argv);
        if (r <= 0)
                return r;
        if (p.words)
                return log_error_errno(-EINVAL, "\"ax doctor\" looks at this host as a whole, and takes no words.");

        doctor_kernel(&checkup);
        doctor_trap(&checkup);
        r = sd_bus_open_system_with_description(&bus, "ax");
        if (r < 0)
                checkup_add(&checkup, CHECK_ERROR, "System bus",
                            "Start it: systemctl start dbus.socket; in a container, boot it with systemd.",
                            "cannot be reached (%s)", strerror(-r));
        else
                doctor_services(&checkup, bus);
        doctor_names(&checkup, bus);
        if (checkup.incomplete)
                return log_oom();
        r = print(&checkup, settings);
        return r < 0 ? r : checkup.counts[CHECK_ERROR] > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

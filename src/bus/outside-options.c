/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <string.h>

#include "basic/fd.h"
#include "basic/text.h"
#include "bus/outside-options.h"
#include "core/errors.h"
#include "model/ports.h"

enum {
        PORT_DOMAIN = 53, /* of the name service in each app */
        PORT_PRIVILEGED_END = 1024, /* the kernel's default */
        SHOWN_MAX = 300,  /* of what is wrong */
};

void outside_options_done(OutsideOptions *o) {
        free(o->exposes);
        networks_done(&o->expose_from);
        egress_done(&o->egress);
        *o = (OutsideOptions){};
}

static int invalid(sd_bus_error *error, const char *what, const char *value, const char *reason, const char *allowed) {
        (void) sd_bus_error_setf(error, ERROR_INVALID_ARGUMENT, "Invalid %s '%.*s': it %s; allowed is %s", what,
                                 (int) utf8_prefix(value, SHOWN_MAX), value, reason, allowed);
        return -EINVAL;
}

static int add_expose(OutsideOptions *o, const char *value, sd_bus_error *error) {
        static const char allowed[] = "PORT:[ADDRESS:]HOSTPORT, where ports may be ranges and an IPv6 address is in brackets";
        unsigned n_ports;
        const char *reason;
        Expose e, *grown;

        if (expose_parse(value, &e, &reason) < 0)
                return invalid(error, "expose", value, reason, allowed);
        if (e.port <= PORT_DOMAIN && PORT_DOMAIN - e.port < e.n)
                return invalid(error, "expose", value, "has port 53 of the app, which is that of the name service in each app",
                               "any other");
        n_ports = e.n;
        for (size_t i = 0; i < o->n_exposes; i++) {
                if (expose_equal(&o->exposes[i], &e))
                        return 0;
                n_ports += o->exposes[i].n;
        }
        if (o->n_exposes >= EXPOSES_MAX || n_ports > EXPOSE_PORTS_MAX)
                return sd_bus_error_setf(error, ERROR_INVALID_ARGUMENT,
                                         "More than %i ports or %i ranges of ports were given to be exposed",
                                         EXPOSE_PORTS_MAX, EXPOSES_MAX);
        grown = reallocarray(o->exposes, o->n_exposes + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        o->exposes = grown;
        grown[o->n_exposes++] = e;
        return 0;
}

int outside_options_set_expose(OutsideOptions *o, char **values, sd_bus_error *error) {
        int r = 0;

        for (; r >= 0 && *values; values++)
                r = add_expose(o, *values, error);
        return r;
}

int outside_options_set_expose_from(OutsideOptions *o, char **values, sd_bus_error *error) {
        for (; *values; values++) {
                int r = networks_add_list(&o->expose_from, *values);

                if (r == -EINVAL)
                        return invalid(error, "networks", *values, "has a word that is no network",
                                       "any, localhost, addresses and networks without host bits, separated by commas");
                if (r == -E2BIG)
                        return sd_bus_error_setf(error, ERROR_INVALID_ARGUMENT,
                                                 "More than %i networks were given that may reach exposed ports", NETWORKS_MAX);
                if (r < 0)
                        return r;
        }
        /* Nobody could. */
        if (o->expose_from.n == 0)
                return sd_bus_error_set(error, ERROR_INVALID_ARGUMENT,
                                        "No network was given that may reach exposed ports; 'any' stands for all");
        o->has_expose_from = true;
        return 0;
}

int outside_options_set_egress(OutsideOptions *o, char **values, sd_bus_error *error) {
        _cleanup_free_ char *item = NULL;
        const char *reason;
        int r;

        if (!*values)
                return sd_bus_error_set(error, ERROR_INVALID_ARGUMENT, "No egress was given; 'no' stands for none");
        r = egress_parse(values, &o->egress, &item, &reason);
        if (r == -EINVAL)
                return invalid(error, "egress", item, reason,
                               "no, yes, or networks and names (*.DOMAIN for those below it), each with :PORT or :PORT-PORT or without, separated by commas");
        if (r == -E2BIG)
                return sd_bus_error_setf(error, ERROR_INVALID_ARGUMENT, "More than %i items of egress were given",
                                         EGRESS_ITEMS_MAX);
        o->has_egress = r >= 0;
        return r;
}

void outside_options_fill(const OutsideOptions *o, AppRequest *request) {
        request->exposes = o->exposes;
        request->n_exposes = o->n_exposes;
        request->expose_from = o->has_expose_from ? &o->expose_from : NULL;
        request->egress = o->has_egress ? &o->egress : NULL;
}

bool outside_options_asks_egress(const OutsideOptions *o, const Egress *default_egress) {
        const Egress none = {};

        return o->has_egress && !egress_equal(&o->egress, &none) && !egress_equal(&o->egress, default_egress);
}

bool outside_options_are_privileged(const OutsideOptions *o) {
        unsigned long end = PORT_PRIVILEGED_END;
        char text[16];

        if (read_file(AT_FDCWD, "/proc/sys/net/ipv4/ip_unprivileged_port_start", text, sizeof(text)) > 0)
                end = strtoul(text, NULL, 10);
        for (size_t i = 0; i < o->n_exposes; i++)
                if (o->exposes[i].host_port < end)
                        return true;
        return false;
}

char *outside_options_join_exposes(const OutsideOptions *o) {
        char *s = calloc(o->n_exposes + 1, EXPOSE_STRING_MAX + 1), *p = s, text[EXPOSE_STRING_MAX];

        for (size_t i = 0; s && i < o->n_exposes; i++)
                p += sprintf(p, "%s%s", i > 0 ? " " : "", expose_format(&o->exposes[i], text));
        return s;
}

char *outside_options_join_host_ports(const OutsideOptions *o) {
        char *s = calloc(o->n_exposes + 1, PORTS_STRING_MAX + 1), *p = s, text[PORTS_STRING_MAX];

        for (size_t i = 0; s && i < o->n_exposes; i++) {
                const Expose *e = &o->exposes[i];

                p += sprintf(p, "%s%s", i > 0 ? " " : "",
                             ports_format(e->host_port, (uint16_t) (e->host_port + e->n - 1), text));
        }
        return s;
}

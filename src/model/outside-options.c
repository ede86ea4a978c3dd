/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <string.h>

#include "basic/fd.h"
#include "basic/text.h"
#include "model/outside-options.h"
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

static int invalid(char **ret_message, const char *what, const char *value, const char *reason, const char *allowed) {
        return say(-EINVAL, ret_message, "Invalid %s '%.*s': it %s; allowed is %s", what,
                                 (int) utf8_prefix(value, SHOWN_MAX), value, reason, allowed);
}

static int add_expose(OutsideOptions *o, const char *value, char **ret_message) {
        static const char allowed[] = "PORT:[ADDRESS:]HOSTPORT, where ports may be ranges and an IPv6 address is in brackets";
        unsigned n_ports;
        const char *reason;
        Expose e, *grown;

        if (expose_parse(value, &e, &reason) < 0)
                return invalid(ret_message, "expose", value, reason, allowed);
        if (e.port <= PORT_DOMAIN && PORT_DOMAIN - e.port < e.n)
                return invalid(ret_message, "expose", value, "has port 53 of the app, which is that of the name service in each app",
                               "any other");
        n_ports = e.n;
        for (size_t i = 0; i < o->n_exposes; i++) {
                if (expose_equal(&o->exposes[i], &e))
                        return 0;
                n_ports += o->exposes[i].n;
        }
        if (o->n_exposes >= EXPOSES_MAX || n_ports > EXPOSE_PORTS_MAX)
                return say(-EINVAL, ret_message,
                                         "More than %i ports or %i ranges of ports were given to be exposed",
                                         EXPOSE_PORTS_MAX, EXPOSES_MAX);
        grown = reallocarray(o->exposes, o->n_exposes + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        o->exposes = grown;
        grown[o->n_exposes++] = e;
        return 0;
}

int outside_options_set_expose(OutsideOptions *o, char **values, char **ret_message) {
        int r = 0;

        for (; r >= 0 && *values; values++)
                r = add_expose(o, *values, ret_message);
        return r;
}

int outside_options_set_expose_from(OutsideOptions *o, char **values, char **ret_message) {
        for (; *values; values++) {
                int r = networks_add_list(&o->expose_from, *values);

                if (r == -EINVAL)
                        return invalid(ret_message, "networks", *values, "has a word that is no network",
                                       "any, localhost, addresses and networks without host bits, separated by commas");
                if (r == -E2BIG)
                        return say(-EINVAL, ret_message,
                                                 "More than %i networks were given that may reach exposed ports", NETWORKS_MAX);
                if (r < 0)
                        return r;
        }
        /* Nobody could. */
        if (o->expose_from.n == 0)
                return say(-EINVAL, ret_message,
                                        "No network was given that may reach exposed ports; 'any' stands for all");
        o->has_expose_from = true;
        return 0;
}

int outside_options_set_egress(OutsideOptions *o, char **values, char **ret_message) {
        _cleanup_free_ char *item = NULL;
        const char *reason;
        Egress egress;
        int r;

        if (!*values)
                return say(-EINVAL, ret_message, "No egress was given; 'no' stands for none");
        r = egress_parse(values, &egress, &item, &reason);
        if (r == -EINVAL)
                return invalid(ret_message, "egress", item, reason,
                               "no, yes, or networks and names (*.DOMAIN for those below it), each with :PORT or :PORT-PORT or without, separated by commas");
        if (r == -E2BIG)
                return say(-EINVAL, ret_message, "More than %i items of egress were given", EGRESS_ITEMS_MAX);
        if (r < 0)
                return r;
        egress_done(&o->egress);
        o->egress = egress;
        o->has_egress = true;
        return 0;
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

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is said of the outside when an app is asked for: who can reach the app from there, and what of it the app can reach. */

#include "model/egress.h"
#include "model/expose.h"

typedef struct OutsideOptions {
        Expose *exposes;
        size_t n_exposes;
        Networks expose_from;
        Egress egress;
        bool has_expose_from, has_egress; /* they are given */
} OutsideOptions;

void outside_options_done(OutsideOptions *o);

/*
 * Take what is given: ports and networks are added to what was given before, an egress stands for it. Return 0, -ENOMEM,
 * or -EINVAL with a sentence (to be freed) about what is wrong and what is allowed.
 */
int outside_options_set_expose(OutsideOptions *o, char **values, char **ret_message);
int outside_options_set_expose_from(OutsideOptions *o, char **values, char **ret_message);
int outside_options_set_egress(OutsideOptions *o, char **values, char **ret_message);

/* Whether an egress is given that is neither "no" nor the default. */
bool outside_options_asks_egress(const OutsideOptions *o, const Egress *default_egress);

/* Whether there is a port among those of the host that takes a privilege (ip_unprivileged_port_start, ip(7)). */
bool outside_options_are_privileged(const OutsideOptions *o);

/* All of them, with spaces between, "" for none: "8000:9999 80:[::]:8080"; "9999 8080". NULL: out of memory. */
char *outside_options_join_exposes(const OutsideOptions *o);
char *outside_options_join_host_ports(const OutsideOptions *o);

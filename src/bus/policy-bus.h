/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The methods of the manager that are about the policy. */

#include <systemd/sd-bus.h>

int method_reload_policy(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_check_policy(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_list_rules(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_explain(sd_bus_message *m, void *userdata, sd_bus_error *error);

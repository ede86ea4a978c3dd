/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The configuration: appswitchd.conf(5) and its drop-ins. */

#include "core/resolv-conf.h"
#include "model/balance.h"
#include "model/egress.h"
#include "model/pool.h"
#include "model/tags.h"
#include "trap/switch.h"

typedef struct Config {
        char *domain;
        Pool pool4, pool6;
        char *default_tag;
        unsigned name_ttl; /* seconds */
        unsigned apps_max;
        unsigned apps_per_user_max;
        unsigned listeners_per_app_max;
        unsigned names_per_user_max;
        unsigned virtual_services_max;
        unsigned virtual_services_per_user_max;
        Strategy strategy;
        bool hide_names; /* from who may not connect */
        Egress egress;        /* of apps that say nothing else */
        Networks expose_from; /* the same */
        Exit exit;            /* EgressSource=, EgressDevice= */
        unsigned exposed_ports_per_user_max;
        bool host_names; /* the host itself may ask for names */
        NameServers dns_forward; /* which servers know the names of the outside; none: those of the host */
        int log_level;
} Config;

/* Sets the defaults. Returns 0 or -ENOMEM. */
int config_init(Config *config);
void config_done(Config *config);

/*
 * Reads /etc/appswitch/appswitchd.conf and the drop-ins of
 * appswitchd.conf.d/ in /etc, /run and /usr/lib below `root` ("" for the real
 * ones): sorted by file name, of the same name the first directory's, later
 * ones win. A bad line is logged with file and line and ignored. Returns 0 or
 * -ENOMEM.
 */
int config_load(Config *config, const char *root);

/*
 * Takes one assignment. Returns 0; -ENOENT for an unknown key; -EINVAL for a
 * value that the key does not take, with what it takes in `ret_allowed`.
 */
int config_set(Config *config, const char *key, const char *value, const char **ret_allowed);

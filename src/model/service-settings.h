/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a virtual service is to be, as an administrator says it: in a file
 * (appswitch.services(5)), by D-Bus or by `ax create`. All of them give a key
 * and a text, so that what is allowed, and what is said about the rest, is the
 * same everywhere.
 */

#include <stdio.h>
#include "model/address.h"
#include "model/balance.h"
#include "model/directory.h"
#include "model/tags.h"

enum {
        SERVICE_ID_MAX = 63,
        SERVICE_PORTS_MAX = 64,
        SERVICE_SELECTORS_MAX = 64,
};

/* Connections to `port` go to `backend_port` of a backend. */
typedef struct PortMapping {
        uint16_t port, backend_port;
} PortMapping;

typedef enum SelectorType {
        SELECTOR_APP,      /* app:NAME, the apps of this name */
        SELECTOR_TAG,      /* tag:KEY=VALUE, the apps that have this tag */
        SELECTOR_EXTERNAL, /* IP:PORT or [IP6]:PORT, not an app */
        SELECTOR_HOST,     /* host:PORT, at the loopback address of the host itself */
        _SELECTOR_TYPE_MAX,
} SelectorType;

typedef struct Selector {
        SelectorType type;
        char *text;        /* in its usual form; of an app or a tag it is the key of what is selected */
        Endpoint endpoint; /* SELECTOR_EXTERNAL, SELECTOR_HOST */
} Selector;

typedef struct ServiceSettings {
        char **names; /* normalized, without duplicates */
        Address addresses[IDENTITY_ADDRESSES_MAX];
        size_t n_addresses;
        PortMapping ports[SERVICE_PORTS_MAX];
        size_t n_ports;
        Selector selectors[SERVICE_SELECTORS_MAX];
        size_t n_selectors;
        Strategy strategy;
        bool prefer_local;
        Tags tags;
} ServiceSettings;

typedef enum ServiceKey {
        SERVICE_NAME,
        SERVICE_ADDRESS,
        SERVICE_PORT,
        SERVICE_BACKEND,
        SERVICE_STRATEGY,
        SERVICE_PREFER_LOCAL,
        SERVICE_TAG,
        _SERVICE_KEY_MAX,
        _SERVICE_KEY_INVALID = -EINVAL,
} ServiceKey;

/* "Name", "Address", …: what stands before the "=" in a file. */
const char *service_key_to_string(ServiceKey key);
ServiceKey service_key_from_string(const char *s);

/*
 * Why this is no id of a virtual service, as the end of a sentence, or NULL if
 * it is one.
 */
const char *service_id_invalid_reason(const char *id);

void service_settings_done(ServiceSettings *s);

/* Returns 0 or -ENOMEM. */
int service_settings_copy(const ServiceSettings *from, ServiceSettings *ret);

/*
 * Takes one value of a key; of those that can be given several times (all but
 * the strategy and the preference) it is one more. Returns 0, or with a
 * sentence in `ret_message` (to be freed): -EINVAL for what the key does not
 * take, -E2BIG for one too many, -EEXIST for what is there already in another
 * sense (a port that is mapped twice), -ENOMEM.
 */
int service_settings_set(ServiceSettings *s, ServiceKey key, const char *value, char **ret_message);

/* Forgets all values of a key: the default is in force again. */
void service_settings_clear(ServiceSettings *s, ServiceKey key);

/*
 * Fills in what was not said (the id as name, `default_tag`) and looks whether
 * the whole makes sense. Returns 0, or -EINVAL with a sentence, or -ENOMEM.
 */
int service_settings_complete(ServiceSettings *s, const char *id, const char *default_tag, char **ret_message);

/* The mapping of a port, or NULL. */
const PortMapping *service_settings_find_port(const ServiceSettings *s, uint16_t port);

/*
 * Whether a backend that is no app serves this port: it has a port of its own,
 * and so it is for what is mapped to that; of a service of one port it is for
 * that one in any case.
 */
bool service_settings_serves(const ServiceSettings *s, const Selector *external, const PortMapping *mapping);

/* Whether there are backends that are no apps. */
bool service_settings_reach_outside(const ServiceSettings *s);

/* "80", "80:8080". */
enum { PORT_MAPPING_STRING_MAX = 16 };
const char *port_mapping_format(const PortMapping *mapping, char buf[static PORT_MAPPING_STRING_MAX]);

/* Writes the assignments of a file, one a line. */
void service_settings_print(const ServiceSettings *s, FILE *f);

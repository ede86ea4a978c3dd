/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

#include "basic/text.h"
#include "model/claims.h"
#include "model/name.h"
#include "model/service-settings.h"

enum { PORT_DOMAIN = 53 };

static const Address loopback4 = { AF_INET, { 127, 0, 0, 1 } };

static const char *const keys[_SERVICE_KEY_MAX] = {
        [SERVICE_NAME] = "Name",
        [SERVICE_ADDRESS] = "Address",
        [SERVICE_PORT] = "Port",
        [SERVICE_BACKEND] = "Backend",
        [SERVICE_STRATEGY] = "Strategy",
        [SERVICE_PREFER_LOCAL] = "PreferLocal",
        [SERVICE_TAG] = "Tag",
};

const char *service_key_to_string(ServiceKey key) {
        return key >= 0 && key < _SERVICE_KEY_MAX ? keys[key] : NULL;
}

ServiceKey service_key_from_string(const char *s) {
        for (ServiceKey key = 0; key < _SERVICE_KEY_MAX; key++)
                if (strcmp(keys[key], s) == 0)
                        return key;
        return _SERVICE_KEY_INVALID;
}

const char *service_id_invalid_reason(const char *id) {
        const char *reason = name_invalid_reason(id);

        if (reason)
                return reason;
        if (strlen(id) > SERVICE_ID_MAX)
                return "is longer than 63 characters";
        if (strchr(id, '.'))
                return "may have no dots";
        for (; *id; id++)
                if (*id >= 'A' && *id <= 'Z')
                        return "may have no capital letters";
        return NULL;
}

static void selector_done(Selector *selector) {
        free(selector->text);
        *selector = (Selector){};
}

void service_settings_done(ServiceSettings *s) {
        strv_free(s->names);
        for (size_t i = 0; i < s->n_selectors; i++)
                selector_done(&s->selectors[i]);
        tags_done(&s->tags);
        *s = (ServiceSettings){};
}

int service_settings_copy(const ServiceSettings *from, ServiceSettings *ret) {
        ServiceSettings copy = *from;
        int r = 0;

        copy.names = NULL;
        copy.tags = (Tags){};
        copy.n_selectors = 0;
        for (char **name = from->names; r >= 0 && name && *name; name++)
                r = strv_append(&copy.names, *name);
        for (size_t i = 0; r >= 0 && i < from->tags.n; i++)
                r = tags_add(&copy.tags, from->tags.tags[i]);
        for (size_t i = 0; r >= 0 && i < from->n_selectors; i++) {
                copy.selectors[i].text = strdup(from->selectors[i].text);
                if (copy.selectors[i].text)
                        copy.n_selectors++;
                else
                        r = -ENOMEM;
        }
        if (r < 0) {
                service_settings_done(&copy);
                return r;
        }
        *ret = copy;
        return 0;
}

static int set_name(ServiceSettings *s, const char *value, char **ret_message) {
        return claim_name(&s->names, value, ret_message);
}

static int set_address(ServiceSettings *s, const char *value, char **ret_message) {
        return claim_address(s->addresses, &s->n_addresses, value, ret_message);
}

/* Reads the digits of a port from 1 to 65535 and moves behind them. Returns false if there is none. */
static bool take_port(const char **p, uint16_t *ret) {
        unsigned v = 0;
        size_t n = 0;

        for (; n < 6 && (*p)[n] >= '0' && (*p)[n] <= '9'; n++)
                v = v * 10 + (unsigned) ((*p)[n] - '0');
        if (n == 0 || v == 0 || v > UINT16_MAX)
                return false;
        *p += n;
        *ret = (uint16_t) v;
        return true;
}

static int set_port(ServiceSettings *s, const char *value, char **ret_message) {
        const char *p = value;
        const PortMapping *there;
        PortMapping mapping;
        bool valid;

        valid = take_port(&p, &mapping.port);
        mapping.backend_port = mapping.port;
        if (valid && *p == ':') {
                p++;
                valid = take_port(&p, &mapping.backend_port);
        }
        if (!valid || (*p && strcmp(p, "/tcp") != 0))
                return say(-EINVAL, ret_message,
                           "Invalid port '%s': it must be PORT or PORT:BACKENDPORT, each of 1 to 65535, and may end in /tcp", value);
        if (mapping.port == PORT_DOMAIN)
                return say(-EINVAL, ret_message, "Invalid port '%s': port %i is that of the name service in each app", value, PORT_DOMAIN);
        there = service_settings_find_port(s, mapping.port);
        if (there && there->backend_port == mapping.backend_port)
                return 0;
        if (there)
                return say(-EEXIST, ret_message, "Port %u is mapped to %u already, and cannot be to %u, too", mapping.port,
                           there->backend_port, mapping.backend_port);
        if (s->n_ports >= SERVICE_PORTS_MAX)
                return say(-E2BIG, ret_message, "More than %i ports were given", SERVICE_PORTS_MAX);
        s->ports[s->n_ports++] = mapping;
        return 0;
}

static int parse_app(const char *value, Selector *to, char **ret_message) {
        const char *name = value + strlen("app:"), *reason = name_invalid_reason(name);

        if (reason)
                return say(-EINVAL, ret_message, "Invalid backend '%s': the name %s", value, reason);
        to->type = SELECTOR_APP;
        to->text = strdup(value);
        if (!to->text)
                return -ENOMEM;
        name_normalize(to->text);
        return 0;
}

static int parse_tag(const char *value, Selector *to, char **ret_message) {
        Tags tags = {};
        int r;

        r = tags_add(&tags, value + strlen("tag:"));
        tags_done(&tags);
        if (r == -EINVAL)
                return say(r, ret_message,
                           "Invalid backend '%s': a tag must be KEY=VALUE, with a key of a-z 0-9 . _ - and a value of A-Z a-z 0-9 . _ : / -, each of 1 to 63 characters",
                           value);
        if (r < 0)
                return r;
        to->type = SELECTOR_TAG;
        to->text = strdup(value);
        return to->text ? 0 : -ENOMEM;
}

static int parse_host(const char *value, Selector *to, char **ret_message) {
        const char *p = value + strlen("host:");

        to->type = SELECTOR_HOST;
        to->endpoint.address = loopback4;
        if (!take_port(&p, &to->endpoint.port) || *p)
                return say(-EINVAL, ret_message, "Invalid backend '%s': it must be host:PORT, with a port of 1 to 65535", value);
        return asprintf(&to->text, "host:%u", to->endpoint.port) < 0 ? -ENOMEM : 0;
}

static int parse_external(const char *value, Selector *to, char **ret_message) {
        char text[ENDPOINT_STRING_MAX];
        const char *reason;
        int family;

        if (endpoint_parse(value, strlen(value), &to->endpoint, &family) < 0 || to->endpoint.port == 0)
                return say(-EINVAL, ret_message,
                           "Invalid backend '%s': it must be app:NAME, tag:KEY=VALUE, IP:PORT, [IPV6]:PORT or host:PORT", value);
        reason = address_is_loopback(&to->endpoint.address) ? "is a loopback address; for a service of the host give host:PORT"
                                                           : address_reserved_reason(&to->endpoint.address);
        if (reason)
                return say(-EINVAL, ret_message, "Invalid backend '%s': the address %s", value, reason);
        to->type = SELECTOR_EXTERNAL;
        to->text = strdup(endpoint_format(&to->endpoint, to->endpoint.address.family, text));
        return to->text ? 0 : -ENOMEM;
}

static int set_backend(ServiceSettings *s, const char *value, char **ret_message) {
        static const struct {
                const char *prefix;
                int (*parse)(const char *value, Selector *to, char **ret_message);
        } types[] = { { "app:", parse_app }, { "tag:", parse_tag }, { "host:", parse_host }, { "", parse_external } };
        Selector selector = {};
        size_t i = 0;
        int r;

        while (strncmp(value, types[i].prefix, strlen(types[i].prefix)) != 0)
                i++;
        r = types[i].parse(value, &selector, ret_message);
        if (r < 0)
                return r;
        for (i = 0; i < s->n_selectors; i++)
                if (strcmp(s->selectors[i].text, selector.text) == 0) {
                        selector_done(&selector);
                        return 0;
                }
        if (s->n_selectors >= SERVICE_SELECTORS_MAX) {
                selector_done(&selector);
                return say(-E2BIG, ret_message, "More than %i backends were given", SERVICE_SELECTORS_MAX);
        }
        s->selectors[s->n_selectors++] = selector;
        return 0;
}

static int set_strategy(ServiceSettings *s, const char *value, char **ret_message) {
        Strategy strategy = strategy_from_string(value);

        if (strategy < 0)
                return say(-EINVAL, ret_message,
                           "Invalid strategy '%s': it must be round-robin, random, least-connections or source-hash", value);
        s->strategy = strategy;
        return 0;
}

/* As systemd.syntax(7) has it. */
static int set_prefer_local(ServiceSettings *s, const char *value, char **ret_message) {
        static const char *const words[][4] = { { "no", "false", "off", "0" }, { "yes", "true", "on", "1" } };

        for (size_t yes = 0; yes < ELEMENTSOF(words); yes++)
                for (size_t i = 0; i < ELEMENTSOF(words[yes]); i++)
                        if (strcmp(words[yes][i], value) == 0) {
                                s->prefer_local = yes;
                                return 0;
                        }
        return say(-EINVAL, ret_message, "Invalid value '%s' for PreferLocal: it must be yes or no", value);
}

static int set_tag(ServiceSettings *s, const char *value, char **ret_message) {
        int r = tags_add(&s->tags, value);

        if (r == -EINVAL)
                return say(r, ret_message,
                           "Invalid tag '%s': it must be KEY=VALUE, with a key of a-z 0-9 . _ - and a value of A-Z a-z 0-9 . _ : / -, each of 1 to 63 characters",
                           value);
        if (r == -E2BIG)
                return say(r, ret_message, "More than %i tags were given", TAGS_MAX);
        return r;
}

int service_settings_set(ServiceSettings *s, ServiceKey key, const char *value, char **ret_message) {
        static int (*const setters[_SERVICE_KEY_MAX])(ServiceSettings *, const char *, char **) = {
                [SERVICE_NAME] = set_name,
                [SERVICE_ADDRESS] = set_address,
                [SERVICE_PORT] = set_port,
                [SERVICE_BACKEND] = set_backend,
                [SERVICE_STRATEGY] = set_strategy,
                [SERVICE_PREFER_LOCAL] = set_prefer_local,
                [SERVICE_TAG] = set_tag,
        };

        *ret_message = NULL;
        return setters[key](s, value, ret_message);
}

void service_settings_clear(ServiceSettings *s, ServiceKey key) {
        switch (key) {
        case SERVICE_NAME:
                s->names = strv_free(s->names);
                break;
        case SERVICE_ADDRESS:
                s->n_addresses = 0;
                break;
        case SERVICE_PORT:
                s->n_ports = 0;
                break;
        case SERVICE_BACKEND:
                while (s->n_selectors > 0)
                        selector_done(&s->selectors[--s->n_selectors]);
                break;
        case SERVICE_STRATEGY:
                s->strategy = 0;
                break;
        case SERVICE_PREFER_LOCAL:
                s->prefer_local = false;
                break;
        case SERVICE_TAG:
                tags_done(&s->tags);
                break;
        case _SERVICE_KEY_MAX:
        case _SERVICE_KEY_INVALID:
        default:
                break;
        }
}

static bool is_outside(const Selector *selector) {
        return selector->type == SELECTOR_EXTERNAL || selector->type == SELECTOR_HOST;
}

int service_settings_complete(ServiceSettings *s, const char *id, const char *default_tag, char **ret_message) {
        int r = 0;

        *ret_message = NULL;
        if (!s->names)
                r = service_settings_set(s, SERVICE_NAME, id, ret_message);
        if (r >= 0 && s->tags.n == 0)
                r = service_settings_set(s, SERVICE_TAG, default_tag, ret_message);
        if (r < 0)
                return r;
        if (s->n_ports == 0)
                return say(-EINVAL, ret_message, "No port was given");
        if (s->n_selectors == 0)
                return say(-EINVAL, ret_message, "No backend was given");
        for (size_t i = 0; i < s->n_selectors; i++) {
                const char *name = s->selectors[i].type == SELECTOR_APP ? s->selectors[i].text + strlen("app:") : NULL;
                bool serves = !is_outside(&s->selectors[i]);

                /* Easily asked for, as the id is the name if none is given. */
                if (name && strv_contains(s->names, name))
                        return say(-EINVAL, ret_message,
                                   "Backend %s would never be there: the service itself has the name %s, and so no app can; give it another name",
                                   s->selectors[i].text, name);
                for (size_t k = 0; k < s->n_ports && !serves; k++)
                        serves = service_settings_serves(s, &s->selectors[i], &s->ports[k]);
                if (!serves)
                        return say(-EINVAL, ret_message,
                                   "Backend %s would serve none of the ports: with several of them, one must be mapped to %u",
                                   s->selectors[i].text, s->selectors[i].endpoint.port);
        }
        return 0;
}

const PortMapping *service_settings_find_port(const ServiceSettings *s, uint16_t port) {
        for (size_t i = 0; i < s->n_ports; i++)
                if (s->ports[i].port == port)
                        return &s->ports[i];
        return NULL;
}

bool service_settings_serves(const ServiceSettings *s, const Selector *external, const PortMapping *mapping) {
        return s->n_ports == 1 || external->endpoint.port == mapping->backend_port;
}

bool service_settings_reach_outside(const ServiceSettings *s) {
        for (size_t i = 0; i < s->n_selectors; i++)
                if (is_outside(&s->selectors[i]))
                        return true;
        return false;
}

const char *port_mapping_format(const PortMapping *mapping, char buf[static PORT_MAPPING_STRING_MAX]) {
        if (mapping->port == mapping->backend_port)
                (void) snprintf(buf, PORT_MAPPING_STRING_MAX, "%u", mapping->port);
        else
                (void) snprintf(buf, PORT_MAPPING_STRING_MAX, "%u:%u", mapping->port, mapping->backend_port);
        return buf;
}

void service_settings_print(const ServiceSettings *s, FILE *f) {
        char address[ADDRESS_STRING_MAX], port[PORT_MAPPING_STRING_MAX];

        for (char **name = s->names; name && *name; name++)
                (void) fprintf(f, "Name=%s\n", *name);
        for (size_t i = 0; i < s->n_addresses; i++)
                (void) fprintf(f, "Address=%s\n", address_format(&s->addresses[i], address));
        for (size_t i = 0; i < s->n_ports; i++)
                (void) fprintf(f, "Port=%s\n", port_mapping_format(&s->ports[i], port));
        for (size_t i = 0; i < s->n_selectors; i++)
                (void) fprintf(f, "Backend=%s\n", s->selectors[i].text);
        (void) fprintf(f, "Strategy=%s\nPreferLocal=%s\n", strategy_to_string(s->strategy), s->prefer_local ? "yes" : "no");
        for (size_t i = 0; i < s->tags.n; i++)
                (void) fprintf(f, "Tag=%s\n", s->tags.tags[i]);
}

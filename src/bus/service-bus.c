/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <string.h>

#include "bus/service-bus.h"
#include "core/app.h"
#include "core/errors.h"

#define SERVICE_PREFIX "/io/appswitch1/service"
#define SERVICE_INTERFACE "io.appswitch1.Service"

/* For how long changes are gathered, and how many are told in one turn of the loop. */
#define CHANGED_USEC (20 * USEC_PER_MSEC)
enum { CHANGES_PER_TURN = 32 };

/*
 * An object path knows letters, digits and underscores. So dots and colons are
 * underscores, which is still one spelling for each address: that of IPv4 has
 * four parts, and IPv6 is spelled in groups of hexadecimal digits always.
 */
const char *service_bus_path(const Endpoint *at, char buf[static SERVICE_PATH_MAX]) {
        char text[ADDRESS_STRING_MAX];
        const Address *a = &at->address;
        int n;

        (void) address_format(a, text);
        /* The last 32 bits of some addresses are written as IPv4. */
        if (a->family == AF_INET6 && strchr(text, '.')) {
                int length = 0;

                for (size_t i = 0; i < sizeof(a->bytes); i += 2)
                        length += snprintf(text + length, sizeof(text) - (size_t) length, "%s%x", i > 0 ? ":" : "",
                                           a->bytes[i] << 8 | a->bytes[i + 1]);
        }
        for (char *c = text; *c; c++)
                if (*c == '.' || *c == ':')
                        *c = '_';
        n = snprintf(buf, SERVICE_PATH_MAX, SERVICE_PREFIX "/tcp_%s_%u", text, at->port);
        assert(n > 0 && n < SERVICE_PATH_MAX);
        return buf;
}

int service_bus_parse_path(const char *path, Endpoint *ret) {
        static const char head[] = SERVICE_PREFIX "/tcp_";
        char text[SERVICE_PATH_MAX], again[SERVICE_PATH_MAX], *port, *end;
        Endpoint at;
        unsigned n_parts = 1;
        unsigned long number;

        if (strncmp(path, head, strlen(head)) != 0 || strlen(path) >= sizeof(text))
                return -EINVAL;
        strcpy(text, path + strlen(head));
        port = strrchr(text, '_');
        if (!port || port == text)
                return -EINVAL;
        *port++ = '\0';
        number = strtoul(port, &end, 10);
        if (*end || number > UINT16_MAX)
                return -EINVAL;
        for (const char *c = text; *c; c++)
                n_parts += *c == '_';
        for (char *c = text; *c; c++)
                if (*c == '_')
                        *c = n_parts == 4 && !strstr(text, "__") ? '.' : ':';
        at = (Endpoint){ .port = (uint16_t) number };
        if (address_parse(text, &at.address) < 0) {
                for (char *c = text; *c; c++)
                        if (*c == '.')
                                *c = ':';
                if (address_parse(text, &at.address) < 0)
                        return -EINVAL;
        }
        /* There is one spelling. */
        if (strcmp(service_bus_path(&at, again), path) != 0)
                return -EINVAL;
        *ret = at;
        return 0;
}

static int get_protocol(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                        void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", "tcp");
}

static int get_address(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                       void *userdata, sd_bus_error *error) {
        char text[ADDRESS_STRING_MAX];

        return sd_bus_message_append(reply, "s", address_format(&((Service *) userdata)->at.address, text));
}

static int get_port(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                    void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "q", ((Service *) userdata)->at.port);
}

static int get_names(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                     void *userdata, sd_bus_error *error) {
        const Identity *identity = ((Service *) userdata)->identity;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "s");
        for (size_t i = 0; r >= 0 && identity && i < identity->n_names; i++)
                r = sd_bus_message_append(reply, "s", identity->names[i].name);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int compare_apps(const void *a, const void *b) {
        const App *x = *(const App *const *) a, *y = *(const App *const *) b;

        return x->number < y->number ? -1 : x->number > y->number;
}

/* Each app once, though it may have several listeners; the oldest one first. */
static int get_backends(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                        void *userdata, sd_bus_error *error) {
        const Service *s = userdata;
        _cleanup_free_ const App **apps = calloc(s->n_members + 1, sizeof(*apps));
        size_t n = 0;
        int r;

        if (!apps)
                return -ENOMEM;
        for (const ServiceMember *member = s->members; member; member = member->next)
                apps[n++] = member->listener->trap->userdata;
        qsort(apps, n, sizeof(*apps), compare_apps);
        r = sd_bus_message_open_container(reply, 'a', "s");
        for (size_t i = 0; r >= 0 && i < n; i++)
                if (i == 0 || apps[i] != apps[i - 1])
                        r = sd_bus_message_append(reply, "s", apps[i]->id);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_strategy(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                        void *userdata, sd_bus_error *error) {
        const Identity *identity = ((Service *) userdata)->identity;

        return sd_bus_message_append(reply, "s", strategy_to_string(identity ? identity->strategy : STRATEGY_ROUND_ROBIN));
}

static int get_counter(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                       void *userdata, sd_bus_error *error) {
        const Service *s = userdata;

        return sd_bus_message_append(reply, "t", strcmp(property, "NRefused") == 0 ? s->n_refused : s->n_connections);
}

static const sd_bus_vtable service_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Protocol", "s", get_protocol, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Address", "s", get_address, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Port", "q", get_port, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Names", "as", get_names, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Backends", "as", get_backends, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Strategy", "s", get_strategy, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("NConnections", "t", get_counter, 0, 0),
        SD_BUS_PROPERTY("NRefused", "t", get_counter, 0, 0),
        SD_BUS_VTABLE_END,
};

static Service *find(Manager *m, const char *path) {
        Service *s;
        Endpoint at;

        s = service_bus_parse_path(path, &at) < 0 ? NULL : service_table_find(&m->service_table, &at);
        return s && s->n_members > 0 ? s : NULL;
}

static int service_find(sd_bus *bus, const char *path, const char *interface, void *userdata, void **found,
                        sd_bus_error *error) {
        *found = find(userdata, path);
        return *found != NULL;
}

static int service_enumerate(sd_bus *bus, const char *prefix, void *userdata, char ***ret, sd_bus_error *error) {
        const ServiceTable *t = &((Manager *) userdata)->service_table;
        char **paths = calloc(HASH_COUNT(t->services) + 1, sizeof(char *)), buf[SERVICE_PATH_MAX];
        size_t n = 0;

        if (!paths)
                return -ENOMEM;
        for (const Service *s = t->services; s; s = s->hh.next)
                if (s->n_members > 0 && (paths[n] = strdup(service_bus_path(&s->at, buf))))
                        n++;
        *ret = paths;
        return 1;
}

int service_bus_add(Manager *m) {
        Service *s;
        int r;

        /* Who hears of the new daemon reads anew what there is. */
        while ((s = service_table_next_change(&m->service_table)))
                service_table_settle(&m->service_table, s);
        r = sd_bus_add_fallback_vtable(m->bus, NULL, SERVICE_PREFIX, SERVICE_INTERFACE, service_vtable, service_find, m);
        if (r < 0)
                return r;
        return sd_bus_add_node_enumerator(m->bus, NULL, SERVICE_PREFIX, service_enumerate, m);
}

int method_get_service(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        char path[SERVICE_PATH_MAX];
        const char *protocol, *text;
        uint16_t port;
        Endpoint at;
        int r;

        r = sd_bus_message_read(m, "ssq", &protocol, &text, &port);
        if (r < 0)
                return r;
        if (strcmp(protocol, "tcp") != 0)
                return sd_bus_error_setf(error, ERROR_INVALID_ARGUMENT, "Invalid protocol '%s': it must be tcp", protocol);
        if (address_parse(text, &at.address) < 0)
                return sd_bus_error_setf(error, ERROR_INVALID_ADDRESS,
                                         "Invalid address '%s': it is neither an IPv4 nor an IPv6 address", text);
        at.port = port;
        (void) service_bus_path(&at, path);
        if (!find(userdata, path))
                return sd_bus_error_setf(error, ERROR_NO_SUCH_SERVICE, "No app listens on port %u of %s", port, text);
        return sd_bus_reply_method_return(m, "o", path);
}

static void emit(Manager *m, const Service *s, const char *path, const char *signal) {
        char text[ADDRESS_STRING_MAX];

        (void) sd_bus_emit_signal(m->bus, "/io/appswitch1", "io.appswitch1.Manager", signal, "ssqo", "tcp",
                                  address_format(&s->at.address, text), s->at.port, path);
}

static void tell(Manager *m, const Service *s) {
        char path[SERVICE_PATH_MAX];

        (void) service_bus_path(&s->at, path);
        if (s->n_members == 0) {
                emit(m, s, path, "ServiceRemoved");
                (void) sd_bus_emit_interfaces_removed(m->bus, path, SERVICE_INTERFACE, NULL);
        } else if (s->announced)
                (void) sd_bus_emit_properties_changed(m->bus, path, SERVICE_INTERFACE, "Backends", NULL);
        else {
                (void) sd_bus_emit_interfaces_added(m->bus, path, SERVICE_INTERFACE, NULL);
                emit(m, s, path, "ServiceNew");
        }
}

static int on_changed(sd_event_source *source, uint64_t usec, void *userdata) {
        Manager *m = userdata;
        Service *s;

        for (unsigned i = 0; i < CHANGES_PER_TURN && (s = service_table_next_change(&m->service_table)); i++) {
                tell(m, s);
                service_table_settle(&m->service_table, s);
        }
        if (service_table_next_change(&m->service_table))
                service_bus_changed(m);
        return 0;
}

void service_bus_changed(Manager *m) {
        /* It is told of by itself: nobody else cancels it, and it lives no longer than the loop. */
        (void) sd_event_add_time_relative(m->event, NULL, CLOCK_MONOTONIC, CHANGED_USEC, 0, on_changed, m);
}

void service_bus_refused(Manager *m, const Refusal *refusal) {
        char text[ADDRESS_STRING_MAX];

        (void) sd_bus_emit_signal(m->bus, "/io/appswitch1", "io.appswitch1.Manager", "ConnectionRefused", "sssqs",
                                  refusal->client->id, refusal->server ? refusal->server->id : "",
                                  address_format(&refusal->to->address, text), refusal->to->port, refusal->reason);
}

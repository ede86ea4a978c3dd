/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

#include "basic/text.h"
#include "bus/bound.h"
#include "core/app.h"
#include "core/errors.h"
#include "model/members.h"
#include "model/virtual-service.h"

enum {
        ANSWER_SIZE_MAX = 24 * 1024 * 1024,
        OBJECT_SIZE = 1536, /* names of interfaces and properties, and all values of a bounded length */
        WORD_SIZE = 8,      /* of a string, besides the text */
        LISTENER_SIZE = 64,
        PORTS_SIZE = 16, /* ":10000-20000" of a rule of egress */
        SERVICE_SIZE = 64, /* in a list of services */
};

static size_t size_of_words(char *const *words) {
        size_t size = 0;

        for (; words && *words; words++)
                size += strlen(*words) + WORD_SIZE;
        return size;
}

static size_t size_of_names(const Identity *identity) {
        size_t size = 0;

        for (size_t i = 0; identity && i < identity->n_names; i++)
                size += strlen(identity->names[i].name) + WORD_SIZE;
        return size;
}

static size_t size_of_outside(const App *app) {
        size_t size = app->n_exposes * (EXPOSE_STRING_MAX + WORD_SIZE) + app->expose_from.n * (NETWORK_STRING_MAX + WORD_SIZE);

        for (size_t i = 0; i < app->egress.n; i++) {
                const EgressItem *item = &app->egress.items[i];

                size += (item->name ? strlen(item->name) : (size_t) NETWORK_STRING_MAX) + PORTS_SIZE + WORD_SIZE;
        }
        return size;
}

static size_t size_of_app(const App *app) {
        return OBJECT_SIZE + 4 * strlen(app->id) + size_of_names(app->party.identity) + size_of_words(app->party.tags.tags) +
               size_of_outside(app) + size_of_words(app->argv) + (app->trap ? app->trap->n_listeners * (size_t) LISTENER_SIZE : 0);
}

static size_t size_of_virtual_service(const VirtualService *service) {
        const ServiceSettings *s = &service->settings;
        size_t size = OBJECT_SIZE + size_of_words(s->names) + size_of_words(s->tags.tags) +
                      s->n_ports * PORT_MAPPING_STRING_MAX;

        for (size_t i = 0; i < s->n_selectors; i++)
                size += strlen(s->selectors[i].text) + WORD_SIZE;
        for (const Membership *m = service->members; m; m = m->next)
                size += strlen(m->party->id) + WORD_SIZE;
        return size;
}

/* As far as it matters: no more is looked at than makes an answer too long. */
static size_t size_of_services(const Manager *m, size_t size, bool objects) {
        for (const Service *s = m->service_table.services; s && size <= ANSWER_SIZE_MAX; s = s->hh.next) {
                size += objects ? OBJECT_SIZE + size_of_names(s->identity) : SERVICE_SIZE;
                for (const ServiceMember *member = s->members; member && size <= ANSWER_SIZE_MAX; member = member->next)
                        size += strlen(member->listener->trap->party->id) + WORD_SIZE;
        }
        return size;
}

static size_t size_of_all(const Manager *m) {
        size_t size = 0;

        for (const App *app = m->apps; app && size <= ANSWER_SIZE_MAX; app = app->hh.next)
                size += size_of_app(app);
        for (const VirtualService *s = m->directory.services; s && size <= ANSWER_SIZE_MAX; s = s->hh.next)
                size += size_of_virtual_service(s);
        return size_of_services(m, size, true);
}

static int on_message(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        if (sd_bus_message_is_method_call(message, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects") <= 0 ||
            size_of_all(userdata) <= ANSWER_SIZE_MAX)
                return 0;
        return sd_bus_error_setf(error, ERROR_LIMIT_REACHED,
                                 "There are too many objects for one answer; list apps, services and virtual services, and get what is wanted of each");
}

int bound_add(Manager *m) {
        return sd_bus_add_filter(m->bus, NULL, on_message, m);
}

bool bound_exceeds_services(Manager *m, sd_bus_error *error) {
        if (size_of_services(m, 0, false) <= ANSWER_SIZE_MAX)
                return false;
        (void) sd_bus_error_setf(error, ERROR_LIMIT_REACHED, "There are too many services for one answer; get those of each app");
        return true;
}

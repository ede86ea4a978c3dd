/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bus/names-bus.h"

int names_bus_append_addresses(sd_bus_message *reply, const Identity *identity) {
        char text[ADDRESS_STRING_MAX];
        int r;

        r = sd_bus_message_open_container(reply, 'a', "s");
        for (size_t i = 0; r >= 0 && i < identity->n_addresses; i++)
                r = sd_bus_message_append(reply, "s", address_format(&identity->addresses[i].address, text));
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_apps(sd_bus_message *reply, const Identity *identity) {
        int r;

        r = sd_bus_message_open_container(reply, 'a', "s");
        for (const Party *p = identity->parties; r >= 0 && p; p = p->next)
                r = sd_bus_message_append(reply, "s", p->id);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_name(sd_bus_message *reply, const NameEntry *e) {
        int r;

        r = sd_bus_message_open_container(reply, 'r', "sasasu");
        if (r >= 0)
                r = sd_bus_message_append(reply, "s", e->name);
        if (r >= 0)
                r = names_bus_append_addresses(reply, e->identity);
        if (r >= 0)
                r = append_apps(reply, e->identity);
        if (r >= 0)
                r = sd_bus_message_append(reply, "u", (uint32_t) e->identity->owner);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

int method_list_names(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const Manager *manager = userdata;
        int r;

        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(sasasu)");
        for (const NameEntry *e = manager->directory.by_name; r >= 0 && e; e = e->hh.next)
                r = append_name(reply, e);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

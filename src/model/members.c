/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "model/members.h"
#include "model/name.h"

/* A service that selects by this key. */
typedef struct Selection {
        VirtualService *service;
        struct Selection *prev, *next;
} Selection;

typedef struct Selected {
        char *text; /* the key: "app:web", "tag:zone=shop" */
        Selection *selections; /* utlist */
        UT_hash_handle hh;
} Selected;

/* "app:" or "tag:" and what follows. */
enum { SELECTED_TEXT_MAX = 4 + NAME_MAX_LENGTH + TAG_KEY_MAX + 1 + TAG_VALUE_MAX + 1 };

static bool selects_apps(const Selector *selector) {
        return selector->type == SELECTOR_APP || selector->type == SELECTOR_TAG;
}

static int select_add(Directory *d, VirtualService *service, const char *text) {
        Selection *selection = calloc(1, sizeof(*selection));
        Selected *selected;

        if (!selection)
                return -ENOMEM;
        selection->service = service;
        HASH_FIND_STR(d->selected, text, selected);
        if (!selected) {
                selected = calloc(1, sizeof(*selected));
                if (selected)
                        selected->text = strdup(text);
                if (!selected || !selected->text) {
                        free(selected);
                        free(selection);
                        return -ENOMEM;
                }
                HASH_ADD_KEYPTR(hh, d->selected, selected->text, strlen(selected->text), selected);
        }
        DL_APPEND(selected->selections, selection);
        return 0;
}

static void select_remove(Directory *d, VirtualService *service, const char *text) {
        Selection *selection;
        Selected *selected;

        HASH_FIND_STR(d->selected, text, selected);
        if (!selected)
                return;
        DL_SEARCH_SCALAR(selected->selections, selection, service, service);
        if (selection) {
                DL_DELETE(selected->selections, selection);
                free(selection);
        }
        if (selected->selections)
                return;
        HASH_DELETE(hh, d->selected, selected);
        free(selected->text);
        free(selected);
}

static void changed(Directory *d, VirtualService *service) {
        if (d->members_changed)
                d->members_changed(service, d->members_userdata);
}

/* The first backend of the party on this port; its others follow. */
static Backend *first_backend(const Party *party, uint16_t number) {
        ServicePort *port = identity_find_port(party->identity, number);
        Backend *b = port ? port->backends : NULL;

        while (b && b->party != party)
                b = b->next;
        return b;
}

static void member_port_set(VirtualService *service, size_t i, MemberPort *port, Backend *backends) {
        if (!port->backends && backends)
                DL_APPEND(service->ready[i], port);
        else if (port->backends && !backends)
                DL_DELETE(service->ready[i], port);
        port->backends = backends;
}

static Membership *membership_new(VirtualService *service, Party *party) {
        const size_t n = service->settings.n_ports;
        Membership *m = calloc(1, sizeof(*m) + n * sizeof(m->ports[0]));

        if (!m)
                return NULL;
        m->service = service;
        m->party = party;
        DL_APPEND(service->members, m);
        service->n_members++;
        DL_APPEND2(party->memberships, m, prev_of_party, next_of_party);
        for (size_t i = 0; i < n; i++) {
                m->ports[i].membership = m;
                member_port_set(service, i, &m->ports[i], first_backend(party, service->settings.ports[i].backend_port));
        }
        return m;
}

static void membership_free(Membership *m) {
        VirtualService *service = m->service;

        for (size_t i = 0; i < service->settings.n_ports; i++)
                member_port_set(service, i, &m->ports[i], NULL);
        DL_DELETE2(m->party->memberships, m, prev_of_party, next_of_party);
        DL_DELETE(service->members, m);
        service->n_members--;
        free(m);
}

/* Makes the party a member of all that select by this key, or notes that it stays one. */
static int join_selected(Directory *d, Party *party, const char *type, const char *value) {
        char text[SELECTED_TEXT_MAX];
        Selection *selection;
        Selected *selected;

        (void) snprintf(text, sizeof(text), "%s%s", type, value);
        HASH_FIND_STR(d->selected, text, selected);
        if (!selected)
                return 0;
        DL_FOREACH(selected->selections, selection) {
                VirtualService *service = selection->service;

                if (!service->found) {
                        service->found = membership_new(service, party);
                        if (!service->found)
                                return -ENOMEM;
                        changed(d, service);
                }
                service->found->keep = true;
        }
        return 0;
}

int members_update_party(Directory *d, Party *party) {
        Membership *m, *next;
        int r = 0;

        if (!d->selected && !party->memberships)
                return 0;
        DL_FOREACH2(party->memberships, m, next_of_party) {
                m->keep = false;
                m->service->found = m;
        }
        for (size_t i = 0; r >= 0 && i < party->identity->n_names; i++)
                r = join_selected(d, party, "app:", party->identity->names[i].name);
        for (size_t i = 0; r >= 0 && i < party->tags.n; i++)
                r = join_selected(d, party, "tag:", party->tags.tags[i]);
        DL_FOREACH_SAFE2(party->memberships, m, next, next_of_party) {
                m->service->found = NULL;
                if (m->keep || r < 0)
                        continue;
                changed(d, m->service);
                membership_free(m);
        }
        return r;
}

int members_add_party(Directory *d, Party *party) {
        int r = members_update_party(d, party);

        if (r < 0)
                members_remove_party(d, party);
        return r;
}

void members_remove_party(Directory *d, Party *party) {
        while (party->memberships) {
                VirtualService *service = party->memberships->service;

                membership_free(party->memberships);
                changed(d, service);
        }
}

void members_update_port(Party *party, uint16_t number) {
        Backend *first;
        Membership *m;

        if (!party->memberships)
                return;
        first = first_backend(party, number);
        DL_FOREACH2(party->memberships, m, next_of_party)
                for (size_t i = 0; i < m->service->settings.n_ports; i++)
                        if (m->service->settings.ports[i].backend_port == number)
                                member_port_set(m->service, i, &m->ports[i], first);
}

/* Whether a party is one that the service selects. */
static bool is_selected(const VirtualService *service, const Party *party) {
        for (size_t i = 0; i < service->settings.n_selectors; i++) {
                const Selector *selector = &service->settings.selectors[i];
                const char *value = selector->text + 4;

                if (selector->type == SELECTOR_APP && identity_has_name(party->identity, value))
                        return true;
                if (selector->type == SELECTOR_TAG && tags_contain(&party->tags, value))
                        return true;
        }
        return false;
}

int members_add_service(Directory *d, VirtualService *service) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < service->settings.n_selectors; i++)
                if (selects_apps(&service->settings.selectors[i]))
                        r = select_add(d, service, service->settings.selectors[i].text);
        for (AddressEntry *entry = d->by_address; r >= 0 && entry; entry = entry->hh.next) {
                const Identity *identity = entry->identity;

                if (entry != &identity->addresses[0]) /* each identity once */
                        continue;
                for (Party *party = identity->parties; r >= 0 && party; party = party->next)
                        if (is_selected(service, party) && !membership_new(service, party))
                                r = -ENOMEM;
        }
        if (r < 0)
                members_remove_service(d, service);
        return r;
}

void members_remove_service(Directory *d, VirtualService *service) {
        while (service->members)
                membership_free(service->members);
        for (size_t i = 0; i < service->settings.n_selectors; i++)
                if (selects_apps(&service->settings.selectors[i]))
                        select_remove(d, service, service->settings.selectors[i].text);
}

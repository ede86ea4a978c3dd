/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <string.h>

#include "basic/text.h"
#include "bus/rights.h"
#include "core/app.h"
#include "model/name.h"

/*
 * Each call asks for all that it uses, in the order of strictness: who is
 * authenticated for the first of them that wants a password is for the others,
 * see caller_authorize_all(). The prompt therefore describes the whole call.
 */

/* For rules, in polkit's own form: keys and values, ended with NULL. */
typedef struct Details {
        const char *words[2 * 16 + 1];
} Details;

enum { WHAT_MAX = 256 }; /* of what was asked for in an error */

typedef struct Asked {
        CallerAction actions[CALLER_ACTIONS_MAX];
        Details details[CALLER_ACTIONS_MAX];
        char what[CALLER_ACTIONS_MAX][WHAT_MAX];
        size_t n;
} Asked;

static void details_set(Details *d, const char *key, const char *value) {
        size_t i = 0;

        while (d->words[i] && strcmp(d->words[i], key) != 0)
                i += 2;
        assert(i + 2 < ELEMENTSOF(d->words));
        d->words[i] = key;
        d->words[i + 1] = value;
}

/* Adds an action. The details that are returned may still be changed. */
static Details *_printf_(4, 5) ask(Asked *asked, const char *action, const Details *details, const char *format, ...) {
        char *what = asked->what[asked->n];
        Details *d = &asked->details[asked->n];
        va_list ap;
        int l;

        va_start(ap, format);
        l = vsnprintf(what, WHAT_MAX, format, ap);
        va_end(ap);
        /* Tags may be many. What is cut is cut visibly. */
        if (l >= WHAT_MAX)
                memcpy(what + utf8_prefix(what, WHAT_MAX - sizeof("…")), "…", sizeof("…"));
        *d = *details;
        asked->actions[asked->n++] = (CallerAction){ .action = action, .what = what, .details = d->words };
        return d;
}

/* "198.18.0.1 fd00::1"; "" for none. */
static char *join_addresses(const Address *addresses, size_t n) {
        char text[ADDRESS_STRING_MAX];
        char *s = calloc(n + 1, sizeof(text));

        for (size_t i = 0; s && i < n; i++) {
                if (i > 0)
                        strcat(s, " ");
                strcat(s, address_format(&addresses[i], text));
        }
        return s;
}

/* All names of an app; "" for none. */
static char *join_names(const App *app) {
        const Identity *identity = app->party.identity;
        const char *names[IDENTITY_NAMES_MAX + 1] = {};

        for (size_t i = 0; i < identity->n_names; i++)
                names[i] = identity->names[i].name;
        return strv_join((char *const *) names, " ");
}

/* Those of the tags that are not free for everybody who may run apps. */
static char *join_foreign_tags(const Tags *tags, const char *default_tag) {
        _cleanup_free_ char **foreign = calloc(tags->n + 1, sizeof(char *));
        size_t n = 0;

        if (!foreign)
                return NULL;
        for (size_t i = 0; i < tags->n; i++)
                if (strcmp(tags->tags[i], default_tag) != 0)
                        foreign[n++] = tags->tags[i];
        return strv_join(foreign, " ");
}

/* An identity that is claimed but is another user's app's, and how it was called. */
static const Identity *find_foreign(Manager *m, const Caller *caller, const Claims *claims,
                                    char ret_what[static WHAT_MAX]) {
        char text[ADDRESS_STRING_MAX];

        for (char *const *name = claims->names; name && *name; name++) {
                const Identity *i = directory_find_name(&m->directory, *name);

                if (i && !i->service && i->owner != caller->uid) {
                        (void) snprintf(ret_what, WHAT_MAX, "name %s", *name);
                        return i;
                }
        }
        for (size_t k = 0; k < claims->n_addresses; k++) {
                const Identity *i = directory_find_address(&m->directory, &claims->addresses[k]);

                if (i && !i->service && i->owner != caller->uid) {
                        (void) snprintf(ret_what, WHAT_MAX, "address %s", address_format(&claims->addresses[k], text));
                        return i;
                }
        }
        return NULL;
}

/* What of the outside is claimed; strings are to be freed. */
typedef struct OutsideWords {
        char *expose, *ports, *from, *egress;
} OutsideWords;

static void outside_words_done(OutsideWords *w) {
        free(w->expose);
        free(w->ports);
        free(w->from);
        free(w->egress);
}

static char *join_and_free(char **v) {
        char *s = v ? strv_join(v, " ") : NULL;

        strv_free(v);
        return s;
}

/* Returns 0 or -ENOMEM. */
static int outside_words(Manager *m, const OutsideOptions *o, OutsideWords *ret) {
        *ret = (OutsideWords){
                .expose = outside_options_join_exposes(o),
                .ports = outside_options_join_host_ports(o),
                .from = join_and_free(networks_to_strv(o->has_expose_from ? &o->expose_from : &m->config.expose_from)),
                .egress = join_and_free(egress_to_strv(o->has_egress ? &o->egress : &m->config.egress)),
        };
        return ret->expose && ret->ports && ret->from && ret->egress ? 0 : -ENOMEM;
}

/* For who is asked for the password: only what is there is spoken of. polkit puts the details in. */
static char *run_message(const Claims *claims, bool has_names, bool has_addresses, bool asks_egress) {
        char *s;

        if (asprintf(&s, "Authentication is required to run '$(command)' as an app%s%s with the %s%stags $(tags)%s%s.",
                     claims->user ? " of the user '$(user)'" : "", claims->group ? " in the group '$(group)'" : "",
                     has_names ? "name $(names), the " : "", has_addresses ? "addresses $(addresses), the " : "",
                     claims->outside->n_exposes > 0 ? ", exposed as $(expose) to $(expose_from)" : "",
                     asks_egress ? ", with a way out to $(egress)" : "") < 0)
                return NULL;
        return s;
}

int rights_run(Manager *m, sd_bus_message *message, const Caller *caller, const Claims *claims, size_t size,
               CallerCallback callback, void *userdata, sd_bus_destroy_t destroy, uid_t *ret_owner) {
        const Tags default_tags = { .tags = (char *[]){ m->config.default_tag, NULL }, .n = 1 };
        const Tags *tags = claims->tags->n > 0 ? claims->tags : &default_tags;
        const bool asks_egress = outside_options_asks_egress(claims->outside, &m->config.egress);
        _cleanup_free_ char *names = strv_join(claims->names, " "), *all_tags = strv_join(tags->tags, " "),
                            *addresses = join_addresses(claims->addresses, claims->n_addresses),
                            *foreign_tags = join_foreign_tags(tags, m->config.default_tag),
                            *prompt = run_message(claims, claims->names && *claims->names, claims->n_addresses > 0,
                                                  asks_egress);
        _cleanup_(outside_words_done) OutsideWords outside;
        char user[16], owner[16], what[WHAT_MAX];
        const Identity *foreign = NULL;
        Asked asked = {};
        Details *d, all = {};

        if (outside_words(m, claims->outside, &outside) < 0 || !names || !all_tags || !addresses || !foreign_tags || !prompt) {
                if (destroy)
                        destroy(userdata);
                return -ENOMEM;
        }
        (void) snprintf(user, sizeof(user), "%u", caller->uid);
        details_set(&all, "user", claims->user ?: user);
        details_set(&all, "group", claims->group ?: "");
        details_set(&all, "name", claims->names && *claims->names ? *claims->names : "");
        details_set(&all, "names", names);
        details_set(&all, "addresses", addresses);
        details_set(&all, "tags", all_tags);
        details_set(&all, "command", claims->command);
        details_set(&all, "expose", outside.expose);
        details_set(&all, "ports", outside.ports);
        details_set(&all, "expose_from", claims->outside->n_exposes > 0 ? outside.from : "");
        details_set(&all, "egress", outside.egress);
        /* No detail of ours: what polkit shows instead of the message of the action. */
        details_set(&all, "polkit.message", prompt);

        if (claims->user || claims->group)
                (void) ask(&asked, "io.appswitch1.run-app-as", &all, "to run an app as user '%s'%s%s%s",
                           claims->user ?: user, claims->group ? " in group '" : "", claims->group ?: "",
                           claims->group ? "'" : "");
        /* As whom it would run if not as the caller is not known yet: directory_join() decides then. */
        if (caller->uid != 0 && !claims->user)
                foreign = find_foreign(m, caller, claims, what);
        if (foreign) {
                (void) snprintf(owner, sizeof(owner), "%u", foreign->owner);
                d = ask(&asked, "io.appswitch1.manage-apps", &all, "to join the %s, which belongs to an app of user %s",
                        what, owner);
                details_set(d, "user", owner);
                details_set(d, "app", foreign->parties ? foreign->parties->id : "");
                details_set(d, "verb", "join");
        }
        if (claims->outside->n_exposes > 0)
                (void) ask(&asked,
                           outside_options_are_privileged(claims->outside) ? "io.appswitch1.expose-privileged"
                                                                           : "io.appswitch1.expose",
                           &all, "to expose %s", outside.expose);
        if (asks_egress)
                (void) ask(&asked, "io.appswitch1.egress", &all, "to have a way out to %s", outside.egress);
        if (claims->n_addresses > 0)
                (void) ask(&asked, "io.appswitch1.claim-address", &all, "to claim the address %s", addresses);
        if (*foreign_tags) {
                d = ask(&asked, "io.appswitch1.join-tag", &all, "to join %s", foreign_tags);
                details_set(d, "tags", foreign_tags);
        }
        if (!claims->user && !claims->group)
                (void) ask(&asked, "io.appswitch1.run-app", &all, "to run an app");
        if (*names)
                (void) ask(&asked, "io.appswitch1.claim-name", &all, "to claim the name %s", names);
        *ret_owner = foreign ? foreign->owner : caller->uid;
        return caller_authorize_all(message, caller, asked.actions, asked.n, size, callback, userdata, destroy);
}

int rights_manage(const App *app, sd_bus_message *message, const Caller *caller, const char *verb, const Tags *tags,
                  CallerCallback callback, void *userdata, sd_bus_destroy_t destroy) {
        _cleanup_free_ char *new_tags = tags ? join_foreign_tags(tags, app->manager->config.default_tag) : strdup("");
        _cleanup_free_ char *names = join_names(app), *prompt = NULL;
        Details details = {};
        Asked asked = {};
        char owner[16];

        if (!new_tags || !names ||
            asprintf(&prompt, "Authentication is required to %s the app $(app) of the user $(user)%s.", verb,
                     *new_tags ? ", with the tags $(tags) anew" : "") < 0) {
                prompt = NULL;
                if (destroy)
                        destroy(userdata);
                return -ENOMEM;
        }
        (void) snprintf(owner, sizeof(owner), "%u", app->owner_uid);
        details_set(&details, "user", owner);
        details_set(&details, "app", app->id);
        details_set(&details, "name", app_name(app));
        details_set(&details, "names", names);
        details_set(&details, "tags", new_tags);
        details_set(&details, "verb", verb);
        details_set(&details, "polkit.message", prompt);
        if (caller->uid != app->owner_uid)
                (void) ask(&asked, "io.appswitch1.manage-apps", &details, "to %s app %s of user %s", verb, app->id, owner);
        if (*new_tags)
                (void) ask(&asked, "io.appswitch1.join-tag", &details, "to join %s", new_tags);
        return caller_authorize_all(message, caller, asked.actions, asked.n, 0, callback, userdata, destroy);
}

static char *join_ports(const ServiceSettings *s) {
        _cleanup_strv_ char **v = NULL;
        char text[PORT_MAPPING_STRING_MAX];

        for (size_t i = 0; i < s->n_ports; i++)
                if (strv_append(&v, port_mapping_format(&s->ports[i], text)) < 0)
                        return NULL;
        return strv_join(v, " ");
}

static char *join_backends(const ServiceSettings *s) {
        _cleanup_strv_ char **v = NULL;

        for (size_t i = 0; i < s->n_selectors; i++)
                if (strv_append(&v, s->selectors[i].text) < 0)
                        return NULL;
        return strv_join(v, " ");
}

/* By whatever address. */
static bool is_of_host(const Manager *m, const Selector *selector) {
        return selector->type == SELECTOR_HOST ||
                        (selector->type == SELECTOR_EXTERNAL &&
                         m->directory.is_of_host(&selector->endpoint.address, m->directory.host_userdata));
}

/* The ports of the backends that are the host's own. */
static char *join_host_ports(const Manager *m, const ServiceSettings *s) {
        _cleanup_strv_ char **v = NULL;
        char text[16];

        for (size_t i = 0; i < s->n_selectors; i++) {
                if (!is_of_host(m, &s->selectors[i]))
                        continue;
                (void) snprintf(text, sizeof(text), "%u", s->selectors[i].endpoint.port);
                if (!strv_contains(v, text) && strv_append(&v, text) < 0)
                        return NULL;
        }
        return strv_join(v, " ");
}

int rights_service(const Manager *m, sd_bus_message *message, const Caller *caller, const ServiceClaims *claims, size_t size,
                   CallerCallback callback, void *userdata, sd_bus_destroy_t destroy) {
        const ServiceSettings *s = claims->settings;
        _cleanup_free_ char *addresses = join_addresses(s->addresses, s->n_addresses), *ports = join_ports(s),
                            *backends = join_backends(s), *host_ports = join_host_ports(m, s),
                            *names = strv_join(s->names, " "), *tags = strv_join(s->tags.tags, " ");
        Details details = {};
        Asked asked = {};
        char owner[16];

        if (!addresses || !ports || !backends || !host_ports || !names || !tags) {
                if (destroy)
                        destroy(userdata);
                return -ENOMEM;
        }
        (void) snprintf(owner, sizeof(owner), "%u", (unsigned) claims->owner);
        details_set(&details, "verb", claims->verb);
        details_set(&details, "id", claims->id);
        details_set(&details, "user", owner);
        details_set(&details, "names", names);
        details_set(&details, "addresses", addresses);
        details_set(&details, "ports", ports);
        details_set(&details, "backends", backends);
        details_set(&details, "tags", tags);
        details_set(&details, "external", service_settings_reach_outside(s) ? "yes" : "no");
        details_set(&details, "host-ports", host_ports);
        details_set(&details, "persistent", claims->persistent ? "yes" : "no");
        if (claims->takes && (*host_ports || strv_contains(s->names, NAME_HOST)))
                (void) ask(&asked, "io.appswitch1.manage-host-services", &details, "to %s a virtual service of the host itself",
                           claims->verb);
        (void) ask(&asked, "io.appswitch1.manage-virtual-services", &details, "to %s virtual service '%s'", claims->verb,
                   claims->id);
        return caller_authorize_all(message, caller, asked.actions, asked.n, size, callback, userdata, destroy);
}

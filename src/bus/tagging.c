/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

#include "basic/text.h"
#include "bus/rights.h"
#include "bus/tagging.h"
#include "core/cut.h"
#include "core/errors.h"
#include "model/route.h"
#include "model/virtual-service.h"

enum { TAG_SHOWN_MAX = TAG_KEY_MAX + TAG_VALUE_MAX + 2 }; /* of one that is none */

/* A change of tags that waits for its authorization. */
typedef struct Tagging {
        Manager *manager;
        char *id;
        Tags tags;
        Tags anew; /* those that the app had not when it was asked for */
        bool cut;
        sd_bus_message *message; /* while connections are cut */
} Tagging;

static void tagging_free(void *p) {
        Tagging *t = p;

        if (!t)
                return;
        tags_done(&t->tags);
        tags_done(&t->anew);
        sd_bus_message_unref(t->message);
        free(t->id);
        free(t);
}

static void tagging_freep(Tagging **t) {
        tagging_free(*t);
}

int tagging_add(Tags *tags, const char *tag, sd_bus_error *error) {
        int r;

        r = tags_add(tags, tag);
        if (r == -EINVAL)
                return sd_bus_error_setf(error, ERROR_INVALID_TAG,
                                         "Invalid tag '%.*s': it must be KEY=VALUE, with a key of a-z 0-9 . _ - and a value of A-Z a-z 0-9 . _ : / -, each of 1 to 63 characters",
                                         (int) utf8_prefix(tag, TAG_SHOWN_MAX), tag);
        if (r == -E2BIG)
                return sd_bus_error_setf(error, ERROR_INVALID_TAG, "More than %i tags were given", TAGS_MAX);
        return r;
}

static int read_tags(sd_bus_message *m, Tags *ret, sd_bus_error *error) {
        const char *tag;
        size_t n = 0;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "s");
        while (r >= 0 && (r = sd_bus_message_read_basic(m, 's', &tag)) > 0) {
                /* Also of one tag: what is read here is read at once. */
                if (++n > TAGS_MAX)
                        return sd_bus_error_setf(error, ERROR_INVALID_TAG, "More than %i tags were given", TAGS_MAX);
                r = tagging_add(ret, tag, error);
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r >= 0 && ret->n == 0)
                return sd_bus_error_set(error, ERROR_INVALID_TAG, "No tag was given: an app has at least one");
        return r;
}

/* The tags that the app is to have and has not. Returns 0 or -ENOMEM. */
static int find_new(const App *app, const Tags *tags, Tags *ret) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < tags->n; i++)
                if (!tags_contain(&app->party.tags, tags->tags[i]))
                        r = tags_add(ret, tags->tags[i]);
        return r;
}

static void reply_no_such_app(sd_bus_message *m, const char *id) {
        (void) sd_bus_reply_method_errorf(m, ERROR_NO_SUCH_APP, "There is no app '%s'", id);
}

/*
 * Whether a virtual service that the server is behind leads the client to it:
 * this one, at the port that he has connected to, or (NULL) any.
 */
static bool may_by_service(const Directory *d, const Party *client, const Party *server, const CensusConnection *c,
                           const VirtualService *only) {
        PolicyDecision decision;

        for (const Membership *m = server->memberships; m; m = m->next_of_party) {
                const VirtualService *service = m->service;

                if (only && service != only)
                        continue;
                for (size_t i = 0; i < service->settings.n_ports; i++) {
                        const PortMapping *mapping = &service->settings.ports[i];

                        if (mapping->backend_port == c->at.port && (!only || mapping->port == c->to.port) &&
                            route_may_connect(d, client, &service->party, mapping->port, &decision) &&
                            route_may_connect(d, &service->party, server, c->at.port, &decision))
                                return true;
                }
        }
        return false;
}

/* Whether the connection could be made now. By which address the client began one of TCP the kernel does not tell. */
static bool may_be(Directory *d, const Party *client, const Party *server, const CensusConnection *c) {
        const Identity *to = directory_find_address(d, &c->to.address);
        PolicyDecision decision;

        if (to && to->service)
                return may_by_service(d, client, server, c, to->service);
        return route_may_connect(d, client, server, c->at.port, &decision) ||
                        (c->tcp && may_by_service(d, client, server, c, NULL));
}

/* Of the app with others, what would be refused if it were made now. */
static bool is_forbidden(const App *client, const App *server, const CensusConnection *c, void *userdata) {
        const Tagging *t = userdata;

        if (!client || !server || (strcmp(client->id, t->id) != 0 && strcmp(server->id, t->id) != 0))
                return false;
        return !may_be(&t->manager->directory, &client->party, &server->party, c);
}

static void on_cut(const CutResult *result, void *userdata) {
        Tagging *t = userdata;

        if (result->error == -E2BIG)
                (void) sd_bus_reply_method_errorf(t->message, ERROR_LIMIT_REACHED,
                                                  "The tags of app %s were changed and %u connections were cut, but there are too many to look at all of them",
                                                  t->id, result->n_cut);
        else if (result->error < 0)
                (void) sd_bus_reply_method_errnof(t->message, -result->error,
                                                  "The tags of app %s were changed, but connections could not be cut: %s",
                                                  t->id, strerror(-result->error));
        else
                (void) sd_bus_reply_method_return(t->message, "");
        tagging_free(t);
}

/* The tags are changed. Takes the tagging on success. */
static int tagging_cut(Tagging *t, sd_bus_message *m) {
        int r;

        t->message = sd_bus_message_ref(m);
        r = connections_cut(t->manager, is_forbidden, on_cut, t);
        if (r < 0)
                t->message = sd_bus_message_unref(t->message);
        return r;
}

static void tagging_act(sd_bus_message *m, const Caller *caller, void *userdata) {
        Tagging **holder = userdata, *t = *holder;
        App *app = manager_find_app(t->manager, t->id);
        int r;

        if (!app) {
                reply_no_such_app(m, t->id);
                return;
        }
        /* While somebody typed his password another call may have taken tags away that this one would bring back. */
        for (size_t i = 0; i < t->tags.n; i++)
                if (!tags_contain(&app->party.tags, t->tags.tags[i]) && !tags_contain(&t->anew, t->tags.tags[i])) {
                        (void) sd_bus_reply_method_errorf(m, ERROR_CHANGED,
                                                          "The tags of app %s were changed meanwhile, and are left as they are now",
                                                          app->id);
                        return;
                }
        r = app_set_tags(app, &t->tags);
        if (r < 0)
                (void) sd_bus_reply_method_errnof(m, -r, "Failed to change the tags of app %s: %s", app->id, strerror(-r));
        else if (!t->cut)
                (void) sd_bus_reply_method_return(m, "");
        else {
                r = tagging_cut(t, m);
                if (r >= 0)
                        *holder = NULL;
                else
                        (void) sd_bus_reply_method_errnof(m, -r, "The tags of app %s were changed, but connections could not be cut: %s",
                                                          app->id, strerror(-r));
        }
}

static void destroy_holder(void *p) {
        tagging_freep(p);
        free(p);
}

static void tagging_identified(sd_bus_message *m, const Caller *caller, void *userdata) {
        Tagging **holder = userdata, *t = *holder, **next;
        App *app = manager_find_app(t->manager, t->id);
        int r;

        if (!app || app->state != APP_RUNNING) {
                reply_no_such_app(m, t->id);
                return;
        }
        next = malloc(sizeof(*next));
        if (!next || find_new(app, &t->tags, &t->anew) < 0) {
                free(next);
                (void) sd_bus_reply_method_errnof(m, ENOMEM, "Out of memory");
                return;
        }
        *next = TAKE_PTR(*holder);
        r = rights_manage(app, m, caller, "tag", &t->anew, tagging_act, next, destroy_holder);
        if (r < 0)
                (void) sd_bus_reply_method_errnof(m, -r, "Failed to ask polkit: %s", strerror(-r));
}

int tagging_set(Manager *m, sd_bus_message *message, const char *id, sd_bus_error *error) {
        _cleanup_(tagging_freep) Tagging *t = calloc(1, sizeof(*t));
        Tagging **holder;
        int cut, r;

        if (!t)
                return -ENOMEM;
        t->manager = m;
        t->id = strdup(id);
        if (!t->id)
                return -ENOMEM;
        r = read_tags(message, &t->tags, error);
        if (r >= 0)
                r = sd_bus_message_read(message, "b", &cut);
        if (r < 0)
                return r;
        t->cut = cut;
        holder = malloc(sizeof(*holder));
        if (!holder)
                return -ENOMEM;
        *holder = TAKE_PTR(t);
        r = caller_identify(message, tagging_identified, holder, destroy_holder);
        return r < 0 ? r : 1;
}

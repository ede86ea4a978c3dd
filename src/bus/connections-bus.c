/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>
#include <utlist.h>

#include "bus/caller.h"
#include "bus/connections-bus.h"
#include "bus/rights.h"
#include "core/app.h"
#include "core/cut.h"
#include "core/errors.h"

#define CONNECTION_SIGNATURE "(ssqssqssttbb)"
/* Without a password, so that nobody has to be waited for. */
#define POLKIT_TIMEOUT_USEC (10 * USEC_PER_SEC)

enum {
        LISTINGS_MAX = 256, /* under way */
        LISTINGS_PER_USER_MAX = 16,
        ENTRIES_PER_TURN = 500,
        /* A bus takes a message of 32 MiB, and turns out who sends a longer one. */
        REPLY_SIZE_MAX = 16 * 1024 * 1024,
        ENTRY_SIZE = 160, /* of all but the ids */
};

/* A ListConnections that is not answered yet. */
typedef struct Listing {
        Manager *manager;
        sd_bus_message *message, *reply;
        uid_t uid;
        bool all; /* the caller may see those of other users' apps */
        Snapshot *snapshot;
        size_t at, size;
        bool truncated;
        sd_event_source *turn;
        struct Listing *prev, *next;
} Listing;

static Listing *listings;

static void listing_free(Listing *l) {
        DL_DELETE(listings, l);
        sd_event_source_disable_unref(l->turn);
        snapshot_unref(l->snapshot);
        sd_bus_message_unref(l->reply);
        sd_bus_message_unref(l->message);
        free(l);
}

static void listing_fail(Listing *l, int error) {
        if (error == -EOPNOTSUPP)
                (void) sd_bus_reply_method_errnof(l->message, EOPNOTSUPP,
                                                  "Failed to list connections: This kernel does not list sockets (CONFIG_UNIX_DIAG, CONFIG_INET_DIAG)");
        else if (error == -EAGAIN)
                (void) sd_bus_reply_method_errorf(l->message, ERROR_LIMIT_REACHED,
                                                  "Too many calls wait for a list of connections already");
        else
                (void) sd_bus_reply_method_errnof(l->message, -error, "Failed to list connections: %s", strerror(-error));
        listing_free(l);
}

static bool is_users(const App *app, uid_t uid) {
        return app && (app->owner_uid == uid || app->uid == uid);
}

static int append_connection(Listing *l, const CensusConnection *k) {
        const App *client = manager_find_number(l->manager, k->client), *server = manager_find_number(l->manager, k->server);
        char from[ADDRESS_STRING_MAX], to[ADDRESS_STRING_MAX];
        const char *client_id = client ? client->id : "", *server_id = server ? server->id : "";

        if (!l->all && !is_users(client, l->uid) && !is_users(server, l->uid))
                return 0;
        l->size += ENTRY_SIZE + strlen(client_id) + strlen(server_id);
        if (l->size > REPLY_SIZE_MAX) {
                l->truncated = true;
                return 0;
        }
        return sd_bus_message_append(l->reply, CONNECTION_SIGNATURE, client_id, address_format(&k->from.address, from),
                                     k->from.port, server_id, address_format(&k->to.address, to), k->to.port,
                                     k->tcp ? "tcp" : "unix", census_state_to_string(k->state), k->bytes_out, k->bytes_in,
                                     (int) k->counted, (int) k->own);
}

static int listing_finish(Listing *l) {
        int r;

        r = sd_bus_message_close_container(l->reply);
        if (r >= 0)
                r = sd_bus_message_append(l->reply, "b", (int) l->truncated);
        return r < 0 ? r : sd_bus_send(NULL, l->reply, NULL);
}

static int listing_on_turn(sd_event_source *s, void *userdata) {
        Listing *l = userdata;
        int r = 0;

        for (unsigned i = 0; r >= 0 && i < ENTRIES_PER_TURN && l->at < l->snapshot->n_connections && !l->truncated; i++)
                r = append_connection(l, &l->snapshot->connections[l->at++]);
        if (r >= 0 && l->at < l->snapshot->n_connections && !l->truncated)
                return 0;
        l->truncated = l->truncated || l->snapshot->truncated;
        if (r >= 0)
                r = listing_finish(l);
        if (r < 0)
                listing_fail(l, r);
        else
                listing_free(l);
        return 0;
}

static void listing_on_snapshot(Snapshot *snapshot, int error, void *userdata) {
        Listing *l = userdata;
        int r = error;

        if (r >= 0) {
                l->snapshot = snapshot_ref(snapshot);
                r = sd_bus_message_new_method_return(l->message, &l->reply);
        }
        if (r >= 0)
                r = sd_bus_message_open_container(l->reply, 'a', CONNECTION_SIGNATURE);
        if (r >= 0)
                r = sd_event_add_defer(l->manager->event, &l->turn, listing_on_turn, l);
        if (r >= 0)
                r = sd_event_source_set_enabled(l->turn, SD_EVENT_ON);
        if (r < 0)
                listing_fail(l, r);
}

static void listing_begin(Listing *l) {
        int r;

        r = census_request(l->manager->census, CENSUS_FULL, listing_on_snapshot, l);
        if (r < 0)
                listing_fail(l, r);
}

static int listing_on_authorization(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        int authorized = 0, challenge = 0;
        Listing *l = userdata;

        if (!sd_bus_message_is_method_error(reply, NULL) && sd_bus_message_enter_container(reply, 'r', "bba{ss}") >= 0 &&
            sd_bus_message_read(reply, "bb", &authorized, &challenge) >= 0)
                l->all = authorized;
        listing_begin(l);
        return 0;
}

/* Looking needs no password: who may manage the apps of others as it is sees theirs, everybody else his own. */
static int listing_ask_polkit(Listing *l) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        sd_bus *bus = sd_bus_message_get_bus(l->message);
        int r;

        r = sd_bus_message_new_method_call(bus, &call, "org.freedesktop.PolicyKit1",
                                           "/org/freedesktop/PolicyKit1/Authority",
                                           "org.freedesktop.PolicyKit1.Authority", "CheckAuthorization");
        if (r >= 0)
                r = sd_bus_message_append(call, "(sa{sv})sa{ss}us", "system-bus-name", 1, "name", "s",
                                          sd_bus_message_get_sender(l->message), "io.appswitch1.manage-apps", 1, "verb",
                                          "list-connections", 0, "");
        return r < 0 ? r : sd_bus_call_async(bus, NULL, call, listing_on_authorization, l, POLKIT_TIMEOUT_USEC);
}

static bool may_list(uid_t uid) {
        unsigned n = 0, n_users = 0;
        const Listing *l;

        DL_FOREACH(listings, l) {
                n++;
                n_users += l->uid == uid;
        }
        return uid == 0 || (n < LISTINGS_MAX && n_users < LISTINGS_PER_USER_MAX);
}

static void list_identified(sd_bus_message *m, const Caller *caller, void *userdata) {
        Listing *l;

        if (!may_list(caller->uid)) {
                (void) sd_bus_reply_method_errorf(m, ERROR_LIMIT_REACHED,
                                                  "Too many calls of user %u wait for a list of connections already",
                                                  caller->uid);
                return;
        }
        l = calloc(1, sizeof(*l));
        if (!l) {
                (void) sd_bus_reply_method_errnof(m, ENOMEM, "Out of memory");
                return;
        }
        *l = (Listing){
                .manager = userdata,
                .message = sd_bus_message_ref(m),
                .uid = caller->uid,
                .all = caller->uid == 0,
        };
        DL_APPEND(listings, l);
        if (l->all || listing_ask_polkit(l) < 0)
                listing_begin(l);
}

int method_list_connections(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        int r = caller_identify(m, list_identified, userdata, NULL);

        return r < 0 ? r : 1;
}

/* A CutConnections that waits for its authorization, or is under way. */
typedef struct Cutting {
        Manager *manager;
        sd_bus_message *message; /* while it is under way */
        char *id;
} Cutting;

static void cutting_free(void *p) {
        Cutting *c = p;

        if (!c)
                return;
        sd_bus_message_unref(c->message);
        free(c->id);
        free(c);
}

static Cutting *cutting_new(Manager *m, const char *id) {
        Cutting *c = calloc(1, sizeof(*c));

        if (!c)
                return NULL;
        *c = (Cutting){ .manager = m, .id = strdup(id) };
        if (c->id)
                return c;
        free(c);
        return NULL;
}

static bool is_of_app(const App *client, const App *server, const CensusConnection *k, void *userdata) {
        const Cutting *c = userdata;

        return (client && strcmp(client->id, c->id) == 0) || (server && strcmp(server->id, c->id) == 0);
}

static void on_cut(const CutResult *result, void *userdata) {
        Cutting *c = userdata;

        if (result->error == -E2BIG)
                (void) sd_bus_reply_method_errorf(c->message, ERROR_LIMIT_REACHED,
                                                  "%u connections were cut, but there are too many to look at all of them",
                                                  result->n_cut);
        else if (result->error < 0)
                (void) sd_bus_reply_method_errnof(c->message, -result->error, "Failed to cut connections: %s",
                                                  strerror(-result->error));
        else
                (void) sd_bus_reply_method_return(c->message, "uu", result->n_cut, result->n_missed);
        cutting_free(c);
}

static void cut_act(sd_bus_message *m, const Caller *caller, void *userdata) {
        const Cutting *asked = userdata;
        Cutting *c = cutting_new(asked->manager, asked->id);
        int r;

        if (!c) {
                (void) sd_bus_reply_method_errnof(m, ENOMEM, "Out of memory");
                return;
        }
        c->message = sd_bus_message_ref(m);
        r = connections_cut(c->manager, is_of_app, on_cut, c);
        if (r == -EAGAIN)
                (void) sd_bus_reply_method_errorf(m, ERROR_LIMIT_REACHED, "Too many connections are being cut already");
        else if (r < 0)
                (void) sd_bus_reply_method_errnof(m, -r, "Failed to cut connections: %s", strerror(-r));
        if (r < 0)
                cutting_free(c);
}

/* As with Stop and Kill: who started an app may, everybody else must be authorized. */
static void cut_identified(sd_bus_message *m, const Caller *caller, void *userdata) {
        const Cutting *c = userdata;
        const App *app = manager_find_app(c->manager, c->id);
        Cutting *copy;
        int r;

        if (!app || app->state != APP_RUNNING) {
                (void) sd_bus_reply_method_errorf(m, ERROR_NO_SUCH_APP, "There is no app '%s'", c->id);
                return;
        }
        copy = cutting_new(c->manager, c->id);
        if (!copy) {
                (void) sd_bus_reply_method_errnof(m, ENOMEM, "Out of memory");
                return;
        }
        r = rights_manage(app, m, caller, "cut", NULL, cut_act, copy, cutting_free);
        if (r < 0)
                (void) sd_bus_reply_method_errnof(m, -r, "Failed to ask polkit: %s", strerror(-r));
}

int method_cut_connections(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *id;
        Cutting *c;
        int r;

        r = sd_bus_message_read(m, "s", &id);
        if (r < 0)
                return r;
        c = cutting_new(userdata, id);
        if (!c)
                return -ENOMEM;
        r = caller_identify(m, cut_identified, c, cutting_free);
        return r < 0 ? r : 1;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ax tree: identities, their apps, what these listen on, and who is connected there. */

#include <stdio.h>
#include <string.h>

#include "basic/log.h"
#include "basic/text.h"
#include "cli/app.h"
#include "cli/bus.h"
#include "cli/cli.h"
#include "cli/edges.h"
#include "cli/error-status.h"
#include "cli/terminal.h"

/* Apps with the same first address are of one identity. Sorted by it, then by id. */
static int compare_apps(const void *a, const void *b) {
        const App *x = a, *y = b;
        const char *names[] = { *x->name ? x->name : x->id, *y->name ? y->name : y->id };
        const char *addresses[] = { x->addresses && *x->addresses ? *x->addresses : "",
                                    y->addresses && *y->addresses ? *y->addresses : "" };

        return strverscmp(names[0], names[1]) ?: strcmp(addresses[0], addresses[1]) ?: strverscmp(x->id, y->id);
}

static bool same_identity(const App *a, const App *b) {
        return a->addresses && b->addresses && *a->addresses && *b->addresses && strcmp(*a->addresses, *b->addresses) == 0;
}

/* An app may have several listeners on one port: who is connected is told with the first of them. */
static bool is_first_on_port(const App *app, size_t i) {
        for (size_t k = 0; k < i; k++)
                if (app->listeners[k].port == app->listeners[i].port)
                        return false;
        return true;
}

static void print_clients(const EdgeList *edges, const App *app, uint16_t port, const char *indent) {
        size_t n;
        const Edge *e = edge_list_find(edges, app->id, port, &n);

        for (size_t i = 0; i < n; i++) {
                _cleanup_free_ char *client = text_escape(e[i].client);

                printf("%s%s%s", indent, i + 1 == n ? "└─" : "├─", client ?: "?");
                if (e[i].n > 1)
                        printf(" ×%zu", e[i].n);
                putchar('\n');
        }
}

static int print_app(const EdgeList *edges, const App *app, bool last) {
        _cleanup_free_ char *tags = strv_join(app->tags, ","), *escaped = NULL;

        escaped = tags ? text_escape(tags) : NULL;
        if (!escaped)
                return -ENOMEM;
        printf("%s%s  %s\n", last ? "└─" : "├─", app->id, escaped);
        for (size_t i = 0; i < app->n_listeners; i++) {
                const Listener *l = &app->listeners[i];
                const bool last_listener = i + 1 == app->n_listeners;
                _cleanup_free_ char *s = listener_to_string(l);
                char indent[32];

                if (!s)
                        return -ENOMEM;
                printf("%s%s%s %s\n", last ? "  " : "│ ", last_listener ? "└─" : "├─", l->protocol, s);
                (void) snprintf(indent, sizeof(indent), "%s%s", last ? "  " : "│ ", last_listener ? "  " : "│ ");
                if (is_first_on_port(app, i))
                        print_clients(edges, app, l->port, indent);
        }
        return 0;
}

static int print_identity(const App *app) {
        _cleanup_free_ char *names = strv_join(app->names, ","), *addresses = strv_join(app->addresses, ", "),
                            *escaped = NULL;

        escaped = names ? text_escape(names) : NULL;
        if (!escaped || !addresses)
                return -ENOMEM;
        printf("%s (%s)\n", *escaped ? escaped : "-", addresses);
        return 0;
}

static int print_tree(const AppList *apps, const EdgeList *edges) {
        for (size_t i = 0; i < apps->n_apps; i++) {
                const App *app = &apps->apps[i];

                if ((i == 0 || !same_identity(app, &apps->apps[i - 1])) && print_identity(app) < 0)
                        return -ENOMEM;
                if (print_app(edges, app, i + 1 == apps->n_apps || !same_identity(app, &apps->apps[i + 1])) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static json_object *clients_to_json(const EdgeList *edges, const App *app, uint16_t port) {
        _cleanup_json_ json_object *array = json_object_new_array();
        size_t n;
        const Edge *e = edge_list_find(edges, app->id, port, &n);

        for (size_t i = 0; array && i < n; i++) {
                json_object *o = json_object_new_object();

                if (json_append(array, o) < 0 || json_set(o, "client", json_string(e[i].client)) < 0 ||
                    json_set(o, "connections", json_object_new_uint64(e[i].n)) < 0)
                        return NULL;
        }
        return TAKE_PTR(array);
}

static json_object *listeners_to_json(const EdgeList *edges, const App *app) {
        _cleanup_json_ json_object *array = json_object_new_array();

        for (size_t i = 0; array && i < app->n_listeners; i++) {
                const Listener *l = &app->listeners[i];
                json_object *o = json_object_new_object();

                if (json_append(array, o) < 0 || json_set(o, "protocol", json_string(l->protocol)) < 0 ||
                    json_set(o, "address", json_string(l->address)) < 0 ||
                    json_set(o, "port", json_object_new_int(l->port)) < 0 ||
                    json_set(o, "clients",
                             is_first_on_port(app, i) ? clients_to_json(edges, app, l->port) : json_object_new_array()) < 0)
                        return NULL;
        }
        return TAKE_PTR(array);
}

static json_object *tree_to_json(const AppList *apps, const EdgeList *edges) {
        _cleanup_json_ json_object *array = json_object_new_array();
        json_object *members = NULL;

        for (size_t i = 0; array && i < apps->n_apps; i++) {
                const App *app = &apps->apps[i];
                json_object *o;

                if (i == 0 || !same_identity(app, &apps->apps[i - 1])) {
                        o = json_object_new_object();
                        members = json_object_new_array();
                        if (json_append(array, o) < 0 || json_set(o, "names", json_strv(app->names)) < 0 ||
                            json_set(o, "addresses", json_strv(app->addresses)) < 0 || json_set(o, "apps", members) < 0)
                                return NULL;
                }
                o = json_object_new_object();
                if (json_append(members, o) < 0 || json_set(o, "id", json_string(app->id)) < 0 ||
                    json_set(o, "tags", json_strv(app->tags)) < 0 ||
                    json_set(o, "services", listeners_to_json(edges, app)) < 0)
                        return NULL;
        }
        return TAKE_PTR(array);
}

static int show_json(const Settings *settings, const AppList *apps, const EdgeList *edges) {
        _cleanup_json_ json_object *array = tree_to_json(apps, edges);
        int r;

        if (!array)
                return log_oom();
        r = json_print(stdout, settings->json, array);
        return r < 0 ? log_error_errno(r, "Failed to write output: %m") : 0;
}

int verb_tree(const Verb *verb, Settings *settings, char **argv) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_connection_list_ ConnectionList connections = {};
        _cleanup_option_parser_ OptionParser p;
        _cleanup_edge_list_ EdgeList edges = {};
        _cleanup_app_list_ AppList apps = {};
        _cleanup_pager_ pid_t pager = 0;
        _cleanup_bus_ sd_bus *bus = NULL;
        int r;

        r = cli_parse_plain(&p, verb, settings, argv);
        if (r <= 0)
                return r;
        if (p.words)
                return log_error_errno(-EINVAL, "\"ax tree\" takes no arguments.");
        r = bus_open(&bus);
        if (r < 0)
                return r;
        r = app_list_get(&apps, bus, &error);
        if (r >= 0)
                r = connection_list_get(&connections, bus, &error);
        if (r < 0)
                return error_report("Failed to show the tree", &error, r);
        connection_list_warn(&connections);
        if (edge_list_make(&edges, &connections, NULL, 0) < 0)
                return log_oom();
        if (apps.n_apps > 0)
                qsort(apps.apps, apps.n_apps, sizeof(App), compare_apps);
        if (settings->json != JSON_OFF)
                return show_json(settings, &apps, &edges);
        if (settings->pager && apps.n_apps > 0)
                pager = pager_open();
        if (print_tree(&apps, &edges) < 0)
                return log_oom();
        if (apps.n_apps == 0 && settings->legend)
                puts("No apps.");
        return 0;
}

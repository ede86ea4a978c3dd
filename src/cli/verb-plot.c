/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ax plot: who talks to whom, in graphviz's language (dot(1)). */

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "basic/clock.h"
#include "basic/log.h"
#include "basic/text.h"
#include "cli/app.h"
#include "cli/bus.h"
#include "cli/cli.h"
#include "cli/edges.h"
#include "cli/error-status.h"

#define INTERVAL_DEFAULT 1.0
#define INTERVAL_MAX 3600.0

enum { OPTION_INTERVAL = 1 };

const Option plot_options[] = {
        { OPTION_INTERVAL, "interval", 'i', "SECONDS", "Measure rates for so long (1; 0: do not)" },
        {},
};

/*
 * A string of the language, in quotes, of lines. What is in them was chosen by
 * others: what is not text is written as \xNN, and quotes and backslashes stand
 * for themselves.
 */
static int print_label(char *const *lines) {
        putchar('"');
        for (; lines && *lines; lines++) {
                _cleanup_free_ char *escaped = text_escape(*lines);

                if (!escaped)
                        return -ENOMEM;
                for (const char *c = escaped; *c; c++) {
                        if (*c == '"' || *c == '\\')
                                putchar('\\');
                        putchar(*c);
                }
                if (lines[1])
                        fputs("\\n", stdout);
        }
        putchar('"');
        return 0;
}

static int print_string(const char *s) {
        return print_label((char *[]){ (char *) s, NULL });
}

static int compare_apps(const void *a, const void *b) {
        const App *x = a, *y = b;
        const char *addresses[] = { x->addresses && *x->addresses ? *x->addresses : "",
                                    y->addresses && *y->addresses ? *y->addresses : "" };

        return strverscmp(addresses[0], addresses[1]) ?: strverscmp(x->id, y->id);
}

static bool same_identity(const App *a, const App *b) {
        return a->addresses && b->addresses && *a->addresses && *b->addresses && strcmp(*a->addresses, *b->addresses) == 0;
}

static int print_node(const App *app) {
        _cleanup_strv_ char **lines = NULL;

        if (strv_append(&lines, app->id) < 0)
                return -ENOMEM;
        for (char **tag = app->tags; tag && *tag; tag++)
                if (strv_append(&lines, *tag) < 0)
                        return -ENOMEM;
        fputs("    ", stdout);
        if (print_string(app->id) < 0)
                return -ENOMEM;
        fputs(" [label=", stdout);
        if (print_label(lines) < 0)
                return -ENOMEM;
        fputs("];\n", stdout);
        return 0;
}

/* Apps of one identity are in one box. */
static int print_identity(const AppList *apps, size_t first, size_t n, size_t number) {
        const App *app = &apps->apps[first];
        _cleanup_strv_ char **lines = NULL;
        _cleanup_free_ char *names = strv_join(app->names, ", ");

        if (!names || (*names && strv_append(&lines, names) < 0) ||
            (app->addresses && *app->addresses && strv_append(&lines, *app->addresses) < 0))
                return -ENOMEM;
        printf("  subgraph cluster_%zu {\n    label=", number);
        if (print_label(lines) < 0)
                return -ENOMEM;
        fputs(";\n", stdout);
        for (size_t i = 0; i < n; i++)
                if (print_node(&apps->apps[first + i]) < 0)
                        return -ENOMEM;
        fputs("  }\n", stdout);
        return 0;
}

static void format_rate(double rate, char *buf, size_t size) {
        static const char *const units[] = { "B/s", "kB/s", "MB/s", "GB/s" };
        size_t i = 0;

        for (; rate >= 1000 && i + 1 < ELEMENTSOF(units); i++)
                rate /= 1000;
        (void) snprintf(buf, size, rate < 10 && i > 0 ? "%.1f %s" : "%.0f %s", rate, units[i]);
}

static int print_edge(const Edge *e) {
        char what[64], rate[64] = "";

        fputs("  ", stdout);
        if (print_string(e->client) < 0)
                return -ENOMEM;
        fputs(" -> ", stdout);
        if (print_string(e->server) < 0)
                return -ENOMEM;
        (void) snprintf(what, sizeof(what), "%u %s ×%zu", e->port, e->mixed ? "unix, tcp" : e->transport, e->n);
        if (e->n_rated > 0)
                format_rate(e->rate, rate, sizeof(rate));
        fputs(" [label=", stdout);
        if (print_label((char *[]){ what, *rate ? rate : NULL, NULL }) < 0)
                return -ENOMEM;
        /* Ten times as many are one point more. */
        printf(", penwidth=%.1f];\n", 1 + log10((double) e->n));
        return 0;
}

static int print_graph(AppList *apps, const EdgeList *edges) {
        if (apps->n_apps > 0)
                qsort(apps->apps, apps->n_apps, sizeof(App), compare_apps);
        printf("digraph appswitch {\n"
               "  rankdir=LR;\n"
               "  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n"
               "  edge [fontname=\"sans-serif\", fontsize=10];\n"
               "  graph [fontname=\"sans-serif\", style=dashed];\n");
        for (size_t i = 0, n, number = 0; i < apps->n_apps; i += n, number++) {
                for (n = 1; i + n < apps->n_apps && same_identity(&apps->apps[i], &apps->apps[i + n]); n++)
                        ;
                if (print_identity(apps, i, n, number) < 0)
                        return -ENOMEM;
        }
        for (size_t i = 0; i < edges->n_edges; i++)
                if (print_edge(&edges->edges[i]) < 0)
                        return -ENOMEM;
        printf("}\n");
        return 0;
}

static int edges_to_json(const Settings *settings, const EdgeList *edges) {
        _cleanup_json_ json_object *array = json_object_new_array();
        int r;

        for (size_t i = 0; array && i < edges->n_edges; i++) {
                const Edge *e = &edges->edges[i];
                json_object *o = json_object_new_object();

                if (json_append(array, o) < 0 || json_set(o, "client", json_string(e->client)) < 0 ||
                    json_set(o, "server", json_string(e->server)) < 0 || json_set(o, "port", json_object_new_int(e->port)) < 0 ||
                    json_set(o, "connections", json_object_new_uint64(e->n)) < 0 ||
                    (e->n_rated > 0 && json_set(o, "bytes_per_second", json_object_new_double(e->rate)) < 0))
                        return log_oom();
        }
        if (!array)
                return log_oom();
        r = json_print(stdout, settings->json, array);
        return r < 0 ? log_error_errno(r, "Failed to write output: %m") : 0;
}

static int parse_interval(const char *value, double *ret) {
        char *end;
        double seconds;

        errno = 0;
        seconds = strtod(value, &end);
        if (errno != 0 || end == value || *end || !(seconds >= 0 && seconds <= INTERVAL_MAX)) {
                _cleanup_free_ char *escaped = text_escape(value);

                return log_error_errno(-EINVAL, "Invalid interval \"%s\": it must be 0 to %.0f seconds.", escaped ?: "?",
                                       INTERVAL_MAX);
        }
        *ret = seconds;
        return 0;
}

static void sleep_seconds(double seconds) {
        struct timespec t = { .tv_sec = (time_t) seconds };

        t.tv_nsec = (long) ((seconds - (double) t.tv_sec) * 1e9);
        while (clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &t) == EINTR)
                ;
}

static int plot(const Settings *settings, double seconds) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_connection_list_ ConnectionList before = {}, now = {};
        _cleanup_edge_list_ EdgeList edges = {};
        _cleanup_app_list_ AppList apps = {};
        _cleanup_bus_ sd_bus *bus = NULL;
        uint64_t begin;
        int r;

        r = bus_open(&bus);
        if (r < 0)
                return r;
        r = seconds > 0 ? connection_list_get(&before, bus, &error) : 0;
        begin = now_usec(CLOCK_MONOTONIC);
        if (r >= 0 && seconds > 0)
                sleep_seconds(seconds);
        if (r >= 0)
                r = connection_list_get(&now, bus, &error);
        if (r >= 0)
                r = app_list_get(&apps, bus, &error);
        if (r < 0)
                return error_report("Failed to plot", &error, r);
        connection_list_warn(&now);
        /* The machine may have been busy meanwhile. */
        seconds = (double) (now_usec(CLOCK_MONOTONIC) - begin) / (double) USEC_PER_SEC;
        if (edge_list_make(&edges, &now, before.n_connections > 0 ? &before : NULL, seconds) < 0)
                return log_oom();
        if (settings->json != JSON_OFF)
                return edges_to_json(settings, &edges);
        return print_graph(&apps, &edges) < 0 ? log_oom() : 0;
}

int verb_plot(const Verb *verb, Settings *settings, char **argv) {
        _cleanup_option_parser_ OptionParser p;
        double seconds = INTERVAL_DEFAULT;
        const char *value;
        int id, r;

        cli_parser_init(&p, verb, argv);
        while ((id = cli_parser_next(&p, verb, settings, &value)) > 0)
                if (id == OPTION_INTERVAL) {
                        r = parse_interval(value, &seconds);
                        if (r < 0)
                                return r;
                }
        if (id < 0 || settings->done)
                return id;
        if (p.words)
                return log_error_errno(-EINVAL, "\"ax plot\" takes no arguments.");
        return plot(settings, seconds);
}

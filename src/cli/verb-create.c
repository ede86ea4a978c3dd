/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ax create, ax edit, ax remove: virtual services. */

#include "basic/log.h"
#include "basic/text.h"
#include "cli/bus.h"
#include "cli/cli.h"
#include "cli/error-status.h"
#include "cli/polkit-agent.h"

enum {
        OPTION_NAME = 1,
        OPTION_IP,
        OPTION_PORT,
        OPTION_BACKEND,
        OPTION_TAG,
        OPTION_STRATEGY,
        OPTION_PREFER_LOCAL,
        OPTION_NO_PREFER_LOCAL,
        OPTION_RUNTIME,
};

#define SERVICE_OPTIONS                                                                                                     \
        { OPTION_NAME, "name", 'n', "NAME", "A name of it; the id if not given" },                                          \
        { OPTION_IP, "ip", 'i', "ADDRESS", "An address of it; from the pools if not given" },                               \
        { OPTION_PORT, "port", 'p', "PORT[:BACKENDPORT]", "A port of it, and that of the backends if it is another" },      \
        { OPTION_BACKEND, "backend", 'b', "BACKEND",                                                                        \
          "Who serves: app:NAME, tag:KEY=VALUE, IP:PORT, [IPV6]:PORT or host:PORT" },                                       \
        { OPTION_TAG, "tag", 't', "KEY=VALUE", "A tag that clients and backends share with it" },                           \
        { OPTION_STRATEGY, "strategy", 0, "STRATEGY", "round-robin, random, least-connections or source-hash" },            \
        { OPTION_PREFER_LOCAL, "prefer-local", 0, NULL, "Backends on this host come first" },                               \
        { OPTION_NO_PREFER_LOCAL, "no-prefer-local", 0, NULL, "All backends are equal" }

const Option create_options[] = {
        SERVICE_OPTIONS,
        { OPTION_RUNTIME, "runtime", 0, NULL, "Only until the host is started anew" },
        {},
};

const Option edit_options[] = {
        SERVICE_OPTIONS,
        {},
};

/* What can be given several times. */
enum { LIST_NAMES, LIST_ADDRESSES, LIST_PORTS, LIST_BACKENDS, LIST_TAGS, _LIST_MAX };

typedef struct Wish {
        char **lists[_LIST_MAX];
        bool given[_LIST_MAX];
        const char *strategy;
        bool prefer_local, prefer_local_given;
        bool runtime;
} Wish;

static void wish_done(Wish *wish) {
        for (size_t i = 0; i < _LIST_MAX; i++)
                strv_free(wish->lists[i]);
}

/* "" is for none: in an edit it takes all away that were there. */
static int add(Wish *wish, unsigned list, const char *value) {
        _cleanup_free_ char *escaped = NULL;

        wish->given[list] = true;
        if (!utf8_is_valid(value)) {
                escaped = text_escape(value);
                return log_error_errno(-EINVAL, "\"%s\" is not UTF-8.", escaped ?: "?");
        }
        if (*value && strv_append(&wish->lists[list], value) < 0)
                return log_oom();
        return 0;
}

static int apply(Wish *wish, int id, const char *value) {
        switch (id) {
        case OPTION_NAME:
                return add(wish, LIST_NAMES, value);
        case OPTION_IP:
                return add(wish, LIST_ADDRESSES, value);
        case OPTION_PORT:
                return add(wish, LIST_PORTS, value);
        case OPTION_BACKEND:
                return add(wish, LIST_BACKENDS, value);
        case OPTION_TAG:
                return add(wish, LIST_TAGS, value);
        case OPTION_STRATEGY:
                if (!utf8_is_valid(value))
                        return log_error_errno(-EINVAL, "The strategy is not UTF-8.");
                wish->strategy = value;
                return 0;
        case OPTION_PREFER_LOCAL:
        case OPTION_NO_PREFER_LOCAL:
                wish->prefer_local = id == OPTION_PREFER_LOCAL;
                wish->prefer_local_given = true;
                return 0;
        case OPTION_RUNTIME:
                wish->runtime = true;
                return 0;
        default:
                return -EINVAL;
        }
}

static int append_wish(sd_bus_message *m, const Wish *wish) {
        static const char *const keys[_LIST_MAX] = { "Names", "Addresses", "Ports", "Backends", "Tags" };
        int r;

        r = sd_bus_message_open_container(m, 'a', "{sv}");
        for (size_t i = 0; r >= 0 && i < _LIST_MAX; i++)
                if (wish->given[i])
                        r = bus_append_strv(m, keys[i], wish->lists[i]);
        if (r >= 0 && wish->strategy)
                r = sd_bus_message_append(m, "{sv}", "Strategy", "s", wish->strategy);
        if (r >= 0 && wish->prefer_local_given)
                r = sd_bus_message_append(m, "{sv}", "PreferLocal", "b", wish->prefer_local);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int check_id(const char *id) {
        _cleanup_free_ char *escaped = NULL;

        if (utf8_is_valid(id))
                return 0;
        escaped = text_escape(id);
        return log_error_errno(-EINVAL, "There is no virtual service \"%s\"; see \"ax list virtual-services\".", escaped ?: "?");
}

/* Calls a method with the id, and with the wish if there is one. */
static int call(sd_bus *bus, const Settings *settings, const char *method, const char *what, const char *id, const Wish *wish,
                bool create) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_message_ sd_bus_message *m = NULL;
        int r;

        r = check_id(id);
        if (r < 0)
                return r;
        r = bus_new_call(bus, method, settings->ask_password, &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", id);
        if (r >= 0 && wish)
                r = append_wish(m, wish);
        if (r >= 0 && create)
                r = sd_bus_message_append(m, "b", wish->runtime);
        /* No limit of time: the user may have to look for a password. */
        if (r >= 0)
                r = sd_bus_call(bus, m, UINT64_MAX, &error, NULL);
        return r < 0 ? error_report(what, &error, r) : 0;
}

static int run(const Verb *verb, Settings *settings, char **argv, const char *method, const char *what, bool create) {
        _cleanup_(wish_done) Wish wish = {};
        _cleanup_option_parser_ OptionParser p;
        _cleanup_agent_ pid_t agent = 0;
        _cleanup_bus_ sd_bus *bus = NULL;
        const char *value;
        int id, r;

        cli_parser_init(&p, verb, argv);
        while ((id = cli_parser_next(&p, verb, settings, &value)) > 0) {
                r = apply(&wish, id, value);
                if (r < 0)
                        return r;
        }
        if (id < 0 || settings->done)
                return id;
        if (!p.words || p.words[1])
                return log_error_errno(-EINVAL, "Give the id of one virtual service; see \"ax %s --help\".", verb->name);
        r = bus_open(&bus);
        if (r < 0)
                return r;
        if (settings->ask_password)
                agent = polkit_agent_open();
        return call(bus, settings, method, what, p.words[0], &wish, create);
}

int verb_create(const Verb *verb, Settings *settings, char **argv) {
        return run(verb, settings, argv, "CreateVirtualService", "Failed to create virtual service", true);
}

int verb_edit(const Verb *verb, Settings *settings, char **argv) {
        return run(verb, settings, argv, "EditVirtualService", "Failed to edit virtual service", false);
}

int verb_remove(const Verb *verb, Settings *settings, char **argv) {
        _cleanup_option_parser_ OptionParser p;
        _cleanup_agent_ pid_t agent = 0;
        _cleanup_bus_ sd_bus *bus = NULL;
        int r, status = 0;

        r = cli_parse_plain(&p, verb, settings, argv);
        if (r <= 0)
                return r;
        if (!p.words)
                return log_error_errno(-EINVAL, "Which virtual service is to be removed? See \"ax list virtual-services\".");
        r = bus_open(&bus);
        if (r < 0)
                return r;
        if (settings->ask_password)
                agent = polkit_agent_open();
        for (char **id = p.words; *id; id++) {
                r = call(bus, settings, "RemoveVirtualService", "Failed to remove virtual service", *id, NULL, false);
                status = status ?: r;
        }
        return status;
}

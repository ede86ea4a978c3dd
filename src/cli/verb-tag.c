/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ax tag: gives apps that run other tags, or adds and takes some. */

#include <string.h>

#include "basic/log.h"
#include "basic/text.h"
#include "cli/app.h"
#include "cli/bus.h"
#include "cli/cli.h"
#include "cli/error-status.h"
#include "cli/polkit-agent.h"

enum { OPTION_CUT = 1 };

const Option tag_options[] = {
        { OPTION_CUT, "cut", 0, NULL, "End connections that the apps may not have any more" },
        {},
};

typedef struct TagRequest {
        char **apps, **changes; /* into the arguments, not copied */
        bool cut;
        bool anew; /* a change is a tag without a sign: the tags of before do not count */
} TagRequest;

static bool is_cut(const char *word) {
        return strcmp(word, "--cut") == 0;
}

/* '+', '-' or 0. */
static char sign_of(const char *change) {
        return *change == '+' || *change == '-' ? *change : 0;
}

static int check_change(const char *word) {
        _cleanup_free_ char *escaped = NULL;

        if (strchr(word, '='))
                return 0;
        escaped = text_escape(word);
        return log_error_errno(-EINVAL, "\"%s\" is no tag; give KEY=VALUE for all that an app is to have, +KEY=VALUE and -KEY=VALUE for what to add and to take.",
                               escaped ?: "?");
}

static int parse(TagRequest *request, const Verb *verb, Settings *settings, OptionParser *p, char **argv) {
        const char *value;
        char **word;
        int id, r;

        cli_parser_init(p, verb, argv);
        while ((id = cli_parser_next(p, verb, settings, &value)) > 0)
                request->cut = true;
        if (id < 0 || settings->done)
                return id;
        /* "-zone=x" is no option: these end with the first app. But for one that may stand at the end, too. */
        for (word = p->words; word && *word && !strchr(*word, '=') && !is_cut(*word); word++)
                ;
        if (!word || word == p->words)
                return log_error_errno(-EINVAL, "Which app is to have other tags? See \"ax list\".");
        request->apps = p->words;
        request->changes = word;
        for (r = -EINVAL; *word; word++) {
                if (is_cut(*word)) {
                        request->cut = true;
                        continue;
                }
                r = check_change(*word);
                if (r < 0)
                        return r;
                request->anew = request->anew || !sign_of(*word);
        }
        if (r < 0)
                return log_error_errno(r, "Which tags? Give KEY=VALUE for all that the app is to have, +KEY=VALUE and -KEY=VALUE for what to add and to take.");
        return 0;
}

static void remove_tag(char **tags, const char *tag) {
        for (; *tags && strcmp(*tags, tag) != 0; tags++)
                ;
        if (!*tags)
                return;
        free(*tags);
        memmove(tags, tags + 1, (strv_length(tags + 1) + 1) * sizeof(char *));
}

/* What an app with these tags is to have. */
static int apply(const TagRequest *request, char *const *before, char ***ret) {
        _cleanup_strv_ char **tags = NULL;
        int r = 0;

        for (char *const *t = before; r >= 0 && !request->anew && t && *t; t++)
                r = strv_append(&tags, *t);
        for (char **change = request->changes; r >= 0 && *change; change++) {
                const char *tag = *change + (sign_of(*change) != 0);

                if (is_cut(*change))
                        continue;
                if (sign_of(*change) != '-')
                        r = strv_contains(tags, tag) ? 0 : strv_append(&tags, tag);
                else if (tags)
                        remove_tag(tags, tag);
        }
        if (r >= 0)
                *ret = TAKE_PTR(tags);
        return r;
}

static int set_tags(sd_bus *bus, const Settings *settings, const TagRequest *request, const App *app) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_message_ sd_bus_message *m = NULL;
        _cleanup_strv_ char **tags = NULL;
        int r;

        r = apply(request, app->tags, &tags);
        if (r >= 0)
                r = bus_new_call(bus, "SetAppTags", settings->ask_password, &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", app->id);
        if (r >= 0)
                r = sd_bus_message_append_strv(m, tags);
        if (r >= 0)
                r = sd_bus_message_append(m, "b", request->cut);
        /* No limit of time: the user may have to look for a password. */
        if (r >= 0)
                r = sd_bus_call(bus, m, UINT64_MAX, &error, NULL);
        return r < 0 ? error_report("Failed to tag app", &error, r) : 0;
}

static int set_all(sd_bus *bus, const Settings *settings, const TagRequest *request, const AppList *list) {
        int r, status = 0;

        for (char **word = request->apps; word != request->changes; word++) {
                bool found = false;

                for (size_t i = 0; i < list->n_apps; i++)
                        if (app_matches(&list->apps[i], *word)) {
                                found = true;
                                r = set_tags(bus, settings, request, &list->apps[i]);
                                status = status ?: r;
                        }
                if (!found) {
                        _cleanup_free_ char *escaped = text_escape(*word);

                        log_error("Failed to tag app: There is no app \"%s\"; see \"ax list\".", escaped ?: "?");
                        status = status ?: EXIT_FAILURE;
                }
        }
        return status;
}

int verb_tag(const Verb *verb, Settings *settings, char **argv) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_option_parser_ OptionParser p;
        _cleanup_agent_ pid_t agent = 0;
        _cleanup_app_list_ AppList list = {};
        _cleanup_bus_ sd_bus *bus = NULL;
        TagRequest request = {};
        int r;

        r = parse(&request, verb, settings, &p, argv);
        if (r < 0 || settings->done)
                return r;
        r = bus_open(&bus);
        if (r < 0)
                return r;
        r = app_list_get(&list, bus, &error);
        if (r < 0)
                return error_report("Failed to tag app", &error, r);
        if (settings->ask_password)
                agent = polkit_agent_open();
        return set_all(bus, settings, &request, &list);
}

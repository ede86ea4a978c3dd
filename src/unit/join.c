/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <string.h>

#include "basic/text.h"
#include "unit/drop-in.h"

#define KEY "JoinsNamespaceOf"
#define INSTANCE "instance" /* what an instance will be called is not known yet */

enum {
        DEPTH_MAX = 8,   /* one joins another that joins another */
        LOADS_MAX = 128, /* units that are looked at for one */
};

typedef struct Search {
        UnitCatalog *catalog;
        char *const *apps;
        const char *visited[DEPTH_MAX]; /* how the search came here */
        unsigned n_visited, n_loads;
        char **ret_message;
} Search;

void unit_join_done(UnitJoin *join) {
        free(join->owner);
        *join = (UnitJoin){};
}

/* All words that units are named with, as they stand there. Returns 0 or -ENOMEM. */
static int list_words(const UnitFile *unit, char ***ret) {
        _cleanup_strv_ char **words = NULL;

        for (size_t i = 0; i < unit->n; i++) {
                const UnitAssignment *a = &unit->assignments[i];
                _cleanup_free_ char *value = NULL;
                char *rest, *word;

                if (strcmp(a->section, "Unit") != 0 || strcmp(a->key, KEY) != 0)
                        continue;
                rest = value = strdup(a->value);
                if (!value)
                        return -ENOMEM;
                while ((word = strsep(&rest, " \t")))
                        if (*word && strv_append(&words, word) < 0)
                                return -ENOMEM;
        }
        *ret = TAKE_PTR(words);
        return 0;
}

/* What the unit has in its section, as "Key=value" with specifiers replaced. Returns 0, -ENOMEM, or -EINVAL with a sentence. */
static int list_settings(const UnitFile *unit, const char *name, char ***ret, char **ret_message) {
        _cleanup_strv_ char **list = NULL;

        for (size_t i = 0; i < unit->n; i++) {
                const UnitAssignment *a = &unit->assignments[i];
                _cleanup_free_ char *value = NULL, *s = NULL;
                int r;

                if (strcmp(a->section, UNIT_SECTION) != 0)
                        continue;
                r = unit_expand_specifiers(a->value, name, &value, ret_message);
                if (r < 0)
                        return r;
                if (asprintf(&s, "%s=%s", a->key, value) < 0 || strv_append(&list, s) < 0)
                        return -ENOMEM;
        }
        *ret = TAKE_PTR(list);
        return 0;
}

/* The unit that a word means. Returns 0, -ENOMEM, or -EINVAL with a sentence: it is no app. */
static int expand_word(Search *s, const char *unit, const char *word, char **ret) {
        _cleanup_free_ char *name = NULL;
        int r;

        r = unit_expand_specifiers(word, unit, &name, s->ret_message);
        if (r < 0)
                return r;
        *ret = strdup(unit_catalog_real_name(s->catalog, name));
        if (!*ret)
                return -ENOMEM;
        r = unit_name_is_among(*ret, s->apps);
        if (r == 0)
                r = say(-EINVAL, s->ret_message, "By " KEY "=%s it would be in a network that is none of an app: "
                                                 "%s must have a section [" UNIT_SECTION "], too", word, *ret);
        return r < 0 ? r : 0;
}

/* Those that join each other, from the one that was come by again: the first by name. */
static const char *first_of_circle(const Search *s, const char *name) {
        const char *first = name;
        unsigned i = s->n_visited;

        while (i > 0 && strcmp(s->visited[--i], name) != 0)
                if (strcmp(s->visited[i], first) < 0)
                        first = s->visited[i];
        return first;
}

static bool was_visited(const Search *s, const char *name) {
        for (unsigned i = 0; i < s->n_visited; i++)
                if (strcmp(s->visited[i], name) == 0)
                        return true;
        return false;
}

static int take_owner(Search *s, const char *owner, char **ret) {
        if (*ret && strcmp(*ret, owner) != 0)
                return say(-EINVAL, s->ret_message, KEY "= leads to the app of %s and to that of %s", *ret, owner);
        if (!*ret)
                *ret = strdup(owner);
        return *ret ? 0 : -ENOMEM;
}

/* The owner of the app that a unit is of; NULL: it joins none. */
static int find_owner(Search *s, const UnitFile *unit, const char *name, char **ret) {
        _cleanup_strv_ char **words = NULL;
        _cleanup_free_ char *owner = NULL;
        int r;

        if (s->n_visited == DEPTH_MAX || ++s->n_loads > LOADS_MAX)
                return say(-EINVAL, s->ret_message, KEY "= leads over too many units");
        s->visited[s->n_visited++] = name;
        r = list_words(unit, &words);
        for (char **word = words; r >= 0 && word && *word; word++) {
                _cleanup_(unit_file_done) UnitFile other = {};
                _cleanup_free_ char *joined = NULL, *its = NULL;

                r = expand_word(s, name, *word, &joined);
                if (r >= 0 && was_visited(s, joined)) {
                        r = take_owner(s, first_of_circle(s, joined), &owner);
                        continue;
                }
                if (r >= 0)
                        r = unit_file_load(s->catalog, joined, &other);
                if (r >= 0)
                        r = find_owner(s, &other, joined, &its);
                if (r >= 0)
                        r = take_owner(s, its ?: joined, &owner);
        }
        s->n_visited--;
        if (r >= 0)
                *ret = TAKE_PTR(owner);
        return r;
}

/* Whose app it is has what all of them have. */
static int check_settings(Search *s, const UnitFile *unit, const char *name, const char *owner, bool *ret_starts) {
        _cleanup_strv_ char **own = NULL, **its = NULL;
        _cleanup_(unit_file_done) UnitFile other = {};
        UnitSettings settings;
        bool same;
        int r;

        r = list_settings(unit, name, &own, s->ret_message);
        if (r >= 0)
                r = unit_file_load(s->catalog, owner, &other);
        if (r >= 0)
                r = list_settings(&other, owner, &its, s->ret_message);
        if (r >= 0)
                r = unit_file_parse_settings(&other, &settings, s->ret_message);
        if (r < 0)
                return r;
        *ret_starts = settings.start_on_connect;
        unit_settings_done(&settings);
        if (!own)
                return 0;
        same = strv_length(own) == strv_length(its);
        for (size_t i = 0; same && own[i]; i++)
                same = strcmp(own[i], its[i]) == 0;
        return same ? 0
                    : say(-EINVAL, s->ret_message, "By " KEY "= it is of the app of %s, so its section must say the same, or nothing",
                          owner);
}

/* How the drop-in of a template names the owner: by a word of its own, as others know nothing of its instances. */
static int name_owner(const UnitFile *unit, const char *name, const char *owner, char **ret, char **ret_message) {
        _cleanup_strv_ char **words = NULL;
        int r;

        if (strcmp(name, unit->name) == 0) {
                *ret = strdup(owner);
                return *ret ? 0 : -ENOMEM;
        }
        r = list_words(unit, &words);
        for (char **word = words; r >= 0 && word && *word; word++) {
                _cleanup_free_ char *expanded = NULL;

                r = unit_expand_specifiers(*word, name, &expanded, ret_message);
                if (r >= 0 && strcmp(expanded, owner) == 0) {
                        *ret = strdup(*word);
                        return *ret ? 0 : -ENOMEM;
                }
        }
        return r < 0 ? r : say(-EINVAL, ret_message, KEY "= of a template must name the unit that the app is of: %s", owner);
}

int unit_join_find(UnitCatalog *catalog, char *const *apps, const UnitFile *unit, UnitJoin *ret, char **ret_message) {
        Search s = { .catalog = catalog, .apps = apps, .ret_message = ret_message };
        _cleanup_free_ char *instance = NULL, *owner = NULL, *named = NULL;
        const char *at = strchr(unit->name, '@'), *name = unit->name;
        bool starts = false;
        int r;

        if (at && at[1] == '.') {
                if (asprintf(&instance, "%.*s" INSTANCE "%s", (int) (at + 1 - name), name, at + 1) < 0)
                        return -ENOMEM;
                name = instance;
        }
        r = find_owner(&s, unit, name, &owner);
        if (r >= 0 && owner && strcmp(owner, name) != 0) {
                r = check_settings(&s, unit, name, owner, &starts);
                if (r >= 0)
                        r = name_owner(unit, name, owner, &named, ret_message);
        }
        if (r < 0)
                return r;
        *ret = (UnitJoin){ .owner = TAKE_PTR(named), .starts = starts };
        return 0;
}

/* By the name that it has its drop-in under. */
static int add_shared(char *const *apps, const char *owner, char ***shared) {
        _cleanup_free_ char *template = NULL;

        if (unit_name_template(owner, &template) < 0)
                return -ENOMEM;
        if (!strv_contains(apps, owner) && template)
                owner = template;
        return strv_contains(*shared, owner) ? 0 : strv_append(shared, owner);
}

int unit_join_find_shared(UnitCatalog *catalog, char *const *apps, char ***ret) {
        _cleanup_strv_ char **shared = NULL;

        for (size_t i = 0; apps && apps[i]; i++) {
                _cleanup_free_ char *message = NULL, *owner = NULL;
                _cleanup_(unit_join_done) UnitJoin join = {};
                _cleanup_(unit_file_done) UnitFile unit = {};
                int r;

                /* What is wrong with one is said when its own drop-in is written. */
                r = unit_name_is_prefix(apps[i]) ? -EINVAL : unit_file_load(catalog, apps[i], &unit);
                if (r >= 0 && unit.found && !unit.masked)
                        r = unit_join_find(catalog, apps, &unit, &join, &message);
                if (r >= 0 && join.owner)
                        r = unit_expand_specifiers(join.owner, apps[i], &owner, &message);
                if (r >= 0 && owner)
                        r = add_shared(apps, owner, &shared);
                if (r == -ENOMEM)
                        return r;
        }
        *ret = TAKE_PTR(shared);
        return 0;
}

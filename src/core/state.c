/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "basic/fd.h"
#include "basic/text.h"
#include "core/state.h"

enum { ARGV_SHOWN_MAX = 1024 };

void app_record_done(AppRecord *record) {
        strv_free(record->names);
        free(record->unit);
        free(record->owner);
        for (size_t i = 0; i < record->n_argv; i++)
                free(record->argv[i]);
        free(record->argv);
        tags_done(&record->tags);
        free(record->exposes);
        networks_done(&record->expose_from);
        egress_done(&record->egress);
        *record = (AppRecord){};
}

static void write_escaped(FILE *f, const char *key, const char *value) {
        (void) fprintf(f, "%s=", key);
        for (; *value; value++)
                if ((unsigned char) *value < ' ' || *value == '\\' || *value == 127)
                        (void) fprintf(f, "\\x%02x", (unsigned char) *value);
                else
                        (void) fputc(*value, f);
        (void) fputc('\n', f);
}

static void unescape(char *s) {
        char *to = s;

        for (; *s; s++) {
                if (s[0] == '\\' && s[1] == 'x' && isxdigit((unsigned char) s[2]) &&
                    isxdigit((unsigned char) s[3])) {
                        *to++ = (char) strtoul((const char[]){ s[2], s[3], '\0' }, NULL, 16);
                        s += 3;
                } else
                        *to++ = *s;
        }
        *to = '\0';
}

/* Returns 0 or -ENOMEM. */
static int write_outside(FILE *f, const App *app) {
        _cleanup_strv_ char **from = networks_to_strv(&app->expose_from), **egress = egress_to_strv(&app->egress);
        char text[EXPOSE_STRING_MAX];

        if (!from || !egress)
                return -ENOMEM;
        for (size_t i = 0; i < app->n_exposes; i++)
                (void) fprintf(f, "EXPOSE=%s\n", expose_format(&app->exposes[i], text));
        for (char **s = from; *s; s++)
                (void) fprintf(f, "EXPOSE_FROM=%s\n", *s);
        for (char **s = egress; *s; s++)
                (void) fprintf(f, "%s%s", s == egress ? "EGRESS=" : ",", *s);
        (void) fputc('\n', f);
        return 0;
}

static void write_filters(FILE *f, const App *app) {
        const Filter *filter;

        (void) fprintf(f, "SERVICE=1\n");
        (void) fprintf(f, "STOP_WHEN_IDLE=%" PRIu64 "\nSTOPPING=%i\n", app->stop_when_idle, app->party.stopping);
        (void) fprintf(f, "LISTENED4=%i\nLISTENED6=%i\n", app->party.listened4, app->party.listened6);
        for (size_t i = 0; i < app->party.n_starts; i++)
                (void) fprintf(f, "STARTS=%u\n", app->party.starts[i]);
        DL_FOREACH(app->trap->filters, filter)
                (void) fprintf(f, "FILTER=%" PRIu64 "\n", filter->number);
}

int app_record_save(const App *app) {
        const Identity *identity = app->party.identity;
        _cleanup_free_ char *text = NULL;
        char address[ADDRESS_STRING_MAX];
        size_t size;
        FILE *f;
        int r;

        f = open_memstream(&text, &size);
        if (!f)
                return -ENOMEM;
        (void) fprintf(f, "# Private to appswitchd; do not parse.\n");
        (void) fprintf(f, "NUMBER=%" PRIu64 "\n", app->number);
        for (size_t i = 0; i < identity->n_names; i++)
                (void) fprintf(f, "NAME=%s\n", identity->names[i].name);
        for (size_t i = 0; i < identity->n_addresses; i++)
                (void) fprintf(f, "ADDRESS=%s\n", address_format(&identity->addresses[i].address, address));
        for (size_t i = 0; i < app->party.tags.n; i++)
                (void) fprintf(f, "TAG=%s\n", app->party.tags.tags[i]);
        (void) fprintf(f, "UID=%u\nOWNER_UID=%u\nIDENTITY_OWNER=%u\nUNIT=%s\n", app->uid, app->owner_uid,
                       identity->owner, app->unit);
        (void) fprintf(f, "STRATEGY=%s\nWEIGHT=%u\nDRAINING=%i\n", strategy_to_string(identity->strategy),
                       app->party.weight, app->party.draining);
        (void) fprintf(f, "SHORTCUT=%s\n", shortcut_to_string(app->shortcut));
        if (app->service)
                write_filters(f, app);
        if (app->shared)
                (void) fputs("SHARED=1\n", f);
        r = write_outside(f, app);
        if (app->owner)
                (void) fprintf(f, "OWNER=%s\n", app->owner);
        for (char **a = app->argv; *a; a++)
                write_escaped(f, "ARG", *a);
        (void) fprintf(f, "LEADER=%i\nLEADER_START=%" PRIu64 "\nTIMESTAMP=%" PRIu64 "\nNETNS=%" PRIu64 "\n",
                       app->leader, app->leader_start, app->timestamp, app->netns);
        if (fclose(f) != 0 || r < 0)
                return -ENOMEM;
        return write_file_atomic(app->manager->state_dir, app->id, text, 0600);
}

void app_record_remove(const App *app) {
        (void) unlinkat(app->manager->state_dir, app->id, 0);
}

static int replace_string(char **to, const char *value) {
        free(*to);
        *to = strdup(value);
        return *to ? 0 : -ENOMEM;
}

static int add_argument(AppRecord *record, const char *value) {
        char **grown;

        if (record->n_argv >= ARGV_SHOWN_MAX)
                return 0;
        grown = reallocarray(record->argv, record->n_argv + 2, sizeof(char *));
        if (!grown)
                return -ENOMEM;
        record->argv = grown;
        grown[record->n_argv] = strdup(value);
        if (!grown[record->n_argv])
                return -ENOMEM;
        unescape(grown[record->n_argv++]);
        grown[record->n_argv] = NULL;
        return 0;
}

static int add_expose(AppRecord *record, const char *value) {
        const char *reason;
        Expose *grown;

        if (record->n_exposes >= EXPOSES_MAX)
                return -EBADMSG;
        grown = reallocarray(record->exposes, record->n_exposes + 1, sizeof(Expose));
        if (!grown)
                return -ENOMEM;
        record->exposes = grown;
        return expose_parse(value, &grown[record->n_exposes++], &reason);
}

static int set_egress(AppRecord *record, char *value) {
        _cleanup_free_ char *item = NULL;
        const char *reason;

        egress_done(&record->egress);
        return egress_parse((char *[]){ value, NULL }, &record->egress, &item, &reason);
}

static int load_line(AppRecord *record, const char *key, char *value) {
        if (strcmp(key, "NAME") == 0)
                return strv_length(record->names) < IDENTITY_NAMES_MAX ? strv_append(&record->names, value) : -EBADMSG;
        if (strcmp(key, "UNIT") == 0)
                return replace_string(&record->unit, value);
        if (strcmp(key, "OWNER") == 0)
                return replace_string(&record->owner, value);
        if (strcmp(key, "TAG") == 0)
                return tags_add(&record->tags, value);
        if (strcmp(key, "ARG") == 0)
                return add_argument(record, value);
        if (strcmp(key, "EXPOSE") == 0)
                return add_expose(record, value);
        if (strcmp(key, "EXPOSE_FROM") == 0)
                return networks_add(&record->expose_from, value);
        if (strcmp(key, "EGRESS") == 0)
                return set_egress(record, value);
        if (strcmp(key, "ADDRESS") == 0) {
                if (record->n_addresses >= IDENTITY_ADDRESSES_MAX)
                        return -EBADMSG;
                return address_parse(value, &record->addresses[record->n_addresses++]);
        }
        if (strcmp(key, "SHORTCUT") == 0) {
                record->shortcut = shortcut_from_string(value);
                return record->shortcut < 0 ? -EBADMSG : 0;
        }
        if (strcmp(key, "STRATEGY") == 0) {
                record->strategy = strategy_from_string(value);
                return record->strategy < 0 ? -EBADMSG : 0;
        }
        if (strcmp(key, "WEIGHT") == 0) {
                const unsigned long weight = strtoul(value, NULL, 10);

                record->weight = (unsigned) weight;
                return weight < WEIGHT_MIN || weight > WEIGHT_MAX ? -EBADMSG : 0;
        }
        if (strcmp(key, "FILTER") == 0) {
                if (record->n_filters >= APP_FILTERS_MAX)
                        return -EBADMSG;
                record->filters[record->n_filters++] = strtoull(value, NULL, 10);
                return 0;
        }
        if (strcmp(key, "NUMBER") == 0)
                record->number = strtoull(value, NULL, 10);
        else if (strcmp(key, "STARTS") == 0) {
                if (record->n_starts >= PARTY_STARTS_MAX)
                        return -EBADMSG;
                record->starts[record->n_starts++] = (uint16_t) strtoul(value, NULL, 10);
        } else if (strcmp(key, "SERVICE") == 0)
                record->service = strcmp(value, "1") == 0;
        else if (strcmp(key, "SHARED") == 0)
                record->shared = strcmp(value, "1") == 0;
        else if (strcmp(key, "STOP_WHEN_IDLE") == 0)
                record->stop_when_idle = strtoull(value, NULL, 10);
        else if (strcmp(key, "STOPPING") == 0)
                record->stopping = strcmp(value, "1") == 0;
        else if (strcmp(key, "LISTENED4") == 0)
                record->listened4 = strcmp(value, "1") == 0;
        else if (strcmp(key, "LISTENED6") == 0)
                record->listened6 = strcmp(value, "1") == 0;
        else if (strcmp(key, "DRAINING") == 0)
                record->draining = strcmp(value, "1") == 0;
        else if (strcmp(key, "UID") == 0)
                record->uid = (uid_t) strtoul(value, NULL, 10);
        else if (strcmp(key, "OWNER_UID") == 0)
                record->owner_uid = (uid_t) strtoul(value, NULL, 10);
        else if (strcmp(key, "IDENTITY_OWNER") == 0)
                record->identity_owner = (uid_t) strtoul(value, NULL, 10);
        else if (strcmp(key, "LEADER") == 0)
                record->leader = (pid_t) strtol(value, NULL, 10);
        else if (strcmp(key, "LEADER_START") == 0)
                record->leader_start = strtoull(value, NULL, 10);
        else if (strcmp(key, "TIMESTAMP") == 0)
                record->timestamp = strtoull(value, NULL, 10);
        else if (strcmp(key, "NETNS") == 0)
                record->netns = strtoull(value, NULL, 10);
        return 0;
}

int app_record_load(int dirfd, const char *id, AppRecord *ret) {
        _cleanup_(app_record_done) AppRecord record = { .strategy = _STRATEGY_INVALID };
        enum { STATE_MAX = 16 * 1024 * 1024 };
        _cleanup_free_ char *text = malloc(STATE_MAX);
        char *line, *rest;
        ssize_t n;

        if (!text)
                return -ENOMEM;
        n = read_file(dirfd, id, text, STATE_MAX);
        if (n < 0)
                return (int) n;
        for (rest = text; (line = strsep(&rest, "\n"));) {
                char *eq = strchr(line, '=');
                int r;

                if (*line == '#' || !eq)
                        continue;
                *eq = '\0';
                r = load_line(&record, line, eq + 1);
                if (r < 0)
                        return r == -EINVAL || r == -E2BIG ? -EBADMSG : r;
        }
        if (!record.unit || !record.argv || record.n_addresses == 0 || record.number == 0)
                return -EBADMSG;
        if (!record.service) {
                record.filters[0] = record.number;
                record.n_filters = 1;
        }
        *ret = record;
        record = (AppRecord){};
        return 0;
}

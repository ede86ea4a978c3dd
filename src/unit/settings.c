/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "basic/clock.h"
#include "basic/text.h"
#include "model/claims.h"
#include "unit/settings.h"

enum { STOP_WHEN_IDLE_MAX_SEC = 365 * 86400 };

void unit_settings_init(UnitSettings *settings) {
        *settings = (UnitSettings){ .strategy = _STRATEGY_INVALID };
}

void unit_settings_done(UnitSettings *settings) {
        strv_free(settings->names);
        tags_done(&settings->tags);
        outside_options_done(&settings->outside);
        strv_free(settings->egress);
        unit_settings_init(settings);
}

static int set_name(UnitSettings *s, const char *word, char **ret_message) {
        return claim_app_name(&s->names, word, ret_message);
}

static void reset_names(UnitSettings *s) {
        s->names = strv_free(s->names);
}

static int set_address(UnitSettings *s, const char *word, char **ret_message) {
        return claim_address(s->addresses, &s->n_addresses, word, ret_message);
}

static void reset_addresses(UnitSettings *s) {
        s->n_addresses = 0;
}

static int set_tag(UnitSettings *s, const char *word, char **ret_message) {
        int r = tags_add(&s->tags, word);

        if (r == -EINVAL)
                return say(-EINVAL, ret_message,
                           "Invalid tag '%s': it must be KEY=VALUE, the key of a-z 0-9 . _ -, the value of A-Z a-z 0-9 . _ : / -, each of up to 63 characters",
                           word);
        if (r == -E2BIG)
                return say(-EINVAL, ret_message, "More than %i tags were given", TAGS_MAX);
        return r;
}

static void reset_tags(UnitSettings *s) {
        tags_done(&s->tags);
}

static int set_expose(UnitSettings *s, const char *word, char **ret_message) {
        return outside_options_set_expose(&s->outside, (char *[]){ (char *) word, NULL }, ret_message);
}

static void reset_expose(UnitSettings *s) {
        free(s->outside.exposes);
        s->outside.exposes = NULL;
        s->outside.n_exposes = 0;
}

static int set_expose_from(UnitSettings *s, const char *word, char **ret_message) {
        return outside_options_set_expose_from(&s->outside, (char *[]){ (char *) word, NULL }, ret_message);
}

static void reset_expose_from(UnitSettings *s) {
        networks_done(&s->outside.expose_from);
        s->outside.has_expose_from = false;
}

/* All words are one list. */
static int set_egress(UnitSettings *s, const char *word, char **ret_message) {
        if (strv_append(&s->egress, word) < 0)
                return -ENOMEM;
        return outside_options_set_egress(&s->outside, s->egress, ret_message);
}

static void reset_egress(UnitSettings *s) {
        s->egress = strv_free(s->egress);
        egress_done(&s->outside.egress);
        s->outside.has_egress = false;
}

static int set_shortcut(UnitSettings *s, const char *word, char **ret_message) {
        Shortcut shortcut = shortcut_from_string(word);

        if (shortcut < 0)
                return say(-EINVAL, ret_message, "Invalid shortcut '%s': it must be auto, unix or tcp", word);
        s->shortcut = shortcut;
        return 0;
}

static void reset_shortcut(UnitSettings *s) {
        s->shortcut = SHORTCUT_AUTO;
}

static int set_strategy(UnitSettings *s, const char *word, char **ret_message) {
        s->strategy = strategy_from_string(word);
        return s->strategy >= 0 ? 0
                                : say(-EINVAL, ret_message,
                                      "Invalid strategy '%s': it must be round-robin, random, least-connections or source-hash",
                                      word);
}

static void reset_strategy(UnitSettings *s) {
        s->strategy = _STRATEGY_INVALID;
}

static int set_weight(UnitSettings *s, const char *word, char **ret_message) {
        unsigned long weight;
        char *end;

        weight = strtoul(word, &end, 10);
        if (strspn(word, "0123456789") != strlen(word) || *end || weight < WEIGHT_MIN || weight > WEIGHT_MAX)
                return say(-EINVAL, ret_message, "Invalid weight '%s': it must be %i to %i", word, WEIGHT_MIN, WEIGHT_MAX);
        s->weight = (unsigned) weight;
        return 0;
}

static void reset_weight(UnitSettings *s) {
        s->weight = 0;
}

static int set_listen(UnitSettings *s, const char *word, char **ret_message) {
        unsigned long port;
        char *end;

        port = *word >= '1' && *word <= '9' ? strtoul(word, &end, 10) : 0;
        if (port == 0 || port > UINT16_MAX || strcmp(end, "/tcp") != 0)
                return say(-EINVAL, ret_message, "Invalid Listen= '%s': it must be PORT/tcp, with a port from 1 to 65535", word);
        if (s->n_listens >= PARTY_STARTS_MAX)
                return say(-EINVAL, ret_message, "More than %i ports were given", PARTY_STARTS_MAX);
        s->listens[s->n_listens++] = (uint16_t) port;
        return 0;
}

static void reset_listen(UnitSettings *s) {
        s->n_listens = 0;
}

static int set_start(UnitSettings *s, const char *word, char **ret_message) {
        if (strcmp(word, "yes") != 0 && strcmp(word, "no") != 0)
                return say(-EINVAL, ret_message, "Invalid StartOnConnect= '%s': it must be yes or no", word);
        s->start_on_connect = strcmp(word, "yes") == 0;
        return 0;
}

static void reset_start(UnitSettings *s) {
        s->start_on_connect = false;
}

/* One number with a unit, a part of what systemd.time(7) knows. */
static int set_stop(UnitSettings *s, const char *word, char **ret_message) {
        static const struct {
                const char *suffix;
                unsigned seconds;
        } units[] = { { "", 1 }, { "s", 1 }, { "sec", 1 }, { "m", 60 }, { "min", 60 }, { "h", 3600 }, { "hr", 3600 }, { "d", 86400 } };
        const size_t digits = strspn(word, "0123456789");
        unsigned long n = digits > 0 && digits < 10 ? strtoul(word, NULL, 10) : 0;

        if (strcmp(word, "infinity") == 0) {
                s->stop_when_idle = 0;
                return 0;
        }
        for (size_t i = 0; n > 0 && i < ELEMENTSOF(units); i++)
                if (strcmp(word + digits, units[i].suffix) == 0 && n <= STOP_WHEN_IDLE_MAX_SEC / units[i].seconds) {
                        s->stop_when_idle = (uint64_t) n * units[i].seconds * USEC_PER_SEC;
                        return 0;
                }
        return say(-EINVAL, ret_message,
                   "Invalid StopWhenIdleSec= '%s': it must be infinity, or a time of 1s to 365d as 90, 90s, 5min, 2h or 1d", word);
}

static void reset_stop(UnitSettings *s) {
        s->stop_when_idle = 0;
}

static const struct {
        const char *key, *option; /* of unit files, of `ax run` */
        int (*set)(UnitSettings *s, const char *word, char **ret_message);
        void (*reset)(UnitSettings *s);
} keys[] = {
        { "Name", "name", set_name, reset_names },
        { "Address", "ip", set_address, reset_addresses },
        { "Tag", "tag", set_tag, reset_tags },
        { "Expose", "expose", set_expose, reset_expose },
        { "ExposeFrom", "expose-from", set_expose_from, reset_expose_from },
        { "Egress", "egress", set_egress, reset_egress },
        { "Shortcut", "shortcut", set_shortcut, reset_shortcut },
        { "Strategy", "strategy", set_strategy, reset_strategy },
        { "Weight", "weight", set_weight, reset_weight },
        { "Listen", "listen", set_listen, reset_listen },
        { "StartOnConnect", "start-on-connect", set_start, reset_start },
        { "StopWhenIdleSec", "stop-when-idle-sec", set_stop, reset_stop },
};

static int unknown_key(const char *key, char **ret_message) {
        _cleanup_strv_ char **known = NULL;
        _cleanup_free_ char *text = NULL;

        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                if (strv_append(&known, keys[i].key) < 0)
                        return -ENOMEM;
        text = strv_join(known, "=, ");
        return text ? say(-EINVAL, ret_message, "Unknown key '%s='; known are %s=", key, text) : -ENOMEM;
}

static size_t find_key(const char *key) {
        size_t i;

        for (i = 0; i < ELEMENTSOF(keys); i++)
                if (strcasecmp(keys[i].key, key) == 0 || strcmp(keys[i].option, key) == 0)
                        break;
        return i;
}

const char *unit_settings_option(const char *key) {
        const size_t i = find_key(key);

        return i < ELEMENTSOF(keys) ? keys[i].option : NULL;
}

int unit_settings_set(UnitSettings *settings, const char *key, const char *value, char **ret_message) {
        _cleanup_free_ char *copy = NULL;
        const size_t i = find_key(key);
        char *rest, *word;
        int r;

        if (i == ELEMENTSOF(keys))
                return unknown_key(key, ret_message);
        rest = copy = strdup(value);
        if (!copy)
                return -ENOMEM;
        if (!*value)
                keys[i].reset(settings);
        while ((word = strsep(&rest, " \t,"))) {
                r = *word ? keys[i].set(settings, word, ret_message) : 0;
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Of "a-b@c-d.service": the parts between these characters. */
typedef struct UnitName {
        int suffix;          /* where ".service" begins */
        int prefix;          /* where the prefix ends */
        int instance;        /* where the instance begins */
        int last;            /* where the last component of the prefix begins */
} UnitName;

static UnitName split(const char *unit) {
        const char *dot = strrchr(unit, '.'), *at = strchr(unit, '@');
        UnitName n = { .suffix = dot ? (int) (dot - unit) : (int) strlen(unit) };

        n.prefix = at && at - unit < n.suffix ? (int) (at - unit) : n.suffix;
        n.instance = at && at - unit < n.suffix ? n.prefix + 1 : n.suffix;
        for (int i = 0; i < n.prefix; i++)
                if (unit[i] == '-')
                        n.last = i + 1;
        return n;
}

/* Appends `size` characters, with \xNN and - of unit names taken back if it is wanted. */
static void put(FILE *f, const char *s, int size, bool unescape) {
        for (int i = 0; i < size; i++) {
                unsigned c;

                if (unescape && s[i] == '-')
                        (void) fputc('/', f);
                else if (unescape && i + 3 < size && sscanf(s + i, "\\x%2x", &c) == 1) {
                        (void) fputc((int) c, f);
                        i += 3;
                } else
                        (void) fputc(s[i], f);
        }
}

static bool put_specifier(FILE *f, char specifier, const char *unit) {
        const UnitName n = split(unit);

        switch (specifier) {
        case 'n':
                (void) fputs(unit, f);
                return true;
        case 'N':
                put(f, unit, n.suffix, false);
                return true;
        case 'p':
        case 'P':
                put(f, unit, n.prefix, specifier == 'P');
                return true;
        case 'i':
        case 'I':
                put(f, unit + n.instance, n.suffix - n.instance, specifier == 'I');
                return true;
        case 'j':
        case 'J':
                put(f, unit + n.last, n.prefix - n.last, specifier == 'J');
                return true;
        case '%':
                (void) fputc('%', f);
                return true;
        default:
                return false;
        }
}

int unit_expand_specifiers(const char *value, const char *unit, char **ret, char **ret_message) {
        _cleanup_free_ char *text = NULL;
        char unknown = '\0';
        size_t size;
        FILE *f;

        f = open_memstream(&text, &size);
        if (!f)
                return -ENOMEM;
        for (const char *s = value; *s; s++)
                if (*s != '%')
                        (void) fputc(*s, f);
                else if (put_specifier(f, s[1], unit))
                        s++;
                else
                        unknown = s[1] ?: '%';
        if (fclose(f) != 0)
                return -ENOMEM;
        if (unknown)
                return say(-EINVAL, ret_message, "Unknown specifier '%%%c' in '%s'; known are %%n %%N %%p %%P %%i %%I %%j %%J %%%%",
                           unknown, value);
        *ret = TAKE_PTR(text);
        return 0;
}

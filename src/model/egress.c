/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <string.h>

#include "basic/text.h"
#include "model/egress.h"
#include "model/name.h"
#include "model/ports.h"

void egress_done(Egress *egress) {
        for (size_t i = 0; i < egress->n; i++)
                free(egress->items[i].name);
        free(egress->items);
        *egress = (Egress){};
}

/*
 * Separates the host of an item from its ports (or NULL), in place. An IPv6
 * address that has ports stands in brackets, and its prefix, if any, behind them.
 */
static const char *split_item(char *s) {
        char *colon = strchr(s, ':'), *end;

        if (*s == '[' && (end = strchr(s, ']')) && strspn(end + 1, ":/") == !!end[1]) {
                char *to = s;

                /* By hand, as gcc with sanitizers warns of memmove(3) here. */
                for (const char *from = s + 1; from == s + 1 || from[-1]; from++)
                        if (from != end)
                                *to++ = *from;
                colon = strchr(end - 1, ':');
        } else if (colon && strchr(colon + 1, ':'))
                return NULL;
        if (!colon)
                return NULL;
        *colon = '\0';
        return colon + 1;
}

/* Of what only looks like an address one would not expect that it is a name. */
static bool looks_like_address(const char *s) {
        return strspn(s, "0123456789./") == strlen(s) || strpbrk(s, ":/");
}

static int parse_item(const char *text, EgressItem *ret, const char **ret_reason) {
        _cleanup_free_ char *s = strdup(text);
        const char *ports, *name;
        EgressItem item = { .first = 1, .last = UINT16_MAX };

        if (!s)
                return -ENOMEM;
        ports = split_item(s);
        if (ports && ports_parse(ports, strlen(ports), &item.first, &item.last) < 0) {
                *ret_reason = "has ports that are neither 1 to 65535 nor a range of those";
                return -EINVAL;
        }
        if (network_parse(s, &item.network) >= 0) {
                *ret = item;
                return 0;
        }
        if (looks_like_address(s)) {
                *ret_reason = "is no address, and no network without host bits";
                return -EINVAL;
        }
        name = strncmp(s, "*.", 2) == 0 ? s + 2 : s;
        *ret_reason = name_invalid_reason(name);
        if (*ret_reason)
                return -EINVAL;
        name_normalize(s);
        item.name = TAKE_PTR(s);
        *ret = item;
        return 0;
}

static int append(Egress *egress, EgressItem *item) {
        EgressItem *grown = reallocarray(egress->items, egress->n + 1, sizeof(*grown));

        if (!grown)
                return -ENOMEM;
        egress->items = grown;
        grown[egress->n++] = *item;
        return 0;
}

/* `n_words`: of "yes" and "no". */
static int add(Egress *egress, const char *text, unsigned *n_words, const char **ret_reason) {
        EgressItem item;
        int r;

        if (strcmp(text, "yes") == 0 || strcmp(text, "no") == 0) {
                egress->all = *text == 'y';
                (*n_words)++;
        } else if (egress->n >= EGRESS_ITEMS_MAX)
                return -E2BIG;
        else {
                r = parse_item(text, &item, ret_reason);
                if (r < 0)
                        return r;
                r = append(egress, &item);
                if (r < 0) {
                        free(item.name);
                        return r;
                }
        }
        *ret_reason = "cannot be combined with others";
        return *n_words > 1 || (*n_words > 0 && egress->n > 0) ? -EINVAL : 0;
}

int egress_parse(char *const *words, Egress *ret, char **ret_item, const char **ret_reason) {
        _cleanup_egress_ Egress egress = {};
        unsigned n_words = 0;
        int r;

        for (; *words; words++) {
                _cleanup_strv_ char **items = NULL;

                r = strv_split(*words, &items);
                *ret_reason = "has an empty item";
                for (char **item = items; r >= 0 && *item; item++) {
                        r = add(&egress, *item, &n_words, ret_reason);
                        if (r == -EINVAL) {
                                *ret_item = strdup(*item);
                                return *ret_item ? r : -ENOMEM;
                        }
                }
                if (r == -EINVAL) {
                        *ret_item = strdup(*words);
                        return *ret_item ? r : -ENOMEM;
                }
                if (r < 0)
                        return r;
        }
        *ret = egress;
        egress = (Egress){};
        return 0;
}

char *egress_item_to_string(const EgressItem *item) {
        const bool any = item->first == 1 && item->last == UINT16_MAX;
        const bool brackets = !item->name && !any && item->network.address.family == AF_INET6;
        char network[NETWORK_STRING_MAX], ports[PORTS_STRING_MAX] = "", *s;
        const char *host = item->name ?: network_format(&item->network, network);
        const int n = brackets ? (int) strcspn(host, "/") : (int) strlen(host);

        if (!any)
                (void) ports_format(item->first, item->last, ports);
        return asprintf(&s, "%s%.*s%s%s%s%s", brackets ? "[" : "", n, host, brackets ? "]" : "", host + n, any ? "" : ":",
                        ports) < 0
                        ? NULL
                        : s;
}

char **egress_to_strv(const Egress *egress) {
        _cleanup_strv_ char **v = NULL;

        if (egress->n == 0)
                return strv_append(&v, egress->all ? "yes" : "no") < 0 ? NULL : TAKE_PTR(v);
        for (size_t i = 0; i < egress->n; i++) {
                _cleanup_free_ char *s = egress_item_to_string(&egress->items[i]);

                if (!s || strv_append(&v, s) < 0)
                        return NULL;
        }
        return TAKE_PTR(v);
}

static bool item_equal(const EgressItem *a, const EgressItem *b) {
        if (a->first != b->first || a->last != b->last || !a->name != !b->name)
                return false;
        return a->name ? strcmp(a->name, b->name) == 0 : network_equal(&a->network, &b->network);
}

bool egress_equal(const Egress *a, const Egress *b) {
        if (a->all != b->all || a->n != b->n)
                return false;
        for (size_t i = 0; i < a->n; i++)
                if (!item_equal(&a->items[i], &b->items[i]))
                        return false;
        return true;
}

int egress_copy(const Egress *egress, Egress *ret) {
        _cleanup_egress_ Egress copy = { .all = egress->all };

        for (size_t i = 0; i < egress->n; i++) {
                EgressItem item = egress->items[i];

                if (item.name && !(item.name = strdup(item.name)))
                        return -ENOMEM;
                if (append(&copy, &item) < 0) {
                        free(item.name);
                        return -ENOMEM;
                }
        }
        *ret = copy;
        copy = (Egress){};
        return 0;
}

size_t egress_name_patterns(const Egress *egress, const char *ret[static EGRESS_ITEMS_MAX]) {
        bool all = egress->all;
        size_t n = 0;

        for (size_t i = 0; i < egress->n; i++)
                if (egress->items[i].name)
                        ret[n++] = egress->items[i].name;
                else
                        all = true;
        if (all)
                ret[n++] = "*";
        return n;
}

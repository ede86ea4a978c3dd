/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <string.h>

#include "core/resolv-conf.h"

#define BLANKS " \t\r"

int name_server_parse(const char *word, NameServer *ret) {
        char text[ADDRESS_STRING_MAX];
        const size_t n = strcspn(word, "%");
        NameServer server = {};
        Address own;

        if (n >= sizeof(text))
                return -EINVAL;
        memcpy(text, word, n);
        text[n] = '\0';
        if (address_parse(text, &server.address) < 0)
                return -EINVAL;
        if (word[n] == '%') {
                if (server.address.family != AF_INET6 || !address_is_link_local(&server.address) || !word[n + 1] ||
                    strlen(word + n + 1) >= sizeof(server.scope))
                        return -EINVAL;
                strcpy(server.scope, word + n + 1);
        } else if (server.address.family == AF_INET6 && address_is_link_local(&server.address))
                return -EINVAL;
        if (address_is_unspecified(&server.address) || address_parse(DNS_HOST_STUB_ADDRESS, &own) < 0 ||
            address_equal(&server.address, &own))
                return -EINVAL;
        if (server.address.family == AF_INET ? server.address.bytes[0] >= 224 : server.address.bytes[0] == 0xff)
                return -EINVAL;
        *ret = server;
        return 0;
}

static bool server_equal(const NameServer *a, const NameServer *b) {
        return address_equal(&a->address, &b->address) && strcmp(a->scope, b->scope) == 0;
}

int name_servers_add(NameServers *servers, const NameServer *server) {
        for (size_t i = 0; i < servers->n; i++)
                if (server_equal(servers->servers + i, server))
                        return 0;
        if (servers->n >= ELEMENTSOF(servers->servers))
                return -E2BIG;
        servers->servers[servers->n++] = *server;
        return 0;
}

/* Copies the next word of a line or list; one that is longer than any address is no word. Returns its end or NULL. */
static const char *next_word(const char *p, const char *separators, char ret[static 128]) {
        size_t n;

        p += strspn(p, separators);
        n = strcspn(p, separators);
        if (n == 0)
                return NULL;
        (void) snprintf(ret, 128, "%.*s", n < 128 ? (int) n : 0, p);
        return p + n;
}

int name_servers_parse(const char *value, NameServers *ret) {
        NameServers servers = {};
        NameServer server;
        char word[128];
        int r;

        if (strcmp(value, "host") == 0) {
                *ret = servers;
                return 0;
        }
        for (const char *p = next_word(value, BLANKS ",", word); p; p = next_word(p, BLANKS ",", word)) {
                r = name_server_parse(word, &server);
                if (r >= 0)
                        r = name_servers_add(&servers, &server);
                if (r < 0)
                        return -EINVAL;
        }
        if (servers.n == 0)
                return -EINVAL;
        *ret = servers;
        return 0;
}

static void parse_line(const char *line, unsigned *n, NameServers *ret) {
        NameServer server;
        char word[128];
        const char *p;

        p = next_word(line, BLANKS, word);
        if (!p || strcmp(word, "nameserver") != 0 || *n >= RESOLV_CONF_SERVERS_MAX)
                return;
        p = next_word(p, BLANKS, word);
        if (!p)
                return;
        (*n)++;
        if (name_server_parse(word, &server) >= 0)
                (void) name_servers_add(ret, &server);
}

void resolv_conf_parse(const char *text, NameServers *ret) {
        unsigned n = 0;

        *ret = (NameServers){};
        while (*text) {
                const size_t size = strcspn(text, "\n");
                char line[256];

                /* A longer line is none that names a server. */
                if (size < sizeof(line)) {
                        memcpy(line, text, size);
                        line[size] = '\0';
                        parse_line(line, &n, ret);
                }
                text += size;
                text += *text == '\n';
        }
        if (n == 0)
                ret->servers[ret->n++].address = (Address){ .family = AF_INET, .bytes = { 127, 0, 0, 1 } };
}

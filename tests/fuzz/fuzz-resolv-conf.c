/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Any text as a resolv.conf, and as the value of DNSForward=: a list of servers
 * that can be asked. With fuzz-dns-main.c it is a test that runs the files of its
 * corpus, fuzz-resolv-conf/.
 */

#include <string.h>

#include "core/resolv-conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const NameServers *servers, size_t max) {
        if (servers->n > max)
                abort();
        for (size_t i = 0; i < servers->n; i++)
                if ((servers->servers[i].address.family != AF_INET && servers->servers[i].address.family != AF_INET6) ||
                    !memchr(servers->servers[i].scope, '\0', IF_NAMESIZE))
                        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = malloc(size + 1);
        NameServers servers;

        if (!text)
                abort();
        memcpy(text, data, size);
        text[size] = '\0';
        resolv_conf_parse(text, &servers);
        check(&servers, RESOLV_CONF_SERVERS_MAX);
        if (name_servers_parse(text, &servers) == 0)
                check(&servers, DNS_FEED_SERVERS_MAX);
        return 0;
}

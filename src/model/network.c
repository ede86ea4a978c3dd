/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <string.h>

#include "basic/text.h"
#include "model/network.h"

static const Network mapped4 = { { AF_INET6, { [10] = 0xff, [11] = 0xff } }, 96 };

unsigned address_bits(const Address *a) {
        return a->family == AF_INET ? 32 : 128;
}

void address_mask(Address *a, unsigned prefix) {
        for (unsigned i = 0; i < sizeof(a->bytes); i++)
                if (i * 8 + 8 > prefix)
                        a->bytes[i] &= i * 8 >= prefix ? 0 : (uint8_t) (0xff << (8 - prefix % 8));
}

static int parse_prefix(const char *s, unsigned max, unsigned *ret) {
        unsigned v = 0;
        size_t n = 0;

        for (; s[n] >= '0' && s[n] <= '9' && n < 3; n++)
                v = v * 10 + (unsigned) (s[n] - '0');
        if (n == 0 || s[n] || v > max)
                return -EINVAL;
        *ret = v;
        return 0;
}

int network_parse(const char *s, Network *ret) {
        const size_t n = strcspn(s, "/");
        char text[ADDRESS_STRING_MAX];
        Address masked;
        Network p;

        if (n >= sizeof(text))
                return -EINVAL;
        memcpy(text, s, n);
        text[n] = '\0';
        if (address_parse(text, &p.address) < 0)
                return -EINVAL;
        p.prefix = address_bits(&p.address);
        if (s[n] && parse_prefix(s + n + 1, p.prefix, &p.prefix) < 0)
                return -EINVAL;
        /* IPv4 addresses never have this form here, so it would be a network of nothing. */
        if (p.prefix >= 96 && network_contains(&mapped4, &p.address))
                return -EINVAL;
        masked = p.address;
        address_mask(&masked, p.prefix);
        if (!address_equal(&masked, &p.address))
                return -EINVAL;
        *ret = p;
        return 0;
}

bool network_is_address(const Network *network) {
        return network->prefix == address_bits(&network->address);
}

const char *network_format(const Network *network, char buf[static NETWORK_STRING_MAX]) {
        char address[ADDRESS_STRING_MAX];

        (void) address_format(&network->address, address);
        if (network_is_address(network))
                (void) snprintf(buf, NETWORK_STRING_MAX, "%s", address);
        else
                (void) snprintf(buf, NETWORK_STRING_MAX, "%s/%u", address, network->prefix);
        return buf;
}

bool network_contains(const Network *network, const Address *a) {
        const unsigned whole = network->prefix / 8, rest = network->prefix % 8;
        const uint8_t *bytes = network->address.bytes;

        if (network->address.family != a->family || memcmp(bytes, a->bytes, whole) != 0)
                return false;
        return rest == 0 || ((bytes[whole] ^ a->bytes[whole]) >> (8 - rest)) == 0;
}

bool network_equal(const Network *a, const Network *b) {
        return a->prefix == b->prefix && address_equal(&a->address, &b->address);
}

/* Words for two networks, one of each family. */
static const struct {
        const char *word;
        Network networks[2];
} words[] = {
        { "any", { { { AF_INET, {} }, 0 }, { { AF_INET6, {} }, 0 } } },
        { "localhost", { { { AF_INET, { 127 } }, 8 }, { { AF_INET6, { [15] = 1 } }, 128 } } },
};

void networks_done(Networks *networks) {
        free(networks->networks);
        *networks = (Networks){};
}

static bool networks_have(const Networks *networks, const Network *network) {
        for (size_t i = 0; i < networks->n; i++)
                if (network_equal(&networks->networks[i], network))
                        return true;
        return false;
}

static int append(Networks *networks, const Network *network) {
        Network *grown;

        if (networks_have(networks, network))
                return 0;
        if (networks->n >= NETWORKS_MAX)
                return -E2BIG;
        grown = reallocarray(networks->networks, networks->n + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        networks->networks = grown;
        grown[networks->n++] = *network;
        return 0;
}

int networks_add(Networks *networks, const char *word) {
        Network network;
        int r;

        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                if (strcmp(words[i].word, word) == 0) {
                        r = append(networks, &words[i].networks[0]);
                        return r < 0 ? r : append(networks, &words[i].networks[1]);
                }
        r = network_parse(word, &network);
        return r < 0 ? r : append(networks, &network);
}

int networks_add_list(Networks *networks, const char *list) {
        _cleanup_strv_ char **items = NULL;
        int r;

        r = strv_split(list, &items);
        if (r < 0)
                return r;
        for (char **s = items; r >= 0 && *s; s++)
                r = networks_add(networks, *s);
        return r;
}

bool networks_contain(const Networks *networks, const Address *a) {
        for (size_t i = 0; i < networks->n; i++)
                if (network_contains(&networks->networks[i], a))
                        return true;
        return false;
}

int networks_copy(const Networks *networks, Networks *ret) {
        Networks copy = {};

        if (networks->n > 0) {
                copy.networks = calloc(networks->n, sizeof(Network));
                if (!copy.networks)
                        return -ENOMEM;
                memcpy(copy.networks, networks->networks, networks->n * sizeof(Network));
                copy.n = networks->n;
        }
        *ret = copy;
        return 0;
}

/* The word that this and another one of them are written as, or NULL. */
static const char *find_word(const Networks *networks, const Network *network, bool *ret_first) {
        for (size_t i = 0; i < ELEMENTSOF(words); i++) {
                const Network *pair = words[i].networks;

                *ret_first = network_equal(network, &pair[0]);
                if ((*ret_first || network_equal(network, &pair[1])) && networks_have(networks, &pair[0]) &&
                    networks_have(networks, &pair[1]))
                        return words[i].word;
        }
        return NULL;
}

char **networks_to_strv(const Networks *networks) {
        _cleanup_strv_ char **v = calloc(1, sizeof(char *));
        char text[NETWORK_STRING_MAX];

        for (size_t i = 0; v && i < networks->n; i++) {
                bool first;
                const char *word = find_word(networks, &networks->networks[i], &first);

                if (word && !first)
                        continue;
                if (strv_append(&v, word ?: network_format(&networks->networks[i], text)) < 0)
                        return NULL;
        }
        return TAKE_PTR(v);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>
#include <strings.h>

#include "basic/text.h"
#include "model/claims.h"
#include "model/name.h"

int claim_name(char ***names, const char *word, char **ret_message) {
        const char *reason = name_invalid_reason(word);
        _cleanup_free_ char *name = NULL;

        if (reason)
                return say(-EINVAL, ret_message, "Invalid name '%s': it %s", word, reason);
        name = strdup(word);
        if (!name)
                return -ENOMEM;
        name_normalize(name);
        if (strv_contains(*names, name))
                return 0;
        if (strv_length(*names) >= IDENTITY_NAMES_MAX)
                return say(-E2BIG, ret_message, "More than %i names were given", IDENTITY_NAMES_MAX);
        return strv_append(names, name);
}

int claim_app_name(char ***names, const char *word, char **ret_message) {
        if (strcasecmp(word, NAME_HOST) == 0)
                return say(-EINVAL, ret_message,
                           "Invalid name '%s': it is kept for services of this host (ax create host --port PORT --backend host:PORT)",
                           word);
        return claim_name(names, word, ret_message);
}

int claim_address(Address addresses[static IDENTITY_ADDRESSES_MAX], size_t *n, const char *word, char **ret_message) {
        const char *reason;
        Address a;

        if (address_parse(word, &a) < 0)
                return say(-EINVAL, ret_message, "Invalid address '%s': it is neither an IPv4 nor an IPv6 address", word);
        reason = address_reserved_reason(&a);
        if (reason)
                return say(-EINVAL, ret_message, "Invalid address '%s': it %s", word, reason);
        for (size_t i = 0; i < *n; i++)
                if (address_equal(&addresses[i], &a))
                        return 0;
        /* Two places are kept for the families that come from the pools. */
        if (*n >= IDENTITY_ADDRESSES_MAX - 2)
                return say(-E2BIG, ret_message, "More than %i addresses were given", IDENTITY_ADDRESSES_MAX - 2);
        addresses[(*n)++] = a;
        return 0;
}

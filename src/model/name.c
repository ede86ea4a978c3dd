/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <arpa/inet.h>
#include <string.h>

#include "model/name.h"

/* The locale must not change what a name is. */
static bool is_alnum(char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static const char *label_invalid_reason(const char *label, size_t n) {
        if (n == 0)
                return "has an empty label";
        if (n > NAME_LABEL_MAX)
                return "has a label of more than 63 characters";
        for (size_t i = 0; i < n; i++)
                if ((unsigned char) label[i] >= 0x80)
                        return "may have only letters a-z, digits and hyphens in its labels; a name in another script has a form that begins with xn-- (RFC 5891)";
                else if (!is_alnum(label[i]) && label[i] != '-')
                        return "may have only letters a-z, digits and hyphens in its labels";
        if (label[0] == '-' || label[n - 1] == '-')
                return "has a label that begins or ends with a hyphen";
        return NULL;
}

const char *name_invalid_reason(const char *name) {
        struct in_addr in;
        const char *reason;

        if (!*name)
                return "is empty";
        if (strlen(name) > NAME_MAX_LENGTH)
                return "is longer than 190 characters";
        for (const char *p = name;; p++) {
                size_t n = strcspn(p, ".");

                reason = label_invalid_reason(p, n);
                if (reason)
                        return reason;
                p += n;
                if (!*p)
                        break;
        }
        if (strcasecmp(name, "localhost") == 0 ||
            (strlen(name) > 10 && strcasecmp(name + strlen(name) - 10, ".localhost") == 0))
                return "is reserved for loopback (RFC 6761)";
        if (inet_aton(name, &in))
                return "reads as an IPv4 address";
        return NULL;
}

void name_normalize(char *name) {
        for (; *name; name++)
                if (*name >= 'A' && *name <= 'Z')
                        *name = (char) (*name - 'A' + 'a');
}

bool name_pattern_matches(const char *pattern, const char *name) {
        const size_t n = strlen(name), suffix = strlen(pattern) - 1;

        if (strcmp(pattern, "*") == 0)
                return true;
        if (strncmp(pattern, "*.", 2) != 0)
                return strcmp(pattern, name) == 0;
        return n > suffix && name[0] != '.' && strcmp(name + n - suffix, pattern + 1) == 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

#include "model/shortcut.h"

static const char *const shortcut_names[_SHORTCUT_MAX] = {
        [SHORTCUT_AUTO] = "auto",
        [SHORTCUT_UNIX] = "unix",
        [SHORTCUT_TCP] = "tcp",
};

const char *shortcut_to_string(Shortcut shortcut) {
        return shortcut >= 0 && shortcut < _SHORTCUT_MAX ? shortcut_names[shortcut] : NULL;
}

Shortcut shortcut_from_string(const char *s) {
        for (int i = 0; i < _SHORTCUT_MAX; i++)
                if (strcmp(shortcut_names[i], s) == 0)
                        return i;
        return _SHORTCUT_INVALID;
}

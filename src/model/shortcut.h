/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "basic/macro.h"

/* What joins an app with another of the same node. */
typedef enum Shortcut {
        SHORTCUT_AUTO, /* pairs, until the app asks for something that takes TCP */
        SHORTCUT_UNIX, /* pairs */
        SHORTCUT_TCP,  /* TCP, in the namespace of the server (transport/dial.h) */
        _SHORTCUT_MAX,
        _SHORTCUT_INVALID = -EINVAL,
} Shortcut;

/* "auto", "unix", "tcp". */
const char *shortcut_to_string(Shortcut shortcut);
Shortcut shortcut_from_string(const char *s);

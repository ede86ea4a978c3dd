/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the small program that is put before a command of a unit
 * (appswitch-unit) needs beside what the unit's sandbox leaves it: to install
 * a filter without no_new_privs takes CAP_SYS_ADMIN, to install one at all
 * takes seccomp(2), to talk to the daemon takes a Unix socket, and it has to
 * be there where the unit has a root of its own. It is added to
 * the sandbox where it is missing, and the program takes it away again before
 * the command is executed.
 */

#include "unit/file.h"

typedef struct UnitSandbox {
        bool no_new_privileges; /* would be implied, and no more with what is added here: to be said */
        uint64_t bounding, ambient; /* capabilities to add, as bits of 1 << CAP_… */
        bool add_unix;          /* AF_UNIX, to RestrictAddressFamilies= */
        bool add_seccomp;       /* to SystemCallFilter= */
        bool add_path;          /* ExecPaths= */
        bool add_mounts;        /* the program itself, and the daemon's socket, which are out of sight: BindReadOnlyPaths= */
        const char *exec_path;  /* where the program is then */
        const char *refusal;    /* what seccomp(2) says without it: "kill", or the name or number of an errno */
} UnitSandbox;

/*
 * Finds out. Returns 0, or -EINVAL with a sentence (to be freed) about what of
 * the unit's settings an app cannot have, or -ENOMEM.
 */
int unit_sandbox_find(const UnitFile *unit, UnitSandbox *ret, char **ret_message);

/*
 * As options of appswitch-unit, which takes it away again, and as assignments ("NoNewPrivileges=yes") that add it to the
 * unit; each NULL if there are none. Returns 0 or -ENOMEM.
 */
int unit_sandbox_format(const UnitSandbox *s, char ***ret_options, char ***ret_properties);

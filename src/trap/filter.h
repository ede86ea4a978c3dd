/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The seccomp filter of an app: which of its calls are trapped (seccomp(2)). */

#include <limits.h>
#include "basic/macro.h"

/* A process that is refused something ends. */
#define FILTER_KILL INT_MAX

/* What was only allowed so that the filter could be installed. */
typedef struct FilterOptions {
        bool refuse_unix;   /* sockets of AF_UNIX, with EAFNOSUPPORT */
        int refuse_seccomp; /* seccomp(2), with this errno or FILTER_KILL; 0: not */
} FilterOptions;

/*
 * Installs the filter in the calling thread, without setting no_new_privs, so that
 * setuid programs go on working; needs CAP_SYS_ADMIN. Returns the descriptor
 * of the listener, or a negative errno: -EBUSY if a filter with a listener is
 * there already (only one can be in a tree of filters).
 *
 * `options` is what else it is to refuse, NULL for nothing.
 */
int filter_install(const FilterOptions *options);

/* "kill", or the name or number of an errno ("EPERM"). Returns FILTER_KILL or the errno, or -EINVAL. */
int filter_refusal_from_string(const char *s);

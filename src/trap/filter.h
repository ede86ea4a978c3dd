/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The seccomp filter of an app: which of its calls are trapped (seccomp(2)). */

#include "basic/macro.h"

/*
 * Installs the filter in the calling thread, without no_new_privs, so that
 * setuid programs go on working; needs CAP_SYS_ADMIN. Returns the descriptor
 * of the listener, or a negative errno: -EBUSY if a filter with a listener is
 * there already (only one can be in a tree of filters).
 */
int filter_install(void);

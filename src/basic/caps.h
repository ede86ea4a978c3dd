/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Doing without one's capabilities, for a while or for good (capabilities(7)). */

#include <linux/capability.h>
#include "basic/macro.h"

typedef struct Caps {
        struct __user_cap_data_struct data[2];
} Caps;

/* Gives up all effective capabilities of the thread. Returns 0 or a negative errno of capset(2). */
int caps_suspend(Caps *ret);

/* Takes them back. */
void caps_resume(const Caps *caps);

/* Gives up these for good (bits of 1 << CAP_…), also what execve(2) would inherit of them. Returns as caps_keep(). */
int caps_drop(uint64_t set);

/* Gives up for good all but these (bits of 1 << CAP_…). Returns 0 or a negative errno of capset(2). */
int caps_keep(uint64_t set);

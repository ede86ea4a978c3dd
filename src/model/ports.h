/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Ranges of ports, as text. */

#include "basic/macro.h"

enum { PORTS_STRING_MAX = 12 };

/* Parses "80" or "80-89", the first `size` bytes of `s`. Returns 0, or -EINVAL: 1 to 65535, in this order. */
int ports_parse(const char *s, size_t size, uint16_t *ret_first, uint16_t *ret_last);

/* Writes it so and returns `buf`. */
const char *ports_format(uint16_t first, uint16_t last, char buf[static PORTS_STRING_MAX]);

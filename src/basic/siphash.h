/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* SipHash-2-4, a keyed hash for short input (Aumasson and Bernstein, 2012, "SipHash: a fast short-input PRF"). */

#include "basic/macro.h"

uint64_t siphash24(const void *data, size_t size, const uint8_t key[static 16]);

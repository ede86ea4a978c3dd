/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How a record gets to the journal. A program without libsystemd has another one of this name (exec/unit-log.c). */

#include <sys/uio.h>

/* The fields of one record, "NAME=value" each. */
void log_send(const struct iovec *fields, int n);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Signals by name, as kill(1) takes them. */

/*
 * The number of a signal: "SIGTERM", "TERM", "15", "RTMIN", "SIGRTMIN+3",
 * "RTMAX-1"; case does not matter. Returns 1 to SIGRTMAX, or -EINVAL.
 */
int signal_from_string(const char *s);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which addresses names resolved to for an app that may connect to those names. */

#include <systemd/sd-bus.h>

/*
 * A line for each, "api.example.com 192.0.2.7, for 57s". NULL: there are none, or
 * the daemon does not tell us.
 */
char **resolved_get(sd_bus *bus, const char *id);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Tags over the bus: reading them, and the methods SetTags and SetAppTags: parse, identify, authorize, act, reply. */

#include "core/app.h"

/* Adds a tag that came with a call. Returns 0 or a negative errno; what is wrong with the tag is said in `error`. */
int tagging_add(Tags *tags, const char *tag, sd_bus_error *error);

/* Handles SetTags and SetAppTags of the app `id`, when the tags come next in the message; the reply comes later. */
int tagging_set(Manager *m, sd_bus_message *message, const char *id, sd_bus_error *error);

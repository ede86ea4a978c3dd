/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Connections that the policy or the Egress= of an app are against: counted, told of, and recorded in the journal. */

#include "model/route.h"
#include "trap/switch.h"

/* Whether it is refused for what somebody has decided, and not only because nobody is there. */
bool refusal_is_one(const Route *route);

/* A connection of the app was refused. To be called once for each. */
void refusal_note(Trap *trap, const Endpoint *to, const Route *route);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What rules of the policy have decided: counted, and recorded where a rule asks for it. */

#include "model/route.h"
#include "trap/switch.h"

/*
 * A connection of the app was decided. To be called once for each, whatever
 * becomes of it; refusals are recorded elsewhere.
 */
void rule_note(Trap *trap, const Endpoint *to, const Route *route);

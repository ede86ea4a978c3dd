/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The agent that asks for the password when polkit wants one and the caller
 * sits at a terminal: pkttyagent(1), started for this very process and ended
 * after the call. It needs the terminal in its normal modes.
 */

#include <sys/types.h>

#include "basic/macro.h"

/*
 * Starts the agent and waits until it is registered. Does nothing for root,
 * without a terminal, where it is not installed, and when another host is
 * asked, whose polkit does not know of our processes; all failures are
 * survived, as polkit then just refuses. Signals have to be unblocked.
 * Returns the agent's PID, or 0.
 */
pid_t polkit_agent_open(void);

/* Ends the agent, if `pid` is one. Always returns 0. */
pid_t polkit_agent_close(pid_t pid);

DEFINE_CLEANUP(pid_t, polkit_agent_close)
#define _cleanup_agent_ _cleanup_(polkit_agent_closep)

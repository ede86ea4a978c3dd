/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The monitor of an app that somebody waits for: the parent of its leader, and
 * the leader of its session. It forwards signals to the app and tells the
 * caller how the app ends (launch/control.h), without the daemon, and it is
 * why job control works: a process group whose parent is not in its session
 * would ignore SIGTSTP.
 */

#include <sys/types.h>

/*
 * Watches `leader` until it ends. `executed` reads end of file when it has
 * executed its program, or is dead. Takes both descriptors. Does not return.
 */
_Noreturn void monitor_run(pid_t leader, int control, int executed);

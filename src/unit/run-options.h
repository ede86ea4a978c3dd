/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A section [X-AppSwitch] as a command line of `ax run`: for what has no unit of the system's service manager, and so
 * runs a program by that.
 */

#include "unit/file.h"

/*
 * "run", "--quiet", "--stop-rest" if the service manager would stop what is left of the unit when its command has ended
 * (KillMode= of a service), and one option "--key=word" for each word of the section, as it is: specifiers are not replaced, and
 * what is not valid is the affair of who reads it. Returns 0 with the words (to be freed), or -ENOMEM.
 */
int run_options_format(const UnitFile *unit, bool service, char ***ret);

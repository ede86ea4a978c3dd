/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which process of a unit that is an app is its main one, as the service manager has it: the app's leader. */

#include "core/manager.h"

/* Watches, from now on. Returns 0 or a negative errno. */
int main_pids_watch(Manager *m);

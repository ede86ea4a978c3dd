/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "basic/macro.h"
#include <sys/types.h>

/* When a process was started, in clock ticks since boot (proc(5), /proc/PID/stat); 0: it is gone. */
uint64_t process_start_time(pid_t pid);

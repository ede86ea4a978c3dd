/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "basic/fd.h"
#include "basic/start-time.h"

uint64_t process_start_time(pid_t pid) {
        enum { FIELDS_BETWEEN = 19 }; /* from the state, which comes after the name, to the start time */
        char path[64], stat[4096], *field;

        (void) snprintf(path, sizeof(path), "/proc/%i/stat", pid);
        if (read_file(AT_FDCWD, path, stat, sizeof(stat)) < 0)
                return 0;
        /* The name can have anything in it, parentheses, too. */
        field = strrchr(stat, ')');
        for (unsigned i = 0; field && i <= FIELDS_BETWEEN; i++)
                field = strchr(field + 1, ' ');
        return field ? strtoull(field + 1, NULL, 10) : 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the terminal on stdout can do, and the pager in front of it. */

#include <stdio.h>
#include <sys/types.h>

#include "basic/macro.h"

/*
 * Whether stdout gets colours: $SYSTEMD_COLORS decides if it is yes, no or a
 * depth, else they are for a terminal that is not dumb, unless there is
 * $NO_COLOR.
 */
bool terminal_colors(void);

/* Columns of the terminal on stdout ($COLUMNS has precedence); 0 if it is none: no limit then. */
size_t terminal_columns(void);

/*
 * Puts a pager between stdout and the terminal, as systemctl does. Does
 * nothing where stdout is no terminal or a dumb one, where $SYSTEMD_PAGER
 * (else $PAGER) is "" or "cat", or where none can be started. These name the
 * pager if $SYSTEMD_PAGERSECURE is set; else it is pager(1) or less, and for
 * who is not the user of the session, as with sudo, less in its secure mode,
 * as a shell in it would be another user's. Ask for colours and columns
 * before. Returns the pager's PID, or 0.
 */
pid_t pager_open(void);

/* Ends the output and waits until the user leaves the pager, if `pid` is one. Always returns 0. */
pid_t pager_close(pid_t pid);

DEFINE_CLEANUP(pid_t, pager_close)
#define _cleanup_pager_ _cleanup_(pager_closep)

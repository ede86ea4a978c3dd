/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What `ax` is tested against: a daemon, and a monitor for each app, made of a
 * few lines that speak the D-Bus API and launch/control.h over a socket of
 * their own. With TEST_NO_APPS in the environment there are no apps.
 */

/* Where its socket is, for whatever else a test makes there. */
extern char cli_daemon_directory[];

/* Starts it, and has what runs from now on take it for the system bus. For check: fails the test if it cannot. */
void cli_daemon_start(void);
void cli_daemon_stop(void);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The app's pseudo terminal and the terminal of the user, joined.
 *
 * Bytes go both ways through buffers of a fixed size; nothing here blocks.
 * The user's terminal is put in raw mode, as the PTY does line editing and
 * signals, but only while we are in the foreground: a job started with & must
 * not touch a terminal that is the shell's. Whoever stops or ends the process
 * calls pty_forward_pause() first; the destructor does so too.
 */

#include <systemd/sd-event.h>

#include "basic/macro.h"

typedef struct PtyForward PtyForward;

/* All that the app wrote has been passed on; called at most once, after pty_forward_drain(). */
typedef void (*PtyForwardDrained)(PtyForward *f, void *userdata);

/*
 * Makes a PTY with size and modes of the terminal among `input` and `output`
 * (if any). Returns 0 with the master and the slave, or a negative errno of
 * posix_openpt(3).
 */
int pty_open(int input, int output, int *ret_master, int *ret_slave);

/*
 * Prepares forwarding between `master` (taken over on success) and the
 * descriptors `input` and `output` (borrowed), which may be anything that can
 * be read and written. Forwarding begins with pty_forward_resume(). Returns 0
 * or a negative errno.
 */
int pty_forward_new(sd_event *event, int master, int input, int output, PtyForward **ret);
PtyForward *pty_forward_free(PtyForward *f);
DEFINE_CLEANUP(PtyForward *, pty_forward_free)

/* Begins, or goes on after a pause: raw mode, size, bytes. Returns 0 or a negative errno. */
int pty_forward_resume(PtyForward *f);

/* Gives the user's terminal its modes back and forwards nothing until resumed. */
void pty_forward_pause(PtyForward *f);

/* The size of the user's terminal has changed. */
void pty_forward_resize(PtyForward *f);

/*
 * SIGINT or SIGQUIT if the user has typed what the app's terminal makes that
 * signal of; the last one. 0: neither.
 */
int pty_forward_key_signal(const PtyForward *f);

/*
 * The app has ended: input is no longer passed on, and `drained` is called
 * from the loop (never from here) as soon as its output is. What processes
 * left behind write later is not waited for.
 */
int pty_forward_drain(PtyForward *f, PtyForwardDrained drained, void *userdata);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Writes files that have to be on the disk before somebody is told that they
 * are. fsync(2) takes as long as the disk is busy, and anybody can keep it so:
 * a thread waits for it, not the loop. Files are written one after the other,
 * in the order in which they came.
 */

#include <systemd/sd-event.h>
#include "basic/macro.h"

typedef struct Saver Saver;

/* The file is there (0), or is as it was (a negative errno). */
typedef void (*SaverDone)(int error, void *userdata);

int saver_new(sd_event *event, Saver **ret);

/* Ends what it is at; what it has not begun is told to be -ECANCELED. Nothing may be given to it then. */
Saver *saver_free(Saver *saver);

/* Until it is whole, a file NAME is called ".NAME" with this behind it. */
#define SAVER_SUFFIX ".new"

/*
 * Replaces the file `name` of a directory by one with `text`, readable for all,
 * or removes it if `text` is NULL; that it is not there is then no error.
 * `done` is called later, once. Returns 0 or a negative errno.
 */
int saver_save(Saver *saver, const char *directory, const char *name, const char *text, SaverDone done, void *userdata);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The drop-in that makes a service unit an app: its processes are started in
 * the app's network namespace, each command by appswitch-unit, after
 * appswitch-unit@.service has asked the daemon for the app. It also holds the
 * section that it was made for, which the daemon reads there.
 */

#include <stdio.h>
#include "unit/file.h"
#include "unit/join.h"
#include "unit/settings.h"

/* Where the namespaces are, by the names of the units. */
#define UNIT_NETNS_DIRECTORY "/run/appswitch/netns"

/*
 * Settings of transient units are a property of them that the service manager keeps and does nothing with but to add it
 * to what they log: LogExtraFields=APPSWITCH_SETTING=Key=value, specifiers replaced. So they are there as long as the unit
 * is, and whoever may make the unit may make it an app.
 */
#define UNIT_SETTING_PROPERTY "LogExtraFields"
#define UNIT_SETTING_FIELD "APPSWITCH_SETTING="

/* What the daemon is to know besides: the unit's own user, so that the app's names are his; whose app it is (unit/join.h). */
#define UNIT_OWN_SECTION "X-AppSwitch-Unit"

/* Reads the section of a unit. Returns 0, -ENOMEM, or -EINVAL with a sentence (to be freed). */
int unit_file_parse_settings(const UnitFile *unit, UnitSettings *ret, char **ret_message);

/*
 * Reads the sections of a unit that is an app, from the drop-in that was made for it, as UnitFile. Returns 0; -ENOENT
 * if there is none; -ENOMEM or a negative errno of reading.
 */
int drop_in_load(const char *unit, UnitFile *ret);

/* Whether the generator has made one for the unit or its template, or has masked it. */
bool drop_in_is_there(const char *unit);

/* Writes the drop-in. Returns 0, -ENOMEM, or -EINVAL with a sentence about what is wrong with the unit. */
int drop_in_write(const UnitFile *unit, const UnitJoin *join, FILE *f, char **ret_message);

/*
 * What a unit that is an app needs in any case: a file, and a section that is right. Whether connections start it is in
 * `ret_starts` (may be NULL). Returns as drop_in_write().
 */
int drop_in_check(const UnitFile *unit, bool *ret_starts, char **ret_message);

/* Writes all commands of the unit anew, each run by the program at `path` with `options` (exec_line_wrap()). Returns 0 or -ENOMEM. */
int drop_in_write_commands(const UnitFile *unit, const char *path, const char *options, FILE *f);

/* Writes one by which the unit fails to start, and says why. Returns 0 or -ENOMEM. */
int drop_in_write_refusal(const char *message, FILE *f);

/*
 * What it is called, if nothing else is needed for it to be the last one. That of a prefix is taken back in the unit's own
 * directory by a file of this name.
 */
#define DROP_IN_NAME "zzz-appswitch.conf"

/* Its file name, after which no other drop-in of the unit comes (to be freed); NULL: out of memory. */
char *drop_in_name(const UnitFile *unit);

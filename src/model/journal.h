/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the journal is told. Each record about an app says so in the field
 * APPSWITCH_APP=, so that journalctl(1) finds all of them by its id. Records
 * that an administrator may want to have explained have a MESSAGE_ID=, and
 * their entry in catalog/appswitch.catalog.
 */

#include "basic/log.h"

#define MESSAGE_APP_STARTED "a40f441855d14e6f9bc639fd0b19b053"
#define MESSAGE_APP_ENDED "df735bd848954b7292c4940427712409"
#define MESSAGE_APP_DRAINED "d011571bd8b746c88ec730ea726ad20e"
#define MESSAGE_APP_TAGGED "902cc9c3d63a4068a348837b42059d5a"
#define MESSAGE_APP_KILLED "f63fb2cf52c24766a62880eb57ed39a6"
#define MESSAGE_APP_LOST "2030d1d9b5d34c7995d0d468487b47af"
#define MESSAGE_APP_NOT_STORED "a1f26ac671f7410dba8663366002236b"
#define MESSAGE_CONNECTION_REFUSED "6ac3df0b1d1b4f5c9a1b0f7a2f0f6d11"
#define MESSAGE_CONNECTION_ALLOWED "5d7e1c0a9e0e4b5f8a54f6a1c3c0b7e2"
#define MESSAGE_NAME_REFUSED "e0463b711ee84b56934ac677b6dc3c34"
#define MESSAGE_POLICY_BROKEN "02929e478cf444a4959625e7e16bef3d"
#define MESSAGE_EXPOSED_REFUSED "0d3a6f7f1c1e4a6fb4d5f3a9b6f0c8d7"
#define MESSAGE_GUARD_MISSING "0ebdaa3ebd524f998f04118768d25f69"
#define MESSAGE_UNIT_BROKEN "c1f0f3d6b0b44d3a8ee5a0d7c27a4f10"
#define MESSAGE_UNIT_MASKED "5b3f27ce9e5e4a1f9d0d4c70c2b8e0aa"
#define MESSAGE_UNIT_UNFENCED "8d7b1f2ab7a94f67a5c9b1f65c0c3e52"
#define MESSAGE_UNIT_UNSEEN "3f0c9a8e4d6b4c07b3a7b21de1f95b6c"
#define MESSAGE_SECTION_FOR_ALL "e92d5b7741c84a0c8a1d3cf2a7be4d19"

/*
 * Logs one record about the app with this id. `message` is one of the above,
 * or NULL; `error` is a negative errno that `%m` in the format spells, or 0.
 * Returns `error`.
 */
int app_log(int level, int error, const char *id, const char *message, const char *format, ...) _printf_(5, 6);

/* The same about a service unit that is to be an app, in the field APPSWITCH_UNIT=. */
int unit_log(int level, int error, const char *unit, const char *message, const char *format, ...) _printf_(5, 6);

#define app_log_debug(error, id, ...) ((void) app_log(LOG_DEBUG, error, id, NULL, __VA_ARGS__))
#define app_log_warning(error, id, ...) ((void) app_log(LOG_WARNING, error, id, NULL, __VA_ARGS__))
#define app_log_error(error, id, ...) ((void) app_log(LOG_ERR, error, id, NULL, __VA_ARGS__))

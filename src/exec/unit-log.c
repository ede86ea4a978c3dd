/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "basic/log-send.h"

/* appswitch-unit says all on its stderr, which the service manager gives to the journal or to whom the unit says. */
void log_send(const struct iovec *fields, int n) {
}

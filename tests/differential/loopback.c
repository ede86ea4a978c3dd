/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "cases.h"

CaseTable loopback_cases(void) {
        return (CaseTable){};
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "cases.h"

CaseTable backlog_cases(void) {
        return (CaseTable){};
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core.h"

typedef struct CaseTable {
        const Case *cases;
        size_t n;
} CaseTable;

/* One for each theme. */
CaseTable addresses_cases(void);
CaseTable binding_cases(void);
CaseTable options_cases(void);
CaseTable option_values_cases(void);
CaseTable option_effects_cases(void);
CaseTable blocking_cases(void);
CaseTable accepting_cases(void);
CaseTable multiplex_cases(void);
CaseTable epoll_cases(void);
CaseTable signals_cases(void);
CaseTable fds_cases(void);
CaseTable streams_cases(void);
CaseTable closing_cases(void);
CaseTable bulk_cases(void);
CaseTable backlog_cases(void);
CaseTable loopback_cases(void);
CaseTable failing_cases(void);
CaseTable inside_cases(void);

#define TABLE(a) ((CaseTable){(a), ELEMENTSOF(a)})

size_t cases_count(void);
const Case *cases_get(size_t i);

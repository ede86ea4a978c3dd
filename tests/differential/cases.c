/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "cases.h"

static CaseTable (*const tables[])(void) = {
                addresses_cases, binding_cases, options_cases, option_values_cases, option_effects_cases, blocking_cases,
                accepting_cases, multiplex_cases, epoll_cases, signals_cases, fds_cases, streams_cases, closing_cases,
                bulk_cases, backlog_cases, loopback_cases, failing_cases, inside_cases,
};

size_t cases_count(void) {
        size_t n = 0;

        for (size_t i = 0; i < ELEMENTSOF(tables); i++)
                n += tables[i]().n;
        return n;
}

const Case *cases_get(size_t i) {
        for (size_t k = 0; k < ELEMENTSOF(tables); k++) {
                CaseTable t = tables[k]();

                if (i < t.n)
                        return &t.cases[i];
                i -= t.n;
        }
        return NULL;
}

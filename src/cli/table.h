/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A table of text: columns as wide as their widest cell, and narrower where
 * that does not fit the terminal. Cells are foreign text and are escaped.
 */

#include <stdio.h>

#include "basic/macro.h"

typedef struct Table Table;

/* A table with `n_columns` columns of these headers (borrowed). NULL: out of memory. */
Table *table_new(const char *const *headers, size_t n_columns);
Table *table_free(Table *t);
DEFINE_CLEANUP(Table *, table_free)
#define _cleanup_table_ _cleanup_(table_freep)

/* Appends a row; a cell that is NULL or "" shows as "-". Returns 0 or -ENOMEM. */
int table_add(Table *t, const char *const *cells);

/*
 * Prints it. `columns`: width to keep to by shortening cells with "…", 0 for
 * none. `legend`: with the headers. `color`: these underlined.
 */
void table_print(const Table *t, FILE *f, size_t columns, bool legend, bool color);

/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

#include "cli/table.h"
#include "basic/text.h"

enum { COLUMN_WIDTH_MIN = 8 };

struct Table {
        const char *const *headers;
        size_t n_columns;
        char **cells; /* n_columns for each row, escaped; grows by rows */
        size_t n_cells;
};

Table *table_new(const char *const *headers, size_t n_columns) {
        Table *t = calloc(1, sizeof(Table));

        if (t)
                *t = (Table){ .headers = headers, .n_columns = n_columns };
        return t;
}

Table *table_free(Table *t) {
        if (!t)
                return NULL;
        for (size_t i = 0; i < t->n_cells; i++)
                free(t->cells[i]);
        free(t->cells);
        free(t);
        return NULL;
}

int table_add(Table *t, const char *const *cells) {
        char **grown = reallocarray(t->cells, t->n_cells + t->n_columns, sizeof(char *));

        if (!grown)
                return -ENOMEM;
        t->cells = grown;
        for (size_t i = 0; i < t->n_columns; i++) {
                grown[t->n_cells + i] = text_escape(cells[i] && *cells[i] ? cells[i] : "-");
                if (!grown[t->n_cells + i]) {
                        while (i > 0)
                                free(grown[t->n_cells + --i]);
                        return -ENOMEM;
                }
        }
        t->n_cells += t->n_columns;
        return 0;
}

/* Characters, not bytes: what is shown is UTF-8, and none of it is double-width. */
static size_t text_width(const char *s) {
        size_t n = 0;

        for (; *s; s++)
                n += (*s & 0xc0) != 0x80;
        return n;
}

/* Takes from the widest column until the row fits or nothing can be taken. */
static void fit(size_t *widths, size_t n, size_t columns) {
        size_t total = n - 1;

        for (size_t i = 0; i < n; i++)
                total += widths[i];
        while (total > columns) {
                size_t widest = 0;

                for (size_t i = 1; i < n; i++)
                        if (widths[i] > widths[widest])
                                widest = i;
                if (widths[widest] <= COLUMN_WIDTH_MIN)
                        return;
                widths[widest]--;
                total--;
        }
}

static void print_cell(FILE *f, const char *cell, size_t width, bool last) {
        size_t have = text_width(cell);

        if (have > width) {
                for (size_t n = 0; n < width - 1; n++)
                        do
                                fputc(*cell++, f);
                        while ((*cell & 0xc0) == 0x80);
                fputs("…", f);
                have = width;
        } else {
                fputs(cell, f);
        }
        if (!last)
                fprintf(f, "%*s", (int) (width - have + 1), "");
}

void table_print(const Table *t, FILE *f, size_t columns, bool legend, bool color) {
        _cleanup_free_ size_t *widths = calloc(t->n_columns, sizeof(size_t));

        if (!widths)
                return;
        for (size_t i = 0; i < t->n_columns; i++)
                widths[i] = legend ? text_width(t->headers[i]) : 1;
        for (size_t i = 0; i < t->n_cells; i++)
                widths[i % t->n_columns] = MAX2(widths[i % t->n_columns], text_width(t->cells[i]));
        if (columns > 0)
                fit(widths, t->n_columns, columns);

        if (legend) {
                fputs(color ? "\x1b[0;4m" : "", f);
                for (size_t i = 0; i < t->n_columns; i++)
                        print_cell(f, t->headers[i], widths[i], i + 1 == t->n_columns);
                fputs(color ? "\x1b[0m\n" : "\n", f);
        }
        for (size_t i = 0; i < t->n_cells; i++) {
                bool last = (i + 1) % t->n_columns == 0;

                print_cell(f, t->cells[i], widths[i % t->n_columns], last);
                if (last)
                        fputc('\n', f);
        }
}

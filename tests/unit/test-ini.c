/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Proves how lines of sections and assignments are read, with their numbers, and who ends the reading. */

#include <string.h>

#include "basic/fd.h"
#include "basic/ini.h"
#include "unit.h"

static char *seen;
static size_t seen_size;
static FILE *into;

static void setup(void) {
        into = open_memstream(&seen, &seen_size);
        ck_assert_ptr_nonnull(into);
}

static void teardown(void) {
        (void) fclose(into);
        free(seen);
}

static int note(const IniLine *line, void *userdata) {
        const unsigned *last = userdata;

        if (line->type == INI_SECTION)
                (void) fprintf(into, "%u[%s] ", line->number, line->section);
        else if (line->type == INI_ASSIGNMENT)
                (void) fprintf(into, "%u(%s|%s|%s) ", line->number, line->section, line->key, line->value);
        else
                (void) fprintf(into, "%u?%s?%s ", line->number, line->section, line->text);
        return last && line->number >= *last ? -EBADMSG : 0;
}

static int read_text(const char *text, unsigned *last) {
        _cleanup_fclose_ FILE *f = *text ? fmemopen((void *) text, strlen(text), "r") : fopen("/dev/null", "re");
        int r;

        ck_assert_ptr_nonnull(f);
        r = ini_read(f, note, last);
        (void) fflush(into);
        return r;
}

/* Comments and empty lines are not told; what is told has the number of its line. */
START_TEST(test_lines) {
        ck_assert_int_eq(read_text("# one\n\n[A]\n; two\n Key = a value \nEmpty=\n[B]\r\nK=a=b", NULL), 0);
        ck_assert_str_eq(seen, "3[A] 5(A|Key|a value) 6(A|Empty|) 7[B] 8(B|K|a=b) ");
}
END_TEST

START_TEST(test_empty) {
        ck_assert_int_eq(read_text("", NULL), 0);
        ck_assert_str_eq(seen ?: "", "");
}
END_TEST

/* What stands before the first section is in none. */
START_TEST(test_before) {
        ck_assert_int_eq(read_text("K=v\n[A]\n", NULL), 0);
        ck_assert_str_eq(seen, "1(|K|v) 2[A] ");
}
END_TEST

/* A bracket that is not closed begins no section, and what follows is not the former one's. */
START_TEST(test_bad) {
        ck_assert_int_eq(read_text("[A]\nword\n[B\nK=v\n[]\nK=v\n=v\n", NULL), 0);
        ck_assert_str_eq(seen, "1[A] 2?A?word 3??[B 4(|K|v) 5[] 6(|K|v) 7(||v) ");
}
END_TEST

START_TEST(test_end) {
        unsigned last = 2;

        ck_assert_int_eq(read_text("[A]\nK=v\nL=v\n", &last), -EBADMSG);
        ck_assert_str_eq(seen, "1[A] 2(A|K|v) ");
}
END_TEST

/* A file that cannot be read is no empty file. */
START_TEST(test_unreadable) {
        _cleanup_fclose_ FILE *f = fopen("/", "re");

        ck_assert_ptr_nonnull(f);
        ck_assert_int_eq(ini_read(f, note, NULL), -EISDIR);
}
END_TEST

int main(void) {
        return UNIT_RUN("ini", setup, teardown, test_lines, test_empty, test_before, test_bad, test_end, test_unreadable);
}

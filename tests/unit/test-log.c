/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Proves that levels and targets of the log are called what they can be set by. */

#include "basic/log.h"
#include "unit.h"

START_TEST(test_levels) {
        for (int level = LOG_EMERG; level <= LOG_DEBUG; level++)
                ck_assert_int_eq(log_level_from_string(log_level_to_string(level)), level);
        ck_assert_int_eq(log_level_from_string("err"), LOG_ERR);
        ck_assert_int_eq(log_level_from_string("ERR"), -EINVAL);
        ck_assert_int_eq(log_level_from_string(""), -EINVAL);
        ck_assert_ptr_null(log_level_to_string(LOG_DEBUG + 1));
        ck_assert_ptr_null(log_level_to_string(-1));
        log_set_max_level(LOG_ALERT);
        ck_assert_int_eq(log_get_max_level(), LOG_ALERT);
}
END_TEST

START_TEST(test_targets) {
        for (LogTarget t = 0; t < _LOG_TARGET_MAX; t++) {
                ck_assert_int_eq(log_target_from_string(log_target_to_string(t)), t);
                log_set_target(t);
                ck_assert_int_eq(log_get_target(), t);
        }
        ck_assert_int_eq(log_target_from_string("moon"), _LOG_TARGET_INVALID);
        ck_assert_ptr_null(log_target_to_string(_LOG_TARGET_MAX));
        ck_assert_ptr_null(log_target_to_string(_LOG_TARGET_INVALID));
}
END_TEST

int main(void) {
        return UNIT_RUN("log", NULL, NULL, test_levels, test_targets);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Any bytes as the record of an app: it is read or refused, and what is read
 * has all that an app must have.
 *
 * With fuzz-dns-main.c it is a test that runs the files of its corpus,
 * fuzz-state/. To look for new ones, compile it with -fsanitize=fuzzer and link
 * it with the static libraries of a build by clang.
 */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "basic/fd.h"
#include "basic/text.h"
#include "core/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[] = "/tmp/fuzz-state-XXXXXX";

static void remove_file(void) {
        (void) unlink(path);
}

static void check_record(const AppRecord *r) {
        if (!r->unit || !r->argv || r->n_argv == 0 || r->argv[r->n_argv] || r->number == 0)
                abort();
        if (r->n_addresses == 0 || r->n_addresses > IDENTITY_ADDRESSES_MAX || r->tags.n > TAGS_MAX)
                abort();
        if (strv_length(r->names) > IDENTITY_NAMES_MAX || r->weight > WEIGHT_MAX ||
            (r->strategy != _STRATEGY_INVALID && !strategy_to_string(r->strategy)))
                abort();
        for (size_t i = 0; i < r->n_addresses; i++)
                if (r->addresses[i].family == AF_UNSPEC)
                        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static int fd = -EBADF;
        AppRecord record = {};
        int r;

        if (fd < 0) {
                fd = mkostemp(path, O_CLOEXEC);
                (void) atexit(remove_file);
        }
        if (fd < 0 || ftruncate(fd, 0) < 0 || pwrite(fd, data, size, 0) != (ssize_t) size)
                abort();
        r = app_record_load(AT_FDCWD, path, &record);
        if (r >= 0) {
                check_record(&record);
                app_record_done(&record);
        } else if (r != -EBADMSG && r != -E2BIG)
                abort();
        return 0;
}

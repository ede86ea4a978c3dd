/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs a fuzz target on every file of the directory that is its argument; at least one is there. */

#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "basic/fd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char *argv[]) {
        static char buf[65536];
        struct dirent *entry;
        unsigned n = 0;
        DIR *dir;

        if (argc != 2)
                errx(EXIT_FAILURE, "the directory of the corpus is needed");
        dir = opendir(argv[1]);
        if (!dir)
                err(EXIT_FAILURE, "%s", argv[1]);
        while ((entry = readdir(dir))) {
                _cleanup_free_ uint8_t *exact = NULL;
                ssize_t size;

                if (entry->d_name[0] == '.')
                        continue;
                size = read_file(dirfd(dir), entry->d_name, buf, sizeof(buf));
                if (size < 0)
                        errx(EXIT_FAILURE, "%s: cannot be read", entry->d_name);
                /* A block of just this size, so that a read beyond it is seen by the sanitizer. */
                exact = malloc(size > 0 ? (size_t) size : 1);
                if (!exact)
                        err(EXIT_FAILURE, "malloc");
                for (ssize_t i = 0; i < size; i++)
                        exact[i] = (uint8_t) buf[i];
                printf("%s\n", entry->d_name);
                (void) fflush(stdout);
                (void) LLVMFuzzerTestOneInput(exact, (size_t) size);
                n++;
        }
        (void) closedir(dir);
        return n > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

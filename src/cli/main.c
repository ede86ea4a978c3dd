/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <locale.h>
#include <unistd.h>

#include "cli/cli.h"

/* A descriptor opened later must not become stdin, stdout or stderr of the app, so closed ones are filled. */
static int fill_stdio(void) {
        int fd;

        do {
                fd = open("/dev/null", O_RDWR | O_NOCTTY); /* not close-on-exec: it is meant to stay */
                if (fd < 0)
                        return -errno;
        } while (fd <= STDERR_FILENO);
        (void) close(fd);
        return 0;
}

int main(int argc, char **argv) {
        (void) setlocale(LC_CTYPE, "");
        if (fill_stdio() < 0)
                return EXIT_FAILURE;
        return cli_main(argc, argv);
}

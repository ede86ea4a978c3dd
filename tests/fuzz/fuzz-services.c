/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Any bytes as the file of a virtual service. It is refused with a sentence, or
 * what it says can be written and reads as the same.
 *
 * With fuzz-dns-main.c it is a test that runs the files of its corpus,
 * fuzz-services/.
 */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/services.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char directory[] = "/tmp/fuzz-services-XXXXXX", path[64];

static void remove_directory(void) {
        (void) unlink(path);
        (void) rmdir(directory);
}

static void put(const void *data, size_t size) {
        FILE *f = fopen(path, "we");

        if (!f || fwrite(data, 1, size, f) != size || fclose(f) != 0)
                abort();
}

static int load(ServiceFile *file) {
        _cleanup_free_ char *message = NULL;
        int r;

        r = service_file_load(path, "zone=default", file, &message);
        if (r < 0 && (r != -EBADMSG || !message || strncmp(message, path, strlen(path)) != 0))
                abort();
        return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(service_file_done) ServiceFile file = {}, again = {};
        _cleanup_free_ char *text = NULL, *text_again = NULL;

        if (!*path) {
                if (!mkdtemp(directory))
                        abort();
                (void) snprintf(path, sizeof(path), "%s/fuzz.conf", directory);
                (void) atexit(remove_directory);
        }
        put(data, size);
        if (load(&file) < 0)
                return 0;
        text = service_file_print(&file.settings, file.uid);
        if (!text)
                abort();
        put(text, strlen(text));
        if (load(&again) < 0)
                abort();
        text_again = service_file_print(&again.settings, again.uid);
        if (!text_again || strcmp(text, text_again) != 0)
                abort();
        return 0;
}

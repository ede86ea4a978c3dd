/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * appswitch-generator: makes apps of service units that have a section
 * [X-AppSwitch] (appswitch.unit(5)). It is a systemd.generator(7): run early at
 * boot and at each daemon-reload, with nothing else running but other
 * generators, so it only reads unit files and writes drop-ins. Whatever is
 * wrong with a unit is the affair of that unit, which then fails to start;
 * nothing of it fails the boot.
 */

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fd.h"
#include "basic/log.h"
#include "basic/text.h"
#include "unit/drop-in.h"

/* The drop-in of a good unit, or, with a message, of one that is to fail. */
static int make_text(const UnitFile *unit, const char *refusal, char **ret, char **ret_message) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f;
        int r;

        f = open_memstream(&text, &size);
        if (!f)
                return -ENOMEM;
        r = refusal ? drop_in_write_refusal(refusal, f) : drop_in_write(unit, f, ret_message);
        if (fclose(f) != 0)
                return -ENOMEM;
        if (r >= 0)
                *ret = TAKE_PTR(text);
        return r;
}

static int write_text(const char *directory, const UnitFile *unit, const char *text) {
        _cleanup_free_ char *drop_ins = NULL, *name = drop_in_name(unit), *path = NULL;
        _cleanup_fclose_ FILE *f = NULL;

        if (!name || asprintf(&drop_ins, "%s/%s.d", directory, unit->name) < 0 ||
            asprintf(&path, "%s/%s", drop_ins, name) < 0)
                return -ENOMEM;
        if (mkdir(drop_ins, 0755) < 0 && errno != EEXIST)
                return -errno;
        f = fopen(path, "we");
        if (!f || fputs(text, f) < 0 || fflush(f) != 0)
                return errno > 0 ? -errno : -EIO;
        return 0;
}

static int generate(UnitCatalog *catalog, const char *directory, const char *name) {
        _cleanup_(unit_file_done) UnitFile unit = {};
        _cleanup_free_ char *text = NULL, *message = NULL;
        int r;

        r = unit_file_load(catalog, name, &unit);
        if (r >= 0 && unit.masked)
                return 0;
        if (r >= 0)
                r = make_text(&unit, NULL, &text, &message);
        if (r < 0) {
                const char *why = message ?: strerror(-r);

                log_error("%s: [" UNIT_SECTION "]: %s. The unit will not start.", name, why);
                if (!unit.name)
                        unit.name = strdup(name);
                r = unit.name ? make_text(&unit, why, &text, NULL) : -ENOMEM;
        }
        return r < 0 ? r : write_text(directory, &unit, text);
}

/* The service manager gives generators no stderr that anybody would read, and at boot there is no journal yet. */
static void set_up_log(void) {
        int fd;

        if (!getenv("SYSTEMD_SCOPE"))
                return;
        if (access("/run/systemd/journal/socket", F_OK) >= 0) {
                log_set_target(LOG_TARGET_JOURNAL);
                return;
        }
        fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NOCTTY);
        if (fd >= 0) {
                (void) dup2(fd, STDERR_FILENO);
                safe_close(fd);
        }
}

int main(int argc, char *argv[]) {
        _cleanup_(unit_catalog_freep) UnitCatalog *catalog = NULL;
        _cleanup_strv_ char **names = NULL;
        int r;

        if (argc == 2 && strcmp(argv[1], "--version") == 0) {
                (void) puts("appswitch-generator " VERSION);
                return EXIT_SUCCESS;
        }
        if (argc != 2 && argc != 4) {
                log_error("This program takes the three directories of systemd.generator(7).");
                return EXIT_FAILURE;
        }
        set_up_log();
        (void) umask(0022);
        r = unit_catalog_new("", &catalog);
        if (r >= 0)
                r = unit_catalog_find(catalog, UNIT_SECTION, &names);
        if (r < 0)
                return log_error_errno(r, "Failed to look at unit files: %m") < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        for (size_t i = 0; names && names[i]; i++) {
                r = generate(catalog, argv[1], names[i]);
                if (r < 0)
                        (void) log_error_errno(r, "%s: failed to write a drop-in, ignoring: %m", names[i]);
        }
        return EXIT_SUCCESS;
}

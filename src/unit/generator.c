/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * appswitch-generator: makes apps of service units that have a section
 * [X-AppSwitch] (appswitch.unit(5)). It is a systemd.generator(7): run early at
 * boot and at each daemon-reload, with nothing else running but other
 * generators, so it only reads unit files and writes drop-ins. Whatever is
 * wrong with a unit is the affair of that unit, which then fails to start;
 * nothing of it fails the boot. It is a generator of users' service managers,
 * too, for the units of these (unit/user-drop-in.h).
 */

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fd.h"
#include "basic/log.h"
#include "basic/text.h"
#include "launch/unit-protocol.h"
#include "model/journal.h"
#include "unit/drop-in.h"
#include "unit/user-drop-in.h"

/* What there is, and what of it is to be an app. */
typedef struct Generator {
        bool user; /* run by a user's service manager */
        UnitCatalog *catalog;
        char **names;  /* of those that are to be apps */
        char **shared; /* of those whose app others join */
} Generator;

static void generator_done(Generator *g) {
        unit_catalog_free(g->catalog);
        strv_free(g->names);
        strv_free(g->shared);
}

/* The drop-in of a good unit, or, with a message, of one that is to fail. */
static int make_text(const Generator *g, const UnitFile *unit, const UnitJoin *join, const char *refusal, char **ret, char **ret_message) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f;
        int r;

        f = open_memstream(&text, &size);
        if (!f)
                return -ENOMEM;
        r = refusal ? drop_in_write_refusal(refusal, f)
            : g->user ? user_drop_in_write(g->catalog, unit, f, ret_message)
                      : drop_in_write(unit, join, f, ret_message);
        if (fclose(f) != 0)
                return -ENOMEM;
        if (r >= 0)
                *ret = TAKE_PTR(text);
        return r;
}

/* One that is started by connections can be connected to from the boot on. */
static int want_starter(const char *directory, const UnitFile *unit, const char *text) {
        _cleanup_free_ char *path = NULL, *link = NULL;
        const char *at = strchr(unit->name, '@');

        /* What the instances of a template are called it does not say. */
        if ((at && at[1] == '.') || !strstr(text, "Requires=" UNIT_STARTER "%N.service\n"))
                return 0;
        if (asprintf(&path, "%s/multi-user.target.wants", directory) < 0)
                return -ENOMEM;
        if (mkdir(path, 0755) < 0 && errno != EEXIST)
                return -errno;
        if (asprintf(&link, "%s/" UNIT_STARTER "%s", path, unit->name) < 0)
                return -ENOMEM;
        return symlink(UNIT_DIRECTORY "/" UNIT_STARTER ".service", link) < 0 && errno != EEXIST ? -errno : 0;
}

static int write_text(const char *directory, const UnitFile *unit, const char *text) {
        _cleanup_free_ char *path = NULL, *name = drop_in_name(unit);
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (!name || asprintf(&path, "%s/%s.d", directory, unit->name) < 0)
                return -ENOMEM;
        if (mkdir(path, 0755) < 0 && errno != EEXIST)
                return -errno;
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = write_file_atomic(fd, name, text, 0644);
        if (r >= 0 && strcmp(name, DROP_IN_NAME) != 0)
                r = write_file_atomic(fd, DROP_IN_NAME, "", 0644);
        return r;
}

/* What the unit is to have, whatever it takes: NULL if it is to have nothing. Returns 0 or -ENOMEM. */
static int make_drop_in(const Generator *g, const char *name, UnitFile *unit, char **ret) {
        _cleanup_(unit_join_done) UnitJoin join = {};
        _cleanup_free_ char *message = NULL;
        int r;

        r = unit_file_load(g->catalog, name, unit);
        if (r >= 0 && unit->masked)
                return 0;
        if (r >= 0 && !g->user)
                r = unit_join_find(g->catalog, g->names, unit, &join, &message);
        if (r >= 0) {
                join.shared = strv_contains(g->shared, name);
                r = make_text(g, unit, &join, NULL, ret, &message);
        }
        if (r < 0) {
                const char *why = message ?: strerror(-r);

                (void) unit_log(LOG_ERR, 0, name, MESSAGE_UNIT_BROKEN, "%s: [" UNIT_SECTION "]: %s. The unit will not start.", name, why);
                if (!unit->name)
                        unit->name = strdup(name);
                r = unit->name ? make_text(g, unit, NULL, why, ret, NULL) : -ENOMEM;
        }
        return r;
}

/* Those that are known have drop-ins of their own, which take the place of this one. */
static int make_prefix_drop_in(const Generator *g, const char *name, UnitFile *unit, char **ret) {
        unit->name = strdup(name);
        return unit->name ? make_text(g, unit, NULL, "It is to be an app by a drop-in for all units whose names begin so, and was not there "
                                            "when unit files were read (systemctl daemon-reload?)", ret, NULL)
                          : -ENOMEM;
}

/* A link takes no space in a tmpfs. */
static int mask(const char *directory, const char *name) {
        _cleanup_free_ char *path = NULL;

        if (unit_name_is_prefix(name))
                return -EOPNOTSUPP;
        if (asprintf(&path, "%s/%s", directory, name) < 0)
                return -ENOMEM;
        return symlink("/dev/null", path) < 0 ? -errno : 0;
}

/* A unit that cannot have its drop-in must not run without it. */
static void generate(const Generator *g, const char *directory, const char *early, const char *name) {
        _cleanup_(unit_file_done) UnitFile unit = {};
        _cleanup_free_ char *text = NULL;
        int r;

        r = unit_name_is_prefix(name) ? make_prefix_drop_in(g, name, &unit, &text) : make_drop_in(g, name, &unit, &text);
        if (r >= 0 && text)
                r = write_text(directory, &unit, text);
        if (r >= 0 && text)
                r = want_starter(directory, &unit, text);
        if (r >= 0)
                return;
        (void) unit_log(LOG_ERR, r, name, MESSAGE_UNIT_MASKED, "%s: failed to write a drop-in, so it is masked and will not start: %m", name);
        r = mask(early, name);
        if (r < 0)
                (void) unit_log(LOG_EMERG, r, name, MESSAGE_UNIT_UNFENCED, "%s: it is to be an app, and neither a drop-in nor a mask can be written. "
                                              "If it starts, it is not fenced: %m", name);
}

/* The service manager gives generators no stderr that anybody would read, and at boot there is no journal yet. */
static void set_up_log(const char *scope) {
        int fd;

        if (!scope)
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
        _cleanup_(generator_done) Generator g = {};
        const char *scope = getenv("SYSTEMD_SCOPE");
        _cleanup_free_ char *for_all = NULL;
        int r;

        if (argc == 2 && strcmp(argv[1], "--version") == 0) {
                (void) puts("appswitch-generator " VERSION);
                return EXIT_SUCCESS;
        }
        if (argc != 2 && argc != 4) {
                log_error("This program takes the three directories of systemd.generator(7).");
                return EXIT_FAILURE;
        }
        set_up_log(scope);
        (void) umask(0022);
        g.user = scope && strcmp(scope, "user") == 0;
        r = g.user ? unit_catalog_new_user("", &g.catalog) : unit_catalog_new("", &g.catalog);
        if (r >= 0)
                r = unit_catalog_find(g.catalog, UNIT_SECTION, &g.names);
        if (r >= 0 && !g.user)
                r = unit_join_find_shared(g.catalog, g.names, &g.shared);
        if (r >= 0)
                r = unit_catalog_find_for_all(g.catalog, UNIT_SECTION, &for_all);
        if (r < 0) {
                (void) log_full(LOG_EMERG, r, "Failed to look at unit files. Services that are to be apps are not fenced if they start: %m");
                return EXIT_FAILURE;
        }
        if (for_all)
                (void) unit_log(LOG_ERR, 0, for_all, MESSAGE_SECTION_FOR_ALL, "%s: a section [" UNIT_SECTION "] here makes no service an app: it would be one of those that apps need, "
                          "too. Have it in the drop-ins of each service, or of a prefix.", for_all);
        for (size_t i = 0; g.names && g.names[i]; i++)
                generate(&g, argv[1], argc == 4 ? argv[2] : argv[1], g.names[i]);
        return EXIT_SUCCESS;
}

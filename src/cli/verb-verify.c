/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ax verify: whether units can be the apps that their files say, as the generator would find. */

#include <stdio.h>
#include <string.h>

#include "basic/log.h"
#include "basic/text.h"
#include "cli/cli.h"
#include "unit/drop-in.h"
#include "unit/user-drop-in.h"

enum { OPTION_USER = 1 };

const Option verify_options[] = {
        { OPTION_USER, "user", 0, NULL, "Units of the service manager of the calling user" },
        {},
};

/* Returns 0 if it is good, 1 after an error was said, or a negative errno that was logged. */
static int verify(UnitCatalog *catalog, bool user, char *const *apps, const char *word) {
        _cleanup_free_ char *name = NULL, *text = NULL, *message = NULL, *for_all = NULL;
        _cleanup_(unit_join_done) UnitJoin join = {};
        _cleanup_(unit_file_done) UnitFile unit = {};
        size_t size;
        FILE *f;
        int r;

        if (asprintf(&name, "%s%s", word, strchr(word, '.') ? "" : ".service") < 0)
                return log_oom();
        r = unit_file_load(catalog, name, &unit);
        if (r < 0)
                return log_error_errno(r, "%s: the unit cannot be read: %m", name);
        if (unit.masked) {
                log_error("%s: it is masked.", name);
                return 1;
        }
        if (!unit.found) {
                log_error("%s: there is no unit file of this name.", name);
                return 1;
        }
        r = unit_name_is_among(unit_catalog_real_name(catalog, name), apps);
        if (r < 0)
                return log_oom();
        if (r == 0) {
                r = unit_catalog_find_for_all(catalog, UNIT_SECTION, &for_all);
                if (r < 0)
                        return log_oom();
                log_error("%s: it has no section [" UNIT_SECTION "]%s%s%s.", name, r > 0 ? ", and that in " : "",
                          r > 0 ? for_all : "", r > 0 ? " makes no service an app" : "");
                return 1;
        }
        f = open_memstream(&text, &size);
        if (!f)
                return log_oom();
        r = user ? user_drop_in_write(catalog, &unit, f, &message) : unit_join_find(catalog, apps, &unit, &join, &message);
        if (r >= 0 && !user)
                r = drop_in_write(&unit, &join, f, &message);
        if (fclose(f) != 0 || (r < 0 && !message))
                return log_oom();
        if (r < 0)
                log_error("%s: %s.", name, message);
        return r < 0;
}

int verb_verify(const Verb *verb, Settings *settings, char **argv) {
        _cleanup_(unit_catalog_freep) UnitCatalog *catalog = NULL;
        _cleanup_option_parser_ OptionParser p;
        _cleanup_strv_ char **apps = NULL;
        int r, id, status = EXIT_SUCCESS;
        const char *value;
        bool user = false;

        cli_parser_init(&p, verb, argv);
        while ((id = cli_parser_next(&p, verb, settings, &value)) > 0)
                user |= id == OPTION_USER;
        if (id < 0 || settings->done)
                return id;
        if (!p.words)
                return log_error_errno(-EINVAL, "Which unit is to be verified?");
        r = user ? unit_catalog_new_user("", &catalog) : unit_catalog_new("", &catalog);
        if (r >= 0)
                r = unit_catalog_find(catalog, UNIT_SECTION, &apps);
        if (r < 0)
                return log_error_errno(r, "Failed to look at unit files: %m");
        for (char **word = p.words; *word; word++)
                if (verify(catalog, user, apps, *word) != 0)
                        status = EXIT_FAILURE;
        return status;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "basic/text.h"
#include "unit/search-path.h"

/* Where /lib is /usr/lib, what is in it would be seen twice. */
static bool is_merged(const char *root) {
        char path[PATH_MAX];
        struct stat st;

        (void) snprintf(path, sizeof(path), "%s/lib", root);
        return lstat(path, &st) >= 0 && S_ISLNK(st.st_mode);
}

int search_path_system(const char *root, char ***ret) {
        static const char *const directories[] = {
                "/etc/systemd/system.control",
                "/run/systemd/system.control",
                "/run/systemd/transient",
                "/etc/systemd/system",
                "/etc/systemd/system.attached",
                "/run/systemd/system",
                "/run/systemd/system.attached",
                "/usr/local/lib/systemd/system",
                "/usr/lib/systemd/system",
                "/lib/systemd/system",
        };
        _cleanup_strv_ char **path = NULL;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(directories) - is_merged(root); i++)
                r = strv_append(&path, directories[i]);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(path);
        return 0;
}

/*
 * "DIRECTORY/SUFFIX" for each absolute one in a variable, "A:B" if it is a list of them. Without it, `fallback` below $HOME,
 * or, if that is absolute, the list as it is; NULL: nothing.
 */
static int add_variable(char ***path, const char *variable, const char *fallback, const char *suffix) {
        const char *value = getenv(variable), *home = getenv("HOME");
        _cleanup_free_ char *below = NULL;

        if (!value || !*value) {
                if (fallback && *fallback != '/') {
                        if (!home || *home != '/')
                                return 0;
                        if (asprintf(&below, "%s/%s", home, fallback) < 0)
                                return -ENOMEM;
                        fallback = below;
                }
                value = fallback;
        }
        for (const char *s = value; s && *s; s += *s == ':') {
                const size_t l = strcspn(s, ":");
                _cleanup_free_ char *directory = NULL;

                if (*s == '/' &&
                    (asprintf(&directory, "%.*s/%s", (int) l, s, suffix) < 0 || strv_append(path, directory) < 0))
                        return -ENOMEM;
                s += l;
        }
        return 0;
}

int search_path_user(const char *root, char ***ret) {
        static const struct {
                const char *variable, *fallback, *suffix; /* the last one alone: a directory */
        } parts[] = {
                { "XDG_CONFIG_HOME", ".config", "systemd/user.control" },
                { "XDG_RUNTIME_DIR", NULL, "systemd/user.control" },
                { "XDG_RUNTIME_DIR", NULL, "systemd/transient" },
                { "XDG_CONFIG_HOME", ".config", "systemd/user" },
                { "XDG_CONFIG_DIRS", "/etc/xdg", "systemd/user" },
                { NULL, NULL, "/etc/systemd/user" },
                { "XDG_RUNTIME_DIR", NULL, "systemd/user" },
                { NULL, NULL, "/run/systemd/user" },
                { "XDG_DATA_HOME", ".local/share", "systemd/user" },
                { "XDG_DATA_DIRS", "/usr/local/share:/usr/share", "systemd/user" },
                { NULL, NULL, "/usr/local/share/systemd/user" },
                { NULL, NULL, "/usr/share/systemd/user" },
                { NULL, NULL, "/usr/local/lib/systemd/user" },
                { NULL, NULL, "/usr/lib/systemd/user" },
        };
        _cleanup_strv_ char **path = NULL;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(parts); i++)
                if (parts[i].variable)
                        r = add_variable(&path, parts[i].variable, parts[i].fallback, parts[i].suffix);
                else if (!strv_contains(path, parts[i].suffix))
                        r = strv_append(&path, parts[i].suffix);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(path);
        return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "basic/text.h"
#include "launch/unit-protocol.h"
#include "unit/sandbox.h"
#include "unit/settings.h"

#define SERVICE "Service"

enum {
        OTHERS = 63, /* stands for all the other capabilities */
};

#define BIT(cap) (UINT64_C(1) << (cap))
#define NEEDED (BIT(CAP_SYS_ADMIN) | BIT(CAP_SETPCAP))

static const struct {
        int cap;
        const char *name;
} caps[] = { { CAP_SYS_ADMIN, "SYS_ADMIN" }, { CAP_SETPCAP, "SETPCAP" } };

static char *format_caps(uint64_t set, const char *separator, const char *prefix) {
        _cleanup_strv_ char **names = NULL;

        for (size_t i = 0; i < ELEMENTSOF(caps); i++) {
                _cleanup_free_ char *name = NULL;

                if ((set & BIT(caps[i].cap)) == 0)
                        continue;
                if (asprintf(&name, "%s%s", prefix, caps[i].name) < 0 || strv_append(&names, name) < 0)
                        return NULL;
        }
        return strv_join(names, separator);
}

static uint64_t parse_caps(char *words) {
        uint64_t set = 0;
        char *word;

        while ((word = strsep(&words, " \t"))) {
                bool known = false;

                for (size_t i = 0; i < ELEMENTSOF(caps); i++)
                        if (strncasecmp(word, "CAP_", 4) == 0 && strcasecmp(word + 4, caps[i].name) == 0) {
                                set |= BIT(caps[i].cap);
                                known = true;
                        }
                if (!known && *word)
                        set |= BIT(OTHERS);
        }
        return set;
}

/* As systemd.exec(5) has it for CapabilityBoundingSet= and AmbientCapabilities=; Returns 0 or -ENOMEM. */
static int find_caps(const UnitFile *unit, const char *key, uint64_t initial, uint64_t *ret) {
        uint64_t set = initial;

        for (size_t i = 0; i < unit->n; i++) {
                const UnitAssignment *a = &unit->assignments[i];
                _cleanup_free_ char *value = NULL;
                bool invert;
                uint64_t sum;

                if (strcmp(a->section, SERVICE) != 0 || strcmp(a->key, key) != 0)
                        continue;
                invert = *a->value == '~';
                value = strdup(a->value + invert);
                if (!value)
                        return -ENOMEM;
                sum = parse_caps(value);
                if (sum == 0 || set == initial)
                        set = invert ? ~sum | BIT(OTHERS) : sum;
                else if (invert)
                        set &= ~sum | BIT(OTHERS);
                else
                        set |= sum;
        }
        *ret = set;
        return 0;
}

/* A list that allows or, if its first line begins with a tilde, denies. */
typedef struct List {
        bool set, denies, has;
} List;

static bool list_has(const List *l) {
        return !l->set || l->has != l->denies;
}

/* Whether one of `names` is in the list. Values come as "NAME" or "NAME:ERRNO". Returns 0 or -ENOMEM. */
static int find_list(const UnitFile *unit, const char *key, const char *const *names, List *ret) {
        List list = {};

        for (size_t i = 0; i < unit->n; i++) {
                const UnitAssignment *a = &unit->assignments[i];
                _cleanup_free_ char *value = NULL;
                char *words, *word;
                bool invert;

                if (strcmp(a->section, SERVICE) != 0 || strcmp(a->key, key) != 0)
                        continue;
                if (!*a->value) {
                        list = (List){};
                        continue;
                }
                invert = *a->value == '~';
                words = value = strdup(a->value + invert);
                if (!value)
                        return -ENOMEM;
                if (!list.set)
                        list = (List){ .set = true, .denies = invert };
                while ((word = strsep(&words, " \t"))) {
                        word[strcspn(word, ":")] = '\0';
                        for (const char *const *name = names; *name; name++)
                                if (strcmp(*name, word) == 0)
                                        list.has = invert == list.denies;
                }
        }
        *ret = list;
        return 0;
}

/* With one of these, who has no CAP_SYS_ADMIN gets no_new_privs (systemd.exec(5), NoNewPrivileges=). */
static bool has_filters(const UnitFile *unit) {
        static const char *const booleans[] = {
                "MemoryDenyWriteExecute", "RestrictRealtime",  "RestrictSUIDSGID", "ProtectClock",    "ProtectKernelTunables",
                "ProtectKernelModules",   "ProtectKernelLogs", "PrivateDevices",   "LockPersonality", "ProtectHostname",
        };
        static const char *const lists[] = { "RestrictAddressFamilies", "SystemCallFilter", "SystemCallLog", "SystemCallArchitectures" };
        static const char *const no[] = { "no", "n", "false", "f", "off", "0" };
        const char *namespaces = unit_file_get(unit, SERVICE, "RestrictNamespaces");

        for (size_t i = 0; i < ELEMENTSOF(booleans); i++)
                if (unit_file_get_bool(unit, SERVICE, booleans[i]))
                        return true;
        for (size_t i = 0; i < ELEMENTSOF(lists); i++)
                if (unit_file_get(unit, SERVICE, lists[i]))
                        return true;
        for (size_t i = 0; namespaces && i < ELEMENTSOF(no); i++)
                if (strcasecmp(no[i], namespaces) == 0)
                        namespaces = NULL;
        return namespaces;
}

static bool is_root(const UnitFile *unit) {
        const char *user = unit_file_get(unit, SERVICE, "User");

        return !user || strcmp(user, "root") == 0 || strcmp(user, "0") == 0;
}

static int find_privileges(const UnitFile *unit, UnitSandbox *s) {
        static const char *const noroot_names[] = { "noroot", NULL };
        uint64_t bounding, ambient;
        List bits;
        int r;

        r = find_list(unit, "SecureBits", noroot_names, &bits);
        if (r < 0)
                return r;
        r = find_caps(unit, "CapabilityBoundingSet", UINT64_MAX, &bounding);
        if (r >= 0)
                r = find_caps(unit, "AmbientCapabilities", 0, &ambient);
        if (r < 0)
                return r;
        if (unit_file_get_bool(unit, SERVICE, "NoNewPrivileges") || unit_file_get_bool(unit, SERVICE, "DynamicUser"))
                return 0;
        /* With SecureBits=noroot an execve(2) of root's gives no capabilities. */
        if (is_root(unit) && !bits.has) {
                if ((bounding & BIT(CAP_SYS_ADMIN)) == 0)
                        s->bounding = NEEDED & ~bounding;
                return 0;
        }
        if (ambient & BIT(CAP_SYS_ADMIN))
                return 0;
        if (!is_root(unit) && has_filters(unit)) {
                s->no_new_privileges = true;
                return 0;
        }
        s->bounding = NEEDED & ~bounding;
        s->ambient = NEEDED & ~ambient;
        return 0;
}

static bool is_below(const char *path, const char *directory, size_t length) {
        while (length > 0 && directory[length - 1] == '/')
                length--;
        return strncmp(path, directory, length) == 0 && (path[length] == '/' || !path[length]);
}

/* Whether an empty file system is over the program or the socket: of TemporaryFileSystem=, or that of MountAPIVFS= over /run. */
static bool is_hidden(const UnitFile *unit) {
        bool hidden = false;

        for (size_t i = 0; i < unit->n; i++) {
                const UnitAssignment *a = &unit->assignments[i];

                if (strcmp(a->section, SERVICE) != 0 || strcmp(a->key, "TemporaryFileSystem") != 0)
                        continue;
                hidden = hidden && *a->value;
                for (const char *s = a->value; *(s += strspn(s, " \t")); s += strcspn(s, " \t")) {
                        size_t l = strcspn(s, " \t:");

                        hidden |= is_below(UNIT_EXEC_PATH, s, l) || is_below(UNIT_SOCKET, s, l);
                }
        }
        return hidden || unit_file_get_bool(unit, SERVICE, "MountAPIVFS");
}

/*
 * In a root of its own the unit has /run as an empty file system (MountAPIVFS=, which is the default there), so nothing of
 * its root is touched. Behind a file system that is mounted over it, the program is put back where it was.
 */
static void find_mounts(const UnitFile *unit, UnitSandbox *s) {
        const char *root = unit_file_get(unit, SERVICE, "RootDirectory");
        const bool has_root = (root && strcmp(root, "/") != 0) || unit_file_get(unit, SERVICE, "RootImage");

        s->add_mounts = has_root || is_hidden(unit);
        s->exec_path = has_root ? UNIT_ROOT_EXEC_PATH : UNIT_EXEC_PATH;
}

/* Whether only root can change what is in it. In one as /tmp nobody else can replace what is root's. */
static bool is_roots(const char *path, bool last) {
        struct stat st;

        return stat(path, &st) < 0 || (st.st_uid == 0 && ((st.st_mode & 022) == 0 || (!last && (st.st_mode & S_ISVTX))));
}

/*
 * The program that gives rights up is found in the unit's own root. Whoever can rename what is there, or on the way to
 * there, could have another one take its place, and the rights.
 */
static int check_root(const UnitFile *unit, char **ret_message) {
        const char *value = unit_file_get(unit, SERVICE, "RootDirectory"), *name = unit->name ?: "", *at = strchr(name, '@');
        _cleanup_free_ char *expanded = NULL, *path = NULL, *run = NULL, *own = NULL;
        struct stat st;
        bool safe;
        int r;

        if (!value || (at && at[1] == '.' && strchr(value, '%')))
                return 0;
        r = unit_expand_specifiers(value, name, &expanded, ret_message);
        if (r < 0)
                return r;
        path = realpath(expanded, NULL);
        if (!path) /* what is not there cannot be started */
                return 0;
        if (asprintf(&run, "%s/run", path) < 0 || asprintf(&own, "%s/appswitch", run) < 0)
                return -ENOMEM;
        safe = is_roots(path, true) && (lstat(run, &st) < 0 || S_ISDIR(st.st_mode)) && is_roots("/", false);
        /* Nothing is mounted there. */
        if (unit_file_get(unit, SERVICE, "MountAPIVFS") && !unit_file_get_bool(unit, SERVICE, "MountAPIVFS"))
                safe = safe && is_roots(run, true) && is_roots(own, true);
        for (char *slash = strchr(path + 1, '/'); safe && slash; slash = strchr(slash + 1, '/')) {
                *slash = '\0';
                safe = is_roots(path, false);
                *slash = '/';
        }
        return safe ? 0
                    : say(-EINVAL, ret_message,
                          "RootDirectory=%s cannot be that of an app without NoNewPrivileges=yes: it, and all above it, must be root's "
                          "and writable for nobody else, and run/ in it no link", value);
}

int unit_sandbox_find(const UnitFile *unit, UnitSandbox *ret, char **ret_message) {
        static const char *const impossible[] = { "NetworkNamespacePath" };
        static const char *const seccomp_names[] = { "seccomp", "@sandbox", "@known", NULL };
        static const char *const unix_names[] = { "AF_UNIX", "AF_LOCAL", NULL };
        UnitSandbox s = {};
        List calls, families;
        int r;

        for (size_t i = 0; i < ELEMENTSOF(impossible); i++)
                if (unit_file_get(unit, SERVICE, impossible[i]))
                        return say(-EINVAL, ret_message, "A unit with %s= cannot be an app", impossible[i]);
        r = find_privileges(unit, &s);
        if (r >= 0 && (s.ambient || s.bounding))
                r = check_root(unit, ret_message);
        if (r >= 0)
                r = find_list(unit, "SystemCallFilter", seccomp_names, &calls);
        if (r >= 0)
                r = find_list(unit, "RestrictAddressFamilies", unix_names, &families);
        if (r < 0)
                return r;
        if (!list_has(&calls)) {
                s.add_seccomp = true;
                s.refusal = unit_file_get(unit, SERVICE, "SystemCallErrorNumber") ?: "kill";
        }
        s.add_unix = !list_has(&families);
        s.add_path = unit_file_get(unit, SERVICE, "NoExecPaths");
        find_mounts(unit, &s);
        *ret = s;
        return 0;
}

/* Appends "KEYVALUE", and takes the value. */
static int append(char ***v, const char *key, char *value) {
        _cleanup_free_ char *owned = value, *s = NULL;

        return !value || asprintf(&s, "%s%s", key, value) < 0 ? -ENOMEM : strv_append(v, s);
}

int unit_sandbox_format(const UnitSandbox *s, char ***ret_options, char ***ret_properties) {
        _cleanup_strv_ char **options = NULL, **properties = NULL;
        int r = 0;

        if (s->no_new_privileges)
                r = strv_append(&properties, "NoNewPrivileges=yes");
        if (r >= 0 && s->bounding) {
                r = append(&options, "--drop-bounding=", format_caps(s->bounding, ",", ""));
                if (r >= 0)
                        r = append(&properties, "CapabilityBoundingSet=", format_caps(s->bounding, " ", "CAP_"));
        }
        if (r >= 0 && s->ambient) {
                r = append(&options, "--drop-ambient=", format_caps(s->ambient, ",", ""));
                if (r >= 0)
                        r = append(&properties, "AmbientCapabilities=", format_caps(s->ambient, " ", "CAP_"));
        }
        if (r >= 0 && s->add_unix) {
                r = strv_append(&options, "--refuse-unix");
                if (r >= 0)
                        r = strv_append(&properties, "RestrictAddressFamilies=AF_UNIX");
        }
        if (r >= 0 && s->add_seccomp) {
                r = append(&options, "--refuse-seccomp=", strdup(s->refusal));
                if (r >= 0)
                        r = strv_append(&properties, "SystemCallFilter=seccomp");
        }
        if (r >= 0 && s->add_path)
                r = append(&properties, "ExecPaths=", strdup(s->exec_path));
        if (r >= 0 && s->add_mounts) {
                r = append(&properties, "BindReadOnlyPaths=" UNIT_EXEC_PATH ":", strdup(s->exec_path));
                if (r >= 0)
                        r = strv_append(&properties, "BindReadOnlyPaths=" UNIT_SOCKET);
        }
        if (r < 0)
                return r;
        *ret_options = TAKE_PTR(options);
        *ret_properties = TAKE_PTR(properties);
        return 0;
}

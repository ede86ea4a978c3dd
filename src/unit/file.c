/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/conf-files.h"
#include "basic/fd.h"
#include "basic/ini.h"
#include "basic/text.h"
#include "unit/file.h"
#include "unit/search-path.h"

#define SUFFIX ".service"

/* At the beginning of a file it is nothing. */
#define BYTE_ORDER_MARK "\xef\xbb\xbf"

/* The drop-ins of all services, in each of the directories. */
#define FOR_ALL "/service.d"

enum {
        FILE_SIZE_MAX = 1024 * 1024,
        DROP_INS_MAX = 1024,
        ALIAS_DEPTH_MAX = 8,
};

typedef struct Entry {
        char *path;        /* without the root */
        const char *name;  /* its last part */
        char *target;      /* of a symbolic link: the name it leads to, "null" for a masked unit */
        bool is_drop_ins;  /* NAME.d */
} Entry;

struct UnitCatalog {
        char *root;
        char **directories; /* the search path */
        Entry *entries; /* in the order of the search path */
        size_t n;
};

static bool ends_with(const char *s, const char *end) {
        size_t l = strlen(s), e = strlen(end);

        return l > e && strcmp(s + l - e, end) == 0;
}

UnitCatalog *unit_catalog_free(UnitCatalog *c) {
        if (!c)
                return NULL;
        for (size_t i = 0; i < c->n; i++) {
                free(c->entries[i].path);
                free(c->entries[i].target);
        }
        free(c->entries);
        strv_free(c->directories);
        free(c->root);
        free(c);
        return NULL;
}

static bool is_template(const char *name) {
        return ends_with(name, "@" SUFFIX);
}

/* An instance that leads to a template is that one's instance: "x@a.service" to "y@.service" is "y@a.service". */
static int read_target(const char *path, const char *name, char **ret) {
        const char *at = strchr(name, '@');
        char target[PATH_MAX], *last;
        ssize_t n;

        n = readlink(path, target, sizeof(target) - 1);
        if (n < 0) {
                *ret = NULL;
                return 0;
        }
        target[n] = '\0';
        last = strrchr(target, '/');
        last = last ? last + 1 : target;
        if (at && !is_template(name) && is_template(last))
                return asprintf(ret, "%.*s%s", (int) (strchr(last, '@') - last), last, at) < 0 ? -ENOMEM : 0;
        *ret = strdup(last);
        return *ret ? 0 : -ENOMEM;
}

static int add_entry(UnitCatalog *c, const char *directory, const char *name) {
        _cleanup_free_ char *full = NULL;
        Entry entry = { .is_drop_ins = ends_with(name, SUFFIX ".d") }, *grown;

        if (!entry.is_drop_ins && !ends_with(name, SUFFIX))
                return 0;
        grown = reallocarray(c->entries, c->n + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        c->entries = grown;
        if (asprintf(&entry.path, "%s/%s", directory, name) < 0)
                return -ENOMEM;
        if (asprintf(&full, "%s%s", c->root, entry.path) < 0 || (!entry.is_drop_ins && read_target(full, name, &entry.target) < 0)) {
                free(entry.path);
                return -ENOMEM;
        }
        entry.name = entry.path + strlen(directory) + 1;
        c->entries[c->n++] = entry;
        return 0;
}

static int scan(UnitCatalog *c, const char *directory) {
        _cleanup_free_ char *path = NULL;
        struct dirent *entry;
        int r = 0;
        DIR *dir;

        if (asprintf(&path, "%s%s", c->root, directory) < 0)
                return -ENOMEM;
        dir = opendir(path);
        if (!dir)
                return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
        while (r >= 0 && (entry = readdir(dir)))
                r = add_entry(c, directory, entry->d_name);
        (void) closedir(dir);
        return r;
}

static int catalog_new(const char *root, int (*find_path)(const char *root, char ***ret), UnitCatalog **ret) {
        _cleanup_(unit_catalog_freep) UnitCatalog *c = NULL;
        int r;

        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->root = strdup(root);
        if (!c->root)
                return -ENOMEM;
        r = find_path(root, &c->directories);
        for (char **d = c->directories; r >= 0 && *d; d++)
                r = scan(c, *d);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

int unit_catalog_new(const char *root, UnitCatalog **ret) {
        return catalog_new(root, search_path_system, ret);
}

int unit_catalog_new_user(const char *root, UnitCatalog **ret) {
        return catalog_new(root, search_path_user, ret);
}

static const Entry *find_entry(const UnitCatalog *c, const char *name) {
        for (size_t i = 0; i < c->n; i++)
                if (!c->entries[i].is_drop_ins && strcmp(c->entries[i].name, name) == 0)
                        return &c->entries[i];
        return NULL;
}

const char *unit_catalog_real_name(const UnitCatalog *c, const char *name) {
        for (unsigned i = 0; i < ALIAS_DEPTH_MAX; i++) {
                const Entry *entry = find_entry(c, name);

                if (!entry || !entry->target || !ends_with(entry->target, SUFFIX) || strcmp(entry->target, name) == 0)
                        break;
                name = entry->target;
        }
        return name;
}

int unit_name_template(const char *name, char **ret) {
        const char *at = strchr(name, '@');

        *ret = NULL;
        if (!at || strcmp(at + 1, SUFFIX) == 0)
                return 0;
        return asprintf(ret, "%.*s%s", (int) (at + 1 - name), name, SUFFIX) < 0 ? -ENOMEM : 0;
}

int unit_name_is_among(const char *name, char *const *names) {
        _cleanup_free_ char *template = NULL;

        if (unit_name_template(name, &template) < 0)
                return -ENOMEM;
        return names && (strv_contains(names, name) || (template && strv_contains(names, template)));
}

bool unit_name_is_prefix(const char *name) {
        return ends_with(name, "-" SUFFIX);
}

static ssize_t read_unit(const char *root, const char *path, char **ret) {
        _cleanup_free_ char *full = NULL, *text = malloc(FILE_SIZE_MAX);
        ssize_t n;

        if (!text || asprintf(&full, "%s%s", root, path) < 0)
                return -ENOMEM;
        n = read_file(AT_FDCWD, full, text, FILE_SIZE_MAX);
        if (n >= 0)
                *ret = TAKE_PTR(text);
        return n;
}

/*
 * Only a hint: whether it is a section is seen when the unit is read. What cannot be opened cannot have it, and what is
 * too long may.
 */
static int mentions(const UnitCatalog *c, const char *path, const char *section) {
        _cleanup_free_ char *text = NULL, *mark = NULL;
        ssize_t n;

        n = read_unit(c->root, path, &text);
        if (n == -ENOMEM || asprintf(&mark, "[%s]", section) < 0)
                return -ENOMEM;
        return n == -EFBIG || (n >= 0 && memmem(text, (size_t) n, mark, strlen(mark)));
}

static int drop_ins_mention(const UnitCatalog *c, const char *path, const char *section) {
        _cleanup_(conf_files_done) ConfFiles files = {};
        const char *failed;
        int r;

        r = conf_files_list(c->root, &path, 1, DROP_INS_MAX, &files, &failed);
        if (r == -ENOMEM)
                return r;
        r = 0;
        for (size_t i = 0; r == 0 && i < files.n; i++)
                r = mentions(c, files.paths[i], section);
        return r;
}

static int add_name(UnitCatalog *c, char ***names, const char *name) {
        const char *real = unit_catalog_real_name(c, name);

        return strv_contains(*names, real) ? 0 : strv_append(names, real);
}

/* What there is of "a-b.service" for "a-", or of instances for "a@". */
static int add_prefixed(UnitCatalog *c, char ***names, const char *prefix, size_t size) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < c->n; i++) {
                _cleanup_free_ char *name = strdup(c->entries[i].name);

                if (!name)
                        return -ENOMEM;
                if (c->entries[i].is_drop_ins)
                        name[strlen(name) - 2] = '\0';
                if (strncmp(name, prefix, size) == 0 && !ends_with(name, "-" SUFFIX))
                        r = add_name(c, names, name);
        }
        return r;
}

int unit_catalog_find(UnitCatalog *c, const char *section, char ***ret) {
        _cleanup_strv_ char **names = NULL;

        for (size_t i = 0; i < c->n; i++) {
                const Entry *entry = &c->entries[i];
                _cleanup_free_ char *name = strdup(entry->name);
                int r;

                if (!name)
                        return -ENOMEM;
                if (entry->is_drop_ins)
                        name[strlen(name) - 2] = '\0';
                r = entry->is_drop_ins ? drop_ins_mention(c, entry->path, section) : mentions(c, entry->path, section);
                if (r > 0)
                        r = add_name(c, &names, name);
                if (r >= 0 && unit_name_is_prefix(name) && strv_contains(names, name))
                        r = add_prefixed(c, &names, name, strlen(name) - strlen(SUFFIX));
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; names && names[i]; i++)
                if (is_template(names[i])) {
                        int r = add_prefixed(c, &names, names[i], strlen(names[i]) - strlen(SUFFIX));

                        if (r < 0)
                                return r;
                }
        *ret = TAKE_PTR(names);
        return 0;
}

int unit_catalog_find_for_all(UnitCatalog *c, const char *section, char **ret) {
        int r = 0;

        for (char **d = c->directories; r == 0 && *d; d++) {
                _cleanup_free_ char *path = NULL;

                if (asprintf(&path, "%s" FOR_ALL, *d) < 0)
                        return -ENOMEM;
                r = drop_ins_mention(c, path, section);
                if (r > 0)
                        *ret = TAKE_PTR(path);
        }
        return r;
}

/* What ends a line here: a line feed, a carriage return, or both. */
static size_t end_of_line(const char *s) {
        return !*s ? 0 : s[1] && s[1] != *s && strchr("\r\n", s[1]) ? 2 : 1;
}

static bool ends_with_backslash(const char *s, size_t l) {
        size_t n = 0;

        while (n < l && s[l - n - 1] == '\\')
                n++;
        return n % 2 == 1;
}

/*
 * A line that ends with a backslash (not with two, which are one that is meant) goes on in the next one. Comments are left
 * out; they do not go on, and are none of what they are in between.
 */
static void join_lines(char *text) {
        char *from = text, *to = text;

        while (*from) {
                const size_t l = strcspn(from, "\r\n"), end = end_of_line(from + l);
                const char *first = from + strspn(from, " \t");

                if (*first != '#' && *first != ';') {
                        memmove(to, from, l);
                        to += l;
                        if (ends_with_backslash(to - l, l))
                                to[-1] = ' ';
                        else if (end > 0)
                                *to++ = '\n';
                }
                from += l + end;
        }
        *to = '\0';
}

int unit_file_assign(UnitFile *unit, const char *section, const char *key, const char *value) {
        UnitAssignment *grown, a;

        grown = reallocarray(unit->assignments, unit->n + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        unit->assignments = grown;
        a = (UnitAssignment){ strdup(section), strdup(key), strdup(value) };
        if (!a.section || !a.key || !a.value) {
                free(a.section);
                free(a.key);
                free(a.value);
                return -ENOMEM;
        }
        unit->assignments[unit->n++] = a;
        return 0;
}

static int take_line(const IniLine *line, void *userdata) {
        UnitFile *unit = userdata;

        if (line->type != INI_ASSIGNMENT || (unit->skip_extensions && strncmp(line->section, "X-", 2) == 0))
                return 0;
        return unit_file_assign(unit, line->section, line->key, line->value);
}

static int read_lines(const char *root, const char *path, IniHandler handler, void *userdata) {
        _cleanup_free_ char *text = NULL;
        _cleanup_fclose_ FILE *f = NULL;
        ssize_t n;

        n = read_unit(root, path, &text);
        if (n < 0)
                return (int) n;
        for (ssize_t i = 0; i < n; i++)
                if (!text[i])
                        text[i] = '\n'; /* as the service manager has it */
        if (strncmp(text, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0)
                memset(text, ' ', strlen(BYTE_ORDER_MARK));
        join_lines(text);
        if (!*text)
                return 0;
        f = fmemopen(text, strlen(text), "r");
        return f ? ini_read(f, handler, userdata) : -ENOMEM;
}

static int load_file(const char *root, const char *path, UnitFile *unit) {
        return read_lines(root, path, take_line, unit);
}

/* -EEXIST if it is the section that is looked for. */
static int find_section(const IniLine *line, void *userdata) {
        return line->type == INI_SECTION && strcmp(line->section, userdata) == 0 ? -EEXIST : 0;
}

/* Of a file, or of drop-ins. What cannot be read has none. */
static bool entry_has_section(const UnitCatalog *c, const Entry *entry, const char *section) {
        _cleanup_(conf_files_done) ConfFiles files = {};
        const char *path = entry->path, *failed;
        bool found = false;

        if (!entry->is_drop_ins)
                return read_lines(c->root, path, find_section, (void *) section) == -EEXIST;
        (void) conf_files_list(c->root, &path, 1, DROP_INS_MAX, &files, &failed);
        for (size_t i = 0; !found && i < files.n; i++)
                found = read_lines(c->root, files.paths[i], find_section, (void *) section) == -EEXIST;
        return found;
}

bool unit_catalog_has_section(const UnitCatalog *c, const char *name, const char *section) {
        _cleanup_free_ char *template = NULL;
        const Entry *file = find_entry(c, name);
        bool found = false;

        if ((file && file->target && strcmp(file->target, "null") == 0) || unit_name_template(name, &template) < 0)
                return false;
        for (size_t i = 0; !found && i < c->n; i++) {
                const Entry *entry = &c->entries[i];
                _cleanup_free_ char *of = strndup(entry->name, strlen(entry->name) - (entry->is_drop_ins ? strlen(".d") : 0));
                const char *real = of ? unit_catalog_real_name(c, of) : "";

                if (strcmp(real, name) == 0 || (template && strcmp(real, template) == 0))
                        found = entry_has_section(c, entry, section);
        }
        return found;
}

/* -EEXIST if it is a socket of the service that is looked for. */
static int find_service(const IniLine *line, void *userdata) {
        return line->type == INI_ASSIGNMENT && strcmp(line->section, "Socket") == 0 && strcmp(line->key, "Service") == 0 &&
                               strcmp(line->value, userdata) == 0
                       ? -EEXIST
                       : 0;
}

int unit_catalog_find_socket(const UnitCatalog *c, const char *name, char **ret) {
        _cleanup_free_ char *own = NULL;

        /* That of "a.service" and of "a@.service" is "a.socket", and of "a@b.service" it can be "a@b.socket", too. */
        if (asprintf(&own, "%.*s.socket", (int) strcspn(name, "@."), name) < 0)
                return -ENOMEM;
        for (char **d = c->directories; *d; d++) {
                _cleanup_free_ char *path = NULL;
                struct dirent *entry;
                bool found = false;
                DIR *dir;

                if (asprintf(&path, "%s%s", c->root, *d) < 0)
                        return -ENOMEM;
                dir = opendir(path);
                while (dir && !found && (entry = readdir(dir))) {
                        _cleanup_free_ char *file = NULL;

                        if (!ends_with(entry->d_name, ".socket"))
                                continue;
                        if (asprintf(&file, "%s/%s", *d, entry->d_name) < 0)
                                break;
                        found = strcmp(entry->d_name, own) == 0 || read_lines(c->root, file, find_service, (void *) name) == -EEXIST;
                        if (found)
                                *ret = strdup(entry->d_name);
                }
                if (dir)
                        (void) closedir(dir);
                if (found)
                        return *ret ? 1 : -ENOMEM;
        }
        return 0;
}

/* Of "a-b-c.service" also "a-b-.service" and "a-.service", each as "NAME.d" in all directories. */
static int add_directories(const UnitCatalog *c, char ***paths, const char *name) {
        _cleanup_free_ char *prefix = strdup(name);
        char *end;

        if (!prefix)
                return -ENOMEM;
        end = prefix + strcspn(prefix, "@");
        if (!*end)
                end = strrchr(prefix, '.');
        for (const char *n = name;; n = prefix) {
                for (char **d = c->directories; *d; d++) {
                        _cleanup_free_ char *path = NULL;

                        if (asprintf(&path, "%s/%s%s.d", *d, n, n == name ? "" : SUFFIX) < 0 ||
                            strv_append(paths, path) < 0)
                                return -ENOMEM;
                }
                do {
                        if (end == prefix)
                                return 0;
                        *end-- = '\0';
                } while (*end != '-');
        }
}

static int add_directories_for_all(const UnitCatalog *c, char ***paths) {
        for (char **d = c->directories; *d; d++) {
                _cleanup_free_ char *path = NULL;

                if (asprintf(&path, "%s" FOR_ALL, *d) < 0 || strv_append(paths, path) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* All names of the unit: its own, those of its aliases, of its template. */
static int collect_directories(UnitCatalog *c, const char *name, char ***paths) {
        int r = add_directories(c, paths, name);

        for (size_t i = 0; r >= 0 && i < c->n; i++)
                if (!c->entries[i].is_drop_ins && strcmp(c->entries[i].name, name) != 0 &&
                    strcmp(unit_catalog_real_name(c, c->entries[i].name), name) == 0)
                        r = add_directories(c, paths, c->entries[i].name);
        return r;
}

static int load_drop_ins(UnitCatalog *c, UnitFile *unit, const char *template) {
        _cleanup_(conf_files_done) ConfFiles files = {};
        _cleanup_strv_ char **paths = NULL;
        const char *failed;
        int r;

        r = collect_directories(c, unit->name, &paths);
        if (r >= 0 && template)
                r = collect_directories(c, unit_catalog_real_name(c, template), &paths);
        if (r >= 0)
                r = add_directories_for_all(c, &paths);
        if (r < 0)
                return r;
        r = conf_files_list(c->root, (const char *const *) paths, strv_length(paths), DROP_INS_MAX, &files, &failed);
        if (r > 0)
                return -E2BIG;
        for (size_t i = 0; r >= 0 && i < files.n; i++) {
                /* Sections of others than systemd are not for all services: ours would be one of the daemon's own unit. */
                unit->skip_extensions = strstr(files.paths[i], FOR_ALL "/");
                r = load_file(c->root, files.paths[i], unit);
        }
        unit->skip_extensions = false;
        if (r >= 0 && files.n > 0) {
                unit->last_file = strdup(strrchr(files.paths[files.n - 1], '/') + 1);
                if (!unit->last_file)
                        return -ENOMEM;
        }
        return r;
}

int unit_file_load(UnitCatalog *c, const char *name, UnitFile *ret) {
        _cleanup_(unit_file_done) UnitFile unit = {};
        _cleanup_free_ char *template = NULL;
        const Entry *entry;
        int r;

        unit.name = strdup(name);
        if (!unit.name || unit_name_template(name, &template) < 0)
                return -ENOMEM;
        entry = find_entry(c, name);
        if (!entry && template)
                entry = find_entry(c, unit_catalog_real_name(c, template));
        unit.found = entry;
        unit.masked = entry && entry->target && strcmp(entry->target, "null") == 0;
        r = entry && !unit.masked ? load_file(c->root, entry->path, &unit) : 0;
        if (r >= 0 && !unit.masked)
                r = load_drop_ins(c, &unit, template);
        if (r < 0)
                return r;
        *ret = unit;
        unit = (UnitFile){};
        return 0;
}

int unit_file_add(UnitFile *unit, const char *path) {
        return load_file("", path, unit);
}

void unit_file_done(UnitFile *unit) {
        for (size_t i = 0; i < unit->n; i++) {
                free(unit->assignments[i].section);
                free(unit->assignments[i].key);
                free(unit->assignments[i].value);
        }
        free(unit->assignments);
        free(unit->last_file);
        free(unit->name);
        *unit = (UnitFile){};
}

const char *unit_file_get(const UnitFile *unit, const char *section, const char *key) {
        for (size_t i = unit->n; i > 0; i--) {
                const UnitAssignment *a = &unit->assignments[i - 1];

                if (strcmp(a->section, section) == 0 && strcmp(a->key, key) == 0)
                        return *a->value ? a->value : NULL;
        }
        return NULL;
}

bool unit_file_get_bool(const UnitFile *unit, const char *section, const char *key) {
        static const char *const words[] = { "1", "yes", "y", "true", "t", "on" };
        const char *value = unit_file_get(unit, section, key);

        for (size_t i = 0; value && i < ELEMENTSOF(words); i++)
                if (strcasecmp(words[i], value) == 0)
                        return true;
        return false;
}

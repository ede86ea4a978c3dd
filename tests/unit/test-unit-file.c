/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Proves that unit files are read as the service manager reads them: what is a line, and which files are a unit's. */

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "basic/fd.h"
#include "basic/text.h"
#include "unit.h"
#include "unit/file.h"

#define DIRECTORY "/etc/systemd/system"

static char root[] = "/tmp/test-unit-file-XXXXXX";

/* Valid until the next call. */
static const char *path_of(const char *name) {
        static char path[256];

        (void) snprintf(path, sizeof(path), "%s" DIRECTORY "/%s", root, name);
        return path;
}

static void setup(void) {
        char command[256];

        ck_assert_ptr_nonnull(mkdtemp(root));
        (void) snprintf(command, sizeof(command), "mkdir -p %s" DIRECTORY, root);
        ck_assert_int_eq(system(command), 0);
}

static void teardown(void) {
        char command[64];

        (void) snprintf(command, sizeof(command), "rm -r %s", root);
        ck_assert_int_eq(system(command), 0);
}

static void make(const char *name, const char *text, size_t size) {
        int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, text, size), (ssize_t) size);
        safe_close(fd);
}

/* "Key=value|" for each assignment of a unit. */
static void assert_unit(const char *name, const char *wanted) {
        _cleanup_(unit_catalog_freep) UnitCatalog *catalog = NULL;
        _cleanup_(unit_file_done) UnitFile unit = {};
        char text[512] = "";

        ck_assert_int_eq(unit_catalog_new(root, &catalog), 0);
        ck_assert_int_eq(unit_file_load(catalog, name, &unit), 0);
        for (size_t i = 0; i < unit.n; i++)
                (void) snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s=%s|", unit.assignments[i].key,
                                unit.assignments[i].value);
        ck_assert_str_eq(text, wanted);
}

static int compare(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

static void assert_found(const char *wanted) {
        _cleanup_(unit_catalog_freep) UnitCatalog *catalog = NULL;
        _cleanup_strv_ char **names = NULL;
        _cleanup_free_ char *text = NULL;

        ck_assert_int_eq(unit_catalog_new(root, &catalog), 0);
        ck_assert_int_eq(unit_catalog_find(catalog, "X-AppSwitch", &names), 0);
        qsort(names, strv_length(names), sizeof(*names), compare);
        text = strv_join(names, " ");
        ck_assert_str_eq(text, wanted);
}

/* Each of these is what `systemctl show` says of such a file (version 252). */
START_TEST(lines) {
        static const struct {
                const char *text;
                size_t size;
                const char *wanted;
        } cases[] = {
#define CASE(text, wanted) { text, sizeof(text) - 1, wanted }
                CASE("[Service]\nExecStart=/a \\\n  b\nUser=c\n", "ExecStart=/a    b|User=c|"),
                CASE("[Service]\nExecStart=/a \\\n\n  b\nUser=c\n", "ExecStart=/a|User=c|"),
                CASE("[Service]\nExecStart=/a \\\n# x\n  b\n", "ExecStart=/a    b|"),
                CASE("[Service]\nExecStart=/a \\\n; x \\\n  b\n", "ExecStart=/a    b|"),
                CASE("[Service]\n# x \\\nExecStart=/a\n", "ExecStart=/a|"),
                CASE("[Service]\nEnvironment=A=b\\\\\nExecStart=/a\n", "Environment=A=b\\\\|ExecStart=/a|"),
                CASE("[Service]\nExecStart=/a b\\\\\\\n  c\n", "ExecStart=/a b\\\\   c|"),
                CASE("[Service]\nExecStart=/a\\", "ExecStart=/a|"),
                CASE("[Service]\r\nExecStart=/a \\\r\n  b\r\nUser=c\r\n", "ExecStart=/a    b|User=c|"),
                CASE("[Service]\rExecStart=/a\r\rUser=c", "ExecStart=/a|User=c|"),
                CASE("\xef\xbb\xbf[Service]\nExecStart=/a\n", "ExecStart=/a|"),
                CASE("[Service]\nExecStart=/a\0User=c\n", "ExecStart=/a|User=c|"),
#undef CASE
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                make("a.service", cases[i].text, cases[i].size);
                assert_unit("a.service", cases[i].wanted);
        }
}
END_TEST

/* A link that an instance is by, to its template, makes no app of the template. */
START_TEST(instances) {
        static const char service[] = "[Service]\nExecStart=/t %i\n", section[] = "[X-AppSwitch]\nName=a\n";

        make("t@.service", service, strlen(service));
        ck_assert_int_eq(symlink("t@.service", path_of("t@a.service")), 0);
        ck_assert_int_eq(symlink("t@.service", path_of("alias@b.service")), 0);
        ck_assert_int_eq(mkdir(path_of("t@a.service.d"), 0700), 0);
        make("t@a.service.d/app.conf", section, strlen(section));
        assert_found("t@a.service");
        assert_unit("t@a.service", "ExecStart=/t %i|Name=a|");
        assert_unit("t@.service", "ExecStart=/t %i|");
        ck_assert_int_eq(mkdir(path_of("alias@b.service.d"), 0700), 0);
        make("alias@b.service.d/app.conf", section, strlen(section));
        assert_found("t@a.service t@b.service");
        assert_unit("t@b.service", "ExecStart=/t %i|Name=a|");
}
END_TEST

/* Of a user's manager the environment says where units are, and which sockets are a service's is in the files of these. */
START_TEST(user) {
        static const char service[] = "[Service]\nExecStart=/a\n[X-AppSwitch]\nName=a\n", socket[] = "[Socket]\nService=a.service\n";
        _cleanup_(unit_catalog_freep) UnitCatalog *catalog = NULL, *system_catalog = NULL;
        _cleanup_strv_ char **names = NULL;
        _cleanup_free_ char *name = NULL, *own = NULL;
        char command[512];

        (void) snprintf(command, sizeof(command), "mkdir -p %s/home/.config/systemd/user %s/x/systemd/user %s/usr/lib/systemd/user", root, root, root);
        ck_assert_int_eq(system(command), 0);
        ck_assert_int_eq(setenv("HOME", "/home", true), 0);
        ck_assert_int_eq(unsetenv("XDG_CONFIG_HOME"), 0);
        ck_assert_int_eq(setenv("XDG_DATA_DIRS", "relative:/x", true), 0);
        make("../../../home/.config/systemd/user/a.service", service, strlen(service));
        make("../../../x/systemd/user/b.service", service, strlen(service));
        make("../../../usr/lib/systemd/user/b.service", "", 0);
        make("../../../usr/lib/systemd/user/b.socket", "", 0);
        make("../../../usr/lib/systemd/user/of-a.socket", socket, strlen(socket));
        make("c.service", service, strlen(service));
        ck_assert_int_eq(unit_catalog_new_user(root, &catalog), 0);
        ck_assert_int_eq(unit_catalog_find(catalog, "X-AppSwitch", &names), 0);
        ck_assert_uint_eq(strv_length(names), 2);
        ck_assert(strv_contains(names, "a.service") && strv_contains(names, "b.service"));
        ck_assert_int_eq(unit_catalog_find_socket(catalog, "a.service", &name), 1);
        ck_assert_str_eq(name, "of-a.socket");
        ck_assert_int_eq(unit_catalog_find_socket(catalog, "b@x.service", &own), 1);
        ck_assert_str_eq(own, "b.socket");
        ck_assert_int_eq(unit_catalog_find_socket(catalog, "c.service", &own), 0);
        ck_assert_int_eq(unit_catalog_new(root, &system_catalog), 0);
        ck_assert_int_eq(unit_catalog_find_socket(system_catalog, "a.service", &own), 0);
}
END_TEST

int main(void) {
        return UNIT_RUN("unit-file", setup, teardown, lines, instances, user);
}

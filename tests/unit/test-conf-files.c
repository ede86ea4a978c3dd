/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Proves which files of drop-in directories count, in which order, and that what cannot be read is said. */

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "basic/conf-files.h"
#include "basic/fd.h"
#include "unit.h"

static char root[] = "/tmp/test-conf-files-XXXXXX";
static const char *const directories[] = { "/etc", "/run", "/usr" };

static void setup(void) {
        char path[64];

        ck_assert_ptr_nonnull(mkdtemp(root));
        for (size_t i = 0; i < ELEMENTSOF(directories); i++) {
                (void) snprintf(path, sizeof(path), "%s%s", root, directories[i]);
                ck_assert_int_eq(mkdir(path, 0700), 0);
        }
}

static void teardown(void) {
        char command[64];

        (void) snprintf(command, sizeof(command), "rm -r %s", root);
        ck_assert_int_eq(system(command), 0);
}

static void make(const char *path) {
        char full[256];
        int fd;

        (void) snprintf(full, sizeof(full), "%s%s", root, path);
        fd = open(full, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        ck_assert_int_ge(fd, 0);
        safe_close(fd);
}

static void assert_list(size_t max, int result, const char *failed, const char *wanted) {
        _cleanup_(conf_files_done) ConfFiles files = {};
        const char *got_failed = NULL;
        char text[256] = "";

        ck_assert_int_eq(conf_files_list(root, directories, ELEMENTSOF(directories), max, &files, &got_failed), result);
        for (size_t i = 0; i < files.n; i++)
                (void) snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s ", files.paths[i]);
        ck_assert_str_eq(text, wanted);
        ck_assert_pstr_eq(got_failed, failed);
}

/* By file name over all directories; one name counts once, in the first directory. */
START_TEST(test_order) {
        assert_list(10, 0, NULL, "");
        make("/usr/10-a.conf");
        make("/usr/50-b.conf");
        make("/run/30-c.conf");
        make("/etc/50-b.conf");
        make("/etc/90-d.conf");
        assert_list(10, 0, NULL, "/usr/10-a.conf /run/30-c.conf /etc/50-b.conf /etc/90-d.conf ");
}
END_TEST

/* What is hidden or named otherwise is none. */
START_TEST(test_names) {
        make("/etc/.hidden.conf");
        make("/etc/.conf");
        make("/etc/a.conf~");
        make("/etc/a.conf.bak");
        make("/etc/conf");
        make("/etc/a.conf");
        assert_list(10, 0, NULL, "/etc/a.conf ");
}
END_TEST

/* Too many are told, with the directory; those of earlier ones are given. */
START_TEST(test_bound) {
        make("/etc/a.conf");
        make("/run/b.conf");
        make("/run/a.conf");
        assert_list(2, 0, NULL, "/etc/a.conf /run/b.conf ");
        make("/usr/c.conf");
        assert_list(2, 1, "/usr", "/etc/a.conf /run/b.conf ");
        assert_list(3, 0, NULL, "/etc/a.conf /run/b.conf /usr/c.conf ");
}
END_TEST

/* No directory is an empty one; one that is none is an error, and nothing is given. */
START_TEST(test_unreadable) {
        char path[64];

        make("/etc/a.conf");
        (void) snprintf(path, sizeof(path), "%s/run", root);
        ck_assert_int_eq(rmdir(path), 0);
        assert_list(10, 0, NULL, "/etc/a.conf ");
        make("/run");
        assert_list(10, -ENOTDIR, "/run", "");
}
END_TEST

int main(void) {
        return UNIT_RUN("conf-files", setup, teardown, test_order, test_names, test_bound, test_unreadable);
}

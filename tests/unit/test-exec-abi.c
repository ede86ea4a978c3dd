/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Proves which programs are known to be of a foreign ABI, however they are found, and that nothing else is. */

#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "basic/fd.h"
#include "exec/abi.h"
#include "unit.h"

static char directory[] = "/tmp/test-abi-XXXXXX";

static void setup(void) {
        ck_assert_ptr_nonnull(mkdtemp(directory));
        ck_assert_int_eq(chdir(directory), 0);
}

static void teardown(void) {
        DIR *d = opendir(".");

        for (struct dirent *entry; (entry = readdir(d));)
                (void) unlinkat(dirfd(d), entry->d_name, 0);
        (void) closedir(d);
        ck_assert_int_eq(rmdir(directory), 0);
}

static void write_program(const char *name, const void *data, size_t size) {
        int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, data, size), (ssize_t) size);
        safe_close(fd);
}

static void write_elf(const char *name, uint8_t class, uint16_t machine, size_t size) {
        Elf32_Ehdr e = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, class, ELFDATA2LSB, EV_CURRENT },
                         .e_type = ET_EXEC,
                         .e_machine = machine };

        write_program(name, &e, size);
}

static void write_script(const char *name, const char *text) {
        write_program(name, text, strlen(text));
}

/* `abi` is NULL for what may be run, and else the program has this path. */
static void assert_abi(const char *file, const char *variable, const char *abi, const char *path) {
        char found[PATH_MAX];
        const char *got = abi_find_foreign(file, variable, found);

        ck_assert_pstr_eq(got, abi);
        if (abi)
                ck_assert_str_eq(found, path);
}

#if defined(__x86_64__)
static const struct {
        uint8_t class;
        uint16_t machine;
        const char *abi;
} table[] = {
        { ELFCLASS32, EM_386, "i386" },   { ELFCLASS32, EM_X86_64, "x32" }, { ELFCLASS64, EM_X86_64, NULL },
        { ELFCLASS32, EM_ARM, NULL },     { ELFCLASS64, EM_AARCH64, NULL }, { ELFCLASS32, EM_MIPS, NULL },
};
static const uint16_t foreign = EM_386;
static const char *const foreign_name = "i386";
#else
static const struct {
        uint8_t class;
        uint16_t machine;
        const char *abi;
} table[] = { { ELFCLASS32, EM_ARM, "32-bit ARM" }, { ELFCLASS64, EM_AARCH64, NULL }, { ELFCLASS32, EM_386, NULL } };
static const uint16_t foreign = EM_ARM;
static const char *const foreign_name = "32-bit ARM";
#endif

START_TEST(test_machines) {
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                write_elf("program", table[i].class, table[i].machine, sizeof(Elf32_Ehdr));
                assert_abi("./program", NULL, table[i].abi, "./program");
        }
        assert_abi("/proc/self/exe", NULL, NULL, NULL);
        assert_abi("sh", "/bin:/usr/bin", NULL, NULL);
}
END_TEST

/* What is cut off, no program, or not there is nobody's. */
START_TEST(test_others) {
        for (size_t size = 0; size < offsetof(Elf32_Ehdr, e_version); size++) {
                write_elf("program", ELFCLASS32, foreign, size);
                assert_abi("./program", NULL, size < offsetof(Elf32_Ehdr, e_machine) + 2 ? NULL : foreign_name,
                           "./program");
        }
        ck_assert_int_eq(chmod("program", 0644), 0);
        assert_abi("./program", NULL, NULL, NULL);
        assert_abi("./missing", NULL, NULL, NULL);
        assert_abi("/", NULL, NULL, NULL);
        assert_abi("", NULL, NULL, NULL);
        ck_assert_int_eq(mkfifo("fifo", 0777), 0);
        assert_abi("./fifo", NULL, NULL, NULL);
        write_script("text", "echo hello\n");
        assert_abi("./text", NULL, NULL, NULL);
}
END_TEST

/* It is looked for where execvpe(3) does. */
START_TEST(test_path) {
        char variable[256], path[256];

        write_elf("program", ELFCLASS32, foreign, sizeof(Elf32_Ehdr));
        assert_abi("program", NULL, NULL, NULL);
        assert_abi("program", "/bin:/usr/bin", NULL, NULL);
        assert_abi("program", "", foreign_name, "program");
        assert_abi("program", "/nonexistent::/bin", foreign_name, "program");
        assert_abi("program", ".:/bin", foreign_name, "./program");
        assert_abi("program", "/bin:", foreign_name, "program");
        (void) snprintf(variable, sizeof(variable), "/nonexistent:/etc/passwd:%s", directory);
        (void) snprintf(path, sizeof(path), "%s/program", directory);
        assert_abi("program", variable, foreign_name, path);
}
END_TEST

/* A script is what its interpreter is, also if that is a script; a loop has an end. */
START_TEST(test_scripts) {
        char text[512];

        write_elf("program", ELFCLASS32, foreign, sizeof(Elf32_Ehdr));
        write_script("one", "#!./program\n");
        assert_abi("./one", NULL, foreign_name, "./program");
        write_script("one", "#! \t ./program -x y\necho\n");
        assert_abi("./one", NULL, foreign_name, "./program");
        write_script("one", "#!./program");
        assert_abi("./one", NULL, foreign_name, "./program");
        write_script("two", "#!./one x\n");
        assert_abi("./two", NULL, foreign_name, "./program");
        for (size_t i = 0; i < 6; i++) {
                static const char *const scripts[] = { "", "#!", "#!\n", "#! \n./program", "#!/bin/sh\n", "#!./loop\n" };

                write_script("loop", scripts[i]);
                assert_abi("./loop", NULL, NULL, NULL);
        }
        memset(text, 'x', sizeof(text));
        memcpy(text, "#!./", 4);
        write_program("long", text, sizeof(text));
        assert_abi("./long", NULL, NULL, NULL);
}
END_TEST

int main(void) {
        return UNIT_RUN("exec-abi", setup, teardown, test_machines, test_others, test_path, test_scripts);
}

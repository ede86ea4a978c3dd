/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fd.h"
#include "exec/abi.h"

enum {
        HEAD_SIZE = 256,  /* what the kernel reads of a file to know what it is (BINPRM_BUF_SIZE) */
        SCRIPTS_MAX = 6,  /* how deep it goes through interpreters that are scripts, at most */
};

/* Where execvp(3) looks without PATH. */
#define PATH_DEFAULT "/bin:/usr/bin"

static bool is_program(const char *path) {
        struct stat st;

        return stat(path, &st) >= 0 && S_ISREG(st.st_mode) && access(path, X_OK) >= 0;
}

static bool find_program(const char *file, const char *path, char ret[static PATH_MAX]) {
        if (strchr(file, '/'))
                return snprintf(ret, PATH_MAX, "%s", file) < PATH_MAX && is_program(ret);
        for (const char *p = path ?: PATH_DEFAULT;; p++) {
                int l = (int) strcspn(p, ":");

                /* Nothing between two colons is the working directory. */
                if (snprintf(ret, PATH_MAX, "%.*s%s%s", l, p, l > 0 ? "/" : "", file) < PATH_MAX && is_program(ret))
                        return true;
                p += l;
                if (!*p)
                        return false;
        }
}

/* Returns how much was read, 0 if it cannot be. */
static size_t read_head(const char *path, uint8_t head[static HEAD_SIZE]) {
        _cleanup_close_ int fd = -EBADF;
        ssize_t n;

        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        n = fd < 0 ? 0 : read(fd, head, HEAD_SIZE);
        return n < 0 ? 0 : (size_t) n;
}

/* Those that the kernel runs beside the native one. Others are for interpreters of binfmt_misc, which are native. */
static const char *foreign_abi(const uint8_t *head, size_t size) {
        Elf32_Half machine;

        if (size < offsetof(Elf32_Ehdr, e_machine) + sizeof(machine) || memcmp(head, ELFMAG, SELFMAG) != 0 ||
            head[EI_CLASS] != ELFCLASS32)
                return NULL;
        memcpy(&machine, head + offsetof(Elf32_Ehdr, e_machine), sizeof(machine));
        switch (machine) {
#if defined(__x86_64__)
        case EM_386:
        case 6: /* EM_486, which never was */
                return "i386";
        case EM_X86_64:
                return "x32";
#elif defined(__aarch64__)
        case EM_ARM:
                return "32-bit ARM";
#endif
        default:
                return NULL;
        }
}

/* Of "#! /path argument" the path. */
static bool read_interpreter(const uint8_t *head, size_t size, char ret[static PATH_MAX]) {
        char line[HEAD_SIZE + 1] = {}, *start;

        if (size < 2 || memcmp(head, "#!", 2) != 0)
                return false;
        memcpy(line, head + 2, size - 2);
        start = line + strspn(line, " \t");
        start[strcspn(start, " \t\n")] = '\0';
        return *start && snprintf(ret, PATH_MAX, "%s", start) < PATH_MAX && is_program(ret);
}

const char *abi_find_foreign(const char *file, const char *path, char ret_path[static PATH_MAX]) {
        bool found = find_program(file, path, ret_path);

        for (unsigned i = 0; found && i < SCRIPTS_MAX; i++) {
                uint8_t head[HEAD_SIZE];
                size_t size = read_head(ret_path, head);
                const char *abi = foreign_abi(head, size);

                if (abi)
                        return abi;
                found = read_interpreter(head, size, ret_path);
        }
        return NULL;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <systemd/sd-login.h>
#include <unistd.h>

#include "basic/fd.h"
#include "core/holders.h"

typedef struct Search {
        const HoldersApp *apps;
        size_t n_apps;
        bool others;
        const uint32_t *inodes;
        size_t n;
        HoldersFound found;
        void *userdata;
        unsigned n_looked;
} Search;

static int compare_apps(const void *a, const void *b) {
        return strcmp(((const HoldersApp *) a)->unit, ((const HoldersApp *) b)->unit);
}

void holders_sort(HoldersApp *apps, size_t n) {
        if (n > 0)
                qsort(apps, n, sizeof(*apps), compare_apps);
}

static int compare_inodes(const void *a, const void *b) {
        const uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

        return x < y ? -1 : x > y;
}

/* A number in decimal and nothing else, or -1. */
static int read_number(const char *s) {
        char *end;
        long n = strtol(s, &end, 10);

        return *s >= '0' && *s <= '9' && !*end && n <= INT32_MAX ? (int) n : -1;
}

/* The app by the unit, as a process that left the namespace is in that, too. Returns whether the process is to be looked at. */
static bool is_wanted(const Search *s, pid_t pid, uint64_t *ret_app) {
        _cleanup_free_ char *unit = NULL;
        const HoldersApp *app = NULL;

        if (sd_pid_get_unit(pid, &unit) >= 0 && s->n_apps > 0)
                app = bsearch(&(HoldersApp){ .unit = unit }, s->apps, s->n_apps, sizeof(*s->apps), compare_apps);
        *ret_app = app ? app->number : 0;
        return s->others ? !app : app != NULL;
}

/* Links to descriptors are read, never followed: what they lead to can be held up (FUSE). */
static bool look_at_process(Search *s, pid_t pid, uint64_t app) {
        char path[64], target[64];
        struct dirent *entry;
        bool go_on = true;
        DIR *dir;

        (void) snprintf(path, sizeof(path), "/proc/%i/fd", pid);
        dir = opendir(path);
        if (!dir)
                return true;
        while (go_on && (entry = readdir(dir))) {
                const uint32_t *at;
                uint32_t inode;
                ssize_t n;
                int fd = read_number(entry->d_name);

                if (fd < 0)
                        continue;
                if (++s->n_looked > HOLDERS_FDS_MAX) {
                        go_on = false;
                        break;
                }
                n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
                if (n < 0)
                        continue;
                target[n] = '\0';
                if (sscanf(target, "socket:[%u]", &inode) != 1)
                        continue;
                at = bsearch(&inode, s->inodes, s->n, sizeof(*s->inodes), compare_inodes);
                if (at)
                        go_on = s->found((size_t) (at - s->inodes), app, pid, fd, s->userdata);
        }
        (void) closedir(dir);
        return go_on;
}

void holders_search(const HoldersApp *apps, size_t n_apps, bool others, const uint32_t *inodes, size_t n,
                    HoldersFound found, void *userdata) {
        Search s = { apps, n_apps, others, inodes, n, found, userdata, 0 };
        struct dirent *entry;
        DIR *dir;

        if (n == 0)
                return;
        dir = opendir("/proc");
        if (!dir)
                return;
        while ((entry = readdir(dir))) {
                pid_t pid = read_number(entry->d_name);
                uint64_t app;

                if (pid <= 0 || pid == getpid() || !is_wanted(&s, pid, &app))
                        continue;
                if (!look_at_process(&s, pid, app))
                        break;
        }
        (void) closedir(dir);
}

int holders_copy(pid_t pid, int number, uint32_t inode) {
        _cleanup_close_ int process = -EBADF, fd = -EBADF;
        struct stat st;

        process = (int) syscall(SYS_pidfd_open, pid, 0);
        if (process < 0)
                return -errno;
        fd = (int) syscall(SYS_pidfd_getfd, process, number, 0);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        /* The number can be another file's by now. */
        return S_ISSOCK(st.st_mode) && st.st_ino == inode ? TAKE_FD(fd) : -ESTALE;
}

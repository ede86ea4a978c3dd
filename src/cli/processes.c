/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fd.h"
#include "cli/bus.h"
#include "cli/processes.h"

enum {
        DEPTH_MAX = 16,
        COMMAND_MAX = 4096,
};

void process_list_done(ProcessList *list) {
        for (size_t i = 0; i < list->n_processes; i++)
                free(list->processes[i].command);
        free(list->processes);
        *list = (ProcessList){};
}

int unit_get_cgroup(sd_bus *bus, const char *unit, char **ret, sd_bus_error *error) {
        _cleanup_free_ char *path = NULL, *cgroup = NULL;
        const char *dot = strrchr(unit, '.');
        int r;

        r = sd_bus_path_encode("/org/freedesktop/systemd1/unit", unit, &path);
        if (r < 0)
                return r;
        r = sd_bus_get_property_string(bus, "org.freedesktop.systemd1", path,
                                       dot && strcmp(dot, ".service") == 0
                                                       ? "org.freedesktop.systemd1.Service"
                                                       : "org.freedesktop.systemd1.Scope",
                                       "ControlGroup", error, &cgroup);
        if (r < 0)
                return r;
        if (!*cgroup)
                return -ENOENT;
        *ret = TAKE_PTR(cgroup);
        return 0;
}

/* The command line with spaces between its arguments; "[NAME]" for a process without one, as ps(1) shows it. */
static char *read_command(pid_t pid) {
        char path[64], buf[COMMAND_MAX];
        _cleanup_close_ int fd = -EBADF;
        char *command;
        ssize_t n;

        (void) snprintf(path, sizeof(path), "/proc/%i/cmdline", (int) pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        n = fd >= 0 ? read(fd, buf, sizeof(buf) - 1) : 0;
        while (n > 0 && buf[n - 1] == '\0')
                n--;
        if (n > 0) {
                for (ssize_t i = 0; i < n; i++)
                        if (buf[i] == '\0')
                                buf[i] = ' ';
                return strndup(buf, (size_t) n);
        }
        (void) snprintf(path, sizeof(path), "/proc/%i/comm", (int) pid);
        n = read_file(AT_FDCWD, path, buf, sizeof(buf));
        if (n > 0 && buf[n - 1] == '\n')
                n--;
        if (asprintf(&command, "[%.*s]", (int) MAX2(n, (ssize_t) 0), buf) < 0)
                return NULL;
        return command;
}

static int add_process(ProcessList *list, pid_t pid) {
        _cleanup_free_ char *command = read_command(pid);
        Process *grown;

        if (!command)
                return -ENOMEM;
        grown = reallocarray(list->processes, list->n_processes + 1, sizeof(Process));
        if (!grown)
                return -ENOMEM;
        list->processes = grown;
        grown[list->n_processes++] = (Process){ pid, TAKE_PTR(command) };
        return 0;
}

static int read_procs(ProcessList *list, int dirfd) {
        _cleanup_close_ int fd = -EBADF;
        _cleanup_fclose_ FILE *f = NULL;
        int pid, r;

        fd = openat(dirfd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        f = fdopen(fd, "re");
        if (!f)
                return -errno;
        TAKE_FD(fd);
        /* 0 stands for a process of a PID namespace that we cannot see. */
        while (list->n_processes < PROCESSES_MAX && fscanf(f, "%i", &pid) == 1)
                if (pid > 0) {
                        r = add_process(list, pid);
                        if (r < 0)
                                return r;
                }
        return 0;
}

static int read_directory(ProcessList *list, int at, const char *path, int depth) {
        _cleanup_close_ int fd = -EBADF;
        struct dirent *entry;
        DIR *dir;
        int r, copy;

        fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return -errno;
        r = read_procs(list, fd);
        if (r < 0 && r != -EOPNOTSUPP) /* a threaded group has threads only */
                return r;
        copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        dir = copy >= 0 ? fdopendir(copy) : NULL;
        if (!dir) {
                r = -errno;
                safe_close(copy);
                return r;
        }
        r = 0;
        while (depth < DEPTH_MAX && (entry = readdir(dir))) {
                if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
                        continue;
                r = read_directory(list, fd, entry->d_name, depth + 1);
                if (r == -ENOMEM)
                        break;
        }
        closedir(dir);
        return r == -ENOMEM ? r : 0;
}

static int compare_processes(const void *a, const void *b) {
        pid_t x = ((const Process *) a)->pid, y = ((const Process *) b)->pid;

        return (x > y) - (x < y);
}

int process_list_read(ProcessList *list, const char *cgroup) {
        /* One hierarchy of version 2, or systemd's own beside those of version 1. */
        static const char *const roots[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified",
                                             "/sys/fs/cgroup/systemd" };
        int r = -ENOENT;

        for (size_t i = 0; i < ELEMENTSOF(roots) && r == -ENOENT; i++) {
                _cleanup_free_ char *path = NULL;

                if (asprintf(&path, "%s%s", roots[i], cgroup) < 0)
                        return -ENOMEM;
                r = read_directory(list, AT_FDCWD, path, 0);
        }
        if (list->n_processes > 0)
                qsort(list->processes, list->n_processes, sizeof(Process), compare_processes);
        return r;
}

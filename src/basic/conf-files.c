/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "basic/conf-files.h"

#define SUFFIX ".conf"

void conf_files_done(ConfFiles *files) {
        for (size_t i = 0; i < files->n; i++)
                free(files->paths[i]);
        free(files->paths);
        *files = (ConfFiles){};
}

static const char *base_name(const char *path) {
        return strrchr(path, '/') + 1;
}

static int compare_paths(const void *a, const void *b) {
        return strcmp(base_name(*(char *const *) a), base_name(*(char *const *) b));
}

static bool is_conf(const char *name) {
        size_t l = strlen(name);

        return name[0] != '.' && l > strlen(SUFFIX) && strcmp(name + l - strlen(SUFFIX), SUFFIX) == 0;
}

/* Whether one of the first `n` files, those of earlier directories, has this name. */
static bool is_masked(const ConfFiles *files, size_t n, const char *name) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(base_name(files->paths[i]), name) == 0)
                        return true;
        return false;
}

static int collect(ConfFiles *files, const char *root, const char *directory, size_t max) {
        _cleanup_free_ char *path = NULL;
        const size_t earlier = files->n;
        struct dirent *entry;
        DIR *dir;
        int r = 0;

        if (asprintf(&path, "%s%s", root, directory) < 0)
                return -ENOMEM;
        dir = opendir(path);
        if (!dir)
                return errno == ENOENT ? 0 : -errno;
        while (r == 0 && (errno = 0, entry = readdir(dir))) {
                char **grown;

                if (!is_conf(entry->d_name) || is_masked(files, earlier, entry->d_name))
                        continue;
                if (files->n == max) {
                        r = 1;
                        break;
                }
                grown = reallocarray(files->paths, files->n + 1, sizeof(char *));
                if (grown)
                        files->paths = grown;
                if (!grown || asprintf(&grown[files->n], "%s/%s", directory, entry->d_name) < 0)
                        r = -ENOMEM;
                else
                        files->n++;
        }
        if (r == 0 && errno > 0)
                r = -errno;
        (void) closedir(dir);
        return r;
}

int conf_files_list(const char *root, const char *const *directories, size_t n_directories, size_t max, ConfFiles *ret,
                    const char **ret_failed) {
        ConfFiles files = {};

        int r = 0;

        for (size_t i = 0; r == 0 && i < n_directories; i++) {
                r = collect(&files, root, directories[i], max);
                if (r != 0 && ret_failed)
                        *ret_failed = directories[i];
        }
        if (r < 0) {
                conf_files_done(&files);
                return r;
        }
        if (files.n > 0)
                qsort(files.paths, files.n, sizeof(char *), compare_paths);
        *ret = files;
        return r;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Any bytes as appswitchd.conf. It is loaded without an error, and what it
 * leaves can be worked with.
 *
 * With fuzz-dns-main.c it is a test that runs the files of its corpus,
 * fuzz-config/. To look for new ones:
 *
 *   clang -fsanitize=fuzzer,address,undefined -g -O1 -D_GNU_SOURCE '-DSYSCONFDIR="/etc/appswitch"' -Isrc
 *       -o fuzz-config tests/fuzz/fuzz-config.c src/core/config.c src/basic/{conf-files,fd,ini,log}.c
 *       src/model/{address,name,pool,tags}.c -lsystemd
 *   mkdir new && ./fuzz-config -max_len=4096 new tests/fuzz/fuzz-config
 */

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fd.h"
#include "basic/log.h"
#include "core/config.h"
#include "model/name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char root[] = "/tmp/fuzz-config-XXXXXX", path[PATH_MAX];

static void remove_root(void) {
        (void) unlink(path);
        for (char *slash; (slash = strrchr(path, '/')) && slash > path + strlen("/tmp");) {
                *slash = '\0';
                (void) rmdir(path);
        }
}

static void make_root(void) {
        if (!mkdtemp(root))
                abort();
        (void) snprintf(path, sizeof(path), "%s%s/appswitchd.conf", root, SYSCONFDIR);
        for (char *p = path + strlen(root) + 1; (p = strchr(p, '/')); p++) {
                *p = '\0';
                (void) mkdir(path, 0700);
                *p = '/';
        }
        (void) atexit(remove_root);
        /* What is wrong with the lines is not of interest. */
        log_set_max_level(-1);
}

static void check_config(const Config *c) {
        Address a4 = pool_candidate(&c->pool4, "web", 0), a6 = pool_candidate(&c->pool6, "web", 0);

        if (name_invalid_reason(c->domain) || strlen(c->domain) > NAME_LABEL_MAX || !strchr(c->default_tag, '='))
                abort();
        if (c->pool4.address.family != AF_INET || c->pool6.address.family != AF_INET6 ||
            !network_contains(&c->pool4, &a4) || !network_contains(&c->pool6, &a6))
                abort();
        if (c->name_ttl > 86400 || c->apps_max < 1 || c->apps_per_user_max < 1 || c->listeners_per_app_max < 1)
                abort();
        if (c->names_per_user_max < 1 || !strategy_to_string(c->strategy))
                abort();
        if (c->log_level < LOG_EMERG || c->log_level > LOG_DEBUG)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Config config;
        int fd;

        if (!*path)
                make_root();
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0 || write(fd, data, size) != (ssize_t) size)
                abort();
        safe_close(fd);

        if (config_init(&config) < 0 || config_load(&config, root) < 0)
                abort();
        check_config(&config);
        config_done(&config);
        return 0;
}

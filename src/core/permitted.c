/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "basic/clock.h"
#include "basic/fd.h"
#include "basic/log.h"
#include "core/permitted.h"
#include "model/egress-match.h"
#include "model/journal.h"

/* What lapses later by less is not written down again: a name that is looked up all the time is not to cost a file each time. */
#define SLACK_USEC (5 * USEC_PER_SEC)

enum {
        LINES_MAX = 4 * PERMITS_MAX, /* then the file is written anew */
        LINE_MAX_SIZE = 20 + 1 + ADDRESS_STRING_MAX + 1 + 253 + 1,
};

static void file_name(uint64_t number, char name[static 32]) {
        (void) snprintf(name, 32, ".permits-%" PRIx64, number);
}

/* Those that are not written down as they are, or all. */
static int format(App *app, bool all, char **ret) {
        Permits *permits = &app->party.permits;
        char address[ADDRESS_STRING_MAX];
        size_t size;
        FILE *f;

        f = open_memstream(ret, &size);
        if (!f)
                return -ENOMEM;
        for (size_t i = 0; i < permits->n; i++) {
                Permit *p = &permits->list[i];

                if (!all && p->until <= p->noted + SLACK_USEC)
                        continue;
                (void) fprintf(f, "%" PRIu64 " %s %s\n", p->until, address_format(&p->address, address), p->name);
                p->noted = p->until;
                app->n_permit_lines++;
        }
        return fclose(f) != 0 ? -ENOMEM : 0;
}

static int append(int dirfd, const char *name, const char *text) {
        _cleanup_close_ int fd = -EBADF;
        const size_t size = strlen(text);
        ssize_t n;

        if (size == 0)
                return 0;
        fd = openat(dirfd, name, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        n = write(fd, text, size);
        if (n < 0)
                return -errno;
        return (size_t) n == size ? 0 : -ENOSPC;
}

static int save(App *app) {
        const bool all = app->n_permit_lines >= LINES_MAX;
        _cleanup_free_ char *text = NULL;
        char name[32];
        int r;

        file_name(app->number, name);
        if (all)
                app->n_permit_lines = 0;
        r = format(app, all, &text);
        if (r < 0)
                return r;
        return all ? write_file_atomic(app->manager->state_dir, name, text, 0600)
                   : append(app->manager->state_dir, name, text);
}

/*
 * As dnsd writes names: anything else would be more than a word of a line in
 * the file. Who tells parses what strangers send, and so is not believed.
 */
static bool is_word(const char *name) {
        while (*name > ' ' && *name < 0x7f)
                name++;
        return *name == '\0';
}

void permitted_hear(const char *app_id, const char *name, const Address *addresses, size_t n, unsigned ttl, void *userdata) {
        App *app = manager_find_app(userdata, app_id);
        const uint64_t until = permit_until(now_usec(CLOCK_MONOTONIC), ttl);
        bool changed = false;
        int r = 0;

        if (!app || !is_word(name) || !egress_find_name(&app->egress, name, 0))
                return;
        for (size_t i = 0; r >= 0 && i < n; i++) {
                Permit *p;

                r = permits_add(&app->party.permits, name, &addresses[i], until, &p);
                changed = changed || (r >= 0 && p->until > p->noted + SLACK_USEC);
        }
        if (r >= 0 && changed)
                r = save(app);
        if (r < 0)
                app_log_warning(r, app->id, "%s: failed to keep what %s resolved to, ignoring: %m", app->id, name);
}

/* A line that was written by half has no end. */
static int restore_line(Permits *permits, char *line) {
        char *address = strchr(line, ' '), *name = address ? strchr(address + 1, ' ') : NULL;
        Address a;
        Permit *p;
        int r;

        if (!name)
                return 0;
        *address++ = *name++ = '\0';
        if (address_parse(address, &a) < 0)
                return 0;
        r = permits_add(permits, name, &a, strtoull(line, NULL, 10) + SLACK_USEC, &p);
        if (r >= 0)
                p->noted = p->until;
        return r;
}

void permitted_restore(App *app) {
        enum { SIZE = LINES_MAX * LINE_MAX_SIZE + PERMITS_MAX * LINE_MAX_SIZE };
        _cleanup_free_ char *text = malloc(SIZE);
        char name[32], *end;
        ssize_t n;
        int r = 0;

        file_name(app->number, name);
        n = text ? read_file(app->manager->state_dir, name, text, SIZE) : -ENOMEM;
        if (n < 0) {
                if (n != -ENOENT)
                        app_log_warning((int) n, app->id, "%s: failed to read what names resolved to, ignoring: %m",
                                        app->id);
                return;
        }
        for (char *line = text; r >= 0 && (end = strchr(line, '\n')); line = end + 1) {
                *end = '\0';
                app->n_permit_lines++;
                r = restore_line(&app->party.permits, line);
        }
        if (r < 0)
                app_log_warning(r, app->id, "%s: failed to take back what names resolved to, ignoring: %m", app->id);
}

void permitted_remove(const Manager *m, uint64_t number) {
        char name[32];

        file_name(number, name);
        (void) unlinkat(m->state_dir, name, 0);
}

void permitted_forget(const App *app) {
        permitted_remove(app->manager, app->number);
}

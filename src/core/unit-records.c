/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "basic/fd.h"
#include "basic/log.h"
#include "basic/text.h"
#include "core/unit-records.h"
#include "unit/drop-in.h"

#define SYSTEMD "org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"

/* The unit of one that is younger may still come. */
#define AGE_MIN_SEC 60

#define SWEEP_INTERVAL_USEC (5 * 60 * USEC_PER_SEC)

struct UnitRecords {
        Manager *manager;
        sd_bus_slot *removed; /* watches units that are unloaded */
        sd_bus_slot *asked;   /* which units there are */
        sd_event_source *timer;
};

static void remove_record(const char *unit) {
        _cleanup_free_ char *path = NULL;

        if (!strchr(unit, '/') && asprintf(&path, UNIT_SETTINGS_DIRECTORY "/%s", unit) >= 0)
                (void) unlink(path);
}

static int on_unit_removed(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const char *unit;

        if (sd_bus_message_read(message, "so", &unit, NULL) >= 0)
                remove_record(unit);
        return 0;
}

static int remove_without_units(sd_bus_message *reply) {
        const char *unit, *load_state;
        int r;

        r = sd_bus_message_enter_container(reply, 'a', "(ssssssouso)");
        while (r >= 0 && (r = sd_bus_message_read(reply, "(ssssssouso)", &unit, NULL, &load_state, NULL, NULL, NULL, NULL, NULL,
                                                  NULL, NULL)) > 0)
                if (strcmp(load_state, "not-found") == 0)
                        remove_record(unit);
        return r;
}

static int on_units_listed(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        UnitRecords *records = userdata;
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        int r;

        records->asked = sd_bus_slot_unref(records->asked);
        r = e ? -sd_bus_error_get_errno(e) : remove_without_units(reply);
        if (r < 0)
                (void) log_warning_errno(r, "Failed to ask for transient units, ignoring: %m");
        return 0;
}

/* Names of what is old enough. */
static int list_old(char ***ret) {
        _cleanup_strv_ char **names = NULL;
        const time_t now = time(NULL);
        struct dirent *entry;
        struct stat st;
        int r = 0;
        DIR *dir;

        dir = opendir(UNIT_SETTINGS_DIRECTORY);
        if (!dir)
                return errno == ENOENT ? 0 : -errno;
        while (r >= 0 && (entry = readdir(dir)))
                if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) >= 0 && S_ISREG(st.st_mode) &&
                    st.st_mtime + AGE_MIN_SEC <= now)
                        r = strv_append(&names, entry->d_name);
        (void) closedir(dir);
        if (r >= 0)
                *ret = TAKE_PTR(names);
        return r;
}

static int sweep(UnitRecords *records) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
        _cleanup_strv_ char **names = NULL;
        int r;

        r = list_old(&names);
        if (r < 0 || !names || records->asked)
                return r;
        r = sd_bus_message_new_method_call(records->manager->bus, &message, SYSTEMD, "ListUnitsByNames");
        if (r >= 0)
                r = sd_bus_message_append_strv(message, names);
        return r < 0 ? r : sd_bus_call_async(records->manager->bus, &records->asked, message, on_units_listed, records, 0);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        int r;

        r = sweep(userdata);
        if (r < 0)
                (void) log_warning_errno(r, "Failed to look at the settings of transient units, ignoring: %m");
        r = sd_event_source_set_time_relative(source, SWEEP_INTERVAL_USEC);
        return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int unit_records_new(Manager *m, UnitRecords **ret) {
        UnitRecords *records = calloc(1, sizeof(*records));
        int r;

        if (!records)
                return -ENOMEM;
        records->manager = m;
        r = sd_bus_match_signal_async(m->bus, &records->removed, SYSTEMD, "UnitRemoved", on_unit_removed, NULL, records);
        if (r >= 0)
                r = sd_event_add_time_relative(m->event, &records->timer, CLOCK_MONOTONIC, 0, 0, on_timer, records);
        if (r < 0) {
                unit_records_free(records);
                return r;
        }
        *ret = records;
        return 0;
}

UnitRecords *unit_records_free(UnitRecords *records) {
        if (!records)
                return NULL;
        sd_bus_slot_unref(records->removed);
        sd_bus_slot_unref(records->asked);
        sd_event_source_disable_unref(records->timer);
        free(records);
        return NULL;
}

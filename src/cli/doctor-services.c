/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "cli/bus.h"
#include "cli/doctor.h"

#define SYSTEMD_NAME "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define POLKIT_NAME "org.freedesktop.PolicyKit1"
#define ACTION_PREFIX "io.appswitch1."

/* The service manager answers at once, if it does. */
#define CALL_USEC (5 * USEC_PER_SEC)

enum {
        SYSTEMD_VERSION_MIN = 252,
        STORE_MIN = 4096,         /* descriptors: some 600 apps */
        STORE_PERCENT_MAX = 80,
};

typedef struct UnitCheck {
        const char *name, *check;
        const char *advice; /* when it is inactive; NULL: it is started when it is needed */
} UnitCheck;

static const UnitCheck units[] = {
        { "appswitchd.service", "Daemon", "Start it: systemctl enable --now appswitchd.service." },
        { "appswitch-exec.socket", "Socket of the launcher", "Start it: systemctl enable --now appswitch-exec.socket." },
        { "appswitch-exec.service", "Launcher", NULL },
        { "appswitch-dnsd.socket", "Socket of the name server", "Start it: systemctl enable --now appswitch-dnsd.socket." },
        { "appswitch-dnsd.service", "Name server", NULL },
};

static bool check_systemd(Checkup *c, sd_bus *bus) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *version = NULL;
        int r;

        r = sd_bus_get_property_string(bus, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_NAME ".Manager", "Version", &error, &version);
        if (r < 0)
                checkup_add(c, CHECK_ERROR, "systemd", "AppSwitch is for hosts whose PID 1 is systemd.", "does not answer (%s)",
                            error.message ?: strerror(-r));
        else if (strtol(version, NULL, 10) < SYSTEMD_VERSION_MIN)
                checkup_add(c, CHECK_ERROR, "systemd", "Take version 252 or later.", "version %s is too old", version);
        else
                checkup_add(c, CHECK_OK, "systemd", NULL, "version %s", version);
        return r >= 0;
}

static int load_unit(sd_bus *bus, const char *name, char **ret_path) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        const char *path;
        int r;

        r = sd_bus_call_method(bus, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_NAME ".Manager", "LoadUnit", NULL, &reply, "s", name);
        if (r >= 0)
                r = sd_bus_message_read(reply, "o", &path);
        if (r < 0)
                return r;
        *ret_path = strdup(path);
        return *ret_path ? 0 : -ENOMEM;
}

static char *unit_property(sd_bus *bus, const char *path, const char *name) {
        char *value = NULL;

        (void) sd_bus_get_property_string(bus, SYSTEMD_NAME, path, SYSTEMD_NAME ".Unit", name, NULL, &value);
        return value;
}

static void check_unit(Checkup *c, sd_bus *bus, const UnitCheck *u) {
        _cleanup_free_ char *path = NULL, *load = NULL, *active = NULL, *file = NULL;
        int stale = 0;

        if (load_unit(bus, u->name, &path) < 0 || !(load = unit_property(bus, path, "LoadState")) ||
            !(active = unit_property(bus, path, "ActiveState"))) {
                checkup_add(c, CHECK_ERROR, u->check, "See \"systemctl status\".", "systemd does not tell about %s", u->name);
                return;
        }
        file = unit_property(bus, path, "UnitFileState");
        (void) sd_bus_get_property_trivial(bus, SYSTEMD_NAME, path, SYSTEMD_NAME ".Unit", "NeedDaemonReload", NULL, 'b', &stale);
        if (strcmp(load, "not-found") == 0)
                checkup_add(c, CHECK_ERROR, u->check, "Install AppSwitch, then: systemctl daemon-reload.", "%s is not there", u->name);
        else if (strcmp(load, "masked") == 0)
                checkup_add(c, CHECK_ERROR, u->check, "Unmask it with \"systemctl unmask\", and start it.", "%s is masked", u->name);
        else if (strcmp(active, "failed") == 0)
                checkup_add(c, CHECK_ERROR, u->check, "Its last words are in the journal: journalctl -e -u 'appswitch*'.", "%s has failed", u->name);
        else if (u->advice && strcmp(active, "active") != 0 && strcmp(active, "reloading") != 0)
                checkup_add(c, CHECK_ERROR, u->check, u->advice, "%s is %s", u->name, active);
        else if (stale)
                checkup_add(c, CHECK_WARNING, u->check, "Have systemd read it again: systemctl daemon-reload.", "%s has changed on the disk", u->name);
        else if (file && strcmp(file, "disabled") == 0)
                checkup_add(c, CHECK_WARNING, u->check, "Have it started at boot: systemctl enable, with its name.", "%s runs, but is not enabled", u->name);
        else
                checkup_add(c, CHECK_OK, u->check, NULL, "%s is %s", u->name, active);
}

/* What a restart of the daemon leaves behind for the next one is kept there. */
static void check_descriptor_store(Checkup *c, sd_bus *bus) {
        _cleanup_free_ char *path = NULL;
        uint32_t most, used;

        if (load_unit(bus, units[0].name, &path) < 0 ||
            sd_bus_get_property_trivial(bus, SYSTEMD_NAME, path, SYSTEMD_NAME ".Service", "FileDescriptorStoreMax", NULL, 'u', &most) < 0 ||
            sd_bus_get_property_trivial(bus, SYSTEMD_NAME, path, SYSTEMD_NAME ".Service", "NFileDescriptorStore", NULL, 'u', &used) < 0)
                return;
        if (most < STORE_MIN)
                checkup_add(c, CHECK_WARNING, "Descriptor store",
                            "Raise FileDescriptorStoreMax= of appswitchd.service: apps with more descriptors are lost by a restart of the daemon.",
                            "has room for %u only", most);
        else if (used > most / 100 * STORE_PERCENT_MAX)
                checkup_add(c, CHECK_WARNING, "Descriptor store",
                            "Raise FileDescriptorStoreMax= of appswitchd.service before it is full.", "%u of %u are used", used, most);
        else
                checkup_add(c, CHECK_OK, "Descriptor store", NULL, "%u of %u are used", used, most);
}

/* Returns the number of our actions among all that polkit knows, or a negative errno. */
static int count_actions(sd_bus *bus, sd_bus_error *error) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        const char *id;
        int r, n = 0;

        r = sd_bus_call_method(bus, POLKIT_NAME, "/org/freedesktop/PolicyKit1/Authority", POLKIT_NAME ".Authority",
                               "EnumerateActions", error, &reply, "s", "");
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "(ssssssuuua{ss})");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(reply, 'r', "ssssssuuua{ss}")) > 0) {
                r = sd_bus_message_read(reply, "s", &id);
                if (r >= 0)
                        r = sd_bus_message_skip(reply, "sssssuuua{ss}");
                if (r >= 0)
                        r = sd_bus_message_exit_container(reply);
                if (r < 0)
                        return r;
                n += strncmp(id, ACTION_PREFIX, strlen(ACTION_PREFIX)) == 0;
        }
        return r < 0 ? r : n;
}

static void check_polkit(Checkup *c, sd_bus *bus) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        int n = count_actions(bus, &error);

        if (n < 0)
                checkup_add(c, CHECK_WARNING, "polkit", "Install and start polkit (Debian: polkitd): until then only root may do anything.",
                            "does not answer (%s)", error.message ?: strerror(-n));
        else if (n == 0)
                checkup_add(c, CHECK_WARNING, "polkit",
                            "Install io.appswitch1.policy in /usr/share/polkit-1/actions: until then only root may do anything.",
                            "knows no action of AppSwitch");
        else
                checkup_add(c, CHECK_OK, "polkit", NULL, "knows %i actions of AppSwitch", n);
}

static void check_user(Checkup *c) {
        if (getpwnam("appswitch-dns") && getgrnam("appswitch-dns"))
                checkup_add(c, CHECK_OK, "User of the name server", NULL, "appswitch-dns is there");
        else
                checkup_add(c, CHECK_ERROR, "User of the name server", "Make it: systemd-sysusers.", "there is no user and group appswitch-dns");
}

void doctor_services(Checkup *c, sd_bus *bus) {
        (void) sd_bus_set_method_call_timeout(bus, CALL_USEC);
        if (check_systemd(c, bus)) {
                for (size_t i = 0; i < ELEMENTSOF(units); i++)
                        check_unit(c, bus, &units[i]);
                check_descriptor_store(c, bus);
        }
        check_user(c);
        check_polkit(c, bus);
}

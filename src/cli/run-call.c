/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/bus.h"
#include "cli/run-call.h"
#include "basic/text.h"

/* dbus-daemon ends the connection of who sends more (max_message_size of the system bus is 32 MiB). */
enum { TEXT_MAX = 16 * 1024 * 1024 };

int run_open_cwd(void) {
        char path[PATH_MAX];
        int fd;

        /* The kernel opens "." of a removed directory gladly, but it does not name it any more. */
        if (syscall(SYS_getcwd, path, sizeof(path)) < 0 && errno == ENOENT)
                return -ENOENT;
        fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

static size_t text_size(char *const *v) {
        size_t n = 0;

        for (; v && *v; v++)
                n += strlen(*v) + 8;
        return n;
}

/* An assignment that execve(2) would pass on, but that is none. */
static bool is_assignment(const char *s) {
        return *s != '=' && strchr(s, '=');
}

static int append_environment(sd_bus_message *m, char *const *environment) {
        int r;

        r = sd_bus_message_open_container(m, 'a', "s");
        for (; r >= 0 && environment && *environment; environment++)
                if (is_assignment(*environment) && utf8_is_valid(*environment))
                        r = sd_bus_message_append_basic(m, 's', *environment);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_arguments(sd_bus_message *m, char *const *argv) {
        int r;

        r = sd_bus_message_open_container(m, 'a', "s");
        for (; r >= 0 && *argv; argv++)
                r = sd_bus_message_append_basic(m, 's', utf8_is_valid(*argv) ? *argv : "?");
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static bool all_utf8(char *const *words) {
        for (; words && *words; words++)
                if (!utf8_is_valid(*words))
                        return false;
        return true;
}

/* Text of D-Bus is UTF-8; words that are not go as bytes, all of them, and count instead. */
static int append_bytes(sd_bus_message *m, const char *key, char *const *words) {
        int r;

        if (all_utf8(words))
                return 0;
        r = sd_bus_message_open_container(m, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", key);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "aay");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "ay");
        for (; r >= 0 && *words; words++)
                if (strcmp(key, "EnvironmentBytes") != 0 || is_assignment(*words))
                        r = sd_bus_message_append_array(m, 'y', *words, strlen(*words));
        for (int i = 0; r >= 0 && i < 3; i++)
                r = sd_bus_message_close_container(m);
        return r;
}

static int append_request(sd_bus_message *m, const RunRequest *request) {
        const struct {
                const char *key, *value;
        } strings[] = {
                { "Name", request->names ? request->names[0] : NULL },
                { "User", request->user },
                { "Group", request->group },
                { "Unit", request->unit },
                { "Slice", request->slice },
                { "Description", request->description },
                { "Shortcut", request->shortcut },
                { "Strategy", request->strategy },
        };
        const struct {
                const char *key;
                char **values;
        } vectors[] = {
                { "Addresses", request->addresses }, { "Tags", request->tags },
                { "Expose", request->expose },       { "ExposeFrom", request->expose_from },
                { "Egress", request->egress },
        };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(strings); i++)
                if (strings[i].value)
                        r = sd_bus_message_append(m, "{sv}", strings[i].key, "s", strings[i].value);
        if (r >= 0 && request->names && request->names[1])
                r = bus_append_strv(m, "Names", request->names + 1);
        if (r >= 0 && request->weight > 0)
                r = sd_bus_message_append(m, "{sv}", "Weight", "u", (uint32_t) request->weight);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(vectors); i++)
                if (vectors[i].values)
                        r = bus_append_strv(m, vectors[i].key, vectors[i].values);
        if (r >= 0 && request->collect)
                r = sd_bus_message_append(m, "{sv}", "Collect", "b", true);
        return r;
}

static int append_context(sd_bus_message *m, const RunContext *context) {
        const struct {
                const char *key;
                int fd;
        } fds[] = {
                { "WorkingDirectory", context->cwd_fd }, { "StandardInput", context->stdio[0] },
                { "StandardOutput", context->stdio[1] }, { "StandardError", context->stdio[2] },
                { "Control", context->control_fd },
        };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(fds); i++)
                if (fds[i].fd >= 0)
                        r = sd_bus_message_append(m, "{sv}", fds[i].key, "h", fds[i].fd);
        if (r >= 0 && context->terminal)
                r = sd_bus_message_append(m, "{sv}", "Terminal", "b", true);
        if (r >= 0)
                r = sd_bus_message_append(m, "{sv}", "StopWithCaller", "b", context->control_fd >= 0);
        return r;
}

int run_call_new(sd_bus *bus, const RunRequest *request, const RunContext *context, bool ask,
                 sd_bus_message **ret) {
        _cleanup_message_ sd_bus_message *m = NULL;
        int r;

        if (text_size(request->argv) + text_size(context->environment) > TEXT_MAX)
                return -E2BIG;
        r = bus_new_call(bus, "RunApp", ask, &m);
        if (r >= 0)
                r = append_arguments(m, request->argv);
        if (r >= 0)
                r = append_environment(m, context->environment);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0)
                r = append_request(m, request);
        if (r >= 0)
                r = append_context(m, context);
        if (r >= 0)
                r = append_bytes(m, "ArgumentBytes", request->argv);
        if (r >= 0)
                r = append_bytes(m, "EnvironmentBytes", context->environment);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                *ret = TAKE_PTR(m);
        return r;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * appswitch-unit: stands before a command of a service unit that is an app.
 * The service manager has given it the sandbox, the user and the network
 * namespace that the command is to have. What is left is the filter:
 *
 *   daemon        is told, and knows by the cgroup which unit it is
 *   seccomp       control calls are trapped; the daemon has the listener
 *   capabilities  what was added for that (unit/sandbox.h) is given up
 *   execve
 *
 * A failure ends the command: it does not run outside of its fence.
 *
 * With --prepare and --release it is what appswitch-unit@.service runs before
 * and after the unit: it asks the daemon for the app, and puts the namespace
 * where the service manager finds it.
 */

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include "basic/caps.h"
#include "basic/fd.h"
#include "basic/log.h"
#include "exec/abi.h"
#include "launch/unit-protocol.h"
#include "trap/filter.h"
#include "unit/drop-in.h"

/* As the service manager names them (systemd.exec(5), "Process Exit Codes"). */
enum {
        STATUS_NETWORK = 225,
        STATUS_SECCOMP = 228,
        STATUS_CAPABILITIES = 218,
        STATUS_EXEC = 203,
};

/* Where the service manager looks for commands. */
#define COMMAND_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

typedef struct Options {
        bool argv0;
        uint64_t drop_bounding, drop_ambient;
        FilterOptions filter;
} Options;

static int connect_daemon(void) {
        const struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = UNIT_SOCKET };
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        if (fd >= 0 && connect(fd, (const struct sockaddr *) &un, sizeof(un)) >= 0)
                return fd;
        safe_close(fd);
        return log_error_errno(-errno, "Failed to reach the AppSwitch daemon: %m. Is appswitchd.service running?");
}

/* Asks, and waits for the answer. Returns 0 or a negative errno, which is logged. */
static int ask(int connection, UnitRequestType type, int listener, int *ret_fd) {
        const UnitRequest request = { .version = UNIT_PROTOCOL_VERSION, .type = type, .listener = listener };
        size_t n_fds = ret_fd ? 1 : 0;
        UnitReply reply;
        ssize_t n;
        int r;

        r = send_with_fds(connection, &request, sizeof(request), NULL, 0, 0);
        if (r < 0)
                return log_error_errno(r, "Failed to talk to the AppSwitch daemon: %m");
        n = recv_with_fds(connection, &reply, sizeof(reply), ret_fd, ret_fd ? &n_fds : NULL, 0);
        if (n != sizeof(reply))
                return log_error_errno(n < 0 ? (int) n : -ECONNRESET, "Failed to talk to the AppSwitch daemon: %m");
        if (reply.error >= 0)
                return ret_fd && n_fds != 1 ? -EPROTO : 0;
        reply.message[sizeof(reply.message) - 1] = '\0';
        log_error("%s", reply.message);
        return reply.error;
}

static bool netns_path(const char *unit, char path[static PATH_MAX]) {
        return !strchr(unit, '/') && snprintf(path, PATH_MAX, UNIT_NETNS_DIRECTORY "/%s", unit) < PATH_MAX;
}

static void unmount_netns(const char *path) {
        while (umount2(path, MNT_DETACH) >= 0)
                ;
        (void) unlink(path);
}

static int prepare(const char *unit) {
        _cleanup_close_ int connection = connect_daemon(), netns = -EBADF, file = -EBADF;
        char path[PATH_MAX], from[64];
        int r;

        if (connection < 0 || !netns_path(unit, path))
                return connection < 0 ? STATUS_NETWORK : EX_USAGE;
        r = ask(connection, UNIT_PREPARE, -EBADF, &netns);
        if (r < 0)
                return EX_CONFIG;
        (void) mkdir(UNIT_NETNS_DIRECTORY, 0755);
        unmount_netns(path);
        file = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0444);
        (void) snprintf(from, sizeof(from), "/proc/self/fd/%i", netns);
        if (file < 0 || mount(from, path, NULL, MS_BIND, NULL) < 0) {
                (void) log_error_errno(-errno, "Failed to put the network namespace at %s: %m", path);
                return STATUS_NETWORK;
        }
        return EXIT_SUCCESS;
}

static int release(const char *unit) {
        _cleanup_close_ int connection = connect_daemon();
        char path[PATH_MAX];

        if (netns_path(unit, path))
                unmount_netns(path);
        return connection >= 0 && ask(connection, UNIT_RELEASE, -EBADF, NULL) >= 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int adopt(const Options *o) {
        _cleanup_close_ int connection = connect_daemon(), listener = -EBADF;

        if (connection < 0)
                return STATUS_NETWORK;
        if (ask(connection, UNIT_ADOPT, -EBADF, NULL) < 0)
                return EX_CONFIG;
        listener = filter_install(&o->filter);
        if (listener < 0) {
                (void) log_error_errno(listener, "Failed to trap calls: %m");
                return STATUS_SECCOMP;
        }
        return ask(connection, UNIT_FILTER, listener, NULL) < 0 ? EX_CONFIG : 0;
}

/* Only what was added: the unit's own capabilities stay as the unit has them. */
static int drop_capabilities(const Options *o) {
        for (int cap = 0; cap < 64; cap++) {
                if (((o->drop_bounding >> cap) & 1) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
                        return log_error_errno(-errno, "Failed to drop a capability: %m");
                if (((o->drop_ambient >> cap) & 1) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, cap, 0, 0) < 0)
                        return log_error_errno(-errno, "Failed to drop an ambient capability: %m");
        }
        return o->drop_ambient ? caps_drop(o->drop_ambient) : 0;
}

static _Noreturn void execute(char **argv, bool argv0) {
        char foreign_path[PATH_MAX];
        const char *path = argv[0], *abi;

        argv += argv0;
        abi = abi_find_foreign(path, COMMAND_PATH, foreign_path);
        if (abi) {
                log_error("Failed to execute '%s': It is a program for %s, whose calls cannot be trapped", foreign_path, abi);
                _exit(STATUS_EXEC);
        }
        if (strchr(path, '/'))
                (void) execv(path, argv);
        else
                for (const char *p = COMMAND_PATH; *p; p += *p == ':') {
                        char full[PATH_MAX];
                        int l = (int) strcspn(p, ":");

                        if (snprintf(full, sizeof(full), "%.*s/%s", l, p, path) < (int) sizeof(full))
                                (void) execv(full, argv);
                        p += l;
                }
        (void) log_error_errno(-errno, "Failed to execute '%s': %m", path);
        _exit(STATUS_EXEC);
}

static bool parse_caps(const char *names, uint64_t *ret) {
        *ret = strstr(names, "SYS_ADMIN") ? UINT64_C(1) << CAP_SYS_ADMIN : 0;
        *ret |= strstr(names, "SETPCAP") ? UINT64_C(1) << CAP_SETPCAP : 0;
        return *ret;
}

static const struct option long_options[] = {
        { "argv0", no_argument, NULL, '0' },
        { "drop-bounding", required_argument, NULL, 'b' },
        { "drop-ambient", required_argument, NULL, 'a' },
        { "refuse-unix", no_argument, NULL, 'u' },
        { "refuse-seccomp", required_argument, NULL, 's' },
        { "prepare", required_argument, NULL, 'p' },
        { "release", required_argument, NULL, 'r' },
        { "refuse", required_argument, NULL, 'R' },
        { "version", no_argument, NULL, 'V' },
        {},
};

int main(int argc, char *argv[]) {
        Options options = {};
        int c, status;

        /* The journal knows of a stream which unit it is of, and of a process that ends at once it often does not. */
        log_set_target(LOG_TARGET_CONSOLE);
        while ((c = getopt_long(argc, argv, "+", long_options, NULL)) >= 0)
                switch (c) {
                case '0':
                        options.argv0 = true;
                        break;
                case 'b':
                        if (!parse_caps(optarg, &options.drop_bounding))
                                return EX_USAGE;
                        break;
                case 'a':
                        if (!parse_caps(optarg, &options.drop_ambient))
                                return EX_USAGE;
                        break;
                case 'u':
                        options.filter.refuse_unix = true;
                        break;
                case 's':
                        options.filter.refuse_seccomp = filter_refusal_from_string(optarg);
                        if (options.filter.refuse_seccomp < 0)
                                return EX_USAGE;
                        break;
                case 'p':
                        return prepare(optarg);
                case 'r':
                        return release(optarg);
                case 'R':
                        log_error("[" UNIT_SECTION "]: %s.", optarg);
                        return EX_CONFIG;
                case 'V':
                        (void) puts("appswitch-unit " VERSION);
                        return EXIT_SUCCESS;
                default:
                        return EX_USAGE;
                }
        if (argc - optind < 1 + options.argv0) {
                log_error("No command was given. This program is put before the commands of units, see appswitch.unit(5).");
                return EX_USAGE;
        }
        status = adopt(&options);
        if (status == 0 && drop_capabilities(&options) < 0)
                status = STATUS_CAPABILITIES;
        if (status != 0)
                return status;
        execute(argv + optind, options.argv0);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "basic/fd.h"
#include "launch/launch.h"

struct Launch {
        int connection;
        sd_event_source *source;
        const LaunchHooks *hooks;
        void *userdata;
        bool filtered; /* the last reply came; end of file means success now */
};

const char *exec_step_to_string(ExecStep step) {
        static const char *const names[_EXEC_STEP_MAX] = {
                [EXEC_STEP_PROTOCOL] = "protocol", [EXEC_STEP_USER] = "user",       [EXEC_STEP_GROUP] = "group",
                [EXEC_STEP_NETWORK] = "network",   [EXEC_STEP_SECCOMP] = "seccomp", [EXEC_STEP_STDIO] = "stdio",
                [EXEC_STEP_CHDIR] = "chdir",       [EXEC_STEP_EXEC] = "exec",
        };

        return step < _EXEC_STEP_MAX ? names[step] : NULL;
}

static int write_strings(FILE *f, char **strings, uint32_t *ret_n) {
        uint32_t n = 0;

        for (; strings && *strings; strings++, n++)
                if (fwrite(*strings, strlen(*strings) + 1, 1, f) != 1)
                        return -EIO;
        *ret_n = n;
        return 0;
}

static int make_strings(const LaunchRequest *request, ExecRequest *e) {
        _cleanup_fclose_ FILE *f = NULL;
        _cleanup_close_ int fd = -EBADF;
        int copy, r;

        fd = memfd_create("appswitch-strings", MFD_CLOEXEC);
        if (fd < 0)
                return -errno;
        copy = dup(fd);
        if (copy < 0)
                return -errno;
        f = fdopen(copy, "w");
        if (!f) {
                safe_close(copy);
                return -ENOMEM;
        }
        r = write_strings(f, request->argv, &e->n_argv);
        if (r >= 0)
                r = write_strings(f, request->environment, &e->n_environment);
        if (r < 0)
                return r;
        if (fflush(f) != 0)
                return -errno;
        if (ftell(f) > EXEC_STRINGS_MAX)
                return -E2BIG;
        return TAKE_FD(fd);
}

static int connect_exec(void) {
        struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = EXEC_SOCKET };
        int fd;

        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, (struct sockaddr *) &un, sizeof(un)) < 0) {
                int r = -errno;

                safe_close(fd);
                return r;
        }
        return fd;
}

static void launch_fail(Launch *launch, ExecStep step, int error, const char *path, const char *abi) {
        (void) sd_event_source_set_enabled(launch->source, SD_EVENT_OFF);
        launch->hooks->failed(launch, step, error, path, abi, launch->userdata);
}

/* Whether a stage comes with so many descriptors. */
static bool stage_has_fds(uint32_t stage, size_t n) {
        if (stage == EXEC_NETWORK)
                return n >= _NETWORK_SOCKET_MIN;
        return n == (stage == EXEC_FILTER ? 1 : 0);
}

static void launch_on_reply(Launch *launch, ExecReply *reply, int *fds) {
        switch (reply->stage) {
        case EXEC_USER:
                launch->hooks->user(launch, reply->pid, reply->uid, reply->gid, launch->userdata);
                break;
        case EXEC_NETWORK:
                launch->hooks->network(launch, reply->netns, fds, launch->userdata);
                break;
        case EXEC_FILTER:
                launch->filtered = true;
                launch->hooks->filter(launch, fds[0], launch->userdata);
                break;
        case EXEC_FAILED:
                reply->path[sizeof(reply->path) - 1] = '\0';
                reply->abi[sizeof(reply->abi) - 1] = '\0';
                launch_fail(launch, (ExecStep) reply->step, reply->error, *reply->path ? reply->path : NULL,
                            *reply->abi ? reply->abi : NULL);
                break;
        }
}

static int launch_on_io(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Launch *launch = userdata;
        int fds[_NETWORK_SOCKET_MAX];
        size_t n_fds = ELEMENTSOF(fds);
        ExecReply reply;
        ssize_t n;

        n = recv_with_fds(launch->connection, &reply, sizeof(reply), fds, &n_fds, MSG_DONTWAIT);
        if (n == -EAGAIN)
                return 0;
        if (n == 0 && launch->filtered) {
                (void) sd_event_source_set_enabled(launch->source, SD_EVENT_OFF);
                launch->hooks->executed(launch, launch->userdata);
                return 0;
        }
        if (n <= 0) {
                launch_fail(launch, EXEC_STEP_PROTOCOL, n < 0 ? (int) n : -ECONNRESET, NULL, NULL);
                return 0;
        }
        if (n != sizeof(reply) || reply.stage >= _EXEC_STAGE_MAX || !stage_has_fds(reply.stage, n_fds)) {
                for (size_t i = 0; i < n_fds; i++)
                        safe_close(fds[i]);
                launch_fail(launch, EXEC_STEP_PROTOCOL, -EPROTO, NULL, NULL);
                return 0;
        }
        while (n_fds < ELEMENTSOF(fds))
                fds[n_fds++] = -EBADF;
        launch_on_reply(launch, &reply, fds);
        return 0;
}

int launch_new(sd_event *event, const LaunchRequest *request, const LaunchHooks *hooks, void *userdata,
               Launch **ret) {
        _cleanup_(launch_freep) Launch *launch = NULL;
        _cleanup_close_ int strings = -EBADF;
        ExecRequest e = {
                .version = EXEC_PROTOCOL_VERSION,
                .caller = request->caller,
                .uid = request->uid,
                .terminal = request->terminal,
                .network = request->network,
        };
        int fds[_EXEC_FD_MAX], r;
        size_t n_fds = 0;

        if ((request->user && strlen(request->user) >= EXEC_USER_MAX) ||
            (request->group && strlen(request->group) >= EXEC_USER_MAX))
                return -ENAMETOOLONG;
        (void) snprintf(e.user, sizeof(e.user), "%s", request->user ?: "");
        (void) snprintf(e.group, sizeof(e.group), "%s", request->group ?: "");

        if (!request->network) {
                strings = make_strings(request, &e);
                if (strings < 0)
                        return strings;
        }
        for (size_t i = 0; i < _EXEC_FD_MAX; i++) {
                int fd = i == EXEC_FD_STRINGS ? strings : request->fds[i];

                if (fd < 0)
                        continue;
                e.fds |= 1U << i;
                fds[n_fds++] = fd;
        }

        launch = calloc(1, sizeof(*launch));
        if (!launch)
                return -ENOMEM;
        launch->hooks = hooks;
        launch->userdata = userdata;
        launch->connection = connect_exec();
        if (launch->connection < 0)
                return launch->connection;
        r = sd_event_add_io(event, &launch->source, launch->connection, EPOLLIN, launch_on_io, launch);
        if (r < 0)
                return r;
        r = send_with_fds(launch->connection, &e, sizeof(e), fds, n_fds, 0);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(launch);
        return 0;
}

Launch *launch_free(Launch *launch) {
        if (!launch)
                return NULL;
        sd_event_source_disable_unref(launch->source);
        safe_close(launch->connection);
        free(launch);
        return NULL;
}

int launch_set_network(Launch *launch, const Address *addresses, size_t n_addresses) {
        ExecNetwork network = { .n_addresses = (uint32_t) n_addresses };

        assert(n_addresses <= EXEC_ADDRESSES_MAX);
        memcpy(network.addresses, addresses, n_addresses * sizeof(Address));
        return send_with_fds(launch->connection, &network, sizeof(network), NULL, 0, 0);
}

int launch_go(Launch *launch) {
        return send_with_fds(launch->connection, &(ExecGo){ .go = 1 }, sizeof(ExecGo), NULL, 0, 0);
}

int launch_sockets(void) {
        const ExecRequest e = { .version = EXEC_PROTOCOL_VERSION, .sockets = true };
        _cleanup_close_ int fd = -EBADF;
        int r, flags;

        fd = connect_exec();
        if (fd < 0)
                return fd;
        r = send_with_fds(fd, &e, sizeof(e), NULL, 0, 0);
        if (r < 0)
                return r;
        /* Answers are waited for: they come from a process that does nothing else. */
        flags = fcntl(fd, F_GETFL);
        if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0)
                return -errno;
        return TAKE_FD(fd);
}

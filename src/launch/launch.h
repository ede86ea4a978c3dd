/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The start of one app as appswitchd drives it: the other side of
 * launch/exec-protocol.h. Freeing it before the program was executed ends the
 * app-to-be.
 */

#include <systemd/sd-event.h>
#include "launch/exec-protocol.h"

typedef struct Launch Launch;

typedef struct LaunchHooks {
        /* The user is known: go on with launch_set_network(). */
        void (*user)(Launch *launch, pid_t pid, uid_t uid, gid_t gid, void *userdata);
        /*
         * The namespace stands: go on with launch_go() when the process is in its scope. Takes the sockets
         * (NetworkSocket); those that are missing are -EBADF.
         */
        void (*network)(Launch *launch, uint64_t netns, const int sockets[static _NETWORK_SOCKET_MAX],
                        void *userdata);
        /* Calls will be trapped: go on with launch_go() when they are served. Takes the listener. */
        void (*filter)(Launch *launch, int listener, void *userdata);
        void (*executed)(Launch *launch, void *userdata);
        /* `path` and `abi` (ExecReply) may be NULL. */
        void (*failed)(Launch *launch, ExecStep step, int error, const char *path, const char *abi, void *userdata);
} LaunchHooks;

typedef struct LaunchRequest {
        char **argv, **environment; /* NULL-terminated */
        int fds[_EXEC_FD_MAX];      /* -EBADF where there is none; EXEC_FD_STRINGS is made here */
        pid_t caller;
        uid_t uid;
        const char *user, *group; /* or NULL */
        bool terminal;
        bool network; /* the namespace alone (launch/exec-protocol.h): ends with LaunchHooks.network() */
} LaunchRequest;

/*
 * Asks appswitch-exec to start. The descriptors stay the caller's. Returns 0
 * or a negative errno: -E2BIG if argv and environment are more than
 * EXEC_STRINGS_MAX, else those of connect(2) and sendmsg(2).
 */
int launch_new(sd_event *event, const LaunchRequest *request, const LaunchHooks *hooks, void *userdata,
               Launch **ret);
Launch *launch_free(Launch *launch);
DEFINE_CLEANUP(Launch *, launch_free)

/* Both return 0 or a negative errno of sendmsg(2). */
int launch_set_network(Launch *launch, const Address *addresses, size_t n_addresses);
int launch_go(Launch *launch);

/*
 * Asks appswitch-exec for a process that makes sockets (transport/dial.h).
 * Returns the connection to it or a negative errno.
 */
int launch_sockets(void);

/* "exec", "user" … or NULL. */
const char *exec_step_to_string(ExecStep step);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What appswitch-unit and appswitchd say to each other over one SOCK_SEQPACKET
 * connection to UNIT_SOCKET, when the processes of an app are those of a
 * service unit. Who asks is what the kernel and the service manager say that
 * he is; nothing that is sent is believed. The listener is not sent, but taken:
 * what is sent on sockets is counted for the user, and against the limit for
 * descriptors of the unit; and what anybody can send has to be closed, which
 * can take for ever.
 *
 *   appswitch-unit        appswitchd
 *     UNIT_PREPARE ──▶                    of appswitch-unit@NAME.service, for NAME.service: make the app
 *                  ◀──  UnitReply         done; with its network namespace
 *     UNIT_RELEASE ──▶                    of the same: the service has ended
 *                  ◀──  UnitReply
 *     UNIT_ADOPT   ──▶                    of a process of NAME.service, or of one that joins it, in the namespace
 *                  ◀──  UnitReply         you may
 *     UNIT_FILTER  ──▶                    the filter is installed; its listener
 *                  ◀──  UnitReply         it is served: calls can be trapped now
 */

#include <stdint.h>

#define UNIT_SOCKET "/run/appswitch/unit"
#define UNIT_ROOT_EXEC_PATH "/run/appswitch/appswitch-unit" /* of the program, where a unit has a root of its own */
#define UNIT_PREPARER "appswitch-unit@"
#define UNIT_STARTER "appswitch-start@" /* the same for a unit that is started by the first connection */
#define UNIT_JOINER "appswitch-join@"   /* and for one whose app is that of other units, too */

enum {
        UNIT_PROTOCOL_VERSION = 2,
        UNIT_MESSAGE_MAX = 1024,
};

typedef enum UnitRequestType {
        UNIT_PREPARE,
        UNIT_RELEASE,
        UNIT_ADOPT,
        UNIT_FILTER, /* listener */
        _UNIT_REQUEST_TYPE_MAX,
} UnitRequestType;

typedef struct UnitRequest {
        uint32_t version, type;
        int32_t listener; /* a descriptor of who asks */
} UnitRequest;

typedef struct UnitReply {
        int32_t error; /* 0, or a negative errno with a sentence */
        char message[UNIT_MESSAGE_MAX];
} UnitReply;

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What appswitchd and appswitch-exec say to each other to start one app, over
 * one SOCK_SEQPACKET connection to EXEC_SOCKET. Both are root and of one build.
 *
 *   appswitchd            appswitch-exec
 *     ExecRequest  ──▶                     argv, environment; the caller's fds
 *                  ◀──  EXEC_USER          the user is known; PID of the app-to-be
 *     ExecNetwork  ──▶                     which addresses
 *                  ◀──  EXEC_NETWORK       namespace is there; its sockets (NetworkSocket)
 *     (the scope is made meanwhile)
 *     ExecGo       ──▶                     the process is in its scope
 *                  ◀──  EXEC_FILTER        seccomp listener
 *     ExecGo       ──▶                     it is served: calls can be trapped now
 *                  ◀──  EXEC_FAILED        at any time: the last step that failed
 *                  ◀──  (end of file)      the program was executed
 *
 * Closing the connection early, on either side, ends the app-to-be.
 */

#include <stdint.h>
#include <sys/types.h>
#include "model/address.h"

#define EXEC_SOCKET "/run/appswitch/exec"

enum {
        EXEC_PROTOCOL_VERSION = 1,
        EXEC_STRINGS_MAX = 8 * 1024 * 1024, /* argv and environment together, in bytes */
        EXEC_ADDRESSES_MAX = 8,
        EXEC_USER_MAX = 256,
};

/*
 * A request with `sockets` set asks for no app, but for a process that makes
 * TCP sockets in the namespaces of apps (transport/dial.h): each DialRequest,
 * with the namespace, is answered by the same with the sockets. It ends with
 * the connection.
 */

/*
 * A request with `network` set asks for the namespace of a service unit, whose
 * processes the service manager starts: it ends after EXEC_NETWORK, with the
 * connection.
 */

/* Descriptors that go with the request, in this order; those whose flag is missing are left out. */
typedef enum ExecFd {
        EXEC_FD_STRINGS, /* memfd: n_argv, then n_environment strings, each NUL-terminated */
        EXEC_FD_STDIN,
        EXEC_FD_STDOUT,
        EXEC_FD_STDERR,
        EXEC_FD_CWD,     /* O_PATH directory; else the user's home or "/" */
        EXEC_FD_CONTROL, /* to the caller (launch/control.h) */
        _EXEC_FD_MAX,
} ExecFd;

typedef struct ExecRequest {
        uint32_t version;
        uint32_t fds; /* bits of 1 << ExecFd: which are there */
        uint32_t n_argv, n_environment;
        int32_t caller;    /* PID whose limits, umask and nice level the app gets; 0: those of the launcher */
        uint32_t uid;      /* of the caller */
        uint32_t sockets, network;
        uint32_t terminal; /* stdin is a terminal that becomes the controlling one */
        char user[EXEC_USER_MAX];  /* name or number; "": the caller */
        char group[EXEC_USER_MAX]; /* name or number; "": the user's */
} ExecRequest;

typedef struct ExecNetwork {
        uint32_t n_addresses;
        Address addresses[EXEC_ADDRESSES_MAX];
} ExecNetwork;

/* What stands in the namespace and is answered from outside of it. */
typedef enum NetworkSocket {
        NETWORK_DNS_UDP, /* on port 53 */
        NETWORK_DNS_TCP, /* listens there */
        _NETWORK_SOCKET_MIN,
        NETWORK_ECHO4 = _NETWORK_SOCKET_MIN, /* raw, gets echo requests; missing where that is not allowed */
        NETWORK_ECHO6,                       /* and where there is no IPv6 */
        _NETWORK_SOCKET_MAX,
} NetworkSocket;

typedef struct ExecGo {
        uint32_t go;
} ExecGo;

typedef enum ExecStage {
        EXEC_USER,    /* uid, gid, pid */
        EXEC_NETWORK, /* netns; fds: NetworkSockets */
        EXEC_FILTER,  /* fds: seccomp listener */
        EXEC_FAILED,  /* step, error */
        _EXEC_STAGE_MAX,
} ExecStage;

/* Where it failed; named as systemd.exec(5) names its exit statuses, which `ax run` gives. */
typedef enum ExecStep {
        EXEC_STEP_PROTOCOL,
        EXEC_STEP_USER,
        EXEC_STEP_GROUP,
        EXEC_STEP_NETWORK,
        EXEC_STEP_SECCOMP,
        EXEC_STEP_STDIO,
        EXEC_STEP_CHDIR,
        EXEC_STEP_EXEC,
        _EXEC_STEP_MAX,
} ExecStep;

typedef struct ExecReply {
        uint32_t stage;
        uint32_t step;
        int32_t error; /* negative errno */
        int32_t pid;
        uint32_t uid, gid;
        uint64_t netns; /* inode of the namespace */
        char path[256]; /* EXEC_STEP_EXEC: what could not be executed */
        char abi[16];   /* and what it is for, if calls of that cannot be trapped; else "" */
} ExecReply;

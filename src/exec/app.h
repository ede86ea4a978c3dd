/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The app-to-be: a process on its way to execve(2). */

#include "launch/exec-protocol.h"

typedef struct AppRequest {
        ExecRequest request;
        int fds[_EXEC_FD_MAX]; /* -EBADF where there is none */
} AppRequest;

void app_request_done(AppRequest *request);

/* Receives the request of appswitchd. Returns 0 or a negative errno. */
int app_request_receive(int connection, AppRequest *ret);

/* Takes the steps up to the network namespace, and no program: for a service unit. Does not return. */
_Noreturn void app_serve_network(int connection, AppRequest *request);

/* Takes all steps and executes the program. Does not return. */
_Noreturn void app_exec(int connection, AppRequest *request);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * An agent runs halves of cases, one after the other, as it is told over its
 * control socket. The agent of the server's halves can be another program,
 * in another app.
 */

#include "core.h"

typedef enum AgentCommand {
        AGENT_RUN,  /* with two descriptors: to the other half, and for the lines */
        AGENT_KILL, /* what runs */
        AGENT_DONE, /* the answer: what ran has ended */
} AgentCommand;

typedef struct AgentMessage {
        int command;
        int server; /* which half */
        size_t index;
        int status; /* of waitpid(2), in the answer */
        Addresses addresses;
} AgentMessage;

/* Forks an agent. netns is a descriptor of the namespace to run in, or -1. Returns the control socket. */
int agent_start(int netns);
/* Waits for runners at a path and serves each. Returns a negative errno if it cannot. */
int agent_listen(const char *path);
int agent_connect(const char *path);
int agent_send(int control, const AgentMessage *m, const int fds[2]);

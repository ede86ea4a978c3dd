/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What `ax` and the monitor of its app (appswitch-exec) say to each other
 * while the app lives: a SOCK_SEQPACKET pair that ax makes and passes with
 * RunApp. The daemon is not needed for it, so a restart of the daemon neither
 * loses a signal nor an exit status. Each message is one `ControlMessage`.
 */

#include <stdint.h>

typedef enum ControlType {
        /* ax → monitor */
        CONTROL_SIGNAL, /* value: send this signal to the app's leader, as kill(2) of one process does */
        /* monitor → ax */
        CONTROL_STARTED, /* value: PID of the app's leader; the program has been executed */
        CONTROL_STOPPED, /* value: the signal that stopped the leader (SIGTSTP, SIGSTOP …) */
        CONTROL_EXITED,  /* value: exit status of the leader; the last message */
        CONTROL_KILLED,  /* value: the signal that killed the leader; the last message */
        /* ax → monitor */
        CONTROL_SIGNAL_GROUP, /* value: send it to the process group of the leader, as a terminal does */
        _CONTROL_TYPE_MAX,
} ControlType;

typedef struct ControlMessage {
        uint32_t type;
        int32_t value;
} ControlMessage;

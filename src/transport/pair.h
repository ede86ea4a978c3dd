/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The connected Unix sockets that stand in for a TCP connection on one node. */

#include "transport/socket-name.h"

/*
 * How much one end may have on its way before its writer blocks, in bytes. A
 * writer of small pieces would block on AF_UNIX after 18 KB with the default,
 * and two peers that both write before they read would hang; TCP takes 3.9 MB.
 * It costs memory only while data wait.
 */
enum { PAIR_SEND_BUFFER = 8 * 1024 * 1024 };

typedef struct PairEnds {
        Endpoint client, server;
        Endpoint service; /* what the client sees as its peer: the server's end, or the virtual service before it */
        int client_family, server_family; /* of the sockets, for what each side sees */
        uint64_t client_app, server_app;  /* numbers of the apps, 0 if there are none */
        bool client_nonblock;
} PairEnds;

/*
 * Makes the pair and names its ends. Returns 0, or a negative errno of
 * socketpair(2) or bind(2): -EADDRINUSE if this connection (the same four
 * numbers, as either side sees them) is there already.
 */
int pair_new(const PairEnds *ends, int *ret_client, int *ret_server);

/*
 * What is to be remembered of an end is kept with it, in its mark (SO_MARK,
 * which has no other meaning on AF_UNIX): nothing has to be forgotten when it
 * is closed, and a restarted daemon finds it.
 */
enum {
        /*
         * The client was not told the outcome of its connect(2). A connect
         * that was interrupted, or whose daemon was restarted, is asked for
         * again and must succeed, while a second one is -EISCONN.
         */
        PAIR_MARK_UNREPORTED = 1 << 0,
        PAIR_MARK_NODELAY = 1 << 1,     /* TCP_NODELAY was set */
        PAIR_MARK_CORK = 1 << 2,        /* TCP_CORK was set */
        PAIR_MARK_NO_QUICKACK = 1 << 3, /* TCP_QUICKACK was cleared */
        /* Nor that it is in progress, if he does not wait: he was interrupted before. */
        PAIR_MARK_UNTOLD = 1 << 4,
};

/* Sets or clears bits. Returns 0 or a negative errno of setsockopt(2). */
int pair_set_mark(int fd, uint32_t bits, bool on);

/* Which of the bits are set: none of what is no pair. */
uint32_t pair_get_mark(int fd, uint32_t bits);

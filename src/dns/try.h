/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A question asked of one server, by one socket that has no other question at
 * the time: over UDP, or over TCP with its length in front (RFC 7766).
 *
 * What comes is given to the owner as it is. Over UDP, what is not an answer
 * to the question may be somebody's guess, and the true one may follow, so
 * the try goes on, up to TRY_STRAYS_MAX of them; a stream that has another
 * answer is useless.
 */

#include <systemd/sd-event.h>

#include "dns/response.h"
#include "dns/upstream.h"

enum {
        TRY_STRAYS_MAX = 32,
        TRY_UDP_SIZE = 1232, /* octets that we take over UDP: what no way fragments */
};

typedef struct Try Try;

/*
 * The try has something: a message, or an error (a negative errno, without
 * one). Returns whether that ends it: it does with an error, else if the
 * message answers the question. The owner frees it in here, if it does end.
 */
typedef bool (*TryDone)(Try *try, int error, const uint8_t *data, size_t size, void *userdata);

struct Try {
        UpstreamWaiter waiter; /* while there is no socket; server, stream */
        Upstream *upstream;
        sd_event *event;
        TryDone done;
        void *userdata;
        uint8_t *scratch; /* WIRE_MESSAGE_MAX octets that all tries share */
        UpstreamSocket socket;
        sd_event_source *source;
        uint16_t id;
        bool edns;
        unsigned strays;
        uint8_t out[2 + LDNS_HEADER_SIZE + WIRE_NAME_MAX + WIRE_QUESTION_FIXED + 11]; /* with the length, and an OPT */
        size_t out_size, out_sent;
        uint8_t *in; /* of a stream: length and message */
        size_t in_received;
        Try *prev, *next; /* the owner's */
};

/*
 * Asks, as soon as there is a socket. `edns`: with EDNS, which is to be left
 * out for servers that do not know it. Returns NULL when out of memory.
 */
Try *try_new(sd_event *event, Upstream *upstream, unsigned server, bool stream, bool edns, const Question *question,
             uint8_t *scratch, TryDone done, void *userdata);

/* Ends it. What it has of a socket is given back if `answered` and it can be used again, else closed. */
Try *try_free(Try *try, bool answered);

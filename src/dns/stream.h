/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One TCP connection of an app to its name server (RFC 7766): queries, each
 * with its length in front, answered in turn.
 *
 * A stream never reads beyond the message it is at, so nothing waits in user
 * space that epoll would not tell of, and it reads no further query while an
 * answer has to be had outside or is not written: what a slow or hostile app can make it hold is one
 * query and one answer. It ends at the end of file, at any error, at a message
 * longer than QUERY_SIZE_MAX or shorter than a header, and STREAM_IDLE_USEC
 * after the last message went through.
 */

#include <stdint.h>
#include <systemd/sd-event.h>

#include "basic/macro.h"
#include "dns/query.h"

enum {
        STREAM_LENGTH_SIZE = 2, /* octets of the length before a message */
        STREAM_BUDGET = 2, /* queries in one turn of the loop; an app has SERVER_APP_STREAMS_MAX streams */
};

#define STREAM_IDLE_USEC (10 * USEC_PER_SEC)

typedef struct App App;
typedef struct Stream Stream;

struct Stream {
        App *app;
        Stream *app_prev, *app_next; /* in the app's list, the one idle for longest first */
        Stream *all_prev, *all_next; /* in the server's, likewise */

        int fd;
        sd_event_source *io;
        sd_event_source *timer;

        size_t n_in;
        uint8_t in[STREAM_LENGTH_SIZE + QUERY_SIZE_MAX];

        uint8_t *out; /* what is left of an answer, or NULL */
        size_t out_size, out_sent;
        bool waits; /* for stream_reply() */
};

/*
 * Takes over the connected, non-blocking socket `fd`, also on error, and puts
 * the stream into the lists of `app` and its server. Returns 0 or a negative
 * errno (-ENOMEM, or of epoll_ctl(2)).
 */
int stream_new(App *app, int fd);

/* The answer that had to be had outside: its length goes in front of it. The stream may be freed in here. */
void stream_reply(Stream *s, uint8_t *data, size_t size);

/* Closes the connection and takes the stream out of both lists. */
Stream *stream_free(Stream *s);

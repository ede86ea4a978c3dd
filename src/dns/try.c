/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "basic/clock.h"
#include "basic/fd.h"
#include "dns/tcp.h"
#include "dns/try.h"

enum {
        LENGTH_SIZE = 2,
        FLAG_RD = 0x0100,
        FLAG_AD = 0x0020,
        FLAG_CD = 0x0010,
        TRY_BUDGET = 8, /* datagrams in one turn of the loop */
};

static uint64_t try_now(void) {
        return now_usec(CLOCK_BOOTTIME);
}

Try *try_free(Try *try, bool answered) {
        if (!try)
                return NULL;
        upstream_cancel(try->upstream, &try->waiter);
        sd_event_source_disable_unref(try->source);
        if (answered && !try->waiter.stream && try->socket.fd >= 0)
                upstream_put(try->upstream, try->waiter.server, &try->socket, try_now());
        safe_close(try->socket.fd);
        sd_event_unref(try->event);
        free(try->in);
        free(try);
        return NULL;
}

/* The name goes out in lower case; whose case is another gets his own back. */
static void try_write(Try *try, const Question *q) {
        uint8_t *p = try->out + LENGTH_SIZE;
        size_t n = LDNS_HEADER_SIZE;

        /* AD: an answer is to say whether it was validated (RFC 6840, 5.7). */
        wire_put_uint16(p, try->id);
        wire_put_uint16(p + 2, (uint16_t) (FLAG_RD | FLAG_AD | (q->checking_disabled ? FLAG_CD : 0)));
        p[5] = 1;
        memcpy(p + n, q->name, q->name_size);
        n += q->name_size;
        wire_put_uint16(p + n, q->type);
        wire_put_uint16(p + n + 2, LDNS_RR_CLASS_IN);
        n += WIRE_QUESTION_FIXED;
        if (try->edns) {
                p[11] = 1;
                p[n + 2] = LDNS_RR_TYPE_OPT;
                wire_put_uint16(p + n + 3, TRY_UDP_SIZE);
                p[n + 7] = q->dnssec ? 0x80 : 0;
                n += 11;
        }
        wire_put_uint16(try->out, (uint16_t) n);
        try->out_size = LENGTH_SIZE + n;
        try->out_sent = 0;
}

/* Returns a negative errno that ends the try, else 0. */
static int datagram_receive(Try *try, bool *ret_ended) {
        for (unsigned i = 0; i < TRY_BUDGET; i++) {
                ssize_t l = recv(try->socket.fd, try->scratch, WIRE_MESSAGE_MAX, MSG_DONTWAIT);

                if (l < 0)
                        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
                *ret_ended = try->done(try, 0, try->scratch, (size_t) l, try->userdata);
                if (*ret_ended)
                        return 0;
                if (++try->strays >= TRY_STRAYS_MAX)
                        return -EBADMSG;
        }
        return 0;
}

static int stream_receive(Try *try, bool *ret_ended) {
        size_t size;
        int r;

        if (!try->in) {
                try->in = malloc(LENGTH_SIZE + WIRE_MESSAGE_MAX);
                if (!try->in)
                        return -ENOMEM;
        }
        r = tcp_fill(try->socket.fd, try->in, LENGTH_SIZE, &try->in_received);
        if (r <= 0)
                return r;
        size = wire_uint16(try->in);
        r = tcp_fill(try->socket.fd, try->in, LENGTH_SIZE + size, &try->in_received);
        if (r <= 0)
                return r;
        *ret_ended = try->done(try, 0, try->in + LENGTH_SIZE, size, try->userdata);
        return *ret_ended ? 0 : -EBADMSG;
}

static int stream_send(Try *try) {
        int error;
        socklen_t size = sizeof(error);

        /* The handshake may have ended otherwise. */
        if (getsockopt(try->socket.fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
                return -errno;
        if (error != 0)
                return -error;
        while (try->out_sent < try->out_size) {
                ssize_t l = send(try->socket.fd, try->out + try->out_sent, try->out_size - try->out_sent,
                                 MSG_DONTWAIT | MSG_NOSIGNAL);

                if (l < 0 && errno == EAGAIN)
                        return 0;
                if (l < 0 && errno != EINTR)
                        return -errno;
                if (l > 0)
                        try->out_sent += (size_t) l;
        }
        return sd_event_source_set_io_events(try->source, EPOLLIN);
}

static int try_on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Try *try = userdata;
        bool ended = false;
        int r;

        if (!try->waiter.stream)
                r = datagram_receive(try, &ended);
        else if (try->out_sent < try->out_size)
                r = stream_send(try);
        else
                r = stream_receive(try, &ended);
        if (!ended && r < 0)
                (void) try->done(try, r, NULL, 0, try->userdata);
        return 0;
}

static int try_start(Try *try, const UpstreamSocket *s) {
        const bool stream = try->waiter.stream;
        int r;

        try->socket = *s;
        try->socket.uses++;
        r = sd_event_add_io(try->event, &try->source, s->fd, stream ? EPOLLOUT : EPOLLIN, try_on_io, try);
        if (r < 0 || stream)
                return r;
        if (send(s->fd, try->out + LENGTH_SIZE, try->out_size - LENGTH_SIZE, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
                return -errno;
        return 0;
}

static void try_on_socket(UpstreamWaiter *waiter, int error, const UpstreamSocket *s) {
        Try *try = CONTAINER_OF(waiter, Try, waiter);

        if (error == 0)
                error = try_start(try, s);
        if (error < 0)
                (void) try->done(try, error, NULL, 0, try->userdata);
}

/* What could not begin is told from the loop, as everything else is, and not in try_new(). */
static int try_on_failure(sd_event_source *source, void *userdata) {
        Try *try = userdata;

        (void) try->done(try, -EIO, NULL, 0, try->userdata);
        return 0;
}

Try *try_new(sd_event *event, Upstream *upstream, unsigned server, bool stream, bool edns, const Question *question,
             uint8_t *scratch, TryDone done, void *userdata) {
        Try *try = calloc(1, sizeof(*try));
        UpstreamSocket s;
        int r;

        if (!try)
                return NULL;
        *try = (Try){
                        .waiter = {.server = server, .stream = stream, .ready = try_on_socket},
                        .upstream = upstream,
                        .event = sd_event_ref(event),
                        .done = done,
                        .userdata = userdata,
                        .scratch = scratch,
                        .socket.fd = -EBADF,
                        .edns = edns,
        };
        if (getrandom(&try->id, sizeof(try->id), 0) < 0)
                return try_free(try, false);
        try_write(try, question);
        r = upstream_get(upstream, &try->waiter, try_now(), &s);
        if (r == 0)
                r = try_start(try, &s);
        if (r < 0) {
                sd_event_source_disable_unref(try->source);
                try->source = NULL;
                if (sd_event_add_defer(event, &try->source, try_on_failure, try) < 0)
                        return try_free(try, false);
        }
        return try;
}

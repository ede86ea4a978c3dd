/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <utlist.h>

#include "basic/fd.h"
#include "basic/log.h"
#include "dns/answer.h"
#include "dns/server.h"
#include "dns/stream.h"
#include "dns/tcp.h"
#include "model/journal.h"

DEFINE_CLEANUP(Stream *, stream_free)

Stream *stream_free(Stream *s) {
        if (!s)
                return NULL;
        if (s->waits)
                forward_forget_stream(&s->app->client, s);
        if (s->app) {
                Server *server = s->app->server;

                DL_DELETE2(s->app->streams, s, app_prev, app_next);
                DL_DELETE2(server->streams, s, all_prev, all_next);
                s->app->n_streams--;
                server->n_streams--;
        }
        sd_event_source_disable_unref(s->io);
        sd_event_source_disable_unref(s->timer);
        safe_close(s->fd);
        free(s->out);
        free(s);
        return NULL;
}

/* A message went through: the stream is the youngest again. */
static int stream_touch(Stream *s) {
        Server *server = s->app->server;
        int r;

        DL_DELETE2(s->app->streams, s, app_prev, app_next);
        DL_APPEND2(s->app->streams, s, app_prev, app_next);
        DL_DELETE2(server->streams, s, all_prev, all_next);
        DL_APPEND2(server->streams, s, all_prev, all_next);

        r = sd_event_source_set_time_relative(s->timer, STREAM_IDLE_USEC);
        if (r < 0)
                return r;
        return sd_event_source_set_enabled(s->timer, SD_EVENT_ONESHOT);
}

/* Reads one message. Returns 1 when `in` has all of it, else as tcp_fill(); -EBADMSG for a length that
 * cannot be. */
static int stream_read(Stream *s) {
        size_t size;
        int r;

        r = tcp_fill(s->fd, s->in, STREAM_LENGTH_SIZE, &s->n_in);
        if (r <= 0)
                return r;
        size = ldns_read_uint16(s->in);
        if (size < LDNS_HEADER_SIZE || size > QUERY_SIZE_MAX)
                return -EBADMSG;
        return tcp_fill(s->fd, s->in, STREAM_LENGTH_SIZE + size, &s->n_in);
}

/* Writes what it can. Returns the number of octets, which may be 0. */
static ssize_t stream_send(Stream *s, const uint8_t *data, size_t size) {
        for (;;) {
                ssize_t l = send(s->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);

                if (l >= 0)
                        return l;
                if (errno == EAGAIN)
                        return 0;
                if (errno != EINTR)
                        return -errno;
        }
}

/* Goes on with the answer that is not out yet. Returns 1 when it is, 0 when it waits again. */
static int stream_flush(Stream *s) {
        ssize_t l = stream_send(s, s->out + s->out_sent, s->out_size - s->out_sent);
        int r;

        if (l < 0)
                return (int) l;
        s->out_sent += (size_t) l;
        if (s->out_sent < s->out_size)
                return 0;

        free(TAKE_PTR(s->out));
        r = sd_event_source_set_io_events(s->io, EPOLLIN);
        if (r >= 0)
                r = stream_touch(s);
        return r < 0 ? r : 1;
}

/* Writes an answer, or as much as goes; keeps the rest. Returns 1 when all is out, 0 when some is kept. */
static int stream_write(Stream *s, const uint8_t *data, size_t size) {
        ssize_t l = stream_send(s, data, size);
        int r;

        if (l < 0)
                return (int) l;
        if ((size_t) l == size) {
                r = stream_touch(s);
                return r < 0 ? r : 1;
        }

        s->out_sent = 0;
        s->out_size = size - (size_t) l;
        s->out = malloc(s->out_size);
        if (!s->out)
                return -ENOMEM;
        memcpy(s->out, data + l, s->out_size);
        return sd_event_source_set_io_events(s->io, EPOLLOUT);
}

/* Answers the message in `in`. Returns as stream_write(), 0 also if the answer has to be had outside; 1 when none is
 * due. */
static int stream_answer(Stream *s) {
        const ForwardPeer peer = {.stream = s};
        uint8_t *buf = s->app->server->answer;
        ssize_t l;

        l = server_answer(s->app, ANSWER_TCP, s->in + STREAM_LENGTH_SIZE, s->n_in - STREAM_LENGTH_SIZE, &peer,
                          &s->waits, buf + STREAM_LENGTH_SIZE);
        s->n_in = 0;
        if (s->waits)
                return sd_event_source_set_io_events(s->io, 0);
        if (l <= 0)
                return l < 0 ? (int) l : 1;
        ldns_write_uint16(buf, (uint16_t) l);
        return stream_write(s, buf, STREAM_LENGTH_SIZE + (size_t) l);
}

static int stream_turn(Stream *s) {
        int r = 1;

        if (s->out)
                r = stream_flush(s);
        for (unsigned i = 0; r > 0 && i < STREAM_BUDGET; i++) {
                r = stream_read(s);
                if (r > 0)
                        r = stream_answer(s);
        }
        return r;
}

static int stream_on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Stream *s = userdata;
        int r;

        /* Whoever hangs up does not wait for an answer. */
        r = s->waits ? -ECONNRESET : stream_turn(s);
        if (r < 0) {
                app_log_debug(r, s->app->id, "TCP connection of app %s ends: %m", s->app->id);
                stream_free(s);
        }
        return 0;
}

void stream_reply(Stream *s, uint8_t *data, size_t size) {
        int r;

        s->waits = false;
        ldns_write_uint16(data - STREAM_LENGTH_SIZE, (uint16_t) size);
        r = sd_event_source_set_io_events(s->io, EPOLLIN);
        if (r >= 0)
                r = stream_write(s, data - STREAM_LENGTH_SIZE, STREAM_LENGTH_SIZE + size);
        if (r < 0) {
                app_log_debug(r, s->app->id, "TCP connection of app %s ends: %m", s->app->id);
                stream_free(s);
        }
}

static int stream_on_idle(sd_event_source *source, uint64_t usec, void *userdata) {
        Stream *s = userdata;

        app_log_debug(0, s->app->id, "TCP connection of app %s was idle for too long, closing.", s->app->id);
        stream_free(s);
        return 0;
}

int stream_new(App *app, int fd) {
        _cleanup_(stream_freep) Stream *s = NULL;
        sd_event *event = app->server->event;
        int r;

        s = calloc(1, sizeof(*s));
        if (!s) {
                safe_close(fd);
                return -ENOMEM;
        }
        s->fd = fd;

        r = sd_event_add_io(event, &s->io, fd, EPOLLIN, stream_on_io, s);
        if (r < 0)
                return r;
        r = sd_event_add_time_relative(event, &s->timer, CLOCK_MONOTONIC, STREAM_IDLE_USEC, 0,
                                       stream_on_idle, s);
        if (r < 0)
                return r;

        s->app = app;
        DL_APPEND2(app->streams, s, app_prev, app_next);
        DL_APPEND2(app->server->streams, s, all_prev, all_next);
        app->n_streams++;
        app->server->n_streams++;
        TAKE_PTR(s);
        return 0;
}

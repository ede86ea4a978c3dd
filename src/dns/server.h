/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The apps and their sockets. Each app asks through a UDP socket and a
 * listening TCP socket of its own, both made in its network namespace and
 * handed to us, so the socket says who asks. Both are AF_INET6, dual-stack,
 * bound to port 53 of every address and transparent: whatever server the app
 * believes in, its queries come here, and the answers must seem to come from
 * there. UDP answers are therefore sent from the address the query went to
 * (IPV6_PKTINFO; IPv4 as v4-mapped addresses).
 *
 * The app owns what it sends: every bound below is there so that one app can
 * neither starve nor bloat the server of the others. An open socket keeps its
 * network namespace alive, so an app that is removed loses its connections too.
 *
 * Apps follow the snapshots as names do, see names.h.
 */

#include <stdbool.h>
#include <systemd/sd-event.h>
#include <uthash.h>

#include "dns/answer.h"
#include "dns/forward.h"
#include "dns/stream.h"

enum {
        SERVER_APPS_MAX = DNS_FEED_APPS_MAX,
        SERVER_STREAMS_MAX = 1024,   /* TCP connections of all apps */
        SERVER_APP_STREAMS_MAX = 16, /* TCP connections of one app: one more ends the one idle for longest */
        SERVER_UDP_BUDGET = 32,      /* datagrams of one app in one turn of the loop */
        SERVER_ACCEPT_BUDGET = 4,    /* TCP connections of one app in one turn */
};

typedef struct Server Server;

struct App {
        UT_hash_handle hh;
        Server *server;
        uint64_t generation;
        NameViewer viewer; /* which names it may know of */
        ForwardClient client; /* what it looks up outside */
        uint64_t refused_window; /* rate limit of the records of names that it may not */
        unsigned n_refused;
        int udp, tcp;
        sd_event_source *udp_source, *tcp_source;
        Stream *streams;
        size_t n_streams;
        char id[];
};

struct Server {
        sd_event *event;
        const Names *names;
        Forward *forward;
        uint64_t generation;
        bool paused; /* in a snapshot */
        App *apps;
        Stream *streams;
        size_t n_streams;
        uint8_t query[QUERY_SIZE_MAX];
        uint8_t answer[STREAM_LENGTH_SIZE + ANSWER_SIZE_MAX]; /* scratch, one answer at a time */
};

/* Makes a server without apps that answers from `names`, which stay the caller's. Returns NULL when out of
 * memory. */
Server *server_new(sd_event *event, const Names *names);
Server *server_free(Server *server);
DEFINE_CLEANUP(Server *, server_free)

/*
 * Begins a snapshot, and ends it: the apps that were not added in between are
 * removed. What is asked in between waits, as names and apps do not fit
 * together then.
 */
void server_begin(Server *server);
void server_commit(Server *server);

/* Answers again if the snapshot is broken off, by what is known. */
void server_resume(Server *server);

/*
 * Serves the app `id` (1 to 253 printable characters) on its sockets; if it is
 * known, the new sockets replace the old ones and its connections end, but what
 * was asked by datagrams is still answered if it is the same socket. The
 * sockets are taken over, also on error.
 * Errors: -EINVAL (id), -ENOTSOCK or -EPROTOTYPE (not an AF_INET6 UDP socket
 * and a listening AF_INET6 TCP socket), -ENOSPC (SERVER_APPS_MAX), -ENOMEM, or
 * one of setsockopt(2) or epoll_ctl(2). A known app is then as it was.
 */
int server_add(Server *server, const char *id, const NameViewer *viewer, int udp, int tcp);

/* From now on the app may know of other names. Errors: -ENOENT. */
int server_set_viewer(Server *server, const char *id, const NameViewer *viewer);

/* The app may look up names outside that match, too (dns/patterns.h). Errors: -ENOENT, or of patterns_add(). */
int server_add_pattern(Server *server, const char *id, const char *pattern);

/*
 * Answers a query of the app: at once if possible, to `ret` (room for
 * ANSWER_SIZE_MAX), and returns the size; 0 if no answer is due, or if it will
 * go to `peer`, which `ret_later` tells. Errors: -ENOMEM.
 */
ssize_t server_answer(App *app, AnswerTransport transport, const uint8_t *query, size_t size, const ForwardPeer *peer,
                      bool *ret_later, uint8_t *ret);

/* Closes the sockets and connections of the app. Errors: -ENOENT. */
int server_remove(Server *server, const char *id);

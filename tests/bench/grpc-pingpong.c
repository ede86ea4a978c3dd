/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * gRPC as tools/bench measures it: calls with a message of SIZE octets both ways, by the C core of Debian's
 * libgrpc.
 *
 *   grpc-pingpong serve ADDRESS:PORT
 *   grpc-pingpong call ADDRESS:PORT SECONDS CONNECTIONS     each connection has one call under way at any
 * time
 *
 * The client prints calls in a second, and the median and the 99th percentile of the time of one in µs, of
 * those after each connection had its first answer; and how many there were in all. A call that fails ends
 * it, with its status.
 */

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/byte_buffer.h>
#include <grpc/support/alloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
        SIZE = 1,
        CONNECTIONS_MAX = 1000,
        CALLS_MAX = 1 << 21,
        SERVED_AT_ONCE = 2 * CONNECTIONS_MAX,
};

static grpc_completion_queue *queue;

static double now(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static void die(const char *what) {
        fprintf(stderr, "grpc-pingpong: %s\n", what);
        exit(1);
}

static void start(grpc_call *call, const grpc_op *ops, size_t n, void *tag) {
        if (grpc_call_start_batch(call, ops, n, tag, NULL) != GRPC_CALL_OK)
                die("cannot start a batch");
}

static grpc_event next(void) {
        return grpc_completion_queue_next(queue, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
}

static grpc_byte_buffer *message(void) {
        static const char bytes[SIZE];
        grpc_slice slice = grpc_slice_from_copied_buffer(bytes, sizeof(bytes));
        grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&slice, 1);

        grpc_slice_unref(slice);
        return buffer;
}

/* A call at the server goes through these. */
typedef enum {
        ASKED_FOR,
        RECEIVING,
        ANSWERING,
} Step;

typedef struct {
        Step step;
        grpc_call *call;
        grpc_call_details details;
        grpc_metadata_array metadata;
        grpc_byte_buffer *message, *answer;
        int cancelled;
} Served;

static void ask_for(grpc_server *server, Served *s) {
        memset(s, 0, sizeof(*s));
        grpc_call_details_init(&s->details);
        grpc_metadata_array_init(&s->metadata);
        if (grpc_server_request_call(server, &s->call, &s->details, &s->metadata, queue, queue, s) !=
            GRPC_CALL_OK)
                die("cannot ask for a call");
}

static void receive(Served *s) {
        const grpc_op op = {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &s->message};

        s->step = RECEIVING;
        start(s->call, &op, 1, s);
}

static void answer(Served *s) {
        grpc_op ops[] = {
                        {.op = GRPC_OP_SEND_INITIAL_METADATA},
                        {.op = GRPC_OP_SEND_MESSAGE},
                        {.op = GRPC_OP_SEND_STATUS_FROM_SERVER},
                        {.op = GRPC_OP_RECV_CLOSE_ON_SERVER,
                         .data.recv_close_on_server.cancelled = &s->cancelled},
        };

        s->step = ANSWERING;
        s->answer = message();
        ops[1].data.send_message.send_message = s->answer;
        ops[2].data.send_status_from_server.status = GRPC_STATUS_OK;
        start(s->call, ops, sizeof(ops) / sizeof(ops[0]), s);
}

static void done(Served *s) {
        grpc_byte_buffer_destroy(s->message);
        grpc_byte_buffer_destroy(s->answer);
        grpc_call_details_destroy(&s->details);
        grpc_metadata_array_destroy(&s->metadata);
        grpc_call_unref(s->call);
}

static void serve(const char *address) {
        grpc_server *server = grpc_server_create(NULL, NULL);
        grpc_server_credentials *credentials = grpc_insecure_server_credentials_create();
        Served *served = calloc(SERVED_AT_ONCE, sizeof(Served));

        grpc_server_register_completion_queue(server, queue, NULL);
        if (!served || !grpc_server_add_http2_port(server, address, credentials))
                die("cannot listen");
        grpc_server_start(server);
        for (size_t i = 0; i < SERVED_AT_ONCE; i++)
                ask_for(server, &served[i]);
        for (;;) {
                grpc_event event = next();
                Served *s = event.tag;

                if (s->step == ASKED_FOR && event.success)
                        receive(s);
                else if (s->step == RECEIVING && event.success && s->message)
                        answer(s);
                else {
                        done(s);
                        ask_for(server, s);
                }
        }
}

typedef struct {
        grpc_channel *channel;
        grpc_call *call;
        grpc_metadata_array initial, trailing;
        grpc_byte_buffer *message, *answer;
        grpc_status_code status;
        grpc_slice details;
        double begin;
        int answered;
} Connection;

static grpc_channel *channel_to(const char *address) {
        /* Channels of the same arguments share a connection, but for this. */
        grpc_arg alone = {.type = GRPC_ARG_INTEGER,
                          .key = (char *) GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL,
                          .value.integer = 1};
        const grpc_channel_args args = {.num_args = 1, .args = &alone};
        grpc_channel_credentials *credentials = grpc_insecure_credentials_create();
        char target[128];
        grpc_channel *channel;

        (void) snprintf(target, sizeof(target), "ipv4:%s", address);
        channel = grpc_channel_create(target, credentials, &args);
        grpc_channel_credentials_release(credentials);
        return channel;
}

static void begin_call(Connection *c) {
        const grpc_slice method = grpc_slice_from_static_string("/Bench/PingPong");
        const grpc_slice host = grpc_slice_from_static_string("bench");
        grpc_op ops[] = {
                        {.op = GRPC_OP_SEND_INITIAL_METADATA},
                        {.op = GRPC_OP_SEND_MESSAGE},
                        {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
                        {.op = GRPC_OP_RECV_INITIAL_METADATA},
                        {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &c->answer},
                        {.op = GRPC_OP_RECV_STATUS_ON_CLIENT},
        };

        c->begin = now();
        c->answer = NULL;
        c->message = message();
        grpc_metadata_array_init(&c->initial);
        grpc_metadata_array_init(&c->trailing);
        ops[1].data.send_message.send_message = c->message;
        ops[3].data.recv_initial_metadata.recv_initial_metadata = &c->initial;
        ops[5].data.recv_status_on_client.trailing_metadata = &c->trailing;
        ops[5].data.recv_status_on_client.status = &c->status;
        ops[5].data.recv_status_on_client.status_details = &c->details;
        c->call = grpc_channel_create_call(c->channel, NULL, GRPC_PROPAGATE_DEFAULTS, queue, method, &host,
                                           gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
        start(c->call, ops, sizeof(ops) / sizeof(ops[0]), c);
}

static void end_call(Connection *c) {
        if (c->status != GRPC_STATUS_OK || !c->answer || grpc_byte_buffer_length(c->answer) != SIZE) {
                char *details = grpc_slice_to_c_string(c->details);

                fprintf(stderr, "grpc-pingpong: status %d, %s\n", (int) c->status, details);
                exit(1);
        }
        grpc_byte_buffer_destroy(c->message);
        grpc_byte_buffer_destroy(c->answer);
        grpc_metadata_array_destroy(&c->initial);
        grpc_metadata_array_destroy(&c->trailing);
        grpc_slice_unref(c->details);
        grpc_call_unref(c->call);
}

static int compare(const void *a, const void *b) {
        const float x = *(const float *) a, y = *(const float *) b;

        return x < y ? -1 : x > y;
}

static void call_for(const char *address, double seconds, size_t n_connections) {
        static float times[CALLS_MAX];
        static Connection connections[CONNECTIONS_MAX];
        size_t n = 0, all = 0, answered = 0, under_way = n_connections;
        double begin = 0, end = 0;

        for (size_t i = 0; i < n_connections; i++) {
                connections[i].channel = channel_to(address);
                begin_call(&connections[i]);
        }
        while (under_way > 0) {
                Connection *c = next().tag;
                const double t = now();

                end_call(c);
                all++;
                if (!c->answered) {
                        c->answered = 1;
                        if (++answered == n_connections) {
                                begin = t;
                                end = begin + seconds;
                        }
                } else if (begin > 0 && c->begin >= begin && t <= end && n < CALLS_MAX)
                        times[n++] = (float) ((t - c->begin) * 1e6);
                if (begin > 0 && (t > end || n == CALLS_MAX))
                        under_way--;
                else
                        begin_call(c);
        }
        if (n == 0)
                die("no call came to its end");
        qsort(times, n, sizeof(times[0]), compare);
        printf("%.0f %.1f %.1f %zu\n", (double) n / seconds, (double) times[n / 2],
               (double) times[n * 99 / 100], all);
}

int main(int argc, char *argv[]) {
        const int n = argc == 5 ? atoi(argv[4]) : 0;

        grpc_init();
        queue = grpc_completion_queue_create_for_next(NULL);
        if (argc == 3 && strcmp(argv[1], "serve") == 0)
                serve(argv[2]);
        else if (argc == 5 && strcmp(argv[1], "call") == 0 && atof(argv[3]) > 0 && n > 0 &&
                 n <= CONNECTIONS_MAX)
                call_for(argv[2], atof(argv[3]), (size_t) n);
        else {
                fprintf(stderr,
                        "usage: grpc-pingpong serve ADDRESS:PORT | call ADDRESS:PORT SECONDS CONNECTIONS\n");
                return 2;
        }
        (void) fflush(stdout);
        /* Nothing is left to be told, and channels would take their time. */
        _Exit(0);
}

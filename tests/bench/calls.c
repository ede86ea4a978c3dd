/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * How long a call takes, seen from the program that makes it: what tools/bench --latency runs, natively and
 * in apps.
 *
 *   calls serve PORT SECONDS                        takes connections with epoll(7) and accept4(2), and
 * closes them calls connect ADDRESS PORT SECONDS TASKS        that many processes connect as fast as they
 * can calls probe SECONDS                             getsockname(2) of a socket of its own, once in PERIOD
 *
 * Each prints for its call how often it made it, the median, the 99th and the 99.9th percentile and the
 * longest of the times in µs. What is timed is the one call: connect(2) until the connection is there,
 * accept4(2) that gives one. The probe sleeps in between, so it never has to wait because it used up its
 * share of the processor.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
        TASKS_MAX = 64,
        TIMES_MAX = 1 << 21, /* of a task */
        PERIOD = 1000000,    /* ns */
};

typedef struct {
        size_t n;
        uint32_t times[TIMES_MAX]; /* in ns */
} Times;

static void die(const char *what) {
        perror(what);
        exit(1);
}

static uint64_t now(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * 1000000000 + (uint64_t) t.tv_nsec;
}

static uint64_t after(const char *seconds) {
        return now() + (uint64_t) (atof(seconds) * 1e9);
}

/* Shared with children; only what is used of it takes memory. */
static Times *times_new(size_t tasks) {
        Times *t = mmap(NULL, tasks * sizeof(Times), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        if (t == MAP_FAILED)
                die("mmap");
        return t;
}

static void note(Times *t, uint64_t begin) {
        const uint64_t ns = now() - begin;

        if (t->n < TIMES_MAX)
                t->times[t->n++] = ns < UINT32_MAX ? (uint32_t) ns : UINT32_MAX;
}

static struct sockaddr_in address_of(const char *address, const char *port) {
        struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t) atoi(port))};

        if (inet_pton(AF_INET, address, &sa.sin_addr) != 1)
                die(address);
        return sa;
}

static int socket_new(int flags) {
        int fd = socket(AF_INET, SOCK_STREAM | flags, 0);

        if (fd < 0)
                die("socket");
        return fd;
}

static void serve(const char *port, const char *seconds, Times *t) {
        const struct sockaddr_in sa = address_of("0.0.0.0", port);
        const uint64_t until = after(seconds);
        int fd = socket_new(SOCK_NONBLOCK), set = epoll_create1(0), on = 1;
        struct epoll_event event = {.events = EPOLLIN};

        (void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (bind(fd, (const struct sockaddr *) &sa, sizeof(sa)) < 0 || listen(fd, 1024) < 0)
                die("listen");
        if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) < 0)
                die("epoll_ctl");
        while (now() < until) {
                uint64_t begin;
                int connection;

                if (epoll_wait(set, &event, 1, 100) < 0)
                        die("epoll_wait");
                begin = now();
                connection = accept4(fd, NULL, NULL, SOCK_NONBLOCK);
                if (connection >= 0) {
                        note(t, begin);
                        (void) close(connection);
                } else if (errno != EAGAIN)
                        die("accept4");
        }
}

static void connect_for(const struct sockaddr_in *sa, uint64_t until, Times *t) {
        while (now() < until) {
                int fd = socket_new(0);
                const uint64_t begin = now();
                char c;

                if (connect(fd, (const struct sockaddr *) sa, sizeof(*sa)) < 0)
                        die("connect");
                note(t, begin);
                if (read(fd, &c, 1) != 0)
                        die("read");
                (void) close(fd);
        }
}

static void probe(const char *seconds, Times *t) {
        const struct sockaddr_in any = {.sin_family = AF_INET};
        const struct timespec period = {.tv_nsec = PERIOD};
        const uint64_t until = after(seconds);
        int fd = socket_new(0);

        if (bind(fd, (const struct sockaddr *) &any, sizeof(any)) < 0)
                die("bind");
        while (now() < until) {
                struct sockaddr_in sa;
                socklen_t size = sizeof(sa);
                uint64_t begin;

                (void) nanosleep(&period, NULL);
                begin = now();
                if (getsockname(fd, (struct sockaddr *) &sa, &size) < 0)
                        die("getsockname");
                note(t, begin);
        }
}

static int compare(const void *a, const void *b) {
        const uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

        return x < y ? -1 : x > y;
}

static void report(const char *call, Times *all, size_t tasks) {
        uint32_t *times = all->times;
        size_t n = 0;

        for (size_t i = 0; i < tasks; i++) {
                memmove(times + n, all[i].times, all[i].n * sizeof(uint32_t));
                n += all[i].n;
        }
        if (n == 0) {
                fprintf(stderr, "calls: no %s came to its end\n", call);
                exit(1);
        }
        qsort(times, n, sizeof(times[0]), compare);
        printf("%s %zu %.1f %.1f %.1f %.1f\n", call, n, times[n / 2] / 1e3, times[n * 99 / 100] / 1e3,
               times[n * 999 / 1000] / 1e3, times[n - 1] / 1e3);
}

int main(int argc, char *argv[]) {
        const int tasks = argc == 6 ? atoi(argv[5]) : 1;
        Times *t;
        int status;

        if (tasks <= 0 || tasks > TASKS_MAX) {
                fprintf(stderr, "calls: TASKS is a number from 1 to %d\n", TASKS_MAX);
                return 2;
        }
        t = times_new((size_t) tasks);
        if (argc == 4 && strcmp(argv[1], "serve") == 0) {
                serve(argv[2], argv[3], t);
                report("accept4", t, 1);
        } else if (argc == 3 && strcmp(argv[1], "probe") == 0) {
                probe(argv[2], t);
                report("getsockname", t, 1);
        } else if (argc == 6 && strcmp(argv[1], "connect") == 0) {
                const struct sockaddr_in sa = address_of(argv[2], argv[3]);
                const uint64_t until = after(argv[4]);

                for (int i = 0; i < tasks; i++)
                        if (fork() == 0) {
                                connect_for(&sa, until, &t[i]);
                                _exit(0);
                        }
                for (int i = 0; i < tasks; i++)
                        if (wait(&status) < 0 || status != 0)
                                return 1;
                report("connect", t, (size_t) tasks);
        } else {
                fprintf(stderr, "usage: calls serve PORT SECONDS | connect ADDRESS PORT SECONDS TASKS | "
                                "probe SECONDS\n");
                return 2;
        }
        return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What tools/bench measures without any other program's time in it.
 *
 *   peers serve accept|epoll|echo|keep PORT        accepts and closes: waiting in accept(2), or with epoll(7) and
 *                                                  accept4(2); or sends back what comes, a process for each connection;
 *                                                  or keeps what it accepts
 *   peers connect ADDRESS PORT SECONDS TASKS       connects, waits for the end of file, closes, in so many processes
 *   peers rtt ADDRESS PORT SECONDS SIZE            sends so many octets and waits for them, on one connection
 *   peers hold ADDRESS PORT N                      connects N times, prints how often, and stays
 *
 * Clients print how often they did it in a second; the median and the 99th and 99.9th percentile of the time that it took;
 * and the median of the best 200 in a row, which says most where others use the machine, too. Times are in µs.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
        WINDOW = 200,
        TASKS_MAX = 64,
        TIMES_MAX = 400000, /* of a task */
        SIZE_MAX_ECHO = 1 << 20,
};

static char buffer[SIZE_MAX_ECHO];

static void die(const char *what) {
        perror(what);
        exit(1);
}

static uint64_t now(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * 1000000000 + (uint64_t) t.tv_nsec;
}

static int listen_on(const char *port, int flags) {
        struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons((uint16_t) atoi(port)) };
        int fd = socket(AF_INET, SOCK_STREAM | flags, 0), on = 1;

        (void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (fd < 0 || bind(fd, (struct sockaddr *) &sa, sizeof(sa)) < 0 || listen(fd, 1024) < 0)
                die("listen");
        return fd;
}

static void serve_by_accept(const char *port) {
        int fd = listen_on(port, 0), connection;

        while ((connection = accept(fd, NULL, NULL)) >= 0)
                (void) close(connection);
        die("accept");
}

static void serve_by_epoll(const char *port) {
        int fd = listen_on(port, SOCK_NONBLOCK), set = epoll_create1(0), connection;
        struct epoll_event event = { .events = EPOLLIN };

        if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) < 0)
                die("epoll_ctl");
        for (;;) {
                if (epoll_wait(set, &event, 1, -1) < 0)
                        die("epoll_wait");
                connection = accept4(fd, NULL, NULL, SOCK_NONBLOCK);
                if (connection >= 0)
                        (void) close(connection);
                else if (errno != EAGAIN)
                        die("accept4");
        }
}

static void raise_limit(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                die("getrlimit");
        limit.rlim_cur = limit.rlim_max;
        (void) setrlimit(RLIMIT_NOFILE, &limit);
}

static void serve_and_keep(const char *port) {
        int fd;

        raise_limit();
        fd = listen_on(port, 0);
        while (accept(fd, NULL, NULL) >= 0)
                ;
        die("accept");
}

static void write_all(int fd, const char *bytes, size_t size) {
        while (size > 0) {
                ssize_t n = write(fd, bytes, size);

                if (n <= 0)
                        die("write");
                bytes += n;
                size -= (size_t) n;
        }
}

static void serve_echo(const char *port) {
        int fd = listen_on(port, 0), connection;
        ssize_t n;

        (void) signal(SIGCHLD, SIG_IGN);
        while ((connection = accept(fd, NULL, NULL)) >= 0) {
                if (fork() == 0) {
                        while ((n = read(connection, buffer, sizeof(buffer))) > 0)
                                write_all(connection, buffer, (size_t) n);
                        _exit(0);
                }
                (void) close(connection);
        }
        die("accept");
}

static int connect_to(const struct sockaddr_in *sa) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        if (fd < 0 || connect(fd, (const struct sockaddr *) sa, sizeof(*sa)) < 0)
                die("connect");
        return fd;
}

/* Returns how many there were. */
static size_t connect_for(const struct sockaddr_in *sa, uint64_t until, uint32_t *times) {
        size_t n = 0;

        for (uint64_t begin = now(), end; begin < until && n < TIMES_MAX; begin = end) {
                int fd = connect_to(sa);
                char c;

                if (read(fd, &c, 1) != 0)
                        die("read");
                (void) close(fd);
                end = now();
                times[n++] = (uint32_t) (end - begin);
        }
        return n;
}

static size_t rtt_for(const struct sockaddr_in *sa, uint64_t until, size_t size, uint32_t *times) {
        int fd = connect_to(sa);
        size_t n = 0;

        for (uint64_t begin = now(), end; begin < until && n < TIMES_MAX; begin = end) {
                write_all(fd, buffer, size);
                for (size_t got = 0; got < size;) {
                        ssize_t l = read(fd, buffer, size - got);

                        if (l <= 0)
                                die("read");
                        got += (size_t) l;
                }
                end = now();
                times[n++] = (uint32_t) (end - begin);
        }
        return n;
}

static void hold(const struct sockaddr_in *sa, int n) {
        raise_limit();
        for (int i = 0; i < n; i++)
                (void) connect_to(sa);
        printf("%d\n", n);
        (void) fflush(stdout);
        for (;;)
                (void) pause();
}

static int compare(const void *a, const void *b) {
        const uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

        return x < y ? -1 : x > y;
}

/* In µs, of what is sorted. */
static double percentile(const uint32_t *times, size_t n, double part) {
        return n > 0 ? times[(size_t) ((double) n * part)] / 1e3 : 0;
}

/* The median of the best WINDOW in a row. */
static double best_of(const uint32_t *times, size_t n) {
        uint32_t window[WINDOW];
        double best = 1e9;

        for (size_t i = 0; i + WINDOW <= n; i += WINDOW) {
                double m;

                memcpy(window, times + i, sizeof(window));
                qsort(window, WINDOW, sizeof(window[0]), compare);
                m = percentile(window, WINDOW, 0.5);
                best = m < best ? m : best;
        }
        return best;
}

static struct sockaddr_in address_of(const char *address, const char *port) {
        struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons((uint16_t) atoi(port)) };

        if (inet_pton(AF_INET, address, &sa.sin_addr) != 1)
                die(address);
        return sa;
}

/* `size` 0: connects. */
static void client(const char *address, const char *port, double seconds, unsigned tasks, size_t size) {
        const struct sockaddr_in sa = address_of(address, port);
        struct {
                size_t n[TASKS_MAX];
                uint32_t times[][TIMES_MAX];
        } *shared;
        double best;
        size_t n = 0;
        uint64_t begin;
        int status;

        shared = mmap(NULL, sizeof(*shared) + tasks * sizeof(shared->times[0]), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (shared == MAP_FAILED)
                die("mmap");
        begin = now();
        for (unsigned i = 0; i < tasks; i++)
                if (fork() == 0) {
                        const uint64_t until = begin + (uint64_t) (seconds * 1e9);

                        shared->n[i] = size > 0 ? rtt_for(&sa, until, size, shared->times[i])
                                                : connect_for(&sa, until, shared->times[i]);
                        _exit(0);
                }
        for (unsigned i = 0; i < tasks; i++)
                if (wait(&status) < 0 || status != 0)
                        exit(1);
        begin = now() - begin;
        best = best_of(shared->times[0], shared->n[0]);
        for (unsigned i = 0; i < tasks; i++) {
                memmove(&shared->times[0][n], shared->times[i], shared->n[i] * sizeof(uint32_t));
                n += shared->n[i];
        }
        qsort(shared->times[0], n, sizeof(uint32_t), compare);
        printf("%.0f %.1f %.1f %.1f %.1f\n", (double) n * 1e9 / (double) begin, percentile(shared->times[0], n, 0.5),
               percentile(shared->times[0], n, 0.99), percentile(shared->times[0], n, 0.999), best);
}

int main(int argc, char *argv[]) {
        const int last = argc == 6 ? atoi(argv[5]) : 0;

        if (argc == 4 && strcmp(argv[1], "serve") == 0 && strcmp(argv[2], "accept") == 0)
                serve_by_accept(argv[3]);
        else if (argc == 4 && strcmp(argv[1], "serve") == 0 && strcmp(argv[2], "epoll") == 0)
                serve_by_epoll(argv[3]);
        else if (argc == 4 && strcmp(argv[1], "serve") == 0 && strcmp(argv[2], "echo") == 0)
                serve_echo(argv[3]);
        else if (argc == 4 && strcmp(argv[1], "serve") == 0 && strcmp(argv[2], "keep") == 0)
                serve_and_keep(argv[3]);
        else if (argc == 5 && strcmp(argv[1], "hold") == 0 && atoi(argv[4]) > 0) {
                const struct sockaddr_in sa = address_of(argv[2], argv[3]);

                hold(&sa, atoi(argv[4]));
        } else if (argc == 6 && strcmp(argv[1], "connect") == 0 && last > 0 && last <= TASKS_MAX)
                client(argv[2], argv[3], atof(argv[4]), (unsigned) last, 0);
        else if (argc == 6 && strcmp(argv[1], "rtt") == 0 && last > 0 && last <= SIZE_MAX_ECHO)
                client(argv[2], argv[3], atof(argv[4]), 1, (size_t) last);
        else {
                fprintf(stderr, "usage: peers serve accept|epoll|echo|keep PORT | connect ADDRESS PORT SECONDS TASKS | "
                                "rtt ADDRESS PORT SECONDS SIZE | hold ADDRESS PORT N\n");
                return 2;
        }
        return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The runner: for each case, two agents are given a socket to each other and a pipe for what they say. */

#include <fcntl.h>
#include <fnmatch.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent.h"
#include "cases.h"
#include "run.h"

enum {
        TRACE_MAX = 64 * 1024,
        KILL_LIMIT_MS = 3000,
};

/* One half of the case that runs. */
typedef struct Side {
        int agent;
        int lines; /* the pipe's end */
        bool running;
        int status;
        char trace[TRACE_MAX];
        size_t n;
} Side;

static int side_start(Side *s, const Run *r, size_t index, bool server, int peer) {
        AgentMessage m = {.command = AGENT_RUN, .server = server, .index = index, .addresses = r->addresses};
        int fds[2], e;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        (void) fcntl(fds[0], F_SETFL, O_NONBLOCK);
        s->n = 0;
        s->lines = fds[0];
        e = agent_send(s->agent, &m, (int[]){peer, fds[1]});
        close(fds[1]);
        s->running = e >= 0;
        return e;
}

static void side_read(Side *s) {
        ssize_t n;

        while (s->n < sizeof(s->trace) && (n = read(s->lines, s->trace + s->n, sizeof(s->trace) - s->n)) > 0)
                s->n += (size_t) n;
}

/* Until the halves that run have ended. Returns 0 then, 1 if the time is up. */
static int sides_wait(Side sides[2], long deadline) {
        while (sides[0].running || sides[1].running) {
                long left = deadline - now_ms();
                struct pollfd p[2];

                if (left <= 0)
                        return 1;
                for (int i = 0; i < 2; i++)
                        p[i] = (struct pollfd){.fd = sides[i].running ? sides[i].agent : -1,
                                               .events = POLLIN};
                if (poll(p, 2, (int) (left < 100 ? left : 100)) < 0 && errno != EINTR)
                        return -errno;
                for (int i = 0; i < 2; i++) {
                        AgentMessage m;

                        if (sides[i].running || sides[i].lines >= 0)
                                side_read(&sides[i]);
                        if (!p[i].revents)
                                continue;
                        if (recv(sides[i].agent, &m, sizeof(m), 0) != sizeof(m))
                                return -EPIPE;
                        sides[i].running = false;
                        sides[i].status = m.status;
                        side_read(&sides[i]);
                }
        }
        return 0;
}

static void write_side(FILE *out, const Side *s, char letter, bool timeout) {
        const char *p = s->trace, *end = s->trace + s->n;

        while (p < end) {
                const char *newline = memchr(p, '\n', (size_t) (end - p));
                const char *stop = newline ? newline : end;

                fprintf(out, "\t%c: %.*s", letter, (int) (stop - p), p);
                p = stop + 1;
        }
        if (timeout)
                fprintf(out, "\t%c: TIMEOUT", letter);
        else if (WIFSIGNALED(s->status))
                fprintf(out, "\t%c: killed by SIG%s", letter, sigabbrev_np(WTERMSIG(s->status)));
}

static int run_case(const Run *r, Side sides[2], size_t index, FILE *out) {
        const Case *what = cases_get(index);
        bool timeout[2] = {};
        int fds[2], e = 0, waited;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
                return -errno;
        for (int i = 0; i < 2; i++) {
                sides[i].n = 0;
                sides[i].lines = -1;
                sides[i].status = 0;
                if (i == 0 || what->client) {
                        e = side_start(&sides[i], r, index, i == 0, fds[i]);
                        if (e < 0)
                                break;
                }
        }
        close(fds[0]);
        close(fds[1]);
        if (e < 0)
                return e;

        waited = sides_wait(sides, now_ms() + r->limit_ms);
        if (waited > 0) {
                for (int i = 0; i < 2; i++) {
                        timeout[i] = sides[i].running;
                        if (sides[i].running)
                                (void) agent_send(sides[i].agent, &(AgentMessage){.command = AGENT_KILL},
                                                  NULL);
                }
                waited = sides_wait(sides, now_ms() + KILL_LIMIT_MS);
        }
        if (waited != 0)
                return waited < 0 ? waited : -ETIMEDOUT;

        fprintf(out, "%s", what->name);
        write_side(out, &sides[0], 's', timeout[0]);
        write_side(out, &sides[1], 'c', timeout[1]);
        fprintf(out, "\n");
        for (int i = 0; i < 2; i++)
                if (sides[i].lines >= 0)
                        close(sides[i].lines);
        return 0;
}

/* Every so-many-th case. */
static int worker(const Run *r, int number, FILE *out) {
        static Side sides[2];
        size_t n = 0;

        sides[0].agent = r->path ? agent_connect(r->path) : agent_start(r->server_netns);
        sides[1].agent = agent_start(-1);
        if (sides[0].agent < 0 || sides[1].agent < 0)
                return -ECONNREFUSED;
        for (size_t i = 0; i < cases_count(); i++) {
                int e;

                if (r->filter && fnmatch(r->filter, cases_get(i)->name, 0) != 0)
                        continue;
                if ((int) (n++ % (size_t) r->jobs) != number)
                        continue;
                e = run_case(r, sides, i, out);
                if (e < 0) {
                        fprintf(stderr, "difftest: %s: %s\n", cases_get(i)->name, strerror(-e));
                        return e;
                }
                (void) fflush(out);
        }
        return 0;
}

/* What the workers wrote, in the order of the cases. */
static void merge(FILE **files, int n, FILE *out) {
        char *line = NULL;
        size_t size = 0;

        for (int i = 0; i < n; i++)
                rewind(files[i]);
        for (bool more = true; more;) {
                more = false;
                for (int i = 0; i < n; i++)
                        if (getline(&line, &size, files[i]) > 0) {
                                (void) fputs(line, out);
                                more = true;
                        }
        }
        free(line);
        (void) fflush(out);
}

int run_cases(const Run *r, FILE *out) {
        FILE *files[64];
        pid_t pids[64];
        int result = 0;

        if (r->jobs < 1 || r->jobs > (int) ELEMENTSOF(files))
                return -EINVAL;
        (void) signal(SIGPIPE, SIG_IGN);
        for (int i = 0; i < r->jobs; i++) {
                files[i] = tmpfile();
                if (!files[i])
                        return -errno;
                pids[i] = fork();
                if (pids[i] < 0)
                        return -errno;
                if (pids[i] == 0)
                        _exit(worker(r, i, files[i]) < 0);
        }
        for (int i = 0; i < r->jobs; i++) {
                int status;

                if (waitpid(pids[i], &status, 0) < 0 || status != 0)
                        result = -EIO;
        }
        merge(files, r->jobs, out);
        return result;
}

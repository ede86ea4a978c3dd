/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Proves that the process that has a port is named. */

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "basic/fd.h"
#include "core/port-holder.h"
#include "unit.h"

static sd_event *event;
static char *said;
static bool is_done;

static void setup(void) {
        unit_unshare_network();
        ck_assert_int_ge(sd_event_new(&event), 0);
}

static void teardown(void) {
        event = sd_event_unref(event);
}

static void on_found(const char *holder, void *userdata) {
        free(said);
        said = holder ? strdup(holder) : NULL;
        is_done = true;
}

static const char *find(const char *address, uint16_t port) {
        const Endpoint at = unit_endpoint(address, port);
        PortHolderSearch *search;

        is_done = false;
        ck_assert_int_eq(port_holder_find(event, &at, on_found, NULL, &search), 0);
        while (!is_done)
                ck_assert_int_ge(sd_event_run(event, UINT64_MAX), 0);
        return said;
}

/* A process with a name that listens there, until it is killed. */
static pid_t start(const char *name, const char *address, uint16_t port) {
        _cleanup_close_ int in = -EBADF, out = -EBADF;
        int ends[2];
        char byte;
        pid_t pid;

        ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
        in = ends[0];
        out = ends[1];
        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                const Endpoint e = unit_endpoint(address, port);
                SockAddr sa;
                const socklen_t size = endpoint_to_sockaddr(&e, e.address.family, &sa);
                int fd = socket(e.address.family, SOCK_STREAM, 0);

                (void) prctl(PR_SET_NAME, name);
                if (bind(fd, &sa.sa, size) < 0 || listen(fd, 1) < 0 || write(out, "r", 1) != 1)
                        _exit(1);
                for (;;)
                        pause();
        }
        ck_assert_int_eq(read(in, &byte, 1), 1);
        return pid;
}

static void stop(pid_t pid) {
        ck_assert_int_eq(kill(pid, SIGKILL), 0);
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

/* By name, number and unit; for all addresses and for one; of whichever family. */
START_TEST(test_found) {
        const pid_t all = start("a holder", "::", 9001), one = start("other", "127.0.0.1", 9002);
        char begin[64];

        (void) snprintf(begin, sizeof(begin), "a holder (PID %i", all);
        ck_assert_ptr_nonnull(find("0.0.0.0", 9001));
        ck_assert_msg(strncmp(said, begin, strlen(begin)) == 0, "%s", said);
        ck_assert_ptr_nonnull(find("127.0.0.1", 9001));
        ck_assert_ptr_nonnull(find("::", 9002));
        ck_assert_ptr_nonnull(find("127.0.0.1", 9002));
        ck_assert_msg(strncmp(said, "other (PID ", 11) == 0, "%s", said);
        ck_assert_ptr_null(find("127.0.0.2", 9002));
        ck_assert_ptr_null(find("127.0.0.1", 9003));
        stop(all);
        stop(one);
}
END_TEST

/* What nobody waits for is forgotten. */
START_TEST(test_abandon) {
        const Endpoint at = unit_endpoint("127.0.0.1", 9001);
        PortHolderSearch *search;

        for (unsigned i = 0; i < 8; i++) {
                ck_assert_int_eq(port_holder_find(event, &at, on_found, NULL, &search), 0);
                port_holder_abandon(search);
        }
        ck_assert(!is_done);
}
END_TEST

int main(void) {
        return UNIT_RUN("port-holder", setup, teardown, test_found, test_abandon);
}

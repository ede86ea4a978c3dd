/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Proves appswitchd's side of the start of an app against an appswitch-exec
 * that the test plays: what is asked for, which step leads to which hook, and
 * that whatever goes wrong there is a failure told once.
 */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "basic/fd.h"
#include "launch/launch.h"
#include "unit.h"

/* What the hooks heard. */
static struct {
        unsigned n; /* calls in all */
        char last;  /* u, n, f, x or ! */
        pid_t pid;
        uid_t uid;
        gid_t gid;
        uint64_t netns;
        int fds[_NETWORK_SOCKET_MAX];
        ExecStep step;
        int error;
        char *path, *abi;
        bool free_launch; /* what the hook is to do */
} heard;

static sd_event *event;
static Launch *launch;
static int listener = -EBADF, connection = -EBADF;
static char *arguments[] = { (char *) "cmd", (char *) "", (char *) "a b", NULL };
static char *variables[] = { (char *) "PATH=/bin", (char *) "A=\n", NULL };

static void hear(Launch *l, char what, void *userdata) {
        ck_assert_ptr_eq(l, launch);
        ck_assert_ptr_eq(userdata, &heard);
        heard.n++;
        heard.last = what;
        if (heard.free_launch)
                launch = launch_free(l);
}

static void on_user(Launch *l, pid_t pid, uid_t uid, gid_t gid, void *userdata) {
        heard.pid = pid;
        heard.uid = uid;
        heard.gid = gid;
        hear(l, 'u', userdata);
}

static void on_network(Launch *l, uint64_t netns, const int sockets[static _NETWORK_SOCKET_MAX], void *userdata) {
        heard.netns = netns;
        memcpy(heard.fds, sockets, sizeof(heard.fds));
        hear(l, 'n', userdata);
}

static void on_filter(Launch *l, int fd, void *userdata) {
        heard.fds[0] = fd;
        hear(l, 'f', userdata);
}

static void on_executed(Launch *l, void *userdata) {
        hear(l, 'x', userdata);
}

static void on_failed(Launch *l, ExecStep step, int error, const char *path, const char *abi, void *userdata) {
        heard.step = step;
        heard.error = error;
        free(heard.path);
        heard.path = path ? strdup(path) : NULL;
        free(heard.abi);
        heard.abi = abi ? strdup(abi) : NULL;
        hear(l, '!', userdata);
}

static const LaunchHooks hooks = {
        .user = on_user,
        .network = on_network,
        .filter = on_filter,
        .executed = on_executed,
        .failed = on_failed,
};

static void listen_as_exec(void) {
        struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = EXEC_SOCKET };

        listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(bind(listener, (struct sockaddr *) &un, sizeof(un)), 0);
        ck_assert_int_eq(listen(listener, 8), 0);
}

static void setup(void) {
        (void) unlink(EXEC_SOCKET);
        listen_as_exec();
        ck_assert_int_ge(sd_event_new(&event), 0);
}

static void teardown(void) {
        launch = launch_free(launch);
        sd_event_unref(event);
        free(heard.path);
        free(heard.abi);
        safe_close(connection);
        safe_close(listener);
}

static LaunchRequest make_request(void) {
        LaunchRequest request = { .argv = arguments, .environment = variables };

        for (size_t i = 0; i < _EXEC_FD_MAX; i++)
                request.fds[i] = -EBADF;
        return request;
}

/* Starts, and takes the request as appswitch-exec does. */
static void start(const LaunchRequest *request, ExecRequest *ret, int *ret_fds, size_t *ret_n_fds) {
        ck_assert_int_eq(launch_new(event, request, &hooks, &heard, &launch), 0);
        connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        ck_assert_int_ge(connection, 0);
        *ret_n_fds = _EXEC_FD_MAX;
        ck_assert_int_eq(recv_with_fds(connection, ret, sizeof(*ret), ret_fds, ret_n_fds, 0), sizeof(*ret));
}

static void start_simple(void) {
        LaunchRequest request = make_request();
        int fds[_EXEC_FD_MAX];
        ExecRequest e;
        size_t n;

        start(&request, &e, fds, &n);
        ck_assert_uint_eq(n, 1);
        safe_close(fds[0]);
}

/* Lets the loop do all there is to do. */
static void turn(void) {
        while (sd_event_run(event, 0) > 0)
                ;
}

static void reply(const ExecReply *r, const int *fds, size_t n_fds) {
        ck_assert_int_eq(send_with_fds(connection, r, sizeof(*r), fds, n_fds, 0), 0);
        turn();
}

static void assert_failed(ExecStep step, int error) {
        ck_assert_uint_eq(heard.n, 1);
        ck_assert_int_eq(heard.last, '!');
        ck_assert_int_eq(heard.step, step);
        ck_assert_int_eq(heard.error, error);
}

/* All that is asked for arrives: strings in one block, descriptors in order with their flags. */
START_TEST(test_request) {
        static const char expected[] = "cmd\0\0a b\0PATH=/bin\0A=\n";
        LaunchRequest request = make_request();
        int fds[_EXEC_FD_MAX], null = open("/dev/null", O_RDWR | O_CLOEXEC), files[2];
        char strings[64];
        ExecRequest e;
        size_t n;

        ck_assert_int_eq(pipe(files), 0);
        request.fds[EXEC_FD_STDIN] = null;
        request.fds[EXEC_FD_STDERR] = files[1];
        request.fds[EXEC_FD_CONTROL] = files[0];
        request.caller = 4711;
        request.uid = 1000;
        request.user = "alice";
        request.group = "users";
        request.terminal = true;
        start(&request, &e, fds, &n);

        ck_assert_uint_eq(e.version, EXEC_PROTOCOL_VERSION);
        ck_assert_uint_eq(e.fds, 1U << EXEC_FD_STRINGS | 1U << EXEC_FD_STDIN | 1U << EXEC_FD_STDERR |
                                          1U << EXEC_FD_CONTROL);
        ck_assert_uint_eq(n, 4);
        ck_assert_uint_eq(e.n_argv, 3);
        ck_assert_uint_eq(e.n_environment, 2);
        ck_assert_int_eq(e.caller, 4711);
        ck_assert_uint_eq(e.uid, 1000);
        ck_assert_uint_eq(e.terminal, 1);
        ck_assert_str_eq(e.user, "alice");
        ck_assert_str_eq(e.group, "users");

        ck_assert_int_eq(pread(fds[0], strings, sizeof(strings), 0), sizeof(expected));
        ck_assert_mem_eq(strings, expected, sizeof(expected));
        ck_assert_int_eq(write(fds[2], "x", 1), 1);
        ck_assert_int_eq(read(fds[3], strings, 1), 1);

        /* The descriptors stay the caller's. */
        ck_assert_int_ge(fcntl(null, F_GETFD), 0);
        ck_assert_uint_eq(heard.n, 0);
}
END_TEST

/* Without user and group they are empty, and without an environment there is none. */
START_TEST(test_request_least) {
        LaunchRequest request = make_request();
        int fds[_EXEC_FD_MAX];
        ExecRequest e;
        size_t n;

        request.environment = NULL;
        start(&request, &e, fds, &n);
        ck_assert_uint_eq(e.fds, 1U << EXEC_FD_STRINGS);
        ck_assert_uint_eq(n, 1);
        ck_assert_uint_eq(e.n_environment, 0);
        ck_assert_str_eq(e.user, "");
        ck_assert_str_eq(e.group, "");
        ck_assert_uint_eq(e.terminal, 0);
}
END_TEST

/* What is too long is refused before anybody is asked, and nothing is left open. */
START_TEST(test_too_long) {
        static char name[EXEC_USER_MAX + 1];
        LaunchRequest request = make_request();
        unsigned n_fds = unit_count_fds();
        char *long_argument = malloc(EXEC_STRINGS_MAX + 1);

        memset(name, 'a', EXEC_USER_MAX);
        request.user = name;
        ck_assert_int_eq(launch_new(event, &request, &hooks, &heard, &launch), -ENAMETOOLONG);
        request.user = NULL;
        request.group = name;
        ck_assert_int_eq(launch_new(event, &request, &hooks, &heard, &launch), -ENAMETOOLONG);
        request.group = NULL;

        ck_assert_ptr_nonnull(long_argument);
        memset(long_argument, 'a', EXEC_STRINGS_MAX);
        long_argument[EXEC_STRINGS_MAX] = '\0';
        request.argv = (char *[]){ long_argument, NULL };
        request.environment = NULL;
        ck_assert_int_eq(launch_new(event, &request, &hooks, &heard, &launch), -E2BIG);
        ck_assert_ptr_null(launch);
        ck_assert_uint_eq(unit_count_fds(), n_fds);

        /* With the NUL it just fits now. */
        long_argument[EXEC_STRINGS_MAX - 1] = '\0';
        ck_assert_int_eq(launch_new(event, &request, &hooks, &heard, &launch), 0);
        free(long_argument);
}
END_TEST

/* When nobody is there to start anything it is said so at once. */
START_TEST(test_nobody) {
        LaunchRequest request = make_request();
        unsigned n_fds;

        listener = safe_close(listener);
        n_fds = unit_count_fds();
        ck_assert_int_eq(launch_new(event, &request, &hooks, &heard, &launch), -ECONNREFUSED);
        ck_assert_int_eq(unlink(EXEC_SOCKET), 0);
        ck_assert_int_eq(launch_new(event, &request, &hooks, &heard, &launch), -ENOENT);
        ck_assert_ptr_null(launch);
        ck_assert_uint_eq(unit_count_fds(), n_fds);
        ck_assert_uint_eq(heard.n, 0);
}
END_TEST

/* Each step leads to its hook, and each answer to the other side; the end after the last is the success. */
START_TEST(test_steps) {
        Address addresses[] = { unit_address("198.18.0.10"), unit_address("fd00::10") };
        ExecNetwork network;
        int files[2];
        size_t n = 0;
        ExecGo go;

        start_simple();
        ck_assert_int_eq(pipe(files), 0);

        reply(&(ExecReply){ .stage = EXEC_USER, .pid = 4711, .uid = 1000, .gid = 100 }, NULL, 0);
        ck_assert_uint_eq(heard.n, 1);
        ck_assert_int_eq(heard.last, 'u');
        ck_assert_int_eq(heard.pid, 4711);
        ck_assert_uint_eq(heard.uid, 1000);
        ck_assert_uint_eq(heard.gid, 100);
        ck_assert_int_eq(launch_set_network(launch, addresses, 2), 0);
        ck_assert_int_eq(recv_with_fds(connection, &network, sizeof(network), NULL, &n, 0), sizeof(network));
        ck_assert_uint_eq(network.n_addresses, 2);
        ck_assert_mem_eq(network.addresses, addresses, sizeof(addresses));

        reply(&(ExecReply){ .stage = EXEC_NETWORK, .netns = UINT64_C(4026532999) }, files, 2);
        /* Without those for echo. */
        ck_assert_int_eq(heard.fds[NETWORK_ECHO4], -EBADF);
        ck_assert_int_eq(heard.fds[NETWORK_ECHO6], -EBADF);
        ck_assert_uint_eq(heard.n, 2);
        ck_assert_int_eq(heard.last, 'n');
        ck_assert_uint_eq(heard.netns, UINT64_C(4026532999));
        /* The sockets come in their order. */
        ck_assert_int_eq(write(heard.fds[1], "x", 1), 1);
        ck_assert_int_eq(read(heard.fds[0], &(char){ 0 }, 1), 1);
        safe_close(heard.fds[0]);
        safe_close(heard.fds[1]);
        ck_assert_int_eq(launch_go(launch), 0);
        n = 0;
        ck_assert_int_eq(recv_with_fds(connection, &go, sizeof(go), NULL, &n, 0), sizeof(go));
        ck_assert_uint_eq(go.go, 1);

        reply(&(ExecReply){ .stage = EXEC_FILTER }, files, 1);
        ck_assert_uint_eq(heard.n, 3);
        ck_assert_int_eq(heard.last, 'f');
        ck_assert(fcntl(heard.fds[0], F_GETFD) & FD_CLOEXEC);
        safe_close(heard.fds[0]);
        ck_assert_int_eq(launch_go(launch), 0);
        n = 0;
        ck_assert_int_eq(recv_with_fds(connection, &go, sizeof(go), NULL, &n, 0), sizeof(go));

        connection = safe_close(connection);
        turn();
        ck_assert_uint_eq(heard.n, 4);
        ck_assert_int_eq(heard.last, 'x');
        turn();
        ck_assert_uint_eq(heard.n, 4);
}
END_TEST

/* An end before the last step is no success. */
START_TEST(test_early_end) {
        start_simple();
        reply(&(ExecReply){ .stage = EXEC_USER, .pid = 4711 }, NULL, 0);
        heard.n = 0;
        connection = safe_close(connection);
        turn();
        assert_failed(EXEC_STEP_PROTOCOL, -ECONNRESET);
        ck_assert_ptr_null(heard.path);
        ck_assert_ptr_null(heard.abi);
}
END_TEST

/* A step that failed is told with its error and what it was about; also after the filter was there. */
START_TEST(test_failed) {
        ExecReply r = { .stage = EXEC_FAILED, .step = EXEC_STEP_EXEC, .error = -ENOENT, .path = "/no/such" };
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);

        start_simple();
        reply(&(ExecReply){ .stage = EXEC_FILTER }, &null, 1);
        safe_close(heard.fds[0]);
        heard.n = 0;
        reply(&r, NULL, 0);
        assert_failed(EXEC_STEP_EXEC, -ENOENT);
        ck_assert_str_eq(heard.path, "/no/such");

        /* Nothing that comes behind counts, nor does the end. */
        reply(&(ExecReply){ .stage = EXEC_USER }, NULL, 0);
        connection = safe_close(connection);
        turn();
        ck_assert_uint_eq(heard.n, 1);
}
END_TEST

/* A path or an ABI without an end is cut, an empty one is none. */
START_TEST(test_failed_path) {
        ExecReply r = { .stage = EXEC_FAILED, .step = EXEC_STEP_USER, .error = -ENXIO };

        start_simple();
        memset(r.path, 'a', sizeof(r.path));
        memset(r.abi, 'b', sizeof(r.abi));
        reply(&r, NULL, 0);
        assert_failed(EXEC_STEP_USER, -ENXIO);
        ck_assert_uint_eq(strlen(heard.path), sizeof(r.path) - 1);
        ck_assert_uint_eq(strlen(heard.abi), sizeof(r.abi) - 1);

        safe_close(connection);
        heard.n = 0;
        launch = launch_free(launch);
        start_simple();
        *r.path = *r.abi = '\0';
        reply(&r, NULL, 0);
        assert_failed(EXEC_STEP_USER, -ENXIO);
        ck_assert_ptr_null(heard.path);
        ck_assert_ptr_null(heard.abi);
}
END_TEST

/* What is no reply of this protocol ends the start, and its descriptors are closed. */
START_TEST(test_malformed) {
        static const struct {
                ExecReply reply;
                size_t size, n_fds;
                int error;
        } table[] = {
                { { .stage = EXEC_USER }, sizeof(ExecReply) - 1, 0, -EPROTO },
                { { .stage = EXEC_USER }, 1, 0, -EPROTO },
                { { .stage = _EXEC_STAGE_MAX }, sizeof(ExecReply), 0, -EPROTO },
                { { .stage = UINT32_MAX }, sizeof(ExecReply), 2, -EPROTO },
                { { .stage = EXEC_USER }, sizeof(ExecReply), 1, -EPROTO },
                { { .stage = EXEC_NETWORK }, sizeof(ExecReply), 0, -EPROTO },
                { { .stage = EXEC_NETWORK }, sizeof(ExecReply), 1, -EPROTO },
                { { .stage = EXEC_NETWORK }, sizeof(ExecReply), 5, -EBADMSG },
                { { .stage = EXEC_FILTER }, sizeof(ExecReply), 0, -EPROTO },
                { { .stage = EXEC_FILTER }, sizeof(ExecReply), 2, -EPROTO },
                { { .stage = EXEC_FAILED }, sizeof(ExecReply), 1, -EPROTO },
        };
        const int fds[] = { STDERR_FILENO, STDERR_FILENO, STDERR_FILENO, STDERR_FILENO, STDERR_FILENO };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                unsigned n_fds;

                start_simple();
                n_fds = unit_count_fds();
                ck_assert_int_eq(send_with_fds(connection, &table[i].reply, table[i].size, fds, table[i].n_fds, 0), 0);
                turn();
                ck_assert_msg(heard.n == 1 && heard.error == table[i].error, "%zu: %i", i, heard.error);
                assert_failed(EXEC_STEP_PROTOCOL, table[i].error);
                ck_assert_uint_eq(unit_count_fds(), n_fds);
                connection = safe_close(connection);
                launch = launch_free(launch);
                heard.n = 0;
        }
}
END_TEST

/* Freeing it ends the app-to-be: the other side sees the end. Every hook may do so. */
START_TEST(test_free) {
        const int fds[] = { STDERR_FILENO, STDERR_FILENO };

        for (uint32_t stage = EXEC_USER; stage <= EXEC_FAILED; stage++) {
                size_t n_fds = stage == EXEC_NETWORK ? 2 : stage == EXEC_FILTER ? 1 : 0;

                heard.free_launch = true;
                start_simple();
                reply(&(ExecReply){ .stage = stage, .step = EXEC_STEP_EXEC, .error = -ENOENT, .path = "x" }, fds, n_fds);
                ck_assert_ptr_null(launch);
                ck_assert_int_eq(recv(connection, &(char){ 0 }, 1, MSG_DONTWAIT), 0);
                connection = safe_close(connection);
        }
        ck_assert_uint_eq(heard.n, 4);

        /* In `executed`, and in `failed` for a broken connection. */
        for (int filtered = 0; filtered < 2; filtered++) {
                start_simple();
                heard.free_launch = false;
                if (filtered)
                        reply(&(ExecReply){ .stage = EXEC_FILTER }, fds, 1);
                heard.free_launch = true;
                connection = safe_close(connection);
                turn();
                ck_assert_ptr_null(launch);
                ck_assert_int_eq(heard.last, filtered ? 'x' : '!');
        }
        ck_assert_ptr_null(launch_free(NULL));
}
END_TEST

/* Each step has a name of its own, and nothing else has one. */
START_TEST(test_step_names) {
        for (int i = 0; i < _EXEC_STEP_MAX; i++) {
                const char *name = exec_step_to_string((ExecStep) i);

                ck_assert_ptr_nonnull(name);
                for (int j = 0; j < i; j++)
                        ck_assert_str_ne(name, exec_step_to_string((ExecStep) j));
        }
        ck_assert_ptr_null(exec_step_to_string(_EXEC_STEP_MAX));
        ck_assert_ptr_null(exec_step_to_string((ExecStep) -1));
}
END_TEST

int main(void) {
        /* The place of the socket is fixed, so it is another /run. */
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("tmpfs", "/run", "tmpfs", 0, NULL) < 0 || mkdir("/run/appswitch", 0700) < 0) {
                printf("A mount namespace of our own needs CAP_SYS_ADMIN: %s\n", strerror(errno));
                return UNIT_SKIPPED;
        }
        return UNIT_RUN("launch", setup, teardown, test_request, test_request_least, test_too_long, test_nobody,
                        test_steps, test_early_end, test_failed, test_failed_path, test_malformed, test_free,
                        test_step_names);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The last steps before execve(2), each of which takes something away:
 *
 *   user        is looked up while the host's name service can be asked
 *   network     a namespace with nothing but `lo`: from here on the wall stands
 *   (scope)     appswitchd moves the process into its cgroup
 *   limits      resource limits, umask and nice level become the caller's
 *   directory   the working directory is entered; if root cannot, as the user
 *   seccomp     control calls are trapped; needs CAP_SYS_ADMIN, so before …
 *   credentials … root's rights are gone
 *   program     must not be one whose calls cannot be trapped
 *   execve
 *
 * A failure says which step it was and ends the process.
 */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fd.h"
#include "exec/abi.h"
#include "exec/app.h"
#include "exec/network.h"
#include "exec/user.h"
#include "trap/filter.h"

typedef struct App {
        int connection;
        AppRequest *request;
        User user;
        char **argv;
        char **environment;
        bool in_directory; /* the working directory is entered */
} App;

void app_request_done(AppRequest *request) {
        for (size_t i = 0; i < _EXEC_FD_MAX; i++)
                request->fds[i] = safe_close(request->fds[i]);
}

int app_request_receive(int connection, AppRequest *ret) {
        AppRequest request;
        int fds[_EXEC_FD_MAX];
        size_t n_fds = ELEMENTSOF(fds), used = 0;
        ssize_t n;

        n = recv_with_fds(connection, &request.request, sizeof(request.request), fds, &n_fds, 0);
        if (n < 0)
                return (int) n;
        for (size_t i = 0; i < _EXEC_FD_MAX; i++)
                request.fds[i] = (request.request.fds & (1U << i)) && used < n_fds ? fds[used++] : -EBADF;
        if (n != sizeof(request.request) || request.request.version != EXEC_PROTOCOL_VERSION || used != n_fds ||
            (request.fds[EXEC_FD_STRINGS] < 0 && !request.request.sockets && !request.request.network)) {
                app_request_done(&request);
                return n == 0 ? -ECONNRESET : -EPROTO;
        }
        request.request.user[EXEC_USER_MAX - 1] = '\0';
        request.request.group[EXEC_USER_MAX - 1] = '\0';
        *ret = request;
        return 0;
}

static _Noreturn void app_fail_full(App *app, ExecStep step, int error, const char *path, const char *abi) {
        ExecReply reply = { .stage = EXEC_FAILED, .step = step, .error = error };

        if (path)
                (void) snprintf(reply.path, sizeof(reply.path), "%s", path);
        if (abi)
                (void) snprintf(reply.abi, sizeof(reply.abi), "%s", abi);
        (void) send_with_fds(app->connection, &reply, sizeof(reply), NULL, 0, 0);
        _exit(EXIT_FAILURE);
}

static _Noreturn void app_fail(App *app, ExecStep step, int error, const char *path) {
        app_fail_full(app, step, error, path, NULL);
}

static void app_reply(App *app, ExecReply *reply, const int *fds, size_t n_fds) {
        /* appswitchd gave up: nobody waits for us. */
        if (send_with_fds(app->connection, reply, sizeof(*reply), fds, n_fds, 0) < 0)
                _exit(EXIT_FAILURE);
}

static void app_receive(App *app, void *message, size_t size) {
        if (recv_with_fds(app->connection, message, size, NULL, NULL, 0) != (ssize_t) size)
                _exit(EXIT_FAILURE);
}

static void app_wait_for_go(App *app) {
        ExecGo go;

        app_receive(app, &go, sizeof(go));
}

/* Cuts the strings out of the memfd: argv, then the environment. */
static int read_strings(App *app) {
        const ExecRequest *request = &app->request->request;
        size_t n = (size_t) request->n_argv + request->n_environment, size, at = 0;
        char *text, **strings;
        struct stat st;

        if (request->n_argv == 0 || request->n_argv > EXEC_STRINGS_MAX ||
            request->n_environment > EXEC_STRINGS_MAX)
                return -EPROTO;
        if (fstat(app->request->fds[EXEC_FD_STRINGS], &st) < 0)
                return -errno;
        if (st.st_size <= 0 || st.st_size > EXEC_STRINGS_MAX)
                return -EPROTO;
        size = (size_t) st.st_size;
        text = mmap(NULL, size, PROT_READ, MAP_PRIVATE, app->request->fds[EXEC_FD_STRINGS], 0);
        if (text == MAP_FAILED)
                return -errno;
        /* Room for the two NULLs, and for the four variables that a change of user sets. */
        strings = calloc(n + 2 + 4, sizeof(char *));
        if (!strings)
                return -ENOMEM;
        app->argv = strings;
        app->environment = strings + request->n_argv + 1;
        for (size_t i = 0; i < n; i++) {
                const char *end = memchr(text + at, '\0', size - at);

                if (!end)
                        return -EPROTO;
                strings[i < request->n_argv ? i : i + 1] = text + at;
                at = (size_t) (end + 1 - text);
        }
        return 0;
}

/* As systemd-run --uid does (systemd.exec(5), "Environment variables in spawned processes"). */
static int set_variable(App *app, const char *name, const char *value) {
        size_t l = strlen(name), i;
        char *s;

        if (asprintf(&s, "%s=%s", name, value) < 0)
                return -ENOMEM;
        for (i = 0; app->environment[i]; i++)
                if (strncmp(app->environment[i], name, l) == 0 && app->environment[i][l] == '=')
                        break;
        app->environment[i] = s;
        return 0;
}

static int set_user_environment(App *app) {
        int r;

        if (!*app->request->request.user || !app->user.name)
                return 0;
        r = set_variable(app, "HOME", app->user.home);
        if (r >= 0)
                r = set_variable(app, "LOGNAME", app->user.name);
        if (r >= 0)
                r = set_variable(app, "USER", app->user.name);
        if (r >= 0)
                r = set_variable(app, "SHELL", app->user.shell);
        return r;
}

static void step_user(App *app) {
        const ExecRequest *request = &app->request->request;
        int r;

        r = user_lookup(request->user, request->uid, &app->user);
        if (r < 0)
                app_fail(app, EXEC_STEP_USER, r, request->user);
        if (*request->group) {
                r = user_set_group(&app->user, request->group);
                if (r < 0)
                        app_fail(app, EXEC_STEP_GROUP, r, request->group);
        } else if (app->user.gid == GID_UNKNOWN) {
                char number[16];

                (void) snprintf(number, sizeof(number), "%u", app->user.uid);
                app_fail(app, EXEC_STEP_GROUP, -ENODATA, number);
        }
        r = set_user_environment(app);
        if (r < 0)
                app_fail(app, EXEC_STEP_USER, r, request->user);
        app_reply(app, &(ExecReply){
                .stage = EXEC_USER,
                .pid = getpid(),
                .uid = app->user.uid,
                .gid = app->user.gid,
        }, NULL, 0);
}

static void step_network(App *app) {
        ExecReply reply = { .stage = EXEC_NETWORK };
        ExecNetwork network;
        struct stat st;
        int fds[_NETWORK_SOCKET_MAX], r;
        size_t n_fds;

        app_receive(app, &network, sizeof(network));
        if (network.n_addresses > EXEC_ADDRESSES_MAX)
                app_fail(app, EXEC_STEP_PROTOCOL, -EPROTO, NULL);
        r = network_enter_new(&network);
        if (r < 0)
                app_fail(app, EXEC_STEP_NETWORK, r, NULL);
        r = network_open_sockets(fds, &n_fds);
        if (r < 0)
                app_fail(app, EXEC_STEP_NETWORK, r, NULL);
        if (stat("/proc/self/ns/net", &st) < 0)
                app_fail(app, EXEC_STEP_NETWORK, -errno, NULL);
        reply.netns = st.st_ino;
        app_reply(app, &reply, fds, n_fds);
        while (n_fds > 0)
                safe_close(fds[--n_fds]);
}

/* The caller may be gone by now; then its limits do not matter any more, either. */
static void step_limits(App *app) {
        char path[64], status[4096], *line;
        pid_t caller = app->request->request.caller;
        struct stat st;
        int nice;

        /* Its number may be another process's by now. */
        (void) snprintf(path, sizeof(path), "/proc/%i", caller);
        if (caller <= 0 || stat(path, &st) < 0 || st.st_uid != app->request->request.uid)
                return;
        for (int resource = 0; resource < RLIMIT_NLIMITS; resource++) {
                struct rlimit limit;

                if (prlimit(caller, (enum __rlimit_resource) resource, NULL, &limit) >= 0)
                        (void) setrlimit((enum __rlimit_resource) resource, &limit);
        }
        errno = 0;
        nice = getpriority(PRIO_PROCESS, (id_t) caller);
        if (errno == 0) /* -1 is also a nice level */
                (void) setpriority(PRIO_PROCESS, 0, nice);

        (void) snprintf(path, sizeof(path), "/proc/%i/status", caller);
        if (read_file(AT_FDCWD, path, status, sizeof(status)) < 0)
                return;
        line = strstr(status, "\nUmask:");
        if (line)
                (void) umask((mode_t) strtoul(line + strlen("\nUmask:"), NULL, 8));
}

static void step_seccomp(App *app) {
        int listener, r;

        listener = filter_install(NULL);
        if (listener < 0)
                app_fail(app, EXEC_STEP_SECCOMP, listener, NULL);
        r = send_with_fds(app->connection, &(ExecReply){ .stage = EXEC_FILTER }, sizeof(ExecReply), &listener, 1, 0);
        if (r < 0)
                _exit(EXIT_FAILURE);
        safe_close(listener);
        /* Without a daemon behind the listener the first trapped call would say ENOSYS. */
        app_wait_for_go(app);
}

static void step_stdio(App *app) {
        for (int i = 0; i < 3; i++) {
                int fd = app->request->fds[EXEC_FD_STDIN + i];

                if (fd < 0) {
                        fd = open("/dev/null", O_RDWR | O_CLOEXEC | O_NOCTTY);
                        if (fd < 0)
                                app_fail(app, EXEC_STEP_STDIO, -errno, "/dev/null");
                }
                if (dup2(fd, i) < 0)
                        app_fail(app, EXEC_STEP_STDIO, -errno, NULL);
        }
}

/*
 * Taken twice, as root and as the user: an app of another user may begin in a
 * directory of the caller's that this user cannot enter (root's home, say), as
 * it does with sudo(8); and there are directories that only the user can enter
 * and root cannot (FUSE; NFS, where root is nobody).
 */
static void step_directory(App *app) {
        if (app->in_directory)
                return;
        app->in_directory = app->request->fds[EXEC_FD_CWD] >= 0 ? fchdir(app->request->fds[EXEC_FD_CWD]) >= 0
                                                                : chdir(app->user.home ?: "/") >= 0;
}

static void step_directory_as_user(App *app) {
        step_directory(app);
        if (app->in_directory)
                return;
        if (app->request->fds[EXEC_FD_CWD] >= 0 || chdir("/") < 0)
                app_fail(app, EXEC_STEP_CHDIR, -errno, NULL);
}

static void reset_signals(void) {
        sigset_t none;

        for (int s = 1; s < NSIG; s++)
                (void) signal(s, SIG_DFL);
        sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
}

/* As the user: what he cannot read is not read for him. */
static void step_program(App *app) {
        char path[PATH_MAX];
        const char *abi;

        abi = abi_find_foreign(app->argv[0], getenv("PATH"), path);
        if (abi)
                app_fail_full(app, EXEC_STEP_EXEC, -ENOEXEC, path, abi);
}

_Noreturn void app_serve_network(int connection, AppRequest *request) {
        App app = { .connection = connection, .request = request };
        char *no_environment[4 + 1] = {}; /* room for what a change of user sets */

        app.environment = no_environment;
        step_user(&app);
        step_network(&app);
        /* The namespace lives by its sockets from now on; ours is over when nobody needs to be told anything more. */
        app_wait_for_go(&app);
        _exit(EXIT_SUCCESS);
}

_Noreturn void app_exec(int connection, AppRequest *request) {
        App app = { .connection = connection, .request = request };
        int r;

        r = read_strings(&app);
        if (r < 0)
                app_fail(&app, EXEC_STEP_PROTOCOL, r, NULL);
        step_user(&app);
        step_network(&app);
        app_wait_for_go(&app);
        step_limits(&app);
        step_stdio(&app);
        step_directory(&app);
        reset_signals();
        step_seccomp(&app);
        r = user_become(&app.user);
        if (r < 0)
                app_fail(&app, EXEC_STEP_USER, r, request->request.user);
        step_directory_as_user(&app);

        /* execvpe(3) looks for the program in the PATH of `environ`. */
        environ = app.environment;
        step_program(&app);
        (void) execvpe(app.argv[0], app.argv, app.environment);
        app_fail(&app, EXEC_STEP_EXEC, -errno, app.argv[0]);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <systemd/sd-login.h>
#include <unistd.h>
#include <utlist.h>

#include "basic/errand.h"
#include "basic/fd.h"
#include "basic/fd-store.h"
#include "basic/log.h"
#include "core/app.h"
#include "core/census.h"
#include "core/unit-door.h"
#include "launch/unit-protocol.h"
#include "unit/drop-in.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* since Linux 6.5 */
#endif

/* A client that says nothing, or takes no answer. */
#define CLIENT_TIMEOUT_USEC (30 * USEC_PER_SEC)

enum {
        CLIENTS_MAX = 1024,
        CLIENTS_PER_USER_MAX = 64, /* but root */
        CLOSES_MAX = 4,
};

typedef struct Client {
        UnitDoor *door;
        int fd;
        uid_t uid;
        sd_event_source *source, *timeout;
        bool starting; /* an app is being made for it: app_on_started() comes */
        bool gone;
        struct Client *prev, *next;
} Client;

struct UnitDoor {
        Manager *manager;
        int fd;
        sd_event_source *source;
        Client *clients; /* utlist */
        unsigned n_clients;
};

static void client_free(Client *c) {
        if (!c)
                return;
        c->source = sd_event_source_disable_unref(c->source);
        c->timeout = sd_event_source_disable_unref(c->timeout);
        c->fd = safe_close(c->fd);
        c->gone = true;
        if (c->starting)
                return;
        DL_DELETE(c->door->clients, c);
        c->door->n_clients--;
        /* Was it the last one of those for which no more were accepted? */
        if (c->door->source)
                (void) sd_event_source_set_enabled(c->door->source, SD_EVENT_ON);
        free(c);
}

/* Answers, with a sentence if it is an error. Takes the descriptor, if it is one. */
static void _printf_(4, 5) client_reply(Client *c, int error, int fd, const char *format, ...) {
        UnitReply reply = { .error = error };
        va_list ap;
        int r;

        va_start(ap, format);
        (void) vsnprintf(reply.message, sizeof(reply.message), format, ap);
        va_end(ap);
        r = c->fd < 0 ? 0 : send_with_fds(c->fd, &reply, sizeof(reply), &fd, fd >= 0 ? 1 : 0, MSG_DONTWAIT);
        safe_close(fd);
        if (r < 0)
                client_free(c);
}

static bool is_alive(int pidfd) {
        struct pollfd p = { .fd = pidfd, .events = POLLIN };

        return poll(&p, 1, 0) == 0;
}

/*
 * The process that connected may have ended, and its number be another's: what
 * is read by that is believed only if the very process was there all the time.
 * (Before Linux 6.5 it is whoever has the number now.) Returns its pidfd or a
 * negative errno.
 */
static int open_peer(Client *c, pid_t *ret_pid) {
        struct ucred peer;
        socklen_t size = sizeof(peer);
        int pidfd;

        if (getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
                return -errno;
        size = sizeof(pidfd);
        if (getsockopt(c->fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) < 0)
                pidfd = (int) syscall(SYS_pidfd_open, peer.pid, 0);
        if (pidfd < 0)
                return -ESRCH;
        *ret_pid = peer.pid;
        return pidfd;
}

/* The unit by the process's cgroup. */
static int find_unit(int pidfd, pid_t pid, char **ret_unit) {
        _cleanup_free_ char *unit = NULL;
        int r;

        r = sd_pid_get_unit(pid, &unit);
        if (r < 0)
                return r;
        if (!is_alive(pidfd))
                return -ESRCH;
        *ret_unit = TAKE_PTR(unit);
        return 0;
}

/* Of "appswitch-unit@NAME.service", and of the others that are the like, "NAME.service", or NULL. */
static const char *prepared_unit(const char *unit) {
        static const char *const preparers[] = { UNIT_PREPARER, UNIT_STARTER, UNIT_JOINER };

        for (size_t i = 0; i < ELEMENTSOF(preparers); i++)
                if (strncmp(unit, preparers[i], strlen(preparers[i])) == 0)
                        return unit + strlen(preparers[i]);
        return NULL;
}

static App *find_service(Manager *m, const char *unit) {
        App *app = manager_find_unit(m, unit);

        return app && app->service ? app : NULL;
}

static void reply_with_netns(Client *c, App *app) {
        int netns = app_open_netns(app);

        client_reply(c, netns < 0 ? netns : 0, netns, "Failed to get the network namespace: %s",
                     netns < 0 ? strerror(-netns) : "");
}

static void app_on_started(App *app, const char *error, const char *message, void *userdata) {
        Client *c = userdata;

        c->starting = false;
        if (c->gone) {
                client_free(c);
                return;
        }
        if (error)
                client_reply(c, -EINVAL, -EBADF, "%s", message);
        else
                reply_with_netns(c, app);
}

/* What an app of these settings is asked for with. */
static int start_app(Client *c, const char *unit, const UnitFile *file, char **ret_message) {
        _cleanup_free_ char *user = NULL;
        UnitSettings s;
        const char *error, *own = unit_file_get(file, UNIT_OWN_SECTION, "User");
        App *app;
        int r;

        r = unit_file_parse_settings(file, &s, ret_message);
        if (r < 0)
                return r;
        if (own)
                r = unit_expand_specifiers(own, unit, &user, ret_message);
        c->starting = true;
        if (r >= 0)
                r = app_start(c->door->manager, &(AppRequest){
                        .argv = (char *[]){ (char *) unit, NULL },
                        .names = s.names,
                        .addresses = s.addresses,
                        .n_addresses = s.n_addresses,
                        .tags = s.tags.tags,
                        .outside = &s.outside,
                        .user = user,
                        .unit = unit,
                        .weight = s.weight,
                        .starts = s.listens,
                        .n_starts = s.start_on_connect ? s.n_listens : 0,
                        .stop_when_idle = s.start_on_connect ? s.stop_when_idle : 0,
                        .strategy = s.strategy,
                        .shortcut = s.shortcut,
                        .service = true,
                        .shared = unit_file_get_bool(file, UNIT_OWN_SECTION, "Shared"),
                        .fds = { -EBADF, -EBADF, -EBADF, -EBADF, -EBADF, -EBADF },
                }, app_on_started, c, &app, &error, ret_message);
        static_assert(_EXEC_FD_MAX == 6, "none of them is given");
        unit_settings_done(&s);
        if (r < 0)
                c->starting = false;
        return r;
}

static void on_prepare(Client *c, const char *peer_unit) {
        _cleanup_(unit_file_done) UnitFile file = {};
        _cleanup_free_ char *message = NULL;
        const char *unit = prepared_unit(peer_unit);
        App *app;
        int r;

        if (!unit) {
                client_reply(c, -EPERM, -EBADF, "Only " UNIT_PREPARER ".service may ask for the app of a unit, and this is %s", peer_unit);
                return;
        }
        if (c->door->manager->stopping) {
                client_reply(c, -ESHUTDOWN, -EBADF, "The AppSwitch daemon is being stopped");
                return;
        }
        app = find_service(c->door->manager, unit);
        if (app && app->state == APP_RUNNING) {
                reply_with_netns(c, app);
                return;
        }
        r = drop_in_load(unit, &file);
        if (r >= 0)
                r = start_app(c, unit, &file, &message);
        if (r == -ENOENT && !message)
                client_reply(c, r, -EBADF, "Unit %s has no [" UNIT_SECTION "] section that the generator has seen (systemctl daemon-reload?)", unit);
        else if (r < 0)
                client_reply(c, r, -EBADF, "%s: %s", unit, message ?: strerror(-r));
}

static void on_release(Client *c, const char *peer_unit) {
        const char *unit = prepared_unit(peer_unit);
        App *app = unit ? find_service(c->door->manager, unit) : NULL;

        if (app && app->state == APP_RUNNING)
                app_end(app);
        client_reply(c, unit ? 0 : -EPERM, -EBADF, "Only " UNIT_PREPARER ".service may do that");
}

/* The app that a unit joins, as its drop-in has it, or NULL. */
static App *find_joined(Manager *m, const char *unit) {
        _cleanup_free_ char *owner = NULL, *message = NULL;
        _cleanup_(unit_file_done) UnitFile file = {};
        const char *joins;

        if (drop_in_load(unit, &file) < 0)
                return NULL;
        joins = unit_file_get(&file, UNIT_OWN_SECTION, "Joins");
        return joins && unit_expand_specifiers(joins, unit, &owner, &message) >= 0 ? find_service(m, owner) : NULL;
}

/* The app that the process is one of by its cgroup and by its network namespace, or NULL after an answer. */
static App *find_app(Client *c, pid_t pid, const char *unit) {
        App *here = manager_find_pid(c->door->manager, pid), *app = find_service(c->door->manager, unit);

        if (!app || app != here)
                app = find_joined(c->door->manager, unit) ?: app;
        if (!app || app->state != APP_RUNNING) {
                client_reply(c, -ENOENT, -EBADF, "Unit %s is no app", unit);
                return NULL;
        }
        if (here != app) {
                client_reply(c, -EXDEV, -EBADF, "The process is not in the network namespace of %s", app->id);
                return NULL;
        }
        return app;
}

static bool is_listener(const char *path) {
        char target[64];
        ssize_t n = readlink(path, target, sizeof(target) - 1);

        target[n < 0 ? 0 : n] = '\0';
        return strcmp(target, "anon_inode:seccomp notify") == 0;
}

typedef struct CloseJob {
        int fd;
        uint64_t app; /* its number */
} CloseJob;

static void close_run(void *job) {
        safe_close(((CloseJob *) job)->fd);
}

static void close_done(void *job, void *userdata) {
        App *app = manager_find_number(userdata, ((CloseJob *) job)->app);

        if (app)
                app->closes = false;
}

/*
 * Something else under the number: to close that can take for ever, if its file system is the app's. Until it has been
 * done no more is taken of the app.
 */
static void close_elsewhere(Client *c, App *app, int fd) {
        static atomic_uint n_closes;
        static const ErrandType type = { .run = close_run, .done = close_done, .free = free, .max = CLOSES_MAX, .n = &n_closes };
        Manager *m = c->door->manager;
        CloseJob *job = malloc(sizeof(*job));
        Errand *errand;

        app->closes = true;
        if (!job)
                return;
        *job = (CloseJob){ fd, app->number };
        /* If it cannot be begun, it stays open: that is the lesser evil. */
        if (errand_start(m->event, &type, job, m, &errand) < 0)
                free(job);
}

/* Takes a copy. The number can be that of another file from one moment to the next. */
static int take_listener(Client *c, App *app, int pidfd, pid_t pid, int number) {
        char path[64];
        int fd;

        if (app->closes)
                return -EBUSY;
        (void) snprintf(path, sizeof(path), "/proc/%i/fd/%i", pid, number);
        if (!is_listener(path))
                return -EBADF;
        fd = (int) syscall(SYS_pidfd_getfd, pidfd, number, 0);
        if (fd < 0)
                return -errno;
        (void) snprintf(path, sizeof(path), "/proc/self/fd/%i", fd);
        if (is_listener(path))
                return fd;
        close_elsewhere(c, app, fd);
        return -EBADF;
}

static void on_filter(Client *c, App *app, int pidfd, pid_t pid, int number) {
        int listener = take_listener(c, app, pidfd, pid, number), r = listener;

        if (listener >= 0) {
                r = app_adopt(app, listener);
                if (r < 0)
                        safe_close(listener);
        }
        client_reply(c, r < 0 ? r : 0, -EBADF, "Failed to serve a process of %s: %s", app->id, r < 0 ? strerror(-r) : "");
}

static void on_request(Client *c, const UnitRequest *request) {
        _cleanup_free_ char *unit = NULL;
        _cleanup_close_ int pidfd = -EBADF;
        App *app;
        pid_t pid = 0;
        int r;

        pidfd = r = open_peer(c, &pid);
        if (r >= 0)
                r = find_unit(pidfd, pid, &unit);
        if (r < 0) {
                client_reply(c, r, -EBADF, "It is not known which unit this process belongs to: %s", strerror(-r));
                return;
        }
        switch ((UnitRequestType) request->type) {
        case UNIT_PREPARE:
                on_prepare(c, unit);
                return;
        case UNIT_RELEASE:
                on_release(c, unit);
                return;
        case UNIT_ADOPT:
                if (find_app(c, pid, unit))
                        client_reply(c, 0, -EBADF, "%s", "");
                return;
        case UNIT_FILTER:
                app = find_app(c, pid, unit);
                if (app)
                        on_filter(c, app, pidfd, pid, request->listener);
                return;
        case _UNIT_REQUEST_TYPE_MAX:
        default:
                client_reply(c, -EINVAL, -EBADF, "Unknown request");
        }
}

static int client_on_io(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Client *c = userdata;
        UnitRequest request;
        ssize_t n;

        n = recv(fd, &request, sizeof(request), MSG_DONTWAIT | MSG_TRUNC);
        if (n < 0 && errno == EAGAIN)
                return 0;
        if (n != sizeof(request) || request.version != UNIT_PROTOCOL_VERSION || c->starting) {
                client_free(c);
                return 0;
        }
        on_request(c, &request);
        return 0;
}

static int client_on_timeout(sd_event_source *s, uint64_t usec, void *userdata) {
        client_free(userdata);
        return 0;
}

/*
 * Anybody may connect, and then say nothing. Who is of a unit has done in
 * milliseconds, so that it is the oldest who goes: of this user, if he has
 * many, or of all that are not root.
 */
static void make_room(UnitDoor *door, uid_t uid) {
        Client *c, *oldest = NULL, *of_user = NULL;
        unsigned n = 0;

        DL_FOREACH(door->clients, c) {
                if (c->starting || c->uid == 0)
                        continue;
                oldest = oldest ?: c;
                if (c->uid == uid) {
                        of_user = of_user ?: c;
                        n++;
                }
        }
        if (n >= CLIENTS_PER_USER_MAX)
                client_free(of_user);
        else if (door->n_clients >= CLIENTS_MAX)
                client_free(oldest);
}

static int client_new(UnitDoor *door, int fd) {
        Client *c = calloc(1, sizeof(*c));
        struct ucred peer = {};
        socklen_t size = sizeof(peer);
        int r;

        if (!c) {
                safe_close(fd);
                return -ENOMEM;
        }
        (void) getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
        make_room(door, peer.uid);
        *c = (Client){ .door = door, .fd = fd, .uid = peer.uid };
        DL_APPEND(door->clients, c);
        door->n_clients++;
        r = sd_event_add_io(door->manager->event, &c->source, fd, EPOLLIN, client_on_io, c);
        if (r >= 0)
                r = sd_event_add_time_relative(door->manager->event, &c->timeout, CLOCK_MONOTONIC, CLIENT_TIMEOUT_USEC,
                                               0, client_on_timeout, c);
        if (r < 0)
                client_free(c);
        return r;
}

static int door_on_io(sd_event_source *s, int listener, uint32_t revents, void *userdata) {
        UnitDoor *door = userdata;
        int fd, r;

        fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
                return 0;
        r = client_new(door, fd);
        if (r < 0)
                (void) log_warning_errno(r, "Failed to take a connection of a unit, ignoring: %m");
        /* There was no room to be made. More wait in the kernel. */
        if (door->n_clients > CLIENTS_MAX)
                (void) sd_event_source_set_enabled(s, SD_EVENT_OFF);
        return 0;
}

static int open_socket(void) {
        const struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = UNIT_SOCKET };
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        if (fd < 0)
                return -errno;
        (void) unlink(UNIT_SOCKET);
        /* Any process of a unit may come, whoever it runs as. */
        if (bind(fd, (const struct sockaddr *) &un, sizeof(un)) < 0 || chmod(UNIT_SOCKET, 0666) < 0 ||
            listen(fd, SOMAXCONN) < 0)
                return -errno;
        return TAKE_FD(fd);
}

int unit_door_new(Manager *m, int fd, UnitDoor **ret) {
        UnitDoor *door = calloc(1, sizeof(*door));
        int r;

        if (!door) {
                safe_close(fd);
                return -ENOMEM;
        }
        door->manager = m;
        door->fd = fd;
        if (fd < 0) {
                door->fd = open_socket();
                if (door->fd >= 0)
                        (void) fd_store_add(UNIT_DOOR_FD_NAME, door->fd, false);
        }
        r = door->fd < 0 ? door->fd : sd_event_add_io(m->event, &door->source, door->fd, EPOLLIN, door_on_io, door);
        if (r < 0) {
                unit_door_free(door);
                return r;
        }
        *ret = door;
        return 0;
}

UnitDoor *unit_door_free(UnitDoor *door) {
        Client *c, *tmp;

        if (!door)
                return NULL;
        door->source = sd_event_source_disable_unref(door->source);
        DL_FOREACH_SAFE(door->clients, c, tmp) {
                c->starting = false;
                client_free(c);
        }
        safe_close(door->fd);
        free(door);
        return NULL;
}

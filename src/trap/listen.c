/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* bind(2), listen(2). */

#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "basic/fd.h"
#include "trap/epoll.h"
#include "trap/handlers.h"
#include "trap/notify.h"

/*
 * Binding is the kernel's. But a listener that the app closed just now may
 * still hold its port here, for as long as its HUP was not read: so it is
 * looked for first.
 */
void handle_bind(Call *call) {
        trap_flush_listeners(call->trap);
        (void) call_continue(call);
}

/* How many descriptors of a process are looked at for copies of one. */
enum { DUPLICATES_SCAN_MAX = 4096 };

/* Options of the app's socket that are about waiting, and so belong to the end that it waits on. */
static void copy_timeouts(int from, int to) {
        static const int options[] = { SO_RCVTIMEO, SO_SNDTIMEO };

        for (size_t i = 0; i < ELEMENTSOF(options); i++) {
                struct timeval tv;
                socklen_t size = sizeof(tv);

                if (getsockopt(from, SOL_SOCKET, options[i], &tv, &size) >= 0 && (tv.tv_sec || tv.tv_usec))
                        (void) setsockopt(to, SOL_SOCKET, options[i], &tv, sizeof(tv));
        }
}

/* The app keeps its own socket: with the flags that it had. */
static void give_back(int native, int flags) {
        (void) fcntl(native, F_SETFL, flags & O_NONBLOCK);
}

/* Of another descriptor than argument 0, or a negative errno. */
static int read_fd_flags(pid_t tid, const char *number) {
        char path[64], text[1024], *line;

        (void) snprintf(path, sizeof(path), "/proc/%i/fdinfo/%.16s", tid, number);
        if (read_file(AT_FDCWD, path, text, sizeof(text)) < 0)
                return -EBADF;
        line = strstr(text, "flags:");
        return line ? (int) strtol(line + strlen("flags:"), NULL, 8) : -EBADF;
}

/* Other descriptors of the caller for the same socket (dup(2) before listen(2)) get the app's end, too. */
static void replace_duplicates(Call *call, int native, int app_end) {
        pid_t tid = (pid_t) call->slot->notif.pid;
        char path[64], wanted[64], target[64];
        struct dirent *entry;
        unsigned left = DUPLICATES_SCAN_MAX;
        struct stat st;
        DIR *dir;

        (void) snprintf(path, sizeof(path), "/proc/%i/fd", tid);
        dir = fstat(native, &st) >= 0 ? opendir(path) : NULL;
        if (!dir)
                return;
        (void) snprintf(wanted, sizeof(wanted), "socket:[%llu]", (unsigned long long) st.st_ino);
        while (left-- > 0 && (entry = readdir(dir))) {
                ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
                int flags;

                if (n < 0)
                        continue;
                target[n] = '\0';
                if (strcmp(target, wanted) != 0)
                        continue;
                flags = read_fd_flags(tid, entry->d_name);
                if (flags >= 0)
                        (void) notify_replace_fd(call->trap->notify_fd, call->slot->notif.id, app_end,
                                                 (int) strtol(entry->d_name, NULL, 10), flags & O_CLOEXEC);
        }
        (void) closedir(dir);
}

/*
 * Puts the app's end of a new listener over the caller's descriptor, whose
 * native socket is `call->fd`, which is taken. Returns 0 or a negative errno;
 * the call goes on in any case.
 */
static int replace_by_listener(Call *call, int backlog) {
        ListenerSockets sockets = LISTENER_SOCKETS_NONE;
        _cleanup_close_ int app_end = -EBADF;
        Trap *trap = call->trap;
        Listener *l;
        int r, flags;

        if (trap->n_listeners >= trap->sw->listeners_per_trap_max)
                return -ENOBUFS;
        flags = call_get_fd_flags(call);
        if (flags < 0)
                return -EBADF;
        r = listener_sockets_open(&sockets, trap->sw->next_listener++, call->fd, backlog, flags & O_NONBLOCK, &app_end);
        if (r < 0)
                return r;
        copy_timeouts(call->fd, app_end);
        r = listener_new(trap, &sockets, true, &l);
        if (r < 0) {
                give_back(call->fd, flags);
                safe_close(sockets.end);
                return r;
        }
        call->fd = -EBADF; /* the listener's now */

        r = notify_replace_fd(trap->notify_fd, call->slot->notif.id, app_end, call_fd_arg(call), flags & O_CLOEXEC);
        if (r < 0) {
                /* Interrupted: it will be asked for again, and finds a socket that listens natively, as before. */
                give_back(l->sockets.native, flags);
                listener_free(l);
                return r;
        }
        epoll_replace(call, l->sockets.native, app_end);
        replace_duplicates(call, l->sockets.native, app_end);
        trap->sw->hooks->listeners_changed(trap, trap->sw->userdata);
        return 0;
}

int listen_again(Call *call) {
        struct tcp_info info = {};
        socklen_t size = sizeof(info);

        if (getsockopt(call->fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0 || info.tcpi_state != TCP_LISTEN)
                return -EINVAL;
        return replace_by_listener(call, (int) info.tcpi_sacked + 1);
}

static void listen_native(Call *call) {
        int r = replace_by_listener(call, (int) call_arg(call, 1));

        if (r < 0)
                (void) call_fail(call, r);
        else
                (void) call_return(call, 0);
}

void handle_listen(Call *call) {
        SocketInfo info;
        int r;

        r = call_get_socket(call, &info);
        if (r < 0)
                return;
        switch (info.kind) {
        case SOCKET_NATIVE:
                listen_native(call);
                break;
        case SOCKET_LISTENER:
                if (!info.listener) {
                        (void) call_fail(call, -EINVAL);
                        break;
                }
                r = listener_sockets_set_backlog(&info.listener->sockets, (int) call_arg(call, 1));
                if (r < 0)
                        (void) call_fail(call, r);
                else
                        (void) call_return(call, 0);
                connect_serve(info.listener);
                break;
        case SOCKET_PAIR:
                (void) call_fail(call, -EINVAL);
                break;
        case SOCKET_OTHER:
                (void) call_continue(call);
                break;
        }
}

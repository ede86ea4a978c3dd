/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One function, shovel(), does all the work whenever something may have
 * become possible: it moves bytes until both directions can move no more.
 * Events only note what became possible. They are edge-triggered, so a note
 * stays set until the kernel answers EAGAIN.
 *
 * stdin and stdout are shared with the shell and others, and O_NONBLOCK
 * belongs to the open file, not to us. Terminals and pipes are therefore
 * opened anew; what cannot be (sockets, terminals of other users) gets the
 * flag and loses it at the end. Regular files never block.
 */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "basic/fd.h"
#include "cli/pty-forward.h"

enum {
        BUFFER_SIZE = 16 * 1024,
        /* Reads from the PTY in one turn, so that signals get their turn as well. */
        TURN_MAX = 16,
        /* More than the kernel holds of a PTY's output: all that was written before the app ended is less. */
        DRAIN_MAX = 2 * 1024 * 1024,
};

typedef struct Buffer {
        char data[BUFFER_SIZE];
        size_t start, end;
} Buffer;

/* One end: an fd, what is known about it, how to undo what was done to it. */
typedef struct End {
        int fd;
        bool owned;        /* opened anew: to be closed */
        bool was_blocking; /* got O_NONBLOCK from us: to be undone */
        bool ready;
        bool closed; /* end of file or error */
        sd_event_source *source;
} End;

struct PtyForward {
        sd_event *event;
        int master;
        bool master_readable, master_writable, master_closed;
        sd_event_source *master_source, *again_source;
        End input, output;
        Buffer to_master, to_output;

        int terminal; /* of the user: the fd that has modes and size, or -EBADF; borrowed */
        bool is_raw;
        struct termios saved;

        bool running;
        bool eof_sent;
        char last_input;
        int key_signal;
        bool draining;
        size_t drained_bytes;
        PtyForwardDrained drained;
        void *userdata;
};

static bool buffer_is_empty(const Buffer *b) {
        return b->start == b->end;
}

/* Reads once, into an empty buffer; 1: moved or interrupted, 0: would block, negative errno. -EIO: end of file. */
static int buffer_fill(Buffer *b, int fd, size_t *ret_n) {
        ssize_t n;

        n = read(fd, b->data, sizeof(b->data));
        if (n > 0) {
                b->start = 0;
                b->end = (size_t) n;
                *ret_n = (size_t) n;
                return 1;
        }
        *ret_n = 0;
        if (n == 0)
                return -EIO;
        if (errno == EAGAIN)
                return 0;
        return errno == EINTR ? 1 : -errno;
}

/* Writes once; 1: moved or interrupted, 0: would block, negative errno. */
static int buffer_flush(Buffer *b, int fd) {
        ssize_t n = write(fd, b->data + b->start, b->end - b->start);

        if (n >= 0) {
                b->start += (size_t) n;
                return 1;
        }
        if (errno == EAGAIN)
                return 0;
        return errno == EINTR ? 1 : -errno;
}

/* tcsetattr(3) of a background process raises SIGTTOU, which would stop us half-way. */
static int set_modes(int fd, const struct termios *modes) {
        sigset_t block, old;
        int r;

        sigemptyset(&block);
        sigaddset(&block, SIGTTOU);
        (void) sigprocmask(SIG_BLOCK, &block, &old);
        r = tcsetattr(fd, TCSANOW, modes) < 0 ? -errno : 0;
        (void) sigprocmask(SIG_SETMASK, &old, NULL);
        return r;
}

/* Without a controlling terminal there is no job control, and nobody to take the terminal from. */
static bool is_foreground(int terminal) {
        pid_t group = tcgetpgrp(terminal);

        return group < 0 || group == getpgrp();
}

static void enter_raw(PtyForward *f) {
        struct termios raw;

        if (f->is_raw || f->terminal < 0 || f->draining || !is_foreground(f->terminal))
                return;
        if (tcgetattr(f->terminal, &f->saved) < 0)
                return;
        raw = f->saved;
        if (f->terminal == f->input.fd)
                cfmakeraw(&raw);
        else
                raw.c_oflag &= ~(tcflag_t) OPOST; /* the PTY has done it */
        if (set_modes(f->terminal, &raw) >= 0)
                f->is_raw = true;
}

static void leave_raw(PtyForward *f) {
        if (f->is_raw)
                (void) set_modes(f->terminal, &f->saved);
        f->is_raw = false;
}

/* A terminal that is not ours at the moment is left alone, or we would eat the shell's input. */
static bool may_read_input(const PtyForward *f) {
        return f->input.ready && !f->input.closed && !f->draining && buffer_is_empty(&f->to_master) &&
               (f->terminal != f->input.fd || f->is_raw);
}

/* At the end of a file or pipe the app has to see an end of file too: what Ctrl-D types. */
static void send_eof(PtyForward *f) {
        struct termios modes;

        if (f->eof_sent || !f->input.closed || !buffer_is_empty(&f->to_master) || f->master_closed)
                return;
        if (tcgetattr(f->master, &modes) < 0 || !(modes.c_lflag & ICANON) ||
            modes.c_cc[VEOF] == _POSIX_VDISABLE)
                return;
        f->eof_sent = true;
        f->to_master.start = f->to_master.end = 0;
        /* In the middle of a line the first one only hands that line over. */
        if (f->last_input && f->last_input != '\n')
                f->to_master.data[f->to_master.end++] = (char) modes.c_cc[VEOF];
        f->to_master.data[f->to_master.end++] = (char) modes.c_cc[VEOF];
}

/* Takes note of Ctrl-C and Ctrl-backslash, if that is what they mean to the terminal of the app now. */
static void note_keys(PtyForward *f) {
        struct termios modes = {};

        for (size_t i = f->to_master.start; i < f->to_master.end; i++) {
                const cc_t c = (cc_t) f->to_master.data[i];

                if (c == _POSIX_VDISABLE || (c >= ' ' && c < 0x7f))
                        continue;
                if (modes.c_cflag == 0 && tcgetattr(f->master, &modes) < 0)
                        return;
                if (!(modes.c_lflag & ISIG))
                        return;
                if (c == modes.c_cc[VINTR])
                        f->key_signal = SIGINT;
                else if (c == modes.c_cc[VQUIT])
                        f->key_signal = SIGQUIT;
        }
}

int pty_forward_key_signal(const PtyForward *f) {
        return f->key_signal;
}

static bool shovel_input(PtyForward *f) {
        bool moved = false;
        size_t n;
        int r;

        if (may_read_input(f)) {
                r = buffer_fill(&f->to_master, f->input.fd, &n);
                if (r < 0)
                        f->input.closed = true;
                f->input.ready = r > 0;
                if (n > 0)
                        f->last_input = f->to_master.data[f->to_master.end - 1];
                if (n > 0 && f->terminal == f->input.fd)
                        note_keys(f);
                moved = r != 0;
        }
        send_eof(f);
        if (f->master_writable && !f->master_closed && !buffer_is_empty(&f->to_master)) {
                r = buffer_flush(&f->to_master, f->master);

                if (r < 0) /* nobody has the slave open */
                        f->to_master.start = f->to_master.end = 0;
                f->master_writable = r > 0;
                moved = moved || r > 0;
        }
        return moved;
}

/* The user's terminal is gone, so the app's is: the kernel sends it SIGHUP, and its writes fail. */
static void hang_up(PtyForward *f) {
        f->output.closed = f->master_closed = true;
        f->to_output.start = f->to_output.end = 0;
        f->master_source = sd_event_source_disable_unref(f->master_source);
        f->master = safe_close(f->master);
}

static bool shovel_output(PtyForward *f) {
        bool moved = false;
        size_t n;

        if (f->master_readable && !f->master_closed && buffer_is_empty(&f->to_output)) {
                int r = buffer_fill(&f->to_output, f->master, &n);

                /* EIO: all descriptors of the slave are closed. It is for good once the app has ended only. */
                if (r < 0 && f->draining)
                        f->master_closed = true;
                f->master_readable = r > 0;
                if (f->draining)
                        f->drained_bytes += n;
                moved = r > 0;
        }
        if (!buffer_is_empty(&f->to_output) && f->output.ready) {
                int r = buffer_flush(&f->to_output, f->output.fd);

                if (r < 0)
                        hang_up(f);
                f->output.ready = r > 0;
                moved = moved || r > 0;
        }
        return moved;
}

static void shovel(PtyForward *f) {
        bool moved = true;

        if (!f->running)
                return;
        enter_raw(f);
        for (int turn = 0; moved && turn < TURN_MAX; turn++) {
                moved = shovel_input(f);
                moved = shovel_output(f) || moved;
        }
        if (moved) {
                (void) sd_event_source_set_enabled(f->again_source, SD_EVENT_ONESHOT);
                if (!f->draining || f->drained_bytes < DRAIN_MAX)
                        return;
        }
        if (f->draining && f->drained &&
            (f->drained_bytes >= DRAIN_MAX ||
             (buffer_is_empty(&f->to_output) && (f->master_closed || !f->master_readable)))) {
                PtyForwardDrained drained = TAKE_PTR(f->drained);

                drained(f, f->userdata); /* may free us */
        }
}

static int on_master(sd_event_source *s, int fd, uint32_t events, void *userdata) {
        PtyForward *f = userdata;

        if (events & (EPOLLIN | EPOLLHUP))
                f->master_readable = true;
        if (events & (EPOLLOUT | EPOLLHUP))
                f->master_writable = true;
        shovel(f);
        return 0;
}

static int on_input(sd_event_source *s, int fd, uint32_t events, void *userdata) {
        PtyForward *f = userdata;

        f->input.ready = true;
        shovel(f);
        return 0;
}

static int on_output(sd_event_source *s, int fd, uint32_t events, void *userdata) {
        PtyForward *f = userdata;

        f->output.ready = true;
        shovel(f);
        return 0;
}

static int on_again(sd_event_source *s, void *userdata) {
        shovel(userdata);
        return 0;
}

int pty_open(int input, int output, int *ret_master, int *ret_slave) {
        _cleanup_close_ int master = -EBADF, slave = -EBADF;
        int terminal = isatty(input) ? input : output;
        struct termios modes;
        struct winsize size;

        master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
        if (master < 0)
                return -errno;
        if (grantpt(master) < 0 || unlockpt(master) < 0)
                return -errno;
        slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (slave < 0)
                return -errno;
        /*
         * The user's own keys and character set; nothing is lost where this fails. While a shell has the
         * terminal, its modes are those of the shell's line editor.
         */
        if (is_foreground(terminal) && tcgetattr(terminal, &modes) >= 0)
                (void) tcsetattr(slave, TCSANOW, &modes);
        if (ioctl(terminal, TIOCGWINSZ, &size) >= 0)
                (void) ioctl(master, TIOCSWINSZ, &size);
        *ret_master = TAKE_FD(master);
        *ret_slave = TAKE_FD(slave);
        return 0;
}

/* Gets a descriptor that does not block, see the top. */
static int end_open(End *end, int fd, int flags) {
        char path[64];
        struct stat st;
        int current, r;

        if (fstat(fd, &st) < 0)
                return -errno;
        end->fd = fd;
        if (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode)) {
                (void) snprintf(path, sizeof(path), "/proc/self/fd/%i", fd);
                r = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
                if (r >= 0) {
                        end->fd = r;
                        end->owned = true;
                        return 0;
                }
        }
        if (S_ISREG(st.st_mode))
                return 0;
        current = fcntl(fd, F_GETFL);
        if (current < 0)
                return -errno;
        if (!(current & O_NONBLOCK)) {
                if (fcntl(fd, F_SETFL, current | O_NONBLOCK) < 0)
                        return -errno;
                end->was_blocking = true;
        }
        return 0;
}

static void end_close(End *end) {
        end->source = sd_event_source_disable_unref(end->source);
        if (end->was_blocking)
                (void) fcntl(end->fd, F_SETFL, fcntl(end->fd, F_GETFL) & ~O_NONBLOCK);
        if (end->owned)
                safe_close(end->fd);
        *end = (End){ .fd = -EBADF };
}

static int end_watch(PtyForward *f, End *end, uint32_t events, sd_event_io_handler_t handler) {
        int r;

        r = sd_event_add_io(f->event, &end->source, end->fd, events | EPOLLET, handler, f);
        if (r == -EPERM) { /* regular files, /dev/null: always ready, and epoll does not want them */
                end->ready = true;
                return 0;
        }
        return r;
}

int pty_forward_new(sd_event *event, int master, int input, int output, PtyForward **ret) {
        _cleanup_(pty_forward_freep) PtyForward *f = calloc(1, sizeof(PtyForward));
        int r;

        if (!f)
                return -ENOMEM;
        f->event = sd_event_ref(event);
        f->master = f->terminal = f->input.fd = f->output.fd = -EBADF;
        r = end_open(&f->input, input, O_RDONLY);
        if (r >= 0)
                r = end_open(&f->output, output, O_WRONLY);
        if (r < 0)
                return r;
        if (isatty(f->input.fd))
                f->terminal = f->input.fd;
        else if (isatty(f->output.fd))
                f->terminal = f->output.fd;

        r = sd_event_add_defer(event, &f->again_source, on_again, f);
        if (r >= 0)
                r = sd_event_source_set_enabled(f->again_source, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_io(event, &f->master_source, master, EPOLLIN | EPOLLOUT | EPOLLET,
                                    on_master, f);
        if (r >= 0)
                r = end_watch(f, &f->input, EPOLLIN, on_input);
        if (r >= 0)
                r = end_watch(f, &f->output, EPOLLOUT, on_output);
        if (r < 0)
                return r;
        f->master = master;
        *ret = TAKE_PTR(f);
        return 0;
}

PtyForward *pty_forward_free(PtyForward *f) {
        if (!f)
                return NULL;
        leave_raw(f);
        f->again_source = sd_event_source_disable_unref(f->again_source);
        f->master_source = sd_event_source_disable_unref(f->master_source);
        end_close(&f->input);
        end_close(&f->output);
        safe_close(f->master);
        sd_event_unref(f->event);
        free(f);
        return NULL;
}

int pty_forward_resume(PtyForward *f) {
        if (f->running)
                return 0;
        f->running = true;
        enter_raw(f); /* at once: an app that has ended already may have left output */
        pty_forward_resize(f);
        return sd_event_source_set_enabled(f->again_source, SD_EVENT_ONESHOT);
}

void pty_forward_pause(PtyForward *f) {
        f->running = false;
        leave_raw(f);
}

void pty_forward_resize(PtyForward *f) {
        struct winsize size;

        if (f->terminal >= 0 && ioctl(f->terminal, TIOCGWINSZ, &size) >= 0)
                (void) ioctl(f->master, TIOCSWINSZ, &size);
}

int pty_forward_drain(PtyForward *f, PtyForwardDrained drained, void *userdata) {
        f->draining = true;
        f->drained = drained;
        f->userdata = userdata;
        f->running = true;
        f->master_readable = true; /* have the kernel say EAGAIN or EIO: then there is no more */
        return sd_event_source_set_enabled(f->again_source, SD_EVENT_ONESHOT);
}

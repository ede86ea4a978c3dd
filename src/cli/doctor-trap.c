/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "basic/fd.h"
#include "cli/doctor.h"

enum { TRIAL_MSEC = 5000 };

#define CHECK_TRAP "Seccomp notification"
#define CHECK_PIDFD "Descriptors of other processes (pidfd_getfd)"
#define CHECK_ADDFD "Answers with a descriptor (SECCOMP_ADDFD_FLAG_SEND)"
#define ADVICE_FILTER "Something filters system calls here; if this is a container, allow it these calls."

/* The call that the child has trapped: one that libraries do not make behind our back. */
#define TRAPPED_CALL SYS_getppid

/* Returns the number of a listener for our own calls, or a negative errno. */
static int install_filter(void) {
        struct sock_filter filter[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TRAPPED_CALL, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        const struct sock_fprog program = { .len = ELEMENTSOF(filter), .filter = filter };
        int fd;

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;
        fd = (int) syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
        return fd < 0 ? -errno : fd;
}

/* Tells the number of its listener, makes the call, and ends well if that gave a descriptor. */
static void __attribute__((noreturn)) child(int pipe, pid_t parent) {
        int listener, fd;

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
                _exit(EXIT_FAILURE);
        listener = install_filter();
        if (write(pipe, &listener, sizeof(listener)) != sizeof(listener) || listener < 0)
                _exit(EXIT_FAILURE);
        fd = (int) syscall(TRAPPED_CALL);
        _exit(fd >= 0 && fcntl(fd, F_GETFD) >= 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}

static int wait_readable(int fd) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int n;

        do
                n = poll(&p, 1, TRIAL_MSEC);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : n == 0 ? -ETIMEDOUT : 0;
}

/* Receives the child's call and lets it return a descriptor. Returns 0 or a negative errno. */
static int answer(int listener) {
        struct seccomp_notif n = {};
        struct seccomp_notif_addfd addfd = { .flags = SECCOMP_ADDFD_FLAG_SEND, .srcfd = STDERR_FILENO };
        int r;

        r = wait_readable(listener);
        if (r < 0)
                return r;
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &n) < 0)
                return -errno;
        addfd.id = n.id;
        return ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &addfd) < 0 ? -errno : 0;
}

/* What a filter of our own says, as the child was told. */
static bool add_trap(Checkup *c, int listener) {
        if (listener >= 0)
                checkup_add(c, CHECK_OK, CHECK_TRAP, NULL, "works");
        else if (listener == -EBUSY)
                checkup_add(c, CHECK_ERROR, CHECK_TRAP,
                            "Run this on the host itself: the kernel has one listener for each process, so apps cannot be started here.",
                            "this process is an app, or of a container that traps calls itself");
        else if (listener == -EINVAL || listener == -ENOSYS)
                checkup_add(c, CHECK_ERROR, CHECK_TRAP, "Take a kernel with CONFIG_SECCOMP_FILTER, Linux 5.14 or later.",
                            "the kernel has none");
        else
                checkup_add(c, CHECK_ERROR, CHECK_TRAP, ADVICE_FILTER, "failed (%s)", strerror(-listener));
        return listener >= 0;
}

static bool add_pidfd(Checkup *c, int fd) {
        if (fd >= 0)
                checkup_add(c, CHECK_OK, CHECK_PIDFD, NULL, "can be had");
        else if (fd == -EPERM && geteuid() != 0)
                checkup_add(c, CHECK_SKIPPED, CHECK_PIDFD, "Run it as root to know.", "not allowed to this user");
        else
                checkup_add(c, CHECK_ERROR, CHECK_PIDFD, ADVICE_FILTER, "cannot be had (%s)", strerror(-fd));
        return fd >= 0;
}

static void add_answer(Checkup *c, int error, int status) {
        if (error == 0 && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS)
                checkup_add(c, CHECK_OK, CHECK_ADDFD, NULL, "work");
        else if (error < 0)
                checkup_add(c, CHECK_ERROR, CHECK_ADDFD, "Take Linux 5.14 or later.", "failed (%s)", strerror(-error));
        else
                checkup_add(c, CHECK_ERROR, CHECK_ADDFD, "Take Linux 5.14 or later.", "did not arrive");
}

static int open_child_fd(pid_t pid, int number) {
        _cleanup_close_ int pidfd = -EBADF;
        int fd;

        pidfd = (int) syscall(SYS_pidfd_open, pid, 0);
        if (pidfd < 0)
                return -errno;
        fd = (int) syscall(SYS_pidfd_getfd, pidfd, number, 0);
        return fd < 0 ? -errno : fd;
}

static int end_child(pid_t pid, bool kill_it) {
        int status = -1;

        if (kill_it)
                (void) kill(pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        return status;
}

void doctor_trap(Checkup *c) {
        _cleanup_close_ int from = -EBADF, to = -EBADF, listener = -EBADF;
        int fds[2], number = -EIO, r = -ECANCELED;
        pid_t parent = getpid(), pid;
        int status;

        if (pipe2(fds, O_CLOEXEC) < 0) {
                checkup_add(c, CHECK_SKIPPED, CHECK_TRAP, NULL, "cannot be tried (%s)", strerror(errno));
                return;
        }
        from = fds[0];
        to = fds[1];
        pid = fork();
        if (pid < 0) {
                checkup_add(c, CHECK_SKIPPED, CHECK_TRAP, NULL, "cannot be tried (%s)", strerror(errno));
                return;
        }
        if (pid == 0)
                child(to, parent);
        to = safe_close(to);

        if (read(from, &number, sizeof(number)) != sizeof(number))
                number = -EIO;
        if (add_trap(c, number)) {
                listener = open_child_fd(pid, number);
                if (add_pidfd(c, listener))
                        r = answer(listener);
        }
        status = end_child(pid, r < 0);
        if (listener >= 0)
                add_answer(c, r, status);
}

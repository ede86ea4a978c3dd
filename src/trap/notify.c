/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "trap/notify.h"

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

int notify_check_kernel(void) {
        struct seccomp_notif_sizes sizes;

        if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) < 0)
                return errno == EINVAL || errno == ENOSYS ? -EOPNOTSUPP : -errno;
        /* A kernel that writes more than we give room for would need buffers of its size. */
        if (sizes.seccomp_notif > sizeof(struct seccomp_notif) ||
            sizes.seccomp_notif_resp > sizeof(struct seccomp_notif_resp))
                return -EPROTO;
        return 0;
}

void notify_set_flags(int listener) {
        (void) ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
}

int notify_receive(int listener, struct seccomp_notif *n) {
        while (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, n) < 0)
                if (errno != EINTR)
                        return -errno;
        return 0;
}

bool notify_is_valid(int listener, uint64_t id) {
        return ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) >= 0;
}

static int send_response(int listener, struct seccomp_notif_resp *response) {
        while (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, response) < 0)
                if (errno != EINTR)
                        return -errno;
        return 0;
}

int notify_reply(int listener, uint64_t id, int64_t value, int error) {
        return send_response(listener, &(struct seccomp_notif_resp){
                .id = id,
                .val = error < 0 ? 0 : value,
                .error = error,
        });
}

int notify_continue(int listener, uint64_t id) {
        return send_response(listener, &(struct seccomp_notif_resp){
                .id = id,
                .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE,
        });
}

static int add_fd(int listener, struct seccomp_notif_addfd *add) {
        int r;

        do
                r = ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, add);
        while (r < 0 && errno == EINTR);
        return r < 0 ? -errno : r;
}

int notify_replace_fd(int listener, uint64_t id, int fd, int target, bool cloexec) {
        return add_fd(listener, &(struct seccomp_notif_addfd){
                .id = id,
                .flags = SECCOMP_ADDFD_FLAG_SETFD,
                .srcfd = (uint32_t) fd,
                .newfd = (uint32_t) target,
                .newfd_flags = cloexec ? O_CLOEXEC : 0,
        });
}

int notify_answer_with_fd(int listener, uint64_t id, int fd, bool cloexec) {
        return add_fd(listener, &(struct seccomp_notif_addfd){
                .id = id,
                .flags = SECCOMP_ADDFD_FLAG_SEND,
                .srcfd = (uint32_t) fd,
                .newfd_flags = cloexec ? O_CLOEXEC : 0,
        });
}

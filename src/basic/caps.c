/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/syscall.h>
#include <unistd.h>

#include "basic/caps.h"

static struct __user_cap_header_struct header(void) {
        return (struct __user_cap_header_struct){ .version = _LINUX_CAPABILITY_VERSION_3 };
}

int caps_suspend(Caps *ret) {
        struct __user_cap_header_struct h = header();
        Caps without;

        if (syscall(SYS_capget, &h, ret->data) < 0)
                return -errno;
        without = *ret;
        without.data[0].effective = without.data[1].effective = 0;
        h = header();
        return syscall(SYS_capset, &h, without.data) < 0 ? -errno : 0;
}

void caps_resume(const Caps *caps) {
        struct __user_cap_header_struct h = header();

        if (syscall(SYS_capset, &h, caps->data) < 0)
                abort(); /* it was in the permitted set and still is */
}

int caps_keep(uint64_t set) {
        struct __user_cap_header_struct h = header();
        Caps caps = {};

        for (size_t i = 0; i < ELEMENTSOF(caps.data); i++)
                caps.data[i].permitted = caps.data[i].effective = (uint32_t) (set >> (32 * i));
        return syscall(SYS_capset, &h, caps.data) < 0 ? -errno : 0;
}

int caps_drop(uint64_t set) {
        struct __user_cap_header_struct h = header();
        Caps caps;

        if (syscall(SYS_capget, &h, caps.data) < 0)
                return -errno;
        for (size_t i = 0; i < ELEMENTSOF(caps.data); i++) {
                const uint32_t drop = (uint32_t) (set >> (32 * i));

                caps.data[i].permitted &= ~drop;
                caps.data[i].effective &= ~drop;
                caps.data[i].inheritable &= ~drop;
        }
        h = header();
        return syscall(SYS_capset, &h, caps.data) < 0 ? -errno : 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Macros every file may use: cleanup attributes, taking ownership, sizes of
 * arrays, bounds.
 */

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _printf_(a, b) __attribute__((format(printf, a, b)))

#define ELEMENTSOF(a) (sizeof(a) / sizeof((a)[0]))
#define MIN2(a, b) ({ typeof(a) _a = (a); typeof(b) _b = (b); _a < _b ? _a : _b; })
#define MAX2(a, b) ({ typeof(a) _a = (a); typeof(b) _b = (b); _a > _b ? _a : _b; })

/* The structure of this type whose `member` is at `ptr`. */
#define CONTAINER_OF(ptr, type, member) ((type *) ((char *) (ptr) - offsetof(type, member)))

#define USEC_PER_SEC ((uint64_t) 1000000)
#define USEC_PER_MSEC ((uint64_t) 1000)
#define NSEC_PER_USEC ((uint64_t) 1000)

/* Hands the value over and leaves the variable without it. */
#define TAKE(var, none) ({ typeof(var) *_p = &(var), _v = *_p; *_p = (none); _v; })
#define TAKE_PTR(ptr) TAKE(ptr, NULL)
#define TAKE_FD(fd) TAKE(fd, -EBADF)

/* Defines a cleanup function `funcp` for `_cleanup_()` out of a destructor that takes the value. */
#define DEFINE_CLEANUP(type, func)                                                                  \
        static inline void func##p(type *p) {                                                       \
                if (*p)                                                                             \
                        *p = func(*p);                                                              \
        }

static inline void freep(void *p) {
        free(*(void **) p);
}

#define _cleanup_free_ _cleanup_(freep)

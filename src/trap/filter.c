/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What is trapped, and what is not:
 *
 * - control calls of sockets, whatever the family of the socket: a filter sees
 *   descriptors as bare numbers, so those of other families are continued;
 * - socket options where a Unix pair would answer otherwise than TCP, chosen by
 *   level and name, which are scalar;
 * - nothing of the data path (read, write, sendmsg, recvmsg, poll, epoll_ctl,
 *   close, fcntl), ever. Sends with MSG_FASTOPEN, which connect, are refused by
 *   the filter itself: to look at the flags costs others some 10 ns.
 *
 * A family of sockets that is not kept apart by network namespaces would be a
 * hole in the wall: such sockets cannot be made.
 *
 * io_uring could do all of this unseen, so io_uring_setup says ENOSYS, and
 * runtimes fall back. A foreign ABI (i386, x32) would be let through half-way:
 * its calls kill the process, as seccomp(2) advises for unknown architectures.
 *
 * libseccomp puts the rules of a call in one place, and the more often called
 * first by priority.
 */

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "basic/fd.h"
#include "trap/filter.h"

#ifndef AF_QIPCRTR
#define AF_QIPCRTR 42
#endif
#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#endif
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif
#ifndef SO_PREFER_BUSY_POLL
#define SO_PREFER_BUSY_POLL 69
#endif

static const int trapped_calls[] = {
        SCMP_SYS(connect), SCMP_SYS(accept),      SCMP_SYS(accept4), SCMP_SYS(listen),
        SCMP_SYS(bind),    SCMP_SYS(getsockname), SCMP_SYS(getpeername),
        /* Only to know that there are epoll sets (trap/epoll.h). */
        SCMP_SYS(epoll_create1), SCMP_SYS(epoll_create),
};

static const int trapped_levels[] = { IPPROTO_TCP, IPPROTO_IP, IPPROTO_IPV6 };

/* Of SOL_SOCKET. */
static const int trapped_options[] = {
        SO_TYPE,     SO_DOMAIN,   SO_PROTOCOL, SO_ACCEPTCONN, SO_REUSEPORT,   SO_ZEROCOPY,
        SO_PEERCRED, SO_PEERNAME, SO_PEERSEC,  SO_PEERGROUPS, SO_PEERPIDFD,   SO_MARK,
        SO_PASSCRED, SO_PASSSEC,  SO_PASSPIDFD, SO_REUSEADDR,
};

/* Of SOL_SOCKET, only to know that they were set (trap/option-memory.h). */
static const int noted_options[] = {
        SO_TIMESTAMPNS,      SO_TIMESTAMPING, SO_MAX_PACING_RATE, SO_PEEK_OFF,  SO_RXQ_OVFL,
        SO_SELECT_ERR_QUEUE, SO_NO_CHECK,     SO_DEBUG,           SO_BUSY_POLL, SO_PREFER_BUSY_POLL,
        SO_OOBINLINE,        SO_RCVLOWAT,     SO_PRIORITY,        SO_DONTROUTE, SO_TIMESTAMP,
        SO_BROADCAST,
};

/*
 * Calls of the data path, and which argument of theirs the flags are. One of
 * them makes a send a connect(2), which we would not see. It is what a kernel
 * says that does not offer it to clients (tcp_fastopen in ip-sysctl): programs
 * connect then.
 */
static const struct {
        int call;
        unsigned flags;
} sending_calls[] = {
        { SCMP_SYS(sendto), 3 },
        { SCMP_SYS(sendmsg), 2 },
        { SCMP_SYS(sendmmsg), 3 },
};

/* Families that reach other machines and do not know network namespaces. */
static const int refused_families[] = { AF_VSOCK, AF_BLUETOOTH, AF_QIPCRTR };

static int add_family_rules(scmp_filter_ctx filter, int call) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(refused_families); i++)
                r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), call, 1,
                                     SCMP_A0_32(SCMP_CMP_EQ, (uint32_t) refused_families[i]));
        return r;
}

static int add_options(scmp_filter_ctx filter, int call, const int *options, size_t n) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n; i++)
                r = seccomp_rule_add(filter, SCMP_ACT_NOTIFY, call, 2,
                                     SCMP_A1_32(SCMP_CMP_EQ, SOL_SOCKET),
                                     SCMP_A2_32(SCMP_CMP_EQ, (uint32_t) options[i]));
        return r;
}

static int add_option_rules(scmp_filter_ctx filter, int call) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(trapped_levels); i++)
                r = seccomp_rule_add(filter, SCMP_ACT_NOTIFY, call, 1,
                                     SCMP_A1_32(SCMP_CMP_EQ, (uint32_t) trapped_levels[i]));
        return r < 0 ? r : add_options(filter, call, trapped_options, ELEMENTSOF(trapped_options));
}

static int add_fastopen_rules(scmp_filter_ctx filter) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(sending_calls); i++)
                r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EOPNOTSUPP), sending_calls[i].call, 1,
                                     SCMP_CMP32(sending_calls[i].flags, SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, MSG_FASTOPEN));
        return r;
}

static int add_refusals(scmp_filter_ctx filter, const FilterOptions *options) {
        const int how = options->refuse_seccomp;
        int r = 0;

        if (options->refuse_unix)
                r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1, SCMP_A0_32(SCMP_CMP_EQ, AF_UNIX));
        if (r >= 0 && how != 0)
                r = seccomp_rule_add(filter, how == FILTER_KILL ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ERRNO((uint16_t) how),
                                     SCMP_SYS(seccomp), 0);
        return r;
}

static int build(scmp_filter_ctx filter, const FilterOptions *options) {
        int r;

        r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);
        if (r < 0)
                return r;
        r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(trapped_calls); i++) {
                r = seccomp_rule_add(filter, SCMP_ACT_NOTIFY, trapped_calls[i], 0);
                if (r < 0)
                        return r;
        }
        r = add_option_rules(filter, SCMP_SYS(getsockopt));
        if (r < 0)
                return r;
        r = add_option_rules(filter, SCMP_SYS(setsockopt));
        if (r < 0)
                return r;
        r = add_options(filter, SCMP_SYS(setsockopt), noted_options, ELEMENTSOF(noted_options));
        if (r < 0)
                return r;
        r = add_family_rules(filter, SCMP_SYS(socket));
        if (r < 0)
                return r;
        r = add_fastopen_rules(filter);
        if (r >= 0 && options)
                r = add_refusals(filter, options);
        if (r < 0)
                return r;
        return seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(io_uring_setup), 0);
}

int filter_install(const FilterOptions *options) {
        scmp_filter_ctx filter;
        int r;

        filter = seccomp_init(SCMP_ACT_ALLOW);
        if (!filter)
                return -ENOMEM;
        r = build(filter, options);
        if (r >= 0)
                r = seccomp_load(filter);
        if (r >= 0)
                r = seccomp_notify_fd(filter);
        /* The descriptor is libseccomp's; it stays open after the release. */
        seccomp_release(filter);
        return r;
}

int filter_refusal_from_string(const char *s) {
        char *end;
        long number;

        if (strcmp(s, "kill") == 0)
                return FILTER_KILL;
        number = strtol(s, &end, 10);
        if (*s && !*end)
                return number > 0 && number < 4096 ? (int) number : -EINVAL;
        for (int e = 1; e < 4096; e++) {
                const char *name = strerrorname_np(e);

                if (name && strcmp(name, s) == 0)
                        return e;
        }
        return -EINVAL;
}

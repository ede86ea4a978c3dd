/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * getsockopt(2), setsockopt(2), for the options that trap/filter.c picks.
 *
 * For an end of a pair a new TCP socket of the same family stands in: it knows which options there
 * are, which values they take and what they are by default, so errors are the
 * kernel's. What was set is remembered (trap/option-memory.h); none of it means
 * anything between two programs of one host.
 */

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "basic/caps.h"
#include "basic/fd.h"
#include "basic/worker.h"
#include "trap/alias.h"
#include "trap/handlers.h"
#include "trap/option-memory.h"

#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#endif
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

enum {
        /* More than any of these options takes; the kernel cuts the same way. */
        OPTION_SIZE_MAX = 512,
        /* SO_ORIGINAL_DST and IP6T_SO_ORIGINAL_DST, whose header is not for programs. */
        ORIGINAL_DST = 80,
        LOOPBACK_MTU = 65536,
        LOOPBACK_MSS = LOOPBACK_MTU - 40,
};

/*
 * Options that AF_UNIX has and TCP refuses, or ignores: a pair would tell the
 * one app of processes of the other.
 */
static bool is_of_unix(int level, int option) {
        return level == SOL_SOCKET && (option == SO_PASSCRED || option == SO_PASSSEC || option == SO_PASSPIDFD);
}

static int call_level(const Call *call) {
        return (int) call_arg(call, 1);
}

static int call_option(const Call *call) {
        return (int) call_arg(call, 2);
}

/* Values that can be asked for, but not set. */
static bool is_readable(int level, int option) {
        if (option_is_plain(level, option) || is_of_unix(level, option))
                return true;
        switch (level) {
        case SOL_SOCKET:
                return option == SO_TYPE || option == SO_DOMAIN || option == SO_PROTOCOL || option == SO_ACCEPTCONN ||
                                option == SO_PEERCRED || option == SO_MARK;
        case IPPROTO_TCP:
                return option == TCP_INFO || option == TCP_ULP || option == TCP_CC_INFO || option == TCP_SAVED_SYN ||
                                option == TCP_TIMESTAMP || option == TCP_FASTOPEN_KEY;
        case IPPROTO_IP:
                return option == IP_MTU || option == IP_OPTIONS || option == IP_TRANSPARENT || option == ORIGINAL_DST;
        case IPPROTO_IPV6:
                return option == IPV6_MTU || option == IPV6_TRANSPARENT || option == IPV6_ADDRFORM ||
                                option == ORIGINAL_DST;
        default:
                return false;
        }
}

/* Answers with an option's value as getsockopt(2) does. Ends the call. */
static void return_option(Call *call, const void *value, int size) {
        int r;

        r = call_answer(call, call_arg(call, 3), call_arg(call, 4), value, (size_t) size, false);
        if (r < 0)
                (void) call_fail(call, r);
        else
                (void) call_return(call, 0);
}

static void return_option_int(Call *call, int value) {
        return_option(call, &value, sizeof(value));
}

/* Asks a real socket and passes on what it says. Ends the call. */
static void get_from_socket(Call *call, int fd) {
        char value[OPTION_SIZE_MAX];
        socklen_t size;
        int n, r;

        if (!is_readable(call_level(call), call_option(call))) {
                (void) call_fail(call, -ENOPROTOOPT);
                return;
        }
        r = call_read(call, call_arg(call, 4), &n, sizeof(n));
        if (r < 0) {
                (void) call_fail(call, r);
                return;
        }
        if (n < 0) {
                (void) call_fail(call, -EINVAL);
                return;
        }
        size = (socklen_t) MIN2((size_t) n, sizeof(value));
        if (getsockopt(fd, call_level(call), call_option(call), value, &size) < 0) {
                (void) call_fail(call, -errno);
                return;
        }
        return_option(call, value, (int) size);
}

typedef struct OptionValue {
        char bytes[OPTION_SIZE_MAX];
        socklen_t size;
} OptionValue;

/* Sets the option that the caller gives on a real socket. Returns 0 or a negative errno. */
static int set_on_socket(Call *call, int fd, OptionValue *ret) {
        int n = (int) call_arg(call, 4), r;
        Caps caps;

        if (n < 0)
                return -EINVAL;
        n = MIN2(n, OPTION_SIZE_MAX);
        r = n > 0 ? call_read(call, call_arg(call, 3), ret->bytes, (size_t) n) : 0;
        if (r < 0)
                return r;
        ret->size = (socklen_t) n;
        if (!option_is_plain(call_level(call), call_option(call)) && !is_of_unix(call_level(call), call_option(call)))
                return -ENOPROTOOPT;
        /* With the rights of nobody: what takes more is not for the app to have from us. */
        r = caps_suspend(&caps);
        if (r < 0)
                return r;
        r = setsockopt(fd, call_level(call), call_option(call), ret->bytes, ret->size) < 0 ? -errno : 0;
        caps_resume(&caps);
        return r;
}

static int stand_in(int family) {
        int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);

        return fd < 0 ? -errno : fd;
}

/* As sk_getsockopt() does it: what is asked for must not be more than there is. */
static void get_peer_name(Call *call, const Endpoint *peer, int family) {
        SockAddr sa;
        int size = (int) endpoint_to_sockaddr(peer, family, &sa), n, r;

        r = call_read(call, call_arg(call, 4), &n, sizeof(n));
        if (r >= 0 && (n < 0 || n > size))
                r = -EINVAL;
        if (r < 0)
                (void) call_fail(call, r);
        else
                return_option(call, &sa, size);
}

static void get_pair_socket_option(Call *call, const SocketInfo *info) {
        switch (call_option(call)) {
        case SO_TYPE:
                return_option_int(call, SOCK_STREAM);
                break;
        case SO_DOMAIN:
                return_option_int(call, info->family);
                break;
        case SO_PROTOCOL:
                return_option_int(call, IPPROTO_TCP);
                break;
        case SO_PEERCRED: {
                /* What a TCP socket says; the truth would tell of processes of another app. */
                const struct ucred none = { .pid = 0, .uid = (uid_t) -1, .gid = (gid_t) -1 };

                return_option(call, &none, sizeof(none));
                break;
        }
        case SO_PEERNAME:
                get_peer_name(call, &info->name.peer, info->family);
                break;
        case SO_PEERGROUPS:
        case SO_PEERPIDFD:
                (void) call_fail(call, -ENODATA);
                break;
        default: {
                _cleanup_close_ int fd = stand_in(info->family);

                get_from_socket(call, fd);
                break;
        }
        }
}

static void get_tcp_info(Call *call) {
        struct tcp_info tcp = {
                .tcpi_state = TCP_ESTABLISHED,
                .tcpi_rto = 204000,
                .tcpi_ato = 40000,
                .tcpi_snd_mss = LOOPBACK_MSS,
                .tcpi_rcv_mss = LOOPBACK_MSS,
                .tcpi_pmtu = 65535,
                .tcpi_rtt = 20,
                .tcpi_rttvar = 10,
                .tcpi_snd_ssthresh = INT32_MAX,
                .tcpi_snd_cwnd = 10,
                .tcpi_advmss = LOOPBACK_MSS,
                .tcpi_reordering = 3,
                .tcpi_rcv_space = LOOPBACK_MSS,
                .tcpi_rcv_ssthresh = LOOPBACK_MSS,
        };

        return_option(call, &tcp, sizeof(tcp));
}

static void get_pair_option(Call *call, const SocketInfo *info) {
        _cleanup_close_ int fd = -EBADF;
        char value[OPTION_VALUE_MAX];
        size_t size;

        if (call_level(call) == IPPROTO_TCP && call_option(call) == TCP_INFO) {
                get_tcp_info(call);
                return;
        }
        if (call_level(call) == IPPROTO_TCP && call_option(call) == TCP_MAXSEG) {
                return_option_int(call, LOOPBACK_MSS);
                return;
        }
        if ((call_level(call) == IPPROTO_IP && call_option(call) == IP_MTU) ||
            (call_level(call) == IPPROTO_IPV6 && call_option(call) == IPV6_MTU && info->family == AF_INET6)) {
                return_option_int(call, LOOPBACK_MTU);
                return;
        }
        size = option_memory_get(call->trap, call->fd, call_level(call), call_option(call), value, sizeof(value));
        if (size > 0) {
                return_option(call, value, (int) size);
                return;
        }
        if (call_level(call) == SOL_SOCKET) {
                get_pair_socket_option(call, info);
                return;
        }
        fd = stand_in(info->family);
        if (fd < 0)
                (void) call_fail(call, fd);
        else
                get_from_socket(call, fd);
}

static void set_pair_option(Call *call, const SocketInfo *info) {
        int level = call_level(call), option = call_option(call), r;
        _cleanup_close_ int fd = -EBADF;
        OptionValue value;
        socklen_t size;

        /* What takes TCP cannot be had any more; the app's next connections are TCP. */
        if (option_wants_tcp(level, option)) {
                (void) call_fail(call, level == IPPROTO_TCP && option == TCP_ULP ? -ENOENT : -EOPNOTSUPP);
                return;
        }
        /* The mark of a pair is ours (transport/pair.h), and the app needs a right for it that it has not. */
        if (level == SOL_SOCKET && option == SO_MARK) {
                (void) call_fail(call, -EPERM);
                return;
        }
        fd = stand_in(info->family);
        r = fd < 0 ? fd : set_on_socket(call, fd, &value);
        /* These want a connection, and would do something to it that means nothing here. */
        if (r == -ENOTCONN || r == -EINPROGRESS)
                r = 0;
        if (r < 0) {
                (void) call_fail(call, r);
                return;
        }
        /* What is read back may differ from what was set: it is cut, or doubled. */
        size = sizeof(value.bytes);
        if (getsockopt(fd, level, option, value.bytes, &size) >= 0)
                option_memory_set(call->trap, call->fd, level, option, value.bytes, size);
        (void) call_return(call, 0);
}

/* What was set on a connection by us (transport/dial.h), the app does not know of. */
static bool is_ours(const Call *call) {
        int level = call_level(call), option = call_option(call);

        return ((level == SOL_SOCKET && option == SO_MARK) || (level == IPPROTO_IP && option == IP_TRANSPARENT) ||
                (level == IPPROTO_IPV6 && option == IPV6_TRANSPARENT)) &&
                        dial_is_marked(call->fd);
}

/* Nor of SO_REUSEADDR, which such a connection always has at its client's end; what the app set is remembered. */
static bool is_reuse_of_dialed(const Call *call, int family) {
        int transparent = 0;
        socklen_t size = sizeof(transparent);

        return call_level(call) == SOL_SOCKET && call_option(call) == SO_REUSEADDR && dial_is_marked(call->fd) &&
                        getsockopt(call->fd, family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6,
                                   family == AF_INET ? IP_TRANSPARENT : IPV6_TRANSPARENT, &transparent, &size) >= 0 &&
                        transparent;
}

/*
 * Options that send what the app writes by another way, or to another host at
 * first (source routing). They are not for a connection to the outside; and what
 * they are set on elsewhere is the socket that was looked at, not what the app
 * has under the same number by then.
 */
static bool is_of_routing(const Call *call) {
        int level = call_level(call), option = call_option(call);

        return (level == IPPROTO_IP && option == IP_OPTIONS) ||
                        (level == IPPROTO_IPV6 && (option == IPV6_RTHDR || option == IPV6_2292PKTOPTIONS));
}

typedef struct SetJob {
        int fd, level, option, size, result;
        char bytes[OPTION_SIZE_MAX];
} SetJob;

static void set_run(void *job) {
        SetJob *j = job;
        Caps caps; /* those of the thread that does it */

        j->result = caps_suspend(&caps);
        if (j->result < 0)
                return;
        j->result = setsockopt(j->fd, j->level, j->option, j->bytes, (socklen_t) j->size) < 0 ? -errno : 0;
        caps_resume(&caps);
}

static void set_routing(Call *call) {
        SetJob j = { .fd = call->fd, .level = call_level(call), .option = call_option(call), .size = (int) call_arg(call, 4) };
        int r;

        static_assert(sizeof(SetJob) <= WORKER_JOB_MAX, "must fit");
        if (alias_is_outside(call))
                r = -EPERM;
        else if (j.size < 0 || j.size > OPTION_SIZE_MAX)
                r = -EINVAL;
        else
                r = j.size > 0 ? call_read(call, call_arg(call, 3), j.bytes, (size_t) j.size) : 0;
        if (r >= 0)
                r = call_run_bounded(call, set_run, &j, sizeof(j));
        if (r >= 0)
                r = j.result;
        if (r < 0)
                (void) call_fail(call, r);
        else
                (void) call_return(call, 0);
}

/* What is otherwise than the kernel says on a TCP socket that is not what it seems. Returns whether the call is ended. */
static bool get_aliased(Call *call) {
        const bool peer = call_option(call) == SO_PEERNAME;
        PeerView view;
        int r;

        if (call_level(call) != SOL_SOCKET || (!peer && call_option(call) != SO_DOMAIN) || !alias_is_possible(call))
                return false;
        r = alias_get(call, peer, &view);
        if (r == 0)
                return false;
        if (r < 0)
                (void) call_fail(call, r);
        else if (peer)
                get_peer_name(call, &view.peer, view.family);
        else
                return_option_int(call, view.family);
        return true;
}

static void handle_option(Call *call, bool set) {
        SocketInfo info;
        int r;

        r = call_get_socket(call, &info);
        if (r < 0)
                return;
        switch (info.kind) {
        case SOCKET_NATIVE:
                if (!set && get_aliased(call))
                        break;
                if (set) {
                        int reuse;

                        if (is_reuse_of_dialed(call, info.family) &&
                            call_read(call, call_arg(call, 3), &reuse, sizeof(reuse)) >= 0)
                                option_memory_set(call->trap, call->fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof(reuse));
                        option_memory_note(call->trap, call_level(call), call_option(call));
                        call->trap->wants_tcp = call->trap->wants_tcp ||
                                        option_wants_tcp(call_level(call), call_option(call));
                        if (is_of_routing(call)) {
                                set_routing(call);
                                break;
                        }
                } else if (is_ours(call)) {
                        return_option_int(call, 0);
                        break;
                } else if (is_reuse_of_dialed(call, info.family)) {
                        int reuse = 0;

                        (void) option_memory_get(call->trap, call->fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof(reuse));
                        return_option_int(call, reuse);
                        break;
                }
                (void) call_continue(call);
                break;
        case SOCKET_OTHER:
                (void) call_continue(call);
                break;
        case SOCKET_PAIR:
                if (option_is_common(call_level(call), call_option(call)) ||
                    (call_level(call) == SOL_SOCKET && call_option(call) == SO_REUSEADDR))
                        (void) call_continue(call);
                else if (set)
                        set_pair_option(call, &info);
                else
                        get_pair_option(call, &info);
                break;
        }
}

void handle_getsockopt(Call *call) {
        handle_option(call, false);
}

void handle_setsockopt(Call *call) {
        handle_option(call, true);
}

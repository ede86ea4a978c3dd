/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <utlist.h>

#include "transport/pair.h"
#include "basic/caps.h"
#include "trap/option-memory.h"

#ifndef TCP_FASTOPEN_CONNECT
#define TCP_FASTOPEN_CONNECT 30
#endif
#ifndef SO_PREFER_BUSY_POLL
#define SO_PREFER_BUSY_POLL 69
#endif
#ifndef TCP_TX_DELAY
#define TCP_TX_DELAY 37
#endif

#ifndef SO_BUF_LOCK
#define SO_BUF_LOCK 72
#endif
#define SOCK_SNDBUF_LOCK 1
#define SOCK_RCVBUF_LOCK 2

enum { ENTRIES_PER_TRAP_MAX = 1024 };

typedef struct OptionKey {
        uint64_t cookie;
        int32_t level, option;
} OptionKey;

struct OptionEntry {
        OptionKey key;
        uint8_t value[OPTION_VALUE_MAX];
        size_t size;
        UT_hash_handle hh; /* in the order of their making */
};

/* Options with a plain value, which are handed over if they were ever set: the bit of one is its place here (bit_of()). */
static const struct {
        int level, option;
} inherited[] = {
        { IPPROTO_TCP, TCP_NODELAY },       { IPPROTO_TCP, TCP_CORK },
        { IPPROTO_TCP, TCP_QUICKACK },      { IPPROTO_TCP, TCP_MAXSEG },
        { IPPROTO_TCP, TCP_KEEPIDLE },      { IPPROTO_TCP, TCP_KEEPINTVL },
        { IPPROTO_TCP, TCP_KEEPCNT },       { IPPROTO_TCP, TCP_SYNCNT },
        { IPPROTO_TCP, TCP_LINGER2 },       { IPPROTO_TCP, TCP_DEFER_ACCEPT },
        { IPPROTO_TCP, TCP_WINDOW_CLAMP },  { IPPROTO_TCP, TCP_CONGESTION },
        { IPPROTO_TCP, TCP_USER_TIMEOUT },  { IPPROTO_TCP, TCP_NOTSENT_LOWAT },
        { IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS }, { IPPROTO_TCP, TCP_SAVE_SYN },
        { IPPROTO_TCP, TCP_FASTOPEN_CONNECT }, { IPPROTO_TCP, TCP_TX_DELAY },
        { IPPROTO_IP, IP_TOS },             { IPPROTO_IP, IP_TTL },
        { IPPROTO_IP, IP_MTU_DISCOVER },    { IPPROTO_IP, IP_RECVERR },
        { IPPROTO_IP, IP_RECVTOS },         { IPPROTO_IP, IP_RECVTTL },
        { IPPROTO_IP, IP_PKTINFO },         { IPPROTO_IP, IP_FREEBIND },
        { IPPROTO_IP, IP_MINTTL },          { IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT },
        { IPPROTO_IP, IP_MULTICAST_TTL },   { IPPROTO_IP, IP_MULTICAST_LOOP },
        { IPPROTO_IPV6, IPV6_V6ONLY },      { IPPROTO_IPV6, IPV6_UNICAST_HOPS },
        { IPPROTO_IPV6, IPV6_TCLASS },      { IPPROTO_IPV6, IPV6_RECVERR },
        { IPPROTO_IPV6, IPV6_RECVPKTINFO }, { IPPROTO_IPV6, IPV6_RECVTCLASS },
        { IPPROTO_IPV6, IPV6_RECVHOPLIMIT }, { IPPROTO_IPV6, IPV6_MTU_DISCOVER },
        { IPPROTO_IPV6, IPV6_DONTFRAG },    { IPPROTO_IPV6, IPV6_AUTOFLOWLABEL },
        { IPPROTO_TCP, TCP_THIN_DUPACK },   { IPPROTO_TCP, TCP_INQ },
        { IPPROTO_TCP, TCP_FASTOPEN },      { IPPROTO_IP, IP_RETOPTS },
        { IPPROTO_IP, IP_CHECKSUM },        { IPPROTO_IPV6, IPV6_FREEBIND },
        { IPPROTO_IPV6, IPV6_MINHOPCOUNT }, { IPPROTO_IPV6, IPV6_MULTICAST_HOPS },
        { SOL_SOCKET, SO_REUSEPORT },       { SOL_SOCKET, SO_ZEROCOPY },
        { SOL_SOCKET, SO_REUSEADDR },
        /* Those that a Unix socket keeps, too, and that are rare enough to be trapped only to know of them. */
        { SOL_SOCKET, SO_TIMESTAMPNS },     { SOL_SOCKET, SO_TIMESTAMPING },
        { SOL_SOCKET, SO_MAX_PACING_RATE }, { SOL_SOCKET, SO_PEEK_OFF },
        { SOL_SOCKET, SO_RXQ_OVFL },        { SOL_SOCKET, SO_SELECT_ERR_QUEUE },
        { SOL_SOCKET, SO_NO_CHECK },        { SOL_SOCKET, SO_DEBUG },
        { SOL_SOCKET, SO_BUSY_POLL },       { SOL_SOCKET, SO_PREFER_BUSY_POLL },
        { SOL_SOCKET, SO_OOBINLINE },       { SOL_SOCKET, SO_RCVLOWAT },
        { SOL_SOCKET, SO_PRIORITY },        { SOL_SOCKET, SO_DONTROUTE },
        { SOL_SOCKET, SO_TIMESTAMP },       { SOL_SOCKET, SO_BROADCAST },
};

/* The last ones, which are the rarest, share a bit. */
static uint64_t bit_of(size_t i) {
        return UINT64_C(1) << MIN2(i, (size_t) 63);
}

/* Those that are not trapped, as a Unix socket has them too and programs set them often: always looked at. */
static const struct {
        int option;
        size_t size;
} common[] = {
        { SO_KEEPALIVE, sizeof(int) },
        { SO_LINGER, sizeof(struct linger) },
        { SO_RCVTIMEO, sizeof(struct timeval) },
        { SO_SNDTIMEO, sizeof(struct timeval) },
};

/* What the mark of a pair's end keeps. */
static uint32_t mark_of(int level, int option) {
        if (level != IPPROTO_TCP)
                return 0;
        switch (option) {
        case TCP_NODELAY:
                return PAIR_MARK_NODELAY;
        case TCP_CORK:
                return PAIR_MARK_CORK;
        case TCP_QUICKACK:
                return PAIR_MARK_NO_QUICKACK;
        default:
                return 0;
        }
}

bool option_wants_tcp(int level, int option) {
        switch (level) {
        case SOL_SOCKET:
                return option == SO_ZEROCOPY;
        case IPPROTO_TCP:
                return option == TCP_ULP || option == TCP_MD5SIG || option == TCP_FASTOPEN_CONNECT ||
                                option == TCP_REPAIR || option == TCP_ZEROCOPY_RECEIVE;
        case IPPROTO_IP:
                return option == IP_OPTIONS || option == IP_TRANSPARENT;
        case IPPROTO_IPV6:
                return option == IPV6_TRANSPARENT;
        default:
                return false;
        }
}

bool option_is_common(int level, int option) {
        return level == SOL_SOCKET && option != SO_REUSEPORT && option != SO_ZEROCOPY && option_is_plain(level, option);
}

bool option_is_plain(int level, int option) {
        for (size_t i = 0; i < ELEMENTSOF(inherited); i++)
                if (inherited[i].level == level && inherited[i].option == option)
                        return true;
        return false;
}

void option_memory_note(Trap *trap, int level, int option) {
        for (size_t i = 0; i < ELEMENTSOF(inherited); i++)
                if (inherited[i].level == level && inherited[i].option == option)
                        trap->options_set |= bit_of(i);
}

bool option_memory_noted(const Trap *trap, int level, int option) {
        for (size_t i = 0; i < ELEMENTSOF(inherited); i++)
                if (inherited[i].level == level && inherited[i].option == option)
                        return trap->options_set & bit_of(i);
        return false;
}

static bool make_key(int fd, int level, int option, OptionKey *ret) {
        socklen_t size = sizeof(ret->cookie);

        *ret = (OptionKey){ .level = level, .option = option };
        return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &ret->cookie, &size) >= 0;
}

void option_memory_set(Trap *trap, int fd, int level, int option, const void *value, size_t size) {
        uint32_t mark = mark_of(level, option);
        OptionEntry *e;
        OptionKey key;

        if (mark) {
                int v = 0;

                memcpy(&v, value, MIN2(size, sizeof(v)));
                (void) pair_set_mark(fd, mark, mark == PAIR_MARK_NO_QUICKACK ? v == 0 : v != 0);
                return;
        }
        if (size > OPTION_VALUE_MAX || !make_key(fd, level, option, &key))
                return;
        HASH_FIND(hh, trap->options, &key, sizeof(key), e);
        if (!e) {
                if (HASH_COUNT(trap->options) >= ENTRIES_PER_TRAP_MAX) {
                        e = trap->options;
                        HASH_DELETE(hh, trap->options, e);
                } else
                        e = malloc(sizeof(*e));
                if (!e)
                        return;
                e->key = key;
                HASH_ADD(hh, trap->options, key, sizeof(e->key), e);
        }
        memcpy(e->value, value, size);
        e->size = size;
}

size_t option_memory_get(Trap *trap, int fd, int level, int option, void *value, size_t size) {
        uint32_t mark = mark_of(level, option);
        OptionEntry *e;
        OptionKey key;

        if (mark) {
                int v = pair_get_mark(fd, mark) != 0;

                if (mark == PAIR_MARK_NO_QUICKACK)
                        v = !v;
                memcpy(value, &v, MIN2(size, sizeof(v)));
                return MIN2(size, sizeof(v));
        }
        if (!trap->options || !make_key(fd, level, option, &key))
                return 0;
        HASH_FIND(hh, trap->options, &key, sizeof(key), e);
        if (!e)
                return 0;
        memcpy(value, e->value, MIN2(size, e->size));
        return MIN2(size, e->size);
}

/* The kernel doubles what is set (socket(7)), and changes what was not set by itself. */
static void inherit_buffer(int from, int to, int option) {
        socklen_t n = sizeof(int);
        int size = 0;

        if (getsockopt(from, SOL_SOCKET, option, &size, &n) < 0)
                return;
        size /= 2;
        (void) setsockopt(to, SOL_SOCKET, option, &size, sizeof(size));
}

static bool is_zero(const uint8_t *value, size_t size) {
        static const uint8_t zero[OPTION_VALUE_MAX];

        return memcmp(value, zero, size) == 0;
}

static void inherit_common(int from, int to) {
        socklen_t n = sizeof(int);
        int locks = 0;

        (void) getsockopt(from, SOL_SOCKET, SO_BUF_LOCK, &locks, &n);
        if (locks & SOCK_SNDBUF_LOCK)
                inherit_buffer(from, to, SO_SNDBUF);
        if (locks & SOCK_RCVBUF_LOCK)
                inherit_buffer(from, to, SO_RCVBUF);
        for (size_t i = 0; i < ELEMENTSOF(common); i++) {
                uint8_t value[OPTION_VALUE_MAX];
                socklen_t size = (socklen_t) common[i].size;

                if (getsockopt(from, SOL_SOCKET, common[i].option, value, &size) < 0)
                        continue;
                /* All are 0 by default. */
                if (is_zero(value, size))
                        continue;
                (void) setsockopt(to, SOL_SOCKET, common[i].option, value, size);
        }
}

/*
 * TCP_MAXSEG of a socket that is not connected and that never had it set reads
 * as what TCP begins with (tcp(7)). To set that would bound the segments to it.
 */
static bool is_unset(int level, int option, const uint8_t *value) {
        int v;

        memcpy(&v, value, sizeof(v));
        return level == IPPROTO_TCP && option == TCP_MAXSEG && v == TCP_MSS_DEFAULT;
}

void option_memory_inherit(Trap *trap, const Trap *setter, int from, int to, bool to_tcp) {
        inherit_common(from, to);
        for (size_t i = 0; i < ELEMENTSOF(inherited); i++) {
                int level = inherited[i].level, option = inherited[i].option;
                uint8_t value[OPTION_VALUE_MAX];
                socklen_t size = sizeof(value);

                if (!(setter->options_set & bit_of(i)) || getsockopt(from, level, option, value, &size) < 0)
                        continue;
                /* Some share a place with others, and to set 0 would undo those. */
                if (option_is_common(level, option) && is_zero(value, size))
                        continue;
                if (is_unset(level, option, value))
                        continue;
                if (to_tcp || option_is_common(level, option))
                        (void) setsockopt(to, level, option, value, size);
                else
                        option_memory_set(trap, to, level, option, value, size);
        }
}

void option_memory_inherit_accepted(Trap *trap, int from, int to) {
        int domain = AF_UNIX;
        socklen_t n = sizeof(domain);
        Caps caps;

        (void) getsockopt(to, SOL_SOCKET, SO_DOMAIN, &domain, &n);
        if (domain == AF_UNIX) {
                option_memory_inherit(trap, trap, from, to, false);
                return;
        }
        /* One of the host's namespace: without our rights. */
        if (caps_suspend(&caps) < 0)
                return;
        option_memory_inherit(trap, trap, from, to, true);
        caps_resume(&caps);
}

void option_memory_forget(Trap *trap) {
        OptionEntry *e, *tmp;

        HASH_ITER(hh, trap->options, e, tmp) {
                HASH_DELETE(hh, trap->options, e);
                free(e);
        }
}

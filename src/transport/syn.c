/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "basic/macro.h"
#include "transport/syn.h"

#ifndef IPV6_HDRINCL
#define IPV6_HDRINCL 36 /* since Linux 4.5 */
#endif

/* Of connects that wait for one app, a few rounds of all there may be; others go without. */
enum { ROOM = 4 * 1024 * 1024 };

/* A raw socket for IPv4 gets the header of IP, too. */
static int attach_filter(int raw, int family, uint32_t held) {
        struct sock_filter code[] = {
                family == AF_INET ? (struct sock_filter) BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0)
                                  : (struct sock_filter) BPF_STMT(BPF_LDX | BPF_IMM, 0),
                BPF_STMT(BPF_LD | BPF_B | BPF_IND, 13),
                BPF_STMT(BPF_ALU | BPF_AND | BPF_K, TH_SYN | TH_ACK | TH_RST | TH_FIN),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TH_SYN, 0, 4),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t) (SKF_AD_OFF + SKF_AD_MARK)),
                BPF_STMT(BPF_ALU | BPF_AND | BPF_K, held),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, held, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SYN_MAX),
                BPF_STMT(BPF_RET | BPF_K, 0),
        };
        const struct sock_fprog program = { ELEMENTSOF(code), code };

        return setsockopt(raw, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno : 0;
}

int syn_catch(int raw, int family, uint32_t held, uint32_t mark) {
        const int room = ROOM, on = 1;
        int r;

        r = attach_filter(raw, family, held);
        if (r < 0)
                return r;
        (void) setsockopt(raw, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
        if (setsockopt(raw, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0)
                return -errno;
        if (family == AF_INET)
                r = setsockopt(raw, IPPROTO_IP, IP_HDRINCL, &on, sizeof(on));
        else
                r = setsockopt(raw, IPPROTO_IPV6, IPV6_HDRINCL, &on, sizeof(on)) < 0
                                ? -1
                                : setsockopt(raw, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
        return r < 0 ? -errno : 0;
}

static uint32_t sum(uint32_t s, const void *data, size_t size) {
        const uint8_t *p = data;

        for (size_t i = 0; i < size; i++)
                s += i % 2 ? p[i] : (uint32_t) p[i] << 8;
        return s;
}

/* What the kernel sends to itself has no checksum yet (RFC 9293, 3.1). */
static void set_checksum(uint8_t *tcp, size_t size, const uint8_t *addresses, size_t addresses_size) {
        uint32_t s = IPPROTO_TCP + (uint32_t) size;

        tcp[16] = tcp[17] = 0;
        s = sum(sum(s, addresses, addresses_size), tcp, size);
        while (s > UINT16_MAX)
                s = (s & UINT16_MAX) + (s >> 16);
        s = ~s;
        tcp[16] = (uint8_t) (s >> 8);
        tcp[17] = (uint8_t) s;
}

static bool is_syn(const uint8_t *tcp, size_t size) {
        return size >= 20 && size == (size_t) (tcp[12] >> 4) * 4 && (tcp[13] & (TH_SYN | TH_ACK | TH_RST | TH_FIN)) == TH_SYN;
}

static void set_ends(Syn *syn, int family, const void *from, const void *to, const uint8_t *tcp) {
        const size_t n = family == AF_INET ? 4 : 16;

        syn->from = syn->to = (Endpoint){ .address.family = (uint16_t) family };
        memcpy(syn->from.address.bytes, from, n);
        memcpy(syn->to.address.bytes, to, n);
        syn->from.port = (uint16_t) (tcp[0] << 8 | tcp[1]);
        syn->to.port = (uint16_t) (tcp[2] << 8 | tcp[3]);
}

static int read4(int raw, Syn *syn) {
        ssize_t n = recv(raw, syn->bytes, sizeof(syn->bytes), MSG_DONTWAIT | MSG_TRUNC);
        size_t header = (size_t) (syn->bytes[0] & 15) * 4;

        if (n < 0)
                return -errno;
        if ((size_t) n > sizeof(syn->bytes) || header < sizeof(struct iphdr) || (size_t) n < header ||
            !is_syn(syn->bytes + header, (size_t) n - header))
                return -EBADMSG;
        syn->size = (size_t) n;
        set_ends(syn, AF_INET, syn->bytes + 12, syn->bytes + 16, syn->bytes + header);
        set_checksum(syn->bytes + header, (size_t) n - header, syn->bytes + 12, 8);
        return 0;
}

/* The header of IP is not there, so one is made of what is known. */
static int read6(int raw, Syn *syn) {
        struct ip6_hdr header = { .ip6_flow = htonl(6U << 28), .ip6_nxt = IPPROTO_TCP, .ip6_hlim = 64 };
        uint8_t *tcp = syn->bytes + sizeof(header);
        union {
                char buffer[CMSG_SPACE(sizeof(struct in6_pktinfo))];
                struct cmsghdr alignment;
        } control;
        struct sockaddr_in6 from = {};
        struct iovec iov = { tcp, sizeof(syn->bytes) - sizeof(header) };
        struct msghdr m = {
                .msg_name = &from,
                .msg_namelen = sizeof(from),
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        const struct cmsghdr *c;
        ssize_t n = recvmsg(raw, &m, MSG_DONTWAIT);

        if (n < 0)
                return -errno;
        c = CMSG_FIRSTHDR(&m);
        if ((m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || !c || c->cmsg_level != IPPROTO_IPV6 || c->cmsg_type != IPV6_PKTINFO ||
            !is_syn(tcp, (size_t) n))
                return -EBADMSG;
        header.ip6_plen = htons((uint16_t) n);
        header.ip6_src = from.sin6_addr;
        header.ip6_dst = ((const struct in6_pktinfo *) CMSG_DATA(c))->ipi6_addr;
        memcpy(syn->bytes, &header, sizeof(header));
        syn->size = sizeof(header) + (size_t) n;
        set_ends(syn, AF_INET6, &header.ip6_src, &header.ip6_dst, tcp);
        set_checksum(tcp, (size_t) n, syn->bytes + offsetof(struct ip6_hdr, ip6_src), 32);
        return 0;
}

int syn_read(int raw, int family, Syn *ret) {
        return family == AF_INET ? read4(raw, ret) : read6(raw, ret);
}

int syn_send(int raw, const Syn *syn) {
        const Endpoint to = { syn->to.address, 0 }; /* a port means the protocol here */
        SockAddr sa;
        socklen_t size = endpoint_to_sockaddr(&to, syn->to.address.family, &sa);

        return sendto(raw, syn->bytes, syn->size, MSG_DONTWAIT, &sa.sa, size) < 0 ? -errno : 0;
}

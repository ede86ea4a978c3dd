/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "basic/fd.h"
#include "transport/nft-internal.h"

enum {
        REQUEST_MAX = 4096, /* the longest, and room to spare */
        /* What nft(8) calls these types of keys and values. */
        TYPE_INET_SERVICE = 13,
        PRIORITY_FILTER = 0,
};

#define TYPE_VERDICT 0xffffff00U

void nft_batch_done(NftBatch *b) {
        free(b->data);
        *b = (NftBatch){};
}

static struct nlmsghdr *request_at(NftBatch *b) {
        if (b->error == 0 && b->allocated - b->size < REQUEST_MAX) {
                const size_t more = MAX2(2 * b->allocated, (size_t) 16 * REQUEST_MAX);
                char *grown = realloc(b->data, more);

                if (grown) {
                        b->data = grown;
                        b->allocated = more;
                } else
                        b->error = -ENOMEM;
        }
        return b->error == 0 ? (void *) (b->data + b->size) : NULL;
}

void nft_request_end(NftBatch *b, const struct nlmsghdr *h) {
        b->last = b->size;
        b->size += MNL_ALIGN(h->nlmsg_len);
}

struct nlmsghdr *nft_request_begin(NftBatch *b, uint16_t type, uint16_t flags) {
        if (!request_at(b))
                return NULL;
        if (b->size == 0)
                nft_request_end(b, nftnl_batch_begin(b->data, ++b->sequence));
        return nftnl_nlmsg_build_hdr((void *) request_at(b), type, NFPROTO_INET, flags, ++b->sequence);
}

/* Most requests are about one thing by its name. */
static void request_named(NftBatch *b, uint16_t type, uint16_t table_attribute, uint16_t attribute, const char *name) {
        struct nlmsghdr *h = nft_request_begin(b, type, 0);

        if (!h)
                return;
        mnl_attr_put_strz(h, table_attribute, b->table);
        if (name)
                mnl_attr_put_strz(h, attribute, name);
        nft_request_end(b, h);
}

int nft_open(void) {
        _cleanup_close_ int fd = -EBADF;
        struct sockaddr_nl any = { .nl_family = AF_NETLINK };

        fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
        if (fd < 0 || bind(fd, (struct sockaddr *) &any, sizeof(any)) < 0)
                return -errno;
        return TAKE_FD(fd);
}

int nft_get_id(int netlink, uint32_t *ret) {
        struct sockaddr_nl own = {};
        socklen_t size = sizeof(own);

        if (getsockname(netlink, (struct sockaddr *) &own, &size) < 0)
                return -errno;
        *ret = own.nl_pid;
        return 0;
}

void nft_add_table(NftBatch *b) {
        struct nlmsghdr *h = nft_request_begin(b, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);

        if (!h)
                return;
        mnl_attr_put_strz(h, NFTA_TABLE_NAME, b->table);
        mnl_attr_put_u32(h, NFTA_TABLE_FLAGS, htonl(NFT_TABLE_F_OWNER));
        nft_request_end(b, h);
}

void nft_delete_table(NftBatch *b) {
        request_named(b, NFT_MSG_DELTABLE, NFTA_TABLE_NAME, 0, NULL);
}

void nft_flush_rules(NftBatch *b) {
        request_named(b, NFT_MSG_DELRULE, NFTA_RULE_TABLE, 0, NULL);
}

static void add_chain(NftBatch *b, const char *name, bool input) {
        struct nlmsghdr *h = nft_request_begin(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
        struct nftnl_chain *chain = h ? nftnl_chain_alloc() : NULL;

        if (!chain) {
                b->error = b->error ?: -ENOMEM;
                return;
        }
        nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, b->table);
        nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, name);
        if (input) {
                nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, "filter");
                nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM, NF_INET_LOCAL_IN);
                nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, PRIORITY_FILTER);
                nftnl_chain_set_u32(chain, NFTNL_CHAIN_POLICY, NF_ACCEPT);
        }
        nftnl_chain_nlmsg_build_payload(h, chain);
        nftnl_chain_free(chain);
        nft_request_end(b, h);
}

void nft_add_chain(NftBatch *b, const char *name) {
        add_chain(b, name, false);
}

void nft_add_input_chain(NftBatch *b, const char *name) {
        add_chain(b, name, true);
}

void nft_delete_chain(NftBatch *b, const char *name) {
        request_named(b, NFT_MSG_DELCHAIN, NFTA_CHAIN_TABLE, NFTA_CHAIN_NAME, name);
}

void nft_add_counter(NftBatch *b, const char *name) {
        struct nlmsghdr *h = nft_request_begin(b, NFT_MSG_NEWOBJ, NLM_F_CREATE);
        struct nlattr *data;

        if (!h)
                return;
        mnl_attr_put_strz(h, NFTA_OBJ_TABLE, b->table);
        mnl_attr_put_strz(h, NFTA_OBJ_NAME, name);
        mnl_attr_put_u32(h, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_COUNTER));
        data = mnl_attr_nest_start(h, NFTA_OBJ_DATA);
        mnl_attr_nest_end(h, data);
        nft_request_end(b, h);
}

void nft_delete_counter(NftBatch *b, const char *name) {
        struct nlmsghdr *h = nft_request_begin(b, NFT_MSG_DELOBJ, 0);

        if (!h)
                return;
        mnl_attr_put_strz(h, NFTA_OBJ_TABLE, b->table);
        mnl_attr_put_strz(h, NFTA_OBJ_NAME, name);
        mnl_attr_put_u32(h, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_COUNTER));
        nft_request_end(b, h);
}

void nft_add_port_map(NftBatch *b, const char *name, uint32_t id) {
        struct nlmsghdr *h = nft_request_begin(b, NFT_MSG_NEWSET, NLM_F_CREATE);

        if (!h)
                return;
        mnl_attr_put_strz(h, NFTA_SET_TABLE, b->table);
        mnl_attr_put_strz(h, NFTA_SET_NAME, name);
        mnl_attr_put_u32(h, NFTA_SET_FLAGS, htonl(NFT_SET_MAP));
        mnl_attr_put_u32(h, NFTA_SET_KEY_TYPE, htonl(TYPE_INET_SERVICE));
        mnl_attr_put_u32(h, NFTA_SET_KEY_LEN, htonl(sizeof(uint16_t)));
        mnl_attr_put_u32(h, NFTA_SET_DATA_TYPE, htonl(TYPE_VERDICT));
        mnl_attr_put_u32(h, NFTA_SET_ID, htonl(id));
        nft_request_end(b, h);
}

void nft_flush_port_map(NftBatch *b, const char *name) {
        request_named(b, NFT_MSG_DELSETELEM, NFTA_SET_ELEM_LIST_TABLE, NFTA_SET_ELEM_LIST_SET, name);
}

void nft_add_port(NftBatch *b, const char *map, uint32_t id, uint16_t port, const char *chain) {
        struct nlmsghdr *h = nft_request_begin(b, NFT_MSG_NEWSETELEM, NLM_F_CREATE);
        struct nlattr *list, *element, *key, *data, *verdict;
        const uint16_t network_order = htons(port);

        if (!h)
                return;
        mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_TABLE, b->table);
        mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_SET, map);
        mnl_attr_put_u32(h, NFTA_SET_ELEM_LIST_SET_ID, htonl(id));
        list = mnl_attr_nest_start(h, NFTA_SET_ELEM_LIST_ELEMENTS);
        element = mnl_attr_nest_start(h, NFTA_LIST_ELEM);
        key = mnl_attr_nest_start(h, NFTA_SET_ELEM_KEY);
        mnl_attr_put(h, NFTA_DATA_VALUE, sizeof(network_order), &network_order);
        mnl_attr_nest_end(h, key);
        data = mnl_attr_nest_start(h, NFTA_SET_ELEM_DATA);
        verdict = mnl_attr_nest_start(h, NFTA_DATA_VERDICT);
        mnl_attr_put_u32(h, NFTA_VERDICT_CODE, htonl((uint32_t) NFT_JUMP));
        mnl_attr_put_strz(h, NFTA_VERDICT_CHAIN, chain);
        mnl_attr_nest_end(h, verdict);
        mnl_attr_nest_end(h, data);
        mnl_attr_nest_end(h, element);
        mnl_attr_nest_end(h, list);
        nft_request_end(b, h);
}

/* Goes through the messages that are there. Returns 1 if it is acknowledged, 0 if that is still to come, or a negative errno. */
static int read_verdict(const char *answers, size_t size, uint32_t last) {
        int left = (int) size, error = 0;
        bool done = false;

        for (const struct nlmsghdr *h = (const void *) answers; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left)) {
                const struct nlmsgerr *e = mnl_nlmsg_get_payload(h);

                if (h->nlmsg_type != NLMSG_ERROR || h->nlmsg_len < MNL_NLMSG_HDRLEN + sizeof(e->error))
                        continue;
                if (e->error != 0 && error == 0)
                        error = e->error;
                done = done || h->nlmsg_seq == last;
        }
        return error < 0 ? error : done;
}

/* A socket takes only so much at once, which is 200 KiB at first. */
int nft_send(int netlink, const void *data, size_t size) {
        const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
        const int room = (int) MIN2(size + REQUEST_MAX, (size_t) INT32_MAX);

        if (sendto(netlink, data, size, 0, (const struct sockaddr *) &kernel, sizeof(kernel)) >= 0)
                return 0;
        if (errno != EMSGSIZE || setsockopt(netlink, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) < 0)
                return -errno;
        return sendto(netlink, data, size, 0, (const struct sockaddr *) &kernel, sizeof(kernel)) < 0 ? -errno : 0;
}

void nft_drain(int netlink) {
        char answer[64];

        while (recv(netlink, answer, sizeof(answer), MSG_DONTWAIT | MSG_TRUNC) >= 0 || errno == ENOBUFS)
                ;
}

int nft_commit(NftBatch *b, int netlink) {
        _cleanup_free_ char *answers = NULL;
        struct nlmsghdr *h;
        uint32_t last;
        int r;

        if (b->error < 0 || b->size == 0)
                return b->error;
        answers = malloc(NFT_ANSWER_MAX);
        h = request_at(b);
        if (!h || !answers)
                return -ENOMEM;
        ((struct nlmsghdr *) (void *) (b->data + b->last))->nlmsg_flags |= NLM_F_ACK;
        last = b->sequence;
        nft_request_end(b, nftnl_batch_end((void *) h, ++b->sequence));
        nft_drain(netlink);
        r = nft_send(netlink, b->data, b->size);
        while (r == 0) {
                ssize_t n = recv(netlink, answers, NFT_ANSWER_MAX, MSG_DONTWAIT);

                if (n < 0 && errno == EAGAIN)
                        return -EIO; /* cannot be: it has answered by now */
                r = n < 0 ? -errno : read_verdict(answers, (size_t) n, last);
        }
        return MIN2(r, 0);
}

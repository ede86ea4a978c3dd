/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What there is, and what others do to it. */

#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/object.h>
#include <libnftnl/table.h>
#include <netinet/in.h> /* before linux/netfilter.h, which has it from elsewhere */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#include "basic/fd.h"
#include "transport/nft-internal.h"

enum {
        DUMP_TRIES_MAX = 20,
        WATCH_READS_MAX = 16, /* in one turn */
};

/* What is done with each object that is told. */
typedef struct Listing {
        const char *table;
        int (*parse)(const struct Listing *l, const struct nlmsghdr *h);
        NftChainFunction chain;
        NftCounterFunction counter;
        uint32_t owner;
        bool found;
        int result;
        void *userdata;
} Listing;

static int on_listed(const struct nlmsghdr *h, void *userdata) {
        Listing *l = userdata;

        /* What is known by now is not read any more, but taken off. */
        if (l->result == 0)
                l->result = l->parse(l, h);
        return MNL_CB_OK;
}

static int ask(int netlink, uint16_t type, uint16_t name_attribute, uint16_t flags, Listing *l) {
        _cleanup_free_ char *answers = malloc(NFT_ANSWER_MAX);
        union {
                struct nlmsghdr header;
                char buffer[512];
        } request;
        struct nlmsghdr *h;
        int r;

        if (!answers)
                return -ENOMEM;
        nft_drain(netlink);
        h = nftnl_nlmsg_build_hdr(request.buffer, type, NFPROTO_INET, flags, 1);
        mnl_attr_put_strz(h, name_attribute, l->table);
        r = nft_send(netlink, h, h->nlmsg_len);
        if (r < 0)
                return r;
        do {
                ssize_t n = recv(netlink, answers, NFT_ANSWER_MAX, 0);

                if (n < 0)
                        return -errno;
                r = mnl_cb_run(answers, (size_t) n, h->nlmsg_seq, 0, on_listed, l);
                if (r < 0)
                        r = -errno;
        } while (r > 0 && (flags & NLM_F_DUMP));
        return MIN2(r, 0);
}

/* A dump that others' changes came between says so, and is begun anew. */
static int list(int netlink, uint16_t type, uint16_t name_attribute, Listing *l) {
        int r = -EINTR;

        for (unsigned i = 0; r == -EINTR && i < DUMP_TRIES_MAX; i++)
                r = ask(netlink, type, name_attribute, NLM_F_DUMP, l);
        return r < 0 ? r : l->result;
}

static int parse_table(const Listing *l, const struct nlmsghdr *h) {
        struct nftnl_table *t = nftnl_table_alloc();
        Listing *found = (Listing *) l;
        int r;

        if (!t)
                return -ENOMEM;
        r = nftnl_table_nlmsg_parse(h, t) < 0 ? -EBADMSG : 0;
        if (r >= 0) {
                found->found = true;
                found->owner = nftnl_table_is_set(t, NFTNL_TABLE_OWNER) ? nftnl_table_get_u32(t, NFTNL_TABLE_OWNER) : 0;
        }
        nftnl_table_free(t);
        return r;
}

int nft_find_table(int netlink, const char *table, uint32_t *ret_owner) {
        Listing l = { .table = table, .parse = parse_table };
        int r;

        r = ask(netlink, NFT_MSG_GETTABLE, NFTA_TABLE_NAME, 0, &l);
        if (r == -ENOENT)
                return 0;
        if (r >= 0)
                r = l.result;
        *ret_owner = l.owner;
        return r < 0 ? r : l.found;
}

static int parse_chain(const Listing *l, const struct nlmsghdr *h) {
        struct nftnl_chain *c = nftnl_chain_alloc();
        int r = 0;

        if (!c)
                return -ENOMEM;
        if (nftnl_chain_nlmsg_parse(h, c) < 0)
                r = -EBADMSG;
        else if (nftnl_chain_get_u32(c, NFTNL_CHAIN_FAMILY) == NFPROTO_INET &&
                 strcmp(nftnl_chain_get_str(c, NFTNL_CHAIN_TABLE), l->table) == 0)
                r = l->chain(nftnl_chain_get_str(c, NFTNL_CHAIN_NAME), l->userdata);
        nftnl_chain_free(c);
        return r;
}

int nft_list_chains(int netlink, const char *table, NftChainFunction function, void *userdata) {
        return list(netlink, NFT_MSG_GETCHAIN, NFTA_CHAIN_TABLE,
                    &(Listing){ .table = table, .parse = parse_chain, .chain = function, .userdata = userdata });
}

static int parse_counter(const Listing *l, const struct nlmsghdr *h) {
        struct nftnl_obj *o = nftnl_obj_alloc();
        int r = 0;

        if (!o)
                return -ENOMEM;
        if (nftnl_obj_nlmsg_parse(h, o) < 0)
                r = -EBADMSG;
        else if (nftnl_obj_get_u32(o, NFTNL_OBJ_FAMILY) == NFPROTO_INET &&
                 nftnl_obj_get_u32(o, NFTNL_OBJ_TYPE) == NFT_OBJECT_COUNTER &&
                 strcmp(nftnl_obj_get_str(o, NFTNL_OBJ_TABLE), l->table) == 0)
                r = l->counter(nftnl_obj_get_str(o, NFTNL_OBJ_NAME), nftnl_obj_get_u64(o, NFTNL_OBJ_CTR_PKTS),
                               nftnl_obj_get_u64(o, NFTNL_OBJ_CTR_BYTES), l->userdata);
        nftnl_obj_free(o);
        return r;
}

int nft_list_counters(int netlink, const char *table, NftCounterFunction function, void *userdata) {
        return list(netlink, NFT_MSG_GETOBJ, NFTA_OBJ_TABLE,
                    &(Listing){ .table = table, .parse = parse_counter, .counter = function, .userdata = userdata });
}

int nft_open_watch(void) {
        const int group = NFNLGRP_NFTABLES;
        int fd = nft_open();

        if (fd < 0)
                return fd;
        if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0) {
                const int r = -errno;

                safe_close(fd);
                return r;
        }
        return fd;
}

static bool is_deleted_table(const struct nlmsghdr *h, const char *table) {
        struct nftnl_table *t;
        bool is = false;

        if (h->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE))
                return false;
        t = nftnl_table_alloc();
        if (t && nftnl_table_nlmsg_parse(h, t) >= 0)
                is = nftnl_table_get_u32(t, NFTNL_TABLE_FAMILY) == NFPROTO_INET &&
                     strcmp(nftnl_table_get_str(t, NFTNL_TABLE_NAME), table) == 0;
        if (t)
                nftnl_table_free(t);
        return is;
}

int nft_read_watch(int netlink, const char *table) {
        _cleanup_free_ char *events = malloc(NFT_ANSWER_MAX);
        bool deleted = false;

        if (!events)
                return -ENOMEM;
        for (unsigned i = 0; i < WATCH_READS_MAX; i++) {
                ssize_t n = recv(netlink, events, NFT_ANSWER_MAX, MSG_DONTWAIT);
                int left = (int) n;

                if (n < 0 && errno == EAGAIN)
                        break;
                if (n < 0 && errno != ENOBUFS)
                        return -errno;
                deleted = deleted || n < 0;
                for (const struct nlmsghdr *h = (const void *) events; n > 0 && mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left))
                        deleted = deleted || is_deleted_table(h, table);
        }
        return deleted;
}

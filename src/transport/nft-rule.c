/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What rules match, and what they do (libnftnl: expressions). */

#include <stdio.h> /* libnftnl/expr.h needs it */
#include <libnftnl/expr.h>
#include <netinet/in.h> /* before linux/netfilter.h, which has it from elsewhere */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>
#include <string.h>

#include "transport/nft-internal.h"

enum {
        LOOPBACK_IFINDEX = 1,
        /* Where it stands in the headers (RFC 791, RFC 8200, RFC 9293). */
        OFFSET_SOURCE4 = 12,
        OFFSET_DESTINATION4 = 16,
        OFFSET_SOURCE6 = 8,
        OFFSET_DESTINATION6 = 24,
        OFFSET_DESTINATION_PORT = 2,
        OFFSET_TCP_FLAGS = 13,
        TCP_FLAG_FIN_SYN_RST_ACK = 0x17,
        TCP_FLAG_SYN = 0x02,
};

NftRule *nft_rule_new(NftBatch *b, const char *chain) {
        NftRule *rule = b->error == 0 ? nftnl_rule_alloc() : NULL;

        if (!rule) {
                b->error = b->error ?: -ENOMEM;
                return NULL;
        }
        if (nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, b->table) < 0 ||
            nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, chain) < 0)
                b->error = -ENOMEM;
        return rule;
}

void nft_rule_add(NftBatch *b, NftRule *rule) {
        struct nlmsghdr *h = nft_request_begin(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);

        if (h) {
                nftnl_rule_nlmsg_build_payload(h, rule);
                nft_request_end(b, h);
        }
        if (rule)
                nftnl_rule_free(rule);
}

/* The rule has it from here on; NULL if there is no memory. */
static struct nftnl_expr *add_expression(NftBatch *b, NftRule *rule, const char *name) {
        struct nftnl_expr *e = rule ? nftnl_expr_alloc(name) : NULL;

        if (e)
                nftnl_rule_add_expr(rule, e);
        else
                b->error = b->error ?: -ENOMEM;
        return e;
}

static void load_meta(NftBatch *b, NftRule *rule, uint32_t key) {
        struct nftnl_expr *e = add_expression(b, rule, "meta");

        if (!e)
                return;
        nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
        nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, NFT_REG_1);
}

static void load_payload(NftBatch *b, NftRule *rule, uint32_t header, uint32_t offset, uint32_t size) {
        struct nftnl_expr *e = add_expression(b, rule, "payload");

        if (!e)
                return;
        nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1);
        nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, header);
        nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
        nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, size);
}

static void mask(NftBatch *b, NftRule *rule, const void *bits, uint32_t size) {
        static const uint8_t zero[16];
        struct nftnl_expr *e = add_expression(b, rule, "bitwise");

        if (!e)
                return;
        nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
        nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
        nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, size);
        if (nftnl_expr_set(e, NFTNL_EXPR_BITWISE_MASK, bits, size) < 0 ||
            nftnl_expr_set(e, NFTNL_EXPR_BITWISE_XOR, zero, size) < 0)
                b->error = -ENOMEM;
}

static void compare(NftBatch *b, NftRule *rule, uint32_t how, const void *value, uint32_t size) {
        struct nftnl_expr *e = add_expression(b, rule, "cmp");

        if (!e)
                return;
        nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
        nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, how);
        if (nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, value, size) < 0)
                b->error = -ENOMEM;
}

static void give_verdict(NftBatch *b, NftRule *rule, int32_t verdict) {
        struct nftnl_expr *e = add_expression(b, rule, "immediate");

        if (!e)
                return;
        nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
        nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, (uint32_t) verdict);
}

void nft_match_family(NftBatch *b, NftRule *rule, int family) {
        const uint8_t value = family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6;

        load_meta(b, rule, NFT_META_NFPROTO);
        compare(b, rule, NFT_CMP_EQ, &value, sizeof(value));
}

void nft_match_network(NftBatch *b, NftRule *rule, NftSide side, const Network *network) {
        static const uint32_t offsets[][2] = {
                [NFT_FROM] = { OFFSET_SOURCE4, OFFSET_SOURCE6 },
                [NFT_TO] = { OFFSET_DESTINATION4, OFFSET_DESTINATION6 },
        };
        const bool six = network->address.family == AF_INET6;
        const uint32_t size = address_bits(&network->address) / 8;
        Address bits;

        nft_match_family(b, rule, network->address.family);
        if (network->prefix == 0)
                return;
        load_payload(b, rule, NFT_PAYLOAD_NETWORK_HEADER, offsets[side][six], size);
        if (!network_is_address(network)) {
                memset(bits.bytes, 0xff, sizeof(bits.bytes));
                bits.family = network->address.family;
                address_mask(&bits, network->prefix);
                mask(b, rule, bits.bytes, size);
        }
        compare(b, rule, NFT_CMP_EQ, network->address.bytes, size);
}

void nft_match_protocol(NftBatch *b, NftRule *rule, uint8_t protocol) {
        load_meta(b, rule, NFT_META_L4PROTO);
        compare(b, rule, NFT_CMP_EQ, &protocol, sizeof(protocol));
}

void nft_match_no_syn(NftBatch *b, NftRule *rule) {
        static const uint8_t flags = TCP_FLAG_FIN_SYN_RST_ACK, syn = TCP_FLAG_SYN;

        nft_match_protocol(b, rule, IPPROTO_TCP);
        load_payload(b, rule, NFT_PAYLOAD_TRANSPORT_HEADER, OFFSET_TCP_FLAGS, sizeof(flags));
        mask(b, rule, &flags, sizeof(flags));
        compare(b, rule, NFT_CMP_NEQ, &syn, sizeof(syn));
}

void nft_match_loopback_device(NftBatch *b, NftRule *rule) {
        const uint32_t index = LOOPBACK_IFINDEX;

        load_meta(b, rule, NFT_META_IIF);
        compare(b, rule, NFT_CMP_EQ, &index, sizeof(index));
}

void nft_jump_by_port(NftBatch *b, NftRule *rule, const char *map, uint32_t id) {
        struct nftnl_expr *e;

        load_payload(b, rule, NFT_PAYLOAD_TRANSPORT_HEADER, OFFSET_DESTINATION_PORT, sizeof(uint16_t));
        e = add_expression(b, rule, "lookup");
        if (!e)
                return;
        nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
        nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_DREG, NFT_REG_VERDICT);
        nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SET_ID, id);
        if (nftnl_expr_set_str(e, NFTNL_EXPR_LOOKUP_SET, map) < 0)
                b->error = -ENOMEM;
}

void nft_count(NftBatch *b, NftRule *rule, const char *counter) {
        struct nftnl_expr *e = add_expression(b, rule, "objref");

        if (!e)
                return;
        nftnl_expr_set_u32(e, NFTNL_EXPR_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
        if (nftnl_expr_set_str(e, NFTNL_EXPR_OBJREF_IMM_NAME, counter) < 0)
                b->error = -ENOMEM;
}

void nft_return(NftBatch *b, NftRule *rule) {
        give_verdict(b, rule, NFT_RETURN);
}

void nft_drop(NftBatch *b, NftRule *rule) {
        give_verdict(b, rule, NF_DROP);
}

void nft_reject(NftBatch *b, NftRule *rule, uint8_t protocol) {
        struct nftnl_expr *e;

        if (protocol == IPPROTO_TCP)
                nft_match_protocol(b, rule, protocol); /* nft(8) shows it by that */
        e = add_expression(b, rule, "reject");
        if (!e)
                return;
        nftnl_expr_set_u32(e, NFTNL_EXPR_REJECT_TYPE, protocol == IPPROTO_TCP ? NFT_REJECT_TCP_RST : NFT_REJECT_ICMPX_UNREACH);
        nftnl_expr_set_u8(e, NFTNL_EXPR_REJECT_CODE, protocol == IPPROTO_TCP ? 0 : NFT_REJECT_ICMPX_PORT_UNREACH);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One table of nftables, of the family inet, as a transaction after the other:
 * requests are gathered in a batch, which the kernel carries out as a whole or
 * not at all (libnftnl for what is in the messages, libmnl for the messages).
 *
 * A table that has an owner (NFT_TABLE_F_OWNER, since Linux 5.12) is changed by
 * its netlink socket alone, others' "flush ruleset" passes it by, and it goes
 * with the last copy of that socket.
 *
 * The kernel answers before sendmsg(2) returns, but can take its time: it does
 * one transaction at a time, and somebody else's may be long. So this is for a
 * thread (basic/errand.h).
 */

#include <libnftnl/rule.h>
#include "model/network.h"

/* Requests that are carried out together. What fails while it is filled is told by nft_commit(). */
typedef struct NftBatch {
        const char *table;
        char *data;
        size_t size, allocated, last; /* last: where the last request begins */
        uint32_t sequence;
        int error;
} NftBatch;

void nft_batch_done(NftBatch *b);
#define _cleanup_nft_batch_ _cleanup_(nft_batch_done)

/* A socket for this. Returns it or a negative errno. */
int nft_open(void);

/* By which the kernel knows the owner of a table. Returns 0 or a negative errno. */
int nft_get_id(int netlink, uint32_t *ret);

void nft_add_table(NftBatch *b);
void nft_delete_table(NftBatch *b);
void nft_flush_rules(NftBatch *b); /* of all chains */
void nft_add_chain(NftBatch *b, const char *name);
void nft_add_input_chain(NftBatch *b, const char *name); /* what is for this host comes by it, and may if no rule refuses it */
void nft_delete_chain(NftBatch *b, const char *name);
void nft_add_counter(NftBatch *b, const char *name); /* one that is there already goes on */
void nft_delete_counter(NftBatch *b, const char *name);
void nft_add_port_map(NftBatch *b, const char *name, uint32_t id); /* from ports to chains; id: another one for each */
void nft_flush_port_map(NftBatch *b, const char *name);
void nft_add_port(NftBatch *b, const char *map, uint32_t id, uint16_t port, const char *chain);

/* A rule: begun, filled with what it matches and does, and added to the end of its chain. */
typedef struct nftnl_rule NftRule;
NftRule *nft_rule_new(NftBatch *b, const char *chain);
void nft_rule_add(NftBatch *b, NftRule *rule);

typedef enum NftSide {
        NFT_FROM,
        NFT_TO,
} NftSide;

void nft_match_family(NftBatch *b, NftRule *rule, int family);
void nft_match_network(NftBatch *b, NftRule *rule, NftSide side, const Network *network);
void nft_match_protocol(NftBatch *b, NftRule *rule, uint8_t protocol);
void nft_match_no_syn(NftBatch *b, NftRule *rule); /* of TCP, what begins no connection */
void nft_match_loopback_device(NftBatch *b, NftRule *rule);
void nft_jump_by_port(NftBatch *b, NftRule *rule, const char *map, uint32_t id);
void nft_count(NftBatch *b, NftRule *rule, const char *counter);
void nft_return(NftBatch *b, NftRule *rule);
void nft_drop(NftBatch *b, NftRule *rule);
void nft_reject(NftBatch *b, NftRule *rule, uint8_t protocol); /* with a reset of TCP; else with ICMP */

/* Has it carried out, if there is anything in it. Returns 0 or a negative errno, and then nothing has changed. */
int nft_commit(NftBatch *b, int netlink);

/* Whose the table is. Returns 1, 0 if there is no such table, or a negative errno. `ret_owner`: 0 if nobody's. */
int nft_find_table(int netlink, const char *table, uint32_t *ret_owner);

/*
 * Go through all chains or counters of the table; one can come more than once.
 * What `function` returns, if it is negative, ends it. Return 0, that, or
 * another negative errno: -EINTR if others change theirs all the time.
 */
typedef int (*NftChainFunction)(const char *name, void *userdata);
typedef int (*NftCounterFunction)(const char *name, uint64_t packets, uint64_t bytes, void *userdata);
int nft_list_chains(int netlink, const char *table, NftChainFunction function, void *userdata);
int nft_list_counters(int netlink, const char *table, NftCounterFunction function, void *userdata);

/* A socket that hears of changes of tables. Returns it or a negative errno. */
int nft_open_watch(void);

/*
 * Reads what there is to hear, without waiting. Returns whether a table of this
 * name was deleted, which is also said if something was missed; or a negative
 * errno.
 */
int nft_read_watch(int netlink, const char *table);

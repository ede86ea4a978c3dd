/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of transport/nft.h share. */

#include "transport/nft.h"

enum { NFT_ANSWER_MAX = 65536 };

struct nlmsghdr;

/* Begins a request of the batch. NULL if something failed before. */
struct nlmsghdr *nft_request_begin(NftBatch *b, uint16_t type, uint16_t flags);
void nft_request_end(NftBatch *b, const struct nlmsghdr *h);

/* Sends something of any length. Returns 0 or a negative errno. */
int nft_send(int netlink, const void *data, size_t size);

/* Forgets answers that somebody before us did not read. */
void nft_drain(int netlink);

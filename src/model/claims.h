/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Names and addresses that an app or a virtual service is to have, as words of whoever wants them. */

#include "model/directory.h"

/*
 * Adds one to those that are wanted, if it is not there already. Return 0,
 * -ENOMEM, or -EINVAL or -E2BIG (there are as many as an identity can have)
 * with a sentence (to be freed) about what is wrong.
 */
int claim_name(char ***names, const char *word, char **ret_message);
int claim_address(Address addresses[static IDENTITY_ADDRESSES_MAX], size_t *n, const char *word, char **ret_message);

/* The same for apps, which cannot have that of the host. */
int claim_app_name(char ***names, const char *word, char **ret_message);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What an app is to be like, in words of `Key=value`: the section
 * [X-AppSwitch] of unit files and `systemd-run -p AppSwitch=` (appswitch.unit(5)).
 * The keys are the options of `ax run`, and both spellings are taken.
 */

#include "model/address.h"
#include "model/balance.h"
#include "model/directory.h"
#include "model/outside-options.h"
#include "model/shortcut.h"
#include "model/tags.h"

#define UNIT_SECTION "X-AppSwitch"

typedef struct UnitSettings {
        char **names;
        Address addresses[IDENTITY_ADDRESSES_MAX];
        size_t n_addresses;
        Tags tags;
        OutsideOptions outside;
        char **egress; /* the words that it was made of */
        Shortcut shortcut;
        Strategy strategy; /* _STRATEGY_INVALID: whatever the identity has */
        unsigned weight;   /* 0: the default */
        uint16_t listens[PARTY_STARTS_MAX]; /* ports that a connect starts it by */
        size_t n_listens;
        bool start_on_connect;
        uint64_t stop_when_idle; /* µs; 0: it is not stopped */
} UnitSettings;

void unit_settings_init(UnitSettings *settings);
void unit_settings_done(UnitSettings *settings);

/*
 * Takes one assignment. Lists may be given at once, with spaces, or one by one;
 * an empty value takes back what was given before. Returns 0, -ENOMEM, or
 * -EINVAL or -E2BIG with a sentence (to be freed) that says what is allowed.
 */
int unit_settings_set(UnitSettings *settings, const char *key, const char *value, char **ret_message);

/* The option of `ax run` for a key: "ip" for "Address". NULL: there is no such key. */
const char *unit_settings_option(const char *key);

/*
 * Replaces the specifiers of systemd.unit(5) that a unit's name has the answer
 * to: %n %N %p %P %i %I %j %J and %%. Returns 0, -ENOMEM, or -EINVAL with a
 * sentence for another one.
 */
int unit_expand_specifiers(const char *value, const char *unit, char **ret, char **ret_message);

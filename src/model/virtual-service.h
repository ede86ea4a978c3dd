/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Virtual services: names and addresses with a map of ports in front of chosen
 * backends.
 *
 * A virtual service is a party of its own in the fence of tags: a client has to
 * share a tag with the service, and the service one with the app behind it. The
 * client and the app need not have one in common, so a service can be the door
 * between two zones; who may make one is asked for that (polkit).
 *
 * Which apps are behind it is known before anybody connects: each party has its
 * `Membership` of each service that selects it, and a membership is in the list
 * of a port as long as the party listens on what that is mapped to. So a
 * connect looks only at those that could take it. All of this is kept up to
 * date by the directory, which tells of parties and listeners that come and go.
 */

#include "model/balance.h"
#include "model/directory.h"
#include "model/service-settings.h"

typedef struct Membership Membership;
typedef struct External External;

/* A party that listens for one port of the service. */
typedef struct MemberPort {
        Membership *membership;
        Turn turn;
        Backend *backends; /* the first one of the party; its others follow. NULL: it does not listen, and is not listed */
        struct MemberPort *prev, *next;
} MemberPort;

struct Membership {
        VirtualService *service;
        Party *party;
        bool keep;
        Membership *prev, *next;                 /* of the service */
        Membership *prev_of_party, *next_of_party;
        MemberPort ports[]; /* as many, and in the same order, as settings.ports */
};

/* A backend that is no app. */
struct External {
        VirtualService *service;
        const Selector *selector;
        uint64_t id; /* unique, not that of a Backend either, and never used again */
        uint64_t key;
        Rest rest;
        Tally tally;
        unsigned slow;        /* trap/outside.c: connects that are not waited for, as one took long */
        UT_hash_handle hh;    /* by id */
        Turn turns[];         /* for each port */
};

struct VirtualService {
        char *id;
        ServiceSettings settings;
        Party party; /* its identity and its tags; not among the parties of the identity */
        uid_t uid;   /* who made it */
        bool persistent;
        char *path;  /* the file it comes from, or NULL; core/services.h */
        bool busy;   /* that file is being written */
        Round rounds[SERVICE_PORTS_MAX];
        MemberPort *ready[SERVICE_PORTS_MAX]; /* utlist */
        External *externals[SERVICE_SELECTORS_MAX];
        size_t n_externals;
        Membership *members; /* utlist */
        size_t n_members;
        bool members_told_later; /* of the bus face: who they are now is about to be told */
        Membership *found; /* while the memberships of a party are looked at */
        UT_hash_handle hh; /* by id */
};

/* Who says what a service is to be, and when one is made, whose it is. */
typedef struct ServiceClaim {
        const char *id;
        uid_t uid;
        bool persistent;
        const Address *known; /* addresses that it had before a restart, used where none were chosen */
        size_t n_known;
} ServiceClaim;

/*
 * Makes a service. Takes the content of `settings`, which are complete, on
 * success. Returns 0, or a negative errno of directory_add_service() with a
 * sentence in `ret_message` (to be freed); -EINVAL also for a backend outside
 * that has a virtual address. -EEXIST says that a name is taken: that the id is
 * not is the caller's affair.
 */
int virtual_service_add(Directory *d, const ServiceClaim *claim, ServiceSettings *settings, VirtualService **ret,
                        char **ret_message);

/*
 * Makes it another one. What is open stays. On an error, as above, it is as it
 * was. The addresses that it has from the pool stay as long as its first name
 * does.
 */
int virtual_service_change(Directory *d, VirtualService *service, ServiceSettings *settings, char **ret_message);

void virtual_service_remove(Directory *d, VirtualService *service);

VirtualService *directory_find_service(Directory *d, const char *id);
unsigned directory_count_services(const Directory *d, uid_t uid);

/* The backend outside with this id, or NULL if it is gone. */
External *directory_find_external(Directory *d, uint64_t id);

/* The backend outside that is there, of the virtual service with this address. */
External *directory_find_external_at(const Directory *d, const Address *service, const Endpoint *at);

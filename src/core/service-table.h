/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What apps listen on, by address: a service is one port of one address, and
 * lasts as long as somebody listens there. The directory is what connects are
 * decided by; this is what is told of it, so that each change costs no more
 * than the addresses that it is of.
 */

#include <uthash.h>
#include "trap/switch.h"

typedef struct Service Service;
typedef struct ServiceMember ServiceMember;

/* A listener at one of its addresses. */
struct ServiceMember {
        Service *service;
        const Listener *listener;
        ServiceMember *prev, *next; /* of the service */
};

struct Service {
        Endpoint at; /* the key */
        const Identity *identity;
        ServiceMember *members; /* utlist */
        size_t n_members;
        uint64_t n_connections, n_refused;
        bool announced; /* others know of it */
        bool changed;   /* in the list of what is to be told */
        Service *prev, *next; /* of that */
        UT_hash_handle hh;
};

typedef struct ServiceTable {
        Service *services; /* uthash */
        Service *changes;  /* utlist */
        /* Something is to be told, and nothing was before. May be NULL. */
        void (*on_change)(void *userdata);
        void *userdata;
} ServiceTable;

void service_table_done(ServiceTable *t);

/* A listener begins, or ends; it lasts as long as it is in the table. */
void service_table_add(ServiceTable *t, Listener *listener);
void service_table_remove(ServiceTable *t, Listener *listener);

Service *service_table_find(const ServiceTable *t, const Endpoint *at);

/* A connection was made to, or refused at, this address; loopback is that of `identity`. */
void service_table_count(ServiceTable *t, const Identity *identity, const Endpoint *to, bool refused);

/*
 * The next one of which something is to be told: it is new if it is not
 * announced and has members, gone if it is announced and has none, else they
 * changed. What is told, is settled: then it is off the list, and forgotten if
 * it has no members.
 */
Service *service_table_next_change(ServiceTable *t);
void service_table_settle(ServiceTable *t, Service *service);

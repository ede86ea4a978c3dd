/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The virtual services of this node and the files they come from
 * (appswitch.services(5)): ID.conf in /etc/appswitch/services.d for those that
 * last, in /run/appswitch/services for those that last until the next boot.
 * What services got from the pools of addresses is noted in
 * /run/appswitch/services/ID.addresses, so that a new daemon gives them the
 * same again.
 */

#include "core/manager.h"
#include "model/virtual-service.h"

/* A file in memory: where it is, what it says, and on which lines. */
typedef struct ServiceFile {
        char *id;
        char *path;
        ServiceSettings settings;
        uid_t uid;
        unsigned name_lines[IDENTITY_NAMES_MAX], address_lines[IDENTITY_ADDRESSES_MAX];
} ServiceFile;

void service_file_done(ServiceFile *file);

/*
 * Reads one. Returns 0, -EBADMSG with a sentence that begins with file and
 * line, -ENOMEM, or a negative errno of fopen(3) or read(2).
 */
int service_file_load(const char *path, const char *default_tag, ServiceFile *ret, char **ret_message);

/* The text of the file of a service. NULL: out of memory. */
char *service_file_print(const ServiceSettings *settings, uid_t uid);

/*
 * Reads all files. What is wrong with one is logged, and it is passed over.
 * Apps are there before: what they have stays theirs. Returns 0 or a negative
 * errno.
 */
int services_load(Manager *m);

/* Forgets all services. */
void services_done(Manager *m);

/*
 * Reads /etc/appswitch/services.d again. Services whose file is gone go, those
 * whose file is another are changed, and new ones made, each as a whole or not
 * at all: one whose file is wrong stays what it was, and that is logged.
 * Returns how many files are wrong, or a negative errno.
 */
int services_reload(Manager *m);

/*
 * It is done, or failed with the name of an error (core/errors.h) and a
 * sentence: then all is as it was. `service` is NULL after a failure and after
 * a removal.
 */
typedef void (*ServiceDone)(VirtualService *service, const char *error, const char *message, void *userdata);

/*
 * Make, change and remove a service and its file. `settings` are complete, and
 * their content is taken. `done` is called once, maybe before these return.
 */
void services_create(Manager *m, const char *id, ServiceSettings *settings, uid_t uid, bool persistent, ServiceDone done,
                     void *userdata);
void services_edit(Manager *m, VirtualService *service, ServiceSettings *settings, ServiceDone done, void *userdata);
void services_remove(Manager *m, VirtualService *service, ServiceDone done, void *userdata);

/* Whether one more can be made by the user. If not: the name of the error and a sentence (to be freed). */
bool services_have_room(Manager *m, uid_t uid, const char **ret_error, char **ret_message);

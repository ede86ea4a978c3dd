/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The bus face of virtual services: io.appswitch1.VirtualService at /io/appswitch1/virtual_service/ID. */

#include "core/manager.h"

/* The path of an object, to be freed, or NULL if memory is out. */
char *virtual_service_bus_path(const VirtualService *service);

/* Adds the objects and the hooks that emit signals. Returns 0 or a negative errno. */
int virtual_service_bus_add(Manager *m);

/* Methods of the manager. */
int method_create_virtual_service(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_edit_virtual_service(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_remove_virtual_service(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_list_virtual_services(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_get_virtual_service(sd_bus_message *m, void *userdata, sd_bus_error *error);

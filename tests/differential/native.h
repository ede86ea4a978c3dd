/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core.h"

/*
 * Network namespaces for a native run: one with the addresses on its loopback
 * device if both halves have the same, else two with a veth between.
 * The caller is in the client's namespace then. Returns a descriptor of the server's.
 */
int native_set_up(const Addresses *a);

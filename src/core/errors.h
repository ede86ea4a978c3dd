/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The errors of the API (io.appswitch1(5)). */

#define ERROR_NO_SUCH_APP "io.appswitch1.NoSuchApp"
#define ERROR_NO_SUCH_SERVICE "io.appswitch1.NoSuchService"
#define ERROR_INVALID_NAME "io.appswitch1.InvalidName"
#define ERROR_INVALID_ADDRESS "io.appswitch1.InvalidAddress"
#define ERROR_INVALID_TAG "io.appswitch1.InvalidTag"
#define ERROR_INVALID_ARGUMENT "io.appswitch1.InvalidArgument"
#define ERROR_NAME_IN_USE "io.appswitch1.NameInUse"
#define ERROR_ADDRESS_IN_USE "io.appswitch1.AddressInUse"
#define ERROR_NO_SUCH_VIRTUAL_SERVICE "io.appswitch1.NoSuchVirtualService"
#define ERROR_VIRTUAL_SERVICE_EXISTS "io.appswitch1.VirtualServiceExists"
#define ERROR_INVALID_VIRTUAL_SERVICE "io.appswitch1.InvalidVirtualService"
#define ERROR_BUSY "io.appswitch1.Busy"
#define ERROR_WRITE_FAILED "io.appswitch1.WriteFailed"
#define ERROR_RELOAD_FAILED "io.appswitch1.ReloadFailed"
#define ERROR_LIMIT_REACHED "io.appswitch1.LimitReached"
#define ERROR_STOPPING "io.appswitch1.Stopping"
#define ERROR_NESTED "io.appswitch1.Nested"
#define ERROR_EXEC_FAILED "io.appswitch1.ExecFailed"
#define ERROR_CHDIR_FAILED "io.appswitch1.ChdirFailed"
#define ERROR_USER_FAILED "io.appswitch1.UserFailed"
#define ERROR_GROUP_FAILED "io.appswitch1.GroupFailed"
#define ERROR_NETWORK_FAILED "io.appswitch1.NetworkFailed"
#define ERROR_SECCOMP_FAILED "io.appswitch1.SeccompFailed"
#define ERROR_UNIT_FAILED "io.appswitch1.UnitFailed"

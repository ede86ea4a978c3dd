/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Any bytes as the name of a Unix socket, as an app could give it one, and as
 * the text of an endpoint. What is taken is something that can be written and
 * is read back as the same; nothing behind the bytes is read.
 *
 * With fuzz-dns-main.c it is a test that runs the files of its corpus,
 * fuzz-socket-name/. To look for new ones:
 *
 *   clang -fsanitize=fuzzer,address,undefined -g -O1 -D_GNU_SOURCE -Isrc -o fuzz-socket-name
 *       tests/fuzz/fuzz-socket-name.c src/transport/socket-name.c src/model/address.c
 *   mkdir new && ./fuzz-socket-name -max_len=120 new tests/fuzz/fuzz-socket-name
 */

#include <string.h>
#include <sys/un.h>

#include "transport/socket-name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_endpoint(const Endpoint *e, int family) {
        char text[ENDPOINT_STRING_MAX];
        Endpoint back;
        int back_family;

        if (family != AF_INET && (family != AF_INET6 || e->address.family == AF_UNSPEC))
                abort();
        (void) endpoint_format(e, family, text);
        if (endpoint_parse(text, strlen(text), &back, &back_family) < 0 || back_family != family ||
            memcmp(&back, e, sizeof(back)) != 0)
                abort();
}

static void check_name(const SocketName *name) {
        check_endpoint(&name->local, name->family);
        switch (name->type) {
        case SOCKET_NAME_CLIENT:
        case SOCKET_NAME_SERVER:
                check_endpoint(&name->peer, name->family);
                break;
        case SOCKET_NAME_LISTENER:
                break;
        default:
                abort();
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const size_t head = offsetof(struct sockaddr_un, sun_path);
        struct sockaddr_un *un;
        SocketName name;
        Endpoint e;
        int family;

        if (endpoint_parse((const char *) data, size, &e, &family) >= 0)
                check_endpoint(&e, family);

        un = malloc(head + size);
        if (!un)
                abort();
        un->sun_family = AF_UNIX;
        if (size > 0)
                memcpy((char *) un + head, data, size);
        if (socket_name_parse((struct sockaddr *) un, (socklen_t) (head + size), &name) >= 0)
                check_name(&name);
        free(un);
        return 0;
}

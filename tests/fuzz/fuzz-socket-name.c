/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Any bytes as the name of a Unix socket, as an app could give it one, alone
 * and with the hash that belongs to them, and as the text of an endpoint. What
 * is taken is something that can be written and is read back as the same;
 * nothing behind the bytes is read.
 *
 * With fuzz-dns-main.c it is a test that runs the files of its corpus,
 * fuzz-socket-name/. To look for new ones:
 *
 *   clang -fsanitize=fuzzer,address,undefined -g -O1 -D_GNU_SOURCE -Isrc -o fuzz-socket-name
 *       tests/fuzz/fuzz-socket-name.c src/transport/socket-name.c src/model/address.c src/basic/siphash.c
 *   mkdir new && ./fuzz-socket-name -max_len=120 new tests/fuzz/fuzz-socket-name
 */

#include <string.h>
#include <sys/un.h>

#include "basic/siphash.h"
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
                if ((name->local_app == 0) != (name->peer_app == 0) || (name->type == SOCKET_NAME_CLIENT && name->local_app))
                        abort();
                check_endpoint(&name->peer, name->family);
                break;
        default:
                abort();
        }
}

static void check_bytes(const uint8_t *data, size_t size, const char *hash, size_t hash_size) {
        const size_t head = offsetof(struct sockaddr_un, sun_path);
        struct sockaddr_un *un;
        SocketName name;

        un = malloc(head + size + hash_size);
        if (!un)
                abort();
        un->sun_family = AF_UNIX;
        if (size > 0)
                memcpy((char *) un + head, data, size);
        memcpy((char *) un + head + size, hash, hash_size);
        if (socket_name_parse((struct sockaddr *) un, (socklen_t) (head + size + hash_size), &name) >= 0)
                check_name(&name);
        free(un);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        static const uint8_t key[SOCKET_NAME_KEY_SIZE];
        char hash[9] = "#";
        Endpoint e;
        int family;

        if (endpoint_parse((const char *) data, size, &e, &family) >= 0)
                check_endpoint(&e, family);
        check_bytes(data, size, "", 0);
        if (size > 0) {
                uint64_t h = siphash24(data + 1, size - 1, key);

                for (size_t i = 1; i < sizeof(hash); i++, h >>= 6)
                        hash[i] = digits[h % 64];
                check_bytes(data, size, hash, sizeof(hash));
        }
        return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Prints the addresses of its arguments, by the resolver of the C library that it is built with. */

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>

int main(int argc, char *argv[]) {
        const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
        char host[256];

        for (int i = 1; i < argc; i++) {
                struct addrinfo *all;
                int r = getaddrinfo(argv[i], NULL, &hints, &all);

                if (r != 0) {
                        printf("%s: %s\n", argv[i], gai_strerror(r));
                        continue;
                }
                for (const struct addrinfo *a = all; a; a = a->ai_next)
                        if (getnameinfo(a->ai_addr, a->ai_addrlen, host, sizeof(host), NULL, 0, NI_NUMERICHOST) == 0)
                                printf("%s\n", host);
                freeaddrinfo(all);
        }
        return 0;
}

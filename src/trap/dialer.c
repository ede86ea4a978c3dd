/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "launch/launch.h"
#include "transport/dial.h"
#include "trap/dialer.h"

enum {
        /* ip_local_port_range as Linux has it by default (ip(7)). */
        PORT_FIRST = 32768,
        PORT_LAST = 60999,
};

static int take(Trap *trap, int family, bool plain) {
        Switch *sw = trap->sw;
        int r = -ENOTCONN;

        /* Its process may be gone; then another one is asked for. */
        for (unsigned i = 0; i < 2 && r == -ENOTCONN; i++) {
                if (!sw->dialer) {
                        r = launch_sockets();
                        if (r >= 0)
                                r = dialer_new(r, &sw->dialer);
                        if (r < 0)
                                return r;
                }
                r = plain ? dialer_take_plain(sw->dialer, trap->member_fd, family)
                          : dialer_take(sw->dialer, &trap->pool, trap->member_fd, family);
                if (r == -ENOTCONN)
                        sw->dialer = dialer_free(sw->dialer);
        }
        return r;
}

int trap_take_socket(Trap *trap, int family) {
        return take(trap, family, false);
}

int trap_take_plain_socket(Trap *trap, int family) {
        return take(trap, family, true);
}

uint16_t trap_next_port(Trap *trap, unsigned attempt) {
        /* A step of a large prime visits all ports. */
        trap->next_port += attempt < 2 ? 1 : 7919;
        return (uint16_t) (PORT_FIRST + trap->next_port % (PORT_LAST - PORT_FIRST + 1));
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "launch/launch.h"
#include "transport/dial.h"
#include "trap/dialer.h"

enum {
        /* ip_local_port_range as Linux has it by default (ip(7)). */
        PORT_FIRST = 32768,
        PORT_LAST = 60999,
};

typedef int (*Take)(Dialer *dialer, Trap *trap, int member, int family);

static int take_for_dialing(Dialer *dialer, Trap *trap, int member, int family) {
        return dialer_take(dialer, &trap->pool, member, family);
}

static int fill(Dialer *dialer, Trap *trap, int member, int family) {
        return dialer_fill(dialer, &trap->pool, member, family);
}

static int take_plain(Dialer *dialer, Trap *trap, int member, int family) {
        return dialer_take_plain(dialer, member, family);
}

static int take_raw(Dialer *dialer, Trap *trap, int member, int family) {
        return dialer_take_raw(dialer, member, family);
}

static int take_diag(Dialer *dialer, Trap *trap, int member, int family) {
        return dialer_take_diag(dialer, member);
}

static int take(Switch *sw, Take function, Trap *trap, int member, int family) {
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
                r = function(sw->dialer, trap, member, family);
                if (r == -ENOTCONN)
                        sw->dialer = dialer_free(sw->dialer);
        }
        return r;
}

int trap_take_socket(Trap *trap, int family) {
        return take(trap->sw, take_for_dialing, trap, trap->member_fd, family);
}

void trap_fill_pool(Trap *trap, int family) {
        /* Whoever needs one will try again, and say why there is none. */
        (void) take(trap->sw, fill, trap, trap->member_fd, family);
}

int trap_take_plain_socket(Trap *trap, int family) {
        return take(trap->sw, take_plain, trap, trap->member_fd, family);
}

int trap_take_raw_socket(Trap *trap, int family) {
        return take(trap->sw, take_raw, trap, trap->member_fd, family);
}

int switch_take_diag_socket(Switch *sw, int member) {
        return take(sw, take_diag, NULL, member, AF_UNSPEC);
}

uint16_t trap_next_port(Trap *trap, unsigned attempt) {
        /* A step of a large prime visits all ports. */
        trap->next_port += attempt < 2 ? 1 : 7919;
        return (uint16_t) (PORT_FIRST + trap->next_port % (PORT_LAST - PORT_FIRST + 1));
}

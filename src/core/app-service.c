/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Apps whose unit is a service: their processes come and go, one after the other. */

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utlist.h>

#include "basic/fd.h"
#include "basic/start-time.h"
#include "core/app-internal.h"
#include "core/app-store.h"
#include "core/idle.h"
#include "core/starter.h"
#include "trap/listener.h"

void app_filter_ended(App *app, uint64_t number) {
        if (!app->service) {
                app_end(app);
                return;
        }
        app_unstore_filter(number);
        /* What these processes listened on; the others have their own. */
        trap_flush_listeners(app->trap);
        if (!app->trap->filters)
                starter_ended(app);
        app_save_record(app);
}

void app_listens(App *app, const Backend *backend) {
        Party *party = &app->party;
        const bool four = backend->family == AF_INET || !backend->v6only, six = backend->family == AF_INET6;

        if (party->n_starts == 0)
                return;
        starter_listens(app);
        if ((!four || party->listened4) && (!six || party->listened6))
                return;
        party->listened4 |= four;
        party->listened6 |= six;
        if (app->state == APP_RUNNING)
                app_save_record(app);
}

void app_set_leader(App *app, pid_t pid) {
        if (app->state != APP_RUNNING || app->leader == pid)
                return;
        safe_close(app->leader_pidfd);
        app->leader = pid;
        app->leader_pidfd = pid > 0 ? (int) syscall(SYS_pidfd_open, pid, 0) : -EBADF;
        app->leader_start = pid > 0 ? process_start_time(pid) : 0;
        app_save_record(app);
        if (app->manager->hooks.app_leader_changed)
                app->manager->hooks.app_leader_changed(app);
}

int app_adopt(App *app, int listener) {
        uint64_t number = app->manager->next_number++;
        const Filter *filter;
        unsigned n;
        int r;

        DL_COUNT(app->trap->filters, filter, n);
        if (n >= APP_FILTERS_MAX)
                return -E2BIG;
        r = app_store_filter(number, listener);
        if (r < 0)
                return r;
        r = trap_add_filter(app->trap, number, listener);
        if (r < 0) {
                app_unstore_filter(number);
                return r;
        }
        app_save_record(app);
        idle_used(app);
        return 0;
}

int app_open_netns(const App *app) {
        int fd = ioctl(app->dns_udp, SIOCGSKNS);

        return fd < 0 ? -errno : fd;
}

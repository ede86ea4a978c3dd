/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * appswitch-dnsd: the name server of the apps. Runs as a user of its own with
 * no rights at all; everything it works with is handed to it, the socket of
 * the feed by systemd, the sockets of the apps by the feed.
 */

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "basic/log.h"
#include "dns/feed.h"

static void event_unrefp(sd_event **e) {
        sd_event_unref(*e);
}

/* The one socket that systemd passes (sd_listen_fds(3)): DNS_FEED_SOCKET. */
static int feed_socket(void) {
        int r, n = sd_listen_fds(true);

        if (n < 0)
                return log_error_errno(n, "Failed to take over the passed socket: %m");
        if (n != 1)
                return log_error_errno(-EINVAL,
                                       "%i sockets were passed, one is needed: start appswitch-dnsd.socket.",
                                       n);
        r = sd_is_socket_unix(SD_LISTEN_FDS_START, SOCK_SEQPACKET, true, NULL, 0);
        if (r < 0)
                return log_error_errno(r, "Failed to look at the passed socket: %m");
        if (r == 0)
                return log_error_errno(-EPROTOTYPE,
                                       "The passed socket is not a listening SOCK_SEQPACKET socket.");
        return SD_LISTEN_FDS_START;
}

/* SIGTERM and SIGINT end the loop: sd_event_add_signal(3) without a handler does that. */
static int event_setup(sd_event *event) {
        sigset_t mask;
        int r;

        sigemptyset(&mask);
        sigaddset(&mask, SIGTERM);
        sigaddset(&mask, SIGINT);
        if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
                return -errno;
        r = sd_event_add_signal(event, NULL, SIGTERM, NULL, NULL);
        if (r >= 0)
                r = sd_event_add_signal(event, NULL, SIGINT, NULL, NULL);
        if (r >= 0)
                r = sd_event_set_watchdog(event, true);
        return r;
}

static int run(void) {
        _cleanup_(event_unrefp) sd_event *event = NULL;
        _cleanup_(names_freep) Names *names = NULL;
        _cleanup_(server_freep) Server *server = NULL;
        _cleanup_(feed_freep) Feed *feed = NULL;
        int fd, r;

        fd = feed_socket();
        if (fd < 0)
                return fd;
        r = sd_event_new(&event);
        if (r >= 0)
                r = event_setup(event);
        if (r < 0)
                return log_error_errno(r, "Failed to set up the event loop: %m");

        names = names_new();
        server = names ? server_new(event, names) : NULL;
        feed = server ? feed_new(event, names, server) : NULL;
        if (!feed)
                return log_oom();
        r = feed_listen(feed, fd);
        if (r < 0)
                return log_error_errno(r, "Failed to listen for the feed: %m");

        (void) sd_notify(false, "READY=1\nSTATUS=Answering the apps.");
        r = sd_event_loop(event);
        (void) sd_notify(false, "STOPPING=1");
        if (r < 0)
                return log_error_errno(r, "Event loop failed: %m");
        return 0;
}

int main(int argc, char *argv[]) {
        if (argc == 2 && strcmp(argv[1], "--version") == 0) {
                printf("appswitch-dnsd %s\n", VERSION);
                return EXIT_SUCCESS;
        }
        if (argc == 2 && strcmp(argv[1], "--help") == 0) {
                printf("appswitch-dnsd [--help|--version]\n\n"
                       "The name server of AppSwitch's apps. systemd starts it, see appswitch-dnsd(8).\n");
                return EXIT_SUCCESS;
        }
        if (argc > 1) {
                log_error("appswitch-dnsd takes no arguments.");
                return EXIT_FAILURE;
        }
        return run() < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

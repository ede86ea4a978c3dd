/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <poll.h>
#include <resolv.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "basic/fd.h"
#include "cli/bus.h"
#include "cli/doctor.h"

/* Where the name server answers the host, with HostNames=yes (appswitchd.conf(5)). */
#define SERVER_TEXT "127.0.0.97"

#define CHECK_SERVER "Names on the host"
#define CHECK_RESOLVER "Resolver of the host"

enum { ANSWER_MSEC = 2000 };

/* The domain of apps, or NULL if the daemon does not run. It is not started for that. */
static char *check_daemon(Checkup *c, sd_bus *bus) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_message_ sd_bus_message *reply = NULL;
        _cleanup_free_ char *version = NULL;
        char *domain = NULL;
        int r, has_owner = 0;

        r = sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameHasOwner", &error,
                               &reply, "s", BUS_NAME);
        if (r >= 0)
                r = sd_bus_message_read(reply, "b", &has_owner);
        if (r >= 0 && !has_owner) {
                checkup_add(c, CHECK_ERROR, "API", "Start the daemon: systemctl enable --now appswitchd.service.", "nobody has %s", BUS_NAME);
                return NULL;
        }
        if (r >= 0)
                r = sd_bus_get_property_string(bus, BUS_NAME, BUS_PATH, BUS_INTERFACE_MANAGER, "Version", &error, &version);
        if (r >= 0)
                r = sd_bus_get_property_string(bus, BUS_NAME, BUS_PATH, BUS_INTERFACE_MANAGER, "Domain", &error, &domain);
        if (r < 0)
                checkup_add(c, CHECK_ERROR, "API",
                            "See \"systemctl status appswitchd\"; if it is the bus that refuses: systemctl reload dbus, after the installation.",
                            "%s does not answer (%s)", BUS_NAME, error.message ?: strerror(-r));
        else if (strcmp(version, VERSION) != 0)
                checkup_add(c, CHECK_WARNING, "API", "Restart the daemon, which no app notices: systemctl restart appswitchd.",
                            "the daemon is of version %s, this program of " VERSION, version);
        else
                checkup_add(c, CHECK_OK, "API", NULL, "%s answers, version %s", BUS_NAME, version);
        return domain;
}

/* Whether a line of `hosts:` in nsswitch.conf(5) has DNS asked. */
static void check_nsswitch(Checkup *c) {
        _cleanup_fclose_ FILE *f = fopen("/etc/nsswitch.conf", "re");
        char line[512];

        while (f && fgets(line, sizeof(line), f)) {
                const char *p = line + strspn(line, " \t");

                if (strncmp(p, "hosts:", 6) != 0)
                        continue;
                for (p += 6; (p = strstr(p, "dns")); p++)
                        if ((p[-1] == ' ' || p[-1] == '\t' || p[-1] == ':') && strchr(" \t\n", p[3])) {
                                checkup_add(c, CHECK_OK, "Names in apps", NULL, "nsswitch.conf(5) has DNS asked");
                                return;
                        }
                checkup_add(c, CHECK_WARNING, "Names in apps",
                            "Add \"dns\" to the line \"hosts:\" of /etc/nsswitch.conf: the names of other apps are found by DNS.",
                            "nsswitch.conf(5) does not have DNS asked");
                return;
        }
        checkup_add(c, CHECK_OK, "Names in apps", NULL, "nsswitch.conf(5) says nothing, so DNS is asked");
}

/* Sends a query and waits for whatever is the answer. Returns 0 or a negative errno. */
static int ask_server(const unsigned char *query, size_t size) {
        struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(53) };
        _cleanup_close_ int fd = -EBADF;
        struct pollfd p = { .events = POLLIN };
        unsigned char answer[512];
        int n;

        (void) inet_pton(AF_INET, SERVER_TEXT, &sa.sin_addr);
        fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *) &sa, sizeof(sa)) < 0 || send(fd, query, size, 0) < 0)
                return -errno;
        p.fd = fd;
        n = poll(&p, 1, ANSWER_MSEC);
        if (n <= 0)
                return n < 0 ? -errno : -ETIMEDOUT;
        return recv(fd, answer, sizeof(answer), 0) < 0 ? -errno : 0;
}

/* Has the host's resolver look for the domain itself: only the name server of AppSwitch knows it. */
static void check_resolver(Checkup *c, struct __res_state *state, const char *domain) {
        unsigned char answer[NS_MAXMSG];

        state->retrans = 1;
        state->retry = 1;
        if (res_nquery(state, domain, ns_c_in, ns_t_soa, answer, sizeof(answer)) >= 0)
                checkup_add(c, CHECK_OK, CHECK_RESOLVER, NULL, "finds %s", domain);
        else
                checkup_add(c, CHECK_WARNING, CHECK_RESOLVER,
                            "Have it ask " SERVER_TEXT " for that domain: see HostNames= in appswitchd.conf(5) for each kind of resolver.",
                            "does not find %s (%s)", domain, hstrerror(state->res_h_errno));
}

static void check_host_names(Checkup *c, const char *domain) {
        struct __res_state state = {};
        unsigned char query[NS_PACKETSZ];
        int n, r;

        if (res_ninit(&state) < 0)
                return;
        n = res_nmkquery(&state, ns_o_query, domain, ns_c_in, ns_t_soa, NULL, 0, NULL, query, sizeof(query));
        r = n < 0 ? -EINVAL : ask_server(query, (size_t) n);
        if (r == -ECONNREFUSED)
                checkup_add(c, CHECK_SKIPPED, CHECK_SERVER,
                            "If the host is to find apps by name, too: HostNames=yes in appswitchd.conf(5), and restart appswitchd.",
                            "HostNames= is off");
        else if (r < 0)
                checkup_add(c, CHECK_ERROR, CHECK_SERVER, "See \"systemctl status appswitch-dnsd\".", "the name server does not answer at "
                            SERVER_TEXT " (%s)", strerror(-r));
        else {
                checkup_add(c, CHECK_OK, CHECK_SERVER, NULL, "the name server answers at " SERVER_TEXT);
                check_resolver(c, &state, domain);
        }
        res_nclose(&state);
}

void doctor_names(Checkup *c, sd_bus *bus) {
        _cleanup_free_ char *domain = bus ? check_daemon(c, bus) : NULL;

        check_nsswitch(c);
        if (domain)
                check_host_names(c, domain);
}

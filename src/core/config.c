/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "basic/conf-files.h"
#include "basic/fd.h"
#include "basic/ini.h"
#include "basic/log.h"
#include "basic/text.h"
#include "core/config.h"
#include "dns/dns-feed.h"
#include "model/name.h"

enum { DROPINS_MAX = 256 };

/* What each key takes is its parser's affair; each returns 0, -EINVAL or -ENOMEM. */
typedef int (*Parser)(const char *value, void *to);

static int parse_string(const char *value, char **to) {
        char *copy = strdup(value);

        if (!copy)
                return -ENOMEM;
        free(*to);
        *to = copy;
        return 0;
}

static int parse_domain(const char *value, void *to) {
        char **domain = to;
        int r;

        if (name_invalid_reason(value) || strlen(value) > NAME_LABEL_MAX)
                return -EINVAL;
        r = parse_string(value, domain);
        if (r >= 0)
                name_normalize(*domain);
        return r;
}

static int parse_pool(const char *value, Pool *to, int family) {
        Pool pool;

        if (pool_parse(value, &pool) < 0 || pool.address.family != family)
                return -EINVAL;
        *to = pool;
        return 0;
}

static int parse_pool4(const char *value, void *to) {
        return parse_pool(value, to, AF_INET);
}

static int parse_pool6(const char *value, void *to) {
        return parse_pool(value, to, AF_INET6);
}

static int parse_tag(const char *value, void *to) {
        Tags tags = {};
        int r;

        r = tags_add(&tags, value);
        tags_done(&tags);
        return r < 0 ? r : parse_string(value, to);
}

static int parse_number(const char *value, unsigned *to, unsigned min, unsigned max) {
        unsigned long v;
        char *end;

        if (*value < '0' || *value > '9')
                return -EINVAL;
        v = strtoul(value, &end, 10);
        if (*end || v < min || v > max)
                return -EINVAL;
        *to = (unsigned) v;
        return 0;
}

static int parse_ttl(const char *value, void *to) {
        return parse_number(value, to, 0, 86400);
}

static int parse_maximum(const char *value, void *to) {
        return parse_number(value, to, 1, 65536);
}

/* An app that appswitch-dnsd does not serve would be one without names. */
static int parse_apps_max(const char *value, void *to) {
        return parse_number(value, to, 1, DNS_FEED_APPS_MAX);
}

static int parse_strategy(const char *value, void *to) {
        const Strategy strategy = strategy_from_string(value);

        if (strategy < 0)
                return -EINVAL;
        *(Strategy *) to = strategy;
        return 0;
}

static int parse_yes_no(const char *value, void *to) {
        bool *b = to;

        if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
                return -EINVAL;
        *b = value[0] == 'y';
        return 0;
}

static int parse_egress(const char *value, void *to) {
        _cleanup_free_ char *item = NULL;
        const char *reason;
        Egress egress;
        int r;

        r = egress_parse((char *const[]){ (char *) value, NULL }, &egress, &item, &reason);
        if (r < 0)
                return r == -ENOMEM ? r : -EINVAL;
        egress_done(to);
        *(Egress *) to = egress;
        return 0;
}

/* One address of each family at most. */
static int parse_egress_source(const char *value, void *to) {
        _cleanup_strv_ char **words = NULL;
        Exit *exit = to;
        Address source4 = {}, source6 = {}, a;
        int r = 0;

        if (*value)
                r = strv_split(value, &words);
        for (char **w = words; r >= 0 && w && *w; w++) {
                Address *source;

                if (address_parse(*w, &a) < 0 || address_reserved_reason(&a))
                        return -EINVAL;
                source = a.family == AF_INET ? &source4 : &source6;
                if (source->family != AF_UNSPEC)
                        return -EINVAL;
                *source = a;
        }
        if (r < 0)
                return r;
        exit->source4 = source4;
        exit->source6 = source6;
        return 0;
}

/* As the kernel has it (dev_valid_name()). */
static int parse_egress_device(const char *value, void *to) {
        Exit *exit = to;

        if (strlen(value) >= sizeof(exit->device) || strpbrk(value, "/: \t") || strcmp(value, ".") == 0 ||
            strcmp(value, "..") == 0)
                return -EINVAL;
        strcpy(exit->device, value);
        return 0;
}

static int parse_networks(const char *value, void *to) {
        Networks networks = {};
        int r;

        r = networks_add_list(&networks, value);
        if (r < 0) {
                networks_done(&networks);
                return r == -ENOMEM ? r : -EINVAL;
        }
        networks_done(to);
        *(Networks *) to = networks;
        return 0;
}

static int parse_name_servers(const char *value, void *to) {
        return name_servers_parse(value, to);
}

static int parse_log_level(const char *value, void *to) {
        int level = log_level_from_string(value);

        if (level < 0)
                return level;
        *(int *) to = level;
        return 0;
}

static const struct {
        const char *key;
        size_t offset;
        Parser parse;
        const char *allowed;
} keys[] = {
        { "Domain", offsetof(Config, domain), parse_domain, "a DNS name of up to 63 characters" },
        { "Pool4", offsetof(Config, pool4), parse_pool4, "an IPv4 network of /8 to /28, without host bits and reserved addresses (loopback, link-local, multicast, 0.0.0.0/8, 240.0.0.0/4)" },
        { "Pool6", offsetof(Config, pool6), parse_pool6, "an IPv6 network of /32 to /112, without host bits and reserved addresses (loopback, link-local, multicast, mapped IPv4)" },
        { "DefaultTag", offsetof(Config, default_tag), parse_tag, "a tag, KEY=VALUE" },
        { "NameTTLSec", offsetof(Config, name_ttl), parse_ttl, "0 to 86400 seconds" },
        { "AppsMax", offsetof(Config, apps_max), parse_apps_max, "1 to 4096" },
        { "AppsPerUserMax", offsetof(Config, apps_per_user_max), parse_maximum, "1 to 65536" },
        { "ListenersPerAppMax", offsetof(Config, listeners_per_app_max), parse_maximum, "1 to 65536" },
        { "NamesPerUserMax", offsetof(Config, names_per_user_max), parse_maximum, "1 to 65536" },
        { "VirtualServicesMax", offsetof(Config, virtual_services_max), parse_maximum, "1 to 65536" },
        { "VirtualServicesPerUserMax", offsetof(Config, virtual_services_per_user_max), parse_maximum, "1 to 65536" },
        { "Strategy", offsetof(Config, strategy), parse_strategy, "round-robin, random, least-connections or source-hash" },
        { "HideNames", offsetof(Config, hide_names), parse_yes_no, "yes or no" },
        { "Egress", offsetof(Config, egress), parse_egress, "yes, no, or a list of up to 64 networks and names, each with :PORT or :PORT-PORT or without, separated by commas" },
        { "EgressSource", offsetof(Config, exit), parse_egress_source, "an IPv4 address, an IPv6 address, or one of each separated by a comma" },
        { "EgressDevice", offsetof(Config, exit), parse_egress_device, "the name of a network device, up to 15 characters" },
        { "ExposeFrom", offsetof(Config, expose_from), parse_networks, "any, localhost, or a list of up to 64 networks and addresses, separated by commas" },
        { "ExposedPortsPerUserMax", offsetof(Config, exposed_ports_per_user_max), parse_maximum, "1 to 65536" },
        { "HostNames", offsetof(Config, host_names), parse_yes_no, "yes or no" },
        { "DNSForward", offsetof(Config, dns_forward), parse_name_servers, "host, or a list of up to 8 addresses of name servers" },
        { "LogLevel", offsetof(Config, log_level), parse_log_level,
          "emerg, alert, crit, err, warning, notice, info or debug" },
};

int config_init(Config *config) {
        static const char *const defaults[][2] = {
                { "Domain", "ax.internal" },
                { "Pool4", "198.18.0.0/15" },
                { "Pool6", "fdaa:a55:317c::/64" },
                { "DefaultTag", "zone=default" },
                { "NameTTLSec", "5" },
                { "AppsMax", "4096" },
                { "AppsPerUserMax", "256" },
                { "ListenersPerAppMax", "1024" },
                { "NamesPerUserMax", "1024" },
                { "VirtualServicesMax", "4096" },
                { "VirtualServicesPerUserMax", "256" },
                { "Strategy", "round-robin" },
                { "HideNames", "yes" },
                { "Egress", "no" },
                { "ExposeFrom", "any" },
                { "ExposedPortsPerUserMax", "256" },
                { "HostNames", "no" },
                { "LogLevel", "info" },
        };

        *config = (Config){};
        for (size_t i = 0; i < ELEMENTSOF(defaults); i++) {
                int r = config_set(config, defaults[i][0], defaults[i][1], NULL);

                if (r < 0) {
                        config_done(config);
                        return r;
                }
        }
        return 0;
}

void config_done(Config *config) {
        free(config->domain);
        free(config->default_tag);
        egress_done(&config->egress);
        networks_done(&config->expose_from);
        *config = (Config){};
}

int config_set(Config *config, const char *key, const char *value, const char **ret_allowed) {
        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                if (strcmp(keys[i].key, key) != 0)
                        continue;
                if (ret_allowed)
                        *ret_allowed = keys[i].allowed;
                return keys[i].parse(value, (char *) config + keys[i].offset);
        }
        return -ENOENT;
}

/* What lines of a file are for. */
typedef struct Loading {
        Config *config;
        const char *path;
} Loading;

/* Whatever is wrong is said and passed over. */
static int load_line(const IniLine *line, void *userdata) {
        const bool in_section = strcmp(line->section, "AppSwitch") == 0;
        const Loading *loading = userdata;
        const char *allowed;
        int r = 0;

        switch (line->type) {
        case INI_SECTION:
                if (!in_section)
                        log_warning("%s:%u: unknown section '[%s]', ignoring.", loading->path, line->number, line->section);
                return 0;
        case INI_ASSIGNMENT:
                if (!in_section)
                        return 0;
                r = config_set(loading->config, line->key, line->value, &allowed);
                if (r == -ENOENT)
                        log_warning("%s:%u: unknown key '%s', ignoring.", loading->path, line->number, line->key);
                else if (r == -EINVAL)
                        log_warning("%s:%u: %s= does not take '%s', ignoring; allowed is %s.", loading->path,
                                    line->number, line->key, line->value, allowed);
                return r == -ENOMEM ? r : 0;
        case INI_INVALID:
        default:
                log_warning(*line->text == '[' ? "%s:%u: unknown section '%s', ignoring." : "%s:%u: '%s' is no assignment, ignoring.",
                            loading->path, line->number, line->text);
                return 0;
        }
}

static int load_file(Config *config, const char *path) {
        _cleanup_fclose_ FILE *f = NULL;
        int r;

        f = fopen(path, "re");
        if (!f) {
                if (errno != ENOENT)
                        (void) log_warning_errno(-errno, "Failed to open %s, ignoring: %m", path);
                return 0;
        }
        r = ini_read(f, load_line, &(Loading){ config, path });
        if (r < 0 && r != -ENOMEM) {
                (void) log_warning_errno(r, "Failed to read %s, ignoring the rest: %m", path);
                return 0;
        }
        return r;
}

int config_load(Config *config, const char *root) {
        static const char *const directories[] = {
                SYSCONFDIR "/appswitchd.conf.d",
                "/run/appswitch/appswitchd.conf.d",
                "/usr/lib/appswitch/appswitchd.conf.d",
        };
        _cleanup_(conf_files_done) ConfFiles dropins = {};
        const char *failed = NULL;
        char path[PATH_MAX];
        int r;

        (void) snprintf(path, sizeof(path), "%s%s/appswitchd.conf", root, SYSCONFDIR);
        r = load_file(config, path);
        if (r < 0)
                return r;
        r = conf_files_list(root, directories, ELEMENTSOF(directories), DROPINS_MAX, &dropins, &failed);
        if (r > 0)
                log_warning("%s: more than %i drop-ins, ignoring the rest.", failed, DROPINS_MAX);
        else if (r < 0 && r != -ENOMEM)
                (void) log_warning_errno(r, "Failed to read %s, ignoring all drop-ins: %m", failed);
        if (r < 0)
                return r == -ENOMEM ? r : 0;
        for (size_t i = 0; r >= 0 && i < dropins.n; i++) {
                (void) snprintf(path, sizeof(path), "%s%s", root, dropins.paths[i]);
                r = load_file(config, path);
        }
        return r;
}

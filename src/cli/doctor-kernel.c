/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/filter.h>
#include <linux/inet_diag.h>
#include <linux/kcmp.h>
#include <linux/magic.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "basic/fd.h"
#include "cli/doctor.h"

#define ADVICE_KERNEL "Take a kernel of Debian 12 or later, or one that is configured as that is."

static void check_version(Checkup *c) {
        unsigned major, minor;
        struct utsname u;

        if (uname(&u) < 0 || sscanf(u.release, "%u.%u", &major, &minor) != 2)
                checkup_add(c, CHECK_SKIPPED, "Kernel", NULL, "does not tell its version");
        else if (major < 5 || (major == 5 && minor < 14))
                checkup_add(c, CHECK_ERROR, "Kernel", "Take Linux 5.14 or later.", "Linux %s is too old", u.release);
        else
                checkup_add(c, CHECK_OK, "Kernel", NULL, "Linux %s", u.release);
}

/* Adds a finding for a call of ours that failed with `error` (0: it did not), and for others is allowed by its own. */
static void add_call(Checkup *c, const char *check, int error, const char *advice) {
        if (error == 0)
                checkup_add(c, CHECK_OK, check, NULL, "works");
        else if (error == EPERM && geteuid() != 0)
                checkup_add(c, CHECK_SKIPPED, check, "Run it as root to know.", "not allowed to this user");
        else
                checkup_add(c, CHECK_ERROR, check, advice, "failed (%s)", strerror(error));
}

static void check_looking(Checkup *c) {
        pid_t self = getpid();
        char from = 'x', to = 0;
        char scope[16];
        int error;

        error = syscall(SYS_kcmp, self, self, KCMP_FILE, STDIN_FILENO, STDIN_FILENO) < 0 ? errno : 0;
        add_call(c, "Comparing descriptors (kcmp)", error, "Take a kernel with CONFIG_KCMP.");
        error = process_vm_readv(self, &(struct iovec){ &to, 1 }, 1, &(struct iovec){ &from, 1 }, 1, 0) < 0 ? errno : 0;
        add_call(c, "Reading memory (process_vm_readv)", error, "Take a kernel with CONFIG_CROSS_MEMORY_ATTACH.");

        /* 3: nobody may look into another process, also not with CAP_SYS_PTRACE, until the next boot. */
        if (read_file(AT_FDCWD, "/proc/sys/kernel/yama/ptrace_scope", scope, sizeof(scope)) > 0 && scope[0] == '3')
                checkup_add(c, CHECK_ERROR, "Yama", "Set kernel.yama.ptrace_scope to 2 or less in sysctl.d(5), and boot again.",
                            "kernel.yama.ptrace_scope=3 keeps the daemon from looking into its apps");
}

static void check_namespaces(Checkup *c) {
        char most[32];

        if (access("/proc/self/ns/net", F_OK) < 0)
                checkup_add(c, CHECK_ERROR, "Network namespaces", "Take a kernel with CONFIG_NET_NS.", "the kernel has none");
        else if (read_file(AT_FDCWD, "/proc/sys/user/max_net_namespaces", most, sizeof(most)) > 0 && strtol(most, NULL, 10) < 64)
                checkup_add(c, CHECK_ERROR, "Network namespaces",
                            "Each app has one: set user.max_net_namespaces in sysctl.d(5) to more than there are apps.",
                            "the limit is %li", strtol(most, NULL, 10));
        else
                checkup_add(c, CHECK_OK, "Network namespaces", NULL, "there are");
        if (access("/proc/sys/net/ipv6", F_OK) < 0)
                checkup_add(c, CHECK_ERROR, "IPv6", "Boot without ipv6.disable=1: apps have an address of each family.", "the kernel has none");
        else
                checkup_add(c, CHECK_OK, "IPv6", NULL, "is there");
}

static void check_cgroups(Checkup *c) {
        struct statfs s;

        if (statfs("/sys/fs/cgroup", &s) < 0)
                checkup_add(c, CHECK_ERROR, "Control groups", "Mount it: systemd does at boot.", "/sys/fs/cgroup is not there (%s)",
                            strerror(errno));
        else if (s.f_type != CGROUP2_SUPER_MAGIC)
                checkup_add(c, CHECK_WARNING, "Control groups", "Boot with systemd.unified_cgroup_hierarchy=1: it is what AppSwitch is tested with.",
                            "systemd has version 1 here");
        else
                checkup_add(c, CHECK_OK, "Control groups", NULL, "version 2");
}

/* Connections to the outside are locked to their peer by a filter. */
static void check_socket_filter(Checkup *c) {
        struct sock_filter all[] = { BPF_STMT(BPF_RET | BPF_K, UINT32_MAX) };
        const struct sock_fprog program = { .len = ELEMENTSOF(all), .filter = all };
        _cleanup_close_ int fd = -EBADF;
        const int one = 1;
        int error = 0;

        fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ||
            setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &one, sizeof(one)) < 0)
                error = errno;
        add_call(c, "Filters of sockets (BPF)", error, ADVICE_KERNEL);
}

/*
 * Sends a request and reads the answers to its end. Returns 0 or a negative
 * errno. Nothing but numbers of the kernel is in there, so it is not looked at.
 */
static int ask(int protocol, const struct nlmsghdr *request) {
        char buffer[32768];
        struct mnl_socket *nl;
        ssize_t n;
        int r;

        nl = mnl_socket_open2(protocol, SOCK_CLOEXEC);
        if (!nl)
                return -errno;
        r = mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 || mnl_socket_sendto(nl, request, request->nlmsg_len) < 0 ? -errno : 1;
        while (r > 0) {
                n = mnl_socket_recvfrom(nl, buffer, sizeof(buffer));
                r = n < 0 ? -errno : mnl_cb_run(buffer, (size_t) n, request->nlmsg_seq, mnl_socket_get_portid(nl), NULL, NULL);
                if (r < 0)
                        r = -errno;
        }
        (void) mnl_socket_close(nl);
        return r;
}

/* Asks for sockets of no state at all: whether somebody answers is all that matters. */
static int ask_diag(const void *body, size_t size) {
        char buffer[256];
        struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);

        h->nlmsg_type = SOCK_DIAG_BY_FAMILY;
        h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
        h->nlmsg_seq = 1;
        memcpy(mnl_nlmsg_put_extra_header(h, size), body, size);
        return ask(NETLINK_SOCK_DIAG, h);
}

static void check_diag(Checkup *c) {
        const struct inet_diag_req_v2 inet = { .sdiag_family = AF_INET, .sdiag_protocol = IPPROTO_TCP };
        const struct unix_diag_req local = { .sdiag_family = AF_UNIX };
        int r;

        r = ask_diag(&inet, sizeof(inet));
        if (r >= 0)
                r = ask_diag(&local, sizeof(local));
        if (r < 0)
                checkup_add(c, CHECK_WARNING, "Listing sockets (sock_diag)",
                            "Take a kernel with CONFIG_UNIX_DIAG and CONFIG_INET_DIAG: connections are not listed, and least-connections does not count.",
                            "failed (%s)", strerror(-r));
        else
                checkup_add(c, CHECK_OK, "Listing sockets (sock_diag)", NULL, "works");
}

static void check_nf_tables(Checkup *c) {
        char buffer[256];
        struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
        struct nfgenmsg *g;
        int r;

        h->nlmsg_type = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETGEN;
        h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
        h->nlmsg_seq = 1;
        g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
        *g = (struct nfgenmsg){ .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0 };
        r = ask(NETLINK_NETFILTER, h);
        if (r == -EPERM && geteuid() != 0)
                checkup_add(c, CHECK_SKIPPED, "nftables", "Run it as root to know.", "not told to this user");
        else if (r < 0)
                checkup_add(c, CHECK_WARNING, "nftables",
                            "Take a kernel with CONFIG_NF_TABLES: until then networks are only looked at when connections to exposed ports are accepted.",
                            "cannot be used (%s)", strerror(-r));
        else
                checkup_add(c, CHECK_OK, "nftables", NULL, "answers");
}

void doctor_kernel(Checkup *c) {
        check_version(c);
        check_looking(c);
        check_namespaces(c);
        check_cgroups(c);
        check_socket_filter(c);
        check_diag(c);
        check_nf_tables(c);
}

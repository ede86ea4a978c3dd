/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "basic/clock.h"
#include "basic/conf-files.h"
#include "basic/fd.h"
#include "basic/log.h"
#include "basic/worker.h"
#include "core/fence.h"
#include "core/policy-load.h"
#include "model/journal.h"
#include "model/policy.h"

static const char *const directories[] = {
        SYSCONFDIR "/policy.d",
        "/run/appswitch/policy.d",
        "/usr/lib/appswitch/policy.d",
};

/*
 * The user database can be anywhere, and nobody says how long it takes: it is
 * asked in a thread, for a while for each user and for all of a policy
 * together, as nothing else goes on meanwhile. When that was too long it is not
 * asked again.
 */
#define USER_TIMEOUT_USEC (2 * USEC_PER_SEC)
#define USERS_TIMEOUT_USEC (5 * USEC_PER_SEC)

typedef struct UserLookup {
        Worker *worker;
        bool timed_out;
        uint64_t left; /* of USERS_TIMEOUT_USEC */
} UserLookup;

typedef struct UserJob {
        char name[256];
        uid_t uid;
        int error;
} UserJob;

static_assert(sizeof(UserJob) <= WORKER_JOB_MAX, "a worker has room for it");

static void find_user(void *p) {
        struct passwd pw, *found = NULL;
        UserJob *job = p;
        char buf[16384];
        int r;

        r = getpwnam_r(job->name, &pw, buf, sizeof(buf), &found);
        /* What getpwnam_r(3) lists for "not found". */
        job->error = found ? 0 : r == 0 || r == ENOENT || r == ESRCH || r == EBADF || r == EPERM ? -ESRCH : -r;
        if (found)
                job->uid = found->pw_uid;
}

static int resolve_user(const char *name, uid_t *ret, void *userdata) {
        UserLookup *lookup = userdata;
        UserJob job = {};
        uint64_t begin;
        int r;

        if (lookup->timed_out)
                return -ETIMEDOUT;
        if (strlen(name) >= sizeof(job.name))
                return -ESRCH;
        strcpy(job.name, name);
        begin = now_usec(CLOCK_MONOTONIC);
        r = lookup->worker ? 0 : worker_new(&lookup->worker);
        if (r >= 0)
                r = worker_run(&lookup->worker, find_user, &job, sizeof(job), MIN2(USER_TIMEOUT_USEC, lookup->left));
        lookup->left -= MIN2(now_usec(CLOCK_MONOTONIC) - begin, lookup->left);
        lookup->timed_out = r == -ETIMEDOUT || lookup->left == 0;
        if (r >= 0)
                r = job.error;
        if (r >= 0)
                *ret = job.uid;
        return r;
}

static void user_lookup_done(UserLookup *lookup) {
        lookup->worker = worker_free(lookup->worker);
}

/* A masked file is a link to /dev/null. */
static bool is_null(const struct stat *st) {
        return S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3);
}

/* Reads up to POLICY_FILE_SIZE_MAX + 1 bytes, which is told to be too much. */
static ssize_t read_text(const char *path, char *buf) {
        _cleanup_close_ int fd = -EBADF;
        struct stat st;
        size_t n = 0;

        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (is_null(&st))
                return 0;
        if (!S_ISREG(st.st_mode))
                return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
        while (n <= POLICY_FILE_SIZE_MAX) {
                ssize_t l = read(fd, buf + n, POLICY_FILE_SIZE_MAX + 1 - n);

                if (l < 0 && errno == EINTR)
                        continue;
                if (l < 0)
                        return -errno;
                if (l == 0)
                        break;
                n += (size_t) l;
        }
        return (ssize_t) n;
}

static int add_path(Policy *p, const char *path, char *buf) {
        char reason[128];
        ssize_t n;

        n = read_text(path, buf);
        if (n == -ENOMEM)
                return (int) n;
        if (n >= 0)
                return policy_add_file(p, path, buf, (size_t) n);
        (void) snprintf(reason, sizeof(reason), "cannot be read: %s", strerror((int) -n));
        return policy_add_broken(p, path, reason);
}

static int add_paths(Policy *p) {
        _cleanup_(conf_files_done) ConfFiles files = {};
        const char *failed = NULL;
        _cleanup_free_ char *buf = malloc(POLICY_FILE_SIZE_MAX + 1);
        char reason[128];
        int r;

        if (!buf)
                return -ENOMEM;
        r = conf_files_list("", directories, ELEMENTSOF(directories), POLICY_FILES_MAX, &files, &failed);
        if (r == -ENOMEM)
                return r;
        /* Nobody knows where in the order the missing ones would be. */
        if (r > 0) {
                (void) snprintf(reason, sizeof(reason), "is one of too many; allowed: %i files", POLICY_FILES_MAX);
                r = policy_add_broken(p, failed, reason);
        } else if (r < 0) {
                (void) snprintf(reason, sizeof(reason), "cannot be read: %s", strerror(-r));
                r = policy_add_broken(p, failed, reason);
        }
        for (size_t i = 0; r >= 0 && i < files.n; i++)
                r = add_path(p, files.paths[i], buf);
        return r;
}

static int make(const Policy *old, int (*add)(Policy *p, const PolicyText *texts, size_t n), const PolicyText *texts,
                size_t n, Policy **ret) {
        _cleanup_(user_lookup_done) UserLookup lookup = { .left = USERS_TIMEOUT_USEC };
        _cleanup_(policy_freep) Policy *p = policy_new(resolve_user, &lookup);
        int r;

        if (!p)
                return -ENOMEM;
        r = add(p, texts, n);
        if (r >= 0)
                r = policy_seal(p, old);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(p);
        return 0;
}

static int add_directories(Policy *p, const PolicyText *texts, size_t n) {
        return add_paths(p);
}

static int add_texts(Policy *p, const PolicyText *texts, size_t n) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n; i++)
                r = policy_add_file(p, texts[i].name, texts[i].text, texts[i].size);
        return r;
}

int policy_read(const Policy *old, Policy **ret) {
        return make(old, add_directories, NULL, 0, ret);
}

int policy_read_texts(const Policy *old, const PolicyText *texts, size_t n, Policy **ret) {
        return make(old, add_texts, texts, n, ret);
}

static void format_place(const PolicyProblem *problem, char *buf, size_t size) {
        if (problem->line > 0)
                (void) snprintf(buf, size, "%s:%u", problem->file, problem->line);
        else
                (void) snprintf(buf, size, "%s", problem->file);
}

static const char *const broken[] = { "MESSAGE_ID=" MESSAGE_POLICY_BROKEN, NULL };

/* Returns the number of errors. */
static size_t log_problems(const Policy *policy) {
        const PolicyProblem *problems;
        size_t n, n_errors;

        problems = policy_problems(policy, &n, &n_errors);
        for (size_t i = 0; i < n; i++) {
                char place[512];

                format_place(&problems[i], place, sizeof(place));
                (void) log_full(problems[i].is_error ? LOG_ERR : LOG_WARNING, 0, "%s: %s.", place, problems[i].text);
        }
        return n_errors;
}

static size_t count_rules(const Policy *policy) {
        size_t n;

        (void) policy_rules(policy, &n);
        return n;
}

int policy_start(Manager *m) {
        _cleanup_(policy_freep) Policy *policy = NULL;
        size_t n_errors;
        int r;

        r = policy_read(NULL, &policy);
        if (r < 0)
                return r;
        n_errors = log_problems(policy);
        if (n_errors > 0)
                (void) log_fields(LOG_ERR, 0, broken, "The policy has %zu error%s: until %s corrected and the policy is reloaded, connections that a broken rule might be about are refused (appswitch.policy(5)).",
                          n_errors, n_errors == 1 ? "" : "s", n_errors == 1 ? "it is" : "they are");
        else if (count_rules(policy) > 0)
                log_info("The policy is in force, with %zu rules.", count_rules(policy));
        r = fence_set_policy(m, policy);
        if (r >= 0)
                TAKE_PTR(policy);
        return r;
}

/* The first error, for who asked for the reload; the rest is in the journal. */
static char *describe_errors(const Policy *policy, size_t n_errors) {
        const PolicyProblem *problems;
        char place[512], *message;
        size_t n, i = 0;

        /* Errors are found before warnings, so one of them is always told. */
        problems = policy_problems(policy, &n, NULL);
        while (i + 1 < n && !problems[i].is_error)
                i++;
        format_place(&problems[i], place, sizeof(place));
        if (n_errors > 1 ? asprintf(&message, "%s: %s (and %zu more, see the journal); the policy stays as it was", place,
                                    problems[i].text, n_errors - 1) < 0
                         : asprintf(&message, "%s: %s; the policy stays as it was", place, problems[i].text) < 0)
                return NULL;
        return message;
}

int policy_load(Manager *m, char **ret_message) {
        _cleanup_(policy_freep) Policy *policy = NULL;
        size_t n_errors;
        int r;

        if (ret_message)
                *ret_message = NULL;
        r = policy_read(m->policy, &policy);
        if (r < 0)
                return log_error_errno(r, "Failed to read the policy, it stays as it was: %m");
        n_errors = log_problems(policy);
        if (n_errors > 0) {
                (void) log_fields(LOG_ERR, 0, broken, "The policy has %zu error%s and is not taken: the one that was stays in force.", n_errors,
                          n_errors == 1 ? "" : "s");
                if (ret_message)
                        *ret_message = describe_errors(policy, n_errors);
                return -EBADMSG;
        }
        r = fence_set_policy(m, policy);
        if (r < 0)
                return log_error_errno(r, "Failed to put the policy in force, it stays as it was: %m");
        TAKE_PTR(policy);
        log_info("The policy was reloaded and is in force, with %zu rules.", count_rules(m->policy));
        return 0;
}

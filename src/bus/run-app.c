/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <systemd/sd-journal.h>
#include <systemd/sd-login.h>
#include <unistd.h>

#include "basic/fd.h"
#include "basic/text.h"
#include "bus/app-bus.h"
#include "bus/rights.h"
#include "bus/run-app.h"
#include "bus/tagging.h"
#include "core/app.h"
#include "core/errors.h"
#include "model/claims.h"

/*
 * Whoever may call may send what the bus lets through, 32 MiB: all of it is
 * bounded here, before anybody else (polkit, the service manager, the journal)
 * gets it from us.
 */
enum {
        WORDS_SIZE_MAX = EXEC_STRINGS_MAX, /* all words of the call together, as execve(2) counts: with pointers */
        TEXT_MAX = 1024,                   /* an option that is one string */
        UNIT_NAME_MAX = 255,               /* as the service manager has it */
        COMMAND_SHOWN_MAX = 256,           /* of the program's name, for who is asked for a password */
        IDENTIFIER_MAX = 64,               /* of it, for the journal */
};

/* A parsed call. Strings point into the message, which is kept. */
typedef struct Run {
        Manager *manager;
        sd_bus_message *message;
        AppRequest request;
        char *name;   /* normalized copies: of Name, */
        char **names; /* and of all, that one first */
        char *description;
        Address addresses[IDENTITY_ADDRESSES_MAX];
        Tags tags;
        OutsideOptions outside;
        size_t words_size;    /* so far, up to WORDS_SIZE_MAX */
        uint32_t options_set; /* bits of 1 << index in run_options */
        bool stop_with_caller;
} Run;

static Run *run_free(Run *run) {
        if (!run)
                return NULL;
        for (size_t i = 0; i < _EXEC_FD_MAX; i++)
                safe_close(run->request.fds[i]);
        strv_free(run->request.argv);
        strv_free(run->request.environment);
        tags_done(&run->tags);
        outside_options_done(&run->outside);
        free(run->name);
        strv_free(run->names);
        free(run->description);
        sd_bus_message_unref(run->message);
        free(run);
        return NULL;
}
DEFINE_CLEANUP(Run *, run_free)

static int invalid(sd_bus_error *error, const char *name, const char *what, const char *value, const char *why) {
        return sd_bus_error_setf(error, name, "Invalid %s '%s': %s", what, value, why);
}

static int parse_name(char ***names, const char *value, sd_bus_error *error) {
        _cleanup_free_ char *message = NULL;
        int r = claim_app_name(names, value, &message);

        return message ? sd_bus_error_set(error, ERROR_INVALID_NAME, message) : r;
}

static int parse_names(Run *run, char **values, sd_bus_error *error) {
        int r = 0;

        for (; r >= 0 && *values; values++)
                r = parse_name(&run->names, *values, error);
        return r;
}

/* Options come in any order, but Name is the first name. */
static int join_names(Run *run, sd_bus_error *error) {
        _cleanup_strv_ char **others = NULL;
        int r = 0;

        if (run->name) {
                others = TAKE_PTR(run->names);
                r = parse_names(run, (char *[]){ run->name, NULL }, error);
        }
        if (r >= 0 && others)
                r = parse_names(run, others, error);
        run->request.names = run->names;
        return r;
}

static int parse_addresses(Run *run, char **values, sd_bus_error *error) {
        int r = 0;

        for (; r >= 0 && *values; values++) {
                _cleanup_free_ char *message = NULL;

                r = claim_address(run->addresses, &run->request.n_addresses, *values, &message);
                if (message)
                        return sd_bus_error_set(error, ERROR_INVALID_ADDRESS, message);
        }
        return r;
}

static int parse_tags(Run *run, char **values, sd_bus_error *error) {
        int r = 0;

        tags_done(&run->tags);
        for (; r >= 0 && *values; values++)
                r = tagging_add(&run->tags, *values, error);
        run->request.tags = run->tags.tags;
        return r;
}

static const char unit_chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:-_.\\";

static int check_unit(const char *value, const char *suffix, sd_bus_error *error) {
        size_t l = strlen(value), s = strlen(suffix);

        if (l > s && l <= UNIT_NAME_MAX && strcmp(value + l - s, suffix) == 0 && strspn(value, unit_chars) == l)
                return 0;
        return sd_bus_error_setf(error, ERROR_INVALID_ARGUMENT,
                                 "Invalid unit name '%s': it must end in %s, have up to 255 characters of A-Z a-z 0-9 : - _ . \\, and a part before the suffix",
                                 value, suffix);
}

static int read_fd(Run *run, sd_bus_message *m, ExecFd which) {
        int fd, r;

        r = sd_bus_message_read(m, "v", "h", &fd);
        if (r < 0)
                return r;
        fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
                return -errno;
        run->request.fds[which] = fd;
        return 0;
}

static int read_string(sd_bus_message *m, const char **to, sd_bus_error *error) {
        int r = sd_bus_message_read(m, "v", "s", to);

        if (r >= 0 && strlen(*to) > TEXT_MAX)
                return sd_bus_error_setf(error, ERROR_LIMIT_REACHED,
                                         "An option is longer than %i characters", TEXT_MAX);
        return r;
}

static int read_bool(sd_bus_message *m, bool *to) {
        int v, r = sd_bus_message_read(m, "v", "b", &v);

        if (r >= 0)
                *to = v;
        return r;
}

static size_t word_size(size_t length) {
        return length + 1 + sizeof(char *);
}

/* The next word of an array of strings or of arrays of bytes: 1, or 0 at its end. It points into the message. */
static int read_word(sd_bus_message *m, bool bytes, const char **ret, size_t *ret_size) {
        const void *data;
        int r;

        if (!bytes) {
                r = sd_bus_message_read_basic(m, 's', ret);
                if (r > 0)
                        *ret_size = strlen(*ret);
                return r;
        }
        r = sd_bus_message_at_end(m, false);
        if (r != 0)
                return r < 0 ? r : 0;
        r = sd_bus_message_read_array(m, 'y', &data, ret_size);
        if (r < 0)
                return r;
        *ret = data ?: "";
        return memchr(*ret, '\0', *ret_size) ? -EBADMSG : 1;
}

/*
 * As sd_bus_message_read_strv(3), which takes a time that grows with the
 * square of their number; also for words that are not UTF-8 and come as bytes.
 * The vector replaces `*to`, and is never NULL on success.
 */
static int read_words(Run *run, sd_bus_message *m, bool bytes, char ***to, sd_bus_error *error) {
        _cleanup_strv_ char **words = calloc(1, sizeof(char *));
        size_t n = 0, room = 1, size;
        const char *word;
        int r;

        if (!words)
                return -ENOMEM;
        r = sd_bus_message_enter_container(m, 'a', bytes ? "ay" : "s");
        while (r >= 0 && (r = read_word(m, bytes, &word, &size)) > 0) {
                run->words_size += word_size(size);
                if (run->words_size > WORDS_SIZE_MAX)
                        return sd_bus_error_setf(error, ERROR_LIMIT_REACHED,
                                                 "The words of the call are more than %i MiB together",
                                                 WORDS_SIZE_MAX / (1024 * 1024));
                if (n + 1 >= room) {
                        char **grown = reallocarray(words, room * 2 + 64, sizeof(char *));

                        if (!grown)
                                return -ENOMEM;
                        words = grown;
                        room = room * 2 + 64;
                }
                words[n] = strndup(word, size);
                if (!words[n])
                        return -ENOMEM;
                words[++n] = NULL;
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;
        for (char **s = *to; s && *s; s++)
                run->words_size -= word_size(strlen(*s));
        strv_free(*to);
        *to = TAKE_PTR(words);
        return 0;
}

/* The same in a variant. */
static int read_variant_words(Run *run, sd_bus_message *m, bool bytes, char ***to, sd_bus_error *error) {
        int r;

        r = sd_bus_message_enter_container(m, 'v', bytes ? "aay" : "as");
        if (r >= 0)
                r = read_words(run, m, bytes, to, error);
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

/* Words that are no UTF-8 come as bytes, and replace the arguments of the method. */
static int option_argument_bytes(Run *run, sd_bus_message *m, sd_bus_error *error) {
        return read_variant_words(run, m, true, &run->request.argv, error);
}

static int option_environment_bytes(Run *run, sd_bus_message *m, sd_bus_error *error) {
        return read_variant_words(run, m, true, &run->request.environment, error);
}

static int option_name(Run *run, sd_bus_message *m, sd_bus_error *error) {
        _cleanup_strv_ char **names = NULL;
        const char *s;
        int r = read_string(m, &s, error);

        if (r < 0 || !*s)
                return r;
        r = parse_name(&names, s, error);
        if (r >= 0)
                run->name = TAKE_PTR(names[0]);
        return r;
}

static int option_names(Run *run, sd_bus_message *m, sd_bus_error *error) {
        _cleanup_strv_ char **values = NULL;
        int r = read_variant_words(run, m, false, &values, error);

        return r < 0 ? r : parse_names(run, values, error);
}

static int option_addresses(Run *run, sd_bus_message *m, sd_bus_error *error) {
        _cleanup_strv_ char **values = NULL;
        int r = read_variant_words(run, m, false, &values, error);

        return r < 0 ? r : parse_addresses(run, values, error);
}

static int option_tags(Run *run, sd_bus_message *m, sd_bus_error *error) {
        _cleanup_strv_ char **values = NULL;
        int r = read_variant_words(run, m, false, &values, error);

        return r < 0 ? r : parse_tags(run, values, error);
}

/* One that is a list, which `set` takes. */
static int read_outside(Run *run, sd_bus_message *m, int (*set)(OutsideOptions *, char **, char **), sd_bus_error *error) {
        _cleanup_strv_ char **values = NULL;
        _cleanup_free_ char *message = NULL;
        int r = read_variant_words(run, m, false, &values, error);

        if (r < 0)
                return r;
        r = set(&run->outside, values, &message);
        return message ? sd_bus_error_set(error, ERROR_INVALID_ARGUMENT, message) : r;
}

static int option_expose(Run *run, sd_bus_message *m, sd_bus_error *error) {
        return read_outside(run, m, outside_options_set_expose, error);
}

static int option_expose_from(Run *run, sd_bus_message *m, sd_bus_error *error) {
        return read_outside(run, m, outside_options_set_expose_from, error);
}

static int option_egress(Run *run, sd_bus_message *m, sd_bus_error *error) {
        return read_outside(run, m, outside_options_set_egress, error);
}

static int option_unit(Run *run, sd_bus_message *m, sd_bus_error *error) {
        int r = read_string(m, &run->request.unit, error);

        return r < 0 ? r : check_unit(run->request.unit, ".scope", error);
}

static int option_slice(Run *run, sd_bus_message *m, sd_bus_error *error) {
        int r = read_string(m, &run->request.slice, error);

        return r < 0 ? r : check_unit(run->request.slice, ".slice", error);
}

/*
 * Of a user or a group. Whether there is one is not known yet, but who is asked
 * for a password reads it, as a word in a sentence.
 */
static int read_account(sd_bus_message *m, const char *what, const char *error_name, const char **to, sd_bus_error *error) {
        _cleanup_free_ char *escaped = NULL;
        int r = read_string(m, to, error);

        if (r < 0)
                return r;
        if (strlen(*to) >= EXEC_USER_MAX)
                return invalid(error, error_name, what, *to, "it is too long");
        escaped = text_escape(*to);
        if (!escaped)
                return -ENOMEM;
        if (strcmp(escaped, *to) != 0 || strpbrk(*to, "'\":/"))
                return invalid(error, error_name, what, escaped, "it may have no control characters, quotes, colons and slashes");
        return 0;
}

static int option_user(Run *run, sd_bus_message *m, sd_bus_error *error) {
        return read_account(m, "user", ERROR_USER_FAILED, &run->request.user, error);
}

static int option_group(Run *run, sd_bus_message *m, sd_bus_error *error) {
        return read_account(m, "group", ERROR_GROUP_FAILED, &run->request.group, error);
}

static int option_description(Run *run, sd_bus_message *m, sd_bus_error *error) {
        return read_string(m, &run->request.description, error);
}

static int option_shortcut(Run *run, sd_bus_message *m, sd_bus_error *error) {
        const char *value;
        int r = read_string(m, &value, error);

        if (r < 0)
                return r;
        run->request.shortcut = shortcut_from_string(value);
        return run->request.shortcut >= 0 ? 0 : invalid(error, ERROR_INVALID_ARGUMENT, "shortcut", value, "it must be auto, unix or tcp");
}

static int option_weight(Run *run, sd_bus_message *m, sd_bus_error *error) {
        uint32_t weight;
        int r = sd_bus_message_read(m, "v", "u", &weight);

        if (r < 0)
                return r;
        if (weight < WEIGHT_MIN || weight > WEIGHT_MAX)
                return sd_bus_error_setf(error, ERROR_INVALID_ARGUMENT, "Invalid weight %u: it must be %i to %i",
                                         weight, WEIGHT_MIN, WEIGHT_MAX);
        run->request.weight = weight;
        return 0;
}

static int option_strategy(Run *run, sd_bus_message *m, sd_bus_error *error) {
        const char *value;
        int r = read_string(m, &value, error);

        if (r < 0)
                return r;
        run->request.strategy = strategy_from_string(value);
        return run->request.strategy >= 0 ? 0
                                          : invalid(error, ERROR_INVALID_ARGUMENT, "strategy", value,
                                                    "it must be round-robin, random, least-connections or source-hash");
}

/* Scopes of apps are always unloaded; taken so that it can be said. */
static int option_collect(Run *run, sd_bus_message *m, sd_bus_error *error) {
        bool collect;

        return read_bool(m, &collect);
}

static int option_terminal(Run *run, sd_bus_message *m, sd_bus_error *error) {
        return read_bool(m, &run->request.terminal);
}

static int option_stop_with_caller(Run *run, sd_bus_message *m, sd_bus_error *error) {
        return read_bool(m, &run->stop_with_caller);
}

static int option_cwd(Run *run, sd_bus_message *m, sd_bus_error *error) {
        return read_fd(run, m, EXEC_FD_CWD);
}

static int option_stdin(Run *run, sd_bus_message *m, sd_bus_error *error) {
        return read_fd(run, m, EXEC_FD_STDIN);
}

static int option_stdout(Run *run, sd_bus_message *m, sd_bus_error *error) {
        return read_fd(run, m, EXEC_FD_STDOUT);
}

static int option_stderr(Run *run, sd_bus_message *m, sd_bus_error *error) {
        return read_fd(run, m, EXEC_FD_STDERR);
}

static int option_control(Run *run, sd_bus_message *m, sd_bus_error *error) {
        return read_fd(run, m, EXEC_FD_CONTROL);
}

static const struct {
        const char *name;
        int (*read)(Run *run, sd_bus_message *m, sd_bus_error *error);
} run_options[] = {
        { "ArgumentBytes", option_argument_bytes },
        { "EnvironmentBytes", option_environment_bytes },
        { "Name", option_name },
        { "Names", option_names },
        { "Addresses", option_addresses },
        { "Tags", option_tags },
        { "Expose", option_expose },
        { "ExposeFrom", option_expose_from },
        { "Egress", option_egress },
        { "User", option_user },
        { "Group", option_group },
        { "Unit", option_unit },
        { "Slice", option_slice },
        { "Description", option_description },
        { "Shortcut", option_shortcut },
        { "Weight", option_weight },
        { "Strategy", option_strategy },
        { "Collect", option_collect },
        { "WorkingDirectory", option_cwd },
        { "StandardInput", option_stdin },
        { "StandardOutput", option_stdout },
        { "StandardError", option_stderr },
        { "Control", option_control },
        { "Terminal", option_terminal },
        { "StopWithCaller", option_stop_with_caller },
};

static int parse_option(Run *run, sd_bus_message *m, sd_bus_error *error) {
        const char *key;
        int r;

        r = sd_bus_message_read(m, "s", &key);
        if (r < 0)
                return r;
        static_assert(ELEMENTSOF(run_options) <= 32, "options_set has a bit for each");
        for (size_t i = 0; i < ELEMENTSOF(run_options); i++)
                if (strcmp(run_options[i].name, key) == 0) {
                        if (run->options_set & (UINT32_C(1) << i))
                                return sd_bus_error_setf(error, ERROR_INVALID_ARGUMENT, "Option '%s' was given twice", key);
                        run->options_set |= UINT32_C(1) << i;
                        r = run_options[i].read(run, m, error);
                        if ((r == -ENXIO || r == -EBADMSG) && !sd_bus_error_is_set(error))
                                return sd_bus_error_setf(error, ERROR_INVALID_ARGUMENT,
                                                         "Option '%s' has a value of another type", key);
                        return r;
                }
        return sd_bus_error_setf(error, ERROR_INVALID_ARGUMENT,
                                 "Unknown option '%s'; known are ArgumentBytes, EnvironmentBytes, Name, Names, Addresses, Tags, Expose, ExposeFrom, Egress, User, Group, Unit, Slice, Description, Shortcut, Weight, Strategy, Collect, WorkingDirectory, StandardInput, StandardOutput, StandardError, Control, Terminal, StopWithCaller",
                                 key);
}

static int check_strings(const Run *run, sd_bus_error *error) {
        char **s;

        if (!run->request.argv || !*run->request.argv || !**run->request.argv)
                return sd_bus_error_set(error, ERROR_INVALID_ARGUMENT, "No command was given");
        for (s = run->request.environment; s && *s; s++)
                if (**s == '=' || !strchr(*s, '=')) {
                        /* It may be no UTF-8, and an error that is none is never sent. */
                        _cleanup_free_ char *shown = text_escape_head(*s, COMMAND_SHOWN_MAX);

                        return sd_bus_error_setf(error, ERROR_INVALID_ARGUMENT,
                                                 "Invalid environment variable '%s': it must be NAME=VALUE", shown ?: "?");
                }
        if (run->request.terminal && (run->request.fds[EXEC_FD_STDIN] < 0 || !isatty(run->request.fds[EXEC_FD_STDIN])))
                return sd_bus_error_set(error, ERROR_INVALID_ARGUMENT,
                                        "Terminal was asked for, but StandardInput is no terminal");
        return 0;
}

/*
 * What was asked for; else the app's name, if it has one, and its program.
 *
 * The service manager trusts us, and writes the description into a unit file
 * as it is (version 252): a line break in it would begin a setting of the
 * caller's, OnSuccess= say, and a backslash at its end would go on with the
 * next line.
 */
static int set_description(Run *run) {
        _cleanup_free_ char *escaped = text_escape_head(run->request.description ?: run->request.argv[0], TEXT_MAX);
        const bool named = !run->request.description && run->names && *run->names;
        size_t n = escaped ? strlen(escaped) : 0;

        if (!escaped || asprintf(&run->description, "%s%s%s%s", named ? run->names[0] : "", named ? ": " : "", escaped,
                                 n > 0 && escaped[n - 1] == '\\' ? " " : "") < 0)
                return -ENOMEM;
        run->request.description = run->description;
        return 0;
}

static int parse(Run *run, sd_bus_message *m, sd_bus_error *error) {
        int r;

        r = read_words(run, m, false, &run->request.argv, error);
        if (r >= 0)
                r = read_words(run, m, false, &run->request.environment, error);
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = parse_option(run, m, error);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r >= 0)
                r = join_names(run, error);
        if (r >= 0)
                r = check_strings(run, error);
        return r < 0 ? r : set_description(run);
}

/* Without standard output or error, what the app says goes to the journal. */
static void default_streams(Run *run) {
        static const struct {
                ExecFd fd;
                int priority;
        } streams[] = { { EXEC_FD_STDOUT, LOG_INFO }, { EXEC_FD_STDERR, LOG_NOTICE } };
        const char *program = strrchr(run->request.argv[0], '/');
        _cleanup_free_ char *identifier = NULL;

        program = program && program[1] ? program + 1 : run->request.argv[0];
        /* One line of the header that sd_journal_stream_fd(3) writes; it must not be two. */
        identifier = text_escape_head(run->names ? run->names[0] : program, IDENTIFIER_MAX);
        for (size_t i = 0; i < ELEMENTSOF(streams); i++)
                if (run->request.fds[streams[i].fd] < 0) {
                        int fd = sd_journal_stream_fd(identifier, streams[i].priority, true);

                        run->request.fds[streams[i].fd] = fd < 0 ? -EBADF : fd;
                }
}

static void on_started(App *app, const char *error, const char *message, void *userdata) {
        _cleanup_(run_freep) Run *run = userdata;
        _cleanup_free_ char *path = NULL;

        if (error) {
                (void) sd_bus_reply_method_errorf(run->message, error, "%s", message);
                return;
        }
        path = app_bus_path(app);
        if (path)
                (void) sd_bus_reply_method_return(run->message, "sos", app->id, path, app->unit);
        else
                (void) sd_bus_reply_method_errnof(run->message, ENOMEM, "Out of memory");
}

static void on_authorized(sd_bus_message *m, const Caller *caller, void *userdata) {
        _cleanup_free_ char *message = NULL;
        const char *error = NULL;
        Run **holder = userdata, *run = *holder;
        App *app;
        int r;

        if (run->manager->stopping) {
                (void) sd_bus_reply_method_errorf(m, ERROR_STOPPING, "The AppSwitch daemon is being stopped");
                return;
        }
        run->request.uid = caller->uid;
        run->request.pid = caller->pid;
        run->request.addresses = run->addresses;
        run->request.outside = &run->outside;
        run->request.owner = run->stop_with_caller ? sd_bus_message_get_sender(m) : NULL;
        default_streams(run);
        r = app_start(run->manager, &run->request, on_started, run, &app, &error, &message);
        if (r >= 0) {
                *holder = NULL; /* on_started() has it now */
                return;
        }
        if (message)
                (void) sd_bus_reply_method_errorf(m, error, "%s", message);
        else
                (void) sd_bus_reply_method_errnof(m, -r, "Failed to start the app: %s", strerror(-r));
}

static void destroy_holder(void *p) {
        Run **holder = p;

        run_free(*holder);
        free(holder);
}

/* A slice is a claim on resources, a unit name one on what others call so. */
static int check_unprivileged(const Run *run, const Caller *caller, sd_bus_message *m) {
        if (caller->uid == 0)
                return 0;
        if (run->request.unit && strncmp(run->request.unit, "app-", 4) != 0) {
                (void) sd_bus_reply_method_errorf(m, SD_BUS_ERROR_ACCESS_DENIED,
                                                  "Only root may choose a unit name that does not begin with 'app-'");
                return -EPERM;
        }
        if (run->request.slice && strncmp(run->request.slice, "appswitch-", 10) != 0 &&
            strcmp(run->request.slice, "appswitch.slice") != 0) {
                (void) sd_bus_reply_method_errorf(m, SD_BUS_ERROR_ACCESS_DENIED,
                                                  "Only root may choose a slice that is not below appswitch.slice");
                return -EPERM;
        }
        return 0;
}

/* The app that the caller belongs to: also one that left its network namespace by unshare(2) is in the scope. */
static App *find_outer(Manager *m, pid_t pid) {
        _cleanup_free_ char *unit = NULL;
        App *app = manager_find_pid(m, pid);

        if (app || sd_pid_get_unit(pid, &unit) < 0)
                return app;
        return manager_find_unit(m, unit);
}

static void on_identified(sd_bus_message *m, const Caller *caller, void *userdata) {
        _cleanup_free_ char *command = NULL;
        Run **holder = userdata, *run = *holder, **next;
        App *outer;
        int r;

        outer = find_outer(run->manager, caller->pid);
        if (outer) {
                (void) sd_bus_reply_method_errorf(m, ERROR_NESTED,
                                                  "The caller itself runs in app %s, and an app cannot be started from inside an app",
                                                  outer->id);
                return;
        }
        if (check_unprivileged(run, caller, m) < 0)
                return;
        command = text_escape_head(run->request.argv[0], COMMAND_SHOWN_MAX);
        next = malloc(sizeof(*next));
        if (!command || !next) {
                free(next);
                (void) sd_bus_reply_method_errnof(m, ENOMEM, "Out of memory");
                return;
        }
        *next = run;
        *holder = NULL;
        r = rights_run(run->manager, m, caller,
                       &(Claims){
                               .command = command,
                               .user = run->request.user,
                               .group = run->request.group,
                               .names = run->names,
                               .addresses = run->addresses,
                               .n_addresses = run->request.n_addresses,
                               .tags = &run->tags,
                               .outside = &run->outside,
                       },
                       run->words_size, on_authorized, next, destroy_holder, &run->request.join_uid);
        if (r < 0)
                (void) sd_bus_reply_method_errnof(m, -r, "Failed to ask polkit: %s", strerror(-r));
}

int method_run_app(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(run_freep) Run *run = NULL;
        Run **holder;
        int r;

        run = calloc(1, sizeof(*run));
        if (!run)
                return -ENOMEM;
        for (size_t i = 0; i < _EXEC_FD_MAX; i++)
                run->request.fds[i] = -EBADF;
        run->request.strategy = _STRATEGY_INVALID;
        run->manager = userdata;
        run->message = sd_bus_message_ref(m);
        r = parse(run, m, error);
        if (r < 0)
                return r;

        holder = malloc(sizeof(*holder));
        if (!holder)
                return -ENOMEM;
        *holder = TAKE_PTR(run);
        r = caller_identify(m, on_identified, holder, destroy_holder);
        return r < 0 ? r : 1;
}

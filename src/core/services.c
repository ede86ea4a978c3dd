/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "basic/conf-files.h"
#include "basic/fd.h"
#include "basic/ini.h"
#include "basic/log.h"
#include "basic/text.h"
#include "core/errors.h"
#include "core/fence.h"
#include "core/saver.h"
#include "core/services.h"

#define PERSISTENT_DIRECTORY SYSCONFDIR "/services.d"
#define RUNTIME_DIRECTORY "/run/appswitch/services"
#define SUFFIX ".conf"

/* More than can be in force, so that one that is too many is said to be it. */
enum { FILES_MAX = 65536 };

struct Services {
        int runtime_dir;
        Saver *saver;
};

static void tell_new(Manager *m, VirtualService *service) {
        int r;

        r = fence_add(m, &service->party);
        if (r < 0)
                (void) log_warning_errno(r, "Virtual service %s: failed to look up its rules, nobody can see it, ignoring: %m",
                                         service->id);
        if (m->hooks.virtual_service_new)
                m->hooks.virtual_service_new(m, service);
}

static void tell_changed(Manager *m, VirtualService *service, char *const *old_names) {
        int r;

        for (; m->feed && *old_names; old_names++)
                if (!strv_contains(service->settings.names, *old_names))
                        feed_unset_name(m->feed, *old_names);
        r = party_tags_changed(m, &service->party);
        if (r < 0)
                (void) log_warning_errno(r, "Virtual service %s: failed to look up its rules, nobody can see it, ignoring: %m",
                                         service->id);
        if (m->hooks.virtual_service_changed)
                m->hooks.virtual_service_changed(m, service);
}

static void tell_removed(Manager *m, VirtualService *service) {
        if (m->hooks.virtual_service_removed)
                m->hooks.virtual_service_removed(m, service);
        if (m->feed)
                feed_unset_names(m->feed, service->party.identity);
}

static void on_members_changed(VirtualService *service, void *userdata) {
        Manager *m = userdata;

        if (m->hooks.virtual_service_members_changed)
                m->hooks.virtual_service_members_changed(m, service);
}

/*
 * What is noted of addresses.
 */

static void addresses_file(const char *id, char name[static 96]) {
        (void) snprintf(name, 96, "%s.addresses", id);
}

static void note_addresses(Manager *m, const VirtualService *service) {
        const Identity *identity = service->party.identity;
        char text[IDENTITY_ADDRESSES_MAX * (ADDRESS_STRING_MAX + 1) + 1] = "", address[ADDRESS_STRING_MAX], name[96];
        size_t n = 0;
        int r;

        for (size_t i = 0; i < identity->n_addresses; i++)
                n += (size_t) snprintf(text + n, sizeof(text) - n, "%s\n",
                                       address_format(&identity->addresses[i].address, address));
        addresses_file(service->id, name);
        r = write_file_atomic(m->services->runtime_dir, name, text, 0600);
        if (r < 0)
                (void) log_warning_errno(r, "Virtual service %s: failed to note its addresses, a restart may give it others, ignoring: %m",
                                         service->id);
}

static void forget_addresses(Manager *m, const char *id) {
        char name[96];

        addresses_file(id, name);
        (void) unlinkat(m->services->runtime_dir, name, 0);
}

static size_t known_addresses(Manager *m, const char *id, Address known[static IDENTITY_ADDRESSES_MAX]) {
        char text[1024], name[96], *line, *rest = text;
        size_t n = 0;

        addresses_file(id, name);
        if (read_file(m->services->runtime_dir, name, text, sizeof(text)) < 0)
                return 0;
        while ((line = strsep(&rest, "\n")) && n < IDENTITY_ADDRESSES_MAX)
                if (*line && address_parse(line, &known[n]) >= 0)
                        n++;
        return n;
}

/*
 * Files.
 */

void service_file_done(ServiceFile *file) {
        service_settings_done(&file->settings);
        free(file->id);
        free(file->path);
        *file = (ServiceFile){};
}

static int _printf_(3, 4) say_line(char **ret_message, const char *where, const char *format, ...) {
        _cleanup_free_ char *what = NULL;
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(&what, format, ap);
        va_end(ap);
        if (r < 0 || asprintf(ret_message, "%s: %s", where, what) < 0) {
                *ret_message = NULL;
                return -ENOMEM;
        }
        return -EBADMSG;
}

typedef struct Loading {
        ServiceFile *file;
        bool in_section;
        char *message;
} Loading;

static int load_uid(ServiceFile *file, const char *value) {
        unsigned long v;
        char *end;

        if (*value < '0' || *value > '9')
                return -EINVAL;
        errno = 0;
        v = strtoul(value, &end, 10);
        if (*end || errno || v >= UINT32_MAX)
                return -EINVAL;
        file->uid = (uid_t) v;
        return 0;
}

static int load_assignment(Loading *l, const char *where, const IniLine *line) {
        ServiceFile *file = l->file;
        ServiceSettings *s = &file->settings;
        _cleanup_free_ char *message = NULL;
        ServiceKey key;
        int r;

        if (strcmp(line->key, "UID") == 0) {
                if (load_uid(file, line->value) < 0)
                        return say_line(&l->message, where, "UID= does not take '%s'; allowed is the number of a user", line->value);
                return 0;
        }
        key = service_key_from_string(line->key);
        if (key < 0)
                return say_line(&l->message, where,
                                "unknown key '%s'; allowed are Name, Address, Port, Backend, Strategy, PreferLocal, Tag and UID",
                                line->key);
        /* As in unit files, an empty value takes back what was said before. */
        if (!*line->value) {
                service_settings_clear(s, key);
                return 0;
        }
        r = service_settings_set(s, key, line->value, &message);
        if (r < 0)
                return r == -ENOMEM ? r : say_line(&l->message, where, "%s", message);
        if (key == SERVICE_NAME)
                file->name_lines[strv_length(s->names) - 1] = line->number;
        else if (key == SERVICE_ADDRESS)
                file->address_lines[s->n_addresses - 1] = line->number;
        return 0;
}

static int load_line(const IniLine *line, void *userdata) {
        _cleanup_free_ char *where = NULL;
        Loading *l = userdata;

        if (asprintf(&where, "%s:%u", l->file->path, line->number) < 0)
                return -ENOMEM;
        switch (line->type) {
        case INI_SECTION:
                if (strcmp(line->section, "VirtualService") != 0)
                        return say_line(&l->message, where, "unknown section '[%s]'; allowed is [VirtualService]", line->section);
                l->in_section = true;
                return 0;
        case INI_ASSIGNMENT:
                if (!l->in_section)
                        return say_line(&l->message, where, "'%s=' stands before the section [VirtualService]", line->key);
                return load_assignment(l, where, line);
        case INI_INVALID:
        default:
                return say_line(&l->message, where, "'%s' is neither an assignment, KEY=VALUE, nor a section", line->text);
        }
}

/* The id is the name of the file without its end. */
static int id_of_path(const char *path, char **ret, char **ret_message) {
        const char *name = strrchr(path, '/') + 1, *reason;
        _cleanup_free_ char *id = strndup(name, strlen(name) - strlen(SUFFIX));

        if (!id)
                return -ENOMEM;
        reason = service_id_invalid_reason(id);
        if (reason)
                return say_line(ret_message, path, "the name of the file is the id of the service, and that %s", reason);
        *ret = TAKE_PTR(id);
        return 0;
}

/* A FIFO would wait for somebody to write. */
static int open_regular(const char *path, FILE **ret) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
        *ret = fdopen(fd, "r");
        if (!*ret)
                return -errno;
        TAKE_FD(fd);
        return 0;
}

int service_file_load(const char *path, const char *default_tag, ServiceFile *ret, char **ret_message) {
        _cleanup_(service_file_done) ServiceFile file = {};
        _cleanup_free_ char *message = NULL;
        _cleanup_fclose_ FILE *f = NULL;
        Loading l = { .file = &file };
        int r;

        *ret_message = NULL;
        r = id_of_path(path, &file.id, ret_message);
        if (r < 0)
                return r;
        file.path = strdup(path);
        if (!file.path)
                return -ENOMEM;
        r = open_regular(path, &f);
        if (r < 0)
                return r;
        r = ini_read(f, load_line, &l);
        *ret_message = l.message;
        if (r < 0)
                return r;
        r = service_settings_complete(&file.settings, file.id, default_tag, &message);
        if (r < 0)
                return r == -ENOMEM ? r : say_line(ret_message, path, "%s", message);
        *ret = TAKE(file, (ServiceFile){});
        return 0;
}

char *service_file_print(const ServiceSettings *settings, uid_t uid) {
        char *text = NULL;
        size_t size;
        FILE *f;

        f = open_memstream(&text, &size);
        if (!f)
                return NULL;
        (void) fprintf(f, "[VirtualService]\n");
        service_settings_print(settings, f);
        (void) fprintf(f, "UID=%u\n", uid);
        if (fclose(f) != 0) {
                free(text);
                return NULL;
        }
        return text;
}

static bool file_equals(const ServiceFile *file, const VirtualService *service) {
        _cleanup_free_ char *a = service_file_print(&file->settings, file->uid),
                            *b = service_file_print(&service->settings, service->uid);

        return a && b && strcmp(a, b) == 0;
}

/* The line with what somebody else has, 0 if that is not what is wrong. */
static unsigned find_taken_line(Manager *m, const ServiceFile *file) {
        for (size_t i = 0; file->settings.names[i]; i++) {
                const Identity *holder = directory_find_name(&m->directory, file->settings.names[i]);

                if (holder && (!holder->service || strcmp(holder->service->id, file->id) != 0))
                        return file->name_lines[i];
        }
        for (size_t i = 0; i < file->settings.n_addresses; i++) {
                const Identity *holder = directory_find_address(&m->directory, &file->settings.addresses[i]);

                if (holder && (!holder->service || strcmp(holder->service->id, file->id) != 0))
                        return file->address_lines[i];
        }
        return 0;
}

static void log_refused(Manager *m, const ServiceFile *file, const char *message, int error) {
        unsigned line = find_taken_line(m, file);

        if (line > 0)
                log_error("%s:%u: %s; the file is not in force.", file->path, line, message ?: strerror(-error));
        else
                log_error("%s: %s; the file is not in force.", file->path, message ?: strerror(-error));
}

static int make_path(const char *id, bool persistent, char **ret) {
        return asprintf(ret, "%s/%s" SUFFIX, persistent ? PERSISTENT_DIRECTORY : RUNTIME_DIRECTORY, id) < 0 ? -ENOMEM : 0;
}

/* A service out of a file. */
static int add_file(Manager *m, ServiceFile *file, bool persistent) {
        _cleanup_free_ char *message = NULL;
        Address known[IDENTITY_ADDRESSES_MAX];
        const char *error = NULL;
        VirtualService *service;
        int r = 0;

        if (!services_have_room(m, file->uid, &error, &message))
                r = -EDQUOT;
        if (r >= 0 && directory_find_service(&m->directory, file->id)) {
                r = asprintf(&message, "There is a virtual service '%s' from %s already", file->id,
                             directory_find_service(&m->directory, file->id)->path);
                r = r < 0 ? -ENOMEM : -EEXIST;
        }
        if (r >= 0)
                r = virtual_service_add(&m->directory, &(ServiceClaim){
                        .id = file->id,
                        .uid = file->uid,
                        .persistent = persistent,
                        .known = known,
                        .n_known = known_addresses(m, file->id, known),
                }, &file->settings, &service, &message);
        if (r < 0) {
                log_refused(m, file, message, r);
                return r;
        }
        service->path = TAKE_PTR(file->path);
        note_addresses(m, service);
        tell_new(m, service);
        return 0;
}

typedef struct ServiceFiles {
        ServiceFile *files;
        size_t n;
        char **wrong; /* paths of those that could not be read */
        size_t n_wrong;
} ServiceFiles;

static void service_files_done(ServiceFiles *files) {
        for (size_t i = 0; i < files->n; i++)
                service_file_done(&files->files[i]);
        free(files->files);
        strv_free(files->wrong);
        *files = (ServiceFiles){};
}

/* Reads all of a directory; what is wrong is logged. */
static int load_files(Manager *m, const char *directory, ServiceFiles *ret) {
        _cleanup_(service_files_done) ServiceFiles files = {};
        _cleanup_(conf_files_done) ConfFiles paths = {};
        const char *failed;
        int r;

        r = conf_files_list("", &directory, 1, FILES_MAX, &paths, &failed);
        if (r < 0)
                return log_error_errno(r, "Failed to read %s: %m", directory);
        if (r > 0)
                log_error("%s: more than %i files, ignoring the rest.", directory, FILES_MAX);
        files.files = calloc(paths.n + 1, sizeof(*files.files));
        if (!files.files)
                return log_oom();
        for (size_t i = 0; i < paths.n; i++) {
                _cleanup_free_ char *message = NULL;

                r = service_file_load(paths.paths[i], m->config.default_tag, &files.files[files.n], &message);
                if (r >= 0) {
                        files.n++;
                        continue;
                }
                if (message)
                        log_error("%s; the file is not in force.", message);
                else
                        (void) log_error_errno(r, "Failed to read %s, the file is not in force: %m", paths.paths[i]);
                if (strv_append(&files.wrong, paths.paths[i]) < 0)
                        return log_oom();
                files.n_wrong++;
        }
        *ret = TAKE(files, (ServiceFiles){});
        return 0;
}

/* Those that had addresses come before those that could be given the same. */
static void add_files(Manager *m, ServiceFiles *files, bool persistent, bool known) {
        for (size_t i = 0; i < files->n; i++) {
                Address addresses[IDENTITY_ADDRESSES_MAX];

                if ((known_addresses(m, files->files[i].id, addresses) > 0) == known)
                        (void) add_file(m, &files->files[i], persistent);
        }
}

/* Written by half when the daemon was killed (core/saver.h). */
static void remove_halves(const char *directory) {
        DIR *dir = opendir(directory);
        struct dirent *entry;

        if (!dir)
                return;
        while ((entry = readdir(dir))) {
                const size_t l = strlen(entry->d_name), end = strlen(SUFFIX SAVER_SUFFIX);

                if (entry->d_name[0] == '.' && l > end && strcmp(entry->d_name + l - end, SUFFIX SAVER_SUFFIX) == 0)
                        (void) unlinkat(dirfd(dir), entry->d_name, 0);
        }
        (void) closedir(dir);
}

int services_load(Manager *m) {
        _cleanup_(service_files_done) ServiceFiles persistent = {}, runtime = {};
        int r;

        m->services = calloc(1, sizeof(*m->services));
        if (!m->services)
                return -ENOMEM;
        m->services->runtime_dir = -EBADF;
        if (mkdir(RUNTIME_DIRECTORY, 0755) < 0 && errno != EEXIST)
                return log_error_errno(-errno, "Failed to make " RUNTIME_DIRECTORY ": %m");
        m->services->runtime_dir = open(RUNTIME_DIRECTORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (m->services->runtime_dir < 0)
                return log_error_errno(-errno, "Failed to open " RUNTIME_DIRECTORY ": %m");
        remove_halves(PERSISTENT_DIRECTORY);
        r = saver_new(m->event, &m->services->saver);
        if (r < 0)
                return r;
        m->directory.members_changed = on_members_changed;
        m->directory.members_userdata = m;
        /* A daemon that cannot read them is better than none. */
        if (load_files(m, PERSISTENT_DIRECTORY, &persistent) == -ENOMEM || load_files(m, RUNTIME_DIRECTORY, &runtime) == -ENOMEM)
                return -ENOMEM;
        for (int known = 1; known >= 0; known--) {
                add_files(m, &persistent, true, known);
                add_files(m, &runtime, false, known);
        }
        return 0;
}

static void remove_service(Manager *m, VirtualService *service) {
        forget_addresses(m, service->id);
        tell_removed(m, service);
        virtual_service_remove(&m->directory, service);
}

void services_done(Manager *m) {
        if (!m->services)
                return;
        m->services->saver = saver_free(m->services->saver);
        m->directory.members_changed = NULL;
        while (m->directory.services)
                virtual_service_remove(&m->directory, m->directory.services);
        safe_close(m->services->runtime_dir);
        free(m->services);
        m->services = NULL;
}

/* Makes a service another one, with all that follows. */
static int change_service(Manager *m, VirtualService *service, ServiceSettings *settings, char **ret_message) {
        _cleanup_strv_ char **old_names = NULL;
        int r = 0;

        for (char **name = service->settings.names; r >= 0 && *name; name++)
                r = strv_append(&old_names, *name);
        if (r >= 0)
                r = virtual_service_change(&m->directory, service, settings, ret_message);
        if (r < 0) {
                /* It is what it was, but with an identity that was made anew, of which nobody has been told. */
                (void) party_tags_changed(m, &service->party);
                return r;
        }
        note_addresses(m, service);
        tell_changed(m, service, old_names);
        return 0;
}

static const ServiceFile *find_file(const ServiceFiles *files, const char *path) {
        for (size_t i = 0; i < files->n; i++)
                if (files->files[i].path && strcmp(files->files[i].path, path) == 0)
                        return &files->files[i];
        return NULL;
}

static void remove_without_file(Manager *m, const ServiceFiles *files) {
        for (VirtualService *service = m->directory.services, *next; service; service = next) {
                next = service->hh.next;
                if (service->persistent && !service->busy && !find_file(files, service->path) &&
                    !strv_contains(files->wrong, service->path))
                        remove_service(m, service);
        }
}

/* Whether this file is done: it is in force, or cannot be because of an error that is in `ret_message`. */
static bool reload_file(Manager *m, ServiceFile *file, int *ret_error, char **ret_message) {
        VirtualService *service = directory_find_service(&m->directory, file->id);

        *ret_error = 0;
        if (!service || !service->persistent)
                return false;
        if (service->busy || file_equals(file, service))
                return true;
        *ret_error = change_service(m, service, &file->settings, ret_message);
        if (*ret_error >= 0)
                service->uid = service->party.identity->owner = file->uid;
        return *ret_error >= 0;
}

int services_reload(Manager *m) {
        _cleanup_(service_files_done) ServiceFiles files = {};
        _cleanup_free_ bool *done = NULL;
        unsigned n_wrong;
        bool progress;
        int r;

        r = load_files(m, PERSISTENT_DIRECTORY, &files);
        if (r < 0)
                return r;
        done = calloc(files.n + 1, sizeof(*done));
        if (!done)
                return -ENOMEM;
        n_wrong = (unsigned) files.n_wrong;
        remove_without_file(m, &files);
        /* One can take what another gives up, so again as long as that gets on. */
        do {
                progress = false;
                for (size_t i = 0; i < files.n; i++) {
                        _cleanup_free_ char *message = NULL;

                        if (done[i])
                                continue;
                        done[i] = reload_file(m, &files.files[i], &r, &message);
                        progress = progress || done[i];
                }
        } while (progress);
        for (size_t i = 0; i < files.n; i++) {
                ServiceFile *file = &files.files[i];
                VirtualService *service = directory_find_service(&m->directory, file->id);
                _cleanup_free_ char *message = NULL;

                if (done[i])
                        continue;
                if (service && service->persistent) {
                        if (reload_file(m, file, &r, &message))
                                continue;
                        log_refused(m, file, message, r);
                        n_wrong++;
                } else if (add_file(m, file, true) < 0)
                        n_wrong++;
        }
        return (int) n_wrong;
}

/*
 * What users do.
 */

bool services_have_room(Manager *m, uid_t uid, const char **ret_error, char **ret_message) {
        const unsigned n = HASH_COUNT(m->directory.services);
        int r;

        *ret_message = NULL;
        if (n >= m->config.virtual_services_max)
                r = asprintf(ret_message, "There are %u virtual services already, the most that VirtualServicesMax= allows", n);
        else if (uid != 0 && directory_count_services(&m->directory, uid) >= m->config.virtual_services_per_user_max)
                r = asprintf(ret_message, "User %u has %u virtual services already, the most that VirtualServicesPerUserMax= allows",
                             uid, m->config.virtual_services_per_user_max);
        else
                return true;
        if (r < 0)
                *ret_message = NULL;
        *ret_error = ERROR_LIMIT_REACHED;
        return false;
}

static const char *name_of_error(int r) {
        switch (r) {
        case -EEXIST:
                return ERROR_NAME_IN_USE;
        case -EADDRINUSE:
                return ERROR_ADDRESS_IN_USE;
        case -EADDRNOTAVAIL:
        case -EDQUOT:
                return ERROR_LIMIT_REACHED;
        case -ENOMEM:
                return SD_BUS_ERROR_NO_MEMORY;
        default:
                return ERROR_INVALID_VIRTUAL_SERVICE;
        }
}

/* A change that is being written to the disk. */
typedef struct Saving {
        Manager *manager;
        char *id;
        ServiceSettings old; /* of an edit */
        enum { SAVING_CREATE, SAVING_EDIT, SAVING_REMOVE } what;
        ServiceDone done;
        void *userdata;
} Saving;

static void saving_free(Saving *saving) {
        service_settings_done(&saving->old);
        free(saving->id);
        free(saving);
}

static Saving *saving_new(Manager *m, const char *id, ServiceDone done, void *userdata) {
        Saving *saving = calloc(1, sizeof(*saving));

        if (!saving)
                return NULL;
        saving->manager = m;
        saving->done = done;
        saving->userdata = userdata;
        saving->id = strdup(id);
        if (!saving->id) {
                free(saving);
                return NULL;
        }
        return saving;
}

/* Makes undone what could not be written. */
static void saving_undo(Saving *saving, VirtualService *service, int error) {
        _cleanup_free_ char *sentence = NULL, *message = NULL;
        Manager *m = saving->manager;
        int r;

        r = asprintf(&sentence, "Failed to write %s: %s", service->path, strerror(-error));
        if (saving->what == SAVING_CREATE) {
                forget_addresses(m, service->id);
                virtual_service_remove(&m->directory, service);
        } else if (saving->what == SAVING_EDIT) {
                error = change_service(m, service, &saving->old, &message);
                if (error < 0)
                        (void) log_warning_errno(error, "Virtual service %s: failed to undo a change that could not be written: %m",
                                                 service->id);
        }
        saving->done(NULL, ERROR_WRITE_FAILED, r < 0 ? "Out of memory" : sentence, saving->userdata);
}

/* The service is there all the time: while it is busy nothing else is done to it. */
static void saving_finish(int error, void *userdata) {
        Saving *saving = userdata;
        Manager *m = saving->manager;
        VirtualService *service = directory_find_service(&m->directory, saving->id);

        service->busy = false;
        if (error < 0)
                saving_undo(saving, service, error);
        else if (saving->what == SAVING_REMOVE) {
                remove_service(m, service);
                saving->done(NULL, NULL, NULL, saving->userdata);
        } else {
                if (saving->what == SAVING_CREATE)
                        tell_new(m, service);
                saving->done(service, NULL, NULL, saving->userdata);
        }
        saving_free(saving);
}

/* Writes or removes the file, and goes on in saving_finish() at once or later. */
static void saving_begin(Saving *saving, VirtualService *service) {
        _cleanup_free_ char *text = NULL, *name = NULL;
        Manager *m = saving->manager;
        const bool removal = saving->what == SAVING_REMOVE;
        int r = -ENOMEM;

        service->busy = true;
        if (!removal)
                text = service_file_print(&service->settings, service->uid);
        if ((text || removal) && asprintf(&name, "%s" SUFFIX, service->id) >= 0) {
                if (service->persistent) {
                        r = saver_save(m->services->saver, PERSISTENT_DIRECTORY, name, text, saving_finish, saving);
                        if (r >= 0)
                                return;
                } else if (removal)
                        r = unlinkat(m->services->runtime_dir, name, 0) < 0 && errno != ENOENT ? -errno : 0;
                else
                        r = write_file_atomic(m->services->runtime_dir, name, text, 0644);
        }
        saving_finish(r, saving);
}

void services_create(Manager *m, const char *id, ServiceSettings *settings, uid_t uid, bool persistent, ServiceDone done,
                     void *userdata) {
        _cleanup_free_ char *message = NULL, *path = NULL;
        VirtualService *service;
        const char *error = NULL;
        Saving *saving;
        int r;

        if (directory_find_service(&m->directory, id)) {
                r = asprintf(&message, "There is a virtual service '%s' already", id);
                done(NULL, ERROR_VIRTUAL_SERVICE_EXISTS, r < 0 ? "Out of memory" : message, userdata);
                return;
        }
        if (!services_have_room(m, uid, &error, &message)) {
                done(NULL, error, message ?: "Out of memory", userdata);
                return;
        }
        saving = saving_new(m, id, done, userdata);
        r = saving ? make_path(id, persistent, &path) : -ENOMEM;
        if (r >= 0)
                r = virtual_service_add(&m->directory, &(ServiceClaim){ .id = id, .uid = uid, .persistent = persistent },
                                        settings, &service, &message);
        if (r < 0) {
                if (saving)
                        saving_free(saving);
                done(NULL, name_of_error(r), message ?: strerror(-r), userdata);
                return;
        }
        service->path = TAKE_PTR(path);
        note_addresses(m, service);
        saving->what = SAVING_CREATE;
        saving_begin(saving, service);
}

static bool is_busy(const VirtualService *service, ServiceDone done, void *userdata) {
        if (!service->busy)
                return false;
        done(NULL, ERROR_BUSY, "The virtual service is being written to the disk; try again", userdata);
        return true;
}

void services_edit(Manager *m, VirtualService *service, ServiceSettings *settings, ServiceDone done, void *userdata) {
        _cleanup_free_ char *message = NULL;
        Saving *saving;
        int r;

        if (is_busy(service, done, userdata))
                return;
        saving = saving_new(m, service->id, done, userdata);
        r = saving ? service_settings_copy(&service->settings, &saving->old) : -ENOMEM;
        if (r >= 0)
                r = change_service(m, service, settings, &message);
        if (r < 0) {
                if (saving)
                        saving_free(saving);
                done(NULL, name_of_error(r), message ?: strerror(-r), userdata);
                return;
        }
        saving->what = SAVING_EDIT;
        saving_begin(saving, service);
}

void services_remove(Manager *m, VirtualService *service, ServiceDone done, void *userdata) {
        Saving *saving;

        if (is_busy(service, done, userdata))
                return;
        saving = saving_new(m, service->id, done, userdata);
        if (!saving) {
                done(NULL, SD_BUS_ERROR_NO_MEMORY, "Out of memory", userdata);
                return;
        }
        saving->what = SAVING_REMOVE;
        saving_begin(saving, service);
}

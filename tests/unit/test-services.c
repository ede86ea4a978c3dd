/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Proves what a file of a virtual service may say, that what is wrong is told with file and line, and that a file is
 * written as it is read; and that what has to be on the disk is there before it is said to be.
 */

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fd.h"
#include "basic/text.h"
#include "core/saver.h"
#include "core/services.h"
#include "unit.h"

static char directory[64], path[128];

static void setup(void) {
        (void) snprintf(directory, sizeof(directory), "/tmp/test-services-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(directory));
        (void) snprintf(path, sizeof(path), "%s/shop.conf", directory);
}

static void teardown(void) {
        struct dirent *entry;
        DIR *dir = opendir(directory);

        while ((entry = readdir(dir)))
                if (entry->d_type == DT_REG)
                        (void) unlinkat(dirfd(dir), entry->d_name, 0);
        (void) closedir(dir);
        (void) rmdir(directory);
}

static void put(const char *file, const char *text) {
        FILE *f = fopen(file, "we");

        ck_assert_ptr_nonnull(f);
        (void) fputs(text, f);
        ck_assert_int_eq(fclose(f), 0);
}

/* What is read is what is written again. */
static void assert_file(const char *text, const char *again) {
        _cleanup_(service_file_done) ServiceFile file = {};
        _cleanup_free_ char *message = NULL, *written = NULL;

        put(path, text);
        ck_assert_msg(service_file_load(path, "zone=default", &file, &message) == 0, "%s", message);
        ck_assert_str_eq(file.id, "shop");
        ck_assert_str_eq(file.path, path);
        written = service_file_print(&file.settings, file.uid);
        ck_assert_str_eq(written, again);
}

/* The sentence begins with the file, and goes on with this. */
static void assert_refused(const char *text, const char *rest) {
        _cleanup_(service_file_done) ServiceFile file = {};
        _cleanup_free_ char *message = NULL;

        put(path, text);
        ck_assert_int_eq(service_file_load(path, "zone=default", &file, &message), -EBADMSG);
        ck_assert_ptr_nonnull(message);
        ck_assert_msg(strncmp(message, path, strlen(path)) == 0, "%s", message);
        ck_assert_str_eq(message + strlen(path), rest);
        ck_assert_ptr_null(file.id);
}

START_TEST(test_least) {
        assert_file("[VirtualService]\nPort=80\nBackend=app:web\n",
                    "[VirtualService]\nName=shop\nPort=80\nBackend=app:web\nStrategy=round-robin\nPreferLocal=no\nTag=zone=default\nUID=0\n");
}
END_TEST

START_TEST(test_most) {
        assert_file("# All of it\n\n[VirtualService]\n Name = Shop \nName=www\nAddress=198.18.0.9\nPort=80:8080\nPort=443/tcp\n"
                    "Backend=app:web\nBackend=tag:tier=web\nBackend=10.0.0.1:443\nBackend=host:8080\nStrategy=random\nPreferLocal=1\n"
                    "Tag=zone=a\nTag=zone=b\nUID=1000\n",
                    "[VirtualService]\nName=shop\nName=www\nAddress=198.18.0.9\nPort=80:8080\nPort=443\nBackend=app:web\n"
                    "Backend=tag:tier=web\nBackend=10.0.0.1:443\nBackend=host:8080\nStrategy=random\nPreferLocal=yes\n"
                    "Tag=zone=a\nTag=zone=b\nUID=1000\n");
}
END_TEST

/* As in unit files: an empty value takes back what was said. */
START_TEST(test_empty_value) {
        assert_file("[VirtualService]\nPort=80\nPort=\nPort=81\nBackend=app:a\nBackend=\nBackend=app:b\nName=x\nName=\nStrategy=random\nStrategy=\n",
                    "[VirtualService]\nName=shop\nPort=81\nBackend=app:b\nStrategy=round-robin\nPreferLocal=no\nTag=zone=default\nUID=0\n");
}
END_TEST

START_TEST(test_refused) {
        assert_refused("", ": No port was given");
        assert_refused("[VirtualService]\nPort=80\n", ": No backend was given");
        assert_refused("Port=80\n", ":1: 'Port=' stands before the section [VirtualService]");
        assert_refused("[Service]\n", ":1: unknown section '[Service]'; allowed is [VirtualService]");
        assert_refused("[VirtualService]\n\nnonsense\n", ":3: 'nonsense' is neither an assignment, KEY=VALUE, nor a section");
        assert_refused("[VirtualService\n", ":1: '[VirtualService' is neither an assignment, KEY=VALUE, nor a section");
        assert_refused("[VirtualService]\nPorts=80\n",
                       ":2: unknown key 'Ports'; allowed are Name, Address, Port, Backend, Strategy, PreferLocal, Tag and UID");
        assert_refused("[VirtualService]\nPort=80\nPort=80:81\n", ":3: Port 80 is mapped to 80 already, and cannot be to 81, too");
        assert_refused("[VirtualService]\nPort=0\n",
                       ":2: Invalid port '0': it must be PORT or PORT:BACKENDPORT, each of 1 to 65535, and may end in /tcp");
        assert_refused("[VirtualService]\nUID=root\n", ":2: UID= does not take 'root'; allowed is the number of a user");
        assert_refused("[VirtualService]\nUID=4294967295\n", ":2: UID= does not take '4294967295'; allowed is the number of a user");
        assert_refused("[VirtualService]\nPort=80\nPort=81\nBackend=10.0.0.1:82\n",
                       ": Backend 10.0.0.1:82 would serve none of the ports: with several of them, one must be mapped to 82");
}
END_TEST

START_TEST(test_names_of_files) {
        static const char *const bad[] = { "Shop", "a.b", "-a", "a_b", "ü" };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_(service_file_done) ServiceFile file = {};
                _cleanup_free_ char *message = NULL;
                char other[128];

                (void) snprintf(other, sizeof(other), "%s/%s.conf", directory, bad[i]);
                put(other, "[VirtualService]\nPort=80\nBackend=app:web\n");
                ck_assert_int_eq(service_file_load(other, "zone=default", &file, &message), -EBADMSG);
                ck_assert_msg(strstr(message, "the name of the file is the id of the service, and that "), "%s", message);
        }
}
END_TEST

START_TEST(test_unreadable) {
        _cleanup_(service_file_done) ServiceFile file = {};
        _cleanup_free_ char *message = NULL;

        ck_assert_int_eq(service_file_load(path, "zone=default", &file, &message), -ENOENT);
        ck_assert_int_eq(mkfifo(path, 0600), 0);
        ck_assert_int_eq(service_file_load(path, "zone=default", &file, &message), -EINVAL);
        ck_assert_int_eq(unlink(path), 0);
        ck_assert_ptr_null(message);
        ck_assert_int_eq(mkdir(path, 0700), 0);
        ck_assert_int_eq(service_file_load(path, "zone=default", &file, &message), -EISDIR);
        ck_assert_int_eq(rmdir(path), 0);
}
END_TEST

/*
 * The saver.
 */

typedef struct Saved {
        sd_event *event;
        int results[4];
        unsigned n, wanted;
} Saved;

static void on_saved(int error, void *userdata) {
        Saved *saved = userdata;

        saved->results[saved->n++] = error;
        if (saved->n == saved->wanted)
                (void) sd_event_exit(saved->event, 0);
}

static void assert_content(const char *file, const char *text) {
        char content[64] = "";

        ck_assert_int_ge(read_file(AT_FDCWD, file, content, sizeof(content)), 0);
        ck_assert_str_eq(content, text);
}

START_TEST(test_saver) {
        Saved saved = { .wanted = 4 };
        Saver *saver;
        struct stat st;

        (void) umask(0077);
        ck_assert_int_ge(sd_event_new(&saved.event), 0);
        ck_assert_int_eq(saver_new(saved.event, &saver), 0);
        put(path, "old and longer");
        ck_assert_int_eq(saver_save(saver, directory, "shop.conf", "one", on_saved, &saved), 0);
        ck_assert_int_eq(saver_save(saver, "/nowhere", "shop.conf", "two", on_saved, &saved), 0);
        ck_assert_int_eq(saver_save(saver, directory, "shop.conf", "three", on_saved, &saved), 0);
        ck_assert_int_eq(saver_save(saver, directory, "gone.conf", NULL, on_saved, &saved), 0);
        ck_assert_uint_eq(saved.n, 0);
        ck_assert_int_eq(sd_event_loop(saved.event), 0);
        ck_assert_int_eq(saved.results[0], 0);
        ck_assert_int_eq(saved.results[1], -ENOENT);
        ck_assert_int_eq(saved.results[2], 0);
        ck_assert_int_eq(saved.results[3], 0);
        assert_content(path, "three");
        ck_assert_int_eq(stat(path, &st), 0);
        ck_assert_uint_eq(st.st_mode & 07777, 0644);
        saver_free(saver);
        sd_event_unref(saved.event);
}
END_TEST

START_TEST(test_saver_removes) {
        Saved saved = { .wanted = 1 };
        Saver *saver;

        put(path, "old");
        ck_assert_int_ge(sd_event_new(&saved.event), 0);
        ck_assert_int_eq(saver_new(saved.event, &saver), 0);
        ck_assert_int_eq(saver_save(saver, directory, "shop.conf", NULL, on_saved, &saved), 0);
        ck_assert_int_eq(sd_event_loop(saved.event), 0);
        ck_assert_int_eq(saved.results[0], 0);
        ck_assert_int_ne(access(path, F_OK), 0);
        saver_free(saver);
        sd_event_unref(saved.event);
}
END_TEST

/* At its end: what is begun is finished, the rest is told not to be done; nobody is forgotten. */
START_TEST(test_saver_end) {
        Saved saved = { .wanted = 9 };
        Saver *saver;

        ck_assert_int_ge(sd_event_new(&saved.event), 0);
        ck_assert_int_eq(saver_new(saved.event, &saver), 0);
        ck_assert_int_eq(saver_save(saver, directory, "shop.conf", "one", on_saved, &saved), 0);
        ck_assert_int_eq(saver_save(saver, directory, "shop.conf", "two", on_saved, &saved), 0);
        saver_free(saver);
        ck_assert_uint_eq(saved.n, 2);
        ck_assert_int_eq(saved.results[0], 0);
        ck_assert_int_eq(saved.results[1], -ECANCELED);
        assert_content(path, "one");
        sd_event_unref(saved.event);
}
END_TEST

int main(void) {
        return UNIT_RUN("services", setup, teardown, test_least, test_most, test_empty_value, test_refused, test_names_of_files,
                        test_unreadable, test_saver, test_saver_removes, test_saver_end);
}

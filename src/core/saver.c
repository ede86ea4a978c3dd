/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>

#include "basic/fd.h"
#include "core/saver.h"

typedef struct Job {
        char *directory, *name, *text;
        SaverDone done;
        void *userdata;
        int result;
        struct Job *next;
} Job;

/* The thread has the first job while `running`; the loop has all others, and that one when it is told by `fd`. */
struct Saver {
        int fd;
        sd_event_source *source;
        pthread_t thread;
        bool running;
        Job *jobs;
};

static void job_free(Job *job) {
        free(job->directory);
        free(job->name);
        free(job->text);
        free(job);
}

static int job_write(int dir, const Job *job) {
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *tmp = NULL;
        const char *p = job->text;
        size_t left = strlen(p);
        int r = 0;

        /* Hidden, and not ending in .conf: nobody takes it for a file that is meant. */
        if (asprintf(&tmp, ".%s" SAVER_SUFFIX, job->name) < 0)
                return -ENOMEM;
        fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (fd < 0)
                return -errno;
        while (r >= 0 && left > 0) {
                ssize_t n = write(fd, p, left);

                if (n < 0) {
                        r = -errno;
                        break;
                }
                p += n;
                left -= (size_t) n;
        }
        /* UMask= is for what is nobody's business. */
        if (r >= 0 && (fchmod(fd, 0644) < 0 || fsync(fd) < 0 || renameat(dir, tmp, dir, job->name) < 0))
                r = -errno;
        if (r < 0)
                (void) unlinkat(dir, tmp, 0);
        return r;
}

static int job_run(const Job *job) {
        _cleanup_close_ int dir = -EBADF;
        int r = 0;

        dir = open(job->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0)
                return errno == ENOENT && !job->text ? 0 : -errno;
        if (job->text)
                r = job_write(dir, job);
        else if (unlinkat(dir, job->name, 0) < 0 && errno != ENOENT)
                r = -errno;
        /* It is there, or gone, by now; only a crash of the machine could still undo it. */
        if (r >= 0)
                (void) fsync(dir);
        return r;
}

static void *saver_main(void *userdata) {
        Saver *saver = userdata;

        saver->jobs->result = job_run(saver->jobs);
        (void) eventfd_write(saver->fd, 1);
        return NULL;
}

static void saver_end_job(Saver *saver) {
        Job *job = saver->jobs;

        LL_DELETE(saver->jobs, job);
        job->done(job->result, job->userdata);
        job_free(job);
}

static int saver_begin_job(Saver *saver) {
        int r = -pthread_create(&saver->thread, NULL, saver_main, saver);

        saver->running = r >= 0;
        return r;
}

static int saver_on_io(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Saver *saver = userdata;
        eventfd_t n;

        if (eventfd_read(fd, &n) < 0)
                return 0;
        (void) pthread_join(saver->thread, NULL);
        saver->running = false;
        saver_end_job(saver);
        while (saver->jobs && !saver->running) {
                int r = saver_begin_job(saver);

                if (r >= 0)
                        break;
                saver->jobs->result = r;
                saver_end_job(saver);
        }
        return 0;
}

int saver_new(sd_event *event, Saver **ret) {
        Saver *saver;
        int r;

        saver = calloc(1, sizeof(*saver));
        if (!saver)
                return -ENOMEM;
        saver->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        r = saver->fd < 0 ? -errno : sd_event_add_io(event, &saver->source, saver->fd, EPOLLIN, saver_on_io, saver);
        if (r < 0) {
                saver_free(saver);
                return r;
        }
        *ret = saver;
        return 0;
}

Saver *saver_free(Saver *saver) {
        if (!saver)
                return NULL;
        if (saver->running) {
                (void) pthread_join(saver->thread, NULL);
                saver_end_job(saver);
        }
        while (saver->jobs) {
                saver->jobs->result = -ECANCELED;
                saver_end_job(saver);
        }
        sd_event_source_disable_unref(saver->source);
        safe_close(saver->fd);
        free(saver);
        return NULL;
}

int saver_save(Saver *saver, const char *directory, const char *name, const char *text, SaverDone done, void *userdata) {
        Job *job = calloc(1, sizeof(*job));
        int r;

        if (!job)
                return -ENOMEM;
        job->directory = strdup(directory);
        job->name = strdup(name);
        job->text = text ? strdup(text) : NULL;
        job->done = done;
        job->userdata = userdata;
        if (!job->directory || !job->name || (text && !job->text)) {
                job_free(job);
                return -ENOMEM;
        }
        LL_APPEND(saver->jobs, job);
        r = saver->running ? 0 : saver_begin_job(saver);
        if (r < 0) {
                LL_DELETE(saver->jobs, job);
                job_free(job);
        }
        return r;
}

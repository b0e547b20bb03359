/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/ctl/terminal.h"

static enum kgr_error fail_io(const char *name)
{
    (void)kgr_ctl_fail_text(KGR_ERR_IO, name, strerror(errno));
    return KGR_ERR_IO;
}

/* Reads until the end or until cap bytes; -1: failed. */
static ssize_t read_up_to(int fd, uint8_t *out, size_t cap)
{
    size_t len = 0;

    while (len < cap) {
        ssize_t n = read(fd, out + len, cap - len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        len += (size_t)n;
    }
    return (ssize_t)len;
}

enum kgr_error kgr_ctl_read_all(const char *name, uint8_t *out, size_t cap, size_t *out_len)
{
    const char *what = name == NULL ? "standard input" : name;
    int fd = name == NULL ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
    enum kgr_error err = KGR_OK;
    ssize_t len = -1;
    ssize_t more = 0;
    uint8_t extra;

    if (fd < 0)
        return fail_io(what);
    len = read_up_to(fd, out, cap);
    if (len == (ssize_t)cap)
        more = read_up_to(fd, &extra, 1);
    if (len < 0 || more < 0) {
        err = fail_io(what);
    } else if (more > 0) {
        char text[64];

        (void)snprintf(text, sizeof(text), "longer than %zu bytes", cap);
        (void)kgr_ctl_fail_text(KGR_ERR_TOO_LARGE, what, text);
        err = KGR_ERR_TOO_LARGE;
    } else {
        *out_len = (size_t)len;
    }
    if (name != NULL)
        (void)close(fd);
    return err;
}

/* The temporary file, while there is one, for whoever ends this process by a signal. */
static char *volatile unfinished;

static void remove_unfinished(int number)
{
    char *path = unfinished;

    if (path != NULL)
        (void)unlink(path);
    /* SA_RESETHAND: the default action follows. */
    (void)raise(number);
}

/* Signals that are ignored, as under nohup, stay so. */
static void guard_unfinished(char *path)
{
    static const int numbers[] = {SIGHUP, SIGINT, SIGTERM};

    unfinished = path;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        struct sigaction action;

        if (sigaction(numbers[i], NULL, &action) != 0 || action.sa_handler == SIG_IGN)
            continue;
        action = (struct sigaction){.sa_handler = remove_unfinished, .sa_flags = (int)SA_RESETHAND};
        (void)sigaction(numbers[i], &action, NULL);
    }
}

enum kgr_error kgr_ctl_output_open(struct kgr_ctl_output *out, const char *name)
{
    struct stat st;

    out->name = name;
    out->temporary = NULL;
    out->fd = STDOUT_FILENO;
    if (name == NULL)
        return KGR_OK;
    /* A pipe or a device is not replaced but written to. */
    if (stat(name, &st) == 0 && !S_ISREG(st.st_mode)) {
        out->fd = open(name, O_WRONLY | O_CLOEXEC);
        return out->fd < 0 ? fail_io(name) : KGR_OK;
    }
    if (asprintf(&out->temporary, "%s.XXXXXX", name) < 0) {
        out->temporary = NULL;
        out->fd = -1;
        (void)kgr_ctl_fail_text(KGR_ERR_NO_MEMORY, name, "");
        return KGR_ERR_NO_MEMORY;
    }
    out->fd = mkostemp(out->temporary, O_CLOEXEC);
    if (out->fd < 0) {
        enum kgr_error err = fail_io(name);

        free(out->temporary);
        out->temporary = NULL;
        return err;
    }
    guard_unfinished(out->temporary);
    return KGR_OK;
}

enum kgr_error kgr_ctl_output_commit(struct kgr_ctl_output *output, const uint8_t *bytes,
                                     size_t len)
{
    const char *what = output->name == NULL ? "standard output" : output->name;
    size_t done = 0;

    while (done < len) {
        ssize_t n = write(output->fd, bytes + done, len - done);

        if (n < 0 && errno == EINTR)
            continue;
        /* A reader of the standard output that left is told nothing. */
        if (n < 0 && errno == EPIPE && output->name == NULL)
            return KGR_ERR_IO;
        if (n < 0)
            return fail_io(what);
        done += (size_t)n;
    }
    if (output->temporary == NULL)
        return KGR_OK;
    if (fsync(output->fd) != 0 || rename(output->temporary, output->name) != 0)
        return fail_io(what);
    unfinished = NULL;
    free(output->temporary);
    output->temporary = NULL;
    return KGR_OK;
}

void kgr_ctl_output_close(struct kgr_ctl_output *output)
{
    if (output->temporary != NULL)
        (void)unlink(output->temporary);
    unfinished = NULL;
    free(output->temporary);
    output->temporary = NULL;
    if (output->name != NULL && output->fd >= 0)
        (void)close(output->fd);
    output->fd = -1;
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/ctl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/ctl/candidates.h"
#include "agent/ctl/file.h"
#include "agent/ctl/progress.h"
#include "agent/ctl/terminal.h"

#define BUSY_WAIT_MS 20

/* Sends one message. A connection that takes no more for now is tried again, until the time-out. */
static enum kgr_error send_one(const struct kgr_ctl *ctl, const uint8_t *data, size_t len)
{
    static const struct timespec pause = {0, BUSY_WAIT_MS * 1000000};
    int tries = ctl->options->timeout_s * 1000 / BUSY_WAIT_MS;
    enum kgr_error err;

    while ((err = kgr_send(ctl->client, ctl->options->operands[0], data, len)) == KGR_ERR_BUSY &&
           tries-- > 0)
        (void)nanosleep(&pause, NULL);
    return err;
}

static int send_file(const struct kgr_ctl *ctl, const char *file)
{
    uint8_t *data = malloc(KGR_MESSAGE_MAX);
    size_t len = 0;
    enum kgr_error err;
    int code;

    if (data == NULL)
        return kgr_ctl_fail_text(KGR_ERR_NO_MEMORY, ctl->options->operands[0], "");
    err = kgr_ctl_read_all(file, data, KGR_MESSAGE_MAX, &len);
    code = kgr_exit_code(err);
    if (err == KGR_OK) {
        err = send_one(ctl, data, len);
        code = err == KGR_OK ? 0 : kgr_ctl_fail_peer(ctl, err, ctl->options->operands[0]);
    }
    explicit_bzero(data, KGR_MESSAGE_MAX);
    free(data);
    return code;
}

/* Each line a message, without its line feed; the first that fails ends it. */
static int send_lines(const struct kgr_ctl *ctl, FILE *in, const char *name)
{
    const char *peer = ctl->options->operands[0];
    struct kgr_ctl_progress progress = {.running = false};
    enum kgr_error err = KGR_OK;
    uint64_t line = 0;
    char *text = NULL;
    char what[128];
    size_t cap = 0;
    ssize_t len;

    /* Somebody who types is not disturbed. */
    if (isatty(fileno(in)) == 0)
        kgr_ctl_progress_begin(&progress, peer);
    while (err == KGR_OK && (errno = 0, len = getline(&text, &cap, in)) >= 0) {
        line++;
        if (len > 0 && text[len - 1] == '\n')
            len--;
        err = send_one(ctl, (const uint8_t *)text, (size_t)len);
    }
    kgr_ctl_progress_end(&progress);
    if (text != NULL)
        explicit_bzero(text, cap);
    free(text);
    if (err != KGR_OK) {
        (void)snprintf(what, sizeof(what), "%s: line %" PRIu64, peer, line);
        return kgr_ctl_fail(err, what);
    }
    return ferror(in) != 0 ? kgr_ctl_fail_text(KGR_ERR_IO, name, strerror(errno)) : 0;
}

int kgr_ctl_send(const struct kgr_ctl *ctl)
{
    const char *file = ctl->options->num_operands > 1 ? ctl->options->operands[1] : "-";
    bool is_stdin = strcmp(file, "-") == 0;
    FILE *in;
    int code;

    if (!ctl->options->lines)
        return send_file(ctl, is_stdin ? NULL : file);
    if (is_stdin)
        return send_lines(ctl, stdin, "standard input");
    in = fopen(file, "re");
    if (in == NULL)
        return kgr_ctl_fail_text(KGR_ERR_IO, file, strerror(errno));
    code = send_lines(ctl, in, file);
    (void)fclose(in);
    return code;
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/ctl.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/ctl/candidates.h"
#include "agent/ctl/base64.h"
#include "agent/ctl/json.h"
#include "agent/ctl/progress.h"
#include "agent/ctl/terminal.h"

/* A message can be fetched once: it stays with the agent when nobody is there to read it. */
static bool reader_left(void)
{
    struct pollfd p = {.fd = STDOUT_FILENO, .events = 0};

    return (fcntl(STDOUT_FILENO, F_GETFL) & O_ACCMODE) == O_RDONLY ||
           (poll(&p, 1, 0) > 0 && (p.revents & (POLLERR | POLLNVAL)) != 0);
}

/* The text if it is UTF-8, base64 otherwise. */
static json_t *json_data(const uint8_t *data, size_t len, const char **out_encoding)
{
    json_t *value = json_stringn((const char *)data, len);
    char *text;

    *out_encoding = "utf-8";
    if (value != NULL)
        return value;
    *out_encoding = "base64";
    text = malloc(kgr_ctl_base64_len(len) + 1);
    if (text == NULL)
        return NULL;
    value = json_string(kgr_ctl_base64(text, data, len));
    explicit_bzero(text, kgr_ctl_base64_len(len));
    free(text);
    return value;
}

static int print(const struct kgr_ctl *ctl, const struct kgr_message *info, const uint8_t *data,
                 size_t len)
{
    const char *encoding;
    json_t *value;

    if (ctl->options->json) {
        value = json_data(data, len, &encoding);
        return kgr_json_print_line(
            json_pack("{s:i, s:s, s:I, s:I, s:I, s:s, s:o}", "version", KGR_CTL_JSON_VERSION,
                      "peer", info->peer, "generation", (json_int_t)info->generation, "sequence",
                      (json_int_t)info->sequence, "waiting", (json_int_t)info->waiting, "encoding",
                      encoding, "data", value));
    }
    (void)fwrite(data, 1, len, stdout);
    if (ctl->options->lines)
        (void)putchar('\n');
    return kgr_ctl_flush();
}

static int receive(const struct kgr_ctl *ctl, const char *peer, uint8_t *data)
{
    const struct kgr_ctl_options *options = ctl->options;
    uint64_t left = options->has_count ? options->count : 1;
    bool endless = left == 0;
    struct kgr_ctl_progress progress;
    struct kgr_message info;
    size_t len = 0;
    int code = 0;

    while (code == 0 && (endless || left > 0)) {
        enum kgr_error err;

        if (reader_left())
            return kgr_exit_code(KGR_ERR_IO);
        kgr_ctl_progress_begin(&progress, peer == NULL ? "a message" : peer);
        err = kgr_recv(ctl->client, peer, options->timeout_s * 1000, &info, data, KGR_MESSAGE_MAX,
                       &len);
        kgr_ctl_progress_end(&progress);
        if (err == KGR_ERR_TIMEOUT && endless && !options->has_timeout)
            continue;
        if (err != KGR_OK)
            return peer == NULL ? kgr_ctl_fail(err, "recv") : kgr_ctl_fail_peer(ctl, err, peer);
        code = print(ctl, &info, data, len);
        left -= left > 0 ? 1 : 0;
    }
    return code;
}

int kgr_ctl_recv(const struct kgr_ctl *ctl)
{
    const char *peer = ctl->options->num_operands > 0 ? ctl->options->operands[0] : NULL;
    uint8_t *data;
    int code;

    if ((int)ctl->options->json + (int)ctl->options->lines + (int)ctl->options->raw > 1)
        return kgr_ctl_fail_text(KGR_ERR_INVALID, "recv", "one of --json, --lines and --raw");
    data = malloc(KGR_MESSAGE_MAX);
    if (data == NULL)
        return kgr_ctl_fail_text(KGR_ERR_NO_MEMORY, "recv", "");
    code = receive(ctl, peer, data);
    explicit_bzero(data, KGR_MESSAGE_MAX);
    free(data);
    return code;
}

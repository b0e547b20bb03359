/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/ctl.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "agent/ctl/json.h"
#include "agent/ctl/terminal.h"

static int print(const struct kgr_ctl *ctl, const struct kgr_event *e)
{
    struct tm tm;
    time_t t = (time_t)e->unix_s;
    char when[32] = "-";

    if (gmtime_r(&t, &tm) != NULL)
        (void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
    if (ctl->options->json)
        return kgr_json_print_line(json_pack(
            "{s:i, s:s, s:s, s:o, s:I, s:I, s:o, s:o}", "version", KGR_CTL_JSON_VERSION, "time",
            when, "event", kgr_event_name(e->type), "peer", kgr_json_text(e->peer), "generation",
            (json_int_t)e->generation, "count", (json_int_t)e->count, "error",
            e->error == KGR_OK ? json_null() : json_string(kgr_strerror(e->error)), "text",
            kgr_json_text(e->text)));
    (void)printf("%s %s", when, kgr_event_name(e->type));
    if (e->peer[0] != '\0')
        (void)printf(" %s", e->peer);
    if (e->generation != 0)
        (void)printf(" generation %" PRIu64, e->generation);
    if (e->count != 0)
        (void)printf(" count %" PRIu64, e->count);
    if (e->text[0] != '\0')
        (void)printf(": %s", e->text);
    (void)putchar('\n');
    return kgr_ctl_flush();
}

/* Waits for an event, for the time to be over, or for the reader of stdout to leave; false: he left. */
static bool wait_event(const struct kgr_events *events, int timeout_ms)
{
    struct pollfd fds[2] = {
        {.fd = kgr_events_fd(events), .events = POLLIN},
        {.fd = STDOUT_FILENO, .events = 0},
    };
    int n;

    do
        n = poll(fds, 2, timeout_ms);
    while (n < 0 && errno == EINTR);
    return (fds[1].revents & (POLLERR | POLLNVAL)) == 0;
}

static int show(const struct kgr_ctl *ctl, struct kgr_events *events)
{
    const struct kgr_ctl_options *options = ctl->options;
    int timeout_ms = options->has_timeout ? options->timeout_s * 1000 : -1;
    struct kgr_event event;
    int code = 0;

    for (uint64_t n = 0; code == 0 && (options->count == 0 || n < options->count); n++) {
        enum kgr_error err;

        if (!wait_event(events, timeout_ms))
            return kgr_exit_code(KGR_ERR_IO);
        err = kgr_events_next(events, &event, 0);
        if (err != KGR_OK)
            return kgr_ctl_fail(err, "events");
        code = print(ctl, &event);
    }
    return code;
}

int kgr_ctl_events(const struct kgr_ctl *ctl)
{
    struct kgr_events *events = NULL;
    enum kgr_error err = kgr_events_open(ctl->client, &events, ctl->options->peer);
    int code;

    if (err != KGR_OK)
        return kgr_ctl_fail(err, "events");
    code = show(ctl, events);
    kgr_events_close(events);
    return code;
}

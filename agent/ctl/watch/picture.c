/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/table.h"
#include "agent/ctl/terminal.h"
#include "agent/ctl/watch/model.h"

#define ALARMS_MAX 3

/* Lines of a screen, filled from the top. */
struct canvas {
    struct kgr_watch_line *lines;
    size_t width, height;
    size_t num;
    bool failed;
};

static void add(struct canvas *canvas, enum kgr_watch_style style, const char *text)
{
    struct kgr_watch_line *line;

    if (canvas->num == canvas->height)
        return;
    line = &canvas->lines[canvas->num++];
    line->text = strndup(text, canvas->width);
    line->style = style;
    canvas->failed = canvas->failed || line->text == NULL;
}

static void __attribute__((format(printf, 3, 4)))
add_format(struct canvas *canvas, enum kgr_watch_style style, const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    add(canvas, style, text);
}

static double rate(uint64_t now, uint64_t before, uint64_t ms)
{
    return ms == 0 || now < before ? 0 : (double)(now - before) * 1000 / (double)ms;
}

static void add_head(struct canvas *canvas, const struct kgr_watch *watch, const char *clock)
{
    const struct kgr_status *s = &watch->status;
    char left[160], right[64];
    size_t used;

    (void)snprintf(left, sizeof(left), "kgrctl watch  %s",
                   !watch->seen         ? "waiting for the agent"
                   : s->node[0] == '\0' ? "not enrolled"
                                        : s->node);
    (void)snprintf(right, sizeof(right), "agent %s  %s", watch->seen ? s->version : "-", clock);
    used = strlen(left) + strlen(right) + 2;
    if (used > canvas->width)
        add(canvas, KGR_WATCH_BAR, left);
    else
        add_format(canvas, KGR_WATCH_BAR, "%s%*s%s", left, (int)(canvas->width - used + 2), "",
                   right);
}

static void add_summary(struct canvas *canvas, const struct kgr_watch *watch)
{
    const struct kgr_status *s = &watch->status;
    char age[KGR_CTL_DURATION_MAX], lease[KGR_CTL_DURATION_MAX];
    uint64_t ms = watch->at_ms - watch->before_ms, refused = 0;
    bool well = s->broker_connected && s->lease_s != 0;

    for (size_t i = 0; i < KGR_REFUSAL_COUNT; i++)
        refused += s->messages_refused[i];
    add_format(canvas, well ? KGR_WATCH_PLAIN : KGR_WATCH_WARN,
               "broker   %s %s   KS %s ago   lease %s", s->broker[0] == '\0' ? "-" : s->broker,
               s->broker_connected ? "connected" : "away",
               kgr_ctl_duration(age, s->ks_answer_age_s), kgr_ctl_duration(lease, s->lease_s));
    add_format(canvas, KGR_WATCH_PLAIN, "TPM      %s", s->tpm);
    if (watch->tpm.known)
        add_format(
            canvas, KGR_WATCH_PLAIN, "         %.0f commands/s, %.0f %% busy, %" PRIu64 " waiting",
            rate(watch->tpm.commands, watch->tpm_before.commands, ms),
            ms == 0 ? 0 : (watch->tpm.busy_s - watch->tpm_before.busy_s) * 100000 / (double)ms,
            watch->tpm.queue);
    add_format(canvas, KGR_WATCH_PLAIN,
               "messages %.0f/s sent, %.0f/s accepted, %" PRIu32 " waiting, %" PRIu64 " refused",
               rate(s->messages_sent, watch->sent_before, ms),
               rate(s->messages_accepted, watch->accepted_before, ms), s->messages_waiting,
               refused);
}

static void add_alarms(struct canvas *canvas, const struct kgr_watch *watch)
{
    const char *alarm = watch->status.alarms;
    size_t num = 0, more = 0;

    if (watch->trouble[0] != '\0')
        add_format(canvas, KGR_WATCH_BAD, "! %s", watch->trouble);
    for (; *alarm != '\0'; alarm += strspn(alarm, "\n")) {
        size_t len = strcspn(alarm, "\n");

        if (num++ < ALARMS_MAX)
            add_format(canvas, KGR_WATCH_BAD, "! %.*s", (int)len, alarm);
        else
            more++;
        alarm += len;
    }
    if (more > 0)
        add_format(canvas, KGR_WATCH_BAD, "! and %zu more: kgrctl status", more);
}

static enum kgr_watch_style state_style(enum kgr_pair_state state)
{
    switch (state) {
    case KGR_STATE_READY:
        return KGR_WATCH_GOOD;
    case KGR_STATE_REVOKED:
    case KGR_STATE_FAILED:
        return KGR_WATCH_BAD;
    case KGR_STATE_REQUESTING:
    case KGR_STATE_WAITING:
    case KGR_STATE_RENEWING:
        return KGR_WATCH_WARN;
    case KGR_STATE_IDLE:
    default:
        return KGR_WATCH_PLAIN;
    }
}

static void fill_table(struct kgr_table *table, const struct kgr_watch *watch)
{
    for (size_t i = 0; i < watch->num_shown; i++) {
        const struct kgr_peer *p = &watch->peers[i];
        char generation[24], age[KGR_CTL_DURATION_MAX], expires[KGR_CTL_DURATION_MAX];
        const char *const cells[] = {
            p->peer,
            kgr_state_name(p->state),
            generation,
            kgr_ctl_duration(age, p->age_s),
            kgr_ctl_duration(expires, p->expires_s),
            kgr_custody_name(p->custody),
            kgr_suite_name(p->suite),
            p->reason,
        };

        (void)snprintf(generation, sizeof(generation), "%" PRIu64, p->generation);
        kgr_table_add(table, KGR_TABLE_PLAIN, cells);
    }
}

/* The table of all that are shown, of which the screen has a part: its columns stay where they are while it moves. */
static char *print_table(const struct kgr_watch *watch, size_t width)
{
    static const struct kgr_table_column columns[] = {
        {"PEER", false, 0},   {"STATE", false, 0},   {"GEN", true, 2},    {"AGE", true, 4},
        {"EXPIRES", true, 3}, {"CUSTODY", false, 5}, {"SUITE", false, 6}, {"ERROR", false, 1},
    };
    struct kgr_table table;
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    bool printed;

    if (out == NULL)
        return NULL;
    kgr_table_init(&table, columns, sizeof(columns) / sizeof(columns[0]), 0);
    fill_table(&table, watch);
    printed = kgr_table_print(&table, out, width, false);
    kgr_table_deinit(&table);
    if (fclose(out) == 0 && printed)
        return text;
    free(text);
    return NULL;
}

static void add_peers(struct canvas *canvas, struct kgr_watch *watch)
{
    char *text = print_table(watch, canvas->width), *rest = text, *line;
    size_t row = 0;

    if (text == NULL) {
        canvas->failed = true;
        return;
    }
    line = strsep(&rest, "\n");
    add(canvas, KGR_WATCH_TITLE, line);
    watch->rows = canvas->height - canvas->num;
    if (watch->top + watch->rows > watch->num_shown)
        watch->top = watch->num_shown > watch->rows ? watch->num_shown - watch->rows : 0;
    while ((line = strsep(&rest, "\n")) != NULL && row < watch->num_shown) {
        if (row >= watch->top)
            add(canvas, state_style(watch->peers[row].state), line);
        row++;
    }
    free(text);
}

static void add_foot(struct canvas *canvas, const struct kgr_watch *watch)
{
    static const char *const sorts[KGR_WATCH_SORTS] = {"peer", "state", "generation", "age",
                                                       "expiry"};

    if (watch->typing)
        add_format(canvas, KGR_WATCH_BAR,
                   "/%s_   part of a name, or a state; Enter keeps it, Esc ends it", watch->filter);
    else
        add_format(canvas, KGR_WATCH_BAR,
                   "q quit  s sort:%s  r reverse  / filter:%s  %zu of %zu peers",
                   sorts[watch->sort], watch->filter[0] == '\0' ? "-" : watch->filter,
                   watch->num_shown, watch->num_peers);
}

struct kgr_watch_line *kgr_watch_picture(struct kgr_watch *watch, size_t width, size_t height,
                                         const char *clock)
{
    struct canvas canvas = {.width = width, .height = height > 0 ? height - 1 : 0};

    canvas.lines = calloc(height + 1, sizeof(*canvas.lines));
    if (canvas.lines == NULL)
        return NULL;
    add_head(&canvas, watch, clock);
    if (watch->seen)
        add_summary(&canvas, watch);
    add_alarms(&canvas, watch);
    add(&canvas, KGR_WATCH_PLAIN, "");
    if (watch->seen && canvas.num < canvas.height)
        add_peers(&canvas, watch);
    while (canvas.num < canvas.height)
        add(&canvas, KGR_WATCH_PLAIN, "");
    canvas.height = height;
    add_foot(&canvas, watch);
    if (!canvas.failed)
        return canvas.lines;
    kgr_watch_picture_free(canvas.lines, height);
    return NULL;
}

void kgr_watch_picture_free(struct kgr_watch_line *lines, size_t height)
{
    if (lines == NULL)
        return;
    for (size_t i = 0; i < height; i++)
        free(lines[i].text);
    free(lines);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/ctl.h"

#include <stdlib.h>
#include <time.h>

#include "agent/base/clock.h"
#include "agent/client/metrics.h"
#include "agent/ctl/terminal.h"
#include "agent/ctl/watch/load.h"
#include "agent/ctl/watch/screen.h"

#define LOOK_MS    1000
#define GIVE_UP_MS 5000 /* an agent that is started again is back by then */

/* Unknown where the agent is older, or keeps its metrics from this user. */
static struct kgr_watch_tpm look_at_tpm(const struct kgr_ctl *ctl)
{
    struct kgr_watch_tpm tpm = {0};
    char *text = malloc(KGR_METRICS_TEXT_MAX);
    size_t len = 0;

    if (text != NULL && kgr_get_metrics(ctl->client, false, text, &len) == KGR_OK)
        tpm = kgr_watch_load(text, len);
    free(text);
    return tpm;
}

/* Looks once; KGR_OK also while the agent is away for a short time. */
static enum kgr_error look(const struct kgr_ctl *ctl, struct kgr_watch *watch, uint64_t *lost_ms)
{
    uint64_t now = kgr_clock_boot_ms();
    static struct kgr_status status;
    struct kgr_peer *peers = NULL;
    char reason[KGR_DIAG_MAX];
    size_t num = 0;
    enum kgr_error err = kgr_get_status(ctl->client, &status);

    if (err == KGR_OK)
        err = kgr_list_peers(ctl->client, &peers, &num);
    if (err == KGR_OK) {
        *lost_ms = 0;
        const struct kgr_watch_tpm tpm = look_at_tpm(ctl);

        kgr_watch_observe(watch, &status, peers, num, &tpm, now);
        return KGR_OK;
    }
    /* Who never answered, or says no, is not waited for. */
    if (!watch->seen || err != KGR_ERR_NO_AGENT)
        return err;
    if (*lost_ms == 0)
        *lost_ms = now;
    kgr_watch_lost(watch, kgr_client_reason(reason, sizeof(reason)));
    return now - *lost_ms >= GIVE_UP_MS ? err : KGR_OK;
}

static void show(struct kgr_watch *watch)
{
    char clock[16] = "";
    time_t now = time(NULL);
    struct tm tm;

    if (localtime_r(&now, &tm) != NULL)
        (void)strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
    kgr_screen_show(watch, clock);
}

static enum kgr_error run(const struct kgr_ctl *ctl, struct kgr_watch *watch)
{
    uint64_t next_ms = 0, lost_ms = 0;
    bool more = true;

    while (more && !kgr_screen_ended()) {
        uint64_t now = kgr_clock_boot_ms();
        int key;

        if (now >= next_ms) {
            enum kgr_error err = look(ctl, watch, &lost_ms);

            if (err != KGR_OK)
                return err;
            next_ms = now + LOOK_MS;
        }
        show(watch);
        now = kgr_clock_boot_ms();
        key = kgr_screen_key(now < next_ms ? (int)(next_ms - now) : 0);
        if (key != 0)
            more = kgr_watch_key(watch, key);
    }
    return KGR_OK;
}

int kgr_ctl_watch(const struct kgr_ctl *ctl)
{
    struct kgr_watch *watch = calloc(1, sizeof(*watch));
    char reason[KGR_DIAG_MAX];
    const char *why = NULL;
    enum kgr_error err;

    if (watch == NULL)
        return kgr_ctl_fail_text(KGR_ERR_NO_MEMORY, "watch", "");
    if (!kgr_screen_open(&why)) {
        free(watch);
        return kgr_ctl_fail_text(KGR_ERR_INVALID, "watch", why);
    }
    err = run(ctl, watch);
    /* The words of a failure belong on the terminal as it was. */
    (void)kgr_client_reason(reason, sizeof(reason));
    kgr_screen_close();
    kgr_watch_deinit(watch);
    free(watch);
    return err == KGR_OK ? 0 : kgr_ctl_fail_text(err, "watch", reason);
}

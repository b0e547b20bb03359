/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/errand.h"

void kgr_errand_begin(struct kgr_errand *errand, uint64_t now_ms, uint32_t timeout_ms)
{
    const struct kgr_errand begun = {.give_up_ms = now_ms + timeout_ms,
                                     .delay_ms = KGR_ERRAND_RETRY_MS};
    *errand = begun;
}

static enum kgr_errand_action send(struct kgr_errand *errand, uint64_t now_ms, uint32_t jitter)
{
    uint32_t quarter = errand->delay_ms / 4;
    errand->next_ms = now_ms + errand->delay_ms - quarter + jitter % (2 * quarter + 1);
    errand->delay_ms = errand->delay_ms * 2 < KGR_ERRAND_RETRY_MAX_MS ? errand->delay_ms * 2
                                                                      : KGR_ERRAND_RETRY_MAX_MS;
    errand->sent++;
    return KGR_ERRAND_DO_SEND;
}

static enum kgr_errand_action end(struct kgr_errand *errand, enum kgr_errand_action action)
{
    errand->over = true;
    return action;
}

enum kgr_errand_action kgr_errand_step(struct kgr_errand *errand, enum kgr_errand_event event,
                                       uint64_t now_ms, uint32_t jitter)
{
    if (errand->over)
        return KGR_ERRAND_DO_NOTHING;
    switch (event) {
    case KGR_ERRAND_ANSWERED:
        return end(errand, KGR_ERRAND_DO_FINISH);
    case KGR_ERRAND_LOST:
        errand->connected = false;
        break;
    case KGR_ERRAND_CONNECTED:
        errand->connected = true;
        errand->next_ms = now_ms; /* what was sent before may be lost with the connection */
        break;
    case KGR_ERRAND_TIMER:
        break;
    }
    if (now_ms >= errand->give_up_ms)
        return end(errand, KGR_ERRAND_DO_GIVE_UP);
    if (errand->connected && now_ms >= errand->next_ms)
        return send(errand, now_ms, jitter);
    return KGR_ERRAND_DO_NOTHING;
}

uint64_t kgr_errand_deadline(const struct kgr_errand *errand)
{
    if (errand->over)
        return UINT64_MAX;
    if (errand->connected && errand->next_ms < errand->give_up_ms)
        return errand->next_ms;
    return errand->give_up_ms;
}

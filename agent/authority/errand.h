/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * An order on its way over the broker, from the first frame to the result (docs/protocol.md, section 9.2). Pure: events in, one
 * action out, the caller brings the time (ms of any clock that never goes back).
 */
#define KGR_ERRAND_RETRY_MS     1000u
#define KGR_ERRAND_RETRY_MAX_MS 8000u

enum kgr_errand_event {
    KGR_ERRAND_CONNECTED, /* to the broker, subscribed */
    KGR_ERRAND_LOST,
    KGR_ERRAND_TIMER,
    KGR_ERRAND_ANSWERED, /* a result or a nack, authentic and of this exchange */
};

enum kgr_errand_action {
    KGR_ERRAND_DO_NOTHING,
    KGR_ERRAND_DO_SEND, /* the order, in a new frame */
    KGR_ERRAND_DO_FINISH,
    KGR_ERRAND_DO_GIVE_UP,
};

struct kgr_errand {
    uint64_t give_up_ms;
    uint64_t next_ms; /* of the next frame, while connected */
    uint32_t delay_ms;
    uint32_t sent; /* frames */
    bool connected;
    bool over;
};

void kgr_errand_begin(struct kgr_errand *errand, uint64_t now_ms, uint32_t timeout_ms);
/* jitter is random; it moves the delay by up to a quarter either way. */
enum kgr_errand_action kgr_errand_step(struct kgr_errand *errand, enum kgr_errand_event event,
                                       uint64_t now_ms, uint32_t jitter);
/* When KGR_ERRAND_TIMER is due; UINT64_MAX once it is over. */
uint64_t kgr_errand_deadline(const struct kgr_errand *errand);

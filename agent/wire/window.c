/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/wire/window.h"

#define WIDTH 64u

static uint32_t epoch_of(uint64_t sequence)
{
    return (uint32_t)(sequence >> 32);
}

static uint32_t counter_of(uint64_t sequence)
{
    return (uint32_t)sequence;
}

enum kgr_error kgr_window_check(const struct kgr_window *window, uint64_t sequence)
{
    uint32_t epoch = epoch_of(sequence);
    uint32_t counter = counter_of(sequence);
    uint32_t back;

    if (epoch == 0 || counter == 0 || epoch < window->epoch)
        return KGR_ERR_REPLAY;
    if (epoch > window->epoch || counter > window->highest)
        return KGR_OK;
    back = window->highest - counter;
    if (back >= WIDTH || (window->seen >> back & 1) != 0)
        return KGR_ERR_REPLAY;
    return KGR_OK;
}

enum kgr_error kgr_window_accept(struct kgr_window *window, uint64_t sequence)
{
    enum kgr_error err = kgr_window_check(window, sequence);
    uint32_t counter = counter_of(sequence);

    if (err != KGR_OK)
        return err;
    if (epoch_of(sequence) > window->epoch) {
        window->epoch = epoch_of(sequence);
        window->highest = counter;
        window->seen = 1;
    } else if (counter > window->highest) {
        uint32_t ahead = counter - window->highest;

        window->seen = ahead < WIDTH ? window->seen << ahead | 1 : 1;
        window->highest = counter;
    } else {
        window->seen |= UINT64_C(1) << (window->highest - counter);
    }
    return KGR_OK;
}

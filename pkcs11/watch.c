/* SPDX-License-Identifier: BSD-2-Clause */
#include "pkcs11/watch.h"

#include "pkcs11/module.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define POLL_S 1

struct state {
    bool present;
    uint64_t keys;
};

void kgr_p11_watch_init(struct kgr_p11_watch *watch)
{
    pthread_condattr_t attr;

    memset(watch, 0, sizeof(*watch));
    (void)pthread_mutex_init(&watch->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&watch->stopping, &attr);
    (void)pthread_condattr_destroy(&attr);
}

void kgr_p11_watch_deinit(struct kgr_p11_watch *watch)
{
    (void)pthread_cond_destroy(&watch->stopping);
    (void)pthread_mutex_destroy(&watch->lock);
}

/* Sums hashes, so that the order of the list does not count. */
static struct state read_state(struct kgr_p11_module *module)
{
    struct state state = {false, 0};
    struct kgr_peer *list = NULL;
    size_t num = 0;

    if (kgr_list_keys(module->client, NULL, &list, &num) != KGR_OK) {
        return state;
    }
    state.present = true;
    for (size_t i = 0; i < num; i++) {
        if (list[i].generation != 0) {
            uint8_t use[2] = {list[i].may_send, list[i].may_receive};
            uint64_t hash =
                kgr_fnv1a(KGR_FNV_START, list[i].peer, strnlen(list[i].peer, sizeof(list[i].peer)));

            hash = kgr_fnv1a(hash, &list[i].generation, sizeof(list[i].generation));
            state.keys += kgr_fnv1a(hash, use, sizeof(use));
        }
    }
    free(list);
    return state;
}

/* Was there an event? Notes the new state; the first look at it is no event. Locked. */
static bool note(struct kgr_p11_watch *watch, const struct state *state)
{
    bool event = watch->known && (watch->present != state->present || watch->keys != state->keys);

    watch->known = true;
    watch->present = state->present;
    watch->keys = state->keys;
    return event;
}

void kgr_p11_watch_begin(struct kgr_p11_module *module, bool present)
{
    struct kgr_p11_watch *watch = &module->watch;
    struct state state = {false, 0};
    bool known;

    (void)pthread_mutex_lock(&watch->lock);
    known = watch->known;
    (void)pthread_mutex_unlock(&watch->lock);
    if (!known) {
        if (present) {
            state = read_state(module);
        }
        (void)pthread_mutex_lock(&watch->lock);
        if (!watch->known) {
            (void)note(watch, &state);
        }
        (void)pthread_mutex_unlock(&watch->lock);
    }
}

/* One round, with the lock held on entry and on return. */
static CK_RV look(struct kgr_p11_module *module, bool block)
{
    struct kgr_p11_watch *watch = &module->watch;
    struct timespec until = {0, 0};
    struct state state;

    (void)pthread_mutex_unlock(&watch->lock);
    kgr_p11_resume(module);
    state = read_state(module);
    kgr_p11_pause(module);
    (void)pthread_mutex_lock(&watch->lock);
    if (watch->stop) {
        return CKR_CRYPTOKI_NOT_INITIALIZED;
    }
    if (note(watch, &state)) {
        return CKR_OK;
    }
    if (block) {
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += POLL_S;
        (void)pthread_cond_timedwait(&watch->stopping, &watch->lock, &until);
    }
    return watch->stop ? CKR_CRYPTOKI_NOT_INITIALIZED : CKR_NO_EVENT;
}

CK_RV kgr_p11_watch_wait(struct kgr_p11_module *module, bool block)
{
    struct kgr_p11_watch *watch = &module->watch;
    CK_RV rv;

    (void)pthread_mutex_lock(&watch->lock);
    watch->num_waiters++;
    kgr_p11_pause(module);
    do {
        rv = look(module, block);
    } while (block && rv == CKR_NO_EVENT);
    watch->num_waiters--;
    (void)pthread_cond_broadcast(&watch->stopping);
    (void)pthread_mutex_unlock(&watch->lock);
    return rv;
}

void kgr_p11_watch_stop(struct kgr_p11_watch *watch)
{
    (void)pthread_mutex_lock(&watch->lock);
    watch->stop = true;
    (void)pthread_cond_broadcast(&watch->stopping);
    while (watch->num_waiters > 0) {
        (void)pthread_cond_wait(&watch->stopping, &watch->lock);
    }
    (void)pthread_mutex_unlock(&watch->lock);
}

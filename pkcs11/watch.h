/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "pkcs11/cryptoki.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct kgr_p11_module;

/*
 * What C_WaitForSlotEvent last knew of the slot. An event is the coming or going of the token, or a
 * change of its set of keys. The agent has no notices: a blocking wait asks it once a second.
 */
struct kgr_p11_watch {
    pthread_mutex_t lock;
    pthread_cond_t stopping; /* a change of num_waiters or stop */
    unsigned num_waiters;
    bool stop;
    bool known; /* the two below were read */
    bool present;
    uint64_t keys;
};

void kgr_p11_watch_init(struct kgr_p11_watch *watch);
void kgr_p11_watch_deinit(struct kgr_p11_watch *watch);

/*
 * kgr_p11_watch_begin notes the present state, unless one is known, for later events; present: the
 * agent has just answered.
 */
void kgr_p11_watch_begin(struct kgr_p11_module *module, bool present);
/*
 * kgr_p11_watch_wait returns CKR_OK after an event; CKR_NO_EVENT at once if not block; and
 * CKR_CRYPTOKI_NOT_INITIALIZED when kgr_p11_watch_stop was called meanwhile. It gives back the
 * application's mutex, if there is one: after it the module may be gone and is not to be touched.
 */
CK_RV kgr_p11_watch_wait(struct kgr_p11_module *module, bool block);
/* kgr_p11_watch_stop wakes all waiters and returns when they have left. */
void kgr_p11_watch_stop(struct kgr_p11_watch *watch);

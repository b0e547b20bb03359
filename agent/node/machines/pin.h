/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/diag.h"

/*
 * The PIN of the PKCS#11 token: one, from a file that only the agent's user may read. Wrong ones are counted for each user, and
 * delay only his next try of it: nothing else is locked. Pure but for kgr_pin_load.
 */
#define KGR_PIN_MIN         4
#define KGR_PIN_MAX         64 /* KGR_IPC_PIN_MAX */
#define KGR_PIN_FREE_TRIES  3  /* in a row before the first delay */
#define KGR_PIN_DELAY_MAX_S 300
#define KGR_PIN_USERS                                                                              \
    64 /* whose tries are remembered; of more, the longest ago is forgotten last */

struct kgr_pin_user {
    uint32_t uid;
    uint32_t wrong;    /* in a row; 0: free */
    uint64_t until_ms; /* no try before this */
};

struct kgr_pin {
    uint8_t *bytes; /* in the arena, owned; NULL: no PIN */
    size_t len;
    struct kgr_pin_user users[KGR_PIN_USERS];
};

/* kgr_pin_load reads the first line of the file; path NULL or empty: no PIN. KGR_ERR_CONFIG with the file's name. */
KGR_MUST_CHECK enum kgr_error kgr_pin_load(struct kgr_pin *out, const char *path,
                                           struct kgr_diag *diag);
void kgr_pin_deinit(struct kgr_pin *pin);
/*
 * kgr_pin_try: KGR_OK, and the user's wrong tries are forgotten; KGR_ERR_NOT_AUTHORIZED, wrong; KGR_ERR_BUSY, not looked at,
 * because wrong ones were too many: diag says how long; KGR_ERR_STATE when there is no PIN.
 */
KGR_MUST_CHECK enum kgr_error kgr_pin_try(struct kgr_pin *pin, uint32_t uid, struct kgr_slice given,
                                          uint64_t now_ms, struct kgr_diag *diag);

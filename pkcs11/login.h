/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

struct kgr_p11_module;

/* Bytes of a PIN, as the agent wants it. */
#define KGR_P11_PIN_MIN 4
#define KGR_P11_PIN_MAX 64

/* Whether the user of this process has given the PIN, where the token has one. */
struct kgr_p11_login {
    atomic_bool is_in;
    atomic_uint era; /* logins that have ended: what was begun before is over */
};

/* kgr_p11_login_needed: as the token was last read. */
bool kgr_p11_login_needed(struct kgr_p11_module *module);
/* kgr_p11_login_allows: may keys be seen and used? */
bool kgr_p11_login_allows(struct kgr_p11_module *module);
/* kgr_p11_login_end logs out: operations end, and handles of keys are invalid for good. False if nobody was in. */
bool kgr_p11_login_end(struct kgr_p11_module *module);

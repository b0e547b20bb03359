/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <limits.h>
#include <stdbool.h>

#include "agent/base/diag.h"

/*
 * The lock of tpm2-pkcs11 on a store: flock on PATH.lock, which whoever has it removes when he is done. Within agent/store only.
 */
struct kgr_token_lock {
    int fd; /* -1: not held */
    char path[PATH_MAX];
};
#define KGR_TOKEN_LOCK_INIT ((struct kgr_token_lock){.fd = -1})

/*
 * kgr_token_lock_take locks the store at path. KGR_ERR_BUSY when another program has it for longer than wait_ms, KGR_ERR_IO
 * when the folder cannot be written.
 */
KGR_MUST_CHECK enum kgr_error kgr_token_lock_take(struct kgr_token_lock *lock, const char *path,
                                                  unsigned int wait_ms, struct kgr_diag *diag);
/* kgr_token_lock_release accepts one that is not held. */
void kgr_token_lock_release(struct kgr_token_lock *lock);

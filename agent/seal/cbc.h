/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>

#include "agent/base/buf.h"
#include "agent/base/suite.h"

/*
 * AES-CBC without padding under one key, with its key schedules ready: contexts of libcrypto whose memory is the arena's. A
 * use takes one that is idle, and none waits for another: where all are taken, or none was made yet, one more is made.
 * Some stay for the next; they are wiped with the key. Where the arena is full, a context lives for its one use in
 * ordinary memory. Thread-safe but for new and free.
 */
struct kgr_cbc;

/* key is in the arena, borrowed as long as the cbc lives. KGR_ERR_NO_MEMORY, KGR_ERR_FAILED when libcrypto has no AES. */
KGR_MUST_CHECK enum kgr_error kgr_cbc_new(struct kgr_cbc **out, enum kgr_suite suite,
                                          const uint8_t *key);
void kgr_cbc_free(struct kgr_cbc *cbc);

/* One use, on the stack of one thread; every begin that succeeded has its end. A message takes any number of updates. */
struct kgr_cbc_use {
    struct kgr_cbc *cbc;
    struct kgr_cbc_context *context;
    bool encrypt;
};

KGR_MUST_CHECK enum kgr_error kgr_cbc_begin(struct kgr_cbc_use *out, struct kgr_cbc *cbc,
                                            bool encrypt);
/* kgr_cbc_message begins a message; a use has any number of them. */
void kgr_cbc_message(struct kgr_cbc_use *use, const uint8_t iv[KGR_IV_LEN]);
/*
 * kgr_cbc_update handles len bytes, a multiple of 16 below INT_MAX. in may equal out, else out takes the plaintext for a
 * moment: it must be memory of this process alone.
 */
KGR_MUST_CHECK enum kgr_error kgr_cbc_update(struct kgr_cbc_use *use, const uint8_t *in, size_t len,
                                             uint8_t *out);
/* kgr_cbc_chain is the IV that would continue the message. */
void kgr_cbc_chain(const struct kgr_cbc_use *use, uint8_t out[KGR_IV_LEN]);
void kgr_cbc_end(struct kgr_cbc_use *use);

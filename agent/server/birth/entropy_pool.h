/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "agent/base/diag.h"
#include "agent/server/birth/entropy_source.h"

struct kgr_tpm;

/*
 * All sources that the operator added, and the way from them into the TPM: SHA-512 over a block of each source that is
 * good and 64 bytes of the TPM's own generator, given to TPM2_StirRandom. One of these inputs that nobody knows is
 * enough, the TPM's own included; a bad one takes nothing away.
 */
#define KGR_ENTROPY_SOURCES_MAX 8u

struct kgr_entropy_pool;

/* kgr_entropy_pool_new starts the threads of num sources; with none the pool does nothing. */
KGR_MUST_CHECK enum kgr_error kgr_entropy_pool_new(struct kgr_entropy_pool **out,
                                                   const struct kgr_entropy_source_options *options,
                                                   size_t num, bool required);
/* kgr_entropy_pool_free accepts NULL; like kgr_entropy_source_free it may wait. */
void kgr_entropy_pool_free(struct kgr_entropy_pool *pool);
/* kgr_entropy_pool_ready: keys may be born; false only when sources are required and one is not good. Accepts NULL. */
bool kgr_entropy_pool_ready(struct kgr_entropy_pool *pool);
/*
 * kgr_entropy_pool_stir comes before every birth, on the TPM's thread; it accepts a pool of NULL. KGR_ERR_BUSY with diag when
 * a required source has no block: no key may be made now. Else errors as of agent/tpm.
 */
KGR_MUST_CHECK enum kgr_error kgr_entropy_pool_stir(struct kgr_entropy_pool *pool,
                                                    struct kgr_tpm *tpm, struct kgr_diag *diag);
/*
 * kgr_entropy_pool_describe writes a line for each source, or (alarms) for each that failed, cut to whole lines
 * that fit, without a newline at the end, and returns the length. Accepts NULL.
 */
size_t kgr_entropy_pool_describe(struct kgr_entropy_pool *pool, char *out, size_t cap, bool alarms);

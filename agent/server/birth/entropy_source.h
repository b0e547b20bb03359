/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/attr.h"
#include "agent/seal/digest.h"
#include "agent/server/machines/entropy.h"

/*
 * A character device or FIFO that gives random bytes, read on a thread of its own: whatever a driver does,
 * nobody else waits for it. It keeps a few conditioned blocks at hand, each SHA-512 over samples worth 576
 * bits of min-entropy (64 more than come out, SP 800-90B, 3.1.5.1.2), and reads no more than it needs; a source that nobody
 * asks is read once in a while, so that its failure shows. A source that fails loses its blocks,
 * says so in the log, and is tried again every second, beginning with its start-up test.
 */
struct kgr_entropy_source;

#define KGR_ENTROPY_BLOCK_LEN KGR_SHA512_LEN

struct kgr_entropy_source_options {
    const char *path;   /* borrowed, outlives the source */
    uint32_t centibits; /* min-entropy of a byte in 1/100 bit, 10 to 800 */
};

struct kgr_entropy_report {
    const char *path;
    enum kgr_entropy_state state;
    char reason[96];   /* of AWAY; else empty */
    uint64_t since_ms; /* kgr_clock_boot_ms; of the state */
    uint64_t bytes;    /* read since the start of the service */
    size_t blocks;     /* at hand */
};

KGR_MUST_CHECK enum kgr_error
kgr_entropy_source_new(struct kgr_entropy_source **out,
                       const struct kgr_entropy_source_options *options);
/* kgr_entropy_source_free waits for the thread, as long as the driver keeps it; accepts NULL. */
void kgr_entropy_source_free(struct kgr_entropy_source *source);
/* kgr_entropy_source_take moves a block to out, in the arena; false: there is none now. Thread-safe, never waits. */
KGR_MUST_CHECK bool kgr_entropy_source_take(struct kgr_entropy_source *source,
                                            uint8_t out[KGR_ENTROPY_BLOCK_LEN]);
/* kgr_entropy_source_report: thread-safe. */
void kgr_entropy_source_report(struct kgr_entropy_source *source, struct kgr_entropy_report *out);

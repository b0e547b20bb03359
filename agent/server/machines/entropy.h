/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"

/*
 * The health of one noise source, as NIST SP 800-90B, section 4.4 has it: pure, no I/O, no clock.
 * A sample is one byte. Both tests run over every sample, also over those of the start-up:
 *
 *   repetition count (4.4.1): fails at C equal samples in a row, C = 1 + ceil(a / H);
 *   adaptive proportion (4.4.2): the first of W = 512 samples occurs C times in that window, C = 1 + the
 *     smallest k with P(X > k) <= 2^-a for X binomial of W trials of probability 2^-H.
 *
 * H is the min-entropy that the operator claims for a sample, 2^-a the chance that a source which keeps that
 * claim fails a test, by sample and by window. The standard recommends a of 20 to 40.
 */
#define KGR_ENTROPY_ALPHA   30u   /* a of the services */
#define KGR_ENTROPY_WINDOW  512u  /* W for samples of more than one bit */
#define KGR_ENTROPY_STARTUP 1024u /* samples that must pass before one counts (section 4.3) */
#define KGR_ENTROPY_MIN     10u   /* H in 1/100 bit */
#define KGR_ENTROPY_MAX     800u

enum kgr_entropy_state {
    KGR_ENTROPY_STARTING, /* the start-up test is not through */
    KGR_ENTROPY_GOOD,
    KGR_ENTROPY_REPEATS, /* the repetition count test failed */
    KGR_ENTROPY_BIASED,  /* the adaptive proportion test failed */
    KGR_ENTROPY_BLOCKED, /* no sample for too long */
    KGR_ENTROPY_ENDED,   /* the writer is gone, or there was none yet */
    KGR_ENTROPY_AWAY,    /* it cannot be opened or read */
};

struct kgr_entropy {
    enum kgr_entropy_state state;
    uint32_t repeat_cutoff;
    uint32_t proportion_cutoff;
    uint64_t samples; /* since the start or the last failure */
    uint32_t repeats; /* of last, so far */
    uint32_t seen;    /* samples of the present window */
    uint32_t matches; /* of first in it */
    uint8_t last;
    uint8_t first;
};

uint32_t kgr_entropy_repeat_cutoff(uint32_t centibits, uint32_t alpha);
uint32_t kgr_entropy_proportion_cutoff(uint32_t centibits, uint32_t alpha, uint32_t window);
/* kgr_entropy_block is how many samples have bits of min-entropy. */
size_t kgr_entropy_block(uint32_t centibits, uint32_t bits);

/* kgr_entropy_init: centibits is H in 1/100 bit, KGR_ENTROPY_MIN to KGR_ENTROPY_MAX. */
void kgr_entropy_init(struct kgr_entropy *e, uint32_t centibits, uint32_t alpha);
/*
 * kgr_entropy_feed tests samples up to the first that fails; true: the state changed. A failure begins the
 * start-up test again, and stays the state until all of it has passed, so that an alarm does not flicker.
 */
bool kgr_entropy_feed(struct kgr_entropy *e, struct kgr_slice samples);
/* kgr_entropy_fail notes what is no matter of samples: BLOCKED, ENDED, AWAY. Likewise. */
bool kgr_entropy_fail(struct kgr_entropy *e, enum kgr_entropy_state state);
/* kgr_entropy_failed: samples must not be used, and an alarm is due. */
bool kgr_entropy_failed(const struct kgr_entropy *e);
/* kgr_entropy_text says the state in words. */
const char *kgr_entropy_text(enum kgr_entropy_state state);

/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "agent/base/buf.h"

/* No encoding of what a target decodes is longer. */
#define FUZZ_CAP 80000

/* The entry point of libFuzzer: reads size bytes, returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* fuzz_check stops the target where the property does not hold; an abort is what libFuzzer reports. */
static inline void fuzz_check(int holds)
{
    if (!holds)
        __builtin_trap();
}

/* The bytes that a target encoded are those that it had decoded. */
static inline void fuzz_same(const struct kgr_wr *wr, struct kgr_slice in)
{
    fuzz_check(kgr_wr_ok(wr) && wr->len == in.len);
    fuzz_check(in.len == 0 || memcmp(wr->p, in.p, in.len) == 0);
}

/*
 * The property of every codec: what decode accepts, encode turns into the same bytes. The message is
 * static because some are larger than a stack frame should be.
 */
#define FUZZ_ROUND_TRIP(type, decode, encode, in)                                                  \
    do {                                                                                           \
        static uint8_t bytes[FUZZ_CAP];                                                            \
        static type message;                                                                       \
        struct kgr_wr wr;                                                                          \
                                                                                                   \
        if (decode(&message, in) == KGR_OK) {                                                      \
            kgr_wr_init(&wr, bytes, sizeof(bytes));                                                \
            fuzz_check(encode(&wr, &message) == KGR_OK);                                           \
            fuzz_same(&wr, in);                                                                    \
        }                                                                                          \
    } while (0)

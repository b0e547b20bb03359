/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * What must hold for every codec of agent/wire, as one check: CODEC_CHECK(name, type, encode, decode)
 * defines name(const type *), which asserts that
 * - the message survives encoding and decoding, byte for byte;
 * - every shorter input and one byte more are refused as KGR_ERR_CORRUPT, out untouched;
 * - no smaller buffer takes the encoding;
 * - whatever single byte is changed, the result is refused or encodes to exactly the changed bytes.
 * Inputs are copies on the heap of exactly their length, so that a sanitizer sees a read too far.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/buf.h"
#include "agent/base/text.h"

#define CODEC_CAP 80000
/* Longer messages are changed and cut at every byte of their first and last so many bytes. */
#define CODEC_EDGE 700

static inline uint8_t *codec_copy(const uint8_t *bytes, size_t len)
{
    uint8_t *copy = malloc(len == 0 ? 1 : len);

    assert_non_null(copy);
    memcpy(copy, bytes, len);
    return copy;
}

static inline int codec_at_edge(size_t i, size_t len)
{
    return i < CODEC_EDGE || len - i <= CODEC_EDGE;
}

static inline struct kgr_nid codec_nid(const char *text)
{
    struct kgr_nid nid;

    assert_int_equal(kgr_nid_set(&nid, text, strlen(text)), KGR_OK);
    return nid;
}

/* A slice of len bytes with a pattern of its own; good until the end of the program. */
static inline struct kgr_slice codec_bytes(uint8_t seed, size_t len)
{
    static uint8_t pool[1 << 20];
    static size_t used;
    uint8_t *p = pool + used;

    assert_true(len <= sizeof(pool) - used);
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)(seed + 31 * i);
    used += len;
    return kgr_slice(p, len);
}

#define CODEC_CHECK(name, type, encode, decode) CODEC_DEFINE(name, type, encode, decode, 1)
/* For the large messages whose decoders leave out undefined on failure. */
#define CODEC_CHECK_LARGE(name, type, encode, decode) CODEC_DEFINE(name, type, encode, decode, 0)

#define CODEC_DEFINE(name, type, encode, decode, keeps_out)                                        \
    static void name##_refuses(const uint8_t *bytes, size_t len)                                   \
    {                                                                                              \
        static type before;                                                                        \
        static type out;                                                                           \
        uint8_t *copy = codec_copy(bytes, len);                                                    \
                                                                                                   \
        memset(&before, 0x5a, sizeof(before));                                                     \
        memset(&out, 0x5a, sizeof(out));                                                           \
        assert_int_equal(decode(&out, kgr_slice(copy, len)), KGR_ERR_CORRUPT);                     \
        if (keeps_out)                                                                             \
            assert_memory_equal(&out, &before, sizeof(out));                                       \
        free(copy);                                                                                \
    }                                                                                              \
                                                                                                   \
    static void name##_refuses_or_keeps(const uint8_t *bytes, size_t len)                          \
    {                                                                                              \
        static uint8_t again[CODEC_CAP];                                                           \
        static type out;                                                                           \
        uint8_t *copy = codec_copy(bytes, len);                                                    \
        struct kgr_wr wr;                                                                          \
                                                                                                   \
        if (decode(&out, kgr_slice(copy, len)) == KGR_OK) {                                        \
            kgr_wr_init(&wr, again, sizeof(again));                                                \
            assert_int_equal(encode(&wr, &out), KGR_OK);                                           \
            assert_int_equal(wr.len, len);                                                         \
            assert_memory_equal(again, bytes, len);                                                \
        }                                                                                          \
        free(copy);                                                                                \
    }                                                                                              \
                                                                                                   \
    static void name(const type *message)                                                          \
    {                                                                                              \
        static uint8_t bytes[CODEC_CAP];                                                           \
        static uint8_t small[CODEC_CAP];                                                           \
        struct kgr_wr wr;                                                                          \
        size_t len;                                                                                \
                                                                                                   \
        kgr_wr_init(&wr, bytes, sizeof(bytes) - 1);                                                \
        assert_int_equal(encode(&wr, message), KGR_OK);                                            \
        len = wr.len;                                                                              \
        name##_refuses_or_keeps(bytes, len);                                                       \
        for (size_t i = 0; i < len; i++) {                                                         \
            static const uint8_t changes[] = {0x01, 0x02, 0x80, 0xff};                             \
                                                                                                   \
            if (!codec_at_edge(i, len))                                                            \
                continue;                                                                          \
            name##_refuses(bytes, i);                                                              \
            kgr_wr_init(&wr, small, i);                                                            \
            assert_int_not_equal(encode(&wr, message), KGR_OK);                                    \
            for (size_t j = 0; j < KGR_ARRAY_LEN(changes); j++) {                                  \
                bytes[i] = (uint8_t)(bytes[i] ^ changes[j]);                                       \
                name##_refuses_or_keeps(bytes, len);                                               \
                bytes[i] = (uint8_t)(bytes[i] ^ changes[j]);                                       \
            }                                                                                      \
        }                                                                                          \
        bytes[len] = 0;                                                                            \
        name##_refuses(bytes, len + 1);                                                            \
    }

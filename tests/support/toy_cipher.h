/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/page.h"

/*
 * A page cipher for tests of the store: hides content from a search and notices every change, without being any
 * good against people.
 */
struct toy_cipher {
    uint8_t key;
    unsigned long opened;
    unsigned long sealed;
};

static inline uint64_t toy_sum(const struct toy_cipher *toy, struct kgr_slice aad,
                               const uint8_t *content)
{
    uint64_t sum = 14695981039346656037u + toy->key;

    for (size_t i = 0; i < aad.len; i++)
        sum = (sum ^ aad.p[i]) * 1099511628211u;
    for (size_t i = 0; i < KGR_PAGE_CONTENT; i++)
        sum = (sum ^ content[i]) * 1099511628211u;
    return sum;
}

static inline enum kgr_error toy_seal(void *ctx, uint8_t out[KGR_PAGE_LEN], struct kgr_slice aad,
                                      const uint8_t content[KGR_PAGE_CONTENT])
{
    struct toy_cipher *toy = ctx;
    uint64_t sum = toy_sum(toy, aad, content);

    toy->sealed++;
    memset(out, 0x5a, KGR_PAGE_LEN);
    for (size_t i = 0; i < KGR_PAGE_CONTENT; i++)
        out[i] = (uint8_t)(content[i] ^ toy->key ^ (i * 7));
    memcpy(out + KGR_PAGE_CONTENT, &sum, sizeof(sum));
    return KGR_OK;
}

static inline enum kgr_error toy_open(void *ctx, uint8_t out[KGR_PAGE_LEN], struct kgr_slice aad,
                                      const uint8_t page[KGR_PAGE_LEN])
{
    struct toy_cipher *toy = ctx;
    uint64_t sum;

    toy->opened++;
    for (size_t i = 0; i < KGR_PAGE_CONTENT; i++)
        out[i] = (uint8_t)(page[i] ^ toy->key ^ (i * 7));
    memcpy(&sum, page + KGR_PAGE_CONTENT, sizeof(sum));
    for (size_t i = KGR_PAGE_CONTENT + sizeof(sum); i < KGR_PAGE_LEN; i++)
        if (page[i] != 0x5a)
            return KGR_ERR_CORRUPT;
    return sum == toy_sum(toy, aad, out) ? KGR_OK : KGR_ERR_CORRUPT;
}

static inline struct kgr_page_cipher toy_cipher(struct toy_cipher *toy)
{
    struct kgr_page_cipher cipher = {.seal = toy_seal, .open = toy_open, .ctx = toy};

    return cipher;
}

static inline enum kgr_error toy_at(void *ctx, struct kgr_page_cipher *out, uint64_t epoch)
{
    struct toy_cipher *toy = calloc(1, sizeof(*toy));

    (void)ctx;
    if (toy == NULL)
        return KGR_ERR_NO_MEMORY;
    toy->key = (uint8_t)(epoch * 3 + 1);
    *out = toy_cipher(toy);
    return KGR_OK;
}

static inline void toy_drop(void *ctx, struct kgr_page_cipher *cipher)
{
    (void)ctx;
    free(cipher->ctx);
    cipher->ctx = NULL;
}

/* toy_keys are the ciphers of all epochs (modulo 256). */
static inline struct kgr_page_keys toy_keys(void)
{
    struct kgr_page_keys keys = {.at = toy_at, .drop = toy_drop, .ctx = NULL};

    return keys;
}

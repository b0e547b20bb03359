/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

#include "agent/base/attr.h"
#include "agent/base/buf.h"

/*
 * How a page of a database is sealed on disk: 4,048 bytes of content become 4,096. The store calls it without
 * knowing keys; who owns the key (agent/keys/state_key.h) knows nothing of databases.
 */
#define KGR_PAGE_LEN     4096u
#define KGR_PAGE_CONTENT 4048u

struct kgr_page_cipher {
    /* seal encrypts content and binds it to aad; out overlaps nothing. */
    enum kgr_error (*seal)(void *ctx, uint8_t out[KGR_PAGE_LEN], struct kgr_slice aad,
                           const uint8_t content[KGR_PAGE_CONTENT]);
    /*
     * open: the first KGR_PAGE_CONTENT bytes of out are the content, the others undefined. KGR_ERR_CORRUPT when the
     * page, its key or aad is another; all of out is then undefined.
     */
    enum kgr_error (*open)(void *ctx, uint8_t out[KGR_PAGE_LEN], struct kgr_slice aad,
                           const uint8_t page[KGR_PAGE_LEN]);
    void *ctx; /* borrowed */
};

/* The ciphers of a database by epoch: every start of its program has a key of its own (agent/store/state.h). */
struct kgr_page_keys {
    /* at makes the cipher of an epoch; drop frees what at made. */
    enum kgr_error (*at)(void *ctx, struct kgr_page_cipher *out, uint64_t epoch);
    void (*drop)(void *ctx, struct kgr_page_cipher *cipher);
    void *ctx; /* borrowed */
};

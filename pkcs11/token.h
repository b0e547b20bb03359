/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "pkcs11/cryptoki.h"

#include <kgr/client.h>

#include <pthread.h>
#include <stdbool.h>

struct kgr_p11_module;

#define KGR_P11_SLOT_ID 0UL /* the only slot: the agent */

/* What is used of the agent's status. */
struct kgr_p11_token {
    char node[KGR_PEER_MAX + 1]; /* empty before the node is registered */
    bool registered;
    bool needs_pin; /* keys are seen and used after a login only */
    bool resident;  /* keys are in the TPM, and used there */
    uint32_t modes; /* 1 << enum kgr_mode */
    CK_VERSION version;
};

/* The last known of it, for calls that need no fresh one. */
struct kgr_p11_token_cache {
    pthread_mutex_t lock;
    bool known;
    struct kgr_p11_token token;
};

void kgr_p11_token_cache_init(struct kgr_p11_token_cache *cache);
void kgr_p11_token_cache_deinit(struct kgr_p11_token_cache *cache);

/* kgr_p11_token_read asks the agent. out may be NULL. */
enum kgr_error kgr_p11_token_read(struct kgr_p11_module *module, struct kgr_p11_token *out);
/* kgr_p11_token_peek returns what was last read, asking only if nothing was. */
enum kgr_error kgr_p11_token_peek(struct kgr_p11_module *module, struct kgr_p11_token *out);

/* kgr_p11_pad writes text into a field of cap bytes, cut or padded with spaces, without a NUL. */
void kgr_p11_pad(unsigned char *field, size_t cap, const char *text);

/* kgr_p11_version turns "1.12.3" into 1.12, and what does not look like that into 0.0. */
CK_VERSION kgr_p11_version(const char *text);

/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <openssl/core.h>

#include <kgr/client.h>

#include <stdbool.h>

#include "agent/base/attr.h"

struct kgr_prov;

/*
 * Which key an operation uses. It is named by URI, by handle, or by the section's default peer, and
 * pinned to one generation when the operation begins, so that a renewal in mid-stream mixes no keys.
 * All functions that fail have put the reason on the error stack.
 */
struct kgr_prov_key {
    struct kgr_key named;    /* peer "" while none was named */
    bool refused;            /* what was named last is no key: never fall back to another */
    struct kgr_key pinned;   /* peer "" while not pinned; its generation is never 0 */
    enum kgr_suite_id suite; /* of pinned */
};

/* kgr_prov_key_set_uri names the key by the value of a key-uri parameter, and unpins. */
KGR_MUST_CHECK enum kgr_error kgr_prov_key_set_uri(const struct kgr_prov *prov,
                                                   struct kgr_prov_key *key, const OSSL_PARAM *p);

/*
 * kgr_prov_key_set_handle names the key by key bytes that are a handle (docs/protocol.md, "Local
 * protocol"), asking the agent, and unpins. Bytes that are none are refused, and shown nowhere.
 */
KGR_MUST_CHECK enum kgr_error kgr_prov_key_set_handle(const struct kgr_prov *prov,
                                                      struct kgr_prov_key *key,
                                                      const uint8_t *handle, size_t handle_len);

/* kgr_prov_key_set names the key by a copy of named, and unpins. */
void kgr_prov_key_set(struct kgr_prov_key *key, const struct kgr_key *named);

/* kgr_prov_key_is_named tells whether there is a key to pin: a named one or the default peer's. */
bool kgr_prov_key_is_named(const struct kgr_prov *prov, const struct kgr_prov_key *key);

void kgr_prov_key_unpin(struct kgr_prov_key *key);
bool kgr_prov_key_is_pinned(const struct kgr_prov_key *key);

/* kgr_prov_key_pin asks the agent for the generation to use now. An earlier pin is replaced. */
KGR_MUST_CHECK enum kgr_error kgr_prov_key_pin(const struct kgr_prov *prov,
                                               struct kgr_prov_key *key);

/* kgr_prov_key_wanted is the key that kgr_prov_key_pin would ask about, or the one that is pinned. */
struct kgr_key kgr_prov_key_wanted(const struct kgr_prov *prov, const struct kgr_prov_key *key);
/* kgr_prov_key_set_pinned pins a key of which a request told the generation. */
void kgr_prov_key_set_pinned(struct kgr_prov_key *key, const struct kgr_key *pinned,
                             enum kgr_suite_id suite);

/* kgr_prov_key_uri writes the URI of the pinned, else the named key. Returns out. */
const char *kgr_prov_key_uri(char out[KGR_DIAG_MAX], const struct kgr_prov_key *key);

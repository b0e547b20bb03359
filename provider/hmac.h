/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "provider/key.h"

/*
 * An HMAC (FIPS 198-1) under way. Up to KGR_DATA_MAX bytes wait here and go to the agent in one
 * request, so that a copy or a fork continues rightly; with more of them the state moves into the
 * agent, where it can be neither copied nor shared with a child. All zeros is an empty one. Functions
 * that fail have put the reason on the error stack, and only kgr_prov_hmac_restart helps then.
 */
struct kgr_prov_hmac {
    bool broken;   /* a step failed */
    bool streamed; /* the agent holds a state */
    uint32_t stream;
    uint8_t *data; /* owned; not yet with the agent */
    size_t data_len;
    size_t data_cap;
};

/* kgr_prov_hmac_restart forgets the data, here and in the agent. */
void kgr_prov_hmac_restart(const struct kgr_prov *prov, struct kgr_prov_hmac *h);

/* kgr_prov_hmac_deinit also frees. */
void kgr_prov_hmac_deinit(const struct kgr_prov *prov, struct kgr_prov_hmac *h);

/* kgr_prov_hmac_copy makes *out, of which nothing is read, a copy of h; KGR_ERR_STATE beyond KGR_DATA_MAX. */
KGR_MUST_CHECK enum kgr_error kgr_prov_hmac_copy(const struct kgr_prov *prov,
                                                 struct kgr_prov_hmac *out,
                                                 const struct kgr_prov_hmac *h);

/* kgr_prov_hmac_update adds data under the pinned key, which stays the same until the end. */
KGR_MUST_CHECK enum kgr_error kgr_prov_hmac_update(const struct kgr_prov *prov,
                                                   struct kgr_prov_hmac *h,
                                                   const struct kgr_prov_key *key,
                                                   const uint8_t *data, size_t data_len);

/* kgr_prov_hmac_final writes exactly mac_len bytes, the hash of the key's suite, and restarts. */
KGR_MUST_CHECK enum kgr_error kgr_prov_hmac_final(const struct kgr_prov *prov,
                                                  struct kgr_prov_hmac *h,
                                                  const struct kgr_prov_key *key,
                                                  uint8_t out[KGR_MAC_MAX], size_t mac_len);

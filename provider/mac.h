/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <openssl/core_dispatch.h>

#include <stdbool.h>

struct kgr_key;

/*
 * KGR-HMAC: HMAC under the MAC key of a pair, with the hash of its suite. It is the MAC of that name
 * and also the signature algorithm of an EVP_PKEY (signature.c).
 */
struct kgr_prov_mac;

OSSL_FUNC_mac_newctx_fn kgr_prov_mac_newctx;
OSSL_FUNC_mac_dupctx_fn kgr_prov_mac_dupctx;
OSSL_FUNC_mac_freectx_fn kgr_prov_mac_freectx;
OSSL_FUNC_mac_update_fn kgr_prov_mac_update;
OSSL_FUNC_mac_final_fn kgr_prov_mac_final;

/*
 * kgr_prov_mac_begin is init with what is not NULL of: a key, the digest that the caller insists on,
 * parameters. False with the reason on the error stack.
 */
bool kgr_prov_mac_begin(struct kgr_prov_mac *m, const struct kgr_key *named, const char *digest,
                        const OSSL_PARAM params[]);

/* kgr_prov_mac_size tells the length of the MAC; 0 if the key cannot be asked about. */
size_t kgr_prov_mac_size(struct kgr_prov_mac *m);

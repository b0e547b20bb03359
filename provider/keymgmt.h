/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

struct kgr_key;
struct kgr_prov;

/* What an EVP_PKEY of type KGR-HMAC holds: the name of a key. Constant once made. */
struct kgr_prov_pkey;

/* kgr_prov_pkey_new copies the name; NULL, with the reason on the error stack, without memory. */
struct kgr_prov_pkey *kgr_prov_pkey_new(const struct kgr_prov *prov, const struct kgr_key *named);
void kgr_prov_pkey_free(struct kgr_prov_pkey *pkey);

/* kgr_prov_pkey_key borrows the name; NULL for NULL. */
const struct kgr_key *kgr_prov_pkey_key(const struct kgr_prov_pkey *pkey);

/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/keys/inner.h"

#include "agent/seal/hkdf.h"

#define INFO_ENC "kgr inner enc"
#define INFO_MAC "kgr inner mac"

enum kgr_error kgr_inner_keys(uint8_t *out, enum kgr_suite suite,
                              const uint8_t secret[KGR_INNER_SECRET_LEN],
                              const uint8_t key_id[KGR_INNER_ID_LEN])
{
    size_t len = kgr_suite_enc_key_len(suite);
    struct kgr_slice ikm = kgr_slice(secret, KGR_INNER_SECRET_LEN);
    struct kgr_slice salt = kgr_slice(key_id, KGR_INNER_ID_LEN);
    enum kgr_error err = kgr_hkdf(out, len, ikm, salt, kgr_slice(INFO_ENC, sizeof(INFO_ENC) - 1));

    if (err == KGR_OK)
        err = kgr_hkdf(out + len, len, ikm, salt, kgr_slice(INFO_MAC, sizeof(INFO_MAC) - 1));
    return err;
}

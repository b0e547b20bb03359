/* SPDX-License-Identifier: BSD-2-Clause */
#include "pkcs11/mechanism.h"

#include "agent/base/attr.h"
#include "pkcs11/module.h"

#include <kgr/pkcs11.h>

#include <string.h>

#define CIPHER(type, mode, pad)                                                                    \
    {                                                                                              \
        type, KGR_P11_CIPHER_KEY, mode, pad, false, KGR_SUITE_NONE, false, 16, 32                  \
    }
#define MAC(type, suite, general, key_len)                                                         \
    {                                                                                              \
        type, KGR_P11_MAC_KEY, KGR_MODE_ECB, false, false, suite, general, key_len, key_len        \
    }

static const struct kgr_p11_mechanism mechanisms[] = {
    CIPHER(CKM_AES_ECB, KGR_MODE_ECB, false),
    CIPHER(CKM_AES_CBC, KGR_MODE_CBC, false),
    CIPHER(CKM_AES_CBC_PAD, KGR_MODE_CBC, true),
    CIPHER(CKM_AES_CTR, KGR_MODE_CTR, false),
    CIPHER(CKM_AES_CFB128, KGR_MODE_CFB, false),
    CIPHER(CKM_AES_OFB, KGR_MODE_OFB, false),
    MAC(CKM_SHA256_HMAC, KGR_SUITE_AES_128_CBC_HMAC_SHA256, false, 32),
    MAC(CKM_SHA256_HMAC_GENERAL, KGR_SUITE_AES_128_CBC_HMAC_SHA256, true, 32),
    MAC(CKM_SHA384_HMAC, KGR_SUITE_AES_256_CBC_HMAC_SHA384, false, 48),
    MAC(CKM_SHA384_HMAC_GENERAL, KGR_SUITE_AES_256_CBC_HMAC_SHA384, true, 48),
    {CKM_KGR_RECORD, KGR_P11_CIPHER_KEY, KGR_MODE_CBC, true, true, KGR_SUITE_NONE, false, 16, 32},
};

const struct kgr_p11_mechanism *kgr_p11_mechanism_at(size_t index)
{
    return index < KGR_ARRAY_LEN(mechanisms) ? &mechanisms[index] : NULL;
}

const struct kgr_p11_mechanism *kgr_p11_mechanism_find(CK_MECHANISM_TYPE type)
{
    for (size_t i = 0; i < KGR_ARRAY_LEN(mechanisms); i++) {
        if (mechanisms[i].type == type) {
            return &mechanisms[i];
        }
    }
    return NULL;
}

struct suite_search {
    enum kgr_suite_id suite;
    bool found;
};

static bool is_of_suite(void *ctx, const struct kgr_p11_object *object)
{
    struct suite_search *search = ctx;

    search->found = object->info.suite == search->suite;
    return !search->found;
}

bool kgr_p11_mechanism_works(struct kgr_p11_module *module, const struct kgr_p11_mechanism *mech,
                             uint32_t modes)
{
    if (mech->kind == KGR_P11_CIPHER_KEY) {
        return (modes & (1U << (unsigned)mech->mode)) != 0;
    }
    /* Every TPM has SHA-256; that this one has SHA-384 is told by a key that needs it. */
    struct suite_search search = {mech->suite, mech->suite == KGR_SUITE_AES_128_CBC_HMAC_SHA256};

    if (!search.found) {
        kgr_p11_keys_each(module, NULL, is_of_suite, &search);
    }
    return search.found;
}

bool kgr_p11_mechanism_fits(const struct kgr_p11_mechanism *mech,
                            const struct kgr_p11_object *object)
{
    return mech->kind == object->kind &&
           (mech->suite == KGR_SUITE_NONE || mech->suite == object->info.suite);
}

size_t kgr_p11_suite_key_len(enum kgr_suite_id suite, enum kgr_p11_kind kind)
{
    switch (suite) {
    case KGR_SUITE_AES_128_CBC_HMAC_SHA256:
        return kind == KGR_P11_CIPHER_KEY ? 16 : 32;
    case KGR_SUITE_AES_256_CBC_HMAC_SHA384:
        return kind == KGR_P11_CIPHER_KEY ? 32 : 48;
    default:
        return 0;
    }
}

size_t kgr_p11_suite_hash_len(enum kgr_suite_id suite)
{
    return kgr_p11_suite_key_len(suite, KGR_P11_MAC_KEY); /* a MAC key is as long as its hash */
}

CK_RV kgr_p11_cipher_param(uint8_t out_iv[KGR_BLOCK_LEN], const struct kgr_p11_mechanism *mech,
                           const CK_MECHANISM *given)
{
    CK_AES_CTR_PARAMS ctr;

    if (given->pParameter == NULL && given->ulParameterLen != 0) {
        return CKR_MECHANISM_PARAM_INVALID;
    }
    switch (mech->mode) {
    case KGR_MODE_ECB:
        if (given->ulParameterLen != 0) {
            return CKR_MECHANISM_PARAM_INVALID;
        }
        memset(out_iv, 0, KGR_BLOCK_LEN);
        return CKR_OK;
    case KGR_MODE_CTR:
        if (given->ulParameterLen != sizeof(ctr)) {
            return CKR_MECHANISM_PARAM_INVALID;
        }
        memcpy(&ctr, given->pParameter, sizeof(ctr));
        /* The agent counts in the whole block; a narrower counter would wrap differently. */
        if (ctr.ulCounterBits != 8 * KGR_BLOCK_LEN) {
            return CKR_MECHANISM_PARAM_INVALID;
        }
        memcpy(out_iv, ctr.cb, KGR_BLOCK_LEN);
        return CKR_OK;
    default:
        if (given->ulParameterLen != KGR_BLOCK_LEN) {
            return CKR_MECHANISM_PARAM_INVALID;
        }
        memcpy(out_iv, given->pParameter, KGR_BLOCK_LEN);
        return CKR_OK;
    }
}

CK_RV kgr_p11_mac_param(size_t *out_len, const struct kgr_p11_mechanism *mech,
                        const CK_MECHANISM *given)
{
    size_t hash_len = kgr_p11_suite_hash_len(mech->suite);
    CK_MAC_GENERAL_PARAMS len;

    if (!mech->general) {
        if (given->ulParameterLen != 0) {
            return CKR_MECHANISM_PARAM_INVALID;
        }
        *out_len = hash_len;
        return CKR_OK;
    }
    if (given->pParameter == NULL || given->ulParameterLen != sizeof(len)) {
        return CKR_MECHANISM_PARAM_INVALID;
    }
    memcpy(&len, given->pParameter, sizeof(len));
    if (len == 0 || len > hash_len) {
        return CKR_MECHANISM_PARAM_INVALID;
    }
    *out_len = len;
    return CKR_OK;
}

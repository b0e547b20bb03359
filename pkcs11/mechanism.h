/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "pkcs11/cryptoki.h"
#include "pkcs11/key_table.h"

#include <kgr/client.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kgr_p11_module;

/* A mechanism that this module knows. */
struct kgr_p11_mechanism {
    CK_MECHANISM_TYPE type;
    enum kgr_p11_kind kind;
    enum kgr_mode mode;        /* ciphers */
    bool pad;                  /* ciphers */
    bool record;               /* ciphers: makes records of messages, with both keys */
    enum kgr_suite_id suite;   /* MACs: the suite whose keys have this hash; ciphers: any */
    bool general;              /* MACs: the parameter says how much of the MAC is kept */
    CK_ULONG min_key, max_key; /* bytes */
};

/* kgr_p11_mechanism_find: NULL if the module does not know it. */
const struct kgr_p11_mechanism *kgr_p11_mechanism_find(CK_MECHANISM_TYPE type);
/* kgr_p11_mechanism_at: the known ones in order; NULL at the end. */
const struct kgr_p11_mechanism *kgr_p11_mechanism_at(size_t index);

/* kgr_p11_mechanism_works: with this TPM and custody, and the keys known. modes: kgr_status.modes. */
bool kgr_p11_mechanism_works(struct kgr_p11_module *module, const struct kgr_p11_mechanism *mech,
                             uint32_t modes);
/* kgr_p11_mechanism_fits: is this an object for the mechanism? */
bool kgr_p11_mechanism_fits(const struct kgr_p11_mechanism *mech,
                            const struct kgr_p11_object *object);

/* Bytes of the two keys and of the MAC of a suite; 0 for a suite that is not known. */
size_t kgr_p11_suite_key_len(enum kgr_suite_id suite, enum kgr_p11_kind kind);
size_t kgr_p11_suite_hash_len(enum kgr_suite_id suite);

/*
 * kgr_p11_cipher_param and kgr_p11_mac_param read the parameter: the IV, or how many bytes of the
 * MAC are kept. CKR_MECHANISM_PARAM_INVALID.
 */
CK_RV kgr_p11_cipher_param(uint8_t out_iv[KGR_BLOCK_LEN], const struct kgr_p11_mechanism *mech,
                           const CK_MECHANISM *given);
CK_RV kgr_p11_mac_param(size_t *out_len, const struct kgr_p11_mechanism *mech,
                        const CK_MECHANISM *given);

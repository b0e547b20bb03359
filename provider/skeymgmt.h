/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <openssl/core_dispatch.h>

/*
 * EVP_SKEY came with OpenSSL 3.5. One and the same kgr.so serves 3.0, which never asks for what it does
 * not know, and 3.5: so the numbers stand here when the headers are older.
 */
#ifndef OSSL_OP_SKEYMGMT
#define OSSL_OP_SKEYMGMT                       15
#define OSSL_FUNC_SKEYMGMT_FREE                1
#define OSSL_FUNC_SKEYMGMT_IMPORT              2
#define OSSL_FUNC_SKEYMGMT_EXPORT              3
#define OSSL_FUNC_SKEYMGMT_GENERATE            4
#define OSSL_FUNC_SKEYMGMT_GET_KEY_ID          5
#define OSSL_FUNC_SKEYMGMT_IMP_SETTABLE_PARAMS 6
#define OSSL_FUNC_SKEYMGMT_GEN_SETTABLE_PARAMS 7
#endif
#ifndef OSSL_FUNC_CIPHER_ENCRYPT_SKEY_INIT
#define OSSL_FUNC_CIPHER_ENCRYPT_SKEY_INIT 19
#define OSSL_FUNC_CIPHER_DECRYPT_SKEY_INIT 20
#endif
#ifndef OSSL_FUNC_MAC_INIT_SKEY
#define OSSL_FUNC_MAC_INIT_SKEY 13
#endif
#ifndef OSSL_SKEY_PARAM_RAW_BYTES
#define OSSL_SKEY_PARAM_RAW_BYTES "raw-bytes"
#endif

struct kgr_key;

/* What an EVP_SKEY of ours holds: the name of a key. Constant once made. */
struct kgr_prov_skey;

/* kgr_prov_skey_key borrows the name; NULL for NULL. */
const struct kgr_key *kgr_prov_skey_key(const struct kgr_prov_skey *skey);

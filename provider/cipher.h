/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <openssl/core_dispatch.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "provider/key.h"

#define KGR_PROV_KEY_MAX 32

/* One of KGR-AES-{128,256}-{ECB,CBC,CTR,CFB,OFB}, or the cipher in an AEAD. */
struct kgr_prov_cipher_spec {
    const char *name;
    enum kgr_mode mode;
    unsigned int evp_mode; /* EVP_CIPH_*_MODE */
    size_t key_len;
    size_t block_len; /* what EVP calls the block size: 1 for a stream */
    size_t iv_len;
    size_t tag_len;          /* of an AEAD; else 0 */
    enum kgr_suite_id suite; /* whose keys fit */
};

/*
 * A cipher operation. The whole state lives here (IV chain, partial block) and the agent's calls are
 * stateless, so that a copy or a fork at any point continues rightly at both ends.
 */
struct kgr_prov_cipher {
    const struct kgr_prov *prov;             /* borrowed */
    const struct kgr_prov_cipher_spec *spec; /* static */
    struct kgr_prov_key key;
    bool started; /* the direction is known */
    bool encrypt;
    bool padding;
    bool iv_set;
    bool used;                       /* data went in since the last init */
    bool broken;                     /* a step failed: only a new init helps */
    uint8_t first_iv[KGR_BLOCK_LEN]; /* as it was given */
    uint8_t iv[KGR_BLOCK_LEN];       /* continues the chain */
    uint8_t pending[KGR_BLOCK_LEN];  /* block.c: input; keystream.c: see there */
    size_t num_pending;
    uint8_t *scratch; /* owned; NULL until needed */
    size_t scratch_cap;
};

/* What an init call brings; any of it may be absent. */
struct kgr_prov_cipher_input {
    const struct kgr_key *skey; /* borrowed; NULL unless by EVP_SKEY */
    const uint8_t *key;         /* a handle */
    size_t key_len;
    const uint8_t *iv;
    size_t iv_len;
};

/*
 * kgr_prov_cipher_init begins an operation. Key, IV and parameters may come in any order and in several
 * calls (provider-cipher(7)); what is still missing is an error of the first step only.
 */
KGR_MUST_CHECK enum kgr_error kgr_prov_cipher_init(struct kgr_prov_cipher *c, bool encrypt,
                                                   const struct kgr_prov_cipher_input *in,
                                                   const OSSL_PARAM params[]);

/*
 * kgr_prov_cipher_again begins the next operation with the same key and another IV, and pins no generation: key->suite stays. The caller
 * pins (kgr_prov_cipher_ready) or knows better.
 */
KGR_MUST_CHECK enum kgr_error kgr_prov_cipher_again(struct kgr_prov_cipher *c, bool encrypt,
                                                    const struct kgr_prov_cipher_input *in);

/* kgr_prov_cipher_ready checks what every step needs before it touches data, and pins the key. */
KGR_MUST_CHECK enum kgr_error kgr_prov_cipher_ready(struct kgr_prov_cipher *c);

/*
 * kgr_prov_cipher_run has the agent process len bytes (at most KGR_DATA_MAX) and moves the IV on.
 * A failure breaks the operation and leaves out untouched.
 */
KGR_MUST_CHECK enum kgr_error kgr_prov_cipher_run(struct kgr_prov_cipher *c, const uint8_t *in,
                                                  size_t len, uint8_t *out);

/* kgr_prov_cipher_reserve makes c->scratch hold at least len bytes. Its contents are lost. */
KGR_MUST_CHECK enum kgr_error kgr_prov_cipher_reserve(struct kgr_prov_cipher *c, size_t len);

/* kgr_prov_cipher_drop_scratch wipes and frees it. */
void kgr_prov_cipher_drop_scratch(struct kgr_prov_cipher *c);

/*
 * block.c: ECB and CBC with or without PKCS#7 (RFC 5652 section 6.3). in may be out, at any offset
 * of the stream. out_cap bounds what is written; *out_len is set on success. A failure leaves out
 * untouched, unless what was pending and in_len together exceed KGR_DATA_MAX (several requests).
 */
KGR_MUST_CHECK enum kgr_error kgr_prov_block_update(struct kgr_prov_cipher *c, uint8_t *out,
                                                    size_t *out_len, size_t out_cap,
                                                    const uint8_t *in, size_t in_len);
KGR_MUST_CHECK enum kgr_error kgr_prov_block_final(struct kgr_prov_cipher *c, uint8_t *out,
                                                   size_t *out_len, size_t out_cap);
/* kgr_prov_block_raw takes whole blocks without padding and beside whatever is pending. */
KGR_MUST_CHECK enum kgr_error kgr_prov_block_raw(struct kgr_prov_cipher *c, uint8_t *out,
                                                 const uint8_t *in, size_t in_len);

/* keystream.c: CTR, CFB (128 bits) and OFB: as many bytes out as in. A failure as above. */
KGR_MUST_CHECK enum kgr_error kgr_prov_keystream_update(struct kgr_prov_cipher *c, uint8_t *out,
                                                        const uint8_t *in, size_t in_len);

/* aead.c: the AEADs are ciphers to OpenSSL, offered in the same table. */
extern const OSSL_DISPATCH kgr_prov_aes_128_etm_functions[];
extern const OSSL_DISPATCH kgr_prov_aes_256_etm_functions[];

/* cipher_params.c: what OpenSSL may ask and set, of a cipher and of an operation. */
KGR_MUST_CHECK enum kgr_error kgr_prov_cipher_set(struct kgr_prov_cipher *c,
                                                  const OSSL_PARAM params[]);
int kgr_prov_cipher_get_params(const struct kgr_prov_cipher_spec *spec, OSSL_PARAM params[]);
OSSL_FUNC_cipher_get_ctx_params_fn kgr_prov_cipher_get_ctx_params;
OSSL_FUNC_cipher_set_ctx_params_fn kgr_prov_cipher_set_ctx_params;
OSSL_FUNC_cipher_gettable_params_fn kgr_prov_cipher_gettable_params;
OSSL_FUNC_cipher_gettable_ctx_params_fn kgr_prov_cipher_gettable_ctx_params;
OSSL_FUNC_cipher_settable_ctx_params_fn kgr_prov_cipher_settable_ctx_params;

/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "provider/cipher.h"
#include "provider/hmac.h"

#define KGR_PROV_TAG_MAX 24

/*
 * The authenticated encryption of RFC 7518 section 5.2.2: AES-CBC with PKCS#7, then HMAC over
 * A || IV || E || AL, truncated to half of the hash; with both keys of a pair. Encryption streams.
 * Decryption takes the tag first and the whole ciphertext in one update, and releases nothing before
 * the tag was compared. Bare: the IV is the caller's, and there is no protection against replay.
 */
struct kgr_prov_aead {
    struct kgr_prov_cipher cbc;
    struct kgr_prov_hmac hmac;
    uint64_t aad_len;
    bool begun;   /* data came, so that no more AAD may */
    bool done;    /* encrypted to the end, or decrypted and verified */
    bool iv_used; /* a message was begun under it */
    bool tag_set; /* tag is what the caller gave, or what we made */
    uint8_t tag[KGR_PROV_TAG_MAX];
    /*
     * A context that is initialised again by an IV alone asks for no generation: the first request for the message says which
     * one it was.
     */
    bool unpinned;
    /* If the data that came is all: the last block of E, and the tag in ahead_tag. */
    bool ahead;
    uint8_t ahead_last[KGR_BLOCK_LEN];
    uint8_t ahead_tag[KGR_PROV_TAG_MAX];
};

/* Between the files aead*.c: the message of a context. Each tells OpenSSL's error queue why it failed. */

/* kgr_prov_aead_refuse_order: what was called is not called in this order. */
enum kgr_error kgr_prov_aead_refuse_order(struct kgr_prov_aead *a, const char *what);
/* kgr_prov_aead_pin is for what needs more requests than one. */
enum kgr_error kgr_prov_aead_pin(struct kgr_prov_aead *a);
enum kgr_error kgr_prov_aead_aad(struct kgr_prov_aead *a, const uint8_t *aad, size_t len);
enum kgr_error kgr_prov_aead_encrypt(struct kgr_prov_aead *a, uint8_t *out, size_t *out_len,
                                     size_t out_cap, const uint8_t *in, size_t in_len);
/* kgr_prov_aead_decrypt verifies, then decrypts, the whole ciphertext. */
enum kgr_error kgr_prov_aead_decrypt(struct kgr_prov_aead *a, uint8_t *out, size_t *out_len,
                                     size_t out_cap, const uint8_t *in, size_t in_len);
/* kgr_prov_aead_finish encrypts the last block and makes the tag. */
enum kgr_error kgr_prov_aead_finish(struct kgr_prov_aead *a, uint8_t *last, size_t *out_len,
                                    size_t out_cap);
/* kgr_prov_aead_take_ahead is that, where both are known. */
enum kgr_error kgr_prov_aead_take_ahead(struct kgr_prov_aead *a, uint8_t *last, size_t *out_len);

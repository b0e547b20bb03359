/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * What a seal is made of, by OpenSSL in this process: AES-128-CBC with PKCS#7, HMAC-SHA-256 over associated data, IV,
 * ciphertext and length. Keys and contexts are set up once; this is the best that EVP gives.
 */
struct raw_evp;

struct raw_evp *raw_evp_new(void);
void raw_evp_free(struct raw_evp *evp);
/* raw_evp_seal writes aad, IV, ciphertext and tag to out, which has room for 96 bytes more than plaintext. */
void raw_evp_seal(struct raw_evp *evp, const uint8_t *plaintext, size_t len, uint8_t *out);

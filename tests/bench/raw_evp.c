/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/bench/raw_evp.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include "tests/bench/measure.h"

#define AAD_LEN 28 /* as long as a record's header */
#define IV_LEN  16
#define TAG_LEN 16

struct raw_evp {
    EVP_CIPHER *aes;
    EVP_CIPHER_CTX *cipher;
    EVP_MAC *hmac;
    EVP_MAC_CTX *mac;
    uint64_t count; /* makes every IV another one */
};

struct raw_evp *raw_evp_new(void)
{
    struct raw_evp *evp = calloc(1, sizeof(*evp));
    unsigned char key[48];
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };

    bench_must(evp != NULL && RAND_bytes(key, sizeof(key)) == 1, "no memory, or no randomness");
    evp->aes = EVP_CIPHER_fetch(NULL, "AES-128-CBC", "provider=default");
    evp->cipher = EVP_CIPHER_CTX_new();
    evp->hmac = EVP_MAC_fetch(NULL, "HMAC", "provider=default");
    evp->mac = evp->hmac == NULL ? NULL : EVP_MAC_CTX_new(evp->hmac);
    bench_must(evp->aes != NULL && evp->cipher != NULL && evp->mac != NULL &&
                   EVP_EncryptInit_ex2(evp->cipher, evp->aes, key, NULL, NULL) == 1 &&
                   EVP_MAC_init(evp->mac, key + 16, 32, params) == 1,
               "libcrypto has no AES-128-CBC or no HMAC");
    return evp;
}

void raw_evp_free(struct raw_evp *evp)
{
    EVP_MAC_CTX_free(evp->mac);
    EVP_MAC_free(evp->hmac);
    EVP_CIPHER_CTX_free(evp->cipher);
    EVP_CIPHER_free(evp->aes);
    free(evp);
}

void raw_evp_seal(struct raw_evp *evp, const uint8_t *plaintext, size_t len, uint8_t *out)
{
    uint8_t *iv = out + AAD_LEN, *body = iv + IV_LEN;
    const uint8_t al[8] = {0, 0, 0, 0, 0, 0, 0, AAD_LEN * 8};
    uint8_t tag[32];
    int n = 0, last = 0;
    size_t tag_len = 0;
    bool ok;

    memset(out, 1, AAD_LEN + IV_LEN);
    evp->count++;
    memcpy(iv, &evp->count, sizeof(evp->count));
    ok = EVP_EncryptInit_ex2(evp->cipher, NULL, NULL, iv, NULL) == 1 &&
         EVP_EncryptUpdate(evp->cipher, body, &n, plaintext, (int)len) == 1 &&
         EVP_EncryptFinal_ex(evp->cipher, body + n, &last) == 1;
    n += last;
    /* Header, IV and ciphertext stand together: one update. */
    ok = ok && EVP_MAC_init(evp->mac, NULL, 0, NULL) == 1 &&
         EVP_MAC_update(evp->mac, out, AAD_LEN + IV_LEN + (size_t)n) == 1 &&
         EVP_MAC_update(evp->mac, al, sizeof(al)) == 1 &&
         EVP_MAC_final(evp->mac, tag, &tag_len, sizeof(tag)) == 1;
    bench_must(ok, "libcrypto failed");
    memcpy(body + n, tag, TAG_LEN);
}

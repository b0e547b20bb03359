/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/keys/state_key.h"

#include "agent/base/clock.h"
#include "agent/base/secret.h"
#include "agent/seal/software.h"

#define SUITE          KGR_SUITE_AES128_SHA256
#define CIPHERTEXT_LEN (KGR_PAGE_CONTENT + 16u)
#define TAG_LEN        16u

_Static_assert(KGR_IV_LEN + CIPHERTEXT_LEN + TAG_LEN == KGR_PAGE_LEN, "a sealed page fills a page");

static enum kgr_error seal_page(void *ctx, uint8_t out[KGR_PAGE_LEN], struct kgr_slice aad,
                                const uint8_t content[KGR_PAGE_CONTENT])
{
    struct kgr_seal_key key = kgr_software_key_seal(ctx);

    kgr_random(out, KGR_IV_LEN);
    return kgr_seal_encrypt(&key, out + KGR_IV_LEN, out + KGR_IV_LEN + CIPHERTEXT_LEN, out, aad,
                            kgr_slice(content, KGR_PAGE_CONTENT));
}

static enum kgr_error open_page(void *ctx, uint8_t out[KGR_PAGE_LEN], struct kgr_slice aad,
                                const uint8_t page[KGR_PAGE_LEN])
{
    struct kgr_seal_key key = kgr_software_key_seal(ctx);
    size_t len = 0;
    enum kgr_error err =
        kgr_seal_decrypt(&key, out, &len, page, aad, kgr_slice(page + KGR_IV_LEN, CIPHERTEXT_LEN),
                         kgr_slice(page + KGR_IV_LEN + CIPHERTEXT_LEN, TAG_LEN));

    return err == KGR_OK && len != KGR_PAGE_CONTENT ? KGR_ERR_CORRUPT : err;
}

static enum kgr_error at(void *ctx, struct kgr_page_cipher *out, uint64_t epoch)
{
    struct kgr_software_key *key = NULL;
    struct kgr_tpm_auth *enc = NULL;
    struct kgr_tpm_auth *mac = NULL;
    uint8_t number[8];
    struct kgr_wr wr;
    enum kgr_error err;

    kgr_wr_init(&wr, number, sizeof(number));
    kgr_wr_u64(&wr, epoch);
    err = kgr_auth_bytes(ctx, &enc, "state enc", kgr_wr_slice(&wr));
    if (err == KGR_OK)
        err = kgr_auth_bytes(ctx, &mac, "state mac", kgr_wr_slice(&wr));
    if (err == KGR_OK)
        err = kgr_software_key_new(&key, SUITE, kgr_slice(enc->bytes, kgr_suite_enc_key_len(SUITE)),
                                   kgr_slice(mac->bytes, KGR_TPM_AUTH_MAX));
    kgr_secret_free(enc);
    kgr_secret_free(mac);
    if (err == KGR_OK)
        *out = (struct kgr_page_cipher){.seal = seal_page, .open = open_page, .ctx = key};
    return err;
}

static void drop(void *ctx, struct kgr_page_cipher *cipher)
{
    (void)ctx;
    kgr_software_key_free(cipher->ctx);
    *cipher = (struct kgr_page_cipher){0};
}

struct kgr_page_keys kgr_state_keys(struct kgr_auth_root *root)
{
    struct kgr_page_keys keys = {.at = at, .drop = drop, .ctx = root};

    return keys;
}

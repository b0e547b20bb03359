/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/tpm/wrap.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "agent/base/secret.h"
#include "agent/tpm/crypto.h"
#include "agent/tpm/ecc.h"
#include "agent/tpm/public.h"

#define SENSITIVE_MAX 160
#define HASH_MAX      48

/* What is wrapped, on its way: all of it stands in the arena. */
struct work {
    uint8_t bytes[512]; /* the duplicate, from its inside outwards */
    size_t len;
    uint8_t seed[KGR_TPM_ECC_MAX];
    uint8_t key[HASH_MAX];
    uint8_t both[KGR_TPM_HASH_LEN + KGR_MAC_KEY_MAX];
};

/* The hash and the cipher of a storage key follow from its curve. */
static const char *hash_of(enum kgr_tpm_curve curve)
{
    return curve == KGR_TPM_P384 ? "SHA384" : "SHA256";
}

static enum kgr_error hmac(uint8_t *out, size_t out_len, const char *hash, struct kgr_slice key,
                           struct kgr_slice data)
{
    size_t len = 0;

    if (EVP_Q_mac(kgr_tpm_library(), "HMAC", NULL, hash, NULL, key.p, key.len, data.p, data.len,
                  out, out_len, &len) == NULL ||
        len != out_len)
        return KGR_ERR_FAILED;
    return KGR_OK;
}

/* KDFa (TPM 2.0 Part 1, "KDFa") of at most one round, the second context empty. */
static enum kgr_error kdfa(uint8_t *out, size_t out_len, enum kgr_tpm_curve curve,
                           const uint8_t *key, const char *label, struct kgr_slice context)
{
    uint8_t input[64 + KGR_TPM_NAME_MAX];
    size_t hash_len = kgr_tpm_curve_len(curve);
    uint8_t *round = kgr_secret_alloc(hash_len);
    struct kgr_wr wr;
    enum kgr_error err = round == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    kgr_wr_init(&wr, input, sizeof(input));
    kgr_wr_u32(&wr, 1);
    kgr_wr_bytes(&wr, label, strlen(label) + 1);
    kgr_wr_bytes(&wr, context.p, context.len);
    kgr_wr_u32(&wr, (uint32_t)(8 * out_len));
    if (err == KGR_OK && (!kgr_wr_ok(&wr) || out_len > hash_len))
        err = KGR_ERR_FAILED;
    if (err == KGR_OK)
        err = hmac(round, hash_len, hash_of(curve), kgr_slice(key, hash_len), kgr_wr_slice(&wr));
    if (err == KGR_OK)
        memcpy(out, round, out_len);
    kgr_secret_free(round);
    return err;
}

static enum kgr_error cfb(struct kgr_slice key, uint8_t *data, size_t len)
{
    static const uint8_t iv[KGR_IV_LEN] = {0};
    EVP_CIPHER *cipher =
        EVP_CIPHER_fetch(kgr_tpm_library(), key.len == 32 ? "AES-256-CFB" : "AES-128-CFB", NULL);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n = 0;
    bool ok = cipher != NULL && ctx != NULL &&
              EVP_EncryptInit_ex2(ctx, cipher, key.p, iv, NULL) == 1 &&
              EVP_EncryptUpdate(ctx, data, &n, data, (int)len) == 1 && (size_t)n == len;

    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_free(cipher);
    return ok ? KGR_OK : KGR_ERR_FAILED;
}

/* TPM2B_SENSITIVE without authorisation value. */
static enum kgr_error write_sensitive(struct work *w, const struct kgr_tpm_public *pub,
                                      const struct kgr_tpm_wrap *wrap)
{
    struct kgr_rd rd;
    struct kgr_wr wr;
    uint16_t type;

    kgr_rd_init(&rd, pub->bytes, pub->len);
    type = kgr_rd_u16(&rd);
    kgr_wr_init(&wr, w->bytes, SENSITIVE_MAX);
    kgr_wr_u16(&wr, (uint16_t)(2 + 2 + 2 + KGR_TPM_HASH_LEN + 2 + wrap->secret.len));
    kgr_wr_u16(&wr, type);
    kgr_wr_u16(&wr, 0);
    kgr_wr_vec16(&wr, kgr_slice(wrap->seed, KGR_TPM_HASH_LEN));
    kgr_wr_vec16(&wr, wrap->secret);
    w->len = wr.len;
    return kgr_wr_ok(&wr) && kgr_rd_ok(&rd) ? KGR_OK : KGR_ERR_INVALID;
}

/* prepend puts a TPM2B of a digest before what is there. */
static enum kgr_error prepend(struct work *w, const uint8_t *digest, size_t len)
{
    struct kgr_wr wr;

    if (w->len + 2 + len > sizeof(w->bytes))
        return KGR_ERR_FAILED;
    memmove(w->bytes + 2 + len, w->bytes, w->len);
    kgr_wr_init(&wr, w->bytes, 2 + len);
    kgr_wr_vec16(&wr, kgr_slice(digest, len));
    w->len += 2 + len;
    return kgr_wr_ok(&wr) ? KGR_OK : KGR_ERR_FAILED;
}

/* The inner wrapper: H(sensitive || Name) before the sensitive area, and both encrypted. */
static enum kgr_error wrap_inside(struct work *w, const struct kgr_tpm_name *name,
                                  struct kgr_slice inner)
{
    uint8_t digest[KGR_TPM_HASH_LEN];
    enum kgr_error err;

    if (inner.len == 0)
        return KGR_OK;
    memcpy(w->bytes + w->len, name->bytes, name->len);
    err = kgr_tpm_digest256(digest, kgr_slice(w->bytes, w->len + name->len));
    if (err == KGR_OK)
        err = prepend(w, digest, sizeof(digest));
    return err == KGR_OK ? cfb(inner, w->bytes, w->len) : err;
}

/* The outer wrapper: encrypted under the seed, and an HMAC over that and the Name before it. */
static enum kgr_error wrap_outside(struct work *w, const struct kgr_tpm_name *name,
                                   enum kgr_tpm_curve curve)
{
    uint8_t digest[HASH_MAX];
    size_t hash_len = kgr_tpm_curve_len(curve);
    size_t key_len = curve == KGR_TPM_P384 ? 32 : 16;
    enum kgr_error err =
        kdfa(w->key, key_len, curve, w->seed, "STORAGE", kgr_slice(name->bytes, name->len));

    if (err == KGR_OK)
        err = cfb(kgr_slice(w->key, key_len), w->bytes, w->len);
    if (err == KGR_OK)
        err = kdfa(w->key, hash_len, curve, w->seed, "INTEGRITY", kgr_slice(NULL, 0));
    if (err != KGR_OK)
        return err;
    memcpy(w->bytes + w->len, name->bytes, name->len);
    err = hmac(digest, hash_len, hash_of(curve), kgr_slice(w->key, hash_len),
               kgr_slice(w->bytes, w->len + name->len));
    return err == KGR_OK ? prepend(w, digest, hash_len) : err;
}

static enum kgr_error hand_out(struct kgr_tpm_duplicate *out, const struct work *w,
                               const struct kgr_tpm_point *point)
{
    size_t len = kgr_tpm_curve_len(point->curve);
    struct kgr_wr wr;

    if (w->len > sizeof(out->bytes))
        return KGR_ERR_FAILED;
    kgr_wr_init(&wr, out->seed, sizeof(out->seed));
    kgr_wr_vec16(&wr, kgr_slice(point->x, len));
    kgr_wr_vec16(&wr, kgr_slice(point->y, len));
    if (!kgr_wr_ok(&wr))
        return KGR_ERR_FAILED;
    out->seed_len = (uint16_t)wr.len;
    out->len = (uint16_t)w->len;
    memcpy(out->bytes, w->bytes, w->len);
    return KGR_OK;
}

enum kgr_error kgr_tpm_wrap_as(const struct kgr_tpm_public *pub, struct kgr_tpm_duplicate *out,
                               const struct kgr_tpm_wrap *wrap)
{
    struct kgr_tpm_point point;
    struct kgr_tpm_point ephemeral;
    struct kgr_tpm_name name;
    struct work *w;
    enum kgr_error err = kgr_tpm_library() == NULL ? KGR_ERR_FAILED : KGR_OK;

    if (err == KGR_OK)
        err = kgr_tpm_check_storage(wrap->target);
    if (err == KGR_OK)
        err = kgr_tpm_public_point(wrap->target, &point);
    if (err == KGR_OK)
        err = kgr_tpm_public_name(&name, pub);
    if (err != KGR_OK)
        return err;
    w = kgr_secret_alloc(sizeof(*w));
    if (w == NULL)
        return KGR_ERR_NO_MEMORY;
    err = write_sensitive(w, pub, wrap);
    if (err == KGR_OK)
        err = wrap_inside(w, &name, wrap->inner);
    if (err == KGR_OK)
        err = kgr_tpm_share(w->seed, &ephemeral, &point, "DUPLICATE");
    if (err == KGR_OK)
        err = wrap_outside(w, &name, point.curve);
    if (err == KGR_OK)
        err = hand_out(out, w, &ephemeral);
    kgr_secret_free(w);
    return err;
}

enum kgr_error kgr_tpm_wrap_unique(uint8_t out[KGR_TPM_HASH_LEN], const struct kgr_tpm_wrap *wrap)
{
    struct work *w;
    enum kgr_error err;

    if (wrap->secret.len > KGR_MAC_KEY_MAX)
        return KGR_ERR_INVALID;
    w = kgr_secret_alloc(sizeof(*w));
    if (w == NULL)
        return KGR_ERR_NO_MEMORY;
    memcpy(w->both, wrap->seed, KGR_TPM_HASH_LEN);
    kgr_copy(w->both + KGR_TPM_HASH_LEN, wrap->secret.p, wrap->secret.len);
    err = kgr_tpm_digest256(out, kgr_slice(w->both, KGR_TPM_HASH_LEN + wrap->secret.len));
    kgr_secret_free(w);
    return err;
}

enum kgr_error kgr_tpm_wrap(struct kgr_tpm_public *out_pub, struct kgr_tpm_duplicate *out,
                            const struct kgr_tpm_wrap *wrap)
{
    size_t expected = wrap->kind == KGR_TPM_ENC ? kgr_suite_enc_key_len(wrap->suite)
                                                : kgr_suite_mac_key_len(wrap->suite);
    struct kgr_tpm_public pub;
    uint8_t unique[KGR_TPM_HASH_LEN];
    TPM2B_PUBLIC area;
    enum kgr_error err;

    if (!kgr_suite_known(wrap->suite) || wrap->secret.len != expected ||
        (wrap->inner.len != 0 && wrap->inner.len != kgr_suite_enc_key_len(wrap->suite)) ||
        (wrap->form != KGR_TPM_KEY && wrap->form != KGR_TPM_DATA))
        return KGR_ERR_INVALID;
    err = kgr_tpm_wrap_unique(unique, wrap);
    if (err != KGR_OK)
        return err;
    kgr_tpm_template_wrapped(&area, wrap->suite, wrap->kind, wrap->form, unique);
    err = kgr_tpm_public_marshal(&pub, &area);
    if (err == KGR_OK)
        err = kgr_tpm_wrap_as(&pub, out, wrap);
    if (err == KGR_OK)
        *out_pub = pub;
    return err;
}

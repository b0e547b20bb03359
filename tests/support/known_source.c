/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A source of pair keys whose bytes are known, for tests only: linked into kgr-ks-known-source in the
 * place of agent/server/source.c. It makes keys in software, wraps them to the two storage keys as
 * TPM2_Duplicate would, and appends "ENC MAC" in hex, a line a pair, to the file $KGR_KNOWN_KEYS.
 * Wrapping: TPM 2.0 Library Part 1, "Protected Storage"; KDFa and KDFe likewise.
 */
#include "agent/server/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include "agent/base/buf.h"
#include "agent/base/text.h"

#define HASH_LEN  32
#define COORD_LEN 32

/* KDFe with SHA-256 for 256 bits: one block. */
static void kdfe(uint8_t out[HASH_LEN], const uint8_t z[COORD_LEN], const char *label,
                 const uint8_t u[COORD_LEN], const uint8_t v[COORD_LEN])
{
    uint8_t buf[256];
    struct kgr_wr wr;
    kgr_wr_init(&wr, buf, sizeof buf);
    kgr_wr_u32(&wr, 1);
    kgr_wr_bytes(&wr, z, COORD_LEN);
    kgr_wr_bytes(&wr, label, strlen(label) + 1);
    kgr_wr_bytes(&wr, u, COORD_LEN);
    kgr_wr_bytes(&wr, v, COORD_LEN);
    SHA256(buf, wr.len, out);
}

/* KDFa with HMAC-SHA-256 for at most 256 bits, second context empty. */
static void kdfa(uint8_t *out, uint32_t bits, const uint8_t key[HASH_LEN], const char *label,
                 const uint8_t *context, size_t context_len)
{
    uint8_t buf[256], mac[HASH_LEN];
    struct kgr_wr wr;
    kgr_wr_init(&wr, buf, sizeof buf);
    kgr_wr_u32(&wr, 1);
    kgr_wr_bytes(&wr, label, strlen(label) + 1);
    kgr_wr_bytes(&wr, context, context_len);
    kgr_wr_u32(&wr, bits);
    HMAC(EVP_sha256(), key, HASH_LEN, buf, wr.len, mac, NULL);
    memcpy(out, mac, bits / 8);
}

static bool cfb128(uint8_t *data, size_t len, const uint8_t key[16])
{
    static const uint8_t iv[16] = {0};
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n = 0;
    bool ok = ctx != NULL && EVP_EncryptInit_ex2(ctx, EVP_aes_128_cfb128(), key, iv, NULL) == 1 &&
              EVP_EncryptUpdate(ctx, data, &n, data, (int)len) == 1 && (size_t)n == len;
    EVP_CIPHER_CTX_free(ctx);
    return ok;
}

/* The point of an ECC P-256 storage key. */
static bool storage_point(uint8_t out[2 * COORD_LEN], const struct kgr_tpm_public *pub)
{
    struct kgr_rd rd;
    kgr_rd_init(&rd, pub->bytes, pub->len);
    kgr_rd_ref(&rd, 8);     /* type, nameAlg, attributes */
    kgr_rd_vec16(&rd, 64);  /* authPolicy */
    kgr_rd_ref(&rd, 6 + 6); /* symmetric; scheme, curve, kdf */
    struct kgr_slice x = kgr_rd_vec16(&rd, COORD_LEN), y = kgr_rd_vec16(&rd, COORD_LEN);
    if (!kgr_rd_done(&rd))
        return false;
    memset(out, 0, 2 * COORD_LEN);
    memcpy(out + COORD_LEN - x.len, x.p, x.len);
    memcpy(out + 2 * COORD_LEN - y.len, y.p, y.len);
    return true;
}

static EVP_PKEY *point_key(const uint8_t point[2 * COORD_LEN])
{
    uint8_t encoded[1 + 2 * COORD_LEN] = {4};
    memcpy(encoded + 1, point, 2 * COORD_LEN);
    char group[] = "P-256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, encoded, sizeof encoded),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(ctx);
    return key;
}

/* An ephemeral exchange with the storage key: its seed, and the point that carries it. */
static bool make_seed(uint8_t seed[HASH_LEN], struct kgr_tpm_duplicate *out,
                      const struct kgr_tpm_public *target)
{
    uint8_t point[2 * COORD_LEN], own[1 + 2 * COORD_LEN], z[COORD_LEN];
    size_t own_len = 0, z_len = sizeof z;
    bool ok = false;
    if (!storage_point(point, target))
        return false;
    EVP_PKEY *peer = point_key(point), *ephemeral = EVP_EC_gen("P-256");
    EVP_PKEY_CTX *ctx = ephemeral == NULL ? NULL : EVP_PKEY_CTX_new(ephemeral, NULL);
    if (peer != NULL && ctx != NULL && EVP_PKEY_derive_init(ctx) == 1 &&
        EVP_PKEY_derive_set_peer(ctx, peer) == 1 && EVP_PKEY_derive(ctx, z, &z_len) == 1 &&
        EVP_PKEY_get_octet_string_param(ephemeral, OSSL_PKEY_PARAM_PUB_KEY, own, sizeof own,
                                        &own_len) == 1 &&
        own_len == sizeof own) {
        struct kgr_wr wr;
        kdfe(seed, z, "DUPLICATE", own + 1, point);
        kgr_wr_init(&wr, out->seed, sizeof out->seed);
        kgr_wr_vec16(&wr, kgr_slice(own + 1, COORD_LEN));
        kgr_wr_vec16(&wr, kgr_slice(own + 1 + COORD_LEN, COORD_LEN));
        out->seed_len = (uint16_t)wr.len;
        ok = true;
    }
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(ephemeral);
    EVP_PKEY_free(peer);
    return ok;
}

static bool wrap(struct kgr_tpm_duplicate *out, const struct kgr_tpm_public *target,
                 const struct kgr_tpm_name *name, struct kgr_slice sensitive)
{
    uint8_t seed[HASH_LEN], sym[16], mac_key[HASH_LEN], mac_in[512], mac[HASH_LEN];
    if (!make_seed(seed, out, target))
        return false;
    kdfa(sym, 128, seed, "STORAGE", name->bytes, name->len);
    kdfa(mac_key, 256, seed, "INTEGRITY", NULL, 0);
    struct kgr_wr wr;
    kgr_wr_init(&wr, mac_in, sizeof mac_in);
    kgr_wr_vec16(&wr, sensitive);
    size_t enc_len = wr.len;
    if (!kgr_wr_ok(&wr) || !cfb128(mac_in, enc_len, sym))
        return false;
    kgr_wr_bytes(&wr, name->bytes, name->len);
    if (!kgr_wr_ok(&wr))
        return false;
    HMAC(EVP_sha256(), mac_key, HASH_LEN, mac_in, wr.len, mac, NULL);
    kgr_wr_init(&wr, out->bytes, sizeof out->bytes);
    kgr_wr_vec16(&wr, kgr_slice(mac, sizeof mac));
    kgr_wr_bytes(&wr, mac_in, enc_len);
    out->len = (uint16_t)wr.len;
    return kgr_wr_ok(&wr);
}

struct key_shape {
    uint16_t type; /* TPM_ALG_SYMCIPHER or TPM_ALG_KEYEDHASH */
    uint32_t attributes;
    uint16_t details[3];
    size_t num_details;
    size_t len;
};

static enum kgr_error make_key(struct kgr_tpm_newborn *out, const struct key_shape *shape,
                               const uint8_t *key, const uint8_t policy[HASH_LEN],
                               const struct kgr_tpm_public *const *targets)
{
    uint8_t seed_value[HASH_LEN], both[HASH_LEN + 64], unique[HASH_LEN], sensitive[160];
    struct kgr_wr wr;
    if (RAND_bytes(seed_value, sizeof seed_value) != 1)
        return KGR_ERR_FAILED;
    kgr_wr_init(&wr, both, sizeof both);
    kgr_wr_bytes(&wr, seed_value, sizeof seed_value);
    kgr_wr_bytes(&wr, key, shape->len);
    SHA256(both, wr.len, unique);

    kgr_wr_init(&wr, out->pub.bytes, sizeof out->pub.bytes);
    kgr_wr_u16(&wr, shape->type);
    kgr_wr_u16(&wr, 0x000b);
    kgr_wr_u32(&wr, shape->attributes);
    kgr_wr_vec16(&wr, kgr_slice(policy, HASH_LEN));
    for (size_t i = 0; i < shape->num_details; i++)
        kgr_wr_u16(&wr, shape->details[i]);
    kgr_wr_vec16(&wr, kgr_slice(unique, sizeof unique));
    out->pub.len = (uint16_t)wr.len;
    enum kgr_error err = kgr_tpm_public_name(&out->name, &out->pub);
    if (err != KGR_OK)
        return err;

    kgr_wr_init(&wr, sensitive, sizeof sensitive);
    kgr_wr_u16(&wr, shape->type);
    kgr_wr_u16(&wr, 0); /* authValue */
    kgr_wr_vec16(&wr, kgr_slice(seed_value, sizeof seed_value));
    kgr_wr_vec16(&wr, kgr_slice(key, shape->len));
    for (size_t i = 0; i < KGR_TPM_TARGETS_MAX; i++) {
        if (!kgr_wr_ok(&wr) ||
            !wrap(&out->duplicates[i], targets[i], &out->name, kgr_wr_slice(&wr)))
            return KGR_ERR_FAILED;
    }
    out->kept.len = 0;
    return KGR_OK;
}

static enum kgr_error remember(const uint8_t *enc, size_t enc_len, const uint8_t *mac,
                               size_t mac_len)
{
    char enc_hex[2 * 64 + 1], mac_hex[2 * 64 + 1];
    const char *path = getenv("KGR_KNOWN_KEYS");
    FILE *f = path == NULL ? NULL : fopen(path, "a");
    if (f == NULL)
        return KGR_ERR_IO;
    fprintf(f, "%s %s\n", kgr_hex(enc_hex, enc, enc_len), kgr_hex(mac_hex, mac, mac_len));
    return fclose(f) == 0 ? KGR_OK : KGR_ERR_IO;
}

static enum kgr_error birth_policy(uint8_t policy[HASH_LEN], const struct kgr_tpm_birth *birth)
{
    struct kgr_tpm_name names[KGR_TPM_TARGETS_MAX];
    const struct kgr_tpm_name *list[KGR_TPM_TARGETS_MAX];
    for (size_t i = 0; i < KGR_TPM_TARGETS_MAX; i++) {
        enum kgr_error err = kgr_tpm_public_name(&names[i], birth->targets[i]);
        if (err != KGR_OK)
            return err;
        list[i] = &names[i];
    }
    return kgr_tpm_birth_policy(policy, &birth->parent->name, list, KGR_TPM_TARGETS_MAX);
}

enum kgr_error kgr_source_birth(struct kgr_tpm *tpm, struct kgr_tpm_newborn *out_enc,
                                struct kgr_tpm_newborn *out_mac, const struct kgr_tpm_birth *birth,
                                struct kgr_diag *diag)
{
    (void)tpm;
    uint8_t policy[HASH_LEN], enc[32], mac[48];
    if (birth->num_targets != KGR_TPM_TARGETS_MAX)
        return kgr_diag_set(diag, KGR_ERR_INVALID, "the known source makes keys for pairs only");
    bool large = birth->suite == KGR_SUITE_AES256_SHA384;
    const struct key_shape enc_shape = {
        0x0025, 0x00060460, {0x0006, large ? 256 : 128, 0x0010}, 3, large ? 32 : 16};
    const struct key_shape mac_shape = {
        0x0008, 0x00040460, {0x0005, large ? 0x000c : 0x000b, 0}, 2, large ? 48 : 32};
    enum kgr_error err = birth_policy(policy, birth);
    if (err != KGR_OK)
        return err;
    if (RAND_bytes(enc, sizeof enc) != 1 || RAND_bytes(mac, sizeof mac) != 1)
        return KGR_ERR_FAILED;
    err = make_key(out_enc, &enc_shape, enc, policy, birth->targets);
    if (err == KGR_OK)
        err = make_key(out_mac, &mac_shape, mac, policy, birth->targets);
    if (err == KGR_OK)
        err = remember(enc, enc_shape.len, mac, mac_shape.len);
    return err;
}

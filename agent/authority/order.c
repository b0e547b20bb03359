/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/ac.h"

#include <stdlib.h>
#include <string.h>

#include "agent/authority/ks_link.h"
#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/secret.h"
#include "agent/seal/digest.h"
#include "agent/seal/hkdf.h"
#include "agent/seal/software.h"
#include "agent/tpm/credential.h"
#include "agent/tpm/nv.h"
#include "agent/tpm/sign.h"
#include "agent/tpm/template.h"
#include "agent/wire/credential.h"

#define LIFETIME_S      300 /* of an order */
#define TIMEOUT_MS      30000
#define CREDENTIAL_KEYS 48 /* 16 bytes for AES, 32 for HMAC */
#define SECRET_LEN      32

/* The next number: a fresh epoch for each run, so that nothing need be kept on disk and the TPM's NV wears little. */
static enum kgr_error next_number(struct kgr_ac *ac, uint64_t *out, struct kgr_diag *diag)
{
    uint64_t epoch = 0;
    if (ac->last_number != 0) {
        *out = ++ac->last_number;
        return KGR_OK;
    }
    enum kgr_error err = kgr_tpm_counter_increment(ac->tpm, &epoch, &ac->counter, diag);
    if (err != KGR_OK)
        return err;
    if (epoch > UINT32_MAX)
        return kgr_diag_set(diag, KGR_ERR_QUOTA, "the order counter of this TPM is spent");
    ac->last_number = epoch << 32 | 1;
    *out = ac->last_number;
    return KGR_OK;
}

static enum kgr_error sign_order(struct kgr_ac *ac, struct kgr_wr *wr,
                                 const struct kgr_order *order, struct kgr_diag *diag)
{
    uint8_t digest[KGR_SHA256_LEN], signature[KGR_SIGNATURE_LEN];
    enum kgr_error err = kgr_order_encode(wr, order);
    if (err != KGR_OK)
        return kgr_diag_set(diag, err, "the order is too large");
    const struct kgr_slice parts[] = {kgr_slice(KGR_LABEL_ORDER, strlen(KGR_LABEL_ORDER)),
                                      kgr_wr_slice(wr)};
    err = kgr_sha256(digest, parts, 2);
    if (err == KGR_OK)
        err = kgr_tpm_sign(ac->tpm, &ac->signing, signature, digest, diag);
    if (err == KGR_OK)
        err = kgr_signature_append(wr, signature);
    return err;
}

static enum kgr_error check_result(const struct kgr_result *result, const struct kgr_order *order,
                                   struct kgr_slice sent, const struct kgr_tpm_public *ks,
                                   struct kgr_diag *diag)
{
    uint8_t of_order[KGR_SHA256_LEN], digest[KGR_SHA256_LEN];
    enum kgr_error err = kgr_sha256(of_order, &sent, 1);
    if (err != KGR_OK)
        return err;
    const struct kgr_slice parts[] = {kgr_slice(KGR_LABEL_RESULT, strlen(KGR_LABEL_RESULT)),
                                      kgr_slice(of_order, sizeof of_order), result->covered};
    err = kgr_sha256(digest, parts, 3);
    if (err != KGR_OK)
        return err;
    if (result->kind != order->kind || result->number != order->number ||
        memcmp(result->ks, order->ks, sizeof order->ks) != 0 ||
        kgr_tpm_verify(ks, digest, result->signature) != KGR_OK)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT,
                            "the result is not signed by the key server that this AC has pinned");
    return KGR_OK;
}

static enum kgr_error take_refusal(const struct kgr_result *result, struct kgr_diag *diag)
{
    struct kgr_rd rd;
    char shown[256];
    kgr_rd_init(&rd, result->body.p, result->body.len);
    struct kgr_slice text = kgr_rd_vec8(&rd, 255);
    enum kgr_error err =
        result->status < KGR_ERR_COUNT ? (enum kgr_error)result->status : KGR_ERR_FAILED;
    if (!kgr_rd_done(&rd) || text.len == 0)
        return kgr_diag_set(diag, err, "the key server refuses: %s", kgr_strerror(err));
    return kgr_diag_set(diag, err, "the key server refuses: %s",
                        kgr_log_escape(shown, sizeof shown, text.p, text.len));
}

enum kgr_error kgr_ac_order(struct kgr_ac *ac, struct kgr_slice *out_body, uint8_t *buf,
                            enum kgr_order_kind kind, struct kgr_slice body, struct kgr_diag *diag)
{
    struct kgr_order order = {.kind = (uint8_t)kind, .body = body};
    struct kgr_result result;
    size_t result_len = 0;
    struct kgr_wr wr;
    uint8_t *sent = malloc(KGR_ORDER_MAX);
    struct kgr_ac_identity *ks = malloc(sizeof *ks);
    if (sent == NULL || ks == NULL) {
        free(sent);
        free(ks);
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "out of memory");
    }
    kgr_wr_init(&wr, sent, KGR_ORDER_MAX);
    order.expires = (uint64_t)kgr_clock_wall_s() + LIFETIME_S;
    enum kgr_error err = kgr_ac_state_ks(ac->state, ks, diag);
    if (err == KGR_OK)
        err = kgr_tpm_public_hash(order.ks, &ks->signing);
    if (err == KGR_OK)
        err = next_number(ac, &order.number, diag);
    if (err == KGR_OK)
        err = sign_order(ac, &wr, &order, diag);
    if (err == KGR_OK)
        err = kgr_ks_link_order(buf, &result_len, KGR_RESULT_MAX, ac->settings->ks_socket,
                                kgr_wr_slice(&wr), TIMEOUT_MS, diag);
    if (err == KGR_OK && kgr_result_decode(&result, kgr_slice(buf, result_len)) != KGR_OK)
        err = kgr_diag_set(diag, KGR_ERR_CORRUPT, "the key server's result is malformed");
    if (err == KGR_OK)
        err = check_result(&result, &order, kgr_wr_slice(&wr), &ks->signing, diag);
    if (err == KGR_OK && result.status != KGR_OK)
        err = take_refusal(&result, diag);
    if (err == KGR_OK)
        *out_body = result.body;
    free(sent);
    free(ks);
    return err;
}

static enum kgr_error take_slice(uint8_t *out, uint16_t *out_len, size_t cap, struct kgr_slice s)
{
    if (s.len > cap)
        return KGR_ERR_CORRUPT;
    kgr_copy(out, s.p, s.len);
    *out_len = (uint16_t)s.len;
    return KGR_OK;
}

/* What the EK of this TPM releases for the AC's storage key, in the arena. */
static enum kgr_error activate(struct kgr_ac *ac, uint8_t *out,
                               const struct kgr_sealed_credential *sealed, struct kgr_diag *diag)
{
    struct kgr_tpm_credential credential;
    enum kgr_error err =
        take_slice(credential.bytes, &credential.len, sizeof credential.bytes, sealed->credential);
    if (err == KGR_OK)
        err = take_slice(credential.secret, &credential.secret_len, sizeof credential.secret,
                         sealed->secret);
    if (err != KGR_OK)
        return kgr_diag_set(diag, err, "the sealed credential is malformed");
    return kgr_tpm_activate_credential(ac->tpm, out, SECRET_LEN, &ac->storage, &credential, diag);
}

static enum kgr_error derive_key(struct kgr_software_key **out, uint8_t *arena,
                                 const struct kgr_tpm_public *ks)
{
    static const char enc_info[] = "kgr cred enc", mac_info[] = "kgr cred mac";
    uint8_t salt[KGR_SHA256_LEN];
    uint8_t *enc = arena + SECRET_LEN, *mac = enc + 16;
    const struct kgr_slice secret = kgr_slice(arena, SECRET_LEN);
    enum kgr_error err = kgr_tpm_public_hash(salt, ks);
    if (err == KGR_OK)
        err = kgr_hkdf(enc, 16, secret, kgr_slice(salt, sizeof salt),
                       kgr_slice(enc_info, sizeof enc_info - 1));
    if (err == KGR_OK)
        err = kgr_hkdf(mac, 32, secret, kgr_slice(salt, sizeof salt),
                       kgr_slice(mac_info, sizeof mac_info - 1));
    if (err == KGR_OK)
        err = kgr_software_key_new(out, KGR_SUITE_AES128_SHA256, kgr_slice(enc, 16),
                                   kgr_slice(mac, 32));
    return err;
}

static enum kgr_error decrypt(uint8_t *out, size_t *out_len, struct kgr_software_key *key,
                              const struct kgr_nid *node,
                              const struct kgr_sealed_credential *sealed)
{
    if (sealed->body.len > KGR_CREDENTIAL_MAX)
        return KGR_ERR_CORRUPT;
    const struct kgr_seal_key seal = kgr_software_key_seal(key);
    return kgr_seal_decrypt(&seal, out, out_len, sealed->iv, kgr_slice(node->s, strlen(node->s)),
                            sealed->body, kgr_slice(sealed->tag, sizeof sealed->tag));
}

/* What is handed to the node must be for it, whole, and of the KS that this AC trusts. */
static enum kgr_error check_credential(struct kgr_slice file, const struct kgr_nid *node,
                                       const struct kgr_tpm_public *ks)
{
    struct kgr_credential_file m;
    uint8_t hash[KGR_SHA256_LEN];
    enum kgr_error err = kgr_credential_decode(&m, file);
    if (err == KGR_OK)
        err = kgr_sha256(hash, &m.covered, 1);
    if (err == KGR_OK &&
        (memcmp(hash, m.hash, sizeof hash) != 0 || kgr_nid_cmp(&m.node, node) != 0 ||
         !kgr_slice_equal(m.ks_signing, kgr_slice(ks->bytes, ks->len))))
        err = KGR_ERR_CORRUPT;
    return err;
}

enum kgr_error kgr_ac_open_credential(struct kgr_ac *ac, uint8_t *out, size_t *out_len,
                                      const struct kgr_nid *node, struct kgr_slice sealed,
                                      struct kgr_diag *diag)
{
    struct kgr_sealed_credential m;
    struct kgr_software_key *key = NULL;
    if (kgr_sealed_credential_decode(&m, sealed) != KGR_OK)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "the sealed credential is malformed");
    struct kgr_ac_identity *ks = malloc(sizeof *ks);
    uint8_t *arena = kgr_secret_alloc(SECRET_LEN + CREDENTIAL_KEYS);
    if (arena == NULL || ks == NULL) {
        kgr_secret_free(arena);
        free(ks);
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "the guarded memory is full");
    }
    enum kgr_error err = kgr_ac_state_ks(ac->state, ks, diag);
    if (err == KGR_OK)
        err = activate(ac, arena, &m, diag);
    if (err == KGR_OK)
        err = derive_key(&key, arena, &ks->signing);
    if (err == KGR_OK)
        err = decrypt(out, out_len, key, node, &m);
    if (err == KGR_OK)
        err = check_credential(kgr_slice(out, *out_len), node, &ks->signing);
    kgr_software_key_free(key);
    kgr_secret_free(arena);
    free(ks);
    return err == KGR_OK
               ? KGR_OK
               : kgr_diag_set(diag, err, "the credential that the key server made is not good");
}

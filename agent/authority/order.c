/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/ac.h"

#include <stdlib.h>
#include <string.h>

#include "agent/authority/ks_link.h"
#include "agent/authority/mqtt_link.h"
#include "agent/authority/next.h"
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
#define CREDENTIAL_KEYS 48  /* 16 bytes for AES, 32 for HMAC */
#define SECRET_LEN      32

/* A fresh epoch for each run, so that no number need be kept on disk, and the TPM's NV wears little. */
enum kgr_error kgr_ac_epoch(struct kgr_ac *ac, uint32_t *out, struct kgr_diag *diag)
{
    uint64_t epoch = 0;
    bool restored = false;
    enum kgr_error err = KGR_OK;
    if (ac->epoch == 0)
        err = kgr_ac_state_leave(ac->state, diag);
    if (ac->epoch == 0 && err == KGR_OK)
        err = kgr_tpm_counter_increment(ac->tpm, &epoch, &ac->vault.counter, diag);
    if (err == KGR_OK && epoch > UINT32_MAX)
        return kgr_diag_set(diag, KGR_ERR_QUOTA, "the order counter of this TPM is spent");
    if (ac->epoch == 0 && err == KGR_OK)
        err = kgr_ac_state_enter(ac->state, epoch, &restored, diag);
    if (err != KGR_OK)
        return err;
    if (restored)
        kgr_warn("restored",
                 "reason=\"the state of this AC was put back or copied: an order that was"
                 " under way then is forgotten\"");
    if (ac->epoch == 0)
        ac->epoch = (uint32_t)epoch;
    *out = ac->epoch;
    return KGR_OK;
}

static enum kgr_error next_number(struct kgr_ac *ac, uint64_t *out, struct kgr_diag *diag)
{
    uint32_t epoch = 0;
    enum kgr_error err = kgr_ac_epoch(ac, &epoch, diag);
    *out = (uint64_t)epoch << 32 | ++ac->counter;
    return err;
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

/* An order as it goes out, and what came of it. */
struct errand {
    struct kgr_order order; /* as signed; its body borrows the caller's */
    uint8_t *sent;          /* KGR_ORDER_MAX bytes */
    size_t sent_len;
    bool resumed;              /* an earlier run signed it */
    bool retried;              /* the KS may have seen it before */
    struct kgr_ac_identity ks; /* who signs the result */
    struct kgr_result result;
};

/* Orders that only ask need not survive this run. */
static bool changes_something(uint8_t kind)
{
    return kind != KGR_ORDER_NODE_LIST && kind != KGR_ORDER_PAIR_LIST &&
           kind != KGR_ORDER_NODE_SHOW && kind != KGR_ORDER_AUDIT_LIST;
}

static enum kgr_error sign_anew(struct kgr_ac *ac, struct errand *e, struct kgr_diag *diag)
{
    struct kgr_wr wr;
    kgr_wr_init(&wr, e->sent, KGR_ORDER_MAX);
    e->resumed = false;
    e->retried = false;
    e->order.expires = (uint64_t)kgr_clock_wall_s() + LIFETIME_S;
    enum kgr_error err = kgr_tpm_public_hash(e->order.ks, &e->ks.signing);
    if (err == KGR_OK)
        err = next_number(ac, &e->order.number, diag);
    if (err == KGR_OK)
        err = sign_order(ac, &wr, &e->order, diag);
    e->sent_len = wr.len;
    if (err == KGR_OK && changes_something(e->order.kind))
        err = kgr_ac_state_set_pending(ac->state, kgr_wr_slice(&wr), diag);
    return err;
}

/* resume takes an order of an earlier run that asked for the same and got no answer. */
static enum kgr_error resume(struct kgr_ac *ac, struct errand *e, struct kgr_diag *diag)
{
    struct kgr_order pending;
    uint8_t ks[KGR_SHA256_LEN];
    if (!changes_something(e->order.kind))
        return KGR_OK;
    enum kgr_error err = kgr_ac_state_pending(ac->state, e->sent, &e->sent_len, diag);
    if (err == KGR_OK)
        err = kgr_tpm_public_hash(ks, &e->ks.signing);
    if (err != KGR_OK || e->sent_len == 0 ||
        kgr_order_decode(&pending, kgr_slice(e->sent, e->sent_len)) != KGR_OK)
        return err;
    if (pending.kind == e->order.kind && kgr_slice_equal(pending.body, e->order.body) &&
        memcmp(pending.ks, ks, sizeof ks) == 0) {
        e->resumed = true;
        memcpy(e->order.ks, ks, sizeof ks);
        e->order.number = pending.number;
        kgr_info("order", "number=%llu state=\"given again: an earlier run got no result\"",
                 (unsigned long long)pending.number);
    } else if (pending.kind == KGR_ORDER_NODE_ADD) {
        char subject[KGR_ORDER_SUBJECT_MAX + 1];
        kgr_order_subject(subject, &pending);
        kgr_warn("order",
                 "state=\"node add %s was cut off and is given up for this order; if kgr-ac "
                 "node list shows the node as issued and its credential was not written, "
                 "remove it and add it again\"",
                 subject);
    }
    return KGR_OK;
}

static enum kgr_error send(struct kgr_ac *ac, struct errand *e, uint8_t *buf, struct kgr_diag *diag)
{
    const struct kgr_slice sent = kgr_slice(e->sent, e->sent_len);
    size_t len = 0;
    enum kgr_error err = ac->settings->remote
                             ? kgr_mqtt_link_order(ac, buf, &len, &e->retried, sent, diag)
                             : kgr_ks_link_order(buf, &len, KGR_RESULT_MAX, ac->settings->ks_socket,
                                                 sent, (int)ac->settings->timeout_s * 1000, diag);
    if (err == KGR_OK && kgr_result_decode(&e->result, kgr_slice(buf, len)) != KGR_OK)
        err = kgr_diag_set(diag, KGR_ERR_CORRUPT, "the key server's result is malformed");
    if (err == KGR_OK)
        err = check_result(&e->result, &e->order, sent, &e->ks.signing, diag);
    return err;
}

/* The KS does not know the order any more, or never did; it was not carried out under this number. */
static bool is_forgotten(const struct errand *e)
{
    return (e->resumed || e->retried) &&
           (e->result.status == KGR_ERR_REPLAY || e->result.status == KGR_ERR_EXPIRED);
}

static enum kgr_error give(struct kgr_ac *ac, struct errand *e, uint8_t *buf, struct kgr_diag *diag)
{
    enum kgr_error err = kgr_ac_state_ks(ac->state, &e->ks, diag);
    if (err == KGR_OK)
        err = resume(ac, e, diag);
    if (err == KGR_OK && !e->resumed)
        err = sign_anew(ac, e, diag);
    if (err == KGR_OK)
        err = send(ac, e, buf, diag);
    if (err == KGR_OK && is_forgotten(e)) {
        err = sign_anew(ac, e, diag);
        if (err == KGR_OK)
            err = send(ac, e, buf, diag);
    }
    return err;
}

/* Whether what the order brought still has to be put somewhere. */
static bool brings_something(const struct errand *e)
{
    return e->result.status == KGR_OK &&
           (e->order.kind == KGR_ORDER_NODE_ADD || e->order.kind == KGR_ORDER_AC_REKEY);
}

enum kgr_error kgr_ac_order_taken(struct kgr_ac *ac, struct kgr_diag *diag)
{
    return kgr_ac_state_set_pending(ac->state, kgr_slice(NULL, 0), diag);
}

enum kgr_error kgr_ac_order(struct kgr_ac *ac, struct kgr_slice *out_body, uint8_t *buf,
                            enum kgr_order_kind kind, struct kgr_slice body, struct kgr_diag *diag)
{
    struct errand *e = calloc(1, sizeof *e);
    if (e != NULL)
        e->sent = malloc(KGR_ORDER_MAX);
    enum kgr_error err = KGR_OK;
    if (e == NULL || e->sent == NULL) {
        err = kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "out of memory");
    } else {
        e->order.kind = (uint8_t)kind;
        e->order.body = body;
        err = give(ac, e, buf, diag);
        if (err == KGR_OK)
            err = kgr_ac_settle(ac, diag);
        if (err == KGR_OK && changes_something(e->order.kind) && !brings_something(e))
            err = kgr_ac_order_taken(ac, diag);
        if (err == KGR_OK && e->result.status != KGR_OK)
            err = take_refusal(&e->result, diag);
        if (err == KGR_OK)
            *out_body = e->result.body;
        free(e->sent);
    }
    free(e);
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

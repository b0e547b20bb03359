/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/broker.h"
#include "agent/node/protocol/enrol.h"

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/secret.h"
#include "agent/mqtt/mqtt.h"
#include "agent/node/protocol/challenge.h"
#include "agent/node/protocol/enrol_challenge.h"
#include "agent/node/node.h"
#include "agent/seal/digest.h"
#include "agent/seal/hkdf.h"
#include "agent/seal/software.h"
#include "agent/tpm/object.h"
#include "agent/wire/body_exchange.h"
#include "agent/wire/body_registration.h"
#include "agent/wire/credential.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQ_MAX (KGR_WIRE_EK_CERT_MAX + 2048)

static void progress(struct kgr_node *node, const char *text)
{
    if (node->progress != NULL)
        node->progress(text);
}

/* The body of reg_req, made once and then always the same */

static enum kgr_error encode_req(struct kgr_node *node, struct kgr_wr *wr, uint8_t *certificate,
                                 struct kgr_diag *diag)
{
    struct kgr_tpm_object ek = {0};
    struct kgr_tpm_public ek_public;
    size_t certificate_len = 0;
    struct kgr_reg_req req = {
        .node = node->self,
        .suites = node->custody.suites,
        .custodies = kgr_custody_mask(&node->custody),
    };
    enum kgr_error err = kgr_tpm_ek(node->tpm, &ek, &ek_public, diag);

    if (err == KGR_OK)
        err = kgr_tpm_ek_certificate(node->tpm, certificate, &certificate_len, KGR_WIRE_EK_CERT_MAX,
                                     diag);
    kgr_tpm_release(node->tpm, &ek);
    if (err != KGR_OK)
        return err;
    memcpy(req.topic2, node->topic2, sizeof(req.topic2));
    memcpy(req.nonce_n, node->reg.s.nonce_n, sizeof(req.nonce_n));
    req.ek = kgr_slice(ek_public.bytes, ek_public.len);
    req.ek_cert = kgr_slice(certificate, certificate_len);
    req.storage = kgr_slice(node->anchor.storage_public.bytes, node->anchor.storage_public.len);
    return kgr_reg_req_encode(wr, &req);
}

static enum kgr_error make_req(struct kgr_node *node, struct kgr_diag *diag)
{
    uint8_t *body = malloc(REQ_MAX);
    uint8_t *certificate = malloc(KGR_WIRE_EK_CERT_MAX);
    struct kgr_slice part;
    struct kgr_wr wr;
    enum kgr_error err = body == NULL || certificate == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    if (err == KGR_OK) {
        kgr_wr_init(&wr, body, REQ_MAX);
        err = encode_req(node, &wr, certificate, diag);
    }
    if (err == KGR_OK) {
        part = kgr_wr_slice(&wr);
        err = kgr_sha256(node->reg.s.req_hash, &part, 1);
    }
    if (err == KGR_OK)
        err = kgr_db_begin(node->db, diag);
    if (err == KGR_OK)
        err = kgr_meta_set(node->db, KGR_META_REG_REQ, part, diag);
    if (err == KGR_OK)
        err = kgr_enrol_save_state(node, &node->reg.s, diag);
    if (err == KGR_OK)
        err = kgr_db_commit(node->db, diag);
    kgr_db_rollback(node->db);
    free(certificate);
    free(body);
    return err;
}

/* The keys that follow from NTAG */

static enum kgr_error load_blob(struct kgr_node *node, struct kgr_tpm_blob *out,
                                struct kgr_diag *diag)
{
    size_t len = 0;
    enum kgr_error err = kgr_meta_get(node->db, KGR_META_NTAG_PUBLIC, out->pub.bytes,
                                      sizeof(out->pub.bytes), &len, diag);

    out->pub.len = (uint16_t)len;
    if (err == KGR_OK)
        err = kgr_meta_get(node->db, KGR_META_NTAG_PRIVATE, out->priv.bytes,
                           sizeof(out->priv.bytes), &len, diag);
    out->priv.len = (uint16_t)len;
    return err;
}

/* secrets: NTAG, then room for both keys. */
static enum kgr_error derive(struct kgr_node *node, uint8_t *secrets, const uint8_t *key_id,
                             struct kgr_diag *diag)
{
    static const char enc_info[] = "kgr ntag enc";
    static const char mac_info[] = "kgr ntag mac";
    struct kgr_slice ntag = kgr_slice(secrets, KGR_NTAG_LEN);
    struct kgr_slice salt = kgr_slice(key_id, KGR_KEY_ID_LEN);
    uint8_t *enc = secrets + KGR_NTAG_LEN;
    uint8_t *mac = enc + 16;
    struct kgr_software_key *key = NULL;
    enum kgr_error err = kgr_hkdf(enc, 16, ntag, salt, kgr_slice(enc_info, sizeof(enc_info) - 1));

    if (err == KGR_OK)
        err = kgr_hkdf(mac, 32, ntag, salt, kgr_slice(mac_info, sizeof(mac_info) - 1));
    if (err == KGR_OK)
        err = kgr_software_key_new(&key, KGR_SUITE_AES128_SHA256, kgr_slice(enc, 16),
                                   kgr_slice(mac, 32));
    if (err == KGR_OK)
        err = kgr_frames_set_software(&node->frames, KGR_FRAME_NTAG, KGR_SUITE_AES128_SHA256,
                                      key_id, key, diag);
    if (err != KGR_OK)
        kgr_software_key_free(key);
    return err;
}

static enum kgr_error load_ntag(struct kgr_node *node, struct kgr_diag *diag)
{
    uint8_t key_id[KGR_KEY_ID_LEN];
    uint8_t *secrets = kgr_secret_alloc(KGR_NTAG_LEN + 16 + 32);
    struct kgr_tpm_blob *blob = malloc(sizeof(*blob));
    struct kgr_tpm_auth *auth = NULL;
    enum kgr_error err = secrets == NULL || blob == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    if (err == KGR_OK)
        err = kgr_meta_get_exact(node->db, KGR_META_NTAG_KEY_ID, key_id, sizeof(key_id), diag);
    if (err == KGR_OK)
        err = load_blob(node, blob, diag);
    if (err == KGR_OK)
        err = kgr_auth_derive(node->anchor.root, &auth, "ntag", kgr_slice(key_id, sizeof(key_id)));
    if (err == KGR_OK)
        err = kgr_tpm_unseal(node->tpm, secrets, KGR_NTAG_LEN, node->anchor.storage, auth, blob,
                             diag);
    if (err == KGR_OK)
        err = derive(node, secrets, key_id, diag);
    kgr_secret_free(auth);
    free(blob);
    kgr_secret_free(secrets);
    return err;
}

/* Sending */

static void send_req(struct kgr_node *node)
{
    uint8_t *body = malloc(REQ_MAX);
    size_t len = 0;
    struct kgr_diag diag = {{0}};
    enum kgr_error err = body == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    if (err == KGR_OK)
        err = kgr_meta_get(node->db, KGR_META_REG_REQ, body, REQ_MAX, &len, &diag);
    if (err == KGR_OK)
        err = kgr_frames_send(&node->frames, KGR_FRAME_NTAG, node->topic0, KGR_FRAME_REG_REQ,
                              node->reg.s.exchange, kgr_slice(body, len), &node->asked);
    if (err != KGR_OK)
        kgr_warn("frame_not_sent", "type=%d reason=\"%s\"", KGR_FRAME_REG_REQ,
                 kgr_diag_text(&diag, err));
    else if (node->reg.retry.attempts <= 1)
        progress(node, "asked the KS to register this node");
    free(body);
}

static void send_proof(struct kgr_node *node)
{
    uint8_t body[KGR_CHALLENGE_PROOF_MAX];
    struct kgr_wr wr;
    enum kgr_error err;

    kgr_wr_init(&wr, body, sizeof(body));
    err = kgr_challenge_encode_proof(&wr, &node->self, node->reg.s.nonce_ks, node->reg.s.proof);
    if (err == KGR_OK)
        err = kgr_frames_send(&node->frames, KGR_FRAME_NKSK, node->topic1, KGR_FRAME_REG_PROOF,
                              node->reg.s.exchange, kgr_wr_slice(&wr), NULL);
    if (err != KGR_OK)
        kgr_warn("frame_not_sent", "type=%d reason=\"%s\"", KGR_FRAME_REG_PROOF, kgr_strerror(err));
}

static enum kgr_error erase_ntag(struct kgr_node *node, struct kgr_diag *diag)
{
    static const char *const spent[] = {KGR_META_NTAG_PUBLIC, KGR_META_NTAG_PRIVATE,
                                        KGR_META_NTAG_KEY_ID, KGR_META_REG_REQ};
    enum kgr_error err = kgr_enrol_save_state(node, &node->reg.s, diag);

    for (size_t i = 0; i < KGR_ARRAY_LEN(spent) && err == KGR_OK; i++)
        err = kgr_meta_erase(node->db, spent[i], diag);
    return err;
}

static enum kgr_error finish(struct kgr_node *node)
{
    struct kgr_diag diag = {{0}};
    enum kgr_error err = kgr_node_begin(node);

    if (err != KGR_OK)
        return err;
    err = erase_ntag(node, &diag);
    if (err != KGR_OK) {
        kgr_node_rollback(node, "registration", err, &diag);
        return err;
    }
    err = kgr_node_commit(node);
    if (err != KGR_OK)
        return err;
    kgr_frames_drop(&node->frames, KGR_FRAME_NTAG);
    if (kgr_db_checkpoint(node->db, &diag) != KGR_OK)
        kgr_warn("checkpoint_failed", "reason=\"%s\"", kgr_diag_text(&diag, KGR_ERR_IO));
    kgr_info("registered", "node=%s suite=%u", node->self.s, node->reg.s.suite);
    kgr_node_stop(node, KGR_OK);
    return KGR_OK;
}

static enum kgr_error act(struct kgr_node *node, enum kgr_registration_action action,
                          const struct kgr_frame_in *frame)
{
    switch (action) {
    case KGR_REGISTRATION_DO_SEND_REQ:
        send_req(node);
        return KGR_OK;
    case KGR_REGISTRATION_DO_SEND_PROOF:
        send_proof(node);
        return KGR_OK;
    case KGR_REGISTRATION_DO_WORK:
        progress(node, "the KS answered with a challenge");
        return kgr_enrol_work(node, frame);
    case KGR_REGISTRATION_DO_FINISH:
        return finish(node);
    case KGR_REGISTRATION_DO_IGNORE:
        kgr_debug("frame_ignored", "phase=%d", (int)node->reg.s.phase);
        return KGR_OK;
    case KGR_REGISTRATION_DO_NOTHING:
        return KGR_OK;
    }
    return KGR_OK;
}

enum kgr_error kgr_enrol_step(struct kgr_node *node, struct kgr_registration_event *event,
                              const struct kgr_frame_in *frame)
{
    struct kgr_registration before = node->reg;
    enum kgr_error err;

    event->now_ms = kgr_clock_boot_ms();
    kgr_random(&event->jitter, sizeof(event->jitter));
    err = act(node, kgr_registration_step(&node->reg, event), frame);
    if (err != KGR_OK) {
        node->reg = before; /* as if the event had been lost */
        node->reg.busy = false;
    }
    return err;
}

/* Events of the node */

void kgr_enrol_on_ready(struct kgr_node *node)
{
    struct kgr_registration_event event = {.type = KGR_REGISTRATION_START};

    progress(node, "connected to the broker");
    (void)kgr_enrol_step(node, &event, NULL); /* a timer follows whatever failed */
}

void kgr_enrol_on_timer(struct kgr_node *node, uint64_t now_ms)
{
    struct kgr_registration_event event = {.type = KGR_REGISTRATION_TIMER};
    char broker[KGR_BROKER_TEXT_MAX + 1];

    if (now_ms >= node->give_up_ms) {
        if (node->lost_ms != 0)
            (void)kgr_diag_set(&node->diag, KGR_ERR_TIMEOUT,
                               "the broker %.100s is unreachable (%.80s); run kgr-agent enroll to "
                               "go on",
                               kgr_node_broker(node, broker), kgr_mqtt_trouble(node->mqtt));
        else
            (void)kgr_diag_set(
                &node->diag, KGR_ERR_TIMEOUT,
                "no answer from the KS: it is down, or the credential was used, withdrawn or "
                "has expired; run kgr-agent enroll to go on");
        kgr_node_stop(node, KGR_ERR_TIMEOUT);
        return;
    }
    if (kgr_mqtt_is_ready(node->mqtt))
        (void)kgr_enrol_step(node, &event, NULL); /* a timer follows whatever failed */
    else if (node->reg.deadline_ms <= now_ms)
        node->reg.deadline_ms = UINT64_MAX; /* until the broker is back */
}

static enum kgr_error on_challenge(struct kgr_node *node, const struct kgr_frame_in *frame)
{
    struct kgr_reg_chal chal;
    struct kgr_registration_event event = {.type = KGR_REGISTRATION_CHALLENGE};
    enum kgr_error err = kgr_reg_chal_decode(&chal, frame->body);

    if (err != KGR_OK)
        return err;
    if (kgr_nid_cmp(&chal.node, &node->self) != 0)
        return KGR_ERR_CORRUPT;
    event.exchange = frame->header->xid;
    event.nonce_n = chal.nonce_n;
    return kgr_enrol_step(node, &event, frame);
}

static enum kgr_error on_done(struct kgr_node *node, const struct kgr_frame_in *frame)
{
    struct kgr_reg_proof done;
    struct kgr_registration_event event = {.type = KGR_REGISTRATION_DONE};
    enum kgr_error err = kgr_reg_proof_decode(&done, frame->body);

    if (err != KGR_OK)
        return err;
    if (kgr_nid_cmp(&done.node, &node->self) != 0)
        return KGR_ERR_CORRUPT;
    event.exchange = frame->header->xid;
    event.nonce_n = done.nonce;
    event.transcript = done.transcript;
    return kgr_enrol_step(node, &event, frame);
}

enum kgr_error kgr_enrol_on_frame(struct kgr_node *node, const struct kgr_frame_in *frame)
{
    if (node->service != NULL)
        return KGR_OK; /* a reg_done that the KS repeated */
    return frame->header->type == KGR_FRAME_REG_CHAL ? on_challenge(node, frame)
                                                     : on_done(node, frame);
}

/* The KS will not have this node: there is no use in asking on. */
enum kgr_error kgr_enrol_on_nack(struct kgr_node *node, const struct kgr_frame_in *frame)
{
    struct kgr_diag *diag = &node->diag;
    enum kgr_error why = KGR_ERR_NOT_AUTHORIZED;
    struct kgr_nack nack;
    enum kgr_error err = kgr_nack_decode(&nack, frame->body);

    if (err != KGR_OK)
        return err;
    if (nack.type != KGR_FRAME_REG_REQ || nack.sequence > node->asked ||
        nack.sequence >> 32 != node->epoch || node->reg.s.phase != KGR_REGISTRATION_ASKING ||
        memcmp(frame->header->xid, node->reg.s.exchange, KGR_XID_LEN) != 0)
        return KGR_OK; /* not of what was asked here */
    switch (nack.reason) {
    case KGR_NACK_EXPIRED:
        why = kgr_diag_set(diag, KGR_ERR_EXPIRED,
                           "the KS refuses: the credential has expired; ask for a new one");
        break;
    case KGR_NACK_SUITE:
    case KGR_NACK_CUSTODY:
        why = kgr_diag_set(diag, KGR_ERR_UNSUPPORTED,
                           "the KS refuses: it has no suite or custody in common with this TPM");
        break;
    case KGR_NACK_UNPROVEN:
        (void)kgr_diag_set(
            diag, why,
            "the KS refuses: no maker that it trusts vouches for this TPM, and the AC "
            "named no --ek");
        break;
    default:
        (void)kgr_diag_set(diag, why, "the KS refuses this node: reason %u", nack.reason);
        break;
    }
    kgr_node_stop(node, why);
    return KGR_OK;
}

enum kgr_error kgr_enrol_register(struct kgr_node *node, uint32_t timeout_s, struct kgr_diag *diag)
{
    bool proving = node->reg.s.phase == KGR_REGISTRATION_PROVING;
    uint64_t stored;
    enum kgr_error err = KGR_OK;

    if (node->reg.s.phase == KGR_REGISTRATION_ENROLLED)
        err = make_req(node, diag);
    if (err == KGR_OK)
        err = proving ? kgr_node_load_nksk(node, diag) : load_ntag(node, diag);
    if (err == KGR_ERR_NO_KEY)
        err = kgr_diag_set(diag, KGR_ERR_CORRUPT, "state database: the credential is incomplete");
    if (err == KGR_OK && !proving &&
        kgr_meta_get_u64(node->db, KGR_META_EXPIRES, &stored, NULL) == KGR_OK &&
        kgr_clock_wall_s() > 0 && (uint64_t)kgr_clock_wall_s() >= stored)
        progress(node, "the credential has expired by this host's clock; trying all the same");
    if (err == KGR_OK)
        err = kgr_node_connect(node, diag);
    if (err != KGR_OK)
        return err;
    node->give_up_ms = kgr_clock_boot_ms() + timeout_s * 1000ull;
    err = kgr_node_run(node, diag);
    if (err == KGR_OK && node->reg.s.phase != KGR_REGISTRATION_REGISTERED)
        err = kgr_diag_set(diag, KGR_ERR_STATE, "interrupted; run kgr-agent enroll to go on");
    return err;
}

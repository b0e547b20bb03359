/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/wire/body_registration.h"

const struct kgr_challenge_labels kgr_labels_registration = {
    .chal = "KGR reg_chal 1",
    .proof = "KGR reg_proof 1",
    .done = "KGR reg_done 1",
};

const struct kgr_challenge_labels kgr_labels_nksk = {
    .chal = "KGR nksk_chal 1",
    .proof = "KGR nksk_proof 1",
    .done = "KGR nksk_done 1",
};

enum kgr_error kgr_reg_req_decode(struct kgr_reg_req *out, struct kgr_slice body)
{
    struct kgr_reg_req m;
    struct kgr_rd rd;
    kgr_rd_init(&rd, body.p, body.len);
    kgr_wire_read_nid(&rd, &m.node);
    m.suites = kgr_wire_read_mask(&rd, KGR_SUITES_MASK);
    m.custodies = kgr_wire_read_mask(&rd, KGR_CUSTODIES_MASK);
    kgr_rd_bytes(&rd, m.topic2, sizeof m.topic2);
    kgr_rd_bytes(&rd, m.nonce_n, sizeof m.nonce_n);
    m.ek = kgr_rd_vec16(&rd, KGR_WIRE_EK_MAX);
    m.ek_cert = kgr_rd_vec16(&rd, KGR_WIRE_EK_CERT_MAX);
    m.storage = kgr_rd_vec16(&rd, KGR_WIRE_PUBLIC_MAX);
    enum kgr_error err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

enum kgr_error kgr_reg_req_encode(struct kgr_wr *wr, const struct kgr_reg_req *in)
{
    kgr_wire_write_nid(wr, &in->node);
    kgr_wr_u8(wr, in->suites);
    kgr_wr_u8(wr, in->custodies);
    kgr_wr_bytes(wr, in->topic2, sizeof in->topic2);
    kgr_wr_bytes(wr, in->nonce_n, sizeof in->nonce_n);
    kgr_wire_write_vec16(wr, in->ek, KGR_WIRE_EK_MAX);
    kgr_wire_write_vec16(wr, in->ek_cert, KGR_WIRE_EK_CERT_MAX);
    kgr_wire_write_vec16(wr, in->storage, KGR_WIRE_PUBLIC_MAX);
    return kgr_wire_write_result(wr);
}

enum kgr_error kgr_reg_chal_decode(struct kgr_reg_chal *out, struct kgr_slice body)
{
    struct kgr_reg_chal m;
    struct kgr_rd rd;
    kgr_rd_init(&rd, body.p, body.len);
    kgr_wire_read_nid(&rd, &m.node);
    kgr_rd_bytes(&rd, m.nonce_n, sizeof m.nonce_n);
    kgr_rd_bytes(&rd, m.nonce_ks, sizeof m.nonce_ks);
    kgr_rd_bytes(&rd, m.topic1, sizeof m.topic1);
    kgr_rd_bytes(&rd, m.key_id, sizeof m.key_id);
    m.suite = kgr_wire_read_range(&rd, 1, 2);
    m.custody = kgr_wire_read_range(&rd, KGR_WIRE_RESIDENT, KGR_WIRE_SEALED);
    m.credential = kgr_rd_vec16(&rd, KGR_WIRE_CREDENTIAL_MAX);
    m.secret = kgr_rd_vec16(&rd, KGR_WIRE_SECRET_MAX);
    kgr_wire_read_object(&rd, &m.nksk);
    kgr_wire_read_object(&rd, &m.nksksign);
    struct kgr_slice signature = kgr_rd_vec16(&rd, KGR_SIGNATURE_LEN);
    enum kgr_error err = kgr_wire_read_result(&rd);
    if (err != KGR_OK)
        return err;
    if (signature.len != KGR_SIGNATURE_LEN)
        return KGR_ERR_CORRUPT;
    kgr_copy(m.signature, signature.p, signature.len);
    *out = m;
    return KGR_OK;
}

enum kgr_error kgr_reg_chal_encode(struct kgr_wr *wr, const struct kgr_reg_chal *in)
{
    kgr_wire_write_nid(wr, &in->node);
    kgr_wr_bytes(wr, in->nonce_n, sizeof in->nonce_n);
    kgr_wr_bytes(wr, in->nonce_ks, sizeof in->nonce_ks);
    kgr_wr_bytes(wr, in->topic1, sizeof in->topic1);
    kgr_wr_bytes(wr, in->key_id, sizeof in->key_id);
    kgr_wr_u8(wr, in->suite);
    kgr_wr_u8(wr, in->custody);
    kgr_wire_write_vec16(wr, in->credential, KGR_WIRE_CREDENTIAL_MAX);
    kgr_wire_write_vec16(wr, in->secret, KGR_WIRE_SECRET_MAX);
    kgr_wire_write_object(wr, &in->nksk);
    kgr_wire_write_object(wr, &in->nksksign);
    kgr_wr_vec16(wr, kgr_slice(in->signature, sizeof in->signature));
    return kgr_wire_write_result(wr);
}

enum kgr_error kgr_reg_proof_decode(struct kgr_reg_proof *out, struct kgr_slice body)
{
    struct kgr_reg_proof m;
    struct kgr_rd rd;
    kgr_rd_init(&rd, body.p, body.len);
    kgr_wire_read_nid(&rd, &m.node);
    kgr_rd_bytes(&rd, m.nonce, sizeof m.nonce);
    kgr_rd_bytes(&rd, m.transcript, sizeof m.transcript);
    enum kgr_error err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

enum kgr_error kgr_reg_proof_encode(struct kgr_wr *wr, const struct kgr_reg_proof *in)
{
    kgr_wire_write_nid(wr, &in->node);
    kgr_wr_bytes(wr, in->nonce, sizeof in->nonce);
    kgr_wr_bytes(wr, in->transcript, sizeof in->transcript);
    return kgr_wire_write_result(wr);
}

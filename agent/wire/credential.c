/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/wire/credential.h"

#include <string.h>

#define MAGIC_LEN 8

static const char credential_magic[MAGIC_LEN + 1] = "KGRCRED1";
static const char ac_magic[MAGIC_LEN + 1] = "KGRPUBAC";
static const char ks_magic[MAGIC_LEN + 1] = "KGRPUBKS";

static bool has_magic(const uint8_t *p, const char *magic)
{
    return p != NULL && memcmp(p, magic, MAGIC_LEN) == 0;
}

/* What stands before the rest of rd, in a file that rd began with. */
static struct kgr_slice covered_by(struct kgr_slice file, const struct kgr_rd *rd)
{
    return kgr_slice(file.p, file.len - rd->len);
}

enum kgr_error kgr_credential_decode(struct kgr_credential_file *out, struct kgr_slice file)
{
    struct kgr_credential_file m = {0};
    struct kgr_rd rd;
    kgr_rd_init(&rd, file.p, file.len);
    if (!has_magic(kgr_rd_ref(&rd, MAGIC_LEN), credential_magic))
        return KGR_ERR_CORRUPT;
    kgr_wire_read_nid(&rd, &m.node);
    m.ntag = kgr_rd_ref(&rd, KGR_NTAG_LEN);
    kgr_rd_bytes(&rd, m.key_id, sizeof m.key_id);
    kgr_rd_bytes(&rd, m.topic0, sizeof m.topic0);
    m.ks_signing = kgr_rd_vec16(&rd, KGR_WIRE_PUBLIC_MAX);
    m.expires = kgr_rd_u64(&rd);
    m.host = kgr_wire_read_text8(&rd, KGR_HOST_MAX);
    m.port = kgr_rd_u16(&rd);
    m.covered = covered_by(file, &rd);
    m.hash = kgr_rd_ref(&rd, KGR_DIGEST_LEN);
    enum kgr_error err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

enum kgr_error kgr_credential_encode(struct kgr_wr *wr, const struct kgr_credential_file *in)
{
    kgr_wr_bytes(wr, credential_magic, MAGIC_LEN);
    kgr_wire_write_nid(wr, &in->node);
    kgr_wr_bytes(wr, in->ntag, KGR_NTAG_LEN);
    kgr_wr_bytes(wr, in->key_id, sizeof in->key_id);
    kgr_wr_bytes(wr, in->topic0, sizeof in->topic0);
    kgr_wire_write_vec16(wr, in->ks_signing, KGR_WIRE_PUBLIC_MAX);
    kgr_wr_u64(wr, in->expires);
    kgr_wire_write_text8(wr, in->host, KGR_HOST_MAX);
    kgr_wr_u16(wr, in->port);
    return kgr_wire_write_result(wr);
}

enum kgr_error kgr_identity_decode(struct kgr_identity *out, struct kgr_slice file)
{
    struct kgr_identity m = {0};
    struct kgr_rd rd;
    kgr_rd_init(&rd, file.p, file.len);
    const uint8_t *magic = kgr_rd_ref(&rd, MAGIC_LEN);
    if (has_magic(magic, ac_magic))
        m.kind = KGR_IDENTITY_AC;
    else if (has_magic(magic, ks_magic))
        m.kind = KGR_IDENTITY_KS;
    else
        return KGR_ERR_CORRUPT;
    m.signing = kgr_rd_vec16(&rd, KGR_WIRE_PUBLIC_MAX);
    m.storage = kgr_rd_vec16(&rd, KGR_WIRE_PUBLIC_MAX);
    m.ek = kgr_rd_vec16(&rd, KGR_WIRE_EK_MAX);
    if (m.kind == KGR_IDENTITY_KS) {
        kgr_ac_grant_read(&rd, &m.grant);
        m.host = kgr_wire_read_text8(&rd, KGR_HOST_MAX);
        m.port = kgr_rd_u16(&rd);
    }
    m.covered = covered_by(file, &rd);
    m.hash = kgr_rd_ref(&rd, KGR_DIGEST_LEN);
    enum kgr_error err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

enum kgr_error kgr_identity_encode(struct kgr_wr *wr, const struct kgr_identity *in)
{
    kgr_wr_bytes(wr, in->kind == KGR_IDENTITY_AC ? ac_magic : ks_magic, MAGIC_LEN);
    kgr_wire_write_vec16(wr, in->signing, KGR_WIRE_PUBLIC_MAX);
    kgr_wire_write_vec16(wr, in->storage, KGR_WIRE_PUBLIC_MAX);
    kgr_wire_write_vec16(wr, in->ek, KGR_WIRE_EK_MAX);
    if (in->kind == KGR_IDENTITY_KS) {
        kgr_ac_grant_write(wr, &in->grant);
        kgr_wire_write_text8(wr, in->host, KGR_HOST_MAX);
        kgr_wr_u16(wr, in->port);
    }
    return kgr_wire_write_result(wr);
}

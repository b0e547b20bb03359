/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/identity_file.h"

#include <string.h>

#include "agent/seal/digest.h"
#include "agent/tpm/template.h"

enum kgr_error kgr_identity_encode_ac(uint8_t *out, size_t *out_len,
                                      const struct kgr_ac_identity *ac, struct kgr_diag *diag)
{
    uint8_t hash[KGR_SHA256_LEN];
    struct kgr_wr wr;
    const struct kgr_identity identity = {
        .kind = KGR_IDENTITY_AC,
        .signing = kgr_slice(ac->signing.bytes, ac->signing.len),
        .storage = kgr_slice(ac->storage.bytes, ac->storage.len),
        .ek = kgr_slice(ac->ek.bytes, ac->ek.len),
    };
    kgr_wr_init(&wr, out, KGR_IDENTITY_MAX);
    enum kgr_error err = kgr_identity_encode(&wr, &identity);
    struct kgr_slice covered = kgr_wr_slice(&wr);
    if (err == KGR_OK)
        err = kgr_sha256(hash, &covered, 1);
    if (err != KGR_OK)
        return kgr_diag_set(diag, err, "cannot encode the identity");
    kgr_wr_bytes(&wr, hash, sizeof hash);
    if (!kgr_wr_ok(&wr))
        return kgr_diag_set(diag, KGR_ERR_TOO_LARGE, "the identity is too large");
    *out_len = wr.len;
    return KGR_OK;
}

enum kgr_error kgr_identity_file_write(struct kgr_new_file *file, const struct kgr_ac_identity *ac,
                                       struct kgr_diag *diag)
{
    uint8_t bytes[KGR_IDENTITY_MAX];
    size_t len = 0;
    enum kgr_error err = kgr_identity_encode_ac(bytes, &len, ac, diag);
    return err == KGR_OK ? kgr_new_file_finish(file, 0644, kgr_slice(bytes, len), diag) : err;
}

static enum kgr_error check(const struct kgr_identity *identity, const char *path,
                            struct kgr_diag *diag)
{
    uint8_t hash[KGR_SHA256_LEN];
    enum kgr_error err = kgr_sha256(hash, &identity->covered, 1);
    if (err != KGR_OK)
        return err;
    if (memcmp(hash, identity->hash, sizeof hash) != 0)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "%s is damaged; copy it again", path);
    if (identity->kind != KGR_IDENTITY_KS)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT,
                            "%s is the identity of an AC; the one of the key server is wanted",
                            path);
    return KGR_OK;
}

static enum kgr_error take_keys(struct kgr_ac_identity *out, const struct kgr_identity *identity)
{
    if (kgr_tpm_public_set(&out->signing, identity->signing) != KGR_OK ||
        kgr_tpm_public_set(&out->storage, identity->storage) != KGR_OK ||
        kgr_tpm_public_set(&out->ek, identity->ek) != KGR_OK ||
        kgr_tpm_check_signing(&out->signing) != KGR_OK ||
        kgr_tpm_check_storage(&out->storage) != KGR_OK)
        return KGR_ERR_CORRUPT;
    return KGR_OK;
}

static enum kgr_error take_broker(struct kgr_ac_broker *out, const struct kgr_identity *identity)
{
    if (identity->host.len == 0 || identity->host.len >= sizeof out->host || identity->port == 0)
        return KGR_ERR_CORRUPT;
    memset(out, 0, sizeof *out);
    kgr_copy(out->host, identity->host.p, identity->host.len);
    out->port = identity->port;
    return KGR_OK;
}

enum kgr_error kgr_identity_file_read(struct kgr_ks_pub *out, const char *path,
                                      struct kgr_diag *diag)
{
    struct kgr_identity identity;
    size_t len = 0;
    enum kgr_error err = kgr_file_read(out->bytes, &len, sizeof out->bytes, path, diag);
    if (err != KGR_OK)
        return err;
    if (kgr_identity_decode(&identity, kgr_slice(out->bytes, len)) != KGR_OK)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "%s is no identity file of KGR, or is damaged",
                            path);
    err = check(&identity, path, diag);
    if (err != KGR_OK)
        return err;
    out->grant = identity.grant;
    err = take_keys(&out->ks, &identity);
    if (err == KGR_OK)
        err = take_broker(&out->broker, &identity);
    return err == KGR_OK ? KGR_OK
                         : kgr_diag_set(diag, err, "%s holds keys that no key server makes", path);
}

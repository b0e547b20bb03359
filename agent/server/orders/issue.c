/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/orders/issue.h"

#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/secret.h"
#include "agent/seal/digest.h"
#include "agent/seal/hkdf.h"
#include "agent/seal/seal.h"
#include "agent/seal/software.h"
#include "agent/server/store/framekey.h"
#include "agent/tpm/credential.h"
#include "agent/tpm/object.h"
#include "agent/tpm/random.h"
#include "agent/tpm/template.h"
#include "agent/wire/credential.h"
#include "agent/wire/order.h"

#define SECRET_LEN 32
#define INFO_ENC   "kgr cred enc"
#define INFO_MAC   "kgr cred mac"

/* The plain credential file, in the arena. */
static enum kgr_error write_file(const struct kgr_ks_issue *issue, const struct kgr_ks_identity *id,
                                 const uint8_t *ntag, uint8_t *out, size_t *out_len)
{
    struct kgr_credential_file file = {
        .node = issue->nid,
        .ntag = ntag,
        .ks_signing = kgr_slice(id->signing_pub.bytes, id->signing_pub.len),
        .expires = issue->expires_wall_s,
        .host = kgr_slice(issue->host, strlen(issue->host)),
        .port = issue->port,
    };
    uint8_t hash[KGR_SHA256_LEN];
    struct kgr_slice covered;
    struct kgr_wr wr;
    enum kgr_error err;

    memcpy(file.key_id, issue->key_id, sizeof file.key_id);
    memcpy(file.topic0, issue->topic0, sizeof file.topic0);
    kgr_wr_init(&wr, out, KGR_CREDENTIAL_MAX);
    err = kgr_credential_encode(&wr, &file);
    if (err != KGR_OK)
        return err;
    covered = kgr_wr_slice(&wr);
    err = kgr_sha256(hash, &covered, 1);
    if (err != KGR_OK)
        return err;
    kgr_wr_bytes(&wr, hash, sizeof hash);
    *out_len = wr.len;
    return kgr_wr_ok(&wr) ? KGR_OK : KGR_ERR_TOO_LARGE;
}

static enum kgr_error derive(struct kgr_software_key **out, const struct kgr_ks_identity *id,
                             const uint8_t *secret)
{
    const size_t enc_len = 16, mac_len = 32;
    uint8_t *keys = kgr_secret_alloc(enc_len + mac_len);
    struct kgr_slice ikm = kgr_slice(secret, SECRET_LEN), salt = kgr_slice(id->ks, sizeof id->ks);
    enum kgr_error err = keys == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    if (err == KGR_OK)
        err = kgr_hkdf(keys, enc_len, ikm, salt, kgr_slice(INFO_ENC, sizeof INFO_ENC - 1));
    if (err == KGR_OK)
        err =
            kgr_hkdf(keys + enc_len, mac_len, ikm, salt, kgr_slice(INFO_MAC, sizeof INFO_MAC - 1));
    if (err == KGR_OK)
        err = kgr_software_key_new(out, KGR_SUITE_AES128_SHA256, kgr_slice(keys, enc_len),
                                   kgr_slice(keys + enc_len, mac_len));
    kgr_secret_free(keys);
    return err;
}

static enum kgr_error write_sealed(struct kgr_ks_issue *issue,
                                   const struct kgr_tpm_credential *credential,
                                   struct kgr_software_key *key, struct kgr_slice plain)
{
    struct kgr_seal_key seal = kgr_software_key_seal(key);
    struct kgr_sealed_credential sealed = {
        .credential = kgr_slice(credential->bytes, credential->len),
        .secret = kgr_slice(credential->secret, credential->secret_len),
    };
    size_t len = kgr_suite_ciphertext_len(plain.len);
    uint8_t *body = kgr_secret_alloc(len); /* the plaintext passes through it */
    struct kgr_wr wr;
    enum kgr_error err = body == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    kgr_random(sealed.iv, sizeof sealed.iv);
    if (err == KGR_OK)
        err = kgr_seal_encrypt(&seal, body, sealed.tag, sealed.iv,
                               kgr_slice(issue->nid.s, strlen(issue->nid.s)), plain);
    if (err == KGR_OK) {
        sealed.body = kgr_slice(body, len);
        kgr_wr_init(&wr, issue->sealed, sizeof issue->sealed);
        err = kgr_sealed_credential_encode(&wr, &sealed);
        issue->sealed_len = wr.len;
    }
    kgr_secret_free(body);
    return err;
}

static enum kgr_error seal_for_ac(struct kgr_ks_issue *issue, const struct kgr_ks_identity *id,
                                  struct kgr_tpm *tpm, struct kgr_slice plain,
                                  struct kgr_diag *diag)
{
    struct kgr_tpm_credential credential;
    struct kgr_software_key *key = NULL;
    struct kgr_tpm_name name;
    uint8_t *secret = kgr_secret_alloc(SECRET_LEN);
    enum kgr_error err = secret == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    if (err == KGR_OK)
        err = kgr_tpm_random(tpm, secret, SECRET_LEN, diag);
    if (err == KGR_OK)
        err = kgr_tpm_public_name(&name, &issue->ac_storage);
    if (err == KGR_OK)
        err = kgr_tpm_make_credential(tpm, &credential, &issue->ac_ek, &name,
                                      kgr_slice(secret, SECRET_LEN), diag);
    if (err == KGR_OK)
        err = derive(&key, id, secret);
    if (err == KGR_OK)
        err = write_sealed(issue, &credential, key, plain);
    kgr_software_key_free(key);
    kgr_secret_free(secret);
    return err;
}

enum kgr_error kgr_ks_issue_run(struct kgr_ks_issue *issue, const struct kgr_ks_identity *id,
                                struct kgr_tpm *tpm, struct kgr_diag *diag)
{
    struct kgr_tpm_auth *auth = NULL;
    uint8_t *ntag = kgr_secret_alloc(KGR_NTAG_LEN), *plain = kgr_secret_alloc(KGR_CREDENTIAL_MAX);
    size_t plain_len = 0;
    enum kgr_error err = ntag == NULL || plain == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    if (err == KGR_OK)
        err = kgr_tpm_random(tpm, ntag, KGR_NTAG_LEN, diag);
    if (err == KGR_OK)
        err = kgr_ks_ntag_auth(id->root, &auth, issue->key_id);
    if (err == KGR_OK)
        err = kgr_tpm_seal(tpm, &issue->ntag, &id->storage, auth, kgr_slice(ntag, KGR_NTAG_LEN),
                           diag);
    if (err == KGR_OK)
        err = write_file(issue, id, ntag, plain, &plain_len);
    if (err == KGR_OK)
        err = seal_for_ac(issue, id, tpm, kgr_slice(plain, plain_len), diag);
    kgr_secret_free(auth);
    kgr_secret_free(ntag);
    kgr_secret_free(plain);
    return err;
}

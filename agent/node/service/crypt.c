/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/keys/keyset.h"
#include "agent/node/service/parts.h"
#include "agent/wire/body_exchange.h"
#include "agent/wire/record.h"

#include <string.h>

/* cipher and mac: the raw doors. In resident custody every block and every HMAC is computed by the TPM. */

bool kgr_service_is_reserved(struct kgr_slice data)
{
    return data.len >= KGR_RESERVED_LEN &&
           (memcmp(data.p, kgr_record_magic, KGR_RESERVED_LEN) == 0 ||
            memcmp(data.p, kgr_kc_magic, KGR_RESERVED_LEN) == 0);
}

struct cipher_job {
    struct kgr_service_job job;
    struct kgr_keyset *key; /* borrowed: buried after this job */
    enum kgr_tpm_mode mode;
    enum kgr_tpm_direction direction;
    uint8_t iv[KGR_IV_LEN];
    size_t len;
    uint8_t data[];
};

static enum kgr_error run_cipher(struct kgr_service_job *base, struct kgr_tpm *tpm,
                                 struct kgr_diag *diag)
{
    struct cipher_job *job = (struct cipher_job *)base;
    struct kgr_keyset_use use = {.tpm = tpm, .key = job->key, .diag = diag};

    if (job->len == 0)
        return KGR_OK;
    return kgr_keyset_cipher(&use, job->mode, job->direction, job->iv, job->data, job->len,
                             job->data);
}

static enum kgr_error write_cipher(const struct kgr_service_job *base, struct kgr_wr *wr)
{
    const struct cipher_job *job = (const struct cipher_job *)base;
    struct kgr_ipc_cipher_reply reply = {.data = kgr_slice(job->data, job->len)};

    memcpy(reply.iv, job->iv, KGR_IV_LEN);
    return kgr_ipc_cipher_reply_encode(wr, &reply);
}

/* CTR, CFB and OFB decrypt by the cipher's forward direction: whoever could do that alone could encrypt in every mode. */
enum kgr_right kgr_service_cipher_right(const struct kgr_ipc_cipher *asked)
{
    bool inverse = asked->direction == KGR_TPM_DECRYPT &&
                   (asked->mode == KGR_TPM_ECB || asked->mode == KGR_TPM_CBC);

    return inverse ? KGR_RIGHT_DECRYPT : KGR_RIGHT_ENCRYPT;
}

static enum kgr_error check_cipher(const struct kgr_service *service, const struct kgr_keyset *keys,
                                   const struct kgr_ipc_cipher *asked, struct kgr_diag *diag)
{
    bool blocks = asked->mode == KGR_TPM_ECB || asked->mode == KGR_TPM_CBC;

    if (!kgr_keyset_is_sealed(keys) && (service->node->tpm_modes >> asked->mode & 1) == 0)
        return kgr_diag_set(diag, KGR_ERR_UNSUPPORTED, "this TPM has no such cipher mode");
    if (blocks && asked->data.len % KGR_BLOCK_LEN != 0)
        return kgr_diag_set(diag, KGR_ERR_INVALID, "ECB and CBC take whole blocks of 16 bytes");
    return KGR_OK;
}

void kgr_service_cipher(struct kgr_service *service, const struct kgr_server_request *request)
{
    struct kgr_ipc_cipher asked;
    struct kgr_diag diag = {{0}};
    struct kgr_ring_key *key;
    struct kgr_pair *pair;
    struct cipher_job *job;
    enum kgr_use use;
    enum kgr_error err;

    if (kgr_ipc_cipher_decode(&asked, request->body) != KGR_OK) {
        kgr_service_malformed(service, request);
        return;
    }
    if (!kgr_service_may(service, request, &asked.key.peer, kgr_service_cipher_right(&asked)))
        return;
    use = asked.direction == KGR_TPM_ENCRYPT ? KGR_USE_SEND : KGR_USE_RECEIVE;
    err = kgr_service_find_key(service, &pair, &key, &asked.key.peer, asked.key.generation, use,
                               &diag);
    if (err == KGR_OK)
        err = check_cipher(service, key->keys, &asked, &diag);
    if (err == KGR_OK)
        err = kgr_service_spend(service, &asked.key.peer, key->generation,
                                kgr_budget_blocks_raw(asked.data.len), use, &diag);
    if (err != KGR_OK) {
        kgr_service_refuse(service, request, &asked.key.peer, err, &diag);
        return;
    }
    job = kgr_service_job_new(service, request->call, sizeof(*job) + asked.data.len);
    if (job == NULL)
        return;
    job->job.run = run_cipher;
    job->job.plain = true;
    job->job.write = write_cipher;
    job->key = key->keys;
    kgr_service_job_uses(&job->job, job->key);
    job->mode = (enum kgr_tpm_mode)asked.mode;
    job->direction = (enum kgr_tpm_direction)asked.direction;
    memcpy(job->iv, asked.iv, KGR_IV_LEN);
    job->len = asked.data.len;
    kgr_copy(job->data, asked.data.p, asked.data.len);
    kgr_service_job_start(&job->job);
}

struct mac_job {
    struct kgr_service_job job;
    struct kgr_keyset *key; /* borrowed: buried after this job */
    uint8_t mac[KGR_HASH_MAX];
    size_t mac_len;
    size_t len;
    uint8_t data[];
};

static enum kgr_error run_mac(struct kgr_service_job *base, struct kgr_tpm *tpm,
                              struct kgr_diag *diag)
{
    struct mac_job *job = (struct mac_job *)base;
    struct kgr_keyset_use use = {.tpm = tpm, .key = job->key, .diag = diag};
    struct kgr_slice part = kgr_slice(job->data, job->len);

    return kgr_keyset_hmac(&use, &part, 1, job->mac);
}

static enum kgr_error write_mac(const struct kgr_service_job *base, struct kgr_wr *wr)
{
    const struct mac_job *job = (const struct mac_job *)base;

    kgr_wr_bytes(wr, job->mac, job->mac_len);
    return KGR_OK;
}

void kgr_service_mac(struct kgr_service *service, const struct kgr_server_request *request)
{
    struct kgr_ipc_mac asked;
    struct kgr_diag diag = {{0}};
    struct kgr_ring_key *key;
    struct kgr_pair *pair;
    struct mac_job *job;
    enum kgr_error err = KGR_OK;

    if (kgr_ipc_mac_decode(&asked, request->body) != KGR_OK) {
        kgr_service_malformed(service, request);
        return;
    }
    if (!kgr_service_may(service, request, &asked.key.peer, KGR_RIGHT_SIGN))
        return;
    if (kgr_service_is_reserved(asked.data))
        err = kgr_diag_set(&diag, KGR_ERR_INVALID, "input that begins like a record is not MACed");
    /* Who makes a MAC and who verifies one do the same. */
    if (err == KGR_OK)
        err = kgr_service_find_key(service, &pair, &key, &asked.key.peer, asked.key.generation,
                                   kgr_service_mac_use(asked.key.generation), &diag);
    if (err == KGR_OK)
        err = kgr_service_spend(service, &asked.key.peer, key->generation,
                                kgr_budget_blocks_sealed(asked.data.len),
                                kgr_service_mac_use(asked.key.generation), &diag);
    if (err != KGR_OK) {
        kgr_service_refuse(service, request, &asked.key.peer, err, &diag);
        return;
    }
    job = kgr_service_job_new(service, request->call, sizeof(*job) + asked.data.len);
    if (job == NULL)
        return;
    job->job.run = run_mac;
    job->job.plain = true;
    job->job.write = write_mac;
    job->key = key->keys;
    kgr_service_job_uses(&job->job, job->key);
    job->mac_len = kgr_suite_hash_len(key->suite);
    job->len = asked.data.len;
    kgr_copy(job->data, asked.data.p, asked.data.len);
    kgr_service_job_start(&job->job);
}

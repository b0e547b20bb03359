/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/orders/ac_rekey.h"

#include <stdlib.h>

#include "agent/base/log.h"
#include "agent/server/orders/ac.h"
#include "agent/tpm/template.h"
#include "agent/wire/credential.h"

/* What the TPM's job needs beside the command. */
struct kgr_ks_ac_job {
    struct kgr_ks_ac_keys keys;
    size_t len;
    uint8_t file[KGR_IDENTITY_MAX]; /* ac.pub with the new keys */
};

static enum kgr_error run_make(struct kgr_tpm *tpm, void *ctx, struct kgr_diag *diag)
{
    struct kgr_ks_command *c = ctx;

    enum kgr_error err = kgr_entropy_pool_stir(c->ks->entropy, tpm, diag);

    return err == KGR_OK ? kgr_ks_ac_make(&c->ac->keys, &c->ks->id, tpm, diag) : err;
}

static enum kgr_error store(struct kgr_ks_command *c, struct kgr_diag *diag)
{
    struct kgr_ks *ks = c->ks;
    const struct kgr_ks_ac_job *job = c->ac;
    enum kgr_error err =
        kgr_ks_ac_save(ks->db, KGR_KS_AC_NEXT, kgr_slice(job->file, job->len), &job->keys, diag);

    if (err == KGR_OK)
        err = kgr_ks_ac_load(ks, diag);
    kgr_wr_bytes(&c->body, job->keys.grant, job->keys.grant_len);
    return err == KGR_ERR_CORRUPT ? KGR_ERR_FAILED : err;
}

static void make_done(void *ctx, enum kgr_error err, const struct kgr_diag *diag)
{
    struct kgr_ks_command *c = ctx;
    struct kgr_diag own = {{0}};
    struct kgr_ks *ks = c->ks;

    if (err != KGR_OK)
        kgr_ks_command_fail(c, err, diag);
    if (kgr_ks_begin(ks) != KGR_OK) {
        kgr_ks_command_drop(&c->after);
        return;
    }
    err = c->status == KGR_OK ? store(c, &own) : KGR_OK;
    if (err == KGR_OK && c->status == KGR_OK)
        kgr_info("ac", "state=\"new keys announced\"");
    if (err == KGR_OK)
        err = kgr_ks_command_conclude(c, &own);
    kgr_ks_command_finish(c);
    kgr_ks_end(ks, err, &own);
}

static void start_make(struct kgr_ks *ks, struct kgr_ks_after *self)
{
    struct kgr_ks_command *c = (struct kgr_ks_command *)self;
    enum kgr_error err =
        kgr_tpm_worker_submit(ks->worker, KGR_TPM_CONTROL,
                              &(struct kgr_tpm_job){.run = run_make, .done = make_done, .ctx = c});

    if (err != KGR_OK)
        make_done(c, err, NULL);
}

enum kgr_error kgr_ks_ac_rekey(struct kgr_ks_command *c, struct kgr_slice body,
                               struct kgr_diag *diag)
{
    const struct kgr_tpm_public *present = &c->ks->ac[KGR_KS_AC_PRESENT].signing;
    struct kgr_slice file;
    struct kgr_rd rd;
    enum kgr_error err;

    kgr_rd_init(&rd, body.p, body.len);
    file = kgr_rd_vec16(&rd, KGR_IDENTITY_MAX);
    if (!kgr_rd_done(&rd))
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "the order is malformed");
    c->ac = calloc(1, sizeof *c->ac);
    if (c->ac == NULL)
        return KGR_ERR_NO_MEMORY;
    err = kgr_ks_ac_read(&c->ac->keys, file, diag);
    if (err != KGR_OK)
        return err;
    if (kgr_tpm_public_equal(&c->ac->keys.signing, present))
        return kgr_diag_set(diag, KGR_ERR_INVALID, "these are the keys that the AC has already");
    kgr_ks_ac_prepare(&c->ac->keys);
    kgr_copy(c->ac->file, file.p, file.len);
    c->ac->len = file.len;
    c->later = true;
    c->after.start = start_make;
    c->after.drop = kgr_ks_command_drop;
    kgr_ks_later(c->ks, &c->after);
    return KGR_OK;
}

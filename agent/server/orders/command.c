/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/orders/command.h"

#include <stdlib.h>
#include <string.h>

#include "agent/server/orders/audit.h"
#include "agent/server/store/order_rows.h"
#include "agent/tpm/sign.h"

void kgr_ks_command_free(struct kgr_ks_command *c)
{
    free(c->body_bytes);
    free(c->result_bytes);
    free(c->add);
    free(c->issue);
    free(c->ac);
    free(c);
}

struct kgr_ks_command *kgr_ks_command_new(struct kgr_ks *ks, const struct kgr_ks_origin *origin)
{
    struct kgr_ks_command *c = calloc(1, sizeof *c);

    if (c == NULL)
        return NULL;
    c->ks = ks;
    c->origin = *origin;
    c->body_bytes = malloc(KGR_RESULT_BODY_MAX);
    c->result_bytes = malloc(KGR_RESULT_MAX);
    if (c->body_bytes == NULL || c->result_bytes == NULL) {
        kgr_ks_command_free(c);
        return NULL;
    }
    kgr_wr_init(&c->body, c->body_bytes, KGR_RESULT_BODY_MAX);
    kgr_wr_init(&c->result, c->result_bytes, KGR_RESULT_MAX);
    return c;
}

void kgr_ks_command_fail(struct kgr_ks_command *c, enum kgr_error err, const struct kgr_diag *diag)
{
    const char *text = kgr_diag_text(diag, err);

    c->status = err;
    kgr_wr_init(&c->body, c->body_bytes, KGR_RESULT_BODY_MAX);
    kgr_wr_vec8(&c->body, kgr_slice(text, strlen(text)));
}

static enum kgr_error run_signing(struct kgr_tpm *tpm, void *ctx, struct kgr_diag *diag)
{
    struct kgr_ks_command *c = ctx;
    struct kgr_result result = {
        .kind = c->kind,
        .number = c->number,
        .status = (uint32_t)c->status,
        .body = kgr_wr_slice(&c->body),
    };
    uint8_t hash[KGR_DIGEST_LEN], signature[KGR_SIGNATURE_LEN];
    enum kgr_error err;

    memcpy(result.ks, c->ks->id.ks, sizeof result.ks);
    err = kgr_result_encode(&c->result, &result);
    if (err == KGR_OK) {
        const struct kgr_slice parts[] = {
            kgr_slice(KGR_LABEL_RESULT, strlen(KGR_LABEL_RESULT)),
            kgr_slice(c->order_hash, sizeof c->order_hash),
            kgr_wr_slice(&c->result),
        };
        err = kgr_sha256(hash, parts, KGR_ARRAY_LEN(parts));
    }
    if (err == KGR_OK)
        err = kgr_tpm_sign(tpm, &c->ks->id.signing, signature, hash, diag);
    return err != KGR_OK ? err : kgr_signature_append(&c->result, signature);
}

static void signing_done(void *ctx, enum kgr_error err, const struct kgr_diag *diag)
{
    struct kgr_ks_command *c = ctx;

    if (err == KGR_OK)
        kgr_ks_origin_answer(c->ks, &c->origin, kgr_wr_slice(&c->result));
    else
        kgr_ks_origin_refuse(c->ks, &c->origin, err, kgr_diag_text(diag, err));
    kgr_ks_command_free(c);
}

void kgr_ks_command_sign(struct kgr_ks *ks, struct kgr_ks_after *self)
{
    struct kgr_ks_command *c = (struct kgr_ks_command *)self;
    enum kgr_error err = kgr_tpm_worker_submit(
        ks->worker, KGR_TPM_CONTROL,
        &(struct kgr_tpm_job){.run = run_signing, .done = signing_done, .ctx = c});

    if (err != KGR_OK)
        signing_done(c, err, NULL);
}

void kgr_ks_command_drop(struct kgr_ks_after *self)
{
    struct kgr_ks_command *c = (struct kgr_ks_command *)self;

    kgr_ks_origin_refuse(c->ks, &c->origin, KGR_ERR_IO,
                         "the KS could not store what the order asked for");
    kgr_ks_command_free(c);
}

enum kgr_error kgr_ks_command_conclude(struct kgr_ks_command *c, struct kgr_diag *diag)
{
    struct kgr_ks *ks = c->ks;
    struct kgr_ks_order_row row = {
        .number = c->number,
        .kind = c->kind,
        .status = (uint32_t)c->status,
        .body = kgr_wr_slice(&c->body),
    };
    const struct kgr_audit_event event = {
        .what = KGR_AUDIT_ACCEPTED,
        .kind = c->kind,
        .number = c->number,
        .status = c->status,
        .subject = c->subject,
    };
    enum kgr_error err;

    memcpy(row.hash, c->order_hash, sizeof row.hash);
    err = kgr_ks_order_save(ks->db, &row, &ks->orders, diag);
    if (err == KGR_OK)
        err = kgr_ks_audit(ks, &event, diag);
    if (err == KGR_OK)
        kgr_orders_done(&ks->orders, c->number);
    if (err == KGR_OK && c->status < KGR_ERR_COUNT)
        ks->stats.orders[c->status]++;
    return err == KGR_ERR_CORRUPT ? KGR_ERR_FAILED : err;
}

void kgr_ks_command_finish(struct kgr_ks_command *c)
{
    c->after.start = kgr_ks_command_sign;
    c->after.drop = kgr_ks_command_drop;
    kgr_ks_later(c->ks, &c->after);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/reception.h"

#include <stdlib.h>
#include <string.h>

#include "agent/seal/digest.h"
#include "agent/server/audit.h"
#include "agent/server/commands.h"
#include "agent/server/order_rows.h"
#include "agent/tpm/sign.h"

/* Errors of the order itself; all others are of the KS. */
static bool is_refusal(enum kgr_error err)
{
    return err == KGR_ERR_CORRUPT || err == KGR_ERR_EXISTS || err == KGR_ERR_INVALID ||
           err == KGR_ERR_UNKNOWN_PEER || err == KGR_ERR_UNSUPPORTED;
}

/* execute carries out an order that is new in the book. */
static void execute(struct kgr_ks_command *c, const struct kgr_order *order)
{
    struct kgr_ks *ks = c->ks;
    struct kgr_diag diag = {{0}}, reason = {{0}};
    enum kgr_error err = KGR_OK, refused;

    if (kgr_ks_begin(ks) != KGR_OK) {
        kgr_ks_command_drop(&c->after);
        return;
    }
    refused = kgr_ks_commands_carry_out(c, order, &reason);
    if (refused != KGR_OK && !is_refusal(refused)) {
        err = refused;
        diag = reason;
    }
    if (refused != KGR_OK)
        kgr_ks_command_fail(c, refused, &reason);
    if (refused != KGR_OK || !c->later) {
        if (err == KGR_OK)
            err = kgr_ks_command_conclude(c, &diag);
        kgr_ks_command_finish(c);
    }
    kgr_ks_end(ks, err == KGR_ERR_CORRUPT ? KGR_ERR_FAILED : err, &diag);
}

/* repeat answers an order that was carried out before by what was decided then. */
static void repeat(struct kgr_ks_command *c)
{
    struct kgr_diag diag = {{0}};
    uint32_t status = 0;
    enum kgr_error err = kgr_ks_order_load(c->ks->db, c->number, &status, &c->body, &diag);

    if (err != KGR_OK) {
        kgr_ks_origin_refuse(c->ks, &c->origin, KGR_ERR_IO, kgr_diag_text(&diag, err));
        kgr_ks_command_free(c);
        return;
    }
    c->status = (enum kgr_error)status;
    kgr_ks_command_sign(c->ks, &c->after);
}

/* signer verifies the signature, and fills the hash of the whole order. */
static enum kgr_orders_reason signer(const struct kgr_ks *ks, const struct kgr_order *order,
                                     struct kgr_slice bytes, uint8_t out_hash[KGR_DIGEST_LEN])
{
    const struct kgr_slice parts[] = {
        kgr_slice(KGR_LABEL_ORDER, strlen(KGR_LABEL_ORDER)),
        order->covered,
    };
    uint8_t digest[KGR_DIGEST_LEN];

    if (kgr_sha256(digest, parts, KGR_ARRAY_LEN(parts)) != KGR_OK ||
        kgr_sha256(out_hash, &bytes, 1) != KGR_OK ||
        kgr_tpm_verify(&ks->id.ac_signing, digest, order->signature) != KGR_OK)
        return KGR_ORDERS_FORGED;
    return KGR_ORDERS_FINE;
}

/* refuse answers an order that the book does not take. Only its signed part is worth a signature. */
static void refuse(struct kgr_ks_command *c, enum kgr_orders_reason reason)
{
    struct kgr_diag diag = {{0}};
    enum kgr_error err = kgr_orders_error(reason);

    kgr_ks_audit_refusal(c->ks, reason, c->kind, c->number, c->subject);
    kgr_ks_command_fail(c, kgr_diag_set(&diag, err, "%s", kgr_orders_text(reason)), &diag);
    kgr_ks_command_sign(c->ks, &c->after);
}

static void judge(struct kgr_ks_command *c, const struct kgr_order *order)
{
    struct kgr_ks *ks = c->ks;
    struct kgr_orders_claim claim = {.number = order->number, .expires_s = order->expires};
    enum kgr_orders_reason reason;

    memcpy(claim.ks, order->ks, sizeof claim.ks);
    memcpy(claim.hash, c->order_hash, sizeof claim.hash);
    switch (
        kgr_orders_judge(&ks->orders, &reason, ks->id.ks, &claim, (uint64_t)kgr_clock_wall_s())) {
    case KGR_ORDERS_CARRY_OUT:
        execute(c, order);
        break;
    case KGR_ORDERS_REPEAT:
        repeat(c);
        break;
    case KGR_ORDERS_WAIT:
        kgr_ks_origin_refuse(ks, &c->origin, KGR_ERR_BUSY, "the order is being carried out");
        kgr_ks_command_free(c);
        break;
    case KGR_ORDERS_REFUSE:
        refuse(c, reason);
        break;
    }
}

static void take(struct kgr_ks *ks, struct kgr_ks_origin *origin, struct kgr_slice bytes)
{
    enum kgr_orders_reason reason = KGR_ORDERS_MALFORMED;
    uint8_t hash[KGR_DIGEST_LEN];
    struct kgr_order order = {0};
    struct kgr_ks_command *c;

    if (kgr_order_decode(&order, bytes) == KGR_OK)
        reason = signer(ks, &order, bytes, hash);
    if (reason != KGR_ORDERS_FINE) {
        kgr_ks_audit_refusal(ks, reason, order.kind, order.number, NULL);
        kgr_ks_origin_refuse(ks, origin, kgr_orders_error(reason), kgr_orders_text(reason));
        return;
    }
    c = kgr_ks_command_new(ks, origin);
    if (c == NULL) {
        kgr_ks_origin_refuse(ks, origin, KGR_ERR_NO_MEMORY, kgr_strerror(KGR_ERR_NO_MEMORY));
        return;
    }
    c->kind = order.kind;
    c->number = order.number;
    memcpy(c->order_hash, hash, sizeof c->order_hash);
    kgr_order_subject(c->subject, &order);
    judge(c, &order);
}

void kgr_ks_reception_call(struct kgr_ks *ks, const struct kgr_server_request *request)
{
    struct kgr_ks_origin origin = {.call = request->call};

    take(ks, &origin, request->body);
}

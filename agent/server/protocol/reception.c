/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/protocol/reception.h"

#include <stdlib.h>
#include <string.h>

#include "agent/seal/digest.h"
#include "agent/server/orders/ac.h"
#include "agent/server/orders/audit.h"
#include "agent/server/orders/commands.h"
#include "agent/server/store/order_rows.h"

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
    /* The first order under the AC's next keys makes them the present ones. */
    if (c->signer == KGR_KS_AC_NEXT)
        err = kgr_ks_ac_promote(ks, &diag);
    refused = err == KGR_OK ? kgr_ks_commands_carry_out(c, order, &reason) : KGR_ERR_INVALID;
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
    struct kgr_order order = {0};
    enum kgr_ks_ac_slot slot;
    struct kgr_ks_command *c;

    if (kgr_order_decode(&order, bytes) == KGR_OK)
        reason = kgr_ks_ac_signer(ks, &slot, &order);
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
    c->signer = slot;
    c->kind = order.kind;
    c->number = order.number;
    if (kgr_sha256(c->order_hash, &bytes, 1) != KGR_OK) {
        kgr_ks_command_drop(&c->after);
        return;
    }
    kgr_order_subject(c->subject, &order);
    judge(c, &order);
}

void kgr_ks_reception_call(struct kgr_ks *ks, const struct kgr_server_request *request)
{
    struct kgr_ks_origin origin = {.call = request->call};

    take(ks, &origin, request->body);
}

/* An order that came in a frame, until the window that its frame passed stands on the disk. */
struct arrival {
    struct kgr_ks_after after;
    struct kgr_ks_origin origin;
    size_t len;
    uint8_t bytes[];
};

static void start_arrival(struct kgr_ks *ks, struct kgr_ks_after *self)
{
    struct arrival *a = (struct arrival *)self;

    take(ks, &a->origin, kgr_slice(a->bytes, a->len));
    free(a);
}

/* The key's reference goes with the service, which stops when a transaction fails. */
static void drop_arrival(struct kgr_ks_after *self)
{
    free(self);
}

enum kgr_error kgr_ks_reception_frame(struct kgr_ks *ks, const struct kgr_ks_frame *frame)
{
    struct arrival *a = calloc(1, sizeof *a + frame->body.len);

    if (a == NULL)
        return KGR_ERR_NO_MEMORY;
    a->after.start = start_arrival;
    a->after.drop = drop_arrival;
    a->origin.key = frame->key;
    kgr_ks_key_ref(frame->key);
    memcpy(a->origin.xid, frame->xid, sizeof a->origin.xid);
    a->origin.sequence = frame->sequence;
    a->len = frame->body.len;
    kgr_copy(a->bytes, frame->body.p, frame->body.len);
    kgr_ks_later(ks, &a->after);
    return KGR_OK;
}

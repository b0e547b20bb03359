/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>

#include "agent/seal/digest.h"
#include "agent/server/orders/ac.h"
#include "agent/server/orders/issue.h"
#include "agent/server/protocol/origin.h"
#include "agent/wire/order.h"

/*
 * An order from its acceptance to the answer. What carries it out writes the body of the result; then, in the same
 * transaction, kgr_ks_command_conclude and kgr_ks_command_finish.
 */
struct kgr_ks_command {
    struct kgr_ks_after after;
    struct kgr_ks *ks;
    struct kgr_ks_origin origin;
    enum kgr_ks_ac_slot signer;
    uint8_t kind;
    uint64_t number;
    uint8_t order_hash[KGR_DIGEST_LEN];
    char subject[KGR_ORDER_SUBJECT_MAX + 1];
    enum kgr_error status;
    struct kgr_wr body; /* over body_bytes: of the result */
    uint8_t *body_bytes;
    struct kgr_wr result; /* over result_bytes */
    uint8_t *result_bytes;
    bool
        later; /* it goes on after this transaction: what carries it out concludes and finishes it */
    /* node_add */
    struct kgr_order_node_add *add;
    struct kgr_ks_issue *issue;
    struct kgr_registry registry;
    struct kgr_ks_ac_job *ac; /* ac_rekey */
};

/* kgr_ks_command_new takes over the origin; NULL without memory. Whoever ends the command frees it. */
struct kgr_ks_command *kgr_ks_command_new(struct kgr_ks *ks, const struct kgr_ks_origin *origin);
void kgr_ks_command_free(struct kgr_ks_command *c);
/* kgr_ks_command_fail makes the result a refusal: its text is the body. */
void kgr_ks_command_fail(struct kgr_ks_command *c, enum kgr_error err, const struct kgr_diag *diag);
/* kgr_ks_command_conclude stores what was decided, and its audit record: from now on it is repeated, never redone. */
KGR_MUST_CHECK enum kgr_error kgr_ks_command_conclude(struct kgr_ks_command *c,
                                                      struct kgr_diag *diag);
/* kgr_ks_command_finish ends it within its transaction: the result is signed and sent when the commit stands. */
void kgr_ks_command_finish(struct kgr_ks_command *c);
/* Of a kgr_ks_after: sign and send the result outside of a transaction, or say that the database failed. Both free. */
void kgr_ks_command_sign(struct kgr_ks *ks, struct kgr_ks_after *self);
void kgr_ks_command_drop(struct kgr_ks_after *self);

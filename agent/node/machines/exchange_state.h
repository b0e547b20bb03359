/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/base/buf.h"
#include "agent/node/machines/exchange.h"
#include "agent/node/machines/registration.h"

/*
 * The persistent states of the machines as bytes of the database. Each begins with a version, and a decoder
 * refuses what no encoder wrote.
 */
#define KGR_STATE_BYTES_MAX        1024 /* of a pair */
#define KGR_REGISTRATION_BYTES_MAX 256

void kgr_exchange_offer_encode(struct kgr_wr *wr, const struct kgr_exchange_offer *offer);
KGR_MUST_CHECK enum kgr_error kgr_exchange_offer_decode(struct kgr_exchange_offer *out,
                                                        struct kgr_slice bytes);
void kgr_exchange_state_encode(struct kgr_wr *wr, const struct kgr_exchange_state *state);
/* kgr_exchange_state_decode leaves self and peer of *out, which stand elsewhere, as they are. */
KGR_MUST_CHECK enum kgr_error kgr_exchange_state_decode(struct kgr_exchange_state *out,
                                                        struct kgr_slice bytes);
void kgr_registration_state_encode(struct kgr_wr *wr, const struct kgr_registration_state *state);
KGR_MUST_CHECK enum kgr_error kgr_registration_state_decode(struct kgr_registration_state *out,
                                                            struct kgr_slice bytes);

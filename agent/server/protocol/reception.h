/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/server/protocol/frames.h"

/*
 * kgr_ks_reception_call takes an order that came over the local socket: it is judged by the order book, carried out, repeated or
 * refused, recorded, and answered by a result that the TPM signs (docs/protocol.md, section 9.1).
 */
void kgr_ks_reception_call(struct kgr_ks *ks, const struct kgr_server_request *request);
/* kgr_ks_reception_frame does so with an order in a frame of the AC, after the transaction in which it is called. */
KGR_MUST_CHECK enum kgr_error kgr_ks_reception_frame(struct kgr_ks *ks,
                                                     const struct kgr_ks_frame *frame);

/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>

#include "agent/base/buf.h"
#include "agent/base/diag.h"

struct kgr_ac;

/*
 * kgr_mqtt_link_order sends a signed order over the broker, again and again in new frames, until its result comes; out has
 * room for KGR_FRAME_MAX bytes. *out_retried: it was sent more than once, so the KS may have seen it before. Blocks for as long as the
 * settings say. Errors: KGR_ERR_TIMEOUT, KGR_ERR_NOT_AUTHORIZED (a nack), KGR_ERR_STATE (no keys for frames), KGR_ERR_TPM.
 */
KGR_MUST_CHECK enum kgr_error kgr_mqtt_link_order(struct kgr_ac *ac, uint8_t *out, size_t *out_len,
                                                  bool *out_retried, struct kgr_slice order,
                                                  struct kgr_diag *diag);

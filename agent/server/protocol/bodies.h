/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/server/machines/coordinator.h"

/*
 * kgr_ks_body writes the body of a frame that a coordinator wants sent; objects are the duplicates for key_ans and
 * adv_req. *out is allocated for the caller. KGR_ERR_CORRUPT when the stored objects are damaged.
 */
KGR_MUST_CHECK enum kgr_error kgr_ks_body(const struct kgr_coordinator_state *state,
                                          const struct kgr_coordinator_action *action,
                                          struct kgr_slice objects, uint8_t **out, size_t *out_len);

/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/diag.h"

/*
 * kgr_ks_link_order sends one order over the KS's local socket (docs/protocol.md, section 11, op 256) and returns the
 * result as it came, in the first *out_len bytes of out. Blocks for at most timeout_ms a step. Errors:
 * KGR_ERR_NO_AGENT (nobody serves path), KGR_ERR_TIMEOUT, KGR_ERR_CORRUPT, KGR_ERR_VERSION, or the error that the
 * KS answers when it does not take the order as one at all.
 */
KGR_MUST_CHECK enum kgr_error kgr_ks_link_order(uint8_t *out, size_t *out_len, size_t out_cap,
                                                const char *path, struct kgr_slice order,
                                                int timeout_ms, struct kgr_diag *diag);

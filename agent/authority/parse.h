/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

#include "agent/base/diag.h"
#include "agent/base/text.h"
#include "agent/wire/order.h"

/* Arguments of kgr-ac. Everything wrong is KGR_ERR_INVALID with what was wanted. */

KGR_MUST_CHECK enum kgr_error kgr_parse_nid(struct kgr_nid *out, const char *text,
                                            struct kgr_diag *diag);
/* Comma-separated N_IDs into out->peers. */
KGR_MUST_CHECK enum kgr_error kgr_parse_peers(struct kgr_order_node_add *out, const char *text,
                                              struct kgr_diag *diag);
/* A number and s, m, h or d: "7d"; 1 s to 365 days. */
KGR_MUST_CHECK enum kgr_error kgr_parse_duration(uint32_t *out_s, const char *text,
                                                 struct kgr_diag *diag);
/* HOST:PORT or [IPV6]:PORT; the host borrows text. */
KGR_MUST_CHECK enum kgr_error kgr_parse_broker(struct kgr_slice *out_host, uint16_t *out_port,
                                               const char *text, struct kgr_diag *diag);
/* A suite's name, or "any". */
KGR_MUST_CHECK enum kgr_error kgr_parse_suite(uint8_t *out, const char *text,
                                              struct kgr_diag *diag);
/* "any", "mixed" or "resident". */
KGR_MUST_CHECK enum kgr_error kgr_parse_custody(uint8_t *out, const char *text,
                                                struct kgr_diag *diag);
/* The words of the arguments above, and of node states, for output; static. */
const char *kgr_suite_word(uint8_t suite);
const char *kgr_custody_word(uint8_t custody);
const char *kgr_node_state_word(uint8_t state);

/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

#include <tss2/tss2_tpm2_types.h>

#include "agent/base/buf.h"

/*
 * kgr_tpm_inner_wrapper says how a duplicate is wrapped inside, the same at both of its ends: with AES in CFB mode
 * under inner (16 or 32 bytes), or not at all when that is empty. Internal to agent/tpm; *out_key stands in
 * the arena.
 */
void kgr_tpm_inner_wrapper(TPM2B_DATA *out_key, TPMT_SYM_DEF_OBJECT *out_sym,
                           struct kgr_slice inner);

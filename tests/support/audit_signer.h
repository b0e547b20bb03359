/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/audit/chain.h"

/* A key that signs audit logs as the key of a TPM would, and what it makes of events. */
struct audit_signer;

struct audit_signer *audit_signer_new(void);
void audit_signer_free(struct audit_signer *signer);
/* The marshalled TPMT_PUBLIC; borrowed. */
struct kgr_slice audit_signer_public(const struct audit_signer *signer);
/* audit_signer_sign writes the text of a head: a signature of record id with this hash. */
void audit_signer_sign(const struct audit_signer *signer, char text[KGR_AUDIT_SIGNATURE_TEXT + 1],
                       uint64_t id, const uint8_t hash[KGR_DIGEST_LEN]);

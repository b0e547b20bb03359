/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/base/file.h"
#include "agent/authority/state.h"
#include "agent/wire/credential.h"

/* The files ac.pub and ks.pub: docs/protocol.md, section 10. */

/* kgr_identity_file_write finishes a file that was begun, 0644. */
KGR_MUST_CHECK enum kgr_error kgr_identity_file_write(struct kgr_new_file *file,
                                                      const struct kgr_ac_identity *ac,
                                                      struct kgr_diag *diag);
/* kgr_identity_encode_ac writes the bytes of such a file into out of KGR_IDENTITY_MAX bytes. */
KGR_MUST_CHECK enum kgr_error kgr_identity_encode_ac(uint8_t *out, size_t *out_len,
                                                     const struct kgr_ac_identity *ac,
                                                     struct kgr_diag *diag);

struct kgr_ks_pub {
    struct kgr_ac_identity ks;
    struct kgr_ac_broker broker;
    struct kgr_ac_grant grant; /* borrows bytes */
    uint8_t bytes[KGR_KS_PUB_MAX];
};

/* kgr_identity_file_read reads ks.pub and checks its hash and its keys; KGR_ERR_CORRUPT, KGR_ERR_IO. */
KGR_MUST_CHECK enum kgr_error kgr_identity_file_read(struct kgr_ks_pub *out, const char *path,
                                                     struct kgr_diag *diag);

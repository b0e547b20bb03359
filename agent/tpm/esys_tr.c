/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/tpm/esys_tr.h"

#define KEY_RESOURCE 1u

enum kgr_error kgr_tpm_esys_tr(struct kgr_wr *out, const struct kgr_tpm_object *key,
                               const struct kgr_tpm_public *pub)
{
    kgr_wr_u32(out, key->handle);
    kgr_wr_vec16(out, kgr_slice(key->name.bytes, key->name.len));
    kgr_wr_u32(out, KEY_RESOURCE);
    kgr_wr_vec16(out, kgr_slice(pub->bytes, pub->len));
    return kgr_wr_ok(out) ? KGR_OK : KGR_ERR_INVALID;
}

/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/tpm/types.h"

/* What stands on disk of two keys that belong together. */
struct kgr_key_blobs {
    struct kgr_tpm_blob enc;
    struct kgr_tpm_blob mac;
};

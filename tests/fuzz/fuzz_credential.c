/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Targets: kgr_credential_decode, kgr_identity_decode.
 * Input: a credential file, or an ac.pub or ks.pub. Property: what is accepted encodes to the same bytes.
 */
#include "agent/wire/credential.h"

#include "tests/fuzz/harness.h"

/* The hash at the end is the caller's to append. */
static enum kgr_error with_hash(struct kgr_wr *wr, enum kgr_error err, const uint8_t *hash)
{
    kgr_wr_bytes(wr, hash, KGR_DIGEST_LEN);
    return err;
}

static enum kgr_error credential_encode(struct kgr_wr *wr, const struct kgr_credential_file *m)
{
    return with_hash(wr, kgr_credential_encode(wr, m), m->hash);
}

static enum kgr_error identity_encode(struct kgr_wr *wr, const struct kgr_identity *m)
{
    return with_hash(wr, kgr_identity_encode(wr, m), m->hash);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kgr_slice in = kgr_slice(data, size);

    FUZZ_ROUND_TRIP(struct kgr_credential_file, kgr_credential_decode, credential_encode, in);
    FUZZ_ROUND_TRIP(struct kgr_identity, kgr_identity_decode, identity_encode, in);
    return 0;
}

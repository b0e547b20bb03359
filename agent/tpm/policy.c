/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/tpm/policy.h"

#include <string.h>

#include "agent/base/buf.h"
#include "agent/tpm/command.h"
#include "agent/tpm/context.h"

/*
 * The most that one step of a digest hashes: old digest, code, a Name or eight digests, one
 * byte.
 */
#define STEP_MAX (KGR_TPM_HASH_LEN + 4 + 8 * KGR_TPM_HASH_LEN)

static enum kgr_error hash_step(uint8_t out[KGR_TPM_HASH_LEN], const struct kgr_wr *wr)
{
    return kgr_wr_ok(wr) ? kgr_tpm_digest256(out, kgr_wr_slice(wr)) : KGR_ERR_FAILED;
}

enum kgr_error kgr_tpm_policy_duplicate(uint8_t out[KGR_TPM_HASH_LEN],
                                        const struct kgr_tpm_name *secret,
                                        const struct kgr_tpm_name *target)
{
    uint8_t step[STEP_MAX];
    uint8_t digest[KGR_TPM_HASH_LEN] = {0};
    struct kgr_wr wr;
    enum kgr_error err;

    kgr_wr_init(&wr, step, sizeof(step));
    kgr_wr_bytes(&wr, digest, sizeof(digest));
    kgr_wr_u32(&wr, TPM2_CC_PolicySecret);
    kgr_wr_bytes(&wr, secret->bytes, secret->len);
    err = hash_step(digest, &wr);
    if (err != KGR_OK)
        return err;
    kgr_wr_init(&wr, step, sizeof(step));
    kgr_wr_bytes(&wr, digest, sizeof(digest)); /* and an empty policyRef */
    err = hash_step(digest, &wr);
    if (err != KGR_OK)
        return err;
    kgr_wr_init(&wr, step, sizeof(step));
    kgr_wr_bytes(&wr, digest, sizeof(digest));
    kgr_wr_u32(&wr, TPM2_CC_PolicyDuplicationSelect);
    kgr_wr_bytes(&wr, target->bytes, target->len);
    kgr_wr_u8(&wr, TPM2_NO);
    return hash_step(out, &wr);
}

enum kgr_error kgr_tpm_policy_or(uint8_t out[KGR_TPM_HASH_LEN],
                                 const uint8_t (*branches)[KGR_TPM_HASH_LEN], size_t num)
{
    uint8_t step[STEP_MAX];
    struct kgr_wr wr;

    kgr_wr_init(&wr, step, sizeof(step));
    kgr_wr_zero(&wr, KGR_TPM_HASH_LEN);
    kgr_wr_u32(&wr, TPM2_CC_PolicyOR);
    for (size_t i = 0; i < num; i++)
        kgr_wr_bytes(&wr, branches[i], KGR_TPM_HASH_LEN);
    return hash_step(out, &wr);
}

enum kgr_error kgr_tpm_assert_secret(struct kgr_tpm *tpm, TPM2_HANDLE session,
                                     const struct kgr_tpm_object *secret, struct kgr_diag *diag)
{
    static const TPM2B_NONCE no_nonce = {.size = 0};
    static const TPM2B_DIGEST no_digest = {.size = 0};
    struct kgr_tpm_object policy = kgr_tpm_handle_object(session);
    struct kgr_tpm_command cmd = {.name = "TPM2_PolicySecret",
                                  .code = TPM2_CC_PolicySecret,
                                  .handles = {secret, &policy},
                                  .num_handles = 2,
                                  .num_auths = 1};
    TSS2_RC rc;

    do {
        rc = Tss2_Sys_PolicySecret_Prepare(tpm->sys, secret->handle, session, &no_nonce, &no_digest,
                                           &no_nonce, 0);
    } while (kgr_tpm_again(tpm, &cmd, rc, diag));
    return cmd.err;
}

static void to_2b(TPM2B_NAME *out, const struct kgr_tpm_name *name)
{
    out->size = name->len;
    memcpy(out->name, name->bytes, name->len);
}

enum kgr_error kgr_tpm_assert_duplication(struct kgr_tpm *tpm, TPM2_HANDLE session,
                                          const struct kgr_tpm_name *object,
                                          const struct kgr_tpm_name *target, struct kgr_diag *diag)
{
    struct kgr_tpm_command cmd = {.name = "TPM2_PolicyDuplicationSelect",
                                  .code = TPM2_CC_PolicyDuplicationSelect};
    TPM2B_NAME object_name;
    TPM2B_NAME target_name;
    TSS2_RC rc;

    to_2b(&object_name, object);
    to_2b(&target_name, target);
    do {
        rc = Tss2_Sys_PolicyDuplicationSelect_Prepare(tpm->sys, session, &object_name, &target_name,
                                                      TPM2_NO);
    } while (kgr_tpm_again(tpm, &cmd, rc, diag));
    return cmd.err;
}

enum kgr_error kgr_tpm_assert_or(struct kgr_tpm *tpm, TPM2_HANDLE session,
                                 const uint8_t (*branches)[KGR_TPM_HASH_LEN], size_t num,
                                 struct kgr_diag *diag)
{
    struct kgr_tpm_command cmd = {.name = "TPM2_PolicyOR", .code = TPM2_CC_PolicyOR};
    TPML_DIGEST list = {.count = (UINT32)num};
    TSS2_RC rc;

    if (num < 2 || num > KGR_ARRAY_LEN(list.digests))
        return KGR_ERR_INVALID;
    for (size_t i = 0; i < num; i++) {
        list.digests[i].size = KGR_TPM_HASH_LEN;
        memcpy(list.digests[i].buffer, branches[i], KGR_TPM_HASH_LEN);
    }
    do {
        rc = Tss2_Sys_PolicyOR_Prepare(tpm->sys, session, &list);
    } while (kgr_tpm_again(tpm, &cmd, rc, diag));
    return cmd.err;
}

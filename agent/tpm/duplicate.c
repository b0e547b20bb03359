/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/tpm/duplicate.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/secret.h"
#include "agent/tpm/command.h"
#include "agent/tpm/context.h"
#include "agent/tpm/create.h"
#include "agent/tpm/inner.h"
#include "agent/tpm/load.h"
#include "agent/tpm/object.h"
#include "agent/tpm/policy.h"
#include "agent/tpm/public.h"
#include "agent/tpm/reauth.h"

/* What the two keys of one birth have in common. */
struct labour {
    const struct kgr_tpm_birth *birth;
    struct kgr_tpm_name targets[KGR_TPM_TARGETS_MAX];
    uint8_t branches[KGR_TPM_TARGETS_MAX][KGR_TPM_HASH_LEN];
    uint8_t policy[KGR_TPM_HASH_LEN];
    TPM2_HANDLE session; /* a policy session; 0: none */
};

enum kgr_error kgr_tpm_birth_policy(uint8_t out[KGR_TPM_HASH_LEN], const struct kgr_tpm_name *ks,
                                    const struct kgr_tpm_name *const *targets, size_t num_targets)
{
    uint8_t branches[KGR_TPM_TARGETS_MAX][KGR_TPM_HASH_LEN];
    enum kgr_error err = KGR_OK;

    if (num_targets == 0 || num_targets > KGR_TPM_TARGETS_MAX)
        return KGR_ERR_INVALID;
    for (size_t i = 0; err == KGR_OK && i < num_targets; i++)
        err = kgr_tpm_policy_duplicate(branches[i], ks, targets[i]);
    if (err != KGR_OK)
        return err;
    if (num_targets > 1)
        return kgr_tpm_policy_or(out, (const uint8_t(*)[KGR_TPM_HASH_LEN])branches, num_targets);
    memcpy(out, branches[0], KGR_TPM_HASH_LEN);
    return KGR_OK;
}

static bool inner_fits(const struct kgr_tpm_birth *birth, struct kgr_slice inner)
{
    return inner.len == 0 || inner.len == kgr_suite_enc_key_len(birth->suite);
}

static enum kgr_error prepare(struct labour *labour, const struct kgr_tpm_birth *birth,
                              struct kgr_diag *diag)
{
    const struct kgr_tpm_name *names[KGR_TPM_TARGETS_MAX];
    enum kgr_error err = KGR_OK;

    if (birth->num_targets == 0 || birth->num_targets > KGR_TPM_TARGETS_MAX ||
        !kgr_suite_known(birth->suite) || !inner_fits(birth, birth->inner_enc) ||
        !inner_fits(birth, birth->inner_mac))
        return kgr_diag_set(diag, KGR_ERR_INVALID, "a key is born for one or two nodes");
    labour->birth = birth;
    for (size_t i = 0; i < birth->num_targets; i++) {
        err = kgr_tpm_check_storage(birth->targets[i]);
        if (err == KGR_OK)
            err = kgr_tpm_public_name(&labour->targets[i], birth->targets[i]);
        if (err == KGR_OK)
            err = kgr_tpm_policy_duplicate(labour->branches[i], &birth->parent->name,
                                           &labour->targets[i]);
        if (err != KGR_OK)
            return kgr_diag_set(diag, err, "the storage key of destination %zu is not acceptable",
                                i + 1);
        names[i] = &labour->targets[i];
    }
    return kgr_tpm_birth_policy(labour->policy, &birth->parent->name, names, birth->num_targets);
}

/* Asserts the policy for destination i on the session: once for every TPM2_Duplicate. */
static enum kgr_error assert_policy(struct kgr_tpm *tpm, const struct labour *labour, size_t i,
                                    const struct kgr_tpm_object *key, struct kgr_diag *diag)
{
    const struct kgr_tpm_birth *birth = labour->birth;
    enum kgr_error err = kgr_tpm_assert_secret(tpm, labour->session, birth->parent, diag);

    if (err == KGR_OK)
        err =
            kgr_tpm_assert_duplication(tpm, labour->session, &key->name, &labour->targets[i], diag);
    if (err == KGR_OK && birth->num_targets > 1)
        err = kgr_tpm_assert_or(tpm, labour->session,
                                (const uint8_t(*)[KGR_TPM_HASH_LEN])labour->branches,
                                birth->num_targets, diag);
    return err;
}

void kgr_tpm_inner_wrapper(TPM2B_DATA *out_key, TPMT_SYM_DEF_OBJECT *out_sym,
                           struct kgr_slice inner)
{
    memset(out_sym, 0, sizeof(*out_sym));
    out_key->size = (UINT16)inner.len;
    out_sym->algorithm = TPM2_ALG_NULL;
    if (inner.len == 0)
        return;
    memcpy(out_key->buffer, inner.p, inner.len);
    out_sym->algorithm = TPM2_ALG_AES;
    out_sym->keyBits.aes = (TPMI_AES_KEY_BITS)(8 * inner.len);
    out_sym->mode.aes = TPM2_ALG_CFB;
}

static enum kgr_error duplicate_to(struct kgr_tpm *tpm, struct kgr_tpm_duplicate *out,
                                   const struct kgr_tpm_object *key,
                                   const struct kgr_tpm_object *target, TPM2_HANDLE session,
                                   struct kgr_slice inner, struct kgr_diag *diag)
{
    struct kgr_tpm_command cmd = {
        .name = "TPM2_Duplicate",
        .code = TPM2_CC_Duplicate,
        .handles = {key, target},
        .num_handles = 2,
        .num_auths = 1,
        .policy = session,
        .flags = KGR_TPM_SECRET_IN}; /* also when empty: it lets the session cover all */
    TPM2B_PRIVATE *priv = &tpm->scratch.object.priv;
    TPM2B_ENCRYPTED_SECRET *seed = &tpm->scratch.object.seed;
    TPM2B_DATA *inner_key = kgr_secret_alloc(sizeof(*inner_key));
    TPMT_SYM_DEF_OBJECT sym;
    TSS2_RC rc;
    enum kgr_error err;

    if (inner_key == NULL)
        return KGR_ERR_NO_MEMORY;
    kgr_tpm_inner_wrapper(inner_key, &sym, inner);
    do {
        rc = Tss2_Sys_Duplicate_Prepare(tpm->sys, key->handle, target->handle, inner_key, &sym);
    } while (kgr_tpm_again(tpm, &cmd, rc, diag));
    err = cmd.err;
    inner_key->size = 0;
    priv->size = 0;
    seed->size = 0;
    if (err == KGR_OK) {
        rc = Tss2_Sys_Duplicate_Complete(tpm->sys, inner_key, priv, seed);
        err = kgr_tpm_completed(&cmd, rc, diag);
    }
    if (err == KGR_OK && (priv->size > sizeof(out->bytes) || seed->size > sizeof(out->seed)))
        err =
            kgr_diag_set(diag, KGR_ERR_TPM, "the TPM returned a duplicate of %u bytes", priv->size);
    if (err == KGR_OK) {
        out->len = priv->size;
        out->seed_len = seed->size;
        memcpy(out->bytes, priv->buffer, priv->size);
        memcpy(out->seed, seed->secret, seed->size);
    }
    kgr_secret_free(inner_key);
    return err;
}

static enum kgr_error duplicate_all(struct kgr_tpm *tpm, struct kgr_tpm_newborn *out,
                                    const struct labour *labour, const struct kgr_tpm_object *key,
                                    struct kgr_slice inner, struct kgr_diag *diag)
{
    enum kgr_error err = KGR_OK;

    for (size_t i = 0; err == KGR_OK && i < labour->birth->num_targets; i++) {
        struct kgr_tpm_object target = {.handle = 0};

        err = assert_policy(tpm, labour, i, key, diag);
        if (err == KGR_OK)
            err = kgr_tpm_load_external(tpm, &target, labour->birth->targets[i], diag);
        if (err == KGR_OK)
            err =
                duplicate_to(tpm, &out->duplicates[i], key, &target, labour->session, inner, diag);
        kgr_tpm_release(tpm, &target);
    }
    return err;
}

static enum kgr_error bear(struct kgr_tpm *tpm, struct kgr_tpm_newborn *out,
                           const struct labour *labour, enum kgr_tpm_kind kind,
                           struct kgr_diag *diag)
{
    const struct kgr_tpm_birth *birth = labour->birth;
    const struct kgr_tpm_auth *keep = kind == KGR_TPM_ENC ? birth->keep_enc : birth->keep_mac;
    struct kgr_slice inner = kind == KGR_TPM_ENC ? birth->inner_enc : birth->inner_mac;
    TPM2B_PUBLIC template;
    struct kgr_tpm_create create = {.template = &template};
    struct kgr_tpm_object key = {.handle = 0};
    struct kgr_tpm_blob *blob = calloc(1, sizeof(*blob));
    enum kgr_error err;

    if (blob == NULL)
        return KGR_ERR_NO_MEMORY;
    kgr_tpm_template_resident(&template, birth->suite, kind, labour->policy);
    err = kgr_tpm_create(tpm, blob, birth->parent, &create, diag);
    if (err == KGR_OK && kgr_tpm_check_resident(&blob->pub, birth->suite, kind) != KGR_OK)
        err = kgr_diag_set(diag, KGR_ERR_TPM, "the TPM bore another key than was asked for");
    if (err == KGR_OK)
        err = kgr_tpm_load(tpm, &key, birth->parent, blob, NULL, diag);
    if (err == KGR_OK) {
        out->pub = blob->pub;
        out->name = key.name;
        err = duplicate_all(tpm, out, labour, &key, inner, diag);
    }
    if (err == KGR_OK && keep != NULL)
        err = kgr_tpm_change_auth(tpm, &out->kept, &key, birth->parent, keep, diag);
    kgr_tpm_release(tpm, &key);
    kgr_cleanse(blob, sizeof(*blob)); /* good with the empty authorisation value: never kept */
    free(blob);
    return err;
}

enum kgr_error kgr_tpm_give_birth(struct kgr_tpm *tpm, struct kgr_tpm_newborn *out_enc,
                                  struct kgr_tpm_newborn *out_mac,
                                  const struct kgr_tpm_birth *birth, struct kgr_diag *diag)
{
    struct labour labour = {.session = 0};
    struct kgr_tpm_newborn *born = calloc(2, sizeof(*born));
    enum kgr_error err = born == NULL ? KGR_ERR_NO_MEMORY : prepare(&labour, birth, diag);

    if (err == KGR_OK) {
        kgr_tpm_slots_limit(tpm, 0);
        err = kgr_tpm_policy_begin(tpm, &labour.session, diag);
    }
    if (err == KGR_OK)
        err = bear(tpm, &born[0], &labour, KGR_TPM_ENC, diag);
    if (err == KGR_OK)
        err = bear(tpm, &born[1], &labour, KGR_TPM_MAC, diag);
    if (labour.session != 0)
        kgr_tpm_flush(tpm, labour.session);
    if (err == KGR_OK) {
        *out_enc = born[0];
        *out_mac = born[1];
    }
    free(born);
    return err;
}

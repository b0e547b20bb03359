/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/tpm/nv.h"

#include <string.h>

#include <tss2/tss2_mu.h>

#include "agent/base/buf.h"
#include "agent/base/log.h"
#include "agent/base/secret.h"
#include "agent/tpm/command.h"
#include "agent/tpm/context.h"
#include "agent/tpm/handles.h"
#include "agent/tpm/object.h"
#include "agent/tpm/template.h"

#define COUNTER_LEN 8
/* EK Credential Profile: the certificate of the ECC P-256 EK of template L-2. */
#define EK_CERTIFICATE_INDEX UINT32_C(0x01c0000a)
/* What every TPM can read from NV at once. */
#define READ_MAX 512

static enum kgr_error nv_public(struct kgr_tpm *tpm, struct kgr_tpm_object *out,
                                TPMS_NV_PUBLIC *out_pub, uint32_t index, struct kgr_diag *diag)
{
    struct kgr_tpm_command cmd = {.name = "TPM2_NV_ReadPublic", .code = TPM2_CC_NV_ReadPublic};
    struct kgr_tpm_object object = {.handle = index, .name = {.len = 2 + KGR_TPM_HASH_LEN}};
    struct kgr_diag own = {.text = ""};
    TPM2B_NV_PUBLIC pub = {.size = 0};
    uint8_t bytes[sizeof(pub)];
    size_t len = 0;
    struct kgr_wr wr;
    TSS2_RC rc;
    enum kgr_error err;

    do {
        rc = Tss2_Sys_NV_ReadPublic_Prepare(tpm->sys, index);
    } while (kgr_tpm_again(tpm, &cmd, rc, &own));
    if (cmd.rc == TPM2_RC_HANDLE)
        return kgr_diag_set(diag, KGR_ERR_NO_KEY, "there is no NV index 0x%x in the TPM", index);
    if (cmd.err != KGR_OK)
        return kgr_diag_set(diag, cmd.err, "%s", own.text);
    err = kgr_tpm_completed(&cmd, Tss2_Sys_NV_ReadPublic_Complete(tpm->sys, &pub, NULL), diag);
    if (err != KGR_OK)
        return err;
    if (pub.nvPublic.nameAlg != TPM2_ALG_SHA256)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "the NV index 0x%x is not of our kind", index);
    kgr_wr_init(&wr, object.name.bytes, sizeof(object.name.bytes));
    kgr_wr_u16(&wr, TPM2_ALG_SHA256);
    if (Tss2_MU_TPMS_NV_PUBLIC_Marshal(&pub.nvPublic, bytes, sizeof(bytes), &len) !=
            TSS2_RC_SUCCESS ||
        kgr_tpm_digest256(object.name.bytes + 2, kgr_slice(bytes, len)) != KGR_OK)
        return KGR_ERR_FAILED;
    *out = object;
    *out_pub = pub.nvPublic;
    return KGR_OK;
}

static enum kgr_error increment(struct kgr_tpm *tpm, const struct kgr_tpm_object *counter,
                                struct kgr_diag *diag)
{
    struct kgr_tpm_command cmd = {.name = "TPM2_NV_Increment",
                                  .code = TPM2_CC_NV_Increment,
                                  .handles = {counter, counter},
                                  .num_handles = 2,
                                  .num_auths = 1};
    TSS2_RC rc;

    do {
        rc = Tss2_Sys_NV_Increment_Prepare(tpm->sys, counter->handle, counter->handle);
    } while (kgr_tpm_again(tpm, &cmd, rc, diag));
    return cmd.err;
}

static enum kgr_error define(struct kgr_tpm *tpm, uint32_t index, const struct kgr_tpm_auth *auth,
                             struct kgr_diag *diag)
{
    struct kgr_tpm_object owner = kgr_tpm_hierarchy(tpm, KGR_TPM_OWNER);
    struct kgr_tpm_command cmd = {.name = "TPM2_NV_DefineSpace",
                                  .code = TPM2_CC_NV_DefineSpace,
                                  .handles = {&owner},
                                  .num_handles = 1,
                                  .num_auths = 1,
                                  .flags = auth == NULL ? 0 : KGR_TPM_SECRET_IN};
    TPM2B_NV_PUBLIC pub = {.nvPublic = {.nvIndex = index,
                                        .nameAlg = TPM2_ALG_SHA256,
                                        .attributes = TPMA_NV_AUTHREAD | TPMA_NV_AUTHWRITE |
                                                      TPMA_NV_NO_DA |
                                                      (TPM2_NT_COUNTER << TPMA_NV_TPM2_NT_SHIFT),
                                        .dataSize = COUNTER_LEN}};
    TPM2B_AUTH *value = kgr_secret_alloc(sizeof(*value));
    TSS2_RC rc;

    if (value == NULL)
        return KGR_ERR_NO_MEMORY;
    if (auth != NULL) {
        value->size = auth->len;
        memcpy(value->buffer, auth->bytes, auth->len);
    }
    do {
        rc = Tss2_Sys_NV_DefineSpace_Prepare(tpm->sys, owner.handle, value, &pub);
    } while (kgr_tpm_again(tpm, &cmd, rc, diag));
    kgr_secret_free(value);
    return cmd.err;
}

/* Reads len bytes, at most READ_MAX, under the index's own authorisation. */
static enum kgr_error read_nv(struct kgr_tpm *tpm, uint8_t *out, const struct kgr_tpm_object *index,
                              uint16_t len, uint16_t offset, struct kgr_diag *diag)
{
    struct kgr_tpm_command cmd = {.name = "TPM2_NV_Read",
                                  .code = TPM2_CC_NV_Read,
                                  .handles = {index, index},
                                  .num_handles = 2,
                                  .num_auths = 1};
    TPM2B_MAX_NV_BUFFER *data = &tpm->scratch.nv;
    TSS2_RC rc;
    enum kgr_error err;

    do {
        rc = Tss2_Sys_NV_Read_Prepare(tpm->sys, index->handle, index->handle, len, offset);
    } while (kgr_tpm_again(tpm, &cmd, rc, diag));
    if (cmd.err != KGR_OK)
        return cmd.err;
    data->size = 0;
    err = kgr_tpm_completed(&cmd, Tss2_Sys_NV_Read_Complete(tpm->sys, data), diag);
    if (err == KGR_OK && data->size != len)
        err = kgr_diag_set(diag, KGR_ERR_TPM, "TPM2_NV_Read: %u bytes asked, %u answered", len,
                           data->size);
    if (err == KGR_OK)
        memcpy(out, data->buffer, len);
    return err;
}

enum kgr_error kgr_tpm_counter_define(struct kgr_tpm *tpm, struct kgr_tpm_object *out,
                                      uint32_t first_index, const struct kgr_tpm_auth *auth,
                                      struct kgr_diag *diag)
{
    struct kgr_tpm_object counter = {.handle = 0};
    TPMS_NV_PUBLIC pub;
    TPM2_HANDLE index = 0;
    enum kgr_error err = kgr_tpm_free_handle(tpm, &index, first_index, diag);

    if (err == KGR_OK)
        err = define(tpm, index, auth, diag);
    if (err != KGR_OK)
        return err;
    err = nv_public(tpm, &counter, &pub, index, diag);
    counter.auth = auth;
    if (err == KGR_OK)
        err = increment(tpm, &counter, diag);
    /* Being written changes the attributes, and thereby the Name. */
    if (err == KGR_OK)
        err = nv_public(tpm, &counter, &pub, index, diag);
    if (err == KGR_OK) {
        *out = counter;
        out->auth = auth;
    } else if (kgr_tpm_counter_undefine(tpm, index, NULL) != KGR_OK) {
        kgr_warn("tpm_nv_left", "index=0x%x", index);
    }
    return err;
}

enum kgr_error kgr_tpm_counter_open(struct kgr_tpm *tpm, struct kgr_tpm_object *out, uint32_t index,
                                    const struct kgr_tpm_name *pinned,
                                    const struct kgr_tpm_auth *auth, struct kgr_diag *diag)
{
    struct kgr_tpm_object counter = {.handle = 0};
    TPMS_NV_PUBLIC pub;
    enum kgr_error err = nv_public(tpm, &counter, &pub, index, diag);

    if (err != KGR_OK)
        return err;
    if (!kgr_tpm_name_equal(&counter.name, pinned))
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "the NV index 0x%x is not the counter pinned",
                            index);
    counter.auth = auth;
    *out = counter;
    return KGR_OK;
}

enum kgr_error kgr_tpm_counter_read(struct kgr_tpm *tpm, uint64_t *out,
                                    const struct kgr_tpm_object *counter, struct kgr_diag *diag)
{
    uint8_t bytes[COUNTER_LEN];
    struct kgr_rd rd;
    enum kgr_error err = read_nv(tpm, bytes, counter, COUNTER_LEN, 0, diag);

    if (err != KGR_OK)
        return err;
    kgr_rd_init(&rd, bytes, sizeof(bytes));
    *out = kgr_rd_u64(&rd);
    return KGR_OK;
}

enum kgr_error kgr_tpm_counter_increment(struct kgr_tpm *tpm, uint64_t *out,
                                         const struct kgr_tpm_object *counter,
                                         struct kgr_diag *diag)
{
    enum kgr_error err = increment(tpm, counter, diag);

    return err == KGR_OK ? kgr_tpm_counter_read(tpm, out, counter, diag) : err;
}

enum kgr_error kgr_tpm_counter_undefine(struct kgr_tpm *tpm, uint32_t index, struct kgr_diag *diag)
{
    struct kgr_tpm_object owner = kgr_tpm_hierarchy(tpm, KGR_TPM_OWNER);
    struct kgr_tpm_object nv = {.handle = 0};
    struct kgr_tpm_command cmd = {.name = "TPM2_NV_UndefineSpace",
                                  .code = TPM2_CC_NV_UndefineSpace,
                                  .handles = {&owner, &nv},
                                  .num_handles = 2,
                                  .num_auths = 1};
    TPMS_NV_PUBLIC pub;
    TSS2_RC rc;
    enum kgr_error err = nv_public(tpm, &nv, &pub, index, NULL);

    if (err == KGR_ERR_NO_KEY)
        return KGR_OK;
    if (err != KGR_OK)
        return kgr_diag_set(diag, err, "cannot read the NV index 0x%x", index);
    do {
        rc = Tss2_Sys_NV_UndefineSpace_Prepare(tpm->sys, owner.handle, index);
    } while (kgr_tpm_again(tpm, &cmd, rc, diag));
    return cmd.err;
}

/* certificate_len: makers fill an index larger than the certificate; DER says where that ends. 0: it is none. */
static size_t certificate_len(const uint8_t *p, size_t len)
{
    size_t body;

    if (len < 4 || p[0] != 0x30 || p[1] != 0x82) /* SEQUENCE of 256 to 65,535 bytes */
        return 0;
    body = (size_t)p[2] << 8 | p[3];
    return body <= len - 4 ? body + 4 : 0;
}

enum kgr_error kgr_tpm_ek_certificate(struct kgr_tpm *tpm, uint8_t *out, size_t *out_len,
                                      size_t cap, struct kgr_diag *diag)
{
    struct kgr_tpm_object index = {.handle = 0};
    TPMS_NV_PUBLIC pub;
    enum kgr_error err = nv_public(tpm, &index, &pub, EK_CERTIFICATE_INDEX, NULL);

    /* An index of another kind than the profile's holds no certificate that anybody could use. */
    if (err == KGR_ERR_NO_KEY || err == KGR_ERR_CORRUPT ||
        (err == KGR_OK && (pub.attributes & TPMA_NV_WRITTEN) == 0)) {
        *out_len = 0;
        return KGR_OK;
    }
    if (err != KGR_OK)
        return kgr_diag_set(diag, err, "cannot read the EK's certificate");
    if (pub.dataSize > cap)
        return kgr_diag_set(diag, KGR_ERR_SHORT_BUFFER, "the EK's certificate has %u bytes",
                            pub.dataSize);
    for (size_t done = 0; err == KGR_OK && done < pub.dataSize;) {
        size_t now = pub.dataSize - done < READ_MAX ? pub.dataSize - done : READ_MAX;

        err = read_nv(tpm, out + done, &index, (uint16_t)now, (uint16_t)done, diag);
        done += now;
    }
    if (err == KGR_OK)
        *out_len = certificate_len(out, pub.dataSize);
    return err;
}

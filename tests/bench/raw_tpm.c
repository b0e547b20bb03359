/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/bench/raw_tpm.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/rand.h>
#include <tss2/tss2_sys.h>
#include <tss2/tss2_tctildr.h>

#include "tests/bench/measure.h"
#include "tests/bench/raw_session.h"

#define AAD_LEN  28 /* as long as a record's header */
#define IV_LEN   16
#define TAG_LEN  16
#define CHUNK    1024u /* most bytes in one command */
#define AUTH_LEN 32

struct raw_tpm {
    TSS2_TCTI_CONTEXT *tcti;
    TSS2_SYS_CONTEXT *sys;
    struct raw_session *session;
    struct raw_entity aes;
    struct raw_entity mac;
    struct raw_entity sequence; /* no authorisation value, no Name */
    unsigned long commands;
};

static const TSS2L_SYS_AUTH_COMMAND password = {.count = 1,
                                                .auths = {{.sessionHandle = TPM2_RS_PW}}};

static TPM2_HANDLE make_primary(struct raw_tpm *tpm)
{
    TPM2B_SENSITIVE_CREATE sensitive = {.size = 0};
    TPM2B_PUBLIC template = {
        .publicArea = {
            .type = TPM2_ALG_ECC,
            .nameAlg = TPM2_ALG_SHA256,
            .objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH |
                                TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT,
            .parameters.eccDetail = {.symmetric = {.algorithm = TPM2_ALG_AES,
                                                   .keyBits.aes = 128,
                                                   .mode.aes = TPM2_ALG_CFB},
                                     .scheme.scheme = TPM2_ALG_NULL,
                                     .curveID = TPM2_ECC_NIST_P256,
                                     .kdf.scheme = TPM2_ALG_NULL},
        }};
    TPM2B_DATA outside = {.size = 0};
    TPML_PCR_SELECTION pcr = {.count = 0};
    TPM2B_PUBLIC pub = {.size = 0};
    TPM2B_CREATION_DATA data = {.size = 0};
    TPM2B_DIGEST hash = {.size = 0};
    TPMT_TK_CREATION ticket = {.tag = 0};
    TPM2B_NAME name = {.size = 0};
    TPM2_HANDLE handle = 0;
    TSS2L_SYS_AUTH_RESPONSE answer = {.count = 0};
    TSS2_RC rc =
        Tss2_Sys_CreatePrimary(tpm->sys, TPM2_RH_OWNER, &password, &sensitive, &template, &outside,
                               &pcr, &handle, &pub, &data, &hash, &ticket, &name, &answer);

    bench_must(rc == 0, "TPM2_CreatePrimary: 0x%x", rc);
    return handle;
}

static void make_key(struct raw_tpm *tpm, struct raw_entity *out, TPM2_HANDLE parent,
                     const TPMT_PUBLIC *area)
{
    TPM2B_SENSITIVE_CREATE sensitive = {.size = 0};
    TPM2B_PUBLIC template = {.publicArea = *area};
    TPM2B_DATA outside = {.size = 0};
    TPML_PCR_SELECTION pcr = {.count = 0};
    TPM2B_PUBLIC pub = {.size = 0};
    TPM2B_PRIVATE priv = {.size = 0};
    TPM2B_CREATION_DATA data = {.size = 0};
    TPM2B_DIGEST hash = {.size = 0};
    TPMT_TK_CREATION ticket = {.tag = 0};
    TPM2B_NAME name = {.size = 0};
    TSS2L_SYS_AUTH_RESPONSE answer = {.count = 0};
    TPM2B_AUTH *auth = &sensitive.sensitive.userAuth;
    TSS2_RC rc;

    auth->size = AUTH_LEN;
    bench_must(RAND_bytes(auth->buffer, AUTH_LEN) == 1, "no randomness");
    auth->buffer[AUTH_LEN - 1] |= 1; /* trailing zeroes would not count */
    template.publicArea.nameAlg = TPM2_ALG_SHA256;
    rc = Tss2_Sys_Create(tpm->sys, parent, &password, &sensitive, &template, &outside, &pcr, &priv,
                         &pub, &data, &hash, &ticket, &answer);
    bench_must(rc == 0, "TPM2_Create: 0x%x", rc);
    rc = Tss2_Sys_Load(tpm->sys, parent, &password, &priv, &pub, &out->handle, &name, &answer);
    bench_must(rc == 0, "TPM2_Load: 0x%x", rc);
    memcpy(out->name, name.name, name.size);
    out->name_len = name.size;
    raw_entity_set_auth(out, auth->buffer, AUTH_LEN);
}

static void make_keys(struct raw_tpm *tpm)
{
    const TPMA_OBJECT common =
        TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA;
    const TPMT_PUBLIC aes = {
        .type = TPM2_ALG_SYMCIPHER,
        .objectAttributes = common | TPMA_OBJECT_SIGN_ENCRYPT | TPMA_OBJECT_DECRYPT,
        .parameters.symDetail.sym = {
            .algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_NULL}};
    const TPMT_PUBLIC mac = {.type = TPM2_ALG_KEYEDHASH,
                             .objectAttributes = common | TPMA_OBJECT_SIGN_ENCRYPT,
                             .parameters.keyedHashDetail.scheme = {
                                 .scheme = TPM2_ALG_HMAC, .details.hmac.hashAlg = TPM2_ALG_SHA256}};
    TPM2_HANDLE parent = make_primary(tpm);

    make_key(tpm, &tpm->aes, parent, &aes);
    make_key(tpm, &tpm->mac, parent, &mac);
    bench_must(Tss2_Sys_FlushContext(tpm->sys, parent) == 0, "TPM2_FlushContext failed");
}

struct raw_tpm *raw_tpm_new(const char *tcti)
{
    struct raw_tpm *tpm = calloc(1, sizeof(*tpm));
    TSS2_ABI_VERSION abi = TSS2_ABI_VERSION_CURRENT;
    size_t len = Tss2_Sys_GetContextSize(0);

    bench_must(tpm != NULL, "no memory");
    bench_must(Tss2_TctiLdr_Initialize(tcti, &tpm->tcti) == 0, "cannot reach the TPM at %s", tcti);
    tpm->sys = calloc(1, len);
    bench_must(tpm->sys != NULL && Tss2_Sys_Initialize(tpm->sys, len, tpm->tcti, &abi) == 0,
               "no memory");
    make_keys(tpm);
    raw_entity_set_auth(&tpm->sequence, NULL, 0);
    tpm->session = raw_session_new(tpm->sys);
    return tpm;
}

void raw_tpm_free(struct raw_tpm *tpm)
{
    (void)Tss2_Sys_FlushContext(tpm->sys, tpm->aes.handle);
    (void)Tss2_Sys_FlushContext(tpm->sys, tpm->mac.handle);
    raw_session_free(tpm->session);
    raw_entity_clear(&tpm->aes);
    raw_entity_clear(&tpm->mac);
    raw_entity_clear(&tpm->sequence);
    Tss2_Sys_Finalize(tpm->sys);
    free(tpm->sys);
    Tss2_TctiLdr_Finalize(&tpm->tcti);
    free(tpm);
}

unsigned long raw_tpm_commands(const struct raw_tpm *tpm)
{
    return tpm->commands;
}

static void execute(struct raw_tpm *tpm, struct raw_entity *entity, TPM2_CC code, TSS2_RC prepared)
{
    bench_must(prepared == 0, "command 0x%x: 0x%x", code, prepared);
    raw_session_execute(tpm->session, entity, code);
    tpm->commands++;
}

static void encrypt(struct raw_tpm *tpm, TPM2B_IV *iv, uint8_t *data, size_t len)
{
    TPM2B_MAX_BUFFER in, out = {.size = 0};
    TPM2B_IV next = {.size = 0};
    TSS2_RC rc;

    in.size = (UINT16)len;
    memcpy(in.buffer, data, len);
    execute(tpm, &tpm->aes, TPM2_CC_EncryptDecrypt2,
            Tss2_Sys_EncryptDecrypt2_Prepare(tpm->sys, tpm->aes.handle, &in, TPM2_NO, TPM2_ALG_CBC,
                                             iv));
    rc = Tss2_Sys_EncryptDecrypt2_Complete(tpm->sys, &out, &next);
    bench_must(rc == 0 && out.size == len, "TPM2_EncryptDecrypt2: 0x%x", rc);
    memcpy(data, out.buffer, len);
    *iv = next;
}

static void hmac_at_once(struct raw_tpm *tpm, TPM2B_DIGEST *out, const uint8_t *data, size_t len)
{
    TPM2B_MAX_BUFFER in;
    TSS2_RC rc;

    in.size = (UINT16)len;
    memcpy(in.buffer, data, len);
    execute(tpm, &tpm->mac, TPM2_CC_HMAC,
            Tss2_Sys_HMAC_Prepare(tpm->sys, tpm->mac.handle, &in, TPM2_ALG_NULL));
    rc = Tss2_Sys_HMAC_Complete(tpm->sys, out);
    bench_must(rc == 0, "TPM2_HMAC: 0x%x", rc);
}

static void hmac_in_sequence(struct raw_tpm *tpm, TPM2B_DIGEST *out, const uint8_t *data,
                             size_t len)
{
    static const TPM2B_AUTH no_auth = {.size = 0};
    TPM2B_MAX_BUFFER in;
    TSS2_RC rc;

    execute(tpm, &tpm->mac, TPM2_CC_HMAC_Start,
            Tss2_Sys_HMAC_Start_Prepare(tpm->sys, tpm->mac.handle, &no_auth, TPM2_ALG_NULL));
    rc = Tss2_Sys_HMAC_Start_Complete(tpm->sys, &tpm->sequence.handle);
    bench_must(rc == 0, "TPM2_HMAC_Start: 0x%x", rc);
    for (; len > CHUNK; data += CHUNK, len -= CHUNK) {
        in.size = CHUNK;
        memcpy(in.buffer, data, CHUNK);
        execute(tpm, &tpm->sequence, TPM2_CC_SequenceUpdate,
                Tss2_Sys_SequenceUpdate_Prepare(tpm->sys, tpm->sequence.handle, &in));
    }
    in.size = (UINT16)len;
    memcpy(in.buffer, data, len);
    execute(tpm, &tpm->sequence, TPM2_CC_SequenceComplete,
            Tss2_Sys_SequenceComplete_Prepare(tpm->sys, tpm->sequence.handle, &in, TPM2_RH_NULL));
    rc = Tss2_Sys_SequenceComplete_Complete(tpm->sys, out, NULL);
    bench_must(rc == 0, "TPM2_SequenceComplete: 0x%x", rc);
}

void raw_tpm_seal(struct raw_tpm *tpm, const uint8_t *plaintext, size_t len, uint8_t *out)
{
    uint8_t *iv = out + AAD_LEN, *body = iv + IV_LEN;
    size_t padded = len / 16 * 16 + 16, total = AAD_LEN + IV_LEN + padded + 8;
    uint8_t al[8] = {0, 0, 0, 0, 0, 0, 0, AAD_LEN * 8};
    TPM2B_IV chain = {.size = IV_LEN};
    TPM2B_DIGEST digest = {.size = 0};

    memset(out, 1, AAD_LEN);
    bench_must(RAND_bytes(iv, IV_LEN) == 1, "no randomness");
    memcpy(chain.buffer, iv, IV_LEN);
    memcpy(body, plaintext, len);
    memset(body + len, (int)(padded - len), padded - len);
    for (size_t done = 0; done < padded; done += CHUNK)
        encrypt(tpm, &chain, body + done, padded - done < CHUNK ? padded - done : CHUNK);
    memcpy(body + padded, al, sizeof(al)); /* the tag goes there afterwards */
    if (total <= CHUNK)
        hmac_at_once(tpm, &digest, out, total);
    else
        hmac_in_sequence(tpm, &digest, out, total);
    memcpy(body + padded, digest.buffer, TAG_LEN);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/bench/raw_session.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include "tests/bench/measure.h"

#define HASH_LEN  32
#define NONCE_LEN 16

struct raw_session {
    TSS2_SYS_CONTEXT *sys;
    TPM2_HANDLE handle;
    TPM2B_NONCE tpms;
    TPM2B_NONCE caller;
    EVP_MD *sha256;
    EVP_MD_CTX *md;
};

static void be32(uint8_t out[4], uint32_t value)
{
    for (size_t i = 0; i < 4; i++)
        out[i] = (uint8_t)(value >> (24 - 8 * i));
}

void raw_entity_set_auth(struct raw_entity *entity, const uint8_t *auth, size_t len)
{
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", "provider=default");
    char digest[] = "SHA256";
    const uint8_t none = 0;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };

    entity->mac = hmac == NULL ? NULL : EVP_MAC_CTX_new(hmac);
    bench_must(entity->mac != NULL &&
                   EVP_MAC_init(entity->mac, len == 0 ? &none : auth, len, params) == 1,
               "libcrypto has no HMAC");
    EVP_MAC_free(hmac);
}

void raw_entity_clear(struct raw_entity *entity)
{
    EVP_MAC_CTX_free(entity->mac);
    entity->mac = NULL;
}

struct raw_session *raw_session_new(TSS2_SYS_CONTEXT *sys)
{
    struct raw_session *s = calloc(1, sizeof(*s));
    const TPM2B_ENCRYPTED_SECRET no_salt = {.size = 0};
    const TPMT_SYM_DEF symmetric = {
        .algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB};
    TSS2_RC rc;

    bench_must(s != NULL, "no memory");
    s->sys = sys;
    s->caller.size = NONCE_LEN;
    s->sha256 = EVP_MD_fetch(NULL, "SHA256", "provider=default");
    s->md = EVP_MD_CTX_new();
    bench_must(s->sha256 != NULL && s->md != NULL && RAND_bytes(s->caller.buffer, NONCE_LEN) == 1,
               "libcrypto has no SHA256");
    /* Salt or none: the key of the HMAC fits one block either way. */
    rc = Tss2_Sys_StartAuthSession(sys, TPM2_RH_NULL, TPM2_RH_NULL, NULL, &s->caller, &no_salt,
                                   TPM2_SE_HMAC, &symmetric, TPM2_ALG_SHA256, &s->handle, &s->tpms,
                                   NULL);
    bench_must(rc == 0, "TPM2_StartAuthSession: 0x%x", rc);
    return s;
}

void raw_session_free(struct raw_session *s)
{
    (void)Tss2_Sys_FlushContext(s->sys, s->handle);
    EVP_MD_CTX_free(s->md);
    EVP_MD_free(s->sha256);
    free(s);
}

/* H(code || Name || parameters), or, with the response code of success before it, that of an answer. */
static bool hash(struct raw_session *s, uint8_t out[HASH_LEN], const struct raw_entity *entity,
                 TPM2_CC code, const uint8_t *params, size_t len)
{
    uint8_t head[8] = {0};
    size_t skip = entity != NULL ? 4 : 0;

    be32(head + 4, code);
    return EVP_DigestInit_ex2(s->md, s->sha256, NULL) == 1 &&
           EVP_DigestUpdate(s->md, head + skip, sizeof(head) - skip) == 1 &&
           (entity == NULL || EVP_DigestUpdate(s->md, entity->name, entity->name_len) == 1) &&
           EVP_DigestUpdate(s->md, params, len) == 1 && EVP_DigestFinal_ex(s->md, out, NULL) == 1;
}

static bool sign(struct raw_entity *entity, uint8_t out[HASH_LEN], const uint8_t *p_hash,
                 const TPM2B_NONCE *newer, const TPM2B_NONCE *older, TPMA_SESSION attributes)
{
    uint8_t text[HASH_LEN + 2 * NONCE_LEN + 1];
    size_t len = 0;

    memcpy(text, p_hash, HASH_LEN);
    memcpy(text + HASH_LEN, newer->buffer, NONCE_LEN);
    memcpy(text + HASH_LEN + NONCE_LEN, older->buffer, NONCE_LEN);
    text[sizeof(text) - 1] = (uint8_t)attributes;
    return EVP_MAC_init(entity->mac, NULL, 0, NULL) == 1 &&
           EVP_MAC_update(entity->mac, text, sizeof(text)) == 1 &&
           EVP_MAC_final(entity->mac, out, &len, HASH_LEN) == 1;
}

void raw_session_execute(struct raw_session *s, struct raw_entity *entity, TPM2_CC code)
{
    TSS2L_SYS_AUTH_COMMAND cmd = {.count = 1};
    TSS2L_SYS_AUTH_RESPONSE rsp;
    TPMS_AUTH_COMMAND *auth = &cmd.auths[0];
    const TPMS_AUTH_RESPONSE *answer = &rsp.auths[0];
    const uint8_t *params = NULL;
    uint8_t p_hash[HASH_LEN], expected[HASH_LEN];
    size_t len = 0;
    TSS2_RC rc;
    bool ok = RAND_bytes(s->caller.buffer, NONCE_LEN) == 1 &&
              Tss2_Sys_GetCpBuffer(s->sys, &len, &params) == 0 &&
              hash(s, p_hash, entity, code, params, len);

    auth->sessionHandle = s->handle;
    auth->sessionAttributes = TPMA_SESSION_CONTINUESESSION;
    auth->nonce = s->caller;
    auth->hmac.size = HASH_LEN;
    ok = ok &&
         sign(entity, auth->hmac.buffer, p_hash, &s->caller, &s->tpms, auth->sessionAttributes) &&
         Tss2_Sys_SetCmdAuths(s->sys, &cmd) == 0;
    bench_must(ok, "command 0x%x cannot be authorised", code);
    rc = Tss2_Sys_Execute(s->sys);
    bench_must(rc == 0, "command 0x%x: 0x%x", code, rc);
    rsp.count = 0;
    ok = Tss2_Sys_GetRspAuths(s->sys, &rsp) == 0 && rsp.count == 1 &&
         answer->nonce.size == NONCE_LEN && answer->hmac.size == HASH_LEN &&
         Tss2_Sys_GetRpBuffer(s->sys, &len, &params) == 0 &&
         hash(s, p_hash, NULL, code, params, len);
    s->tpms = answer->nonce;
    ok = ok && sign(entity, expected, p_hash, &s->tpms, &s->caller, answer->sessionAttributes) &&
         CRYPTO_memcmp(expected, answer->hmac.buffer, HASH_LEN) == 0;
    bench_must(ok, "the answer to command 0x%x does not verify", code);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <openssl/evp.h>
#include <tss2/tss2_sys.h>

/* An HMAC session for raw_tpm.c (TPM 2.0 Part 1, "Session-based authorizations"), the answers verified. */
struct raw_session;

/* What a command acts on. */
struct raw_entity {
    TPM2_HANDLE handle;
    uint8_t name[68];
    size_t name_len;
    EVP_MAC_CTX *mac; /* keyed with its authorisation value */
};

void raw_entity_set_auth(struct raw_entity *entity, const uint8_t *auth, size_t len);
void raw_entity_clear(struct raw_entity *entity);

struct raw_session *raw_session_new(TSS2_SYS_CONTEXT *sys);
void raw_session_free(struct raw_session *session);
/* raw_session_execute authorises the prepared command for entity, its first handle, sends it and verifies the answer. */
void raw_session_execute(struct raw_session *session, struct raw_entity *entity, TPM2_CC code);

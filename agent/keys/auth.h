/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/base/buf.h"
#include "agent/tpm/types.h"

/*
 * The authorisation values of a node's keys: all derived from one root, so that only that is
 * kept. Functions are thread-safe on a root that nobody frees.
 */
#define KGR_AUTH_ROOT_LEN 32

struct kgr_auth_root;

/* The form of the values that TPM objects have. A state keeps the one that it was made with: its objects have such values. */
enum kgr_auth_form {
    KGR_AUTH_BINARY = 1, /* states from before there were mirrors */
    KGR_AUTH_TEXT = 2,
};

/* kgr_auth_root_new copies 32 secret bytes into the arena. The caller made them at random, once. */
KGR_MUST_CHECK enum kgr_error kgr_auth_root_new(struct kgr_auth_root **out,
                                                const uint8_t bytes[KGR_AUTH_ROOT_LEN],
                                                enum kgr_auth_form form);
enum kgr_auth_form kgr_auth_root_form(const struct kgr_auth_root *root);
/* kgr_auth_root_free cleanses; accepts NULL. */
void kgr_auth_root_free(struct kgr_auth_root *root);

/*
 * kgr_auth_derive makes the value for a purpose ("storage", "nnsk", ...) and an id of any bytes, in the arena: 32 characters,
 * base64url of the first 24 bytes of HMAC-SHA-256(root, "KGR auth 1" || 00 || label || 00 || id). Text, because other
 * programs that are given such a value keep it as text (docs/tpm2-pkcs11.md). Of a binary root all 32 bytes of the HMAC, a
 * zero at their end replaced by 1. The caller frees it with kgr_secret_free.
 */
KGR_MUST_CHECK enum kgr_error kgr_auth_derive(const struct kgr_auth_root *root,
                                              struct kgr_tpm_auth **out, const char *label,
                                              struct kgr_slice id);
/* kgr_auth_bytes gives all 32 bytes of that HMAC: for keys of software, under labels of their own. */
KGR_MUST_CHECK enum kgr_error kgr_auth_bytes(const struct kgr_auth_root *root,
                                             struct kgr_tpm_auth **out, const char *label,
                                             struct kgr_slice id);

/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/diag.h"
#include "agent/base/suite.h"
#include "agent/base/text.h"
#include "agent/keys/blobs.h"
#include "agent/keys/token_secrets.h"

/*
 * What keys are as objects of a token of tpm2-pkcs11: two objects for each generation, with the labels, CKA_IDs and attributes that
 * libkgr-pkcs11.so shows of them. Pure.
 */
struct kgr_mirror_object {
    struct kgr_nid peer;
    uint64_t generation;
    bool mac;
    char *
        attrs; /* owned: all of the row but the authorisation value, which is encrypted anew each time */
    bool stands; /* in the token, as it should be */
};

/* One generation of a pair, and what may be done with it. */
struct kgr_mirror_key {
    const char *node;
    const struct kgr_nid *peer;
    uint64_t generation;
    enum kgr_suite suite;
    bool sends;     /* else it only receives */
    uint32_t modes; /* of the TPM: 1 << enum kgr_tpm_mode */
    const struct kgr_key_blobs *blobs;
};
/* kgr_mirror_object_set makes one of the two objects; free with kgr_mirror_object_deinit. */
KGR_MUST_CHECK enum kgr_error kgr_mirror_object_set(struct kgr_mirror_object *out,
                                                    const struct kgr_mirror_key *key, bool mac);
void kgr_mirror_object_deinit(struct kgr_mirror_object *object);
/* kgr_mirror_object_row makes the whole row with the encrypted authorisation value; the caller frees it. */
KGR_MUST_CHECK enum kgr_error kgr_mirror_object_row(const struct kgr_mirror_object *object,
                                                    char **out,
                                                    const char wrapped[KGR_TOKEN_WRAPPED_MAX]);
/* kgr_mirror_object_is tells whether a row is this object as it should be. */
bool kgr_mirror_object_is(const struct kgr_mirror_object *object, const char *row);
/* kgr_mirror_owns tells whether a row was written by a mirror of node; what others put into the token is left alone. */
bool kgr_mirror_owns(const char *node, const char *row);

/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <kgr/client.h>

#include "agent/base/attr.h"

/* Mirrors of a node's keys in stores of tpm2-pkcs11. For kgrctl; no part of libkgr. */
struct kgr_mirror_info {
    char store[1001]; /* folder */
    char token[33];
    char peer[KGR_PEER_MAX + 1]; /* empty: every peer */
    bool configured;             /* in the configuration of the agent */
    uint32_t objects;            /* in the token, of all its peers */
    enum kgr_error error;        /* why the token is not what it should be */
    char reason[KGR_DIAG_MAX];
};

/*
 * kgr_mirror_add has the agent keep the keys with peer (NULL: with every peer) in the token of the store, an absolute path. The
 * PIN of the token's user is the first line that pin_fd gives, which is read and not kept. It returns when the keys are there.
 */
KGR_MUST_CHECK enum kgr_error kgr_mirror_add(struct kgr_client *client, const char *store,
                                             const char *token, const char *peer, int pin_fd);
/* kgr_mirror_remove ends that; peer NULL: for all of them, and the token goes. */
KGR_MUST_CHECK enum kgr_error kgr_mirror_remove(struct kgr_client *client, const char *store,
                                                const char *token, const char *peer);
/* kgr_mirror_list makes an array, which the caller frees. */
KGR_MUST_CHECK enum kgr_error kgr_mirror_list(struct kgr_client *client,
                                              struct kgr_mirror_info **out, size_t *out_num);

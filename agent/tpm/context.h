/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include <tss2/tss2_sys.h>

#include "agent/tpm/stats.h"
#include "agent/tpm/capability.h"
#include "agent/tpm/crypto.h"
#include "agent/tpm/ecc.h"
#include "agent/tpm/tpm.h"

/* Internal to agent/tpm: what a struct kgr_tpm is made of. All of it stands in the arena. */

#define KGR_TPM_NONCE_LEN   16
#define KGR_TPM_NONCE_STOCK 32 /* drawn together, for one system call */

struct kgr_tpm_session {
    TPM2_HANDLE handle; /* 0: none is started */
    bool proven;        /* it worked at least once */
    bool keyed;         /* salted; otherwise the session key is empty */
    uint8_t key[KGR_TPM_HASH_LEN];
    TPM2B_NONCE nonce_tpm;
    TPM2B_NONCE nonce_caller;
    uint8_t stock[KGR_TPM_NONCE_STOCK][KGR_TPM_NONCE_LEN]; /* of nonces to come */
    unsigned int num_stock;
};

/* The pinned salt key: enough to start the session again without asking the TPM who it is. */
struct kgr_tpm_salt_key {
    bool pinned;
    TPM2_HANDLE handle;
    struct kgr_tpm_point point;
};

struct kgr_tpm_slots;

/* Large structures of tss2 that would not fit a stack frame, one use at a time. */
union kgr_tpm_scratch {
    struct {
        TPM2B_SENSITIVE_CREATE sensitive;
        TPM2B_PUBLIC in;
        TPM2B_PUBLIC out;
        TPM2B_PRIVATE priv;
        TPM2B_ENCRYPTED_SECRET seed;
    } object;
    struct {
        TPM2B_ID_OBJECT id;
        TPM2B_ENCRYPTED_SECRET secret;
    } credential;
    struct {
        TPM2B_MAX_BUFFER in;
        TPM2B_MAX_BUFFER out;
    } buffer;
    TPM2B_MAX_NV_BUFFER nv;
    TPMS_CAPABILITY_DATA capability;
    TPMS_CONTEXT context;
};

struct kgr_tpm {
    char *tcti_conf; /* owned */
    TSS2_TCTI_CONTEXT *tcti;
    TSS2_SYS_CONTEXT *sys; /* owned, in the arena */
    struct kgr_tpm_crypto *crypto;
    const struct kgr_tpm_auth *hierarchy_auth[2];
    struct kgr_tpm_auth own_auth[2];       /* read from files: what hierarchy_auth points to */
    TPM2_HANDLE first_handle, last_handle; /* for persistent keys; 0: as the caller says */
    struct kgr_tpm_session session;
    struct kgr_tpm_salt_key salt_key;
    struct kgr_tpm_slots *slots;
    struct kgr_tpm_capability capability;
    struct kgr_tpm_stats stats;
    unsigned int resets;
    bool connected;
    struct kgr_tpm_others others;
    atomic_bool in_lockout; /* as the TPM said last */
    union kgr_tpm_scratch scratch;
};

/* kgr_tpm_reconnect opens the TCTI again; what was loaded counts as lost. */
KGR_MUST_CHECK enum kgr_error kgr_tpm_reconnect(struct kgr_tpm *tpm, struct kgr_diag *diag);
/* kgr_tpm_startup starts a TPM that was reset behind our back. */
KGR_MUST_CHECK enum kgr_error kgr_tpm_startup(struct kgr_tpm *tpm, struct kgr_diag *diag);
/* kgr_tpm_note_loss: transient objects and sessions are gone. */
void kgr_tpm_note_loss(struct kgr_tpm *tpm);
/* kgr_tpm_flush flushes a transient object or session; failures are only logged. */
void kgr_tpm_flush(struct kgr_tpm *tpm, TPM2_HANDLE handle);
/* kgr_tpm_hierarchy is a hierarchy with its authorisation, as commands take it. */
struct kgr_tpm_object kgr_tpm_hierarchy(const struct kgr_tpm *tpm,
                                        enum kgr_tpm_hierarchy hierarchy);
/* kgr_tpm_handle_name is the Name of what has none but its handle. */
struct kgr_tpm_object kgr_tpm_handle_object(TPM2_HANDLE handle);
/* kgr_tpm_probe fills tpm->capability. */
KGR_MUST_CHECK enum kgr_error kgr_tpm_probe(struct kgr_tpm *tpm, struct kgr_diag *diag);

/* Of the session. */
KGR_MUST_CHECK enum kgr_error kgr_tpm_session_begin(struct kgr_tpm *tpm, struct kgr_diag *diag);
void kgr_tpm_session_end(struct kgr_tpm *tpm);
/* kgr_tpm_policy_begin starts a policy session; end it with kgr_tpm_flush. */
KGR_MUST_CHECK enum kgr_error kgr_tpm_policy_begin(struct kgr_tpm *tpm, TPM2_HANDLE *out,
                                                   struct kgr_diag *diag);

/* Of the slot cache. */
KGR_MUST_CHECK enum kgr_error kgr_tpm_slots_new(struct kgr_tpm_slots **out);
void kgr_tpm_slots_free(struct kgr_tpm_slots *slots);
/* kgr_tpm_slots_limit evicts until at most max keys are loaded. */
void kgr_tpm_slots_limit(struct kgr_tpm *tpm, size_t max);
/*
 * kgr_tpm_slots_evict_one evicts the least recently used key whose handle is not in keep; false:
 * none.
 */
bool kgr_tpm_slots_evict_one(struct kgr_tpm *tpm, const TPM2_HANDLE *keep, size_t num_keep);
/* kgr_tpm_slots_lost: no handle is good any more; saved contexts may still be. */
void kgr_tpm_slots_lost(struct kgr_tpm *tpm);

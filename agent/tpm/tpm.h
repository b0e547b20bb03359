/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>

#include "agent/base/diag.h"
#include "agent/tpm/types.h"

/*
 * One TPM, reached over SAPI. A struct kgr_tpm and everything that takes one belongs to one
 * thread at a time: in the services the worker (agent/tpm/worker.h). The arena must stand
 * before.
 *
 * Errors of all functions of agent/tpm, unless they say otherwise:
 *   KGR_ERR_TPM          unreachable, in failure mode, refused, or its answer was tampered with;
 *   KGR_ERR_CORRUPT      a blob, duplicate or credential that is not for this TPM or was changed;
 *   KGR_ERR_UNSUPPORTED  the TPM has no such command or algorithm;
 *   KGR_ERR_INVALID      arguments that cannot be right;
 *   KGR_ERR_STATE        a session is needed that was not started (kgr_tpm_session_start);
 *   KGR_ERR_NO_MEMORY    the arena or the heap is full.
 * The diag names the command and the TPM's own answer. Outputs are untouched on failure.
 *
 * A TPM that was reset, or whose connection broke, is opened again within the call; the slot
 * cache and the session are rebuilt. Whoever keeps handles of transient objects himself must
 * not.
 */
struct kgr_tpm;

/*
 * kgr_tpm_open reaches the TPM named by a TCTI configuration ("device:/dev/tpmrm0",
 * "swtpm:path=..."), never a default, starts it up when it was not, and reads its capabilities.
 * It sets TSS2_LOG in the environment unless that is set: call it before there are threads. The
 * process ignores SIGPIPE, which tss2 raises when a TPM on a socket ends.
 */
KGR_MUST_CHECK enum kgr_error kgr_tpm_open(struct kgr_tpm **out, const char *tcti,
                                           struct kgr_diag *diag);
/* kgr_tpm_close flushes what it loaded and started, and cleanses; accepts NULL. */
void kgr_tpm_close(struct kgr_tpm *tpm);

enum kgr_tpm_hierarchy { KGR_TPM_OWNER, KGR_TPM_ENDORSEMENT };
/*
 * kgr_tpm_set_hierarchy_auth borrows auth, which then outlives tpm. NULL (also the default):
 * empty.
 */
void kgr_tpm_set_hierarchy_auth(struct kgr_tpm *tpm, enum kgr_tpm_hierarchy hierarchy,
                                const struct kgr_tpm_auth *auth);

/*
 * kgr_tpm_resets counts how often the TPM was found to have lost its transient state since it was
 * opened: whoever keeps something of it compares.
 */
unsigned int kgr_tpm_resets(const struct kgr_tpm *tpm);

/*
 * Who else wants the TPM, while a long operation has it: the worker sets that. wait tells whether somebody does, run lets them;
 * both NULL: nobody ever does.
 */
struct kgr_tpm_others {
    bool (*wait)(void *ctx);
    void (*run)(void *ctx);
    void *ctx;
};
void kgr_tpm_set_others(struct kgr_tpm *tpm, const struct kgr_tpm_others *others);
/*
 * kgr_tpm_others_wait and kgr_tpm_let_others are for operations of many commands, between two of them. Others may use every key
 * and end the session: across the call the caller keeps no handle and nothing in the scratch space.
 */
#define KGR_TPM_STEP 4 /* commands between two looks */
bool kgr_tpm_others_wait(const struct kgr_tpm *tpm);
void kgr_tpm_let_others(struct kgr_tpm *tpm);

/* What other threads may look at. kgr_tpm_in_lockout: at the last kgr_tpm_ping, or at the opening. */
struct kgr_tpm_stats;
const struct kgr_tpm_stats *kgr_tpm_stats_of(const struct kgr_tpm *tpm);
bool kgr_tpm_in_lockout(const struct kgr_tpm *tpm);

/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/base/diag.h"
#include "agent/node/mirror/objects.h"
#include "agent/tpm/esys_tr.h"

struct kgr_anchor;
struct kgr_tpm;

/* The reference of a primary object, as a store names it. len 0: none. */
struct kgr_mirror_primary {
    uint8_t bytes[KGR_TPM_ESYS_TR_MAX];
    size_t len;
};

/*
 * One visit to a store: everything that it writes is one transaction. Made on the loop, run on the worker; what it borrows outlives
 * the worker.
 */
enum kgr_mirror_what {
    KGR_MIRROR_ADD,    /* the token too, if it is not there; else its PIN is tried, once */
    KGR_MIRROR_APPLY,  /* objects that are to be there come, others of ours go */
    KGR_MIRROR_REMOVE, /* the token goes, unless it is not ours any more */
};

struct kgr_mirror_job {
    enum kgr_mirror_what what;
    char *store; /* folder, owned */
    char token[33];
    const char *node;                /* N_ID; borrowed */
    const struct kgr_anchor *anchor; /* borrowed: its root and the value of the storage key */
    const struct kgr_tpm_object
        *parent; /* the storage key in force when the job was made; borrowed */
    struct kgr_mirror_primary primary; /* that key; wipe: that of the token */
    struct kgr_mirror_primary before;  /* below which the token was made, as far as is known */
    uint8_t *pin;                      /* ADD; in the arena, owned */
    size_t pin_len;
    struct kgr_mirror_object *objects; /* owned */
    size_t num_objects;
    unsigned int wait_ms; /* for the store's lock */
    /* Results. */
    uint32_t put;
    uint32_t erased;
    bool is_current; /* APPLY: the token is below primary */
};

/*
 * kgr_mirror_job_run: KGR_ERR_EXISTS when a token of the label is there that no mirror of this node made, KGR_ERR_NOT_AUTHORIZED for a
 * wrong PIN, KGR_ERR_NO_KEY (APPLY) when the token is not there, KGR_ERR_STATE (APPLY) when it is below another primary object;
 * those of agent/store/token_store.h. After any error the store is as it was. tpm may be NULL for REMOVE.
 */
KGR_MUST_CHECK enum kgr_error kgr_mirror_job_run(struct kgr_mirror_job *job, struct kgr_tpm *tpm,
                                                 struct kgr_diag *diag);
/* kgr_mirror_job_free frees what the job owns, and it. */
void kgr_mirror_job_free(struct kgr_mirror_job *job);

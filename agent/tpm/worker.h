/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/diag.h"

struct kgr_tpm;

/*
 * The one thread that talks to the TPM. Jobs run there, control before bulk; what they return comes back on the
 * thread that drains. One thread submits and drains: the event loop.
 *
 * Control runs in order. Bulk is fair between lanes: of those that wait each has one job in its turn, in order within a
 * lane. A job of lane 0 runs after every bulk job submitted before it: so it may end what those use.
 *
 * A job that is long lets others in between its commands (kgr_tpm_let_others): control, and small jobs of other lanes,
 * one of each.
 */
struct kgr_tpm_worker;

enum kgr_tpm_priority {
    KGR_TPM_CONTROL, /* frames and keys of KGR itself */
    KGR_TPM_BULK,    /* data of applications */
    KGR_TPM_NUM_PRIORITIES
};

struct kgr_tpm_job {
    /* On the worker thread, without any lock. */
    enum kgr_error (*run)(struct kgr_tpm *tpm, void *ctx, struct kgr_diag *diag);
    /* Later on the draining thread, exactly once for every job accepted; may submit. */
    void (*done)(void *ctx, enum kgr_error err, const struct kgr_diag *diag);
    void *ctx;
    uint32_t lane; /* of bulk: who asks; 0: nobody in particular */
    bool small;    /* of bulk: takes few commands, and needs nothing but what its ctx holds */
    /*
     * After run, on the worker, when it succeeded (may be NULL): nothing waits for done. It comes then with the next drain, at
     * the latest when the worker has had nothing to do for KGR_TPM_LAZY_MS.
     */
    bool (*is_lazy)(void *ctx);
};

#define KGR_TPM_LAZY_MS 2

/*
 * kgr_tpm_worker_start takes tpm over when it succeeds, and starts the thread. At most max_jobs
 * jobs of each priority wait, run or stand undrained. notify is called on the worker thread
 * whenever something is to be drained (uv_async_send).
 */
KGR_MUST_CHECK enum kgr_error kgr_tpm_worker_start(struct kgr_tpm_worker **out, struct kgr_tpm *tpm,
                                                   size_t max_jobs, void (*notify)(void *ctx),
                                                   void *notify_ctx);
/*
 * kgr_tpm_worker_submit copies job. KGR_ERR_BUSY when the queue of that priority is full: done
 * is then never called.
 */
KGR_MUST_CHECK enum kgr_error kgr_tpm_worker_submit(struct kgr_tpm_worker *worker,
                                                    enum kgr_tpm_priority priority,
                                                    const struct kgr_tpm_job *job);
/* kgr_tpm_worker_drain calls done of every job that ended, and returns how many. */
size_t kgr_tpm_worker_drain(struct kgr_tpm_worker *worker);
/*
 * kgr_tpm_worker_failing tells for how long the TPM has failed, in ms: since a job ended in KGR_ERR_TPM, or (if that is earlier) since
 * the job began that still runs after 10 s; 0: it works. A worker with nothing to do asks the TPM whether it is there, every
 * 30 s and, while it fails, every second. Losing the TPM and finding it are logged. Thread-safe.
 */
uint64_t kgr_tpm_worker_failing(struct kgr_tpm_worker *worker);
/*
 * kgr_tpm_worker_alive tells whether the thread takes up jobs. One that waits for the TPM is alive, however long: a new start
 * would wait as well. Thread-safe.
 */
bool kgr_tpm_worker_alive(struct kgr_tpm_worker *worker);
struct kgr_tpm_stats;
/* kgr_tpm_worker_queued: jobs of a priority that are not drained. kgr_tpm_worker_stats borrows until stop. Thread-safe. */
size_t kgr_tpm_worker_queued(struct kgr_tpm_worker *worker, enum kgr_tpm_priority priority);
const struct kgr_tpm_stats *kgr_tpm_worker_stats(const struct kgr_tpm_worker *worker);
/* kgr_tpm_worker_lockout: whether the TPM was in lockout when it was asked last, every 30 s at most. Thread-safe. */
bool kgr_tpm_worker_lockout(const struct kgr_tpm_worker *worker);
/*
 * kgr_tpm_worker_stop lets the running job end, ends those that wait with KGR_ERR_STATE, drains,
 * joins the thread, closes the TPM and frees. Accepts NULL. submit fails with KGR_ERR_STATE from
 * then on.
 */
void kgr_tpm_worker_stop(struct kgr_tpm_worker *worker);

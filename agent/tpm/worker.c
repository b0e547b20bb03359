/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/tpm/worker.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/tpm/capability.h"
#include "agent/tpm/stats.h"
#include "agent/tpm/tpm.h"

#define PING_MS         30000u /* a TPM that nobody asks is asked so often whether it is there */
#define PING_FAILING_MS 1000u
#define LOST_MS         60000u /* a thread without a job that looked for none for so long is stuck */
#define HANGING_MS      10000u /* a job that runs longer: the TPM does not answer */

/* A job on its way: waiting, running or ended. */
struct item {
    struct item *next;
    struct kgr_tpm_job job;
    enum kgr_tpm_priority priority;
    uint64_t number; /* of those submitted */
    uint64_t turn;   /* of bulk: in which round its lane comes to it */
    enum kgr_error err;
    struct kgr_diag diag;
};

struct list {
    struct item *first;
    struct item *last;
};

struct kgr_tpm_worker {
    struct kgr_tpm *tpm; /* owned; used on the worker thread only */
    void (*notify)(void *ctx);
    void *notify_ctx;
    size_t max_jobs;
    pthread_t thread;
    /*
     * A byte in it wakes the thread. Not a condition: the kernel takes a write for the last thing that the writer does before it
     * sleeps, and lets the thread run where he runs, instead of waking another processor for it.
     */
    int bell[2];
    pthread_mutex_t lock; /* guards all below */
    bool sleeping;        /* it waits for a byte */
    struct list waiting[KGR_TPM_NUM_PRIORITIES];
    struct list ended;
    uint64_t turn;                           /* of the bulk job that runs, or ran last */
    uint32_t lane;                           /* likewise */
    uint64_t rounds;                         /* for which the bulk job that runs let others in */
    uint64_t last;                           /* number of the job submitted last */
    bool is_bulk;                            /* a bulk job runs; others may be let in */
    bool is_untold;                          /* something ended that notify was not called for */
    size_t num_jobs[KGR_TPM_NUM_PRIORITIES]; /* accepted and not drained */
    uint64_t failing_ms;                     /* since then jobs fail; 0: they do not */
    uint64_t begun_ms;                       /* of the job that runs; 0: none */
    uint64_t seen_ms;                        /* when the thread looked for a job */
    bool stopping;
};

static void append(struct list *list, struct item *item)
{
    item->next = NULL;
    if (list->last == NULL)
        list->first = item;
    else
        list->last->next = item;
    list->last = item;
}

static struct item *take_first(struct list *list)
{
    struct item *item = list->first;

    if (item == NULL)
        return NULL;
    list->first = item->next;
    if (list->first == NULL)
        list->last = NULL;
    return item;
}

/*
 * Bulk waits in the order of its turns, and in one turn in that of its arrival. The first job of a lane comes in the present turn,
 * each other one in the turn after that before it.
 */
static void insert(struct kgr_tpm_worker *worker, struct item *item)
{
    struct list *list = &worker->waiting[KGR_TPM_BULK];
    uint32_t lane = item->job.lane;
    struct item **link = &list->first;

    item->turn = worker->turn + (lane == worker->lane ? 1 : 0);
    for (const struct item *i = list->first; i != NULL; i = i->next)
        if ((lane == 0 && i->turn > item->turn) || (i->job.lane == lane && i->turn >= item->turn))
            item->turn = i->turn + (lane == 0 ? 0 : 1);
    while (*link != NULL && (*link)->turn <= item->turn)
        link = &(*link)->next;
    item->next = *link;
    *link = item;
    if (item->next == NULL)
        list->last = item;
}

/* How a job ended says whether the TPM is there. Called with the lock. */
static void note_end(struct kgr_tpm_worker *worker, enum kgr_error err, const struct kgr_diag *diag)
{
    worker->begun_ms = 0;
    if (err == KGR_ERR_TPM && worker->failing_ms == 0) {
        worker->failing_ms = kgr_clock_boot_ms();
        kgr_error_log("tpm", "state=failing reason=\"%s\"", kgr_diag_text(diag, err));
    } else if (err == KGR_OK && worker->failing_ms != 0) {
        worker->failing_ms = 0;
        kgr_info("tpm", "state=back");
    }
}

/* Called with the lock, which it leaves meanwhile. */
static void ping(struct kgr_tpm_worker *worker)
{
    struct kgr_diag diag = {{0}};
    enum kgr_error err;

    worker->begun_ms = kgr_clock_boot_ms();
    (void)pthread_mutex_unlock(&worker->lock);
    err = kgr_tpm_ping(worker->tpm, &diag);
    (void)pthread_mutex_lock(&worker->lock);
    note_end(worker, err, &diag);
}

/* Called with the lock, which it leaves meanwhile. */
static void tell(struct kgr_tpm_worker *worker)
{
    worker->is_untold = false;
    (void)pthread_mutex_unlock(&worker->lock);
    worker->notify(worker->notify_ctx);
    (void)pthread_mutex_lock(&worker->lock);
}

/*
 * Waits for a job, at most until somebody is to be told of what ended, or the TPM is to be asked again. Called with the
 * lock.
 */
static void wait_for_job(struct kgr_tpm_worker *worker)
{
    uint32_t ms = worker->is_untold         ? KGR_TPM_LAZY_MS
                  : worker->failing_ms != 0 ? PING_FAILING_MS
                                            : PING_MS;
    struct pollfd bell = {.fd = worker->bell[0], .events = POLLIN};
    uint8_t bytes[16];
    bool rung;

    worker->sleeping = true;
    (void)pthread_mutex_unlock(&worker->lock);
    rung = poll(&bell, 1, (int)ms) != 0; /* interrupted: as good as rung */
    if (rung)
        (void)!read(worker->bell[0], bytes, sizeof(bytes)); /* what more there is rings once more */
    (void)pthread_mutex_lock(&worker->lock);
    worker->sleeping = false;
    if (rung)
        return;
    if (worker->is_untold)
        tell(worker);
    else
        ping(worker);
}

/* The next job, waiting for one; NULL when the worker stops. Called with the lock. */
static struct item *next_job(struct kgr_tpm_worker *worker)
{
    while (!worker->stopping) {
        worker->seen_ms = kgr_clock_boot_ms();
        for (size_t i = 0; i < KGR_TPM_NUM_PRIORITIES; i++) {
            struct item *item = take_first(&worker->waiting[i]);

            if (item != NULL)
                return item;
        }
        wait_for_job(worker);
    }
    return NULL;
}

/* Called with the lock, which it leaves meanwhile. */
static void run_one(struct kgr_tpm_worker *worker, struct item *item)
{
    bool lazy;

    worker->begun_ms = kgr_clock_boot_ms();
    (void)pthread_mutex_unlock(&worker->lock);
    item->err = item->job.run(worker->tpm, item->job.ctx, &item->diag);
    lazy = item->err == KGR_OK && item->job.is_lazy != NULL && item->job.is_lazy(item->job.ctx);
    (void)pthread_mutex_lock(&worker->lock);
    note_end(worker, item->err, &item->diag);
    append(&worker->ended, item);
    worker->is_untold = worker->is_untold || lazy;
    if (!lazy)
        tell(worker);
}

/*
 * A small job of another lane, submitted up to last, whose turn has come in these rounds; NULL: none. Called with the lock.
 */
static struct item **find_small(struct kgr_tpm_worker *worker, uint64_t last)
{
    struct item **link = &worker->waiting[KGR_TPM_BULK].first;

    while (*link != NULL && (*link)->turn <= worker->turn + worker->rounds) {
        const struct kgr_tpm_job *job = &(*link)->job;

        if (job->small && job->lane != 0 && job->lane != worker->lane && (*link)->number <= last)
            return link;
        link = &(*link)->next;
    }
    return NULL;
}

static struct item *take_small(struct kgr_tpm_worker *worker, uint64_t last)
{
    struct list *list = &worker->waiting[KGR_TPM_BULK];
    struct item **link = find_small(worker, last);
    struct item *item = link == NULL ? NULL : *link;

    if (item == NULL)
        return NULL;
    *link = item->next;
    if (list->last == item) {
        list->last = NULL;
        for (struct item *i = list->first; i != NULL; i = i->next)
            list->last = i;
    }
    return item;
}

static bool others_wait(void *ctx)
{
    struct kgr_tpm_worker *worker = ctx;
    bool yes;

    (void)pthread_mutex_lock(&worker->lock);
    yes = worker->is_bulk && !worker->stopping &&
          (worker->waiting[KGR_TPM_CONTROL].first != NULL ||
           find_small(worker, worker->last) != NULL);
    (void)pthread_mutex_unlock(&worker->lock);
    return yes;
}

static void run_others(void *ctx)
{
    struct kgr_tpm_worker *worker = ctx;
    uint64_t last;
    struct item *item;

    (void)pthread_mutex_lock(&worker->lock);
    last = worker->last;     /* who comes back at once waits for the next round */
    worker->is_bulk = false; /* who is let in lets nobody in */
    while (!worker->stopping && ((item = take_first(&worker->waiting[KGR_TPM_CONTROL])) != NULL ||
                                 (item = take_small(worker, last)) != NULL))
        run_one(worker, item);
    worker->rounds++;
    worker->is_bulk = true;
    worker->begun_ms = kgr_clock_boot_ms();
    (void)pthread_mutex_unlock(&worker->lock);
}

static void *run(void *arg)
{
    struct kgr_tpm_worker *worker = arg;
    struct item *item;

    (void)pthread_mutex_lock(&worker->lock);
    while ((item = next_job(worker)) != NULL) {
        worker->is_bulk = item->priority == KGR_TPM_BULK;
        if (worker->is_bulk) {
            worker->turn = item->turn;
            worker->lane = item->job.lane;
            worker->rounds = 0;
        }
        run_one(worker, item);
    }
    (void)pthread_mutex_unlock(&worker->lock);
    return NULL;
}

/* Called with the lock, which it gives back. */
static void unlock_and_wake(struct kgr_tpm_worker *worker)
{
    bool sleeping = worker->sleeping;

    worker->sleeping = false;
    (void)pthread_mutex_unlock(&worker->lock);
    if (sleeping)
        (void)!write(worker->bell[1], "", 1); /* full: it is awake long since */
}

enum kgr_error kgr_tpm_worker_start(struct kgr_tpm_worker **out, struct kgr_tpm *tpm,
                                    size_t max_jobs, void (*notify)(void *ctx), void *notify_ctx)
{
    struct kgr_tpm_worker *worker = calloc(1, sizeof(*worker));

    if (worker == NULL)
        return KGR_ERR_NO_MEMORY;
    worker->notify = notify;
    worker->notify_ctx = notify_ctx;
    worker->max_jobs = max_jobs;
    worker->tpm = tpm;
    worker->seen_ms = kgr_clock_boot_ms();
    kgr_tpm_set_others(tpm, &(struct kgr_tpm_others){others_wait, run_others, worker});
    if (pthread_mutex_init(&worker->lock, NULL) != 0)
        goto no_lock;
    if (pipe2(worker->bell, O_CLOEXEC | O_NONBLOCK) != 0)
        goto no_bell;
    if (pthread_create(&worker->thread, NULL, run, worker) != 0)
        goto no_thread;
    *out = worker;
    return KGR_OK;
no_thread:
    (void)close(worker->bell[0]);
    (void)close(worker->bell[1]);
no_bell:
    (void)pthread_mutex_destroy(&worker->lock);
no_lock:
    kgr_tpm_set_others(tpm, &(struct kgr_tpm_others){NULL, NULL, NULL});
    free(worker);
    return KGR_ERR_FAILED;
}

enum kgr_error kgr_tpm_worker_submit(struct kgr_tpm_worker *worker, enum kgr_tpm_priority priority,
                                     const struct kgr_tpm_job *job)
{
    struct item *item = calloc(1, sizeof(*item));
    enum kgr_error err = KGR_OK;

    if (item == NULL)
        return KGR_ERR_NO_MEMORY;
    item->job = *job;
    item->priority = priority;
    (void)pthread_mutex_lock(&worker->lock);
    if (worker->stopping) {
        err = KGR_ERR_STATE;
    } else if (worker->num_jobs[priority] >= worker->max_jobs) {
        err = KGR_ERR_BUSY;
    } else {
        worker->num_jobs[priority]++;
        item->number = ++worker->last;
        if (priority == KGR_TPM_BULK)
            insert(worker, item);
        else
            append(&worker->waiting[priority], item);
        item = NULL;
    }
    unlock_and_wake(worker); /* in vain when it was not taken, which does no harm */
    free(item);
    return err;
}

size_t kgr_tpm_worker_drain(struct kgr_tpm_worker *worker)
{
    struct list ended;
    struct item *item;
    size_t num = 0;

    (void)pthread_mutex_lock(&worker->lock);
    ended = worker->ended;
    worker->ended = (struct list){NULL, NULL};
    worker->is_untold = false;
    for (item = ended.first; item != NULL; item = item->next)
        worker->num_jobs[item->priority]--;
    (void)pthread_mutex_unlock(&worker->lock);
    while ((item = take_first(&ended)) != NULL) {
        item->job.done(item->job.ctx, item->err, &item->diag);
        free(item);
        num++;
    }
    return num;
}

uint64_t kgr_tpm_worker_failing(struct kgr_tpm_worker *worker)
{
    uint64_t now = kgr_clock_boot_ms(), since;

    (void)pthread_mutex_lock(&worker->lock);
    since = worker->failing_ms;
    if (since == 0 && worker->begun_ms != 0 && now - worker->begun_ms >= HANGING_MS)
        since = worker->begun_ms;
    (void)pthread_mutex_unlock(&worker->lock);
    return since == 0 ? 0 : now - since + 1;
}

bool kgr_tpm_worker_alive(struct kgr_tpm_worker *worker)
{
    uint64_t now = kgr_clock_boot_ms();
    bool alive;

    (void)pthread_mutex_lock(&worker->lock);
    alive = worker->begun_ms != 0 || now - worker->seen_ms < LOST_MS;
    (void)pthread_mutex_unlock(&worker->lock);
    return alive;
}

size_t kgr_tpm_worker_queued(struct kgr_tpm_worker *worker, enum kgr_tpm_priority priority)
{
    size_t num;

    (void)pthread_mutex_lock(&worker->lock);
    num = worker->num_jobs[priority];
    (void)pthread_mutex_unlock(&worker->lock);
    return num;
}

const struct kgr_tpm_stats *kgr_tpm_worker_stats(const struct kgr_tpm_worker *worker)
{
    return kgr_tpm_stats_of(worker->tpm);
}

bool kgr_tpm_worker_lockout(const struct kgr_tpm_worker *worker)
{
    return kgr_tpm_in_lockout(worker->tpm);
}

/* What still waits ends without having run. */
static void cancel_waiting(struct kgr_tpm_worker *worker)
{
    struct item *item;

    for (size_t i = 0; i < KGR_TPM_NUM_PRIORITIES; i++) {
        while ((item = take_first(&worker->waiting[i])) != NULL) {
            item->err = kgr_diag_set(&item->diag, KGR_ERR_STATE, "the service is stopping");
            append(&worker->ended, item);
        }
    }
}

void kgr_tpm_worker_stop(struct kgr_tpm_worker *worker)
{
    if (worker == NULL)
        return;
    (void)pthread_mutex_lock(&worker->lock);
    worker->stopping = true;
    unlock_and_wake(worker);
    (void)pthread_join(worker->thread, NULL);
    cancel_waiting(worker);
    (void)kgr_tpm_worker_drain(worker); /* nobody asks how many */
    kgr_tpm_close(worker->tpm);
    (void)close(worker->bell[0]);
    (void)close(worker->bell[1]);
    (void)pthread_mutex_destroy(&worker->lock);
    free(worker);
}

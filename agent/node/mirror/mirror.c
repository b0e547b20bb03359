/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/mirror/mirror.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/secret.h"
#include "agent/node/audit.h"
#include "agent/node/machines/pin.h"
#include "agent/node/mirror/list.h"
#include "agent/node/mirror/plan.h"
#include "agent/node/node.h"
#include "agent/tpm/worker.h"

#define BUSY_RETRY_MS    1000u
#define RETRY_MS         10000u
#define OPERATOR_WAIT_MS 400u /* for a store that another program has locked */

/* A job on its way, and who waits for it. */
struct visit {
    struct kgr_mirrors *mirrors;
    struct kgr_mirror *mirror;
    struct kgr_mirror_job *job; /* owned */
    kgr_mirror_done *done;      /* NULL: nobody waits */
    void *arg;
    char peer[KGR_NID_MAX + 1]; /* ADD, by an operator: the one that he named; empty: all */
    bool undo;                  /* ADD: the mirror, or its peers, are only tried */
    struct kgr_nid *before;     /* with undo, owned: its peers */
    size_t num_before;
    bool is_new;
};

/* Visits */

/* Who uses these keys past the agent is recorded: peer NULL, all of the mirror. */
static void record(struct kgr_mirrors *mirrors, const struct kgr_mirror *mirror, const char *peer,
                   const char *what)
{
    char text[KGR_AUDIT_TEXT_MAX + 1];
    struct kgr_audit_event event = {.what = KGR_AUDIT_MIRROR, .subject = peer, .text = text};

    (void)snprintf(text, sizeof(text), "%s: token %s in %s", what, mirror->token, mirror->store);
    kgr_node_audit(mirrors->node, &event);
}

static void note(struct kgr_mirror *mirror, enum kgr_error err, const char *reason,
                 uint64_t retry_ms)
{
    if (err != KGR_OK && (mirror->err != err || strcmp(mirror->reason, reason) != 0))
        kgr_warn("mirror_failed", "store=\"%s\" token=\"%s\" error=%d reason=\"%s\"", mirror->store,
                 mirror->token, (int)err, reason);
    mirror->err = err;
    mirror->retry_ms = retry_ms;
    (void)snprintf(mirror->reason, sizeof(mirror->reason), "%s", err == KGR_OK ? "" : reason);
}

static void note_stale(struct kgr_mirror *mirror)
{
    note(mirror, KGR_ERR_STATE,
         "the storage key of this node was replaced: remove the mirror and add it again",
         UINT64_MAX);
}

static uint64_t retry_of(enum kgr_error err)
{
    uint64_t now = kgr_clock_boot_ms();

    switch (err) {
    case KGR_ERR_BUSY:
        return now + BUSY_RETRY_MS;
    case KGR_ERR_NOT_AUTHORIZED: /* a second try of a PIN would be counted too */
    case KGR_ERR_EXISTS:
    case KGR_ERR_STATE:
    case KGR_ERR_UNSUPPORTED:
        return UINT64_MAX;
    default:
        return now + RETRY_MS;
    }
}

static void undo(struct visit *visit)
{
    struct kgr_mirror *mirror = visit->mirror;
    struct kgr_diag diag = {{0}};
    enum kgr_error err;

    free(mirror->peers);
    mirror->peers = visit->before;
    mirror->num_peers = visit->num_before;
    visit->before = NULL;
    err = kgr_mirror_save(visit->mirrors, mirror, visit->is_new, &diag);
    if (err != KGR_OK) /* then it stays, and kgrctl mirror list says that its token is not there */
        kgr_error_log("state_not_written", "what=mirror reason=\"%s\"", kgr_diag_text(&diag, err));
    else if (visit->is_new)
        kgr_mirror_drop(visit->mirrors, mirror);
}

static void settled(struct kgr_mirrors *mirrors, struct kgr_mirror *mirror,
                    const struct kgr_mirror_job *job)
{
    char what[64];

    (void)snprintf(what, sizeof(what), "%u objects written, %u erased", job->put, job->erased);
    if (job->put != 0 || job->erased != 0)
        record(mirrors, mirror, NULL, what);
    if (job->put != 0 || job->erased != 0)
        kgr_info("mirrored", "store=\"%s\" token=\"%s\" written=%u erased=%u objects=%zu",
                 mirror->store, mirror->token, job->put, job->erased, job->num_objects);
    mirror->objects = (uint32_t)job->num_objects;
    note(mirror, KGR_OK, "", UINT64_MAX);
}

static enum kgr_error added(struct visit *visit, enum kgr_error err, struct kgr_diag *diag)
{
    struct kgr_mirror *mirror = visit->mirror;

    if (err == KGR_OK) {
        mirror->primary = visit->job->primary;
        err = kgr_mirror_save(visit->mirrors, mirror, false, diag);
        record(visit->mirrors, mirror, visit->peer[0] == '\0' ? NULL : visit->peer,
               visit->undo ? "added" : "made");
        settled(visit->mirrors, mirror, visit->job);
    } else if (visit->undo) {
        undo(visit);
    } else {
        note(mirror, err, kgr_diag_text(diag, err), retry_of(err));
        mirror->due = true;
    }
    return err;
}

static enum kgr_error removed(struct visit *visit, enum kgr_error err, struct kgr_diag *diag)
{
    struct kgr_mirror *mirror = visit->mirror;

    if (err == KGR_OK)
        err = kgr_mirror_save(visit->mirrors, mirror, true, diag);
    if (err != KGR_OK) {
        note(mirror, err, kgr_diag_text(diag, err), retry_of(err));
        mirror->due = true;
        return err;
    }
    kgr_info("mirror_removed", "store=\"%s\" token=\"%s\"", mirror->store, mirror->token);
    record(visit->mirrors, mirror, NULL, "removed");
    kgr_mirror_drop(visit->mirrors, mirror);
    return KGR_OK;
}

/* The token was made, and a crash kept the database from knowing below what. */
static enum kgr_error adopt(struct visit *visit, struct kgr_diag *diag)
{
    const struct kgr_mirror_primary *now = &visit->job->primary;
    struct kgr_mirror_primary *known = &visit->mirror->primary;

    if (kgr_slice_equal(kgr_slice(now->bytes, now->len), kgr_slice(known->bytes, known->len)))
        return KGR_OK;
    *known = *now;
    record(visit->mirrors, visit->mirror, NULL, "added");
    return kgr_mirror_save(visit->mirrors, visit->mirror, false, diag);
}

static void applied(struct visit *visit, enum kgr_error err, struct kgr_diag *diag)
{
    struct kgr_mirror *mirror = visit->mirror;

    if (err == KGR_OK && visit->job->is_current)
        err = adopt(visit, diag);
    if (err != KGR_OK)
        note(mirror, err, kgr_diag_text(diag, err), retry_of(err));
    else
        settled(visit->mirrors, mirror, visit->job);
    if (err == KGR_OK && !kgr_mirror_is_current(visit->mirrors->node, &mirror->primary))
        note_stale(mirror);
    mirror->due = mirror->due || err != KGR_OK;
}

static enum kgr_error run_visit(struct kgr_tpm *tpm, void *ctx, struct kgr_diag *diag)
{
    struct visit *visit = ctx;

    return kgr_mirror_job_run(visit->job, tpm, diag);
}

static void end_visit(void *ctx, enum kgr_error err, const struct kgr_diag *given)
{
    struct visit *visit = ctx;
    struct kgr_mirrors *mirrors = visit->mirrors;
    struct kgr_diag diag = given != NULL ? *given : (struct kgr_diag){{0}};

    mirrors->busy = false;
    switch (visit->job->what) {
    case KGR_MIRROR_ADD:
        err = added(visit, err, &diag);
        break;
    case KGR_MIRROR_REMOVE:
        err = removed(visit, err, &diag);
        break;
    case KGR_MIRROR_APPLY:
        applied(visit, err, &diag);
        break;
    }
    if (visit->done != NULL)
        visit->done(visit->arg, err, &diag);
    kgr_mirror_job_free(visit->job);
    free(visit->before);
    free(visit);
    if (mirrors->ending)
        kgr_mirrors_end(mirrors);
}

/* begin takes over job; on failure it is freed, and nobody is called. */
static enum kgr_error begin(struct kgr_mirrors *mirrors, struct kgr_mirror *mirror,
                            struct kgr_mirror_job *job, struct visit **out)
{
    struct visit *visit = calloc(1, sizeof(*visit));
    enum kgr_error err = visit == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    if (err == KGR_OK) {
        *visit = (struct visit){.mirrors = mirrors, .mirror = mirror, .job = job};
        err = kgr_tpm_worker_submit(
            mirrors->node->worker, KGR_TPM_CONTROL,
            &(struct kgr_tpm_job){.run = run_visit, .done = end_visit, .ctx = visit});
    }
    if (err != KGR_OK) {
        free(visit);
        kgr_mirror_job_free(job);
        return err;
    }
    mirrors->busy = true;
    mirror->due = false;
    *out = visit;
    return KGR_OK;
}

/* What the loop does by itself */

/* A configured token that is not there yet, or not below the storage key in force. */
static enum kgr_error remake(struct kgr_mirrors *mirrors, struct kgr_mirror *mirror,
                             struct kgr_diag *diag)
{
    struct kgr_mirror_job *job = NULL;
    struct visit *visit;
    struct kgr_pin pin = {0};
    enum kgr_error err = kgr_mirror_check_peer(mirrors->node, NULL, diag);

    if (err == KGR_OK)
        err = kgr_pin_load(&pin, mirror->pin_file, diag);
    if (err == KGR_OK)
        err = kgr_mirror_plan(&job, mirrors->node, mirror, KGR_MIRROR_ADD,
                              kgr_slice(pin.bytes, pin.len));
    kgr_pin_deinit(&pin);
    return err == KGR_OK ? begin(mirrors, mirror, job, &visit) : err;
}

static enum kgr_error visit_mirror(struct kgr_mirrors *mirrors, struct kgr_mirror *mirror,
                                   struct kgr_diag *diag)
{
    struct kgr_mirror_job *job = NULL;
    struct visit *visit;
    bool current = kgr_mirror_is_current(mirrors->node, &mirror->primary);
    bool gone = mirror->configured && !mirror->wanted;
    enum kgr_error err;

    if (!current && mirror->wanted)
        return remake(mirrors, mirror, diag);
    err = kgr_mirror_plan(&job, mirrors->node, mirror, gone ? KGR_MIRROR_REMOVE : KGR_MIRROR_APPLY,
                          kgr_slice(NULL, 0));
    return err == KGR_OK ? begin(mirrors, mirror, job, &visit) : err;
}

static bool is_due(const struct kgr_mirror *mirror, uint64_t now_ms)
{
    return mirror->due && mirror->retry_ms <= now_ms;
}

void kgr_mirrors_on_timer(struct kgr_mirrors *mirrors, uint64_t now_ms)
{
    struct kgr_diag diag = {{0}};

    if (mirrors == NULL)
        return;
    for (struct kgr_mirror *mirror = mirrors->list; mirror != NULL && !mirrors->busy;
         mirror = mirror->next) {
        enum kgr_error err = is_due(mirror, now_ms) ? visit_mirror(mirrors, mirror, &diag) : KGR_OK;

        if (err != KGR_OK)
            note(mirror, err, kgr_diag_text(&diag, err), retry_of(err));
        diag.text[0] = '\0';
    }
}

uint64_t kgr_mirrors_deadline(const struct kgr_mirrors *mirrors)
{
    uint64_t deadline = UINT64_MAX;

    if (mirrors == NULL || mirrors->busy)
        return deadline;
    for (const struct kgr_mirror *mirror = mirrors->list; mirror != NULL; mirror = mirror->next)
        if (mirror->due && mirror->retry_ms < deadline)
            deadline = mirror->retry_ms;
    return deadline;
}

void kgr_mirrors_changed(struct kgr_mirrors *mirrors)
{
    if (mirrors == NULL)
        return;
    for (struct kgr_mirror *mirror = mirrors->list; mirror != NULL; mirror = mirror->next) {
        mirror->due = true;
        if (mirror->err != KGR_ERR_NOT_AUTHORIZED && mirror->err != KGR_ERR_EXISTS)
            mirror->retry_ms = 0;
    }
}

void kgr_mirrors_end(struct kgr_mirrors *mirrors)
{
    struct kgr_mirror *next;

    if (mirrors == NULL)
        return;
    mirrors->ending = mirrors->busy;
    if (mirrors->busy)
        return; /* a visit has one of them in hand */
    for (struct kgr_mirror *mirror = mirrors->list; mirror != NULL; mirror = next) {
        struct kgr_diag diag = {{0}};
        struct kgr_mirror_job *job = NULL;
        struct visit visit = {.mirrors = mirrors, .mirror = mirror};
        enum kgr_error err =
            kgr_mirror_plan(&job, mirrors->node, mirror, KGR_MIRROR_REMOVE, kgr_slice(NULL, 0));

        next = mirror->next;
        if (err == KGR_OK) {
            job->wait_ms = OPERATOR_WAIT_MS;
            err = kgr_mirror_job_run(job, NULL, &diag);
            kgr_mirror_job_free(job);
        }
        (void)removed(&visit, err, &diag);
    }
}

/* What an operator wants */

static enum kgr_error check_add(const struct kgr_mirrors *mirrors,
                                const struct kgr_mirror_wish *wish, struct kgr_diag *diag)
{
    const struct kgr_mirror *mirror = kgr_mirror_find(mirrors, wish->store, wish->token);

    if (mirrors->busy)
        return kgr_diag_set(diag, KGR_ERR_BUSY, "another mirror is being written: try again");
    if (mirror == NULL && mirrors->num == KGR_MIRRORS_MAX)
        return kgr_diag_set(diag, KGR_ERR_QUOTA, "a node has at most %d mirrors", KGR_MIRRORS_MAX);
    if (strlen(wish->store) > KGR_MIRROR_STORE_MAX || wish->pin.len < KGR_PIN_MIN ||
        wish->pin.len > KGR_PIN_MAX)
        return kgr_diag_set(diag, KGR_ERR_INVALID, "a PIN has %d to %d bytes", KGR_PIN_MIN,
                            KGR_PIN_MAX);
    if (mirror != NULL && kgr_mirror_is_current(mirrors->node, &mirror->primary) &&
        (wish->peer == NULL ? mirror->num_peers == 0 : kgr_mirror_holds(mirror, wish->peer)))
        return kgr_diag_set(diag, KGR_ERR_EXISTS, "these keys are mirrored there already");
    return kgr_mirror_check_peer(mirrors->node, wish->peer, diag);
}

/* try_peers changes the mirror as wished, and keeps in visit what it was. */
static enum kgr_error keep_peers(const struct kgr_mirror *mirror, struct kgr_nid **out)
{
    size_t size = mirror->num_peers * sizeof(struct kgr_nid);

    *out = NULL;
    if (size == 0)
        return KGR_OK;
    *out = malloc(size);
    if (*out == NULL)
        return KGR_ERR_NO_MEMORY;
    memcpy(*out, mirror->peers, size);
    return KGR_OK;
}

static enum kgr_error wish_peers(struct kgr_mirror *mirror, const struct kgr_nid *peer, bool is_new)
{
    if (peer != NULL && (is_new || mirror->num_peers != 0) &&
        (is_new || !kgr_mirror_holds(mirror, peer)))
        return kgr_mirror_add_peer(mirror, peer);
    if (peer == NULL) {
        free(mirror->peers);
        mirror->peers = NULL;
        mirror->num_peers = 0;
    }
    return KGR_OK;
}

enum kgr_error kgr_mirrors_add(struct kgr_mirrors *mirrors, const struct kgr_mirror_wish *wish,
                               struct kgr_diag *diag)
{
    struct kgr_mirror *mirror = kgr_mirror_find(mirrors, wish->store, wish->token);
    bool is_new = mirror == NULL;
    struct visit kept = {.mirrors = mirrors, .undo = true, .is_new = is_new};
    struct kgr_mirror_job *job = NULL;
    struct visit *visit = NULL;
    enum kgr_error err = check_add(mirrors, wish, diag);

    if (err != KGR_OK)
        return err;
    if (is_new)
        mirror = kgr_mirror_insert(mirrors, wish->store, wish->token);
    if (mirror == NULL)
        return KGR_ERR_NO_MEMORY;
    kept.mirror = mirror;
    kept.num_before = mirror->num_peers;
    err = keep_peers(mirror, &kept.before);
    if (err == KGR_OK)
        err = wish_peers(mirror, wish->peer, is_new);
    /* The record first: a token that a crash leaves behind is one that is known. */
    if (err == KGR_OK)
        err = kgr_mirror_save(mirrors, mirror, false, diag);
    if (err == KGR_OK)
        err = kgr_mirror_plan(&job, mirrors->node, mirror, KGR_MIRROR_ADD, wish->pin);
    if (err == KGR_OK) {
        job->wait_ms = OPERATOR_WAIT_MS;
        err = begin(mirrors, mirror, job, &visit);
    }
    if (err != KGR_OK) {
        undo(&kept);
        return err;
    }
    visit->undo = true;
    visit->is_new = is_new;
    visit->before = kept.before;
    visit->num_before = kept.num_before;
    visit->done = wish->done;
    visit->arg = wish->arg;
    if (wish->peer != NULL)
        memcpy(visit->peer, wish->peer->s, sizeof(visit->peer));
    return KGR_OK;
}

/* Whether the mirror has nothing left to hold without peer. */
static bool is_last(const struct kgr_mirror *mirror, const struct kgr_nid *peer)
{
    return peer == NULL || (mirror->num_peers == 1 && kgr_mirror_holds(mirror, peer));
}

static enum kgr_error check_remove(const struct kgr_mirrors *mirrors,
                                   const struct kgr_mirror *mirror,
                                   const struct kgr_mirror_wish *wish, struct kgr_diag *diag)
{
    if (mirrors->busy)
        return kgr_diag_set(diag, KGR_ERR_BUSY, "another mirror is being written: try again");
    if (mirror == NULL || (wish->peer != NULL && !kgr_mirror_holds(mirror, wish->peer)))
        return kgr_diag_set(diag, KGR_ERR_UNKNOWN_PEER, "there is no such mirror");
    if (mirror->configured)
        return kgr_diag_set(diag, KGR_ERR_STATE, "the configuration has it: remove it there");
    if (wish->peer != NULL && mirror->num_peers == 0)
        return kgr_diag_set(diag, KGR_ERR_STATE,
                            "all peers are mirrored there: remove the whole mirror");
    return KGR_OK;
}

static void forget_peer(struct kgr_mirror *mirror, const struct kgr_nid *peer)
{
    size_t num = 0;

    for (size_t i = 0; i < mirror->num_peers; i++)
        if (kgr_nid_cmp(&mirror->peers[i], peer) != 0)
            mirror->peers[num++] = mirror->peers[i];
    mirror->num_peers = num;
}

enum kgr_error kgr_mirrors_remove(struct kgr_mirrors *mirrors, const struct kgr_mirror_wish *wish,
                                  struct kgr_diag *diag)
{
    struct kgr_mirror *mirror = kgr_mirror_find(mirrors, wish->store, wish->token);
    enum kgr_mirror_what what = KGR_MIRROR_REMOVE;
    struct kgr_mirror_job *job = NULL;
    struct visit *visit = NULL;
    enum kgr_error err = check_remove(mirrors, mirror, wish, diag);

    if (err != KGR_OK)
        return err;
    if (!is_last(mirror, wish->peer)) {
        what = KGR_MIRROR_APPLY;
        forget_peer(mirror, wish->peer);
        err = kgr_mirror_save(mirrors, mirror, false, diag);
    }
    if (err == KGR_OK)
        err = kgr_mirror_plan(&job, mirrors->node, mirror, what, kgr_slice(NULL, 0));
    if (err == KGR_OK) {
        job->wait_ms = OPERATOR_WAIT_MS;
        err = begin(mirrors, mirror, job, &visit);
    }
    if (err != KGR_OK)
        return err;
    visit->done = wish->done;
    visit->arg = wish->arg;
    return KGR_OK;
}

/* Opening */

/* One of the configuration; what the database has of it may be older. */
static enum kgr_error want(struct kgr_mirrors *mirrors, struct kgr_config_group group,
                           struct kgr_diag *diag)
{
    const char *store = kgr_config_text(group, "store");
    const char *token = kgr_config_text(group, "token");
    struct kgr_mirror *mirror = kgr_mirror_find(mirrors, store, token);
    enum kgr_error err = KGR_OK;

    if (mirror == NULL)
        mirror = kgr_mirror_insert(mirrors, store, token);
    if (mirror == NULL)
        return KGR_ERR_NO_MEMORY;
    free(mirror->peers);
    mirror->peers = NULL;
    mirror->num_peers = 0;
    for (size_t i = 0; i < kgr_config_count(group, "peers") && err == KGR_OK; i++) {
        const char *name = kgr_config_text_at(group, "peers", i);
        struct kgr_nid peer;

        err = kgr_nid_set(&peer, name, strlen(name));
        if (err == KGR_OK)
            err = kgr_mirror_add_peer(mirror, &peer);
    }
    mirror->pin_file = strdup(kgr_config_text(group, "pin_file"));
    if (mirror->pin_file == NULL)
        err = KGR_ERR_NO_MEMORY;
    mirror->configured = true;
    mirror->wanted = true;
    mirror->due = true;
    return err == KGR_OK ? kgr_mirror_save(mirrors, mirror, false, diag) : err;
}

enum kgr_error kgr_mirrors_new(struct kgr_mirrors **out, struct kgr_node *node,
                               struct kgr_diag *diag)
{
    const struct kgr_settings *settings = node->settings;
    struct kgr_mirrors *mirrors = calloc(1, sizeof(*mirrors));
    enum kgr_error err;

    if (mirrors == NULL)
        return KGR_ERR_NO_MEMORY;
    mirrors->node = node;
    err = kgr_mirror_load(mirrors, diag);
    for (size_t i = 0; i < settings->num_mirrors && err == KGR_OK; i++)
        err = want(mirrors, settings->mirrors[i], diag);
    if (err != KGR_OK) {
        kgr_mirrors_free(mirrors);
        return err;
    }
    *out = mirrors;
    return KGR_OK;
}

void kgr_mirrors_free(struct kgr_mirrors *mirrors)
{
    if (mirrors == NULL)
        return;
    while (mirrors->list != NULL)
        kgr_mirror_drop(mirrors, mirrors->list);
    free(mirrors);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/ks.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/log.h"
#include "agent/server/orders/audit.h"
#include "agent/server/protocol/exchanges.h"
#include "agent/server/store/nksk_rows.h"
#include "agent/server/store/store.h"

/* How often the time is written down, and how often lifetimes are looked at. */
#define KEEP_TIME_S 60u
#define TICK_MS     5000u

/* A stored mark: the id of the boot, its milliseconds, Unix time. */
#define MARK_LEN (KGR_BOOT_ID_LEN + 16)

static struct kgr_ks_age_mark mark_now(void)
{
    struct kgr_ks_age_mark mark = {.boot_ms = kgr_clock_boot_ms(), .wall_s = kgr_clock_wall_s()};

    kgr_clock_boot_id(mark.boot_id);
    return mark;
}

enum kgr_error kgr_ks_time_load(struct kgr_ks *ks, struct kgr_diag *diag)
{
    struct kgr_ks_age_mark then = {{0}, 0, INT64_MAX}; /* a wall clock that nothing is known of */
    struct kgr_ks_age_mark now = mark_now();
    uint8_t bytes[MARK_LEN];
    struct kgr_rd rd;
    enum kgr_error err = kgr_ks_meta_get_u64(ks->db, "time", &ks->time_kept, diag);

    if (err == KGR_OK)
        err = kgr_ks_meta_get_exact(ks->db, "time-mark", bytes, sizeof bytes, diag);
    if (err == KGR_OK) {
        kgr_rd_init(&rd, bytes, sizeof bytes);
        kgr_rd_bytes(&rd, then.boot_id, sizeof then.boot_id);
        then.boot_ms = kgr_rd_u64(&rd);
        then.wall_s = (int64_t)kgr_rd_u64(&rd);
    }
    if (err != KGR_OK && err != KGR_ERR_NO_KEY)
        return kgr_diag_set(diag, err, "the database's time is damaged");
    /* While the KS was away for longer than the lease, no node used a key. */
    kgr_ks_age_start(&ks->age, ks->time_kept, &then, &now, ks->settings.lease_s);
    return KGR_OK;
}

uint64_t kgr_ks_now_s(struct kgr_ks *ks)
{
    return kgr_ks_age_now(&ks->age, kgr_clock_boot_ms());
}

uint32_t kgr_ks_jitter(void)
{
    uint32_t bits;

    kgr_random(&bits, sizeof bits);
    return bits;
}

void kgr_ks_alarm(struct kgr_ks *ks, const char *fmt, ...)
{
    char text[sizeof ks->alarms[0]];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args); /* cut to fit */
    va_end(args);
    kgr_error_log("alarm", "text=\"%s\"", text);
    for (size_t i = 0; i < ks->num_alarms; i++)
        if (strcmp(ks->alarms[i], text) == 0)
            return;
    if (ks->num_alarms < KGR_KS_ALARMS)
        memcpy(ks->alarms[ks->num_alarms++], text, sizeof text);
}

static void stop(struct kgr_ks *ks, enum kgr_error err, const struct kgr_diag *diag)
{
    if (!ks->failed) {
        kgr_error_log("stop", "reason=\"%s\"", kgr_diag_text(diag, err));
        ks->why = err;
    }
    ks->failed = true;
    if (ks->loop != NULL)
        kgr_loop_stop(ks->loop);
}

static struct kgr_ks_after *take_after(struct kgr_ks *ks)
{
    struct kgr_ks_after *list = ks->after;

    ks->after = NULL;
    ks->after_end = &ks->after;
    return list;
}

enum kgr_error kgr_ks_begin(struct kgr_ks *ks)
{
    struct kgr_diag diag = {{0}};
    enum kgr_error err = ks->failed ? KGR_ERR_STATE : kgr_db_begin(ks->db, &diag);

    if (err != KGR_OK && !ks->failed)
        stop(ks, err, &diag);
    ks->erased = false;
    (void)take_after(ks); /* empty: every transaction ends by kgr_ks_end */
    return err;
}

/* The time goes into a transaction that is on its way anyway. */
static enum kgr_error keep_time(struct kgr_ks *ks, struct kgr_diag *diag)
{
    uint64_t now_s = kgr_ks_now_s(ks);
    struct kgr_ks_age_mark mark;
    uint8_t bytes[MARK_LEN];
    struct kgr_wr wr;
    enum kgr_error err;

    if (ks->time_kept != 0 && now_s < ks->time_kept + KEEP_TIME_S)
        return KGR_OK;
    mark = mark_now();
    kgr_wr_init(&wr, bytes, sizeof bytes);
    kgr_wr_bytes(&wr, mark.boot_id, sizeof mark.boot_id);
    kgr_wr_u64(&wr, mark.boot_ms);
    kgr_wr_u64(&wr, (uint64_t)mark.wall_s);
    err = kgr_ks_meta_set_u64(ks->db, "time", now_s, diag);
    if (err == KGR_OK)
        err = kgr_ks_meta_set(ks->db, "time-mark", kgr_wr_slice(&wr), diag);
    if (err == KGR_OK)
        ks->time_kept = now_s;
    return err;
}

void kgr_ks_end(struct kgr_ks *ks, enum kgr_error err, const struct kgr_diag *diag)
{
    struct kgr_ks_after *list, *next;
    struct kgr_diag own = {{0}};
    bool refused = err == KGR_ERR_CORRUPT;

    if (err == KGR_OK) {
        diag = &own;
        err = keep_time(ks, &own);
    }
    if (err == KGR_OK)
        err = kgr_db_commit(ks->db, &own);
    if (err == KGR_OK && ks->erased)
        err = kgr_db_checkpoint(ks->db, &own);
    if (err != KGR_OK) {
        kgr_db_rollback(ks->db);
        if (!refused)
            stop(ks, err, diag);
    }
    list = take_after(ks);
    for (; list != NULL; list = next) {
        next = list->next;
        if (err == KGR_OK)
            list->start(ks, list);
        else
            list->drop(list);
    }
}

void kgr_ks_later(struct kgr_ks *ks, struct kgr_ks_after *after)
{
    after->next = NULL;
    *ks->after_end = after;
    ks->after_end = &after->next;
}

struct kgr_ks_node *kgr_ks_node_find(struct kgr_ks *ks, const struct kgr_nid *nid)
{
    for (struct kgr_ks_node *node = ks->nodes; node != NULL; node = node->next) {
        int order = kgr_nid_cmp(&node->r.nid, nid);

        if (order == 0)
            return node;
        if (order > 0)
            break;
    }
    return NULL;
}

enum kgr_error kgr_ks_node_add(struct kgr_ks *ks, const struct kgr_ks_record *record)
{
    struct kgr_ks_node *node = kgr_ks_node_find(ks, &record->nid), **at = &ks->nodes;

    if (node == NULL) {
        node = calloc(1, sizeof *node);
        if (node == NULL)
            return KGR_ERR_NO_MEMORY;
        kgr_notices_init(&node->notices);
        while (*at != NULL && kgr_nid_cmp(&(*at)->r.nid, &record->nid) < 0)
            at = &(*at)->next;
        node->next = *at;
        *at = node;
    }
    node->r = *record;
    kgr_registry_restart(&node->reg, &record->reg);
    return kgr_ks_node_rekey(ks, node);
}

enum kgr_error kgr_ks_node_save(struct kgr_ks *ks, struct kgr_ks_node *node, struct kgr_diag *diag)
{
    enum kgr_error err = KGR_OK;

    node->r.reg = node->reg.s;
    /* Without an NKSK nothing of another one stays. */
    if (!node->r.has_nksk)
        err = kgr_ks_nksk_erase(ks->db, &node->r.nid, diag);
    return err == KGR_OK ? kgr_ks_nodes_save(ks->db, &node->r, diag) : err;
}

/* One of the two keys of a node: the one in the table becomes the one of the record. */
static enum kgr_error rekey(struct kgr_ks *ks, struct kgr_ks_node *node, struct kgr_ks_key **at,
                            bool there, const uint8_t *key_id, bool is_ntag)
{
    struct kgr_ks_key *key = NULL;
    struct kgr_diag diag = {{0}};
    enum kgr_error err;

    if (*at != NULL && (!there || memcmp((*at)->key_id, key_id, sizeof(*at)->key_id) != 0)) {
        kgr_ks_keys_take(&ks->keys, *at);
        kgr_ks_key_release(ks, *at);
        *at = NULL;
    }
    if (*at != NULL || !there)
        return KGR_OK;
    if (is_ntag) {
        err = kgr_ks_key_new_ntag(&key, key_id, &node->r.ntag, kgr_clock_boot_ms());
    } else {
        err = kgr_ks_key_new_nksk(&key, key_id, (enum kgr_suite)node->reg.s.suite, &node->r.nksk,
                                  &ks->id.storage, ks->id.root, ks->next_slot_id,
                                  kgr_clock_boot_ms());
        ks->next_slot_id += 2;
    }
    if (err != KGR_OK)
        return err;
    err = kgr_ks_window_load(ks->db, &key->window, key_id, &diag);
    if (err != KGR_OK) {
        kgr_ks_key_free(key);
        return err;
    }
    key->node = node;
    kgr_ks_keys_add(&ks->keys, key);
    *at = key;
    return KGR_OK;
}

enum kgr_error kgr_ks_node_rekey(struct kgr_ks *ks, struct kgr_ks_node *node)
{
    enum kgr_error err = rekey(ks, node, &node->ntag, node->r.has_ntag, node->r.ntag_key_id, true);

    if (!node->r.has_nksk)
        kgr_ks_node_drop_next(ks, node);
    return err != KGR_OK
               ? err
               : rekey(ks, node, &node->nksk, node->r.has_nksk, node->r.nksk_key_id, false);
}

void kgr_ks_node_drop_next(struct kgr_ks *ks, struct kgr_ks_node *node)
{
    char topic[KGR_TOPIC_TEXT_LEN + 1];

    if (node->next_nksk == NULL)
        return;
    kgr_mqtt_unsubscribe(ks->mqtt, kgr_topic_text(topic, node->next_topic1));
    kgr_ks_keys_take(&ks->keys, node->next_nksk);
    kgr_ks_key_release(ks, node->next_nksk);
    node->next_nksk = NULL;
}

bool kgr_ks_node_ready(const struct kgr_ks_node *node)
{
    return node->reg.s.phase == KGR_REGISTRY_REGISTERED && node->nksk != NULL;
}

static enum kgr_error run_unload(struct kgr_tpm *tpm, void *ctx, struct kgr_diag *diag)
{
    struct kgr_ks_key *key = ctx;

    (void)diag;
    kgr_keyset_unload(key->keys, tpm);
    return KGR_OK;
}

static void unload_done(void *ctx, enum kgr_error err, const struct kgr_diag *diag)
{
    (void)err;
    (void)diag;
    kgr_ks_key_free(ctx);
}

void kgr_ks_key_release(struct kgr_ks *ks, struct kgr_ks_key *key)
{
    struct kgr_tpm_job job = {.run = run_unload, .done = unload_done, .ctx = key};

    if (!kgr_ks_key_unref(key))
        return;
    /* When the queue is full the slot cache pushes the key out by itself. */
    if (key->keys == NULL || ks->worker == NULL ||
        kgr_tpm_worker_submit(ks->worker, KGR_TPM_CONTROL, &job) != KGR_OK)
        kgr_ks_key_free(key);
}

void kgr_ks_arm(struct kgr_ks *ks)
{
    uint64_t tick = kgr_clock_boot_ms() + TICK_MS, deadline = kgr_ks_exchanges_deadline(ks);

    if (ks->notices_ms < deadline)
        deadline = ks->notices_ms;
    if (kgr_ks_audit_deadline(ks) < deadline)
        deadline = kgr_ks_audit_deadline(ks);

    if (ks->timer != NULL)
        kgr_timer_start_at(ks->timer, deadline < tick ? deadline : tick);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/service.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/daemon/deadline.h"
#include "agent/daemon/supervisor.h"
#include "agent/server/orders/ac.h"
#include "agent/server/orders/audit.h"
#include "agent/server/protocol/enrolment.h"
#include "agent/server/protocol/exchanges.h"
#include "agent/server/protocol/frames.h"
#include "agent/server/protocol/nksk_glue.h"
#include "agent/server/store/order_rows.h"
#include "agent/server/protocol/notify.h"
#include "agent/server/protocol/pairset.h"
#include "agent/server/protocol/reception.h"
#include "agent/server/metrics.h"
#include "agent/server/reload.h"
#include "agent/server/status.h"
#include "agent/server/store/store.h"
#include "agent/server/orders/topic0.h"
#include "agent/tpm/capability.h"
#include "agent/tpm/template.h"
#include "agent/tpm/tpm.h"
#include "agent/wire/frame.h"
#include "agent/wire/ipc.h"

/* Jobs of the TPM worker that may wait. */
#define STOP_S   10 /* for the worker to let the TPM go */
#define MAX_JOBS 256

/* Between two attempts to go on after the database failed. */
#define FIRST_WAIT_S 1u
#define LAST_WAIT_S  60u

static void on_tpm(void *arg)
{
    struct kgr_ks *ks = arg;

    (void)kgr_tpm_worker_drain(ks->worker); /* how many is of no interest */
}

static void on_mqtt(void *arg)
{
    struct kgr_ks *ks = arg;

    kgr_timer_start_at(ks->mqtt_timer, kgr_mqtt_drain(ks->mqtt));
}

static void on_ready(void *arg)
{
    char broker[KGR_BROKER_TEXT_MAX + 1];
    struct kgr_ks *ks = arg;

    kgr_info("broker", "state=connected broker=%s",
             kgr_broker_text(broker, kgr_mqtt_broker(ks->mqtt)));
    ks->lost_ms = 0;
    kgr_ks_exchanges_connected(ks);
    kgr_ks_notify_connected(ks);
}

static void on_lost(void *arg, const char *reason)
{
    char broker[KGR_BROKER_TEXT_MAX + 1];
    struct kgr_ks *ks = arg;

    if (ks->lost_ms == 0)
        ks->lost_ms = kgr_clock_boot_ms();
    kgr_warn("broker", "state=lost broker=%s reason=\"%s\"",
             kgr_broker_text(broker, kgr_mqtt_broker(ks->mqtt)), reason);
}

static void on_message(void *arg, const char *topic, struct kgr_slice payload)
{
    (void)topic; /* the topic of arrival decides nothing */
    kgr_ks_frames_receive(arg, payload);
}

/* A wrong wall clock refuses orders and credentials (docs/protocol.md, section 6.3). */
static void look_at_clock(struct kgr_ks *ks)
{
    const struct kgr_clock_look now = {kgr_clock_boot_ms(), kgr_clock_wall_s()};
    int64_t jump_s = kgr_clock_jump(&ks->stats.looked, &now);
    char text[64];

    if (jump_s == 0)
        return;
    ks->stats.clock_jumped = true;
    kgr_ks_alarm(ks,
                 "the wall clock was set by %" PRId64
                 " s: while it is wrong, orders and credentials are refused",
                 jump_s);
    (void)snprintf(text, sizeof text, "the wall clock was set by %" PRId64 " s", jump_s);
    kgr_ks_audit_alone(ks, KGR_AUDIT_SERVICE, KGR_OK, text);
}

static void on_timer(void *arg)
{
    struct kgr_ks *ks = arg;

    kgr_ks_enrolment_expire(ks);
    kgr_ks_exchanges_timer(ks);
    kgr_ks_notify_timer(ks);
    look_at_clock(ks);
    kgr_ks_audit_timer(ks);
    kgr_log_tell();
    kgr_ks_metrics_timer(ks);
    kgr_ks_arm(ks);
}

static void on_request(void *arg, const struct kgr_server_request *request)
{
    struct kgr_ks *ks = arg;
    uint8_t no_text = 0;

    if (request->op == KGR_IPC_ORDER)
        kgr_ks_reception_call(ks, request);
    else if (request->op == KGR_IPC_KS_METRICS && request->body.len == 0)
        kgr_ks_metrics_reply(ks, request);
    else if (request->op == KGR_IPC_KS_STATUS && request->body.len == 0)
        kgr_ks_status_reply(ks, request);
    else if (request->op == KGR_IPC_KS_RELOAD && request->body.len == 0)
        kgr_ks_reload_reply(ks, request);
    else
        kgr_server_reply(ks->server, request->call,
                         request->op == KGR_IPC_KS_STATUS || request->op == KGR_IPC_KS_RELOAD
                             ? KGR_ERR_CORRUPT
                             : KGR_ERR_UNSUPPORTED,
                         kgr_slice(&no_text, 1));
}

static const char restored_words[] =
    "the database was put back or copied: what the AC revoked and denied since is not in it";

/* The AC finds it in the log, in which also the records since are missing. */
static enum kgr_error record_restored(struct kgr_db *db, struct kgr_diag *diag)
{
    const struct kgr_audit_event event = {.what = KGR_AUDIT_SERVICE, .text = restored_words};
    struct kgr_ks *ks = calloc(1, sizeof *ks); /* as much of a KS as a record in its log needs */
    enum kgr_error err = ks == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;
    size_t len = 0;

    if (err == KGR_OK) {
        ks->db = db;
        err = kgr_ks_time_load(ks, diag);
    }
    if (err == KGR_OK)
        err = kgr_ks_meta_get(db, "signing_pub", ks->id.signing_pub.bytes,
                              sizeof ks->id.signing_pub.bytes, &len, diag);
    if (err == KGR_OK) { /* with what the chain begins if nothing is in it */
        ks->id.signing_pub.len = (uint16_t)len;
        err = kgr_tpm_public_hash(ks->id.ks, &ks->id.signing_pub);
    }
    if (err == KGR_OK)
        err = kgr_ks_audit(ks, &event, diag);
    free(ks);
    return err;
}

/* What needs the TPM on this thread, before the worker takes it over. */
static enum kgr_error open_tpm(struct kgr_ks *ks, const char *dir,
                               const struct kgr_tpm_access *access, struct kgr_diag *diag)
{
    struct kgr_tpm *tpm = NULL;
    bool restored = false;
    enum kgr_error err = kgr_tpm_open_as(&tpm, access, diag);

    if (err == KGR_OK)
        err = kgr_ks_identity_open(&ks->id, tpm, dir, diag);
    if (err == KGR_OK)
        err = kgr_ks_custody_choose(&ks->custody, ks->settings.custody, ks->settings.suites,
                                    kgr_tpm_capability(tpm), &ks->id.storage_pub, diag);
    if (err == KGR_OK)
        err = kgr_ks_identity_start(&ks->id, tpm, &ks->epoch, &restored, record_restored, diag);
    if (err == KGR_OK) {
        ks->db = ks->id.state.db;
        (void)kgr_tpm_summary(tpm, ks->tpm_summary);
        ks->next_slot_id = UINT64_C(1) << 32; /* numbers of this layer alone */
        err = kgr_tpm_worker_start(&ks->worker, tpm, MAX_JOBS, kgr_wakeup_signal, ks->tpm_wakeup);
    }
    if (err != KGR_OK) {
        kgr_tpm_close(tpm);
        return err;
    }
    if (restored)
        kgr_ks_alarm(ks, restored_words);
    return KGR_OK;
}

static enum kgr_error add_node(void *arg, const struct kgr_ks_record *record)
{
    return kgr_ks_node_add(arg, record);
}

/* Statements do not nest, and nodes load windows: the records are collected first. */
struct records {
    struct kgr_ks_record *list;
    size_t num;
};

static enum kgr_error collect_record(void *arg, const struct kgr_ks_record *record)
{
    struct records *records = arg;
    struct kgr_ks_record *list = records->list;

    if ((records->num & (records->num - 1)) == 0) { /* at every power of two */
        list = realloc(list, (records->num == 0 ? 1 : 2 * records->num) * sizeof *list);
        if (list == NULL)
            return KGR_ERR_NO_MEMORY;
        records->list = list;
    }
    list[records->num++] = *record;
    return KGR_OK;
}

static enum kgr_error load(struct kgr_ks *ks, struct kgr_diag *diag)
{
    struct records records = {NULL, 0};
    enum kgr_error err = kgr_ks_orders_load(ks->db, &ks->orders, diag);

    if (err == KGR_OK)
        err = kgr_ks_time_load(ks, diag);
    if (err == KGR_OK)
        err = kgr_ks_nodes_each(ks->db, collect_record, &records, diag);
    for (size_t i = 0; i < records.num && err == KGR_OK; i++)
        err = add_node(ks, &records.list[i]);
    free(records.list);
    for (struct kgr_ks_node *node = ks->nodes; node != NULL && err == KGR_OK; node = node->next)
        err = kgr_ks_nksk_restore(ks, node, diag);
    if (err == KGR_OK)
        err = kgr_ks_audit_load(ks, diag);
    if (err == KGR_OK)
        err = kgr_ks_notify_load(ks, diag);
    return err == KGR_OK ? kgr_ks_pairs_load_engaged(ks, diag) : err;
}

static enum kgr_error subscribe_node(struct kgr_ks *ks, const struct kgr_ks_node *node)
{
    char topic[KGR_TOPIC_TEXT_LEN + 1];
    enum kgr_error err = kgr_mqtt_subscribe(ks->mqtt, kgr_topic_text(topic, node->r.topic1));

    if (err == KGR_OK && node->next_nksk != NULL)
        err = kgr_mqtt_subscribe(ks->mqtt, kgr_topic_text(topic, node->next_topic1));
    return err;
}

static enum kgr_error open_mqtt(struct kgr_ks *ks, struct kgr_diag *diag)
{
    const struct kgr_mqtt_options options = {
        .brokers = &ks->settings.brokers,
        .max_payload = KGR_FRAME_MAX,
    };
    const struct kgr_mqtt_callbacks callbacks = {
        .notify = kgr_wakeup_signal,
        .notify_arg = ks->mqtt_wakeup,
        .on_ready = on_ready,
        .on_lost = on_lost,
        .on_message = on_message,
        .arg = ks,
    };
    enum kgr_error err = kgr_mqtt_new(&ks->mqtt, &options, &callbacks, diag);

    if (err == KGR_OK)
        err = kgr_ks_topic0_listen(ks);
    for (struct kgr_ks_node *node = ks->nodes; node != NULL && err == KGR_OK; node = node->next)
        if (node->r.has_topics)
            err = subscribe_node(ks, node);
    return err;
}

static void on_stop(void *arg)
{
    struct kgr_ks *ks = arg;

    kgr_loop_stop(ks->loop);
}

static enum kgr_error open_loop(struct kgr_ks *ks)
{
    enum kgr_error err = kgr_loop_new(&ks->loop);

    if (err == KGR_OK)
        err = kgr_loop_signals(ks->loop, on_stop, kgr_ks_on_hangup, ks);
    if (err == KGR_OK)
        err = kgr_wakeup_new(&ks->tpm_wakeup, ks->loop, on_tpm, ks);
    if (err == KGR_OK)
        err = kgr_wakeup_new(&ks->mqtt_wakeup, ks->loop, on_mqtt, ks);
    if (err == KGR_OK)
        err = kgr_timer_new(&ks->mqtt_timer, ks->loop, on_mqtt, ks);
    if (err == KGR_OK)
        err = kgr_timer_new(&ks->timer, ks->loop, on_timer, ks);
    return err;
}

static enum kgr_error start(struct kgr_ks *ks, const char *dir, const struct kgr_tpm_access *access,
                            struct kgr_diag *diag)
{
    const struct kgr_server_options options = {
        .path = ks->settings.socket,
        .listening = ks->settings.listening,
        .handler = on_request,
        .arg = ks,
    };
    enum kgr_error err = open_loop(ks);

    if (err == KGR_OK && ks->settings.ek_ca != NULL)
        err = kgr_ek_ca_load(&ks->ek_ca, ks->settings.ek_ca, diag);
    if (err == KGR_OK)
        err = open_tpm(ks, dir, access, diag);
    if (err == KGR_OK)
        err = kgr_entropy_pool_new(&ks->entropy, ks->settings.entropy, ks->settings.num_entropy,
                                   ks->settings.entropy_required);
    if (err == KGR_OK)
        err = load(ks, diag);
    if (err == KGR_OK)
        err = open_mqtt(ks, diag);
    if (err == KGR_OK)
        err = kgr_ks_ac_load(ks, diag);
    if (err == KGR_OK)
        err = kgr_server_new(&ks->server, ks->loop, &options, diag);
    return err;
}

static void free_keys(struct kgr_ks *ks, struct kgr_ks_node *node)
{
    if (node->ntag != NULL) {
        kgr_ks_keys_take(&ks->keys, node->ntag);
        kgr_ks_key_release(ks, node->ntag);
    }
    if (node->next_nksk != NULL) {
        kgr_ks_keys_take(&ks->keys, node->next_nksk);
        kgr_ks_key_release(ks, node->next_nksk);
    }
    if (node->nksk != NULL) {
        kgr_ks_keys_take(&ks->keys, node->nksk);
        kgr_ks_key_release(ks, node->nksk);
    }
}

static void free_nodes(struct kgr_ks *ks)
{
    struct kgr_ks_node *node, *next;

    for (node = ks->nodes; node != NULL; node = next) {
        next = node->next;
        free_keys(ks, node);
        kgr_notices_deinit(&node->notices);
        free(node);
    }
    ks->nodes = NULL;
    for (size_t i = 0; i < KGR_ARRAY_LEN(ks->ac); i++)
        free_keys(ks, &ks->ac[i].node);
}

/* A TPM that does not answer is no reason to begin anew: the next start would wait for it, and answer nobody. */
static void look(void *arg, struct kgr_health *out)
{
    struct kgr_ks *ks = arg;

    out->alive = kgr_tpm_worker_alive(ks->worker);
    (void)snprintf(out->text, sizeof(out->text), "%s",
                   !out->alive                               ? "the thread of the TPM is stuck"
                   : kgr_tpm_worker_failing(ks->worker) != 0 ? "the TPM does not answer, or fails"
                   : ks->lost_ms != 0                        ? "no broker"
                                                             : "serving");
}

/* The worker goes first: what its jobs refer to must stand until they are done. */
static void finish(struct kgr_ks *ks)
{
    struct kgr_tpm_worker *worker = ks->worker;

    ks->failed = true; /* results that come now change nothing */
    kgr_supervisor_free(ks->supervisor);
    kgr_server_free(ks->server);
    ks->server = NULL;
    kgr_deadline_start(STOP_S);
    kgr_tpm_worker_stop(worker);
    kgr_entropy_pool_free(ks->entropy);
    kgr_deadline_stop();
    ks->worker = NULL;
    kgr_mqtt_free(ks->mqtt);
    free_nodes(ks);
    while (ks->pairs != NULL) {
        struct kgr_ks_pair *pair = ks->pairs;

        ks->pairs = pair->next;
        free(pair);
    }
    kgr_ks_identity_close(&ks->id);
    kgr_ek_ca_free(ks->ek_ca);
    kgr_timer_free(ks->timer);
    kgr_timer_free(ks->mqtt_timer);
    kgr_wakeup_free(ks->mqtt_wakeup);
    kgr_wakeup_free(ks->tpm_wakeup);
    kgr_loop_free(ks->loop);
}

/* run_once: *out_ran tells that it did its work before it ended. */
static enum kgr_error run_once(bool *out_ran, const char *dir, const struct kgr_tpm_access *access,
                               const struct kgr_ks_settings *settings, struct kgr_diag *diag)
{
    struct kgr_ks *ks = calloc(1, sizeof *ks);
    enum kgr_error err;

    if (ks == NULL)
        return KGR_ERR_NO_MEMORY;
    ks->settings = *settings;
    ks->after_end = &ks->after;
    ks->stats.started_ms = kgr_clock_boot_ms();
    ks->notices_ms = UINT64_MAX;
    kgr_bucket_init(&ks->log_bucket, 1, 10, kgr_clock_boot_ms());
    err = start(ks, dir, access, diag);
    if (err == KGR_OK) {
        kgr_info("start", "version=%s epoch=%" PRIu32 " socket=%s tpm=\"%s\" custody=%s bears=%s",
                 KGR_VERSION, ks->epoch, settings->socket, ks->tpm_summary,
                 ks->custody.sealed ? "sealed" : "resident", ks->custody.bears ? "yes" : "no");
        if (*out_ran)
            kgr_ks_alarm(ks, "the state could not be written; the KS stopped, and began again");
        *out_ran = true;
        kgr_ks_audit_alone(ks, KGR_AUDIT_SERVICE, KGR_OK, "started, version " KGR_VERSION);
        kgr_mqtt_start(ks->mqtt);
        on_timer(ks);
        err = kgr_supervisor_new(&ks->supervisor, ks->loop, look, ks);
        if (err == KGR_OK)
            kgr_loop_run(ks->loop);
        if (ks->failed)
            err = kgr_diag_set(diag, ks->why, "stopped, because the database failed");
        else
            kgr_supervisor_stopping();
        kgr_ks_audit_alone(ks, KGR_AUDIT_SERVICE, KGR_OK, "stopped");
        kgr_info("stop", "epoch=%" PRIu32, ks->epoch);
    }
    finish(ks);
    free(ks);
    return err;
}

/*
 * A database that cannot be written stops everything: memory may be ahead of the disk. What is on the disk is whole, so
 * the service begins again from it when there is room, as after a crash.
 */
enum kgr_error kgr_ks_service_run(const char *dir, const struct kgr_tpm_access *access,
                                  const struct kgr_ks_settings *settings, struct kgr_diag *diag)
{
    struct kgr_ks_settings own = *settings;
    unsigned wait_s = FIRST_WAIT_S;
    bool ran = false;
    enum kgr_error socket_err = kgr_supervisor_socket(&own.listening, own.socket, diag);

    if (socket_err != KGR_OK)
        return socket_err;
    for (;;) {
        uint64_t begun_ms = kgr_clock_boot_ms();
        enum kgr_error err = run_once(&ran, dir, access, &own, diag);

        if (err != KGR_ERR_IO || !ran)
            return err;
        if (kgr_clock_boot_ms() - begun_ms > LAST_WAIT_S * 1000ull)
            wait_s = FIRST_WAIT_S;
        kgr_error_log("state_not_written", "reason=\"%s\" again_in_s=%u", kgr_diag_text(diag, err),
                      wait_s);
        /* A signal to end does so at once: nothing is open. */
        kgr_supervisor_wait(wait_s, "the state cannot be written; beginning again");
        wait_s = wait_s < LAST_WAIT_S / 2 ? wait_s * 2 : LAST_WAIT_S;
        *diag = (struct kgr_diag){{0}};
    }
}

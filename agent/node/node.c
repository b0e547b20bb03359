/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/node.h"

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/secret.h"
#include "agent/daemon/deadline.h"
#include "agent/daemon/loop.h"
#include "agent/daemon/supervisor.h"
#include "agent/mqtt/mqtt.h"
#include "agent/node/audit.h"
#include "agent/node/broker.h"
#include "agent/node/protocol/exchange_jobs.h"
#include "agent/node/machines/exchange_state.h"
#include "agent/node/protocol/revoke.h"
#include "agent/node/reload.h"
#include "agent/node/service/service.h"
#include "agent/node/store/store.h"
#include "agent/tpm/capability.h"
#include "agent/tpm/tpm.h"
#include "agent/tpm/worker.h"
#include "agent/node/mirror/mirror.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STOP_S       10 /* for the worker to let the TPM go */
#define MAX_TPM_JOBS 256

/* Alarms and time */

void kgr_node_alarm(struct kgr_node *node, const char *fmt, ...)
{
    char text[KGR_NODE_ALARM_MAX];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    kgr_error_log("alarm", "text=\"%s\"", text);
    if (node->num_alarms == KGR_NODE_ALARMS) {
        memmove(node->alarms[0], node->alarms[1], sizeof(node->alarms) - sizeof(node->alarms[0]));
        node->num_alarms--;
    }
    memcpy(node->alarms[node->num_alarms++], text, sizeof(text));
    if (node->service != NULL)
        kgr_service_happened(node->service, KGR_EVENT_ALARM, text);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void kgr_node_reschedule(struct kgr_node *node)
{
    uint64_t now = kgr_clock_boot_ms();
    uint64_t deadline;

    if (node->stopping)
        return;
    node->due = false;
    kgr_pairs_close_unusable(&node->pairs, kgr_sync_has_lease(&node->sync, now));
    /* First: its callbacks set other deadlines. */
    deadline = node->mqtt != NULL ? kgr_mqtt_drain(node->mqtt) : UINT64_MAX;
    if (node->service != NULL)
        kgr_service_publish(node->service);
    if (node->revoked != 0) {
        kgr_timer_start_at(node->timer, earlier(deadline, node->farewell_ms));
        return;
    }
    deadline = earlier(deadline, node->reg.deadline_ms);
    deadline = earlier(deadline, node->give_up_ms);
    deadline = earlier(deadline, node->sync.deadline_ms);
    deadline = earlier(deadline, kgr_nksk_deadline(node));
    deadline = earlier(deadline, kgr_node_silence_ms(node));
    deadline = earlier(deadline, kgr_node_audit_deadline(node));
    /* Before the first synchronisation nothing is sent, and no age is known. */
    for (size_t i = 0; node->synced && i < node->pairs.num; i++)
        deadline = earlier(deadline, earlier(node->pairs.list[i]->ex.deadline_ms,
                                             node->pairs.list[i]->renewal.deadline_ms));
    if (node->service != NULL)
        deadline = earlier(deadline, kgr_service_deadline(node->service));
    deadline = earlier(deadline, kgr_mirrors_deadline(node->mirrors));
    if (node->service != NULL && node->sync.lease_ms > now)
        deadline = earlier(deadline, node->sync.lease_ms);
    kgr_timer_start_at(node->timer, deadline);
}

void kgr_node_served(struct kgr_node *node, bool plain)
{
    if (!plain || node->due)
        kgr_node_reschedule(node);
}

static void on_timer(void *arg)
{
    struct kgr_node *node = arg;
    uint64_t now = kgr_clock_boot_ms();

    kgr_log_tell();
    kgr_node_mind_silence(node, now);
    if (node->service == NULL) {
        kgr_enrol_on_timer(node, now);
    } else if (node->revoked != 0) {
        kgr_revoke_on_timer(node, now);
    } else {
        kgr_node_audit_on_timer(node, now);
        kgr_sync_on_timer(node, now);
        kgr_nksk_on_timer(node, now);
        if (node->synced) {
            kgr_exchange_on_timer(node, now);
            kgr_renewal_on_timer(node, now);
        }
        kgr_service_on_timer(node->service, now);
        kgr_mirrors_on_timer(node->mirrors, now);
    }
    kgr_node_reschedule(node);
}

/* The broker */

static void on_ready(void *arg)
{
    char broker[KGR_BROKER_TEXT_MAX + 1];
    struct kgr_node *node = arg;
    bool was_lost = node->lost_ms != 0;

    node->lost_ms = 0;
    node->heard_ms = kgr_clock_boot_ms();
    kgr_info("broker_connected", "broker=%s", kgr_node_broker(node, broker));
    if (node->service == NULL) {
        kgr_enrol_on_ready(node);
        return;
    }
    if (node->revoked != 0) {
        kgr_revoke_on_ready(node);
        return;
    }
    if (was_lost)
        kgr_service_happened(node->service, KGR_EVENT_BROKER_BACK, NULL);
    kgr_sync_on_ready(node);
    kgr_nksk_on_ready(node);
}

static void on_lost(void *arg, const char *reason)
{
    char broker[KGR_BROKER_TEXT_MAX + 1];
    struct kgr_node *node = arg;
    /* Each reason of each broker once, until it is back. */
    bool is_news = node->lost_ms == 0 || strcmp(node->lost_reason, reason) != 0;

    if (node->lost_ms == 0 && node->service != NULL)
        kgr_service_happened(node->service, KGR_EVENT_BROKER_LOST, reason);
    if (node->lost_ms == 0)
        node->lost_ms = kgr_clock_boot_ms();
    (void)snprintf(node->lost_reason, sizeof(node->lost_reason), "%s", reason);
    (void)kgr_node_broker(node, broker);
    if (is_news)
        kgr_warn("broker_lost", "broker=%s reason=\"%s\"%s", broker, reason,
                 node->settings->brokers.num == 0
                     ? " hint=\"if it wants TLS or a password, name it in the configuration\""
                     : "");
    if (is_news && node->progress != NULL) {
        char line[512];

        (void)snprintf(line, sizeof(line), "broker %s unreachable (%s); trying on", broker, reason);
        node->progress(line);
    }
    kgr_sync_on_lost(node);
    kgr_nksk_on_lost(node);
}

static void on_message(void *arg, const char *topic, struct kgr_slice payload)
{
    struct kgr_node *node = arg;

    /* The topic of arrival decides nothing about a frame; of messages it names the pair. */
    if (node->service == NULL || !kgr_service_arrive(node->service, topic, payload))
        kgr_frames_receive(&node->frames, payload, kgr_clock_boot_ms());
}

static void on_mqtt_wakeup(void *arg)
{
    kgr_node_reschedule(arg); /* which drains */
}

void kgr_node_drain_tpm(struct kgr_node *node)
{
    size_t num = 0;

    if (node->worker == NULL) /* revoked: nothing is left to ask a TPM for */
        return;
    node->num_plain = 0;
    if (node->worker != NULL) /* a revoked node has none */
        num = kgr_tpm_worker_drain(node->worker);
    kgr_exchange_bury_again(node);
    kgr_node_served(node, num == node->num_plain);
}

static void on_tpm_wakeup(void *arg)
{
    kgr_node_drain_tpm(arg);
}

static enum kgr_error publish(void *arg, const uint8_t topic[KGR_TOPIC_LEN], struct kgr_slice frame)
{
    struct kgr_node *node = arg;
    char text[KGR_TOPIC_TEXT_LEN + 1];

    if (node->mqtt == NULL)
        return KGR_ERR_STATE;
    return kgr_mqtt_publish(node->mqtt, kgr_topic_text(text, topic), frame);
}

static enum kgr_error on_frame(void *arg, const struct kgr_frame_in *frame)
{
    struct kgr_node *node = arg;
    uint8_t type = frame->header->type;

    kgr_debug("frame_received", "type=%u", type);
    node->heard_ms = kgr_clock_boot_ms();
    if (type == KGR_FRAME_REG_CHAL || type == KGR_FRAME_REG_DONE)
        return kgr_enrol_on_frame(node, frame);
    if (node->service == NULL && type == KGR_FRAME_NACK)
        return kgr_enrol_on_nack(node, frame);
    if (node->service == NULL)
        return KGR_OK; /* enrolling: the KS goes on once the agent runs */
    if (node->revoked == 0 && (type == KGR_FRAME_NKSK_CHAL || type == KGR_FRAME_NKSK_DONE))
        return kgr_nksk_on_frame(node, frame);
    /* A frame of the KS under the new NKSK shows that it accepted the proof. */
    if (node->revoked == 0 && frame->set == KGR_FRAME_NEXT)
        kgr_nksk_heard(node);
    if (type == KGR_FRAME_NOTICE)
        return kgr_revoke_on_frame(node, frame);
    if (node->revoked != 0)
        return KGR_OK; /* it has said farewell */
    if (type == KGR_FRAME_NACK && kgr_nksk_on_nack(node, frame))
        return KGR_OK;
    if (type == KGR_FRAME_SYNC_ANS)
        return kgr_sync_on_frame(node, frame);
    return kgr_exchange_on_frame(node, frame);
}

/* Transactions */

void kgr_node_rollback(struct kgr_node *node, const char *what, enum kgr_error err,
                       const struct kgr_diag *diag)
{
    kgr_db_rollback(node->db);
    kgr_error_log("state_not_written", "what=%s reason=\"%s\"", what, kgr_diag_text(diag, err));
    if (err != KGR_ERR_IO || node->disk_failed)
        return;
    node->disk_failed = true;
    if (node->service != NULL)
        kgr_service_happened(node->service, KGR_EVENT_ALARM, KGR_NODE_DISK_FAILED);
}

enum kgr_error kgr_node_begin(struct kgr_node *node)
{
    struct kgr_diag diag = {{0}};
    enum kgr_error err = kgr_db_begin(node->db, &diag);

    if (err == KGR_OK)
        err = kgr_frames_save_window(&node->frames, &diag);
    if (err != KGR_OK)
        kgr_node_rollback(node, "transaction", err, &diag);
    return err;
}

enum kgr_error kgr_node_commit(struct kgr_node *node)
{
    struct kgr_diag diag = {{0}};
    enum kgr_error err = kgr_db_commit(node->db, &diag);

    if (err != KGR_OK)
        kgr_node_rollback(node, "transaction", err, &diag);
    else
        kgr_frames_window_saved(&node->frames);
    if (err == KGR_OK && node->disk_failed) {
        kgr_info("state_written_again", "state=%s", node->settings->state);
        node->disk_failed = false;
    }
    return err;
}

/* Opening */

static void note_capability(struct kgr_node *node)
{
    const struct kgr_tpm_capability *capability = kgr_tpm_capability(node->tpm);

    node->tpm_resident = capability->can_resident;
    /* A mask of bit (mode - 1) there, of 1 << mode for applications (include/kgr/client.h). */
    node->tpm_modes = (uint32_t)capability->modes << 1;
    (void)kgr_tpm_summary(node->tpm, node->tpm_summary);
}

static void init_frames(struct kgr_node *node)
{
    struct kgr_frames_owner owner = {
        .db = node->db,
        .epoch = node->epoch,
        .publish = publish,
        .on_frame = on_frame,
        .arg = node,
    };

    kgr_frames_init(&node->frames, &owner, kgr_clock_boot_ms()); /* the worker comes later */
}

enum kgr_error kgr_node_enrolment(struct kgr_db *db, char out_node[KGR_NID_MAX + 1],
                                  bool *out_registered, struct kgr_diag *diag)
{
    char nid[KGR_NID_MAX + 1] = "";
    uint8_t key_id[KGR_KEY_ID_LEN];
    size_t len = 0;
    enum kgr_error err = kgr_meta_get(db, KGR_META_NODE, nid, KGR_NID_MAX, &len, diag);

    if (err == KGR_OK) /* NTAG is erased by reg_done, and by nothing else */
        err = kgr_meta_get_exact(db, KGR_META_NTAG_KEY_ID, key_id, sizeof(key_id), diag);
    if (err != KGR_OK && err != KGR_ERR_NO_KEY)
        return err;
    *out_registered = len > 0 && err == KGR_ERR_NO_KEY;
    memcpy(out_node, nid, sizeof(nid));
    return KGR_OK;
}

static enum kgr_error check_registered(struct kgr_db *db, struct kgr_diag *diag)
{
    char node[KGR_NID_MAX + 1];
    bool registered = false;
    enum kgr_error err = kgr_node_enrolment(db, node, &registered, diag);

    if (err == KGR_OK && node[0] == '\0')
        err = kgr_diag_set(diag, KGR_ERR_NOT_REGISTERED,
                           "this node is not enrolled; run kgr-agent enroll FILE");
    if (err == KGR_OK && !registered)
        err = kgr_diag_set(diag, KGR_ERR_NOT_REGISTERED,
                           "the enrolment as %s is not finished; run kgr-agent enroll", node);
    return err;
}

enum kgr_error kgr_node_open(struct kgr_node *node, const struct kgr_settings *settings,
                             bool registered, struct kgr_diag *diag)
{
    enum kgr_error err;

    memset(node, 0, sizeof(*node));
    node->settings = settings;
    node->lost_ms = kgr_clock_boot_ms();
    node->stats.started_ms = node->lost_ms;
    node->reg.deadline_ms = UINT64_MAX;
    node->give_up_ms = UINT64_MAX;
    node->renewal.deadline_ms = UINT64_MAX;
    node->nksk_due_ms = UINT64_MAX;
    node->next_key_id = 1;
    kgr_sync_init(&node->sync);
    err = kgr_tpm_open_as(&node->tpm, &settings->tpm, diag);
    if (err == KGR_OK)
        err = kgr_anchor_open(&node->anchor, node->tpm, settings->state, diag);
    if (err == KGR_OK && registered)
        err = check_registered(node->anchor.state.db, diag); /* before an epoch is spent */
    if (err == KGR_OK)
        note_capability(node);
    if (err == KGR_OK)
        err = kgr_custody_choose(&node->custody, settings->custody, settings->suites,
                                 kgr_tpm_capability(node->tpm), &node->anchor.storage_public, diag);
    if (err == KGR_OK)
        err =
            kgr_anchor_new_epoch(&node->anchor, node->tpm, &node->epoch, &node->rolled_back, diag);
    node->db = node->anchor.state.db;
    init_frames(node);
    return err;
}

static enum kgr_error connect_broker(struct kgr_node *node, struct kgr_diag *diag)
{
    struct kgr_mqtt_options options = {.brokers = &node->brokers};
    struct kgr_mqtt_callbacks callbacks = {
        .notify = kgr_wakeup_signal,
        .notify_arg = node->mqtt_wakeup,
        .on_ready = on_ready,
        .on_lost = on_lost,
        .on_message = on_message,
        .arg = node,
    };
    char topic[KGR_TOPIC_TEXT_LEN + 1];
    enum kgr_error err = kgr_mqtt_new(&node->mqtt, &options, &callbacks, diag);

    if (err == KGR_OK)
        err = kgr_mqtt_subscribe(node->mqtt, kgr_topic_text(topic, node->topic2));
    if (err == KGR_OK)
        kgr_mqtt_start(node->mqtt);
    return err;
}

static void on_stop(void *arg)
{
    kgr_info("stopping", "signal=yes");
    kgr_node_stop(arg, KGR_OK);
}

enum kgr_error kgr_node_open_loop(struct kgr_node *node)
{
    enum kgr_error err = kgr_loop_new(&node->loop);

    if (err == KGR_OK)
        err = kgr_loop_signals(node->loop, on_stop, kgr_node_on_hangup, node);
    if (err == KGR_OK)
        err = kgr_timer_new(&node->timer, node->loop, on_timer, node);
    return err;
}

enum kgr_error kgr_node_connect(struct kgr_node *node, struct kgr_diag *diag)
{
    enum kgr_error err = kgr_node_open_loop(node);

    if (err == KGR_OK)
        err = kgr_wakeup_new(&node->tpm_wakeup, node->loop, on_tpm_wakeup, node);
    if (err == KGR_OK)
        err = kgr_wakeup_new(&node->mqtt_wakeup, node->loop, on_mqtt_wakeup, node);
    if (err == KGR_OK)
        err = kgr_tpm_worker_start(&node->worker, node->tpm, MAX_TPM_JOBS, kgr_wakeup_signal,
                                   node->tpm_wakeup);
    if (err != KGR_OK)
        return kgr_diag_set(diag, err, "the event loop could not be made");
    node->tpm = NULL;
    node->frames.owner.worker = node->worker;
    return connect_broker(node, diag);
}

/* A TPM that does not answer is no reason to begin anew: the next start would wait for it, and answer nobody. */
static void look(void *arg, struct kgr_health *out)
{
    struct kgr_node *node = arg;
    const char *what = "serving";

    if (node->worker != NULL && !kgr_tpm_worker_alive(node->worker)) {
        out->alive = false;
        what = "the thread of the TPM is stuck";
    } else if (node->worker != NULL && kgr_tpm_worker_failing(node->worker) != 0) {
        what = "the TPM does not answer, or fails";
    } else if (node->disk_failed) {
        what = KGR_NODE_DISK_FAILED;
    } else if (node->revoked != 0) {
        what = "revoked";
    } else if (node->lost_ms != 0) {
        what = "no broker";
    }
    (void)snprintf(out->text, sizeof(out->text), "%s: %s", node->self.s, what);
}

enum kgr_error kgr_node_run(struct kgr_node *node, struct kgr_diag *diag)
{
    enum kgr_error err = KGR_OK;

    if (node->service != NULL)
        err = kgr_supervisor_new(&node->supervisor, node->loop, look, node);
    if (err != KGR_OK)
        return err;
    kgr_node_reschedule(node);
    kgr_loop_run(node->loop);
    err = node->result;
    if (err != KGR_OK)
        (void)kgr_diag_set(diag, err, "%s", kgr_diag_text(&node->diag, err));
    return err;
}

void kgr_node_stop(struct kgr_node *node, enum kgr_error result)
{
    if (node->stopping)
        return;
    node->stopping = true;
    node->result = result;
    kgr_loop_stop(node->loop);
}

void kgr_node_close(struct kgr_node *node)
{
    node->stopping = true;
    if (node->service != NULL)
        kgr_supervisor_stopping();
    kgr_supervisor_free(node->supervisor);
    /* Ends every job while those whom it answers are still there; keys can go then. */
    kgr_deadline_start(STOP_S);
    kgr_tpm_worker_stop(node->worker);
    kgr_deadline_stop();
    kgr_exchange_free_graves(node);
    kgr_mirrors_free(node->mirrors);
    kgr_service_free(node->service);
    kgr_node_audit_close(node);
    kgr_mqtt_free(node->mqtt);
    kgr_frames_deinit(&node->frames);
    kgr_pairs_deinit(&node->pairs);
    kgr_sync_lists_free(node->lists);
    kgr_tpm_close(node->tpm);
    kgr_anchor_deinit(&node->anchor);
    kgr_wakeup_free(node->mqtt_wakeup);
    kgr_wakeup_free(node->tpm_wakeup);
    kgr_timer_free(node->timer);
    kgr_loop_free(node->loop);
    kgr_settings_deinit(&node->reloaded);
    memset(node, 0, sizeof(*node));
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/metrics.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/server/store/pairs.h"
#include "agent/socket/metrics.h"
#include "agent/tpm/stats.h"
#include "agent/wire/ipc_status.h"

#define TEXT_MAX (KGR_IPC_PACKET_MAX - KGR_IPC_HEADER_LEN)

static void write_nodes(struct kgr_metrics *m, const struct kgr_ks *ks)
{
    uint64_t nodes = 0, registered = 0, notices = 0;

    for (const struct kgr_ks_node *node = ks->nodes; node != NULL; node = node->next) {
        nodes++;
        registered += node->reg.s.phase == KGR_REGISTRY_REGISTERED;
        notices += node->notices.num;
    }
    kgr_metric_family(m, "kgr_ks_info", KGR_METRIC_GAUGE, "The key server; always 1.");
    kgr_metric_u64(
        m,
        KGR_LABELS("version", KGR_VERSION, "custody", ks->custody.sealed ? "sealed" : "resident"),
        1);
    kgr_metric_gauge(m, "kgr_broker_connected", "1 while there is a connection to a broker.",
                     kgr_mqtt_is_ready(ks->mqtt));
    kgr_metric_gauge(m, "kgr_ks_nodes", "Nodes that the AC added.", nodes);
    kgr_metric_gauge(m, "kgr_ks_nodes_registered", "Of those, the registered ones.", registered);
    kgr_metric_gauge(m, "kgr_ks_notices", "Notices that wait for their acknowledgement.", notices);
}

static void write_exchanges(struct kgr_metrics *m, const struct kgr_ks *ks)
{
    static const struct {
        enum kgr_coordinator_phase phase;
        const char *word;
    } phases[] = {
        {KGR_COORDINATOR_BIRTH, "begun"},
        {KGR_COORDINATOR_COMMITTED, "committed"},
        {KGR_COORDINATOR_CONFIRMED, "confirmed"},
        {KGR_COORDINATOR_ABORTED, "aborted"},
    };
    uint64_t open = 0;

    for (const struct kgr_ks_pair *pair = ks->pairs; pair != NULL; pair = pair->next)
        open += kgr_coordinator_open(&pair->co.s) != NULL;
    kgr_metric_gauge(m, "kgr_ks_exchanges_open", "Exchanges in flight.", open);
    kgr_metric_family(m, "kgr_ks_exchanges_total", KGR_METRIC_COUNTER,
                      "Exchanges that came so far.");
    for (size_t i = 0; i < KGR_ARRAY_LEN(phases); i++)
        kgr_metric_u64(m, KGR_LABELS("state", phases[i].word),
                       ks->stats.exchanges[phases[i].phase]);
    kgr_metric_histogram(m, "kgr_ks_birth_duration_seconds",
                         "From the decision to bear a pair's keys until they were born.",
                         &ks->stats.births);
    kgr_metric_counter(m, "kgr_ks_births_failed_total", "Births that failed.",
                       ks->stats.births_failed);
    kgr_metric_counter(m, "kgr_nksk_renewals_total", "Renewals of NKSK.", ks->stats.nksk_renewals);
}

static void write_orders(struct kgr_metrics *m, const struct kgr_ks *ks)
{
    kgr_metric_family(m, "kgr_ks_orders_total", KGR_METRIC_COUNTER,
                      "Orders of the AC that were carried out, by result.");
    for (int err = 0; err < KGR_ERR_COUNT; err++)
        if (err == 0 || ks->stats.orders[err] != 0)
            kgr_metric_u64(m, KGR_LABELS("result", kgr_strerror((enum kgr_error)err)),
                           ks->stats.orders[err]);
    kgr_metric_counter(m, "kgr_ks_orders_refused_total", "Orders that were none of this AC's, now.",
                       ks->stats.orders_refused);
    kgr_metric_gauge(m, "kgr_audit_unsigned", "Records after the last signed head.",
                     ks->audit.newest - ks->audit.head);
    kgr_metric_gauge(m, "kgr_audit_records", "Number of the newest record of the audit log.",
                     ks->audit.newest);
}

static void write_alarms(struct kgr_metrics *m, const struct kgr_ks *ks)
{
    char sources[KGR_IPC_ALARMS_MAX];

    kgr_metric_family(m, "kgr_alarm", KGR_METRIC_GAUGE, "1 while this is wrong.");
    kgr_metric_u64(m, KGR_LABELS("name", "broker"), ks->lost_ms != 0);
    kgr_metric_u64(m, KGR_LABELS("name", "tpm"), kgr_tpm_worker_failing(ks->worker) != 0);
    kgr_metric_u64(m, KGR_LABELS("name", "tpm_lockout"), kgr_tpm_worker_lockout(ks->worker));
    kgr_metric_u64(m, KGR_LABELS("name", "entropy"),
                   kgr_entropy_pool_describe(ks->entropy, sources, sizeof sources, true) > 0);
    kgr_metric_u64(m, KGR_LABELS("name", "clock"), ks->stats.clock_jumped);
    kgr_metric_u64(m, KGR_LABELS("name", "happened"), ks->num_alarms > 0);
}

static void write_tpm(struct kgr_metrics *m, const struct kgr_tpm_stats *stats)
{
    struct kgr_metrics_command commands[KGR_TPM_STATS_MAX + 1];
    struct kgr_tpm_times times;
    size_t num = 0;

    for (; num < KGR_TPM_STATS_MAX && kgr_tpm_stats_read(stats, num, &times); num++)
        commands[num] = (struct kgr_metrics_command){times.name, times.num, times.failed,
                                                     (double)times.ns / 1e9};
    commands[num].name = NULL;
    kgr_metrics_tpm(m, commands);
}

static void write_all(struct kgr_metrics *m, struct kgr_ks *ks)
{
    write_nodes(m, ks);
    kgr_metrics_process(m, ks->stats.started_ms);
    write_alarms(m, ks);
    write_exchanges(m, ks);
    write_orders(m, ks);
    kgr_metrics_frames(m, ks->refused);
    write_tpm(m, kgr_tpm_worker_stats(ks->worker));
    kgr_metrics_tpm_queue(m, kgr_tpm_worker_queued(ks->worker, KGR_TPM_CONTROL),
                          kgr_tpm_worker_queued(ks->worker, KGR_TPM_BULK),
                          kgr_tpm_worker_failing(ks->worker) != 0);
    kgr_metrics_server(m, ks->server);
}

void kgr_ks_metrics_reply(struct kgr_ks *ks, const struct kgr_server_request *request)
{
    char *text = malloc(TEXT_MAX);
    struct kgr_metrics m;

    if (text == NULL) {
        kgr_server_fail(ks->server, request->call, KGR_ERR_NO_MEMORY, NULL);
        return;
    }
    kgr_metrics_init(&m, text, TEXT_MAX);
    write_all(&m, ks);
    kgr_server_reply(ks->server, request->call, KGR_OK, kgr_slice(m.p, m.len));
    free(text);
}

void kgr_ks_metrics_timer(struct kgr_ks *ks)
{
    const char *path = ks->settings.metrics_file;
    uint64_t now = kgr_clock_boot_ms();
    struct kgr_diag diag = {{0}};
    struct kgr_metrics m;
    enum kgr_error err;
    char *text;

    if (path == NULL || path[0] == '\0' || ks->server == NULL ||
        now < ks->stats.saved_ms + ks->settings.metrics_interval_s * UINT64_C(1000))
        return;
    ks->stats.saved_ms = now;
    text = malloc(TEXT_MAX);
    if (text == NULL)
        return;
    kgr_metrics_init(&m, text, TEXT_MAX);
    write_all(&m, ks);
    err = kgr_metrics_save(&m, path, &diag);
    if (err != KGR_OK && !ks->stats.save_failed)
        kgr_warn("metrics_not_written", "reason=\"%s\"", kgr_diag_text(&diag, err));
    ks->stats.save_failed = err != KGR_OK;
    free(text);
}

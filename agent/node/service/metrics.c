/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/mqtt/mqtt.h"
#include "agent/node/audit.h"
#include "agent/node/service/parts.h"
#include "agent/socket/metrics.h"
#include "agent/tpm/stats.h"
#include "agent/tpm/worker.h"

/* metrics: the node in numbers (docs/metrics.md). */

#define TEXT_MAX (KGR_IPC_PACKET_MAX - KGR_IPC_HEADER_LEN)

static void write_node(struct kgr_metrics *m, const struct kgr_node *node, uint64_t now_ms)
{
    kgr_metric_family(m, "kgr_info", KGR_METRIC_GAUGE, "The node; always 1.");
    kgr_metric_u64(m,
                   KGR_LABELS("node", node->self.s, "version", KGR_VERSION, "custody",
                              node->custody.sealed ? "sealed" : "resident"),
                   1);
    kgr_metric_gauge(m, "kgr_registered", "1 unless the node was revoked.", node->revoked == 0);
    kgr_metric_gauge(m, "kgr_broker_connected", "1 while there is a connection to a broker.",
                     node->mqtt != NULL && kgr_mqtt_is_ready(node->mqtt));
    if (node->sync.answer_ms != 0)
        kgr_metric_gauge(m, "kgr_ks_answer_age_seconds", "Since the key server answered last.",
                         (now_ms - node->sync.answer_ms) / 1000);
    kgr_metric_gauge(m, "kgr_lease_seconds", "Until the lease ends; 0: there is none.",
                     kgr_sync_has_lease(&node->sync, now_ms) ? (node->sync.lease_ms - now_ms) / 1000
                                                             : 0);
}

static void write_exchanges(struct kgr_metrics *m, const struct kgr_node *node)
{
    const struct kgr_node_stats *stats = &node->stats;
    size_t under_way = 0;

    for (size_t i = 0; i < node->pairs.num; i++) {
        enum kgr_exchange_phase phase = node->pairs.list[i]->ex.s.phase;

        under_way += phase != KGR_EXCHANGE_IDLE && phase != KGR_EXCHANGE_FAILED;
    }
    kgr_metric_gauge(m, "kgr_exchanges_under_way", "Exchanges that are not at their end.",
                     under_way);
    kgr_metric_counter(m, "kgr_exchanges_total", "Generations that came into force.",
                       stats->exchanges_done);
    kgr_metric_family(m, "kgr_exchange_failures_total", KGR_METRIC_COUNTER,
                      "Exchanges that failed, by cause.");
    for (int err = 1; err < KGR_ERR_COUNT; err++)
        if (stats->exchanges_failed[err] != 0)
            kgr_metric_u64(m, KGR_LABELS("cause", kgr_strerror((enum kgr_error)err)),
                           stats->exchanges_failed[err]);
    kgr_metric_histogram(m, "kgr_exchange_duration_seconds",
                         "From the request of this node until its generation was in force.",
                         &stats->durations);
    kgr_metric_counter(m, "kgr_nksk_renewals_total", "Renewals of NKSK.", stats->nksk_renewals);
}

/* A peer with metrics of its own. */
struct shown {
    const char *peer;
    uint64_t generation, age_s, rest_s;
    double budget;
};

static int by_rest(const void *a, const void *b)
{
    const struct shown *x = a, *y = b;

    return x->rest_s < y->rest_s ? -1 : x->rest_s > y->rest_s;
}

/*
 * The keys that expire first are the ones to look at: only so many have series of their own; and only of peers that the reader may
 * see (NULL: of all).
 */
static size_t collect(struct shown **out, struct kgr_node *node, uint64_t now_ms,
                      const struct kgr_call *reader, size_t *out_with_key)
{
    struct shown *list = calloc(node->pairs.num + 1, sizeof(*list));
    size_t num = 0;

    *out = list;
    *out_with_key = 0;
    for (size_t i = 0; list != NULL && i < node->pairs.num; i++) {
        struct kgr_pair *pair = node->pairs.list[i];
        const struct kgr_ring_key *key = kgr_ring_sending(node->pairs.ring, &pair->ex.s.peer);
        const struct kgr_pair_records *records;

        if (key == NULL ||
            (reader != NULL &&
             !kgr_service_allows(node->service, *reader, &pair->ex.s.peer, KGR_RIGHT_LIST)))
            continue;
        records = kgr_pair_find_records(pair, key->generation);
        list[num++] = (struct shown){
            .peer = pair->ex.s.peer.s,
            .generation = key->generation,
            .age_s = kgr_ring_key_age_s(key, now_ms),
            .rest_s = kgr_ring_key_rest_s(key, now_ms),
            .budget =
                records == NULL ? 0 : (double)records->budget.used / (double)node->settings->budget,
        };
    }
    *out_with_key = num;
    if (num > 0)
        qsort(list, num, sizeof(*list), by_rest);
    return num < node->settings->metrics_peers ? num : node->settings->metrics_peers;
}

static void write_keys(struct kgr_metrics *m, struct kgr_node *node, uint64_t now_ms,
                       const struct kgr_call *reader)
{
    struct shown *list;
    size_t with_key, num = collect(&list, node, now_ms, reader, &with_key);

    kgr_metric_gauge(m, "kgr_peers", "Peers that this node knows.", node->pairs.num);
    kgr_metric_gauge(m, "kgr_peers_with_key", "Peers with a key in force, expired ones too.",
                     with_key);
    if (with_key > 0)
        kgr_metric_gauge(m, "kgr_key_expires_first_seconds",
                         "Until the first key in force expires; 0: one has.", list[0].rest_s);
    kgr_metric_family(m, "kgr_key_expires_seconds", KGR_METRIC_GAUGE,
                      "Until the key in force expires, of the peers whose keys expire first.");
    for (size_t i = 0; i < num; i++)
        kgr_metric_u64(m, KGR_LABELS("peer", list[i].peer), list[i].rest_s);
    kgr_metric_family(m, "kgr_key_age_seconds", KGR_METRIC_GAUGE, "Age of the key in force.");
    for (size_t i = 0; i < num; i++)
        kgr_metric_u64(m, KGR_LABELS("peer", list[i].peer), list[i].age_s);
    kgr_metric_family(m, "kgr_key_generation", KGR_METRIC_GAUGE, "Generation in force.");
    for (size_t i = 0; i < num; i++)
        kgr_metric_u64(m, KGR_LABELS("peer", list[i].peer), list[i].generation);
    kgr_metric_family(m, "kgr_key_budget_used_ratio", KGR_METRIC_GAUGE,
                      "Share of the budget of blocks that the key in force has used.");
    for (size_t i = 0; i < num; i++)
        kgr_metric_double(m, KGR_LABELS("peer", list[i].peer), list[i].budget);
    free(list);
}

static void write_messages(struct kgr_metrics *m, const struct kgr_service *service)
{
    kgr_metric_counter(m, "kgr_messages_sent_total", "Messages sent.", service->messages_sent);
    kgr_metric_counter(m, "kgr_messages_accepted_total", "Messages that came and were opened.",
                       service->messages_accepted);
    kgr_metric_family(m, "kgr_messages_refused_total", KGR_METRIC_COUNTER,
                      "Messages that came and were dropped, by cause.");
    for (int i = 0; i < KGR_REFUSAL_COUNT; i++)
        kgr_metric_u64(m, KGR_LABELS("cause", kgr_metrics_message_cause((unsigned int)i)),
                       kgr_service_num_refused(service, (enum kgr_refusal)i));
    kgr_metric_gauge(m, "kgr_inbox_messages", "Messages that wait to be fetched.",
                     service->pool.num_opened);
    kgr_metric_gauge(m, "kgr_inbox_bytes", "Bytes of messages that wait, opened or not.",
                     service->pool.bytes);
    kgr_metric_gauge(m, "kgr_inbox_limit_bytes", "limits.inbox_total.",
                     service->pool.limits.total_bytes);
}

static void write_audit(struct kgr_metrics *m, const struct kgr_node *node)
{
    struct kgr_node_audit_stats audit;

    kgr_node_audit_stats(node, &audit);
    kgr_metric_counter(m, "kgr_audit_records_total", "Records of the audit log since the start.",
                       audit.records);
    kgr_metric_counter(m, "kgr_audit_lost_total", "Records that could not be written.", audit.lost);
    kgr_metric_gauge(m, "kgr_audit_unsigned", "Records after the last signed head.",
                     audit.unsigned_n);
}

static void write_alarms(struct kgr_metrics *m, const struct kgr_service *service, uint64_t now_ms)
{
    struct kgr_warnings *warnings = malloc(sizeof(*warnings));

    if (warnings == NULL)
        return;
    kgr_service_warnings(service, warnings, now_ms);
    kgr_metric_family(m, "kgr_alarm", KGR_METRIC_GAUGE, "1 while this is wrong, or soon will be.");
    for (int i = 0; i < KGR_NUM_WARNINGS; i++)
        kgr_metric_u64(m, KGR_LABELS("name", kgr_warning_name((enum kgr_warning)i)),
                       warnings->on[i]);
    free(warnings);
}

static void write_tpm(struct kgr_metrics *m, const struct kgr_tpm_stats *stats)
{
    struct kgr_metrics_command commands[KGR_TPM_STATS_MAX + 1];
    struct kgr_tpm_times times;
    size_t num = 0;

    while (num < KGR_TPM_STATS_MAX && kgr_tpm_stats_read(stats, num, &times)) {
        commands[num++] = (struct kgr_metrics_command){times.name, times.num, times.failed,
                                                       (double)times.ns / 1e9};
    }
    commands[num].name = NULL;
    kgr_metrics_tpm(m, commands);
}

/* What may be long comes last. */
static void write_all(struct kgr_metrics *m, struct kgr_service *service,
                      const struct kgr_call *reader)
{
    struct kgr_node *node = service->node;
    uint64_t now = kgr_clock_boot_ms();

    write_node(m, node, now);
    kgr_metrics_process(m, node->stats.started_ms);
    write_alarms(m, service, now);
    write_exchanges(m, node);
    write_messages(m, service);
    kgr_metrics_frames(m, node->frames.refused);
    write_audit(m, node);
    if (node->worker != NULL)
        write_tpm(m, kgr_tpm_worker_stats(node->worker));
    if (node->worker != NULL)
        kgr_metrics_tpm_queue(m, kgr_tpm_worker_queued(node->worker, KGR_TPM_CONTROL),
                              kgr_tpm_worker_queued(node->worker, KGR_TPM_BULK),
                              kgr_tpm_worker_failing(node->worker) != 0);
    kgr_metrics_server(m, service->server);
    write_keys(m, node, now, reader);
}

void kgr_service_metrics(struct kgr_service *service, const struct kgr_server_request *request)
{
    struct kgr_metrics m;
    char *text;

    if (request->body.len != 0) {
        kgr_service_malformed(service, request);
        return;
    }
    if (!kgr_service_may(service, request, NULL, KGR_RIGHT_LIST))
        return;
    text = malloc(TEXT_MAX);
    if (text == NULL) {
        kgr_server_fail(service->server, request->call, KGR_ERR_NO_MEMORY, NULL);
        return;
    }
    kgr_metrics_init(&m, text, TEXT_MAX);
    write_all(&m, service, &request->call);
    kgr_service_ok(service, request->call, kgr_slice(m.p, m.len));
    free(text);
}

uint64_t kgr_service_metrics_deadline(const struct kgr_service *service)
{
    const struct kgr_settings *s = service->node->settings;

    if (s->metrics_file == NULL || s->metrics_file[0] == '\0')
        return UINT64_MAX;
    return service->saved_ms + s->metrics_interval_s * UINT64_C(1000);
}

void kgr_service_metrics_timer(struct kgr_service *service, uint64_t now_ms)
{
    const char *path = service->node->settings->metrics_file;
    struct kgr_diag diag = {{0}};
    struct kgr_metrics m;
    enum kgr_error err;
    char *text;

    if (now_ms < kgr_service_metrics_deadline(service))
        return;
    service->saved_ms = now_ms;
    text = malloc(TEXT_MAX);
    if (text == NULL)
        return;
    kgr_metrics_init(&m, text, TEXT_MAX);
    write_all(&m, service, NULL);
    err = kgr_metrics_save(&m, path, &diag);
    if (err != KGR_OK && !service->save_failed)
        kgr_warn("metrics_not_written", "reason=\"%s\"", kgr_diag_text(&diag, err));
    service->save_failed = err != KGR_OK;
    free(text);
}

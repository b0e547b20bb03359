/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/socket/metrics.h"

#include "agent/socket/tally.h"
#include "agent/socket/workers.h"

static void write_requests(struct kgr_metrics *m, const struct kgr_tally *tally)
{
    kgr_metric_family(m, "kgr_requests_total", KGR_METRIC_COUNTER,
                      "Requests that were answered, by door, operation and result.");
    for (int door = 0; door < KGR_NUM_DOORS; door++)
        for (uint16_t op = 0; op < KGR_TALLY_OPS; op++)
            for (int result = 0; result < KGR_TALLY_RESULTS; result++) {
                uint64_t num =
                    atomic_load_explicit(&tally->num[door][op][result], memory_order_relaxed);

                if (num != 0)
                    kgr_metric_u64(m,
                                   KGR_LABELS("door", kgr_door_name((enum kgr_door)door), "op",
                                              kgr_op_name(op), "result",
                                              kgr_strerror((enum kgr_error)result)),
                                   num);
            }
}

static void write_rings(struct kgr_metrics *m, const struct kgr_workers *workers)
{
    struct kgr_workers_stats stats;

    kgr_workers_stats(workers, &stats);
    kgr_metric_gauge(m, "kgr_rings", "Rings in shared memory that clients have now.", stats.rings);
    kgr_metric_counter(m, "kgr_ring_requests_total", "Requests that workers took from rings.",
                       stats.requests);
    kgr_metric_counter(m, "kgr_ring_requests_handed_total",
                       "Of those, the ones handed on to the loop.", stats.handed);
    kgr_metric_counter(m, "kgr_ring_breaches_total",
                       "Rings that ended because their client broke the rules.", stats.breaches);
}

void kgr_metrics_server(struct kgr_metrics *m, struct kgr_server *server)
{
    struct kgr_server_stats stats;

    kgr_server_stats(server, &stats);
    kgr_metric_gauge(m, "kgr_connections", "Local connections now.", stats.conns);
    kgr_metric_counter(m, "kgr_connections_total", "Local connections that were let in.",
                       stats.accepted);
    kgr_metric_family(m, "kgr_clients_refused_total", KGR_METRIC_COUNTER,
                      "Local connections and requests that were refused.");
    kgr_metric_u64(m, KGR_LABELS("cause", "access"), stats.refused_access);
    kgr_metric_u64(m, KGR_LABELS("cause", "quota"), stats.refused_quota);
    kgr_metric_u64(m, KGR_LABELS("cause", "malformed"), stats.malformed);
    if (kgr_server_workers(server) != NULL)
        write_rings(m, kgr_server_workers(server));
    write_requests(m, kgr_server_tally(server));
}

void kgr_metrics_frames(struct kgr_metrics *m, const uint64_t *refused)
{
    static const char *const causes[] = {"size",   "version", "key",  "type", "rate",
                                         "replay", "tag",     "body", "queue"};

    kgr_metric_family(m, "kgr_frames_refused_total", KGR_METRIC_COUNTER,
                      "Frames that were dropped, by cause.");
    for (size_t i = 0; i < KGR_ARRAY_LEN(causes); i++)
        kgr_metric_u64(m, KGR_LABELS("cause", causes[i]), refused[i]);
}

const char *kgr_metrics_message_cause(unsigned int cause)
{
    static const char *const causes[] = {"retained", "size",   "format", "key",
                                         "state",    "replay", "full",   "tag"};

    return cause < KGR_ARRAY_LEN(causes) ? causes[cause] : "other";
}

void kgr_metrics_tpm(struct kgr_metrics *m, const struct kgr_metrics_command *commands)
{
    kgr_metric_family(m, "kgr_tpm_commands_total", KGR_METRIC_COUNTER,
                      "Commands to the TPM, by name.");
    for (size_t i = 0; commands[i].name != NULL; i++)
        kgr_metric_u64(m, KGR_LABELS("command", commands[i].name), commands[i].num);
    kgr_metric_family(m, "kgr_tpm_command_failures_total", KGR_METRIC_COUNTER,
                      "Of those, the ones that the TPM did not carry out.");
    for (size_t i = 0; commands[i].name != NULL; i++)
        kgr_metric_u64(m, KGR_LABELS("command", commands[i].name), commands[i].failed);
    kgr_metric_family(m, "kgr_tpm_command_seconds_total", KGR_METRIC_COUNTER,
                      "Time that they took.");
    for (size_t i = 0; commands[i].name != NULL; i++)
        kgr_metric_double(m, KGR_LABELS("command", commands[i].name), commands[i].seconds);
}

void kgr_metrics_tpm_queue(struct kgr_metrics *m, size_t control, size_t bulk, bool failing)
{
    kgr_metric_family(m, "kgr_tpm_queue", KGR_METRIC_GAUGE,
                      "Jobs at the TPM, the running one too.");
    kgr_metric_u64(m, KGR_LABELS("priority", "control"), control);
    kgr_metric_u64(m, KGR_LABELS("priority", "bulk"), bulk);
    kgr_metric_gauge(m, "kgr_tpm_failing", "1 while the TPM fails.", failing);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/diag.h"

/*
 * Metrics in the Prometheus text exposition format 0.0.4, into a buffer of the caller's. What does not fit is left out by whole
 * lines, and `full` says so. Names and help texts are literals; values of labels may be any text.
 */
struct kgr_metrics {
    char *p; /* borrowed */
    size_t cap;
    size_t len;
    bool full;
    const char *name; /* of the family that is written */
};

enum kgr_metric_type { KGR_METRIC_COUNTER, KGR_METRIC_GAUGE, KGR_METRIC_HISTOGRAM };

/* Labels of a sample: name and value by turns, ended by NULL. */
#define KGR_LABELS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define KGR_NO_LABELS   ((const char *const[]){NULL})

void kgr_metrics_init(struct kgr_metrics *m, char *out, size_t cap);
/* kgr_metric_family begins a metric; its samples follow at once. */
void kgr_metric_family(struct kgr_metrics *m, const char *name, enum kgr_metric_type type,
                       const char *help);
void kgr_metric_u64(struct kgr_metrics *m, const char *const *labels, uint64_t value);
void kgr_metric_double(struct kgr_metrics *m, const char *const *labels, double value);
/* A family with one sample. */
void kgr_metric_gauge(struct kgr_metrics *m, const char *name, const char *help, uint64_t value);
void kgr_metric_counter(struct kgr_metrics *m, const char *name, const char *help, uint64_t value);

/* Durations; the bounds are in ms, the metric in seconds. */
#define KGR_HISTOGRAM_BOUNDS 10
struct kgr_histogram {
    uint64_t counts[KGR_HISTOGRAM_BOUNDS + 1]; /* each bucket alone, the last above all bounds */
    uint64_t sum_ms;
};
void kgr_histogram_add(struct kgr_histogram *h, uint64_t ms);
void kgr_metric_histogram(struct kgr_metrics *m, const char *name, const char *help,
                          const struct kgr_histogram *h);

/*
 * kgr_metrics_save writes text to path for the textfile collector of node_exporter, which reads it under other rights: mode
 * 0644, by rename.
 */
KGR_MUST_CHECK enum kgr_error kgr_metrics_save(const struct kgr_metrics *m, const char *path,
                                               struct kgr_diag *diag);

/* kgr_metrics_process: what every service has: uptime, memory and the log. */
void kgr_metrics_process(struct kgr_metrics *m, uint64_t started_ms);

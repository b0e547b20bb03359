/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/metrics.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/file.h"
#include "agent/base/log.h"
#include "agent/base/secret.h"

static const uint32_t bounds_ms[KGR_HISTOGRAM_BOUNDS] = {50,   100,  250,   500,   1000,
                                                         2500, 5000, 10000, 30000, 120000};

void kgr_metrics_init(struct kgr_metrics *m, char *out, size_t cap)
{
    *m = (struct kgr_metrics){.p = out, .cap = cap};
}

static void put(struct kgr_metrics *m, size_t *at, const char *fmt, ...) KGR_PRINTF(3, 4);
static void put(struct kgr_metrics *m, size_t *at, const char *fmt, ...)
{
    va_list ap;
    int n;

    if (m->full)
        return;
    va_start(ap, fmt);
    n = vsnprintf(m->p + *at, m->cap - *at, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= m->cap - *at)
        m->full = true;
    else
        *at += (size_t)n;
}

/* A label's value: backslash, quotation mark and line feed are escaped. */
static void put_value(struct kgr_metrics *m, size_t *at, const char *value)
{
    for (; *value != '\0'; value++) {
        if (*value == '\\' || *value == '"')
            put(m, at, "\\%c", *value);
        else if (*value == '\n')
            put(m, at, "\\n");
        else
            put(m, at, "%c", *value);
    }
}

static void put_labels(struct kgr_metrics *m, size_t *at, const char *const *labels)
{
    for (size_t i = 0; labels[i] != NULL; i += 2) {
        put(m, at, "%s%s=\"", i == 0 ? "{" : ",", labels[i]);
        put_value(m, at, labels[i + 1]);
        put(m, at, "\"");
    }
    if (labels[0] != NULL)
        put(m, at, "}");
}

/* What was written since len stands, if it is whole. */
static void end(struct kgr_metrics *m, size_t at)
{
    if (!m->full)
        m->len = at;
}

void kgr_metric_family(struct kgr_metrics *m, const char *name, enum kgr_metric_type type,
                       const char *help)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    size_t at = m->len;

    m->name = name;
    put(m, &at, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, types[type]);
    end(m, at);
}

void kgr_metric_u64(struct kgr_metrics *m, const char *const *labels, uint64_t value)
{
    size_t at = m->len;

    put(m, &at, "%s", m->name);
    put_labels(m, &at, labels);
    put(m, &at, " %" PRIu64 "\n", value);
    end(m, at);
}

void kgr_metric_double(struct kgr_metrics *m, const char *const *labels, double value)
{
    size_t at = m->len;

    put(m, &at, "%s", m->name);
    put_labels(m, &at, labels);
    put(m, &at, " %.9g\n", value);
    end(m, at);
}

void kgr_metric_gauge(struct kgr_metrics *m, const char *name, const char *help, uint64_t value)
{
    kgr_metric_family(m, name, KGR_METRIC_GAUGE, help);
    kgr_metric_u64(m, KGR_NO_LABELS, value);
}

void kgr_metric_counter(struct kgr_metrics *m, const char *name, const char *help, uint64_t value)
{
    kgr_metric_family(m, name, KGR_METRIC_COUNTER, help);
    kgr_metric_u64(m, KGR_NO_LABELS, value);
}

void kgr_histogram_add(struct kgr_histogram *h, uint64_t ms)
{
    size_t i = 0;

    while (i < KGR_HISTOGRAM_BOUNDS && ms > bounds_ms[i])
        i++;
    h->counts[i]++;
    h->sum_ms += ms;
}

void kgr_metric_histogram(struct kgr_metrics *m, const char *name, const char *help,
                          const struct kgr_histogram *h)
{
    uint64_t sum = 0;
    size_t at;

    kgr_metric_family(m, name, KGR_METRIC_HISTOGRAM, help);
    at = m->len;
    for (size_t i = 0; i < KGR_HISTOGRAM_BOUNDS; i++) {
        sum += h->counts[i];
        put(m, &at, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", name, bounds_ms[i] / 1000.0, sum);
    }
    sum += h->counts[KGR_HISTOGRAM_BOUNDS];
    put(m, &at, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, sum);
    put(m, &at, "%s_sum %.9g\n%s_count %" PRIu64 "\n", name, (double)h->sum_ms / 1000.0, name, sum);
    end(m, at);
}

enum kgr_error kgr_metrics_save(const struct kgr_metrics *m, const char *path,
                                struct kgr_diag *diag)
{
    return kgr_file_replace(path, 0644, kgr_slice(m->p, m->len), diag);
}

/* Fields of /proc/self/statm are pages. */
static uint64_t resident_bytes(void)
{
    unsigned long long size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");

    if (f == NULL)
        return 0;
    if (fscanf(f, "%llu %llu", &size, &resident) != 2)
        resident = 0;
    (void)fclose(f); /* only read */
    return resident * 4096;
}

void kgr_metrics_process(struct kgr_metrics *m, uint64_t started_ms)
{
    struct kgr_log_stats log;
    size_t used, limit;

    kgr_log_stats(&log);
    kgr_arena_use(&used, &limit);
    kgr_metric_gauge(m, "kgr_uptime_seconds", "Seconds since the service started.",
                     (kgr_clock_boot_ms() - started_ms) / 1000);
    kgr_metric_gauge(m, "kgr_resident_memory_bytes", "Resident memory of the process.",
                     resident_bytes());
    kgr_metric_gauge(m, "kgr_arena_used_bytes", "Guarded memory for secrets that is in use.", used);
    kgr_metric_gauge(m, "kgr_arena_limit_bytes", "Guarded memory for secrets.", limit);
    kgr_metric_counter(m, "kgr_log_lines_total", "Lines of the log.", log.lines);
    kgr_metric_counter(m, "kgr_log_suppressed_total",
                       "Lines of the log that were one too many of their place.", log.suppressed);
    kgr_metric_counter(m, "kgr_log_dropped_total",
                       "Lines of the log that stderr or the journal did not take.", log.dropped);
}

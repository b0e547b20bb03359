/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/attr.h"

/*
 * One line an event on stderr: `LEVEL event key=value ...`. Identifiers only, never payloads, keys
 * or authorisation values. Text that came from outside is passed through kgr_log_escape first.
 * Thread-safe. Libraries for strangers' processes (client, wire, seal, base itself) do not log.
 *
 * Each place in the code has a bucket of KGR_LOG_BURST lines, filled by one in KGR_LOG_REFILL_MS, so that nobody who can
 * provoke a line can fill the log: what is above is counted, and told by `suppressed=N` in the next line of that place, or by
 * `log_suppressed` when none comes. Only debug lines are not limited. Nothing here waits: a line that stderr does not
 * take at once (a full pipe, a full disk) is dropped and counted, and `log_dropped` tells it later.
 */
enum kgr_log_level { KGR_LOG_ERROR, KGR_LOG_WARN, KGR_LOG_INFO, KGR_LOG_DEBUG };

#define KGR_LOG_BURST     50u
#define KGR_LOG_REFILL_MS 2000u

/* A place that logs; static, zeroed but for the event. */
struct kgr_log_site {
    const char *event;
    struct kgr_log_site *next; /* of those that suppressed something once */
    bool used, listed;
    uint32_t tokens;
    uint32_t suppressed; /* and not told */
    uint64_t filled_ms;
};

void kgr_log_set_level(enum kgr_log_level level);
void kgr_log_at(struct kgr_log_site *site, enum kgr_log_level level, const char *fmt, ...)
    KGR_PRINTF(3, 4);
/* kgr_log_tell writes what was suppressed and dropped and is not told yet: now and then, and at the end. */
void kgr_log_tell(void);
/*
 * kgr_log_set_sink gives lines to another place than stderr; false from sink: it did not take this one, and stderr gets it. line
 * has no line feed. Before other threads start.
 */
typedef bool kgr_log_sink(enum kgr_log_level level, const char *event, const char *line);
void kgr_log_set_sink(kgr_log_sink *sink);

struct kgr_log_stats {
    uint64_t lines;
    uint64_t suppressed;
    uint64_t dropped;
};
void kgr_log_stats(struct kgr_log_stats *out);

/* kgr_log_escape copies text into out with everything but printable ASCII as \xNN, cut to fit. */
const char *kgr_log_escape(char *out, size_t cap, const void *text, size_t len);

#define KGR_LOG_AT(level, name, ...)                                                               \
    do {                                                                                           \
        static struct kgr_log_site kgr_log_site_ = {.event = (name)};                              \
        kgr_log_at(&kgr_log_site_, (level), __VA_ARGS__);                                          \
    } while (0)

#define kgr_error_log(event, ...) KGR_LOG_AT(KGR_LOG_ERROR, event, __VA_ARGS__)
#define kgr_warn(event, ...)      KGR_LOG_AT(KGR_LOG_WARN, event, __VA_ARGS__)
#define kgr_info(event, ...)      KGR_LOG_AT(KGR_LOG_INFO, event, __VA_ARGS__)
#define kgr_debug(event, ...)     KGR_LOG_AT(KGR_LOG_DEBUG, event, __VA_ARGS__)

/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>

#include "agent/base/attr.h"

/*
 * One line an event on stderr: `LEVEL event key=value ...`. Identifiers only, never payloads, keys
 * or authorisation values. Text that came from outside is passed through kgr_log_escape first.
 * Thread-safe. Libraries for strangers' processes (client, wire, seal, base itself) do not log.
 */
enum kgr_log_level { KGR_LOG_ERROR, KGR_LOG_WARN, KGR_LOG_INFO, KGR_LOG_DEBUG };

void kgr_log_set_level(enum kgr_log_level level);
void kgr_log(enum kgr_log_level level, const char *event, const char *fmt, ...) KGR_PRINTF(3, 4);
/* kgr_log_escape copies text into out with everything but printable ASCII as \xNN, cut to fit. */
const char *kgr_log_escape(char *out, size_t cap, const void *text, size_t len);

#define kgr_error_log(event, ...) kgr_log(KGR_LOG_ERROR, event, __VA_ARGS__)
#define kgr_warn(event, ...)      kgr_log(KGR_LOG_WARN, event, __VA_ARGS__)
#define kgr_info(event, ...)      kgr_log(KGR_LOG_INFO, event, __VA_ARGS__)
#define kgr_debug(event, ...)     kgr_log(KGR_LOG_DEBUG, event, __VA_ARGS__)

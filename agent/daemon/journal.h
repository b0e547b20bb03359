/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "agent/base/log.h"

/*
 * The log as entries of the journal, with fields: MESSAGE (the line without its level), PRIORITY, SYSLOG_IDENTIFIER, KGR_EVENT
 * and a KGR_<KEY> for each key=value. In the journal's native protocol by hand: sd_journal_send waits when journald does not
 * read, and a service must not.
 */
#define KGR_JOURNAL_SOCKET    "/run/systemd/journal/socket"
#define KGR_JOURNAL_ENTRY_MAX 4096

/*
 * kgr_journal_attach sends the lines of this process there if its stderr is the journal ($JOURNAL_STREAM); without, and for lines
 * that the journal does not take at once, they go to stderr as before. Before other threads; identifier is borrowed.
 */
void kgr_journal_attach(const char *identifier, const char *socket);

/* kgr_journal_entry writes the datagram of a line; what does not fit in cap is left out by whole fields. Returns its length. */
size_t kgr_journal_entry(char *out, size_t cap, const char *identifier, enum kgr_log_level level,
                         const char *event, const char *line);

/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/daemon/metrics.h"
#include "agent/socket/server.h"

/* What both services tell of their sockets, frames and TPMs in the same words (docs/metrics.md). */

/* kgr_metrics_server: connections, and requests by door, operation and result. */
void kgr_metrics_server(struct kgr_metrics *m, struct kgr_server *server);
/* kgr_metrics_frames takes the nine counts of docs/protocol.md, section 3.1. */
void kgr_metrics_frames(struct kgr_metrics *m, const uint64_t *refused);
/* kgr_metrics_message_cause: why messages are refused, as enum kgr_refusal of kgr/client.h numbers it. */
const char *kgr_metrics_message_cause(unsigned int cause);
/* One line a command of the TPM; ended by a NULL name. */
struct kgr_metrics_command {
    const char *name;
    uint64_t num, failed;
    double seconds;
};
void kgr_metrics_tpm(struct kgr_metrics *m, const struct kgr_metrics_command *commands);
void kgr_metrics_tpm_queue(struct kgr_metrics *m, size_t control, size_t bulk, bool failing);

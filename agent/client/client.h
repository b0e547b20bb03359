/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <kgr/client.h>

#include "agent/base/attr.h"
#include "agent/client/channel.h"
#include "agent/client/mac_table.h"

/* What belongs to one process's use of a client. A child of a fork gets another one. */
struct kgr_process {
    struct kgr_process *next;    /* those of the processes that we were forked from */
    struct kgr_channel *channel; /* owned */
    struct kgr_mac_table *macs;  /* owned: the MACs that are under way */
};

/*
 * kgr_client_process returns what this process uses of client, made at its first call after a fork.
 * Errors: KGR_ERR_NO_MEMORY. Thread-safe.
 */
KGR_MUST_CHECK enum kgr_error kgr_client_process(struct kgr_process **out,
                                                 struct kgr_client *client);

/* kgr_client_endpoint borrows whom client connects to. */
const struct kgr_endpoint *kgr_client_endpoint(const struct kgr_client *client);

/* kgr_client_timeout_ms is how long a request of client may take. */
int kgr_client_timeout_ms(const struct kgr_client *client);

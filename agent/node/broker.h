/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/base/diag.h"
#include "agent/mqtt/broker.h"

struct kgr_node;

/* Where a node's frames go: the brokers of the configuration, else the one of the credential. */
/* kgr_node_load_broker fills node->brokers. KGR_ERR_CONFIG when the configuration must say more. */
KGR_MUST_CHECK enum kgr_error kgr_node_load_broker(struct kgr_node *node, struct kgr_diag *diag);
/* kgr_node_broker writes host:port of the broker in use, or tried last; empty when none is known. Returns out. */
const char *kgr_node_broker(const struct kgr_node *node, char out[KGR_BROKER_TEXT_MAX + 1]);

/*
 * A broker that carries nothing is left for the next one, when there are several and the KS has not answered over it for
 * `request_timeout`. kgr_node_silence_ms is when, UINT64_MAX for not; kgr_node_mind_silence does it.
 */
uint64_t kgr_node_silence_ms(const struct kgr_node *node);
void kgr_node_mind_silence(struct kgr_node *node, uint64_t now_ms);

/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/node/machines/exchange.h"
#include "agent/node/pairs.h"
#include "agent/wire/body_exchange.h"

struct kgr_node;

/* What the exchange of a pair asks of the TPM; each ends in an event for the pair's machine. */

/* kgr_exchange_import imports both keys of an offer (pair->ex.offer) as the staged ones. */
void kgr_exchange_import(struct kgr_node *node, struct kgr_pair *pair,
                         const struct kgr_key_ans *keys);
/* kgr_exchange_confirm computes the key confirmations of both ends for pair->ex.offer. */
void kgr_exchange_confirm(struct kgr_node *node, struct kgr_pair *pair);
/*
 * kgr_exchange_bury takes a key (or NULL) out of the TPM and frees it, after every job that may still use it.
 */
void kgr_exchange_bury(struct kgr_node *node, struct kgr_ring_key *key);
/* kgr_exchange_bury_again tries those for which the queue had no room; kgr_exchange_free_graves after the worker's end. */
void kgr_exchange_bury_again(struct kgr_node *node);
void kgr_exchange_free_graves(struct kgr_node *node);

/* exchange_glue.c: kgr_exchange_run steps the machine and does what it says; time and jitter are added to event. */
enum kgr_error kgr_exchange_run(struct kgr_node *node, struct kgr_pair *pair,
                                struct kgr_exchange_event *event, const struct kgr_key_ans *keys);

/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/diag.h"
#include "agent/base/text.h"

#include <kgr/client.h>

struct kgr_account_limits;
struct kgr_node;
struct kgr_pair;
struct kgr_policy;
struct kgr_ring_key;

/* The local protocol of a node (docs/protocol.md, section 11): what applications ask of kgr-agent. */
struct kgr_service;

/* kgr_service_new listens on the configured socket. */
KGR_MUST_CHECK enum kgr_error kgr_service_new(struct kgr_service **out, struct kgr_node *node,
                                              struct kgr_diag *diag);
/*
 * kgr_service_free closes the socket, and stores exactly which records were used and seen. After the worker has
 * ended; accepts NULL.
 */
void kgr_service_free(struct kgr_service *service);

/* kgr_service_deadline: when kgr_service_on_timer is due; UINT64_MAX: never. */
uint64_t kgr_service_deadline(const struct kgr_service *service);
void kgr_service_on_timer(struct kgr_service *service, uint64_t now_ms);
/*
 * kgr_service_set_rights gives what users may and how much to every connection, all or none (KGR_ERR_NO_MEMORY).
 * kgr_service_reloaded: the settings are others; what is pending is looked at anew.
 */
KGR_MUST_CHECK enum kgr_error kgr_service_set_rights(struct kgr_service *service,
                                                     struct kgr_policy *policy,
                                                     const struct kgr_account_limits *limits);
void kgr_service_reloaded(struct kgr_service *service);
/* kgr_service_publish shows the workers what changed; after every event. */
void kgr_service_publish(struct kgr_service *service);
/* kgr_service_pair_changed answers those who waited for it. */
void kgr_service_pair_changed(struct kgr_service *service, struct kgr_pair *pair);
/*
 * kgr_service_rekeyed answers those who waited for a renewal of NKSK, when one ended: with a new storage key or without, or
 * with an error and its text.
 */
void kgr_service_rekeyed(struct kgr_service *service, bool storage, enum kgr_error err,
                         const char *text);
/*
 * kgr_service_listen subscribes to the topic on which messages under key arrive; before the other end is told that this one
 * has it. kgr_service_unlisten ends that, and does nothing for a key that nobody listens for.
 */
void kgr_service_listen(struct kgr_service *service, const struct kgr_nid *peer,
                        const struct kgr_ring_key *key);
void kgr_service_unlisten(struct kgr_service *service, const struct kgr_ring_key *key);
/* kgr_service_arrive takes what came on a topic of messages; false: it is none of those. */
KGR_MUST_CHECK bool kgr_service_arrive(struct kgr_service *service, const char *topic,
                                       struct kgr_slice payload);
/* kgr_service_happened tells subscribers of an event of the node. text may be NULL. */
void kgr_service_happened(struct kgr_service *service, enum kgr_event_type type, const char *text);
/* kgr_service_synchronised: who waits for a peer that the KS does not name waits in vain. */
void kgr_service_synchronised(struct kgr_service *service);

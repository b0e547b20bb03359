/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/node/machines/exchange.h"

/* One node with its peer, driven by hand: gateway-a is role 1, gateway-b role 2. */
struct fixture {
    struct kgr_exchange ex;
    struct kgr_exchange_actions out;
    struct kgr_nid a;
    struct kgr_nid b;
    uint64_t now;
    uint64_t sequence;
    uint8_t xid[KGR_XID_LEN];
    uint8_t pxid[KGR_XID_LEN];
    uint8_t topic[KGR_TOPIC_LEN];
    uint8_t peer_topic[KGR_TOPIC_LEN];
    uint8_t iv[KGR_IV_LEN];
    uint8_t kc_own[32];
    uint8_t kc_peer[32];
};

int setup(void **state);
const struct kgr_exchange_action *find(const struct fixture *f, enum kgr_exchange_action_type type);
size_t place(const struct fixture *f, enum kgr_exchange_action_type type);
void step(struct fixture *f, struct kgr_exchange_event *event);
void assert_sent(const struct fixture *f, uint8_t frame);
void assert_ignored(const struct fixture *f);
struct kgr_exchange_event frame(const struct fixture *f, enum kgr_exchange_event_type type,
                                bool requester, uint64_t generation);
void run(struct fixture *f, enum kgr_exchange_event_type type, bool requester, uint64_t generation);
void request(struct fixture *f, bool renew);
void imported(struct fixture *f, uint64_t generation);
void confirmed(struct fixture *f, uint64_t generation, const uint8_t *expected);
void nack(struct fixture *f, uint8_t type, uint8_t reason, uint64_t sequence);
void restart(struct fixture *f);
void reach_waiting(struct fixture *f, uint64_t generation);
void reach_candidate(struct fixture *f, uint64_t generation);

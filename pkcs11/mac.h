/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "pkcs11/cryptoki.h"

#include <kgr/client.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * One HMAC over data in any split. What fits one request is collected here and sent at the end;
 * only more than that opens a state at the agent. Not thread-safe.
 */
struct kgr_p11_mac {
    struct kgr_client *client; /* borrowed */
    struct kgr_key key;        /* with its generation */
    size_t hash_len;           /* what the key's suite makes */
    size_t mac_len;            /* what the mechanism keeps of it */
    uint8_t *held;             /* owned */
    size_t held_len;
    size_t held_cap;
    bool remote; /* the agent holds the state under id */
    uint32_t id;
};

void kgr_p11_mac_init(struct kgr_p11_mac *mac, struct kgr_client *client, const struct kgr_key *key,
                      size_t hash_len, size_t mac_len);
/* kgr_p11_mac_deinit also ends the agent's state. */
void kgr_p11_mac_deinit(struct kgr_p11_mac *mac);

CK_RV kgr_p11_mac_update(struct kgr_p11_mac *mac, const uint8_t *in, size_t in_len);
/* kgr_p11_mac_final writes mac_len bytes. */
CK_RV kgr_p11_mac_final(struct kgr_p11_mac *mac, uint8_t *out);
/* kgr_p11_mac_whole does it all at once, from the caller's memory. */
CK_RV kgr_p11_mac_whole(struct kgr_p11_mac *mac, const uint8_t *in, size_t in_len, uint8_t *out);

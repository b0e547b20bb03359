/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/* What the two files of the fake client share: p11-fake.c has the agent, p11-fake-crypt.c the keys' use. */
#include <kgr/client.h>

#include <openssl/types.h>

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAKE_MAX_KEYS 8192
#define FAKE_MAX_MACS 256

struct fake_state {
    pthread_mutex_t lock;
    bool ready; /* the first state was made */
    bool present;
    bool resident;
    const char *pin;
    uint32_t modes;
    struct kgr_peer keys[FAKE_MAX_KEYS];
    size_t num_keys;
    EVP_MAC_CTX *macs[FAKE_MAX_MACS];
    enum kgr_error fail_with;
    unsigned fail_after;
    unsigned num_requests;
    unsigned num_lists;
    size_t num_stirred;
    uint64_t next_sequence; /* of records sealed */
    uint64_t opened;        /* the highest sequence of a record that was opened */
};

extern struct fake_state fake;

/* fake_lock and fake_unlock guard the state; the functions below want it locked. */
void fake_lock(void);
void fake_unlock(void);
/* fake_request counts a request and tells if it is to fail. */
enum kgr_error fake_request(void);
/* fake_find: one generation; fake_current: the one to send with. NULL if there is none. */
struct kgr_peer *fake_find(const char *peer, uint64_t generation);
struct kgr_peer *fake_current(const char *peer);

/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <kgr/client.h>

#include "agent/node/node.h"
#include "tests/support/swtpm.h"

#include <pthread.h>

/*
 * Two nodes with a TPM each and one generation of keys between them, born in the first TPM and duplicated as
 * the KS does it; no KS and no broker. Each serves on a thread of its own, and is asked through
 * libkgr, as applications do.
 */
#define NODE_PAIR_LIFETIME_S 3600u

struct node_end {
    struct swtpm swtpm;
    char state[96];
    char socket[96];
    struct kgr_settings settings;
    struct kgr_node node;
    struct kgr_nid nid;
    pthread_t thread;
    bool running;
    struct kgr_client *client;
};

extern struct node_end ends[2];

/* Set before the group's setup: both ends in sealed custody, under keys of these bytes throughout. */
extern bool node_pair_sealed;
#define NODE_PAIR_ENC_BYTE 0x40
#define NODE_PAIR_MAC_BYTE 0x60

/* For cmocka: once for the group, and before and after each test. setup starts both with a lease. */
int node_pair_group_setup(void **state);
int node_pair_group_teardown(void **state);
int node_pair_setup(void **state);
int node_pair_teardown(void **state);

/* node_pair_stop is a clean stop of both, as a service manager does it. */
void node_pair_stop(void);
void node_pair_start(bool lease);
/* node_pair_open opens the state of a stopped end; close it with kgr_node_close. */
void node_pair_open(struct node_end *end);

const char *node_pair_peer(const struct node_end *end);
struct kgr_key node_pair_key(const struct node_end *end, uint64_t generation);

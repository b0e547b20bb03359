/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kgr/client.h>

/*
 * A libkgr without an agent, for the unit tests of the doors: the functions of <kgr/client.h> over
 * keys that the test knows, computed by OpenSSL's default provider in a library context of its own.
 * Two peers, both ready: "N2" with suite 1 and generation 7, "N3" with suite 2 and generation 3.
 * All that is not a request (new, free, URIs, reasons) works as in libkgr. Thread-safe once reset.
 */
#define KGR_FAKE_NODE "N1"

void kgr_fake_reset(void);
void kgr_fake_deinit(void);

/* kgr_fake_set_generation renews the key of peer; 0: no key yet. */
void kgr_fake_set_generation(const char *peer, uint64_t generation);

/* kgr_fake_fail lets `after` more requests pass and fails all later ones; KGR_OK ends it. */
void kgr_fake_fail(enum kgr_error err, const char *reason, unsigned int after);

/* kgr_fake_drop_streams forgets every MAC under way, as a lost connection does. */
void kgr_fake_drop_streams(void);

/* kgr_fake_calls counts the requests since the reset. */
unsigned int kgr_fake_calls(void);

/* kgr_fake_options: what kgr_client_new was last given. */
const char *kgr_fake_socket(void);
int kgr_fake_timeout_ms(void);

/* kgr_fake_use_keys replaces both keys of peer, all generations, until the reset: for known answers. */
void kgr_fake_use_keys(const char *peer, const uint8_t *enc, size_t enc_len, const uint8_t *mac,
                       size_t mac_len);

/* kgr_fake_know_whole: the agent knows whole messages of an AEAD (agent/client/etm.h), as it does after a reset; or it is an older one. */
void kgr_fake_know_whole(bool known);

/* The keys: *_len depends on the suite of peer. */
void kgr_fake_enc_key(uint8_t out[32], size_t *out_len, const char *peer, uint64_t generation);
void kgr_fake_mac_key(uint8_t out[64], size_t *out_len, const char *peer, uint64_t generation);

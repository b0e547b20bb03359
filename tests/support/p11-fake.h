/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * libkgr's interface over keys that tests know: no socket, agent or TPM. It keeps the limits that
 * <kgr/client.h> states, so that a door which oversteps one fails its test. Thread-safe.
 *
 * At first there are the node "gateway-00001" and the peers "gateway-00002" (suite 1, generation 1)
 * and "gateway-00003" (suite 2, generation 1), resident.
 */
#include <kgr/client.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* fake_reset brings back the first state and zeroes the counters. */
void fake_reset(void);
/* fake_set_present: does the agent answer? */
void fake_set_present(bool present);
void fake_set_modes(uint32_t modes);
void fake_set_resident(bool resident);
/* fake_set_pin: NULL for none, as at first; borrowed. */
void fake_set_pin(const char *pin);
/* fake_put adds one generation of a pair, or changes it. The highest one with may_send is current. */
void fake_put(const char *peer, uint64_t generation, enum kgr_suite_id suite,
              enum kgr_custody custody, bool may_send, bool may_receive);
void fake_drop(const char *peer, uint64_t generation);
/* fake_fail makes the request after `after` others fail with err, once. */
void fake_fail(enum kgr_error err, unsigned after);
/* fake_num_requests counts since fake_reset; the second, only those that list every peer. */
unsigned fake_num_requests(void);
unsigned fake_num_lists(void);
/* fake_num_macs: states that kgr_mac_start opened and nothing has ended. */
unsigned fake_num_macs(void);
/* fake_num_stirred: bytes given to kgr_add_random. */
size_t fake_num_stirred(void);
/* fake_key writes the key bytes: 16 or 32, and 32 or 48 for the MAC key. Returns how many. */
size_t fake_key(const char *peer, uint64_t generation, enum kgr_suite_id suite, bool mac,
                uint8_t out[64]);

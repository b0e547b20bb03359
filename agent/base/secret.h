/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "agent/base/attr.h"

/*
 * The guarded arena: the only process memory where a key, an authorisation value or NTAG may stand.
 * One per process, between guard pages, locked, kept out of core dumps and out of children; where the kernel gives
 * it, memory of memfd_secret, which nobody else can read, the kernel not either. KGR_ARENA=mlock in the environment asks
 * for ordinary memory, so that a test can look for keys where they are.
 * Thread-safe after kgr_arena_init.
 */

/*
 * What a service reserves: authorisation values and bytes of the keys of 2,000 peers, three generations of each, in the
 * larger suite and sealed custody take 1.5 MB; the rest is room for the TPM and for more peers. Below the 8 MiB that
 * systemd and Debian let a process lock.
 */
#define KGR_ARENA_SERVICE_BYTES (6u * 1024u * 1024u)
/* kgr_arena_init reserves bytes (rounded up to pages). Called once by main, before any thread. */
KGR_MUST_CHECK enum kgr_error kgr_arena_init(size_t bytes);
/* kgr_arena_deinit cleanses and unmaps everything; idempotent. */
void kgr_arena_deinit(void);
/*
 * kgr_secret_alloc returns len zeroed bytes of the arena, or NULL when it is full or len is 0.
 * The caller owns them and returns them with kgr_secret_free, which cleanses; NULL is accepted.
 */
void *kgr_secret_alloc(size_t len);
void kgr_secret_free(void *p);
/* kgr_arena_use gives the bytes of the arena that are allocated, with what surrounds them, and all of them; 0 and 0 without one. */
void kgr_arena_use(size_t *used, size_t *limit);
/* kgr_arena_contains tells whether p lies in the arena: for assertions. */
bool kgr_arena_contains(const void *p);

/* kgr_cleanse overwrites len bytes in a way the compiler keeps. */
void kgr_cleanse(void *p, size_t len);
/* kgr_equal_ct compares in time that depends on len only. */
KGR_MUST_CHECK bool kgr_equal_ct(const void *a, const void *b, size_t len);

/*
 * kgr_harden_process makes the process undumpable (PR_SET_DUMPABLE 0, RLIMIT_CORE 0), sets
 * NO_NEW_PRIVS and umask 0077, ignores SIGPIPE, and removes from the environment what makes libraries trace or
 * redirect traffic (TSS2_LOG*, MQTT_C_CLIENT_TRACE*, TCTI_PCAP_FILE, *_proxy). For mains only.
 */
void kgr_harden_process(void);

/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/diag.h"
#include "agent/daemon/config.h"
#include "agent/tpm/access.h"
#include "agent/mqtt/broker.h"

/* The configuration of kgr-ac (ac.conf). Texts are borrowed from it. */

/* The keys of ac.conf. */
extern const struct kgr_config_key kgr_ac_settings_keys[];

struct kgr_ac_settings {
    struct kgr_config *config; /* owned */
    const char *state;         /* folder */
    bool remote;               /* orders go over the broker, not to the KS's local socket */
    const char *ks_socket;
    struct kgr_brokers brokers; /* without a host: as ks.pub says */
    uint32_t timeout_s;         /* how long an order waits for its result */
    struct kgr_tpm_access tpm;
    bool sandbox; /* only the system calls of agent/daemon/sandbox.c */
};

/*
 * kgr_ac_settings_load reads path. A group `broker` in it sends orders over the broker; otherwise they go to the KS's local
 * socket, which comes from it, else from $KGR_KS, else is /run/kgr/ks.sock.
 */
KGR_MUST_CHECK enum kgr_error kgr_ac_settings_load(struct kgr_ac_settings *out, const char *path,
                                                   struct kgr_diag *diag);
/* kgr_ac_settings_check is --check: every mistake of the file, and of the files it names, on stderr. KGR_OK or KGR_ERR_CONFIG. */
KGR_MUST_CHECK enum kgr_error kgr_ac_settings_check(const char *path);
void kgr_ac_settings_deinit(struct kgr_ac_settings *settings);

/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <kgr/client.h>

#include "agent/base/attr.h"

/* What the KS tells of itself on its own socket. For kgrctl; no part of libkgr. */
struct kgr_ks_status {
    char version[32];
    uint32_t epoch;
    bool broker_connected;
    char broker[280]; /* host:port */
    uint32_t nodes;
    uint32_t registered;
    uint32_t open_exchanges;
    uint32_t holding_duplicates; /* exchanges for which it still holds key duplicates */
    uint32_t frames_refused;
    uint32_t frames_refused_by[KGR_FRAME_REFUSAL_COUNT];
    char tpm[256];
    char topic0[KGR_TOPIC_MAX + 1];
    char alarms[1024];  /* one a line */
    char entropy[1216]; /* sources of randomness beside the TPM, one a line */
};

/* kgr_get_ks_status asks the KS whose socket client was made with. */
KGR_MUST_CHECK enum kgr_error kgr_get_ks_status(struct kgr_client *client,
                                                struct kgr_ks_status *out);

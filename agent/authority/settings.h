/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/base/diag.h"

/* The configuration of kgr-ac (ac.conf). Texts are borrowed from it. */
struct kgr_config;

struct kgr_ac_settings {
    struct kgr_config *config; /* owned */
    const char *state;         /* folder */
    const char *ks_socket;     /* of the KS's local socket */
    const char *tcti;
};

/* kgr_ac_settings_load reads path; the KS's socket comes from it, else from $KGR_KS, else is /run/kgr/ks.sock. */
KGR_MUST_CHECK enum kgr_error kgr_ac_settings_load(struct kgr_ac_settings *out, const char *path,
                                                   struct kgr_diag *diag);
void kgr_ac_settings_deinit(struct kgr_ac_settings *settings);

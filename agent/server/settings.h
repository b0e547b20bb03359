/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>

#include "agent/base/diag.h"
#include "agent/base/log.h"
#include "agent/daemon/config.h"
#include "agent/server/ks.h"
#include "agent/tpm/access.h"

/* The keys of ks.conf. */
extern const struct kgr_config_key kgr_ks_settings_keys[];

/* The configuration of kgr-ks. Texts are borrowed from the loaded file, which this owns. */
struct kgr_ks_conf {
    struct kgr_config *config; /* owned */
    const char *state;         /* folder */
    struct kgr_tpm_access tpm;
    bool sandbox; /* only the system calls of agent/daemon/sandbox.c */
    enum kgr_log_level log_level;
    struct kgr_ks_settings ks;
};

/*
 * kgr_ks_settings_open reads the file with all its mistakes, which its config holds (kgr_config_result); files: those that it names
 * are looked at too. KGR_ERR_NO_MEMORY. Free with kgr_ks_settings_deinit in any case.
 */
KGR_MUST_CHECK enum kgr_error kgr_ks_settings_open(struct kgr_ks_conf *out, const char *path,
                                                   bool files);
/* kgr_ks_settings_load: KGR_ERR_CONFIG with `FILE:LINE: ...`. Free with kgr_ks_settings_deinit. */
KGR_MUST_CHECK enum kgr_error kgr_ks_settings_load(struct kgr_ks_conf *out, const char *path,
                                                   struct kgr_diag *diag);
/* kgr_ks_settings_check is --check: every mistake of the file, and of the files it names, on stderr. KGR_OK or KGR_ERR_CONFIG. */
KGR_MUST_CHECK enum kgr_error kgr_ks_settings_check(const char *path);
void kgr_ks_settings_deinit(struct kgr_ks_conf *conf);

/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/diag.h"
#include "agent/base/log.h"
#include "agent/tpm/access.h"
#include "agent/node/custody.h"
#include "agent/node/mirror/config.h"
#include "agent/mqtt/broker.h"
#include "agent/socket/account.h"

struct kgr_config;

struct kgr_policy;

/* Who asks for the first key of a pair. */
enum kgr_establish {
    KGR_ESTABLISH_ON_DEMAND, /* the first use through a door */
    KGR_ESTABLISH_ALLOWED,   /* the node, for every peer that the KS allows */
    KGR_ESTABLISH_MANUAL,    /* kgrctl request */
};

/* The configuration of kgr-agent. Texts are borrowed from the loaded file, which this owns. */
struct kgr_settings {
    struct kgr_config *config; /* owned */
    const char *state;         /* folder */
    const char *socket;
    bool sandbox;         /* only the system calls of agent/daemon/sandbox.c */
    const char *pin_file; /* of the PKCS#11 token; empty: no PIN */
    struct kgr_tpm_access tpm;
    struct kgr_brokers brokers; /* none: as the credential says */
    enum kgr_custody_wish custody;
    uint8_t min_custody; /* of a pair that this node takes part in; 0: any, 1 resident, 2 mixed */
    uint8_t suites;      /* mask: bit (suite - 1); 0: the default */
    uint64_t nksk_lifetime_s; /* NKSK is renewed before it is so old */
    enum kgr_establish establish;
    uint32_t renew_at;          /* share of lifetime and budget, in 1/100 */
    uint32_t overlap_s;         /* the generation before the current one receives for so long */
    uint64_t budget;            /* blocks of 16 bytes under one generation */
    uint32_t request_timeout_s; /* without an answer of the KS for longer, a pair shows it */
    struct kgr_policy *policy;  /* which local user may do what; owned */
    struct kgr_account_limits user_limits;
    uint32_t connections_total; /* of all users */
    uint32_t mac_streams;       /* open MAC computations of one connection */
    uint32_t first_use_wait_ms; /* a door's use of a key that is on its way waits so long */
    uint32_t first_use_waits;   /* so many uses may wait */
    uint32_t waits; /* requests of all applications that wait for a key, and for a message */
    uint32_t inbox_messages; /* of one peer, waiting */
    uint32_t inbox_bytes;    /* likewise */
    uint32_t inbox_total;    /* bytes of all peers' */
    uint32_t events;         /* that one subscriber may leave unread */
    uint32_t subscribers;    /* of events */
    enum kgr_log_level log_level;
    const char *metrics_file; /* for node_exporter; empty: none */
    uint32_t metrics_interval_s;
    uint32_t metrics_peers; /* at most so many have metrics of their own */
    struct kgr_config_group mirrors[KGR_MIRROR_SETTINGS_MAX];
    size_t num_mirrors;
};

/* The keys of agent.conf. */
extern const struct kgr_config_key kgr_settings_keys[];

/*
 * kgr_settings_open reads the file with all its mistakes, which its config holds (kgr_config_result); files: those that it names are
 * looked at too. KGR_ERR_NO_MEMORY. Free with kgr_settings_deinit in any case.
 */
KGR_MUST_CHECK enum kgr_error kgr_settings_open(struct kgr_settings *out, const char *path,
                                                bool files);
/* kgr_settings_go_live copies what keys that are live say; the policy is borrowed then. */
void kgr_settings_go_live(struct kgr_settings *running, const struct kgr_settings *next);
/* kgr_settings_load: KGR_ERR_CONFIG with `FILE:LINE: ...`. Free with kgr_settings_deinit. */
KGR_MUST_CHECK enum kgr_error kgr_settings_load(struct kgr_settings *out, const char *path,
                                                struct kgr_diag *diag);
/* kgr_settings_check is --check: every mistake of the file, and of the files it names, on stderr. KGR_OK or KGR_ERR_CONFIG. */
KGR_MUST_CHECK enum kgr_error kgr_settings_check(const char *path);
void kgr_settings_deinit(struct kgr_settings *settings);

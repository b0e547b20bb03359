/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/client/diagnosis.h"
#include "agent/client/ks_status.h"

/* What kgrctl doctor found out, before anybody judges it. */
#define KGR_FACT_TEXT_MAX 300
#define KGR_FACT_PATH_MAX 512

/* Of the agent and, through it, of TPM, broker and keys. */
struct kgr_agent_facts {
    enum kgr_error err; /* of the status; KGR_OK: all of this is known */
    char reason[KGR_DIAG_MAX];
    struct kgr_status status;
    enum kgr_error diagnosis_err;
    char diagnosis_reason[KGR_DIAG_MAX];
    struct kgr_diagnosis diagnosis;
    struct kgr_peer *peers; /* owned */
    size_t num_peers;
};

enum kgr_config_fact {
    KGR_CONFIG_UNKNOWN, /* not readable for this user, or no kgr-agent to ask */
    KGR_CONFIG_ABSENT,
    KGR_CONFIG_GOOD,
    KGR_CONFIG_WRONG,
};

struct kgr_host_facts {
    char socket[KGR_FACT_PATH_MAX];
    bool socket_exists;
    bool socket_usable; /* this user may write to it */
    char user[64];
    bool group_exists; /* kgr */
    bool in_group;     /* root is in every group */
    char config[1024];
    enum kgr_config_fact config_fact;
    char config_mistake[KGR_FACT_TEXT_MAX]; /* the first */
    size_t config_mistakes;
    bool state_known;
    bool state_exists;
    unsigned int state_mode;
    uint64_t state_free; /* bytes */
    char tpm_user
        [64]; /* another program that has the TPM open past the kernel's resource manager; or empty */
    int64_t wall_s;
};

struct kgr_door_facts {
    bool openssl_ran; /* false: there is none */
    char openssl_conf[KGR_FACT_PATH_MAX];
    bool provider_installed; /* kgr.so stands where OpenSSL looks */
    bool provider_named;     /* openssl.cnf mentions it */
    bool provider_active;
    char provider_version[32];
    bool module_installed;
    char module_file[KGR_FACT_PATH_MAX]; /* that registers it with p11-kit; or empty */
    char module_path[KGR_FACT_PATH_MAX]; /* what that names */
    bool module_exists;                  /* and it is there */
};

/* Of the key server, if it runs on this machine. */
struct kgr_ks_facts {
    bool here;
    enum kgr_error err;
    char reason[KGR_DIAG_MAX];
    struct kgr_ks_status status;
};

struct kgr_facts {
    const char *version; /* of kgrctl */
    struct kgr_agent_facts agent;
    struct kgr_host_facts host;
    struct kgr_door_facts doors;
    struct kgr_ks_facts ks;
};

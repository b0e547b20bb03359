/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <kgr/client.h>

#include "agent/base/attr.h"

/* What the agent knows of its surroundings, beyond its status. For kgrctl doctor; no part of libkgr. */
#define KGR_DIAGNOSIS_ALARMS_MAX 16

struct kgr_diagnosis_alarm {
    char name[32]; /* as in the metric kgr_alarm */
    char text[300];
};

/* Numbers that were not told are -1, texts empty. */
struct kgr_diagnosis {
    char config[1024]; /* the configuration file */
    char state[1024];  /* the state folder */
    char tcti[256];
    char custody_wanted[16]; /* auto, resident, sealed */
    int64_t sandbox;
    char tpm_error[256];
    char tpm_lacks[160]; /* words, comma between */
    int64_t tpm_in_lockout;
    int64_t tpm_lockout_counter;
    int64_t tpm_lockout_max;
    int64_t tpm_objects; /* transient */
    int64_t tpm_own_objects;
    int64_t tpm_sessions;
    int64_t tpm_own_sessions;
    int64_t tpm_sessions_free;
    int64_t tpm_persistent_free;
    char broker_trouble[300];
    int64_t broker_lost_s; /* 0: there is a connection */
    int64_t broker_connects;
    int64_t broker_refused_publishes;
    int64_t nksk_due_s; /* until NKSK is renewed */
    struct kgr_diagnosis_alarm alarms[KGR_DIAGNOSIS_ALARMS_MAX];
    size_t num_alarms;
};

/* kgr_diagnosis_parse reads lines NAME=VALUE; what it does not know is skipped. Pure. */
void kgr_diagnosis_parse(struct kgr_diagnosis *out, const char *text, size_t len);

KGR_MUST_CHECK enum kgr_error kgr_get_diagnosis(struct kgr_client *client,
                                                struct kgr_diagnosis *out);

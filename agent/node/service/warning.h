/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What is wrong with a node at this moment, or will be soon: told before a key expires, not after. In the status, as an event
 * ALARM when it begins, and as metric kgr_alarm.
 */
struct kgr_service;

enum kgr_warning {
    KGR_WARNING_BROKER,       /* no connection */
    KGR_WARNING_KS,           /* no answer */
    KGR_WARNING_LEASE_CLOSE,  /* it ends soon, and nothing came that would prolong it */
    KGR_WARNING_LEASE,        /* there is none */
    KGR_WARNING_KEY_EXPIRING, /* a key in use has a third of its last part left, and no successor */
    KGR_WARNING_BUDGET_CLOSE, /* likewise of its budget of blocks */
    KGR_WARNING_TPM,          /* it fails */
    KGR_WARNING_TPM_LOCKOUT,
    KGR_WARNING_DISK,
    KGR_WARNING_CLOCK, /* the wall clock jumped */
    KGR_WARNING_AUDIT, /* records were lost, or heads are not signed */
    KGR_NUM_WARNINGS
};

struct kgr_warnings {
    bool on[KGR_NUM_WARNINGS];
    char text[KGR_NUM_WARNINGS][300]; /* for people, one line */
};

const char *kgr_warning_name(enum kgr_warning warning); /* as the label of the metric */
void kgr_service_warnings(const struct kgr_service *service, struct kgr_warnings *out,
                          uint64_t now_ms);

/* kgr_service_warning_timer looks every 10 s, and tells what began. */
uint64_t kgr_service_warning_deadline(const struct kgr_service *service);
void kgr_service_warning_timer(struct kgr_service *service, uint64_t now_ms);

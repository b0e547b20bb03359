/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <kgr/error.h>

#include "agent/base/attr.h"

enum kgr_finding_state {
    KGR_FINDING_OK,
    KGR_FINDING_UNKNOWN, /* not looked at, for the reason that the text says */
    KGR_FINDING_WARN,
    KGR_FINDING_FAIL,
};

struct kgr_finding {
    const char *check; /* a literal: what was looked at */
    enum kgr_finding_state state;
    enum kgr_error err; /* of a failure: what decides the exit code */
    char text[400];
    char remedy[300]; /* empty unless it is WARN or FAIL */
};

#define KGR_FINDINGS_MAX 32

struct kgr_findings {
    struct kgr_finding list[KGR_FINDINGS_MAX];
    size_t num;
};

/* One of these for each check. Texts are cut to fit; what is more than KGR_FINDINGS_MAX is dropped. */
void kgr_finding_ok(struct kgr_findings *findings, const char *check, const char *fmt, ...)
    KGR_PRINTF(3, 4);
void kgr_finding_unknown(struct kgr_findings *findings, const char *check, const char *fmt, ...)
    KGR_PRINTF(3, 4);
void kgr_finding_warn(struct kgr_findings *findings, const char *check, const char *remedy,
                      const char *fmt, ...) KGR_PRINTF(4, 5);
void kgr_finding_fail(struct kgr_findings *findings, const char *check, enum kgr_error err,
                      const char *remedy, const char *fmt, ...) KGR_PRINTF(5, 6);

const char *kgr_finding_state_name(enum kgr_finding_state state);
/* kgr_findings_has_failed tells whether check failed. */
bool kgr_findings_has_failed(const struct kgr_findings *findings, const char *check);
/* kgr_findings_exit_code is that of the first failure; 0 without one. */
int kgr_findings_exit_code(const struct kgr_findings *findings);
